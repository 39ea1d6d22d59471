//! Whole exchanges with a scripted server: what each side is sent, what was counted, and when.

use std::time::Duration;

use super::*;
use crate::base::family::{Settings, Value};
use crate::base::seed::Seed;
use crate::protocol::memcached::frame::binary::{Header, REPLY_MAGIC, REQUEST_MAGIC};
use crate::protocol::memcached::frame::version::ServerVersion;
use crate::proxy::config::{FaultCounts, Stream, ToxicConfig, ToxicUpdate};
use crate::proxy::fault::message::batch::TOLD_WAIT;
use crate::proxy::fault::message::up::HEAD_WAIT;
use crate::proxy::fault::table::ToxicTable;

/// One connection with one rule.
struct Talk {
    exchange: Exchange,
    table: ToxicTable,
    reporter: Reporter,
    now: Instant,
    /// What was sent to the server and not looked at yet.
    server: Vec<u8>,
    client: Vec<u8>,
    /// The replies that the meter was told of.
    told: Vec<u8>,
}

impl Talk {
    fn new(kind: &str, settings: &[(&str, &str)]) -> Self {
        Self::on(Stream::Downstream, kind, settings)
    }

    fn on(stream: Stream, kind: &str, settings: &[(&str, &str)]) -> Self {
        let mut attributes = Settings::default();
        for (name, value) in settings {
            let number = value.parse().map(Value::Integer);
            attributes.insert(*name, number.unwrap_or_else(|_| Value::Text((*value).into())));
        }
        let toxic = ToxicConfig {
            name: Some("rule".into()),
            kind: kind.into(),
            stream,
            toxicity: 1.0,
            attributes,
        };
        Self::at(0, ToxicTable::of(vec![toxic]).unwrap())
    }

    /// Another connection of the same proxy.
    fn beside(&self) -> Self {
        Self::at(1, self.table.clone())
    }

    fn at(connection: u64, table: ToxicTable) -> Self {
        let place = Place { seed: Seed::new(1), connection };
        let version = ServerVersion::V1_6_18;
        let now = Instant::now();
        let exchange =
            Exchange::begin(now, &table.rules(&place), place, || Conversation::new(version, None))
                .unwrap();
        let (reporter, told) = (Reporter::default(), Vec::new());
        Self { exchange, table, reporter, now, server: Vec::new(), client: Vec::new(), told }
    }

    fn client_says(&mut self, data: impl AsRef<[u8]>) {
        let Self { exchange, reporter, now, told, .. } = self;
        let passed = exchange.on_client(*now, data.as_ref(), 1, reporter, &mut tell(told));
        if passed.is_some() {
            self.server.extend_from_slice(data.as_ref());
        }
        self.drain();
    }

    fn server_says(&mut self, data: impl AsRef<[u8]>) {
        let Self { exchange, reporter, now, told, .. } = self;
        let passed = exchange.on_server(*now, data.as_ref(), reporter, &mut tell(told));
        if passed.is_some() {
            self.client.extend_from_slice(data.as_ref());
        }
        self.drain();
    }

    fn wait(&mut self, time: Duration) {
        self.now += time;
        for direction in [Direction::Up, Direction::Down] {
            let Self { exchange, reporter, now, told, .. } = self;
            exchange.on_time(direction, *now, reporter, &mut tell(told));
        }
        self.drain();
    }

    fn clear(&mut self) {
        self.table = self.table.emptied();
        self.exchange.reconcile(self.now, &[]);
        self.wait(Duration::ZERO);
    }

    fn drain(&mut self) {
        for (direction, to) in
            [(Direction::Up, &mut self.server), (Direction::Down, &mut self.client)]
        {
            while let Some((_, what, _)) = self.exchange.pop(direction, self.now) {
                match what {
                    What::Data(data) => to.extend_from_slice(&data),
                    What::End => to.extend_from_slice(b"<end>"),
                    What::Close => to.extend_from_slice(b"<close>"),
                    What::Reset => to.extend_from_slice(b"<reset>"),
                }
            }
        }
    }

    #[track_caller]
    fn server_got(&mut self, expected: &str) {
        assert_eq!(take(&mut self.server), expected, "what the server was sent");
    }

