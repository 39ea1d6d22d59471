//! Whole dialogues without sockets: literal times, any chunking, the bound on memory.

use bytes::BytesMut;
use proptest::prelude::*;
use tokio::time::{Duration, Instant};

use super::clock::Clock;
use super::counts::Count;
use super::session::{Context, Session};
use super::stats::Facts;
use super::store::{Limits, Store};
use crate::protocol::memcached::frame::request::Block;
use crate::protocol::memcached::frame::text::frame_request;
use crate::protocol::memcached::frame::version::ServerVersion;
use crate::protocol::node::output::Output;
use crate::protocol::node::serve::Step;

const UNIX_START: u64 = 1_800_000_000;

/// A node without sockets, whose clock is set by hand.
struct Bench {
    store: Store,
    clock: Clock,
    started: Instant,
    facts: Facts,
}

impl Bench {
    fn new(memory_bytes: u64, item_bytes: usize) -> Self {
        let started = Instant::now();
        Self {
            store: Store::new(Limits { memory_bytes, item_bytes }),
            clock: Clock::new(started, UNIX_START),
            started,
            facts: Facts::default(),
        }
    }

    fn default() -> Self {
        Self::new(64 << 20, 1 << 20)
    }

    /// Runs pieces of input through one session, `seconds` after the start.
    fn run<'a>(&self, seconds: u64, pieces: impl IntoIterator<Item = &'a [u8]>) -> (String, bool) {
        let (mut session, mut input, mut out) = Default::default();
        self.feed(seconds, &mut session, &mut input, &mut out, pieces)
    }

    fn feed<'a>(
        &self,
        seconds: u64,
        session: &mut Session,
        input: &mut BytesMut,
        out: &mut Output,
        pieces: impl IntoIterator<Item = &'a [u8]>,
    ) -> (String, bool) {
        let now = self.clock.at(self.started + Duration::from_secs(seconds));
        let context = Context { store: &self.store, clock: &self.clock, now, facts: &self.facts };
        let mut replies = Vec::new();
        for piece in pieces {
            input.extend_from_slice(piece);
            loop {
                let step = session.run(input, out, &context);
                replies.extend(out.pieces().flatten());
                out.clear(0);
                match step {
                    Step::Output => {}
                    Step::Input => break,
                    Step::Close => return (replies.escape_ascii().to_string(), true),
                }
            }
        }
        (replies.escape_ascii().to_string(), false)
    }

    fn ask(&self, seconds: u64, request: &str) -> String {
        self.run(seconds, [request.as_bytes()]).0.replace("\\r\\n", "|")
    }
}

/// Catches a wrong reply where no memcached is at hand to compare with: one row a rule.
#[tokio::test(start_paused = true)]
async fn replies_word_for_word() {
    for (request, replies) in [
        (
            "set a 5 0 2\r\nhi\r\nget a\r\ngets a b\r\n",
            "STORED|VALUE a 5 2|hi|END|VALUE a 5 2 1|hi|END|",
        ),
        (
            "add a 0 0 1\r\n1\r\nadd a 0 0 1\r\n2\r\nget a\r\n",
            "STORED|NOT_STORED|VALUE a 0 1|1|END|",
        ),
        ("replace a 0 0 1\r\n1\r\nappend a 0 0 1\r\n1\r\n", "NOT_STORED|NOT_STORED|"),
        (
            "set a 3 0 1\r\nm\r\nappend a 9 9 1\r\n>\r\nprepend a 9 9 1\r\n<\r\nget a\r\n",
            "STORED|STORED|STORED|VALUE a 3 3|<m>|END|",
        ),
        (
            "cas a 0 0 1 1\r\n1\r\nset a 0 0 1\r\n1\r\ncas a 0 0 1 9\r\n2\r\ncas a 0 0 1 1\r\n2\r\n",
            "NOT_FOUND|STORED|EXISTS|STORED|",
        ),
        (
            "set a 0 0 1\r\n1\r\ndelete a\r\ndelete a\r\ndelete a 5\r\n",
            "STORED|DELETED|NOT_FOUND|CLIENT_ERROR bad command line format.  Usage: delete <key> [noreply]|",
        ),
        (
            "set n 0 0 2\r\n10\r\ndecr n 1\r\nget n\r\nincr n 1\r\ndecr n 99\r\nincr n x\r\nincr m 1\r\n",
            "STORED|9|VALUE n 0 2|9 |END|10|0|CLIENT_ERROR invalid numeric delta argument|NOT_FOUND|",
        ),
        ("set n 0 0 20\r\n18446744073709551615\r\nincr n 2\r\n", "STORED|1|"),
        (
            "set n 0 0 1\r\nx\r\nincr n 1\r\n",
            "STORED|CLIENT_ERROR cannot increment or decrement non-numeric value|",
        ),
        (
            "set a 0 0 1\r\n1\r\ntouch a 9\r\ntouch b 9\r\ngat 5 a b\r\nmg a t\r\n",
            "STORED|TOUCHED|NOT_FOUND|VALUE a 0 1|1|END|HD t5|",
        ),
        ("set a 0 0 3\r\nhello\r\n", "CLIENT_ERROR bad data chunk|ERROR|"),
        (
            "set a 0 0 1 noreply\r\n1\r\nset a 0 0 1 noreply\r\nxyz\r\nget a\r\n",
            "ERROR|VALUE a 0 1|1|END|",
        ),
        ("SET a 0 0 1\r\nget\r\n\r\nfoo noreply\r\n", "ERROR|ERROR|ERROR|ERROR|"),
        ("version\r\nverbosity 1\r\nflush_all\r\nmn\r\n", "VERSION 1.6.18|OK|OK|MN|"),
        (
            "mg a v\r\nms a 2 c\r\nhi\r\nmg a v s f c t k O7\r\nmd a q\r\nmg a q\r\n",
            "EN|HD c1|VA 2 s2 f0 c1 t-1 ka O7|hi|",
        ),
        (
            "ma n\r\nma n N0 J5 v\r\nma n D3 v\r\nma n MD D9 v q\r\nmg n v\r\n",
            "NF|VA 1|5|VA 1|8|VA 1|0|",
        ),
        ("ms Zm9v 1 b\r\n1\r\nget foo\r\nmg foo k\r\n", "HD|VALUE foo 0 1|1|END|HD kZm9v b|"),
        (
            "stats detail dump\r\nstats foo\r\nwatch\r\nshutdown\r\n",
            "END|ERROR|CLIENT_ERROR watch commands not allowed|ERROR: shutdown not enabled|",
        ),
    ] {
        assert_eq!(Bench::default().ask(0, request), replies, "{request}");
    }
}

