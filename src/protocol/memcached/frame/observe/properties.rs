//! What holds for every stream and every way of cutting it into pieces.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::protocol::memcached::frame::binary::{Header, REPLY_MAGIC, REQUEST_MAGIC};

/// One request, its reply, and what must be made of it.
#[derive(Clone, Debug)]
struct Turn {
    request: Vec<u8>,
    reply: Vec<u8>,
    status: Option<Status>,
}

impl Turn {
    fn new(request: impl Into<Vec<u8>>, reply: impl Into<Vec<u8>>, status: Status) -> Self {
        Self { request: request.into(), reply: reply.into(), status: Some(status) }
    }

    fn silent(request: impl Into<Vec<u8>>) -> Self {
        Self { request: request.into(), reply: Vec::new(), status: None }
    }
}

/// Pieces of requests and replies that look like something else.
fn value() -> impl Strategy<Value = Vec<u8>> {
    const WORDS: &[&[u8]] = &[
        b"END\r\n",
        b"\r\n",
        b"VALUE a 0 100\r\n",
        b"\n",
        b"get a\r\n",
        b"VA 9\r\n",
        b"\x80\0\0\x81",
        b"x",
    ];
    let words = prop::sample::select(WORDS);
    vec(words, 0..6).prop_map(|words| words.concat())
}

fn block(head: &str, value: &[u8], tail: &str) -> Vec<u8> {
    [head.as_bytes(), value, b"\r\n", tail.as_bytes()].concat()
}

/// A turn of classic text or meta. `index` makes opaques differ.
fn text_turn(kind: u8, index: usize, value: &[u8]) -> Turn {
    let length = value.len();
    let hit = block(&format!("VALUE k 0 {length}\r\n"), value, "END\r\n");
    match kind {
        0 => Turn::new("get k\r\n", hit, Status::Hit),
        1 => Turn::new("gets k other\n", "END\r\n", Status::Miss),
        2 => {
            let set = block(&format!("set k 0 0 {length}\r\n"), value, "");
            Turn::new(set, "STORED\r\n", Status::Stored)
        }
        3 => Turn::silent(block(&format!("set k 0 0 {length} noreply\r\n"), value, "")),
        4 => {
            let cas = block(&format!("cas k 0 0 {length} 7\r\n"), value, "");
            Turn::new(cas, "EXISTS\r\n", Status::Exists)
        }
        5 => Turn::new("delete k\r\n", "NOT_FOUND\r\n", Status::NotFound),
        6 => Turn::silent("delete k noreply\r\n"),
        7 => Turn::new("incr k 1\r\n", "12345\r\n", Status::Number),
        8 => Turn::new("stats\r\n", "STAT a 1\r\nSTAT b 2\r\nEND\r\n", Status::Stat),
        9 => Turn::new("foo\r\n", "ERROR\r\n", Status::Error),
        10 => {
            let va = block(&format!("VA {length} t-1\r\n"), value, "");
            Turn::new("mg k v t\r\n", va, Status::Hit)
        }
        11 => {
            let va = block(&format!("VA {length} O{index}\r\n"), value, "");
            Turn::new(format!("mg k v q O{index}\r\n"), va, Status::Hit)
        }
        12 => Turn::silent(format!("mg k v q O{index}\r\n")),
        13 => Turn::silent(block(&format!("ms k {length} q O{index}\r\n"), value, "")),
        14 => {
            let ms = block(&format!("ms k {length} q O{index}\r\n"), value, "");
            Turn::new(ms, format!("NS O{index}\r\n"), Status::NotStored)
        }
        15 => Turn::new("get\r\n", "ERROR\r\n", Status::Error),
        16 => {
            let large = "SERVER_ERROR object too large for cache\r\n";
            let set = block(&format!("set k 0 0 {length}\r\n"), value, "");
            Turn::new(set, large, Status::ServerError)
        }
        _ => Turn::new("mn\r\n", "MN\r\n", Status::Ok),
    }
}

fn packet(magic: u8, opcode: u8, status: u16, index: usize, parts: [&[u8]; 3]) -> Vec<u8> {
    let [extras, key, value] = parts;
    let header = Header {
        magic,
        opcode,
        key_bytes: key.len().try_into().unwrap(),
        extras_bytes: extras.len().try_into().unwrap(),
        status,
        body_bytes: (extras.len() + key.len() + value.len()).try_into().unwrap(),
        opaque: index.try_into().unwrap(),
        cas: 0,
    };
    [header.bytes().as_slice(), extras, key, value].concat()
}

