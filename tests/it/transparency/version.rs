//! The server's version decides where some broken requests end. The proxy asks no server for it: it
//! is told, or learns it from an answer that passes; until then it gives up on such a connection,
//! which is passed on as before.

use super::{Cut, Pair, Proxied, Story};
use crate::memcached::Memcached;

/// Broken stores whose data is a block to one version and a command to another, each in front of
/// requests that would be miscounted by the wrong reading.
const UNCERTAIN: &[&[u8]] = &[
    b"set a x 0 5\r\nhello\r\nget a\r\nget a\r\n",
    b"set a 0 x 9\r\nflush_all\r\nget a\r\nget a\r\n",
    b"cas a 0 0 5\r\nget b\r\nget a\r\nget a\r\n",
    b"set a 0 0 +5\r\nhello\r\nget a\r\nget a\r\n",
    b"set a 0 0 5 x y\r\nget b\r\nget a\r\nget a\r\n",
];

/// How many connections a server says that it has had, that of the question included.
fn connections(server: &Memcached) -> String {
    let replies = String::from_utf8(server.exchange(b"stats\r\n")).unwrap();
    replies.lines().find(|line| line.starts_with("STAT total_connections ")).unwrap().to_owned()
}

/// Catches a guess at an unknown version, and bytes that are touched because of it.
#[test]
#[cfg_attr(not(real_memcached), ignore = "needs memcached on PATH")]
fn an_unknown_version_is_not_guessed() {
    let (direct, behind) = (Memcached::start(), Memcached::start());
    let proxied = Proxied::new(behind.upstream());
    let pair = Pair { direct, proxied, behind };
    for (count, requests) in (1..).zip(UNCERTAIN) {
        for cut in [Cut::Whole, Cut::Single] {
            pair.compare("uncertain", &Story::cut(requests, cut));
        }
        let tap = pair.proxied.final_tap();
        assert_eq!((tap.opaque, tap.outstanding), (2 * count, 0), "{}", requests.escape_ascii());
        assert_eq!(tap.requests_by_command.get("get"), None, "{}", requests.escape_ascii());
    }
    assert_eq!(connections(&pair.direct), connections(&pair.behind), "the proxy asked the server");
}

/// Catches a tap that is out of step behind a broken store, although it knows the version: from an
/// answer to `version`, from `stats`, or because it was told.
#[test]
#[cfg_attr(not(real_memcached), ignore = "needs memcached on PATH")]
fn a_known_version_keeps_the_tap_in_step() {
    for way in [&b"version\r\n"[..], b"stats\r\n", b""] {
        let (direct, behind) = (Memcached::start(), Memcached::start());
        let proxied = Proxied::new(behind.upstream());
        let pair = Pair { direct, proxied, behind };
        if way.is_empty() {
            pair.proxied.proxies.tell_version("p", "1.6.18").unwrap();
        } else {
            pair.compare("learn", &Story::whole(way));
        }
        let mut gets = 0;
        for requests in UNCERTAIN {
            for cut in [Cut::Whole, Cut::Single] {
                let heard = pair.compare("known", &Story::cut(requests, cut));
                // Only a `get` that was carried out is answered with an end.
                gets += heard.replies.windows(5).filter(|part| part == b"END\r\n").count() as u64;
            }
        }
        let tap = pair.proxied.final_tap();
        assert_eq!((tap.opaque, tap.outstanding), (0, 0), "{}", way.escape_ascii());
        assert_eq!(tap.requests_by_command["get"], gets, "{}", way.escape_ascii());
    }
}
