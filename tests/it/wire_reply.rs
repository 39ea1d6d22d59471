//! Replies of our own against memcached's.

use harness::protocol::memcached::frame::binary::Header;
use harness::protocol::memcached::frame::reply::{self, Answer, Rendered};

use crate::memcached::Memcached;
use crate::wire::packet;

/// Catches a reply of our own that is not to the byte what the server would say.
#[test]
#[cfg_attr(not(real_memcached), ignore = "needs memcached on PATH")]
fn replies_of_our_own_are_the_servers() {
    let server = Memcached::start();
    let version = server.version();
    for (request, block, answer) in [
        ("get a b", "", Answer::Miss),
        ("gats 0 a", "", Answer::Miss),
        ("delete a", "", Answer::Miss),
        ("incr a 1", "", Answer::Miss),
        ("touch a 0", "", Answer::Miss),
        ("cas a 0 0 1 1", "x\r\n", Answer::Miss),
        ("append a 0 0 1", "x\r\n", Answer::NotStored),
        ("flush_all", "", Answer::Done),
        ("mg a v", "", Answer::Miss),
        ("mg a v Oabc k", "", Answer::Miss),
        ("mg a k v Oabc", "", Answer::Miss),
        ("mg Zm9v b v Oabc k", "", Answer::Miss),
        ("mg Zm9v k b v", "", Answer::Miss),
        ("mg a v q", "", Answer::Miss),
        ("md a O1 k", "", Answer::Miss),
        ("md Zm9v b k", "", Answer::Miss),
        ("md a q", "", Answer::Miss),
        ("ma a v O1 k", "", Answer::Miss),
        ("me a", "", Answer::Miss),
        ("mn", "", Answer::Done),
        ("ms a 1 MR O1 k", "x\r\n", Answer::NotStored),
        ("ms a 1 ME k O1 c", "x\r\n", Answer::Done),
        ("ma n N0 J7 v O1 k", "", Answer::Number(7)),
        ("ma n2 N0 J7 O1 k", "", Answer::Number(7)),
        ("set a 0 0 1", "x\r\n", Answer::Done),
        ("set a 0 0 1 noreply", "x\r\n", Answer::Done),
        ("add a 0 0 1", "x\r\n", Answer::NotStored),
        ("cas a 0 0 1 1", "x\r\n", Answer::Exists),
        ("ms a 1 C1 O1 k", "x\r\n", Answer::Exists),
        ("ms Zm9v 1 b O1 k", "x\r\n", Answer::Done),
        ("ms Zm9v 1 k b", "x\r\n", Answer::Done),
        ("ms Zm9v 1 b O1", "x\r\n", Answer::Done),
        ("ms a 1 q", "x\r\n", Answer::Done),
        ("touch a 0", "", Answer::Done),
        ("delete a", "", Answer::Done),
        ("md Zm9v b O1 k", "", Answer::Done),
    ] {
        let came = server.exchange(format!("{request}\r\n{block}").as_bytes());
        let framing =
            harness::protocol::memcached::frame::text::frame_request(request.as_bytes(), version);
        let ours = match reply::render(&framing, request.as_bytes(), answer).unwrap() {
            Rendered::Reply(bytes) => bytes,
            Rendered::Silence => Vec::new(),
        };
        // An `ms` that stored something has a cas, which only the server knows.
        let known = came.len().min(if request.contains(" c") { 5 } else { usize::MAX });
        let (ours, came) = (&ours[..known.min(ours.len())], &came[..known]);
        assert_eq!(ours.escape_ascii().to_string(), came.escape_ascii().to_string(), "{request}");
    }
}

/// Catches a packet of our own that is not to the byte what the server would say.
#[test]
#[cfg_attr(not(real_memcached), ignore = "needs memcached on PATH")]
fn packets_of_our_own_are_the_servers() {
    let server = Memcached::start();
    let count = [[0; 16].as_slice(), &[0xff; 4]].concat();
    for (opcode, extras, answer) in [
        (0x00, &b""[..], Answer::Miss),
        (0x09, b"", Answer::Miss),
        (0x0c, b"", Answer::Miss),
        (0x0d, b"", Answer::Miss),
        (0x23, &[0; 4], Answer::Miss),
        (0x1c, &[0; 4], Answer::Miss),
        (0x04, b"", Answer::Miss),
        (0x14, b"", Answer::Miss),
        (0x05, &count, Answer::Miss),
        (0x03, &[0; 8], Answer::Miss),
        (0x0e, b"", Answer::NotStored),
    ] {
        let request = packet(opcode, extras, b"k", b"", 0x0102_0304);
        let came = server.exchange(&request);
        let header = Header::read(&request).unwrap();
        let framing = harness::protocol::memcached::frame::binary::frame_request(&header, &request);
        let ours = match reply::render(&framing, &request, answer).unwrap() {
            Rendered::Reply(bytes) => bytes,
            Rendered::Silence => Vec::new(),
        };
        assert_eq!(ours.escape_ascii().to_string(), came.escape_ascii().to_string(), "{opcode:#x}");
    }
}
