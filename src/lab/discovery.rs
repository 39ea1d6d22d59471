//! What nodes answer clients that ask them for the list of nodes, as those of Amazon ElastiCache do.
//!
//! It decides and says nothing itself. The nodes do not know the question, so their proxies are told what to
//! say in the place of what they answer.

use std::net::SocketAddr;

use super::{LabConfig, LabError};
use crate::base::family::{Settings, Value};

/// The kind of message fault that says it.
pub(super) const SAY: &str = "memcached_say";

/// The question since memcached 1.4.14: the fault that answers it, and the command. No fault of a plan can be
/// called so.
const CONFIG: (&str, &str) = ("discovery:config", "config");

/// The question before: the fault that answers it, the command, and its key.
const GET: (&str, &str, &str) = ("discovery:get", "get", "AmazonElastiCache:cluster");

/// A node as clients are told it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// Its name, or its address where it has none.
    pub(super) host: String,
    pub(super) address: SocketAddr,
}

/// The list that is told, and how often it was another one.
#[derive(Debug, Default)]
pub(super) struct Discovery {
    /// Rises with every change of the list.
    version: u64,
    list: Vec<Place>,
}

impl Discovery {
    /// The list is this one now; whether it was another one before.
    pub(super) fn is_news(&mut self, list: Vec<Place>) -> bool {
        let is_news = list != self.list;
        if is_news {
            self.version += 1;
            self.list = list;
        }
        is_news
    }

    /// The faults that say it, and their settings. In this order no answer to the new question is ahead of that
    /// to the old one.
    pub(super) fn rules(&self) -> [(&'static str, Settings); 2] {
        let body = self.body();
        let answer = |head: &str| format!("{head} 0 {}\r\n{body}\r\nEND\r\n", body.len());
        let (config, command) = CONFIG;
        let (get, get_command, key) = GET;
        [
            (get, settings(get_command, key, answer(&format!("VALUE {key}")))),
            (config, settings(command, "*", answer("CONFIG cluster"))),
        ]
    }

    /// The version, and on a line of its own a node after the other.
    fn body(&self) -> String {
        let node =
            |Place { host, address }: &Place| format!("{host}|{}|{}", address.ip(), address.port());
        let nodes: Vec<String> = self.list.iter().map(node).collect();
        format!("{}\n{}\n", self.version, nodes.join(" "))
    }
}

fn settings(command: &str, key: &str, text: String) -> Settings {
    let mut settings = Settings::default();
    for (name, value) in [("command", command), ("key", key), ("place", "instead")] {
        settings.insert(name, Value::Text(value.into()));
    }
    settings.insert("text", Value::Text(text));
    settings
}

/// Whether the nodes of a lab can answer so: only our own proxies can.
pub(super) fn can(config: &LabConfig) -> Result<(), LabError> {
    let option = match (&config.elsewhere, config.direct) {
        (Some(elsewhere), _) => elsewhere.whose.flag(),
        (None, true) => "-direct",
        (None, false) => return Ok(()),
    };
    let what =
        format!("the proxies of the harness answer who asks for the list; leave out {option}");
    if config.nodes.discovery { Err(LabError::Discovery(what)) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(ports: &[u16]) -> Vec<Place> {
        let address = |port: &u16| SocketAddr::from(([127, 0, 0, 1], *port));
        let place = |port| Place { host: "n.test".into(), address: address(port) };
        ports.iter().map(place).collect()
    }

    fn says(discovery: &Discovery) -> [String; 2] {
        discovery.rules().map(|(_, settings)| settings.text("text").unwrap().to_owned())
    }

    /// Catches an answer that no client of ElastiCache can read: its length, its separators, its end.
    #[test]
    fn the_answers_have_the_form_of_elasticache() {
        let mut discovery = Discovery::default();
        assert!(discovery.is_news(places(&[7, 8])));
        let [get, config] = says(&discovery);
        let body = "0 40\r\n1\nn.test|127.0.0.1|7 n.test|127.0.0.1|8\n\r\nEND\r\n";
        assert_eq!(config, format!("CONFIG cluster {body}"));
        assert_eq!(get, format!("VALUE AmazonElastiCache:cluster {body}"));
    }

    /// Catches a version that stays when the list or its order changes, or rises when nothing has changed.
    #[test]
    fn the_version_rises_with_every_change() {
        let mut discovery = Discovery::default();
        for (ports, is_news, version) in
            [(&[7, 8][..], true, 1), (&[7, 8], false, 1), (&[8, 7], true, 2), (&[8], true, 3)]
        {
            assert_eq!(discovery.is_news(places(ports)), is_news);
            assert_eq!(discovery.version, version);
        }
    }
}