/// Catches an expiry rule that is off by a second, at literal times.
#[tokio::test(start_paused = true)]
async fn items_expire_at_their_second() {
    for (expiry, alive, gone) in [
        ("10", 9, Some(10)),
        ("1", 0, Some(1)),
        ("0", 100_000_000, None),
        ("2592000", 2_591_999, Some(2_592_000)),
        ("1800000020", 19, Some(20)),
        ("2147483647", 100_000, None),
    ] {
        let bench = Bench::default();
        assert_eq!(bench.ask(0, &format!("set a 0 {expiry} 1\r\n1\r\n")), "STORED|");
        assert_eq!(bench.ask(alive, "get a\r\n"), "VALUE a 0 1|1|END|", "{expiry} at {alive}");
        if let Some(gone) = gone {
            assert_eq!(bench.ask(gone, "get a\r\n"), "END|", "{expiry} at {gone}");
        }
    }
    for past in ["-1", "2592001", "1799999999", "-2147483648"] {
        let bench = Bench::default();
        let request = format!("set a 0 {past} 1\r\n1\r\nget a\r\nadd a 0 0 1\r\n2\r\n");
        assert_eq!(bench.ask(5, &request), "STORED|END|STORED|", "{past}");
    }
}

/// Catches a delayed flush that comes early, late, or takes what was stored after it.
#[tokio::test(start_paused = true)]
async fn a_delayed_flush_comes_at_its_second() {
    let bench = Bench::default();
    bench.ask(0, "set old 0 0 1\r\n1\r\n");
    assert_eq!(bench.ask(0, "flush_all 10\r\n"), "OK|");
    assert_eq!(bench.ask(8, "get old\r\n"), "VALUE old 0 1|1|END|");
    assert_eq!(bench.ask(9, "get old\r\n"), "END|");
    bench.ask(10, "set new 0 0 1\r\n1\r\n");
    assert_eq!(bench.ask(11, "get new\r\n"), "VALUE new 0 1|1|END|");
    assert_eq!(bench.ask(12, "flush_all\r\nget new\r\n"), "OK|END|");
    // Stored in the same second, but after the flush.
    assert_eq!(bench.ask(12, "set new 0 0 1\r\n1\r\nget new\r\n"), "STORED|VALUE new 0 1|1|END|");
}

