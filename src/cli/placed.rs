//! Which strategy a client places its keys by, by the keys that it placed.

use crate::base::family::{Chosen, Settings};
use crate::base::name::NodeIndex;
use crate::check::Placement;
use crate::client::selector::{KeyHash, SELECTORS};
use crate::client::{ClientConfig, Server, place};

/// The strategies that place every key where the client put it, or the one that comes nearest.
pub(super) fn placed_as(placement: &Placement) -> String {
    let servers: Vec<Server> =
        placement.servers.iter().filter_map(|address| Server::new(address).ok()).collect();
    let asked: Vec<(&str, NodeIndex)> =
        placement.keys.iter().filter_map(|(key, node)| Some((key.as_str(), (*node)?))).collect();
    if asked.is_empty() {
        return "no node was asked for any key".to_owned();
    }
    let mut matches: Vec<(usize, String)> = Vec::new();
    for kind in SELECTORS.kinds {
        for &hash in KeyHash::ALL {
            let selector = Chosen { kind: kind.name.to_owned(), settings: Settings::default() };
            let config = ClientConfig { selector, hash, ..ClientConfig::default() };
            let Ok(selector) = place(&servers, &config) else { continue };
            let hits = asked.iter().filter(|(key, node)| selector.home(key.as_bytes()) == *node);
            matches.push((hits.count(), format!("{} with {}", kind.name, hash.name())));
        }
    }
    let shares = shares(servers.len(), &asked);
    let all: Vec<&str> = matches
        .iter()
        .filter(|(hits, _)| *hits == asked.len())
        .map(|(_, name)| name.as_str())
        .collect();
    match (all.first(), matches.iter().max_by_key(|(hits, _)| *hits)) {
        // A strategy with a hash of its own matches with each.
        (Some(name), _) => {
            format!("as our {name} does, every one of {} keys; {shares}", asked.len())
        }
        (None, Some((hits, name))) => format!(
            "in a way of its own: the nearest of ours, {name}, agrees on {hits} of {} keys; {shares}",
            asked.len()
        ),
        (None, None) => shares,
    }
}

fn shares(nodes: usize, asked: &[(&str, NodeIndex)]) -> String {
    let count = |node: usize| asked.iter().filter(|(_, at)| at.position() == node).count();
    let counts: Vec<String> = (0..nodes).map(|node| count(node).to_string()).collect();
    format!("{} of them on the nodes", counts.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Keys where `kind` puts them, but for the last, which is where `last` says.
    fn placed(kind: &str, last: Option<NodeIndex>) -> Placement {
        let servers: Vec<String> = (1..4).map(|port| format!("127.0.0.1:{port}")).collect();
        let all: Vec<Server> = servers.iter().map(|it| Server::new(it).unwrap()).collect();
        let selector = Chosen { kind: kind.to_owned(), settings: Settings::default() };
        let hash = KeyHash::Crc32;
        let config = ClientConfig { selector, hash, ..ClientConfig::default() };
        let selector = place(&all, &config).unwrap();
        let key = |number| format!("key:{number}");
        let mut keys: Vec<_> =
            (0..50).map(|it| (key(it), Some(selector.home(key(it).as_bytes())))).collect();
        keys.extend(last.map(|node| ("last".to_owned(), Some(node))));
        Placement { servers, keys }
    }

    /// Catches a strategy that is not known again, one that is claimed although a key is elsewhere, and a
    /// key that nobody was asked for and counts.
    #[test]
    fn a_strategy_is_known_by_every_key() {
        let told = placed_as(&placed("modulo", None));
        assert!(told.starts_with("as our modulo with crc32 does, every one of 50 keys"), "{told}");
        let mut one_off = placed("modulo", Some(NodeIndex(0)));
        let elsewhere = [NodeIndex(0), NodeIndex(1)].map(|node| {
            one_off.keys.last_mut().unwrap().1 = Some(node);
            placed_as(&one_off)
        });
        assert!(
            elsewhere.iter().any(|told| told.contains("agrees on 50 of 51 keys")),
            "{elsewhere:?}"
        );
        one_off.keys.iter_mut().for_each(|(_, node)| *node = None);
        assert_eq!(placed_as(&one_off), "no node was asked for any key");
    }
}