    #[track_caller]
    fn client_got(&mut self, expected: &str) {
        assert_eq!(take(&mut self.client), expected, "what the client was sent");
    }

    /// Fired, passed as uncertain, could not fire.
    fn counts(&self) -> [u64; 3] {
        let counts = self.exchange.rules.first().map(|rule| rule.of.counts());
        let FaultCounts { fired, passed_as_uncertain, could_not_fire } = counts.unwrap_or_default();
        [fired, passed_as_uncertain, could_not_fire]
    }
}

/// Catches a request of which the rest is kept for ever, with all that follows, because it came when the rule was gone
/// that had kept its beginning.
#[test]
fn the_rest_of_a_request_goes_on_when_its_rule_is_gone() {
    for (kind, settings) in [
        ("memcached_hold", &[][..]),
        ("memcached_delay", &[("delay", "60000"), ("after_bytes", "8")]),
    ] {
        let mut talk = Talk::on(Stream::Upstream, kind, settings);
        talk.client_says("set a 0 0 4\r\nxy");
        let at_once = if settings.is_empty() { "" } else { "set a 0 " };
        talk.server_got(at_once);
        talk.clear();
        talk.server_got(&"set a 0 0 4\r\nxy"[at_once.len()..]);
        talk.client_says("yx\r\nget a\r\n");
        talk.server_got("yx\r\nget a\r\n");
        assert!(talk.exchange.is_over(), "{kind}");
    }
}

/// Catches a message that is late as a whole, or whose rest is not, and one that is too short to be split.
#[test]
fn the_first_bytes_leave_at_once() {
    let split = &[("delay", "100"), ("after_bytes", "7")];
    let mut talk = Talk::new("memcached_delay", split);
    talk.client_says("get a\r\nget b\r\n");
    talk.server_says("VALUE a 0 1\r\nx\r\nEND\r\nEND\r\n");
    talk.client_got("VALUE a");
    talk.wait(Duration::from_millis(100));
    talk.client_got(" 0 1\r\nx\r\nEND\r\nEND\r\n");
    assert_eq!(talk.counts(), [1, 0, 1]);
    let mut talk = Talk::on(Stream::Upstream, "memcached_delay", split);
    talk.client_says("set a 0");
    talk.client_says(" 0 1\r\nx\r\nget a\r\n");
    talk.server_got("set a 0");
    talk.wait(Duration::from_millis(100));
    talk.server_got(" 0 1\r\nx\r\nget a\r\n");
}

/// Catches bytes in another place than was asked for, a line end that is added, and a meter that is told of
/// them instead of the reply.
#[test]
fn any_bytes_come_beside_a_reply_or_in_its_place() {
    for (place, got) in [("before", "\0?END\r\n"), ("after", "END\r\n\0?"), ("instead", "\0?")] {
        let mut talk = Talk::new("memcached_say", &[("base64", "AD8="), ("place", place)]);
        talk.client_says("get a\r\n");
        talk.server_got("get a\r\n");
        talk.server_says("END\r\n");
        talk.client_got(got);
        assert_eq!(take(&mut talk.told), "END\r\n");
    }
}

const A: &str = "VALUE a 0 1\r\nA\r\nEND\r\n";
const B: &str = "VALUE b 0 1\r\nB\r\nEND\r\n";

/// Catches replies that keep their places although they come together, one that waits for a request that was never asked, and one that
/// waits for ever.
#[test]
fn neighbouring_replies_change_places() {
    let mut talk = Talk::new("memcached_swap", &[]);
    talk.client_says("get a\r\nget b\r\n");
    talk.server_says(A);
    talk.client_got("");
    talk.server_says(B);
    talk.client_got(&[B, A].concat());
    assert_eq!(take(&mut talk.told), [A, B].concat(), "as it should have been");
    talk.client_says("get a\r\nget b\r\n");
    talk.server_says([A, B].concat());
    talk.client_got(&[B, A].concat());
    talk.client_says("get a\r\n");
    talk.server_says(A);
    talk.client_got(A);
    assert_eq!(talk.counts(), [2, 0, 1]);
    talk.client_says("get a\r\nget b\r\n");
    talk.server_says(A);
    talk.wait(Duration::from_millis(100));
    talk.client_got(A);
    talk.server_says(B);
    talk.client_got(B);
    assert_eq!(talk.counts(), [2, 0, 2]);
}