/// Catches a stale item that is handed out as fresh, or two readers told to fetch it anew.
#[tokio::test(start_paused = true)]
async fn one_reader_wins_a_stale_item() {
    let bench = Bench::default();
    bench.ask(0, "ms a 1 T100\r\n1\r\nmd a I T30\r\n");
    assert_eq!(bench.ask(1, "mg a t v\r\n"), "VA 1 t29 X W|1|");
    assert_eq!(bench.ask(1, "mg a t\r\n"), "HD t29 Z X|");
    assert_eq!(bench.ask(1, "ms a 1 I C1\r\n2\r\nmg a v\r\n"), "HD|VA 1 Z X|2|");
    assert_eq!(bench.ask(30, "mg a v\r\n"), "EN|");
}

/// Catches a lost or reordered eviction: what was used last stays.
#[tokio::test(start_paused = true)]
async fn the_least_recently_used_goes_first() {
    // Room for three items of 61 bytes.
    let bench = Bench::new(190, 1 << 20);
    for (second, key) in ["a", "b", "c"].into_iter().enumerate() {
        bench.ask(second as u64, &format!("set {key} 0 0 1\r\n1\r\n"));
    }
    bench.ask(3, "get a\r\n");
    assert_eq!(
        bench.ask(4, "set d 0 0 1\r\n1\r\nmg a\r\nmg b\r\nmg c\r\nmg d\r\n"),
        "STORED|HD|EN|HD|HD|"
    );
    let totals = bench.store.totals();
    assert_eq!((totals.items, totals.bytes, totals.counts.get(Count::Evicted)), (3, 183, 1));
    // Too large for the memory, though not for an item.
    let large = format!("set e 0 0 200\r\n{}\r\n", "x".repeat(200));
    assert_eq!(bench.ask(5, &large), "SERVER_ERROR out of memory storing object|");
}

/// Catches a second get of long keys or large values that is cut off by the bound on output.
#[tokio::test(start_paused = true)]
async fn replies_larger_than_the_output_bound_arrive_whole() {
    let bench = Bench::default();
    let value = "v".repeat(50_000);
    let store: String = (0..20).map(|n| format!("set key{n} 0 0 50000\r\n{value}\r\n")).collect();
    assert_eq!(bench.ask(0, &store), "STORED|".repeat(20));
    let keys: String = (0..20).map(|n| format!(" key{n}")).collect();
    let expected: String = (0..20).map(|n| format!("VALUE key{n} 0 50000|{value}|")).collect();
    assert_eq!(
        bench.ask(0, &format!("get{keys}\r\nversion\r\n")),
        format!("{expected}END|VERSION 1.6.18|")
    );
}

/// Catches a connection that should be closed and is not, or the other way round.
#[tokio::test(start_paused = true)]
async fn what_closes_a_connection() {
    let long = "x".repeat(2049);
    let spaces = " ".repeat(101);
    for (input, closes) in [
        ("\u{80}", true),
        ("quit\r\n", true),
        ("POST / HTTP/1.1\r\n", true),
        ("get / HTTP/1.1\r\n", false),
        (long.as_str(), true),
        (&long[..2048], false),
        (&format!("get {long}"), false),
        (&format!("gets {long}"), false),
        (&format!("gat 0 {long}"), true),
        (&format!("{}get {long}", &spaces[1..]), false),
        (&format!("{spaces}get {long}"), true),
    ] {
        let input = if input == "\u{80}" { &b"\x80"[..] } else { input.as_bytes() };
        let closed = Bench::default().run(0, [input]).1;
        assert_eq!(closed, closes, "{}", input[..input.len().min(40)].escape_ascii());
    }
}

/// Catches memory set aside for what a client only claims.
#[tokio::test(start_paused = true)]
async fn a_claimed_length_costs_nothing_above_the_item_limit() {
    let bench = Bench::default();
    let (mut session, mut input, mut out) = Default::default();
    let claim = b"set a 0 0 2147483645\r\nabc";
    let (replies, _) = bench.feed(0, &mut session, &mut input, &mut out, [&claim[..]]);
    assert_eq!(replies, "SERVER_ERROR object too large for cache\\r\\n");
    assert!(session.pending().is_none());
    let mut session = Session::default();
    bench.feed(0, &mut session, &mut input, &mut out, [&b"set a 0 0 1000\r\nabc"[..]]);
    let (block, needed) = session.pending().unwrap();
    assert_eq!((block.len(), needed), (3, 999));
    assert!(block.capacity() < 1100);
}

