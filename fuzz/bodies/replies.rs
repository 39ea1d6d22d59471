//! Replies of a hostile server to requests of every kind.

use harness::protocol::memcached::frame::observe::{
    Observer, Options, REPLY_LINE_BYTES_MAX, ReplyEvent,
};
use harness::protocol::memcached::frame::response::Code;
use harness::protocol::memcached::frame::version::ServerVersion;
use harness::protocol::memcached::frame::{meta, number, text};

use super::memory::bounded;

/// What was asked before, in each of the shapes that a reply can have.
const ASKED: [&[u8]; 8] = [
    b"get k\r\n",
    b"gets k l\r\nget m\r\n",
    b"stats\r\nversion\r\n",
    b"mg k v q O1\r\nmg l v k\r\nmn\r\n",
    b"set k 0 0 1\r\nx\r\nincr k 1\r\ndelete k\r\n",
    b"lru_crawler metadump all\r\nwatch\r\n",
    b"\x80\x0d\x00\x01\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00k\
      \x80\x0a\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00",
    b"\x80\x10\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00",
];

/// The bytes are what the server says.
pub fn run(bytes: &[u8]) {
    for line in bytes.split(|byte| *byte == b'\n') {
        on_line(text::without_line_end(line));
    }
    for asked in ASKED {
        let whole = hear(asked, [bytes]);
        assert_eq!(whole, hear(asked, bytes.chunks(1)), "cut into bytes");
        assert_eq!(whole, hear(asked, bytes.chunks(7)), "cut into sevens");
    }
}

fn on_line(line: &[u8]) {
    let code = Code::read(line);
    assert!(!code.is_error() || !line.is_empty());
    assert!(meta::reply_flags(line).count() <= line.len());
    let version = ServerVersion::parse(line);
    assert_eq!(version.is_known(), version.to_string() != "unknown");
    for token in text::tokens(line) {
        let _ = number::decimal(token);
    }
}

/// What an observer says of it.
fn hear<'a>(asked: &[u8], pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<String> {
    let mut observer = Observer::new(Options::default());
    observer.follow_owners();
    observer.on_request(asked, (), &mut |_| {});
    let (mut said, mut from) = (Vec::new(), 0);
    for piece in pieces {
        let mut quiet = observer.clone();
        bounded(piece.len(), 2 * REPLY_LINE_BYTES_MAX, 16, || quiet.on_reply(piece, &mut |_| {}));
        observer.on_reply(piece, &mut |event| {
            if let ReplyEvent::Part(part) = event {
                assert!(from <= part.start && part.start < part.head_end, "parts go on");
                assert!(part.head_end <= part.end && part.head.len() <= REPLY_LINE_BYTES_MAX);
                from = part.end;
            }
            said.push(format!("{event:?}"));
        });
        assert!(observer.held_bytes() <= REPLY_LINE_BYTES_MAX);
    }
    said.push(format!("{:?} {}", observer.state(), observer.reply_position()));
    said
}