fn binary_turn(kind: u8, index: usize, value: &[u8]) -> Turn {
    let ask = |opcode, parts| packet(REQUEST_MAGIC, opcode, 0, index, parts);
    let say = |opcode, status, parts| packet(REPLY_MAGIC, opcode, status, index, parts);
    match kind % 8 {
        0 => Turn::new(ask(0, [b"", b"k", b""]), say(0, 0, [&[0; 4], b"", value]), Status::Hit),
        1 => Turn::new(ask(0, [b"", b"k", b""]), say(0, 1, [b"", b"", b"Not found"]), Status::Miss),
        2 => Turn::new(ask(1, [&[0; 8], b"k", value]), say(1, 0, [b"", b"", b""]), Status::Stored),
        3 => Turn::silent(ask(0x11, [&[0; 8], b"k", value])),
        4 => Turn::silent(ask(0x0d, [b"", b"k", b""])),
        5 => Turn::new(
            ask(0x0d, [b"", b"k", b""]),
            say(0x0d, 0, [&[0; 4], b"k", value]),
            Status::Hit,
        ),
        6 => {
            let stats = [say(0x10, 0, [b"", b"pid", b"1"]), say(0x10, 0, [b"", b"", b""])];
            Turn::new(ask(0x10, [b"", b"", b""]), stats.concat(), Status::Stat)
        }
        _ => Turn::new(ask(0x0a, [b"", b"", b""]), say(0x0a, 0, [b"", b"", b""]), Status::Ok),
    }
}

/// A conversation that ends with a barrier, in text or in binary. An error line behind a quiet
/// request could be either's, which no observer can know, so there is none before a barrier.
fn conversation() -> impl Strategy<Value = Vec<Turn>> {
    (any::<bool>(), vec((0..18_u8, value()), 0..40)).prop_map(|(binary, mut kinds)| {
        let mut quiet = false;
        kinds.push((17 + 6, Vec::new()));
        kinds.retain(|(kind, _)| {
            quiet = matches!(kind, 11..=14) || quiet && *kind < 17;
            binary || !(quiet && matches!(kind, 9 | 15 | 16))
        });
        let turn = if binary { binary_turn } else { text_turn };
        let turns = kinds.into_iter().enumerate();
        turns.map(|(index, (kind, value))| turn(kind, index, &value)).collect()
    })
}

/// What one observer said, in an order that does not depend on how the streams were cut.
#[derive(Debug, Default, PartialEq)]
struct Said {
    requests: Vec<String>,
    replies: Vec<String>,
    done: Vec<(u64, Status)>,
}