/// A request, well-formed or not.
fn request() -> impl Strategy<Value = Vec<u8>> {
    let word = prop::sample::select(vec![
        "get",
        "gets",
        "gat",
        "set",
        "add",
        "append",
        "cas",
        "delete",
        "incr",
        "touch",
        "mg",
        "ms",
        "md",
        "ma",
        "me",
        "mn",
        "flush_all",
        "version",
        "a",
        "b",
        "n",
        "0",
        "1",
        "3",
        "7",
        "-1",
        "noreply",
        "v",
        "k",
        "q",
        "O1",
        "c",
        "t",
        "T30",
        "N30",
        "MA",
        "I",
        "x",
        "\t",
        "\r",
    ]);
    let line = prop::collection::vec(word, 0..7)
        .prop_map(|words| format!("{}\r\n", words.join(" ")).into_bytes());
    let store =
        ("(set|add|replace|append|prepend) [abn] [0-9] (0|100|-1)", "[0-9]{0,12}", -2..3_i32)
            .prop_map(|(head, value, error)| {
                let length = value.len() as i32 + if error.abs() == 2 { error } else { 0 };
                format!("{head} {length}\r\n{value}\r\n").into_bytes()
            });
    let noise = prop::collection::vec(any::<u8>(), 0..20);
    prop_oneof![4 => line, 4 => store, 1 => noise]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Catches a reply that depends on how the bytes were cut into pieces.
    #[test]
    fn any_chunking_gives_the_same_replies(
        requests in prop::collection::vec(request(), 0..30),
        cuts in prop::collection::vec(1..40_usize, 1..20),
    ) {
        let mut stream = b"version\r\n".to_vec();
        stream.extend(requests.into_iter().flatten());
        let whole = Bench::default().run(0, [&stream[..]]);
        let single = Bench::default().run(0, stream.chunks(1));
        prop_assert_eq!(&whole, &single);
        let mut pieces = Vec::new();
        let mut rest = &stream[..];
        for cut in cuts.iter().cycle() {
            let (piece, after) = rest.split_at((*cut).min(rest.len()));
            pieces.push(piece);
            rest = after;
            if rest.is_empty() {
                break;
            }
        }
        prop_assert_eq!(&whole, &Bench::default().run(0, pieces));
    }

    /// Catches a node and a wire module that disagree about where a request ends: the proxy in
    /// front of a node would lose its place.
    #[test]
    fn requests_end_where_the_wire_module_says(line in "(set|add|cas|ms|append) [ab] ([0-9x+]{1,3} ){0,3}([0-9]{1,2}|-1|x|\\+3)( [0-9kqvO]{1,2}| noreply){0,3}") {
        let framing = frame_request(line.as_bytes(), ServerVersion::V1_6_18);
        let bench = Bench::default();
        let (mut session, mut input, mut out) = Default::default();
        let head = format!("{line}\r\n");
        let (error, _) = bench.feed(0, &mut session, &mut input, &mut out, [head.as_bytes()]);
        let Block::Bytes(length) = framing.block else {
            let (reply, _) = bench.feed(0, &mut session, &mut input, &mut out, [&b"mn\r\n"[..]]);
            prop_assert_eq!(reply, "MN\\r\\n", "{} then {}", line, error);
            return Ok(());
        };
        let mut block = vec![b'x'; usize::try_from(length).unwrap() - 2];
        block.extend(b"\r\n");
        bench.feed(0, &mut session, &mut input, &mut out, [&block[..]]);
        let (reply, _) = bench.feed(0, &mut session, &mut input, &mut out, [&b"mn\r\n"[..]]);
        prop_assert_eq!(reply, "MN\\r\\n", "{}", line);
    }

    /// Catches bytes that are held above the limit, or counted wrongly.
    #[test]
    fn bytes_never_exceed_the_limit(
        steps in prop::collection::vec((0..9_u8, 0..40_u8, 0..700_usize), 1..300),
    ) {
        let bench = Bench::new(4096, 1024);
        for (second, (kind, key, size)) in steps.into_iter().enumerate() {
            let value = "1".repeat(size);
            let request = match kind {
                0..=3 => format!("set k{key} {} 0 {size}\r\n{value}\r\n", key % 2),
                4 => format!("append k{key} 0 0 {size}\r\n{value}\r\n"),
                5 => format!("incr k{key} 99999999999\r\n"),
                6 => format!("delete k{key}\r\n"),
                7 => format!("ma k{key} N5 J{size}\r\nmg m{key} N3\r\n"),
                _ => format!("prepend k{key} 0 0 {size}\r\n{value}\r\ntouch k{key} 1\r\n"),
            };
            bench.ask(second as u64, &request);
            let totals = bench.store.totals();
            prop_assert!(totals.bytes <= totals.memory_bytes, "{}", totals.bytes);
        }
        let all: String = (0..40).map(|key| format!("delete k{key}\r\ndelete m{key}\r\n")).collect();
        bench.ask(0, &all);
        let totals = bench.store.totals();
        prop_assert_eq!((totals.items, totals.bytes), (0, 0));
    }
}
