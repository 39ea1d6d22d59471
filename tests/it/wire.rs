//! The wire module against memcached's own replies: what we make of both directions must agree.

use harness::protocol::memcached::frame::binary::{HEADER_BYTES, Header, REQUEST_MAGIC};
use harness::protocol::memcached::frame::observe::{
    Observer, Options, ReplyEvent, RequestEvent, State,
};
use harness::protocol::memcached::frame::request::Due;
use harness::protocol::memcached::frame::version::ServerVersion;

use crate::memcached::Memcached;

/// How many times the sweep asks the server.
const SWEEP: usize = 3000;

/// What an exchange came to.
#[derive(Debug, Default, PartialEq, Eq)]
struct Account {
    requests: usize,
    noreply: usize,
    answered: usize,
    silent: usize,
    unsolicited: usize,
    log: Vec<String>,
}

/// Shows an observer both directions in pieces of one size, and checks that it understood them.
fn account(version: ServerVersion, requests: &[u8], replies: &[u8], piece: usize) -> Account {
    let mut observer = Observer::new(Options { version, ..Options::default() });
    let mut account = Account::default();
    for bytes in requests.chunks(piece) {
        observer.on_request(bytes, (), &mut |event| {
            if let RequestEvent::Request(request) = event {
                account.requests += 1;
                account.noreply += usize::from(request.framing.due == Due::Never);
                account.log.push(format!("? {} ..{:?}", request.paired.command, request.end));
            }
        });
    }
    for bytes in replies.chunks(piece) {
        observer.on_reply(bytes, &mut |event| match event {
            ReplyEvent::Done(done) => {
                account.answered += 1;
                account.log.push(format!("! {} {}", done.request.command, done.status.name()));
            }
            ReplyEvent::Unanswered { request, why } => {
                account.silent += 1;
                account.log.push(format!("! {} {why:?}", request.command));
            }
            ReplyEvent::Unsolicited { .. } => account.unsolicited += 1,
            ReplyEvent::Part(_) | ReplyEvent::Opaque(_) => {}
        });
    }
    let story = || {
        format!(
            "{:?}\nsent: {}\ncame: {}\n{:#?}",
            observer.state(),
            requests.escape_ascii(),
            replies.escape_ascii(),
            account.log
        )
    };
    assert_eq!(observer.state(), State::Framed, "{}", story());
    assert_eq!(observer.outstanding(), 0, "{}", story());
    assert!(observer.is_at_request_boundary() && observer.is_at_reply_boundary(), "{}", story());
    assert!(observer.is_certain(), "{}", story());
    assert_eq!(account.unsolicited, 0, "{}", story());
    let accounted = account.noreply + account.answered + account.silent;
    assert_eq!(account.requests, accounted, "{}", story());
    account
}

/// Runs one stream and looks at it in several ways, which must agree.
fn check(server: &Memcached, version: ServerVersion, requests: &[u8]) -> Account {
    let replies = server.exchange(requests);
    let whole = account(version, requests, &replies, usize::MAX);
    for piece in [1, 2, 7, 64] {
        assert_eq!(account(version, requests, &replies, piece), whole);
    }
    whole
}

pub(crate) fn packet(opcode: u8, extras: &[u8], key: &[u8], value: &[u8], opaque: u32) -> Vec<u8> {
    let header = Header {
        magic: REQUEST_MAGIC,
        opcode,
        key_bytes: key.len().try_into().unwrap(),
        extras_bytes: extras.len().try_into().unwrap(),
        status: 0,
        body_bytes: (extras.len() + key.len() + value.len()).try_into().unwrap(),
        opaque,
        cas: 0,
    };
    let mut bytes = Vec::with_capacity(HEADER_BYTES);
    bytes.extend_from_slice(&header.bytes());
    for part in [extras, key, value] {
        bytes.extend_from_slice(part);
    }
    bytes
}