/// Catches a reply that goes to the wrong connection or to both, one that overtakes what it is held back
/// before, and one that waits on when its rule is gone or nobody came.
#[test]
fn replies_of_two_connections_change_places() {
    let mut one = Talk::new("memcached_swap", &[("across", "connections"), ("command", "get")]);
    let mut other = one.beside();
    one.client_says("get a\r\nset a 0 0 1\r\nx\r\n");
    other.client_says("get b\r\n");
    one.server_says(format!("{A}STORED\r\n"));
    one.client_got("");
    other.server_says(B);
    other.client_got(A);
    one.wait(Duration::ZERO);
    one.client_got(&format!("{B}STORED\r\n"));
    assert_eq!(one.counts(), [2, 0, 0]);
    for gone in [false, true] {
        one.client_says("get a\r\n");
        one.server_says(A);
        one.client_got("");
        if gone {
            one.clear();
        } else {
            one.wait(Duration::from_millis(100));
            assert_eq!(one.counts(), [2, 0, 1]);
        }
        one.client_got(A);
    }
    other.client_says("get b\r\n");
    other.server_says(B);
    other.client_got("");
    let table = other.table.updated("rule", &ToxicUpdate::default()).unwrap().0;
    other.exchange.reconcile(other.now, &table.rules(&other.exchange.place));
    other.wait(Duration::ZERO);
    other.client_got(B);
    other.client_says("get b\r\n");
    other.server_says(B);
    other.client_got("");
    other.wait(Duration::from_secs(1));
    other.client_got(B);
}

fn tell(told: &mut Vec<u8>) -> impl FnMut(&[u8], Origin) -> u32 + '_ {
    |data, _| {
        told.extend_from_slice(data);
        1
    }
}

fn take(bytes: &mut Vec<u8>) -> String {
    String::from_utf8_lossy(&std::mem::take(bytes)).into_owned()
}

fn packet(magic: u8, opcode: u8, opaque: u32, extras: &[u8], key: &str, value: &str) -> Vec<u8> {
    let header = Header {
        magic,
        opcode,
        key_bytes: key.len().try_into().unwrap(),
        extras_bytes: extras.len().try_into().unwrap(),
        status: 0,
        body_bytes: (extras.len() + key.len() + value.len()).try_into().unwrap(),
        opaque,
        cas: 0,
    };
    [header.bytes().as_slice(), extras, key.as_bytes(), value.as_bytes()].concat()
}

fn ask(opcode: u8, opaque: u32, key: &str) -> Vec<u8> {
    packet(REQUEST_MAGIC, opcode, opaque, &[], key, "")
}

fn say(opcode: u8, opaque: u32, key: &str, value: &str) -> Vec<u8> {
    let extras: &[u8] = if opcode == NOOP { &[] } else { &[0; 4] };
    packet(REPLY_MAGIC, opcode, opaque, extras, key, value)
}

const GETQ: u8 = 0x09;
const GETKQ: u8 = 0x0d;
const NOOP: u8 = 0x0a;

