//! How a connection ends: what the client hears last, and whether it is an end or a reset.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use super::{End, Pair, Story, hear, listen};
use crate::wire::packet;

/// Each is told behind an answered barrier, so that no unsent reply is at stake. The second word
/// says whether the client ends its own direction.
const ENDINGS: &[(&str, &[u8], bool)] = &[
    ("quit", b"quit\r\n", false),
    ("quit with arguments", b"quit now\r\n", false),
    ("quit behind a request", b"version\r\nquit\r\n", false),
    ("quit in front of a request", b"version\r\nquit\r\nversion\r\n", false),
    ("a web browser", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", false),
    ("shutdown that is switched off", b"shutdown\r\nquit\r\n", false),
    ("no more", b"", true),
    ("half a line", b"get a", true),
    ("half a block", b"set a 0 0 10\r\nabc", true),
    ("half a meta block", b"ms a 10\r\nabc", true),
    ("a pipeline", b"get a\r\nmg a v\r\nversion\r\n", true),
    ("a block and half a line", b"set a 0 0 1\r\nx\r\nget", true),
];

/// How often a reset is asked for.
const RESETS: usize = 50;

/// Catches an end that the proxy adds, drops, or turns into another kind of end.
#[test]
#[cfg_attr(not(real_memcached), ignore = "needs memcached on PATH")]
fn text_connections_end_alike() {
    let pair = Pair::start(&[]);
    let long = vec![b'x'; 3000];
    let longer = vec![b'x'; 100_000];
    let many_keys = [b"get ".as_slice(), &b"key ".repeat(5000)].concat();
    let lines: [(&str, &[u8], bool); 3] = [
        ("a line that is too long", &long, false),
        ("a line that is far too long", &longer, false),
        ("an endless get", &many_keys, true),
    ];
    // Whether a read or a write is the first to see a reset is a matter of luck.
    let far_too_long = std::iter::repeat_n(&lines[1], RESETS);
    for (name, last, hangs_up) in ENDINGS.iter().chain(&lines).chain(far_too_long) {
        let turns = vec![b"mn\r\n".to_vec(), last.to_vec()];
        let story = Story { hangs_up: *hangs_up, ..Story::turns(turns, b"MN\r\n") };
        pair.compare(name, &story);
    }
}

/// Catches the same for the binary protocol, where the server closes over many a mistake.
#[test]
#[cfg_attr(not(real_memcached), ignore = "needs memcached on PATH")]
fn binary_connections_end_alike() {
    let pair = Pair::start(&[]);
    let no_op = packet(0x0a, b"", b"", b"", 7);
    let mut barrier = no_op.clone();
    barrier[0] = 0x81;
    let long = [b'k'; 251];
    for (name, last) in [
        ("quit", packet(0x07, b"", b"", b"", 1)),
        ("quiet quit", packet(0x17, b"", b"", b"", 1)),
        ("no packet", b"get a\r\nget a\r\nget a\r\nget a\r\n".to_vec()),
        ("a set with half its extras", packet(0x01, &[0; 4], b"a", b"1", 1)),
        ("a get with extras", packet(0x00, &[0; 4], b"a", b"", 1)),
        ("a barrier with a body", packet(0x0a, b"", b"", b"1", 1)),
        ("a count without extras", packet(0x05, b"", b"n", b"", 1)),
        ("a key that is too long", packet(0x00, b"", &long, b"", 1)),
        ("a key beyond the server's buffer", packet(0x00, b"", &[b'k'; 20_000], b"", 1)),
        ("no such command, with a key", packet(0x60, b"", b"abc", b"", 1)),
    ] {
        pair.compare(name, &Story::turns(vec![no_op.clone(), last], &barrier));
    }
    for bytes in [1, 10, 23, 24, 30] {
        let half = packet(0x01, &[0; 8], b"a", b"value", 1)[..bytes].to_vec();
        pair.compare("half a packet", &Story::turns(vec![no_op.clone(), half], &barrier));
    }
}

/// Catches a proxy that hides the words of a full server, or that itself takes a place in it.
#[test]
#[cfg_attr(not(real_memcached), ignore = "needs memcached on PATH")]
fn a_full_server_says_so() {
    let pair = Pair::start(&["-c", "40"]);
    let mut open: [Vec<TcpStream>; 2] = [Vec::new(), Vec::new()];
    let refusals = [0, 1].map(|side| {
        for _ in 0..100 {
            let [direct, proxied] = pair.connect();
            let mut stream = if side == 0 { direct } else { proxied };
            let mut heard = Vec::new();
            // The server may have closed already; it has said why.
            let _ = stream.write_all(b"mn\r\n");
            while !heard.ends_with(b"\n") && listen_or_end(&mut stream, &mut heard) {}
            if heard != b"MN\r\n" {
                return String::from_utf8(heard).unwrap();
            }
            open[side].push(stream);
        }
        panic!("it takes any number of connections");
    });
    assert_eq!(refusals, ["ERROR Too many open connections\r\n"; 2]);
    let [direct, proxied] = open;
    assert_eq!(direct.len(), proxied.len());
}

fn listen_or_end(stream: &mut TcpStream, heard: &mut Vec<u8>) -> bool {
    let mut buffer = [0; 256];
    let count = stream.read(&mut buffer).unwrap_or_default();
    heard.extend_from_slice(&buffer[..count]);
    count > 0
}

/// Catches a proxy that keeps a client whose server is gone: idle, in the middle of a request, or
/// half-closed by the client.
#[test]
#[cfg_attr(not(real_memcached), ignore = "needs memcached on PATH")]
fn a_server_that_dies_ends_every_connection() {
    let pair = Pair::start(&[]);
    let beginnings: [&[u8]; 3] = [b"mn\r\n", b"mn\r\nset a 0 0 9\r\nab", b"mn\r\nget a"];
    let mut open: Vec<[TcpStream; 2]> = Vec::new();
    for beginning in beginnings {
        let mut both = pair.connect();
        for stream in &mut both {
            stream.write_all(&beginning[..4]).unwrap();
            let mut heard = Vec::new();
            while heard != b"MN\r\n" {
                assert!(listen(stream, &mut heard));
            }
            stream.write_all(&beginning[4..]).unwrap();
        }
        open.push(both);
    }
    let Pair { direct, proxied, behind } = pair;
    drop((direct, behind));
    for (place, both) in open.into_iter().enumerate() {
        for mut stream in both {
            let mut replies = Vec::new();
            let end = hear(&mut stream, &mut replies);
            assert_eq!(replies, b"");
            // What the server has not read when it dies makes a reset of its end.
            assert!(place > 0 || end == End::Fin, "{end:?}");
        }
    }
    drop(proxied);
}