/// Catches a framing or a pairing that the server does not share: the text streams that existing
/// fault proxies break on, each behind a store of `a` and in front of a barrier.
#[test]
#[cfg_attr(not(real_memcached), ignore = "needs memcached on PATH")]
fn text_streams_are_paired_as_the_server_answers_them() {
    let server = Memcached::start();
    let version = server.version();
    let key = "k".repeat(251);
    let streams: Vec<Vec<u8>> = [
        "set a 0 0 1 noreply\r\n1\r\nget a\r\n",
        "set a 0 0 1 noreply\r\n12345\r\n",
        "add a 0 0 1 noreply\r\n1\r\nreplace a 0 0 1 noreply\r\n1\r\nappend a 0 0 1 noreply\r\n1\r\n",
        "prepend a 0 0 1 noreply\r\n1\r\ncas a 0 0 1 1 noreply\r\n1\r\ndelete a noreply\r\n",
        "incr a 1 noreply\r\ndecr a 1 noreply\r\ntouch a 0 noreply\r\nflush_all noreply\r\n",
        "verbosity 0 noreply\r\ncache_memlimit 64 noreply\r\nslabs automove 0 noreply\r\n",
        "lru mode segmented noreply\r\nlru_crawler disable noreply\r\nlru_crawler enable\r\n",
        "foo noreply\r\nversion noreply\r\nstats noreply\r\nget noreply\r\n",
        "set k 0 0 noreply\r\ndelete noreply\r\nincr a noreply\r\ntouch a noreply\r\n",
        "mg nosuch v q\r\nms x 1 q\r\nx\r\nmd nosuch q\r\nma nosuch q\r\nmg a q\r\n",
        "gat 0 a b c\r\nversion\r\ngats 0 a\r\ngat 0\r\ngat x a\r\ngat\r\n",
        "mg a v\r\nmg a t f s c k O1\r\nmg nosuch k Ox v\r\nme a\r\nme nosuch\r\n",
        "stats\r\nstats settings\r\nstats items\r\nstats slabs\r\nstats sizes\r\nstats conns\r\n",
        "stats nosuch\r\nstats detail off\r\nstats detail on\r\nstats detail dump\r\nstats reset\r\n",
        "stats cachedump 1 0\r\nstats cachedump\r\nstats detail\r\nstats sizes_enable\r\n",
        "stats sizes_disable\r\nstats detail off\r\nstats extstore\r\n",
        "set a 0 0 12\r\nEND\r\nxEND\r\n!\r\nget a\r\n",
        "set a 0 0 13\r\nVALUE a 0 100\r\nget a a a\r\ngets a a\r\n",
        "get\r\nGET a\r\nget  a   b \r\n get a\r\nget a\n",
        "ms a 3\r\nabc\r\nms a 9\r\nflush_all\r\nms b 2 !\r\nxx\r\nms a x\r\n",
        "ms Zm9v 3 b\r\nabc\r\nmg Zm9v b v k\r\nmg foo v k q\r\nmg foo v k\r\nme Zm9v b\r\n",
        "SET a 0 0 5\r\nhello\r\n",
        "set a 0 0 -3\r\nset a 0 0 abc\r\nset a 0 0 99999999999999999999\r\n",
        "set a 0 0 2147483646\r\nset a 0 0 +5\r\nhello\r\nset a 0 0 4294967296\r\n\r\n",
        "set a\tb 0 0 5\r\nhello\r\nget a\tb\r\nset a\u{b}b 0 0 5\r\nhello\r\n",
        "set a\u{a0}b 0 0 5\r\nhello\r\nset a\rb 0 0 1\r\nx\r\nget a\rb\r\r\n",
        "\r\n   \r\n\n",
        "set a x 0 5\r\nhello\r\nset a 0 x 5\r\nhello\r\ncas a 0 0 5 x\r\nhello\r\n",
        "cas a 0 0 5\r\nset a 0 0\r\nset a 0 0 5 x y\r\nset a 0 0 1 x\r\n1\r\n",
        "set a 0 0 5\r\nhello_world\r\n",
        "set a 0 0 5\r\nhi\r\nversion\r\n",
        "incr a\r\nincr a x\r\nset n 0 0 2\r\n10\r\nincr n 5\r\ndecr n 50\r\ndelete n 10\r\n",
        "slabs reassign 1 2\r\nslabs automove 7\r\nslabs\r\nlru\r\nlru tune\r\nlru_crawler\r\n",
        "lru_crawler sleep 1\r\nlru_crawler tocrawl 0\r\nlru_crawler crawl nosuch\r\nshutdown\r\n",
        "verbosity\r\ncache_memlimit\r\nflush_all x\r\nflush_all 0\r\nverbosity 0 x y\r\n",
        "extstore x y\r\nrefresh_certs\r\nmisbehave\r\nmx\r\nm\r\nx\r\n",
        "get / HTTP/1.1\r\nincr / HTTP/1.1\r\n",
        "mg\r\nms\r\nmd\r\nma\r\nme\r\nmn x\r\nma nosuch N0 J7 v\r\nma nosuch v\r\nma a\r\n",
        "mg a b\r\nmg a v v\r\nmg a !\r\nmg a O12345678901234567890123456789012345\r\n",
        "ms a 1 O12345678901234567890123456789012345\r\nx\r\nms a 1 MX\r\nx\r\nms a 1 q q\r\nx\r\n",
    ]
    .iter()
    .map(|stream| stream.as_bytes().to_vec())
    .chain([
        format!("get {key}\r\nmn\r\nmg {key} v\r\ndelete {key}\r\n").into_bytes(),
        format!("set {key} 0 0 1\r\nx\r\nms {key} 1\r\nx\r\ntouch {key} 0\r\n").into_bytes(),
        [b"set big 0 0 2000000\r\n", vec![b'x'; 2_000_000].as_slice(), b"\r\n"].concat(),
        [b"set big 0 0 500000\r\n", vec![b'\n'; 500_000].as_slice(), b"\r\nget big big\r\n"].concat(),
    ])
    .collect();
    for stream in streams {
        let mut requests = b"set a 0 0 3\r\nabc\r\n".to_vec();
        requests.extend_from_slice(&stream);
        requests.extend_from_slice(b"mn\r\n");
        check(&server, version, &requests);
    }
}

