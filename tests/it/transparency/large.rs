//! Large values, long pipelines and slow readers.

use std::io::Write as _;

use super::{Cut, End, Pair, Story};
use crate::wire::packet;

/// The largest value under a key of one byte that memcached stores.
const LARGEST: usize = 1_048_516;
/// Keys of the large multi-get.
const KEYS: usize = 10_000;
/// Quiet gets in one pipeline.
const QUIET: usize = 1_000;
/// What a connection without toxics may hold of what its reader has not taken: one read.
const HELD_BYTES_MAX: u64 = 64 << 10;

fn value(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|at| ((at * 31) >> 4) as u8).collect()
}

/// Catches a large value that is changed, cut or refused on its way, in either direction.
#[test]
#[cfg_attr(not(real_memcached), ignore = "needs memcached on PATH")]
fn large_values_pass_whole() {
    let pair = Pair::start(&[]);
    for bytes in [64 << 10, 1 << 20, LARGEST - 100, LARGEST] {
        let value = value(bytes);
        let set = [format!("set a 0 0 {bytes}\r\n").as_bytes(), &value, b"\r\n"].concat();
        let meta = [format!("ms b {bytes} c\r\n").as_bytes(), &value, b"\r\n"].concat();
        let text = [&set[..], &meta, b"get a a\r\ngets b\r\nmg a v\r\nmg b v\r\nmn\r\n"].concat();
        let binary = [
            packet(0x01, &[0; 8], b"c", &value, 1),
            packet(0x11, &[0; 8], b"d", &value, 2),
            packet(0x0c, b"", b"c", b"", 3),
            packet(0x09, b"", b"d", b"", 4),
            packet(0x0a, b"", b"", b"", 5),
        ]
        .concat();
        for stream in [&text, &binary] {
            for cut in [Cut::Whole, Cut::Random(7, 100_000)] {
                let heard = pair.compare(&format!("{bytes} bytes"), &Story::cut(stream, cut));
                assert_eq!(heard.end, End::Fin);
                assert!(bytes > LARGEST - 20 || heard.replies.len() > 2 * bytes, "{heard:?}");
            }
        }
    }
    assert_eq!(pair.proxied.final_tap().opaque, 0);
}

/// Catches a long line or a long answer that is cut, and a queue of replies that overflows.
#[test]
#[cfg_attr(not(real_memcached), ignore = "needs memcached on PATH")]
fn long_pipelines_pass_whole() {
    let pair = Pair::start(&["-m", "256"]);
    let keys: Vec<String> = (0..KEYS).map(|key| format!("key-{key}")).collect();
    let mut store = Vec::new();
    for key in keys.iter().step_by(2) {
        store.extend_from_slice(format!("set {key} 0 0 100 noreply\r\n").as_bytes());
        store.extend_from_slice(&value(100));
        store.extend_from_slice(b"\r\n");
    }
    store.extend_from_slice(b"mn\r\n");
    pair.compare("store", &Story::whole(&store));
    let multi_get = format!("get {}\r\nmn\r\n", keys.join(" ")).into_bytes();
    let mut quiet = Vec::new();
    let mut packets = Vec::new();
    for (key, opaque) in keys.iter().take(QUIET).zip(1..) {
        quiet.extend_from_slice(format!("mg {key} v k q O{opaque}\r\n").as_bytes());
        packets.extend_from_slice(&packet(0x0d, b"", key.as_bytes(), b"", opaque));
    }
    quiet.extend_from_slice(b"mn\r\n");
    packets.extend_from_slice(&packet(0x0a, b"", b"", b"", 0));
    for (name, stream, least) in [
        ("multi-get", &multi_get, KEYS / 2 * 100),
        ("quiet meta gets", &quiet, QUIET / 2 * 100),
        ("quiet binary gets", &packets, QUIET / 2 * 100),
    ] {
        for cut in [Cut::Whole, Cut::Random(7, 5_000)] {
            let heard = pair.compare(name, &Story::cut(stream, cut));
            assert!(heard.replies.len() > least, "{name}: {}", heard.replies.len());
        }
    }
    let tap = pair.proxied.final_tap();
    assert_eq!((tap.opaque, tap.outstanding), (0, 0));
}

/// Catches a proxy that gathers what its client does not read, and one that stops for good then.
#[test]
#[cfg_attr(not(real_memcached), ignore = "needs memcached on PATH")]
fn a_slow_reader_makes_the_server_wait() {
    let pair = Pair::start(&[]);
    let bytes = LARGEST - 100;
    let set = [format!("set a 0 0 {bytes}\r\n").as_bytes(), &value(bytes), b"\r\nmn\r\n"].concat();
    pair.compare("store", &Story::whole(&set));
    let [_, mut slow] = pair.connect();
    let gets = 64;
    slow.write_all(format!("get{}\r\nquit\r\n", " a".repeat(gets)).as_bytes()).unwrap();
    let mut taken = Vec::new();
    let mut seen = 0;
    // As long as the flow has not come to a stand, the reader has not been slow enough.
    loop {
        let tap = pair.proxied.tap();
        let held = tap.bytes_from_servers - tap.bytes_to_clients;
        assert!(held <= HELD_BYTES_MAX, "{held} bytes are held");
        if tap.bytes_from_servers == seen && held > 0 {
            break;
        }
        seen = tap.bytes_from_servers;
        std::thread::yield_now();
    }
    let end = super::hear(&mut slow, &mut taken);
    assert_eq!(end, End::Fin);
    let one = format!("VALUE a 0 {bytes}\r\n").len() + bytes + 2;
    assert_eq!(taken.len(), gets * one + 5);
}
