//! One request head at a time: text, meta and binary, as each of memcached's parsers reads it, and every
//! reply of our own to it.

use harness::protocol::memcached::frame::binary::{self, HEADER_BYTES, Header, REQUEST_MAGIC};
use harness::protocol::memcached::frame::number::BLOCK_BYTES_MAX;
use harness::protocol::memcached::frame::observe::{
    Observer, Options, Protocol, ReplyEvent, State,
};
use harness::protocol::memcached::frame::reply::{Answer, Rendered, render};
use harness::protocol::memcached::frame::request::{Block, Due, Framing};
use harness::protocol::memcached::frame::version::ServerVersion;
use harness::protocol::memcached::frame::{meta, text};

/// The versions whose parsers differ, and none.
const VERSIONS: [ServerVersion; 3] =
    [ServerVersion::UNKNOWN, ServerVersion::V1_6_18, ServerVersion::V1_6_45];
const ANSWERS: [Answer<'_>; 6] = [
    Answer::Miss,
    Answer::Done,
    Answer::NotStored,
    Answer::Exists,
    Answer::Number(u64::MAX),
    Answer::Error(b"SERVER_ERROR out of memory storing object"),
];
/// Blocks above this are not sent to the observer: they would only be counted.
const BLOCK_SENT_MAX: u64 = 4096;

/// Every line is a request, and all of it a packet.
pub fn run(bytes: &[u8]) {
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        for version in VERSIONS {
            on_line(line, version);
        }
    }
    on_packet(bytes);
}

fn on_line(line: &[u8], version: ServerVersion) {
    let framing = text::frame_request(line, version);
    let head = text::without_line_end(line);
    for key in framing.keys(head) {
        assert!(!key.is_empty() && !key.contains(&b' '), "a key is a token");
    }
    assert!(meta::request_flags(framing.command, head).count() <= head.len());
    if let Some(length) = framing.block.length() {
        assert!(length <= BLOCK_BYTES_MAX.unsigned_abs() + 2, "no server waits for {length} bytes");
    }
    if line.ends_with(b"\n") {
        answer(&framing, line, head, Options { version, protocol: Protocol::Text });
    }
}

fn on_packet(bytes: &[u8]) {
    let Some(header) = Header::read(bytes) else { return };
    let header = Header { magic: REQUEST_MAGIC, ..header };
    assert!(header.head_bytes() <= binary::HEAD_BYTES_MAX);
    let Some(rest) = bytes.get(HEADER_BYTES..header.head_bytes()) else { return };
    let head = [header.bytes().as_slice(), rest].concat();
    let framing = binary::frame_request(&header, &head);
    for key in framing.keys(&head) {
        assert_eq!(key.len(), usize::from(header.key_bytes));
    }
    let _ = binary::status(&header);
    let options = Options { version: ServerVersion::V1_6_18, protocol: Protocol::Binary };
    answer(&framing, &head, &head, options);
}

/// What we answer is understood as the answer to that request, and silence only where nobody waits.
fn answer(framing: &Framing, sent: &[u8], head: &[u8], options: Options) {
    // What is not regular goes to the server, whatever is to be answered.
    if !framing.regular {
        return;
    }
    let block = match framing.block {
        Block::None => 0,
        Block::Bytes(length) if length <= BLOCK_SENT_MAX => length,
        Block::Bytes(_) | Block::Unknown => return,
    };
    let block = vec![0; usize::try_from(block).expect("it is short")];
    for said in ANSWERS {
        let reply = match render(framing, head, said) {
            Ok(Rendered::Reply(reply)) => reply,
            Ok(Rendered::Silence) => {
                assert_ne!(framing.due, Due::Always, "somebody waits for {said:?}");
                continue;
            }
            Err(_) => continue,
        };
        let mut observer = Observer::new(options);
        observer.on_request(sent, (), &mut |_| {});
        observer.on_request(&block, (), &mut |_| {});
        if observer.state() != State::Framed {
            continue;
        }
        let mut done = 0;
        observer.on_reply(&reply, &mut |event| {
            if let ReplyEvent::Done(reply) = event {
                assert_eq!(reply.request.sequence, 0);
                done += 1;
            }
        });
        let shown = format!("{} to {}", reply.escape_ascii(), sent.escape_ascii());
        assert_eq!(observer.state(), State::Framed, "{said:?}: {shown}");
        assert_eq!((done, observer.outstanding()), (1, 0), "{said:?}: {shown}");
        assert!(observer.is_at_reply_boundary(), "{said:?}: {shown}");
    }
}
