//! Under which names this server may be asked.
//!
//! The page of a stranger, open in somebody's browser, can ask any server that the browser reaches. It
//! cannot read the answer, unless the stranger's own name is made to point at the server: then browser
//! and server agree that the page asks its own host. Only the `Host` and the `Origin` of the request
//! give that away. So requests are answered under names that a stranger cannot have: loopback, addresses
//! that are listened on, and what was allowed. An address cannot be made to point elsewhere, and
//! a name without a dot cannot be registered: where more than this machine is served, those are how
//! containers call each other, and are allowed too.

use std::net::{IpAddr, SocketAddr};

use axum::http::header::{HOST, ORIGIN};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, Uri};

/// Names below this are only ever resolved inside (`host.docker.internal`): nobody can register one.
const PRIVATE: &str = ".internal";

/// More of a strange name than this is not repeated.
const NAME_CHARS_MAX: usize = 80;

/// The names of one server.
#[derive(Clone, Debug)]
pub(super) struct Hosts {
    bound: IpAddr,
    allowed: Vec<String>,
}

impl Hosts {
    /// A server at `bound`; `allowed` are names of it besides.
    pub(super) fn new(bound: SocketAddr, allowed: &[String]) -> Self {
        let allowed = allowed.iter().map(|name| plain(name)).collect();
        Self { bound: bound.ip().to_canonical(), allowed }
    }

    /// What is wrong with where a request says it goes to or comes from. A request that says nothing
    /// of either is no browser's.
    pub(super) fn refuse(&self, uri: &Uri, headers: &HeaderMap) -> Option<String> {
        let target = uri.authority().map(Authority::as_str);
        let hosts = headers.get_all(HOST).iter().map(|host| host.to_str().unwrap_or_default());
        for host in target.into_iter().chain(hosts) {
            if !self.is_ours(host) {
                return Some(wrong("host", host));
            }
        }
        for origin in headers.get_all(ORIGIN) {
            let origin = origin.to_str().unwrap_or_default();
            let host = origin.split_once("://").map_or("", |(_, host)| host);
            if !self.is_ours(host) {
                return Some(wrong("origin", origin));
            }
        }
        None
    }

    /// Whether `authority`, a host with or without a port, is one of this server's. The port says
    /// nothing: it may be that of a tunnel or of a container's host.
    fn is_ours(&self, authority: &str) -> bool {
        if authority.contains('@') {
            return false;
        }
        let Ok(authority) = authority.parse::<Authority>() else { return false };
        // What stands where a port should is part of a name to somebody.
        let bare = authority.as_str().strip_suffix(':').unwrap_or(authority.as_str());
        if authority.port().is_none() && bare != authority.host() {
            return false;
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        match host.parse::<IpAddr>() {
            Ok(address) => self.is_our_address(address.to_canonical()),
            Err(_) => self.is_our_name(&plain(host)),
        }
    }

    fn is_our_address(&self, address: IpAddr) -> bool {
        address.is_loopback()
            || address == self.bound
            || self.bound.is_unspecified()
            || self.allowed.contains(&address.to_string())
    }

    fn is_our_name(&self, name: &str) -> bool {
        let is_inside = !name.is_empty() && (!name.contains('.') || name.ends_with(PRIVATE));
        name == "localhost"
            || name.ends_with(".localhost")
            || self.allowed.iter().any(|allowed| allowed == name)
            || (is_inside && !self.bound.is_loopback())
    }
}

/// A name as names are compared.
fn plain(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

fn wrong(what: &str, text: &str) -> String {
    let text: String = text.chars().take(NAME_CHARS_MAX).collect();
    format!("the {what} {text:?} is none of this server's; -allow-host NAME allows another name")
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn answers(bound: &str, host: &str) -> bool {
        let hosts = Hosts::new(bound.parse().unwrap(), &["Toxi.Example".to_owned()]);
        let mut headers = HeaderMap::new();
        headers.insert(HOST, HeaderValue::from_bytes(host.as_bytes()).unwrap());
        hosts.refuse(&Uri::from_static("/proxies"), &headers).is_none()
    }

    /// Catches a stranger's name that is answered to, and a name under which a client of Toxiproxy
    /// reaches its server and is refused.
    #[test]
    fn only_names_that_a_stranger_cannot_have_are_answered_to() {
        let (own, one, every) = ("127.0.0.1:8474", "10.0.0.5:8474", "[::]:8474");
        let ours = [
            "localhost:8474",
            "LOCALHOST",
            "localhost.",
            "localhost:",
            "a.localhost:1",
            "127.0.0.1:8474",
            "127.8.8.8",
            "[::1]:8474",
            "toxi.example:8474",
            "TOXI.example.",
        ];
        for host in ours {
            assert!([own, one, every].iter().all(|bound| answers(bound, host)), "{host}");
        }
        let strange = [
            "evil.example:8474",
            "127.0.0.1.evil.example",
            "localhost.evil.example",
            "localhost:8474.evil.example",
            "localhost:x",
            "[::1]:8474.evil.example",
            "",
            "localhost@evil.example",
            "evil.example@localhost",
            "a b",
            "x.toxi.example",
        ];
        for host in strange {
            assert!([own, one, every].iter().all(|bound| !answers(bound, host)), "{host}");
        }
        for (host, to) in [
            ("10.0.0.5:8474", [false, true, true]),
            ("192.168.99.100:32768", [false, false, true]),
            ("[fd00::7]:8474", [false, false, true]),
            ("toxiproxy:8474", [false, true, true]),
            ("host.docker.internal:8474", [false, true, true]),
        ] {
            assert_eq!([own, one, every].map(|bound| answers(bound, host)), to, "{host}");
        }
    }

    /// Catches a page of a stranger that changes something under our own name, and a target or a
    /// second header that is not looked at.
    #[test]
    fn every_place_that_names_a_host_counts() {
        let hosts = Hosts::new("127.0.0.1:8474".parse().unwrap(), &[]);
        let refused = |uri: &'static str, lines: &[(axum::http::HeaderName, &str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in lines {
                headers.append(name, HeaderValue::from_str(value).unwrap());
            }
            hosts.refuse(&Uri::from_static(uri), &headers)
        };
        assert_eq!(refused("/reset", &[]), None);
        assert_eq!(refused("/", &[(ORIGIN, "http://localhost:3000")]), None);
        for origin in ["null", "http://evil.example", "evil.example", "file://", ""] {
            let lines = [(HOST, "localhost:8474"), (ORIGIN, origin)];
            assert!(refused("/reset", &lines).is_some(), "{origin}");
        }
        let twice = [(HOST, "localhost"), (HOST, "evil.example")];
        assert!(refused("/", &twice).is_some_and(|text| text.contains("evil.example")));
        assert!(refused("http://evil.example/proxies", &[(HOST, "localhost")]).is_some());
        let long = refused("/", &[(HOST, &"e.".repeat(5_000))]);
        assert!(long.is_some_and(|text| text.len() < 200));
    }
}