/// Catches a reply that is no reply: requests that end a connection or take it over.
#[test]
#[cfg_attr(not(real_memcached), ignore = "needs memcached on PATH")]
fn dumps_and_closes_are_understood() {
    let server = Memcached::start();
    let version = server.version();
    let stored = server.exchange(b"set a 0 0 1\r\n1\r\nset b 0 0 1\r\n2\r\n");
    assert_eq!(stored, b"STORED\r\nSTORED\r\n");
    for requests in [
        &b"lru_crawler metadump all\r\n"[..],
        b"lru_crawler metadump x\r\n",
        b"version\r\nquit now\r\nversion\r\n",
        b"mn\r\nquit\r\nset a 0 0 5\r\n",
    ] {
        check(&server, version, requests);
    }
}

/// Catches a packet given to the wrong request: every opcode, quiet and loud, hit and miss.
#[test]
#[cfg_attr(not(real_memcached), ignore = "needs memcached on PATH")]
fn binary_streams_are_paired_as_the_server_answers_them() {
    let server = Memcached::start();
    let version = server.version();
    let mut requests = Vec::new();
    let store = [0; 8];
    let count = [[0; 7].as_slice(), &[1], &[0; 8], &[0; 4]].concat();
    for opcode in (0..=0x24).filter(|opcode| ![0x07, 0x17].contains(opcode)) {
        for (index, key) in [&b"a"[..], b"nosuch", b"n"].into_iter().enumerate() {
            let opaque = u32::from(opcode) * 16 + u32::try_from(index).unwrap();
            requests.extend_from_slice(&match opcode {
                0x01..=0x03 | 0x11..=0x13 => packet(opcode, &store, key, b"12\r\nx", opaque),
                0x05 | 0x06 | 0x15 | 0x16 => packet(opcode, &count, key, b"", opaque),
                0x0e | 0x0f | 0x19 | 0x1a => packet(opcode, b"", key, b"END\r\n", opaque),
                0x00 | 0x09 | 0x0c | 0x0d | 0x04 | 0x14 => packet(opcode, b"", key, b"", opaque),
                0x1c..=0x1e | 0x23 | 0x24 => packet(opcode, &[0; 4], key, b"", opaque),
                0x10 if index == 0 => packet(opcode, b"", b"", b"", opaque),
                0x10 if index == 1 => packet(opcode, b"", b"settings", b"", opaque),
                0x10 => packet(opcode, b"", b"reset", b"", opaque),
                0x21 | 0x22 => packet(opcode, b"", b"PLAIN", b"\0user\0word", opaque),
                _ => packet(opcode, b"", b"", b"", opaque),
            });
        }
    }
    requests.extend_from_slice(&packet(0x0a, b"", b"", b"", 7));
    let account = check(&server, version, &requests);
    assert!(account.silent > 0 && account.answered > 60, "{account:?}");
    let quit = [packet(0x0a, b"", b"", b"", 1), packet(0x07, b"", b"", b"", 2)].concat();
    assert_eq!(check(&server, version, &quit).answered, 2);
}