fn say_request<'a>(said: &'a mut Said) -> impl FnMut(RequestEvent<'_, ()>) + 'a {
    |event| {
        said.requests.push(match event {
            RequestEvent::Request(request) => format!("{request:?}"),
            RequestEvent::Opaque(why) => why.name().to_owned(),
        });
    }
}

fn say_reply<'a>(said: &'a mut Said) -> impl FnMut(ReplyEvent<'_, ()>) + 'a {
    |event| {
        if let ReplyEvent::Done(done) = event {
            said.done.push((done.request.sequence, done.status));
        }
        said.replies.push(format!("{event:?}"));
    }
}

/// Cuts bytes into pieces of the given lengths, in turn.
fn pieces<'a>(mut bytes: &'a [u8], lengths: &'a [usize]) -> impl Iterator<Item = &'a [u8]> {
    let mut lengths = lengths.iter().cycle();
    std::iter::from_fn(move || {
        let length = *lengths.next()?;
        let (piece, rest) = bytes.split_at(length.min(bytes.len()));
        bytes = rest;
        (!piece.is_empty()).then_some(piece)
    })
}

fn observe(requests: &[u8], replies: &[u8], lengths: &[usize]) -> (Said, Observer<()>) {
    let version = ServerVersion::V1_6_18;
    let mut observer = Observer::new(Options { version, ..Options::default() });
    let mut said = Said::default();
    for piece in pieces(requests, lengths) {
        observer.on_request(piece, (), &mut say_request(&mut said));
    }
    for piece in pieces(replies, lengths) {
        observer.on_reply(piece, &mut say_reply(&mut said));
    }
    (said, observer)
}

fn expected(turns: &[Turn]) -> Vec<(u64, Status)> {
    let statuses = turns.iter().enumerate();
    statuses.filter_map(|(index, turn)| Some((index as u64, turn.status?))).collect()
}

/// Bytes that look like a protocol now and then.
fn garbage() -> impl Strategy<Value = Vec<u8>> {
    const WORDS: &[&str] = &[
        "get a b\r\n",
        "set a 0 0 3\r\n",
        "ms a 3 q\r\n",
        "mg a v q\r\n",
        "END\r\n",
        "STORED\r\n",
        "VALUE a 0 3\r\n",
        "VA 3\r\n",
        "HD\r\n",
        "MN\r\n",
        "ERROR\r\n",
        "stats\r\n",
        " ",
        "STAT a b\r\n",
        "set a 0 0 99999999999\r\n",
        "watch\r\n",
    ];
    let words = prop_oneof![
        4 => value(),
        4 => prop::sample::select(WORDS).prop_map(|word| word.as_bytes().to_vec()),
        2 => vec(any::<u8>(), 0..30),
        1 => (any::<u8>(), any::<u8>(), any::<u8>(), any::<u16>()).prop_map(
            |(opcode, key_bytes, extras_bytes, body_bytes)| {
                let header = Header {
                    magic: REQUEST_MAGIC + (body_bytes % 2) as u8,
                    opcode: opcode % 0x28,
                    key_bytes: key_bytes.into(),
                    extras_bytes: extras_bytes % 24,
                    status: 0,
                    body_bytes: body_bytes.into(),
                    opaque: 0,
                    cas: 0,
                };
                header.bytes().to_vec()
            },
        ),
    ];
    vec(words, 0..30).prop_map(|words| words.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// Catches a reply given to the wrong request, in any pipeline and under any cutting.
    #[test]
    fn every_reply_finds_its_request(
        turns in conversation(),
        lengths in vec(1..40_usize, 1..8),
    ) {
        let requests: Vec<u8> = turns.iter().flat_map(|turn| turn.request.clone()).collect();
        let replies: Vec<u8> = turns.iter().flat_map(|turn| turn.reply.clone()).collect();
        let (said, observer) = observe(&requests, &replies, &lengths);
        prop_assert_eq!(observer.state(), State::Framed);
        prop_assert_eq!(said.requests.len(), turns.len());
        prop_assert_eq!(&said.done, &expected(&turns));
        prop_assert_eq!(observer.outstanding(), 0);
        prop_assert!(observer.is_at_request_boundary() && observer.is_at_reply_boundary());
        prop_assert!(observer.is_certain());
        prop_assert_eq!(observer.held_bytes(), 0);
        prop_assert_eq!(observer.request_position(), requests.len() as u64);
        prop_assert_eq!(observer.reply_position(), replies.len() as u64);
    }

    /// Catches a pairing that needs the replies to come late: here each comes as soon as it may.
    #[test]
    fn replies_may_come_at_once(turns in conversation(), lengths in vec(1..40_usize, 1..8)) {
        let version = ServerVersion::V1_6_18;
        let mut observer = Observer::new(Options { version, ..Options::default() });
        let mut said = Said::default();
        for turn in &turns {
            for piece in pieces(&turn.request, &lengths) {
                observer.on_request(piece, (), &mut say_request(&mut said));
            }
            for piece in pieces(&turn.reply, &lengths) {
                observer.on_reply(piece, &mut say_reply(&mut said));
            }
        }
        prop_assert_eq!(observer.state(), State::Framed);
        prop_assert_eq!(&said.done, &expected(&turns));
    }

    /// Catches a panic, a decision that depends on how the bytes were cut, and memory without
    /// bound, on anything at all.
    #[test]
    fn garbage_is_read_the_same_in_any_pieces(
        requests in garbage(),
        replies in garbage(),
        lengths in vec(1..60_usize, 1..8),
    ) {
        let (whole, _) = observe(&requests, &replies, &[usize::MAX]);
        let (bytes, observer) = observe(&requests, &replies, &[1]);
        let (cut, _) = observe(&requests, &replies, &lengths);
        prop_assert_eq!(&whole, &bytes);
        prop_assert_eq!(&whole, &cut);
        prop_assert!(observer.held_bytes() <= LINE_BYTES_MAX + REPLY_LINE_BYTES_MAX);
        prop_assert!(observer.outstanding() <= OUTSTANDING_MAX);
        prop_assert_eq!(observer.request_position(), requests.len() as u64);
        prop_assert_eq!(observer.reply_position(), replies.len() as u64);
        let said = whole.requests.iter().chain(&whole.replies);
        let opaque = said.filter(|said| !said.contains('{')).count();
        prop_assert!(opaque <= 1, "said more than once");
    }
}

/// Catches a queue or a line that grows for as long as a client wants it to.
#[test]
fn what_is_kept_has_a_bound() {
    let version = ServerVersion::V1_6_18;
    let options = Options { version, ..Options::default() };
    let mut quiet = Observer::new(options);
    for _ in 0..=OUTSTANDING_MAX {
        quiet.on_request(b"mg a v q\r\n", (), &mut |_| {});
    }
    assert_eq!(quiet.state(), State::Framed);
    assert_eq!(quiet.outstanding(), OUTSTANDING_MAX);
    assert!(!quiet.is_certain());
    quiet.on_request(b"mn\r\n", (), &mut |_| {});
    quiet.on_reply(b"MN\r\n", &mut |_| {});
    assert_eq!((quiet.outstanding(), quiet.is_certain()), (0, true));

    let mut loud = Observer::new(options);
    for _ in 0..=OUTSTANDING_MAX {
        loud.on_request(b"get a\r\n", (), &mut |_| {});
    }
    assert_eq!(loud.state(), State::Opaque(Opaque::TooManyOutstanding));

    let mut long = Observer::new(options);
    long.on_request(b"get", (), &mut |_| {});
    for _ in 0..100_000 {
        long.on_request(b" key", (), &mut |_| {});
    }
    long.on_reply(&vec![b'x'; 1 << 20], &mut |_| {});
    assert_eq!(long.state(), State::Framed);
    assert!(long.held_bytes() <= LINE_BYTES_MAX + REPLY_LINE_BYTES_MAX);
}