/// A rule on b, what the client sends, what the server says, what the client is sent; fired, uncertain,
/// could not.
type Case = (&'static str, &'static str, &'static str, [u64; 3]);

/// Catches a fault that meets the reply of another key, one that could have been done and was not, and
/// one that came to nothing and says nothing of it.
#[test]
fn a_fault_meets_the_reply_of_its_own_key_or_none() {
    let cases: &[Case] = &[
        // b is not there: the only value is that of a.
        ("mg b v q\r\nmg a v\r\nmn\r\n", "VA 1\r\nA\r\nMN\r\n", "VA 1\r\nA\r\nMN\r\n", [0, 0, 1]),
        (
            "mg b v q\r\nmg a v\r\nmn\r\n",
            "VA 1\r\nB\r\nVA 1\r\nA\r\nMN\r\n",
            "VA 1\r\n?\r\nVA 1\r\nA\r\nMN\r\n",
            [1, 0, 0],
        ),
        ("mg a v q\r\nmg b v q\r\nmg c v q\r\nmn\r\n", "MN\r\n", "MN\r\n", [0, 0, 1]),
        // Nobody can know whose this one is, and the client cannot either.
        ("mg a v q\r\nmg b v q\r\nmn\r\n", "VA 1\r\nx\r\nMN\r\n", "VA 1\r\nx\r\nMN\r\n", [0, 1, 0]),
        (
            "mg a v q\r\nmg b v q\r\nmn\r\n",
            "VA 1\r\nA\r\nVA 1\r\nB\r\nMN\r\n",
            "VA 1\r\nA\r\nVA 1\r\n?\r\nMN\r\n",
            [1, 0, 0],
        ),
        // What is told by an opaque or a key waits for nothing.
        ("mg a v q k\r\nmg b v q k\r\n", "VA 1 kb\r\nB\r\n", "VA 1 kb\r\n?\r\n", [1, 0, 0]),
        ("mg a v q O1\r\nmg b v q O2\r\n", "VA 1 O2\r\nB\r\n", "VA 1 O2\r\n?\r\n", [1, 0, 0]),
        ("mg b v q O1\r\nmg a v O2\r\n", "VA 1 O2\r\nA\r\n", "VA 1 O2\r\nA\r\n", [0, 0, 1]),
        // Another command tells, too.
        (
            "mg b v q\r\nget a\r\n",
            "VALUE a 0 1\r\nA\r\nEND\r\n",
            "VALUE a 0 1\r\nA\r\nEND\r\n",
            [0, 0, 1],
        ),
    ];
    for (sent, said, expected, counts) in cases {
        for piece in [usize::MAX, 1] {
            let mut talk = Talk::new("memcached_corrupt", &[("key", "b")]);
            talk.client_says(sent);
            talk.server_got(sent);
            for piece in said.as_bytes().chunks(piece.min(said.len())) {
                talk.server_says(piece);
            }
            let got = talk.client.escape_ascii();
            let is_like = talk.client.len() == expected.len()
                && talk.client.iter().zip(expected.bytes()).all(|(got, expected)| {
                    if expected == b'?' { *got != b'B' } else { *got == expected }
                });
            assert!(is_like, "{sent:?}: {got}, not {expected:?}");
            assert_eq!(talk.counts(), *counts, "{sent:?} {said:?}: {got}");
            assert_eq!(String::from_utf8_lossy(&talk.told), *said, "the meter sees what was said");
        }
    }
}

/// The same where `q` hides success: a failed store has a reply, and it is not the one before it.
#[test]
fn a_fault_does_not_meet_the_failure_of_another_store() {
    for (sent, said, counts) in [
        ("ms b 1 q\r\nx\r\nmd a q\r\nmn\r\n", "NF\r\nMN\r\n", [0, 1, 0]),
        ("ms b 1 q ME\r\nx\r\nmd a q\r\nmn\r\n", "NS\r\nMN\r\n", [1, 0, 0]),
        ("md b q\r\nms a 1 ME q\r\nx\r\nmn\r\n", "NS\r\nMN\r\n", [0, 0, 1]),
        ("md b q O1\r\nmd a q O2\r\nmn\r\n", "NF O2\r\nMN\r\n", [0, 0, 1]),
    ] {
        let mut talk = Talk::new("memcached_duplicate", &[("key", "b")]);
        talk.client_says(sent);
        talk.server_says(said);
        assert_eq!(talk.counts(), counts, "{sent:?} {said:?}");
        let expected =
            if counts[0] > 0 { said.replace("NS\r\n", "NS\r\nNS\r\n") } else { said.into() };
        talk.client_got(&expected);
    }
}

/// Catches a multi-get of a client that gives every packet the same opaque, whose values change hands
/// although the reply names the key.
#[test]
fn a_packet_with_its_key_is_told_by_it() {
    let sent = [ask(GETKQ, 0, "b"), ask(GETKQ, 0, "a"), ask(NOOP, 0, "")].concat();
    for (key, counts) in [("a", [0, 0, 1]), ("b", [1, 0, 0])] {
        let mut talk = Talk::new("memcached_duplicate", &[("key", "b")]);
        talk.client_says(&sent);
        let hit = say(GETKQ, 0, key, "value");
        for byte in [hit.clone(), say(NOOP, 0, "", "")].concat() {
            talk.server_says([byte]);
        }
        assert_eq!(talk.counts(), counts, "{key}");
        let copies = usize::try_from(counts[0]).unwrap() + 1;
        assert_eq!(talk.client, [hit.repeat(copies), say(NOOP, 0, "", "")].concat(), "{key}");
    }
}

/// Catches a deep pipeline of quiet packets with opaques of their own in which nothing can be reached.
#[test]
fn opaques_of_their_own_are_told_however_deep() {
    let mut talk = Talk::new("memcached_duplicate", &[("key", "b*")]);
    let keys: Vec<String> = (0..500)
        .map(|index| format!("{}{index}", if index % 5 == 0 { "b" } else { "a" }))
        .collect();
    for (opaque, key) in (0..).zip(&keys) {
        talk.client_says(ask(GETQ, opaque, key));
    }
    talk.client_says(ask(NOOP, 500, ""));
    // Every second key is there.
    for opaque in (0..500).step_by(2) {
        talk.server_says(say(GETQ, opaque, "", "value"));
    }
    talk.server_says(say(NOOP, 500, "", ""));
    assert_eq!(talk.counts(), [50, 0, 50]);
}

/// Catches an answer in the middle of a quiet multi-get that is not said, that comes in the wrong
/// place, or for which the server is asked more than it has to be.
#[test]
fn an_answer_has_its_place_in_a_quiet_multi_get() {
    let error = "SERVER_ERROR injected fault\r\n";
    let mut talk = Talk::new("memcached_error", &[("key", "b")]);
    talk.client_says("mg a v q k\r\nmg b v q k\r\nmg c v q k\r\nmn\r\n");
    talk.server_got("mg a v q k\r\nmg c v q k\r\nmn\r\n");
    talk.server_says("VA 1 ka\r\nA\r\n");
    talk.server_says("VA 1 kc\r\nC\r\nMN\r\n");
    talk.client_got(&format!("VA 1 ka\r\nA\r\n{error}VA 1 kc\r\nC\r\nMN\r\n"));
    // Nothing but a barrier behind it.
    talk.client_says("mg a v q k\r\nmg b v q k\r\nmn\r\n");
    talk.server_says("MN\r\n");
    talk.client_got(&format!("{error}MN\r\n"));
    // The answers do not tell: a no-op in the place of the request does.
    talk.server.clear();
    talk.client_says("mg a v q\r\nmg b v q\r\nmg c v q\r\nmn\r\n");
    talk.server_got("mg a v q\r\nmn\r\nmg c v q\r\nmn\r\n");
    talk.server_says("MN\r\nVA 1\r\nC\r\nMN\r\n");
    talk.client_got(&format!("{error}VA 1\r\nC\r\nMN\r\n"));
    assert_eq!(talk.counts(), [3, 0, 0]);
    let told = String::from_utf8_lossy(&talk.told).into_owned();
    assert!(told.ends_with(&format!("{error}VA 1\r\nC\r\nMN\r\n")), "{told:?}");
}

/// Catches the same in binary: a no-op with the client's opaque, whose reply the client never sees.
#[test]
fn a_packet_is_answered_in_its_place() {
    let mut talk = Talk::new("memcached_error", &[("key", "b")]);
    talk.client_says([ask(GETQ, 7, "a"), ask(GETQ, 7, "b"), ask(GETQ, 7, "c")].concat());
    assert_eq!(talk.server, [ask(GETQ, 7, "a"), ask(NOOP, 7, ""), ask(GETQ, 7, "c")].concat());
    talk.server_says(say(GETQ, 7, "", "A"));
    assert_eq!(talk.client, say(GETQ, 7, "", "A"));
    talk.client.clear();
    talk.server_says([say(NOOP, 7, "", ""), say(GETQ, 7, "", "C")].concat());
    let error = Header::read(&talk.client).unwrap();
    assert_eq!((error.opcode, error.status, error.opaque), (GETQ, 0x82, 7));
    assert!(talk.client.ends_with(&say(GETQ, 7, "", "C")));
}

/// Catches a connection that hangs behind a request that has no reply, one that is closed before the
/// request has run, and what was sent behind it and runs.
#[test]
fn a_drop_behind_a_quiet_request_waits_until_it_has_run() {
    for when in ["after", "mid_reply"] {
        for (sent, request) in [
            ("ms b 1 q\r\nx\r\nmn\r\n", "ms b 1 q\r\nx\r\n"),
            ("set b 0 0 1 noreply\r\nx\r\nget a\r\n", "set b 0 0 1 noreply\r\nx\r\n"),
            ("mg a v q\r\nmg b v q\r\nmn\r\n", "mg a v q\r\nmg b v q\r\n"),
        ] {
            let mut talk = Talk::new("memcached_drop", &[("key", "b"), ("when", when)]);
            talk.client_says(sent);
            talk.server_got(&format!("{request}mn\r\n"));
            talk.client_says("set later 0 0 1\r\nx\r\n");
            talk.wait(Duration::from_secs(60));
            talk.client_got("");
            talk.server_says("MN\r\n");
            talk.client_got("<close>");
            talk.server_got("");
            assert_eq!(talk.counts()[0], 1, "{when} {sent:?}");
        }
    }
    // A reply after all.
    let mut talk = Talk::new("memcached_drop", &[("key", "b"), ("when", "mid_reply")]);
    talk.client_says("mg a v q k\r\nmg b v q k\r\nmn\r\n");
    talk.server_says("VA 1 ka\r\nA\r\nVA 4 kb\r\nBBBB\r\nMN\r\n");
    talk.client_got("VA 1 ka\r\nA\r\nVA 4 kb\r\nBB<close>");
    assert_eq!(talk.counts(), [1, 0, 0]);
}

/// Catches a rule that is removed before the connection that it dropped was closed.
#[test]
fn a_dropped_connection_ends_without_its_rule() {
    for sent in ["get b\r\n", "set b 0 0 1 noreply\r\nx\r\n"] {
        let mut talk = Talk::new("memcached_drop", &[("key", "b"), ("when", "after")]);
        talk.client_says(sent);
        talk.clear();
        talk.server_says(if sent.starts_with("get") { "END\r\n" } else { "MN\r\n" });
        talk.client_got("<close>");
    }
}

/// Catches replies that wait for one that tells whose they are and never comes.
#[test]
fn what_nobody_tells_passes_after_a_while() {
    let mut talk = Talk::new("memcached_duplicate", &[("key", "b")]);
    talk.client_says("mg a v q\r\nmg b v q\r\n");
    talk.server_says("VA 1\r\nx\r\n");
    talk.client_got("");
    talk.wait(TOLD_WAIT - Duration::from_millis(1));
    talk.client_got("");
    talk.wait(Duration::from_millis(1));
    talk.client_got("VA 1\r\nx\r\n");
    assert_eq!(talk.counts(), [0, 1, 0]);
    // Nothing is kept where no rule wants it.
    talk.client_says("mn\r\nmg c v q\r\nmg d v q\r\n");
    talk.server_says("MN\r\nVA 1\r\nx\r\n");
    talk.client_got("MN\r\nVA 1\r\nx\r\n");
    // Nor when the rule is gone.
    talk.client_says("mn\r\nmg a v q\r\nmg b v q\r\n");
    talk.server_says("MN\r\nVA 1\r\nx\r\n");
    talk.client_got("MN\r\n");
    talk.clear();
    talk.client_got("VA 1\r\nx\r\n");
}

/// Catches more replies kept back than may be.
#[test]
fn what_is_kept_back_is_bounded() {
    let mut talk = Talk::new("memcached_duplicate", &[("key", "b")]);
    talk.client_says("mg b v q\r\nmg a v\r\nmg a v\r\nmn\r\n");
    let value = "x".repeat(3 << 20);
    let reply = format!("VA {}\r\n{value}\r\n", value.len());
    talk.server_says(&reply);
    talk.client_got("");
    talk.server_says(&reply);
    assert_eq!(talk.client.len(), 2 * reply.len());
    talk.server_says("MN\r\n");
    assert_eq!(talk.counts(), [0, 1, 0]);
}

/// Catches bytes that are kept although no request that a rule means can begin so, and a head that is
/// kept for ever.
#[test]
fn nothing_is_kept_that_no_rule_can_mean() {
    let mut talk = Talk::new("memcached_error", &[("command", "get")]);
    for head in ["se", "t k 0 0 1\r\n", "x\r", "\n", "delete"] {
        talk.client_says(head);
        talk.server_got(head);
    }
    talk.client_says(" k\r\nge");
    talk.server_got(" k\r\n");
    talk.wait(HEAD_WAIT - Duration::from_millis(1));
    talk.client_says("t ");
    talk.server_got("");
    talk.wait(Duration::from_millis(1));
    talk.server_got("get ");
    talk.client_says("k\r\nget k\r\n");
    talk.server_got("k\r\n");
    assert_eq!(talk.counts(), [1, 1, 0], "the one that could not be waited for is counted");
    talk.client_says("get");
    talk.server_got("");
    talk.clear();
    talk.server_got("get");
}

/// Catches a client of another protocol that a rule keeps waiting.
#[test]
fn another_protocol_passes_at_once() {
    for hello in ["\x16\x03\x01\x02", "*1\r\n$4\r\nPI", "GET / HTTP/1.1\r\n", "\0\0\0\x08"] {
        let mut talk = Talk::new("memcached_error", &[]);
        talk.client_says(hello);
        talk.server_got(hello);
        talk.server_says("anything");
        talk.client_got("anything");
        assert_eq!(talk.counts(), [0, 0, 0]);
    }
}

/// Catches answers of ours that pile up for a client that does not read: those that wait for a reply of
/// the server, and those that wait for the client.
#[test]
fn requests_wait_when_too_many_answers_do() {
    let message = format!("SERVER_ERROR {}", "x".repeat(1000));
    for first in ["", "get a\r\n", "mg a v q k\r\n"] {
        let mut talk = Talk::new("memcached_error", &[("key", "b"), ("message", &message)]);
        talk.client_says(first);
        let (now, mut sent) = (talk.now, 0);
        while talk.exchange.has_room(Direction::Up, now) && sent < 1_000_000 {
            let requests = "get b\r\n".repeat(100);
            let Talk { exchange, reporter, told, .. } = &mut talk;
            exchange.on_client(now, requests.as_bytes(), 100, reporter, &mut tell(told));
            while exchange.pop(Direction::Up, now).is_some() {}
            sent += 100;
        }
        assert!(sent < 10_000, "{first:?}: {sent} answers of a kilobyte are kept");
    }
}

/// Catches a small reply that is given a large value ten thousand times at once.
#[test]
fn changes_do_not_grow_without_bound() {
    let mut talk = Talk::new("memcached_wrong_value", &[]);
    let large = "x".repeat(1 << 20);
    talk.client_says("get large\r\n");
    talk.server_says(format!("VALUE large 0 {}\r\n{large}\r\nEND\r\n", large.len()));
    talk.client.clear();
    talk.client_says("get s\r\n".repeat(5000));
    let said = "VALUE s 0 1\r\nx\r\nEND\r\n".repeat(5000);
    let Talk { exchange, reporter, now, told, .. } = &mut talk;
    exchange.on_server(*now, said.as_bytes(), reporter, &mut tell(told));
    let cost = exchange.down.out.cost();
    assert!(cost < 3 * HELD_BYTES_MAX, "{cost} bytes wait for the client");
    assert!(talk.counts()[2] > 4900, "{:?}", talk.counts());
}

/// Catches what was planned and takes ever more memory while nothing tells that it came to nothing.
#[test]
fn plans_are_bounded() {
    let mut talk = Talk::new("memcached_wrong_value", &[]);
    let request = format!("mg {} v q\r\n", "k".repeat(250));
    for _ in 0..600 {
        talk.client_says(request.repeat(100));
        talk.server.clear();
    }
    let [_, _, could_not] = talk.counts();
    assert!(could_not > 30_000, "{could_not} of 60,000 were not planned");
    talk.client_says("mn\r\n");
    talk.server_says("MN\r\n");
    assert_eq!(talk.counts(), [0, 0, 60_000], "none had a reply");
    assert!(talk.exchange.down.is_idle());
}