/// Draws lines from words that matter, so that every branch of the server's parser is asked.
struct Lines(u64);

impl Lines {
    const COMMANDS: &[&str] = &[
        "get",
        "gets",
        "gat",
        "gats",
        "bget",
        "set",
        "add",
        "replace",
        "append",
        "prepend",
        "cas",
        "delete",
        "incr",
        "decr",
        "touch",
        "flush_all",
        "version",
        "verbosity",
        "cache_memlimit",
        "slabs",
        "lru",
        "lru_crawler",
        "stats",
        "extstore",
        "mg",
        "ms",
        "md",
        "ma",
        "me",
        "mn",
        "mx",
        "foo",
        "SET",
        "x",
        "shutdown",
        "refresh_certs",
        "aaa",
        "ccc",
        "ddd",
        "iii",
        "ttt",
    ];
    const WORDS: &[&str] = &[
        "a",
        "b",
        "0",
        "1",
        "2",
        "5",
        "-1",
        "+2",
        "x",
        "noreply",
        "0",
        "1",
        "automove",
        "enable",
        "mode",
        "flat",
        "q",
        "v",
        "k",
        "O7",
        "b",
        "T0",
        "MS",
        "N0",
        "I",
        "c",
        "!",
        "~",
        "2x",
        "0x2",
        "4294967297",
        "99999999999999999999",
        "3\t",
        "settings",
        "reset",
        "detail",
        "crawl",
        "sleep",
        "reassign",
        "tune",
    ];

    /// xorshift: the same lines on every machine.
    fn draw(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap() % below
    }

    fn line(&mut self) -> String {
        let mut line = Self::COMMANDS[self.draw(Self::COMMANDS.len())].to_owned();
        for _ in 0..self.draw(8) {
            line.push_str(if self.draw(9) == 0 { "  " } else { " " });
            line.push_str(&match self.draw(40) {
                0 => "k".repeat(251),
                1 => "a\0b".to_owned(),
                _ => Self::WORDS[self.draw(Self::WORDS.len())].to_owned(),
            });
        }
        if self.draw(3) == 0 {
            line.push_str(" noreply");
        }
        if self.draw(40) == 0 {
            line.insert(0, ' ');
        }
        line
    }

    /// A line and the block that we expect it to have, unless that is too long to send.
    fn request(&mut self, version: ServerVersion, requests: &mut Vec<u8>) {
        loop {
            let line = self.line();
            let framing =
                harness::protocol::memcached::frame::text::frame_request(line.as_bytes(), version);
            let length = framing.block.length().expect("the version is known");
            if length > 1 << 20 {
                continue;
            }
            requests.extend_from_slice(line.as_bytes());
            requests.extend_from_slice(b"\r\n");
            if let Some(value) = length.checked_sub(2) {
                requests.extend(std::iter::repeat_n(b'y', value.try_into().unwrap()));
                requests.extend_from_slice(b"\r\n");
            }
            return;
        }
    }
}

/// Catches any line whose end or whose silence we see otherwise than the server: thousands of odd
/// lines, each followed by the block that we expect it to have, alone and in pipelines, and a
/// barrier behind them.
#[test]
#[cfg_attr(not(real_memcached), ignore = "needs memcached on PATH")]
fn odd_lines_end_where_the_server_ends_them() {
    let server = Memcached::start();
    let version = server.version();
    let mut lines = Lines(0x9e37_79b9_7f4a_7c15);
    for round in 0..SWEEP {
        let count = if round % 2 == 0 { 1 } else { 1 + lines.draw(12) };
        let mut requests = Vec::new();
        for _ in 0..count {
            lines.request(version, &mut requests);
        }
        requests.extend_from_slice(b"mn\r\n");
        let replies = server.exchange(&requests);
        let account = account(version, &requests, &replies, usize::MAX);
        assert_eq!(account.requests, count + 1, "{}", requests.escape_ascii());
    }
}
