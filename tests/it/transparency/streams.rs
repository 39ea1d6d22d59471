//! Answers without an end that a request foretells: statistics, dumps, the log of a server; and a
//! server on a unix socket.

use std::io::Write as _;
use std::net::TcpStream;

use super::{Cut, Heard, Pair, Proxied, Story, assert_same, connect, listen, mask};
use crate::memcached::Memcached;

/// Items that a dump tells of.
const ITEMS: usize = 5000;

/// Catches a list that is cut short, or whose end is taken for the end of another.
#[test]
#[cfg_attr(not(real_memcached), ignore = "needs memcached on PATH")]
fn statistics_and_dumps_pass_whole() {
    let pair = Pair::start(&[]);
    let mut store = Vec::new();
    for item in 0..ITEMS {
        store.extend_from_slice(format!("set key-{item} 0 0 3 noreply\r\nabc\r\n").as_bytes());
    }
    store.extend_from_slice(b"mn\r\n");
    pair.compare("store", &Story::whole(&store));
    let lists = ["stats", "stats settings", "stats items", "stats slabs", "stats sizes"];
    for list in lists.into_iter().chain(["stats cachedump 2 100", "stats conns"]) {
        let story = Story::turns(vec![format!("{list}\r\n").into(), Vec::new()], b"END\r\n");
        let heard = pair.compare(list, &story);
        assert!(heard.replies.ends_with(b"END\r\n"), "{list}: {heard:?}");
    }
    for dump in ["lru_crawler metadump all", "lru_crawler metadump hash"] {
        let turns = vec![format!("{dump}\r\n").into(), b"version\r\n".to_vec()];
        let heard = pair.compare(dump, &Story::turns(turns, b"END\r\n"));
        let lines = heard.replies.split(|byte| *byte == b'\n').count();
        assert_eq!(lines, ITEMS + 3, "{dump}");
    }
    let tap = pair.proxied.final_tap();
    assert_eq!((tap.opaque, tap.outstanding), (0, 0));
}

/// Catches a log that is held back, or a watcher that is never told of the end.
#[test]
#[cfg_attr(not(real_memcached), ignore = "needs memcached on PATH")]
fn a_log_streams_through() {
    let pair = Pair::start(&[]);
    let mut watchers = pair.connect();
    let mut heard = [Vec::new(), Vec::new()];
    for (watcher, heard) in watchers.iter_mut().zip(&mut heard) {
        watcher.write_all(b"watch mutations\r\n").unwrap();
        listen_for(watcher, heard, b"OK\r\n");
    }
    for round in 0..3 {
        pair.compare("store", &Story::whole(format!("set w{round} 0 0 1\r\nx\r\n").as_bytes()));
        for (watcher, heard) in watchers.iter_mut().zip(&mut heard) {
            listen_for(watcher, heard, format!("key=w{round} ").as_bytes());
        }
    }
    let [direct, proxied] = heard.map(|log| String::from_utf8(mask(&log)).unwrap());
    assert_eq!(direct, proxied);
    assert_eq!(pair.proxied.tap().opaque, 1, "a log has no replies to pair");
    drop(watchers);
    pair.proxied.final_tap();
}

/// Reads until the line that holds `text` is complete.
fn listen_for(stream: &mut TcpStream, heard: &mut Vec<u8>, text: &[u8]) {
    let has = |heard: &[u8]| heard.windows(text.len()).any(|part| part == text);
    while !(has(heard) && heard.ends_with(b"\n")) {
        assert!(listen(stream, heard), "closed behind {}", heard.escape_ascii());
    }
}

/// Catches a unix socket behind the proxy that is not as good as a port.
#[cfg(unix)]
#[test]
#[cfg_attr(not(real_memcached), ignore = "needs memcached on PATH")]
fn a_server_on_a_unix_socket_is_the_same_server() {
    let folder = tempfile::tempdir().unwrap();
    let (direct, behind) =
        (Memcached::start(), Memcached::on_socket(&folder.path().join("memcached.sock")));
    let proxied = Proxied::new(behind.upstream());
    let value = b"v".repeat(300_000);
    let large =
        [b"set b 0 0 300000\r\n".as_slice(), &value, b"\r\nget b b b\r\nmg b v\r\n"].concat();
    let no_op = crate::wire::packet(0x0a, b"", b"", b"", 7);
    for story in [
        Story::whole(b"set a 0 0 1\r\nx\r\nget a\r\nmg a v\r\nfoo\r\n"),
        Story::cut(b"set a 0 0 1 noreply\r\nx\r\nget a\r\n", Cut::Single),
        Story::cut(&large, Cut::Random(1, 30_000)),
        Story::whole(b"version\r\nquit\r\n").until_closed(),
        Story::whole(b"get a\r\nset a 0 0 9\r\nab"),
        Story::whole(&no_op),
        Story::whole(&b"x".repeat(3000)).until_closed(),
    ] {
        let ours: Heard = story.tell(connect(&proxied.address.to_string()));
        assert_same("unix socket", &story, &story.tell(connect(direct.upstream())), &ours);
    }
}
