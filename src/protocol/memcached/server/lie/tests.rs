//! Each lie, told every time, beside what an honest node would have said.

use std::sync::Arc;

use bytes::BytesMut;
use tokio::time::Instant;

use super::{Conversation, LIES, Liar, LieSpec};
use crate::base::seed::Seed;
use crate::protocol::memcached::server::clock::{Clock, Now};
use crate::protocol::memcached::server::session::Context;
use crate::protocol::memcached::server::stats::Facts;
use crate::protocol::memcached::server::store::{Limits, Store};
use crate::protocol::node::output::Output;
use crate::protocol::node::serve::Step;

/// A node with some lies and two connections.
struct Lying {
    store: Store,
    clock: Clock,
    facts: Facts,
    connections: Vec<Conversation>,
    seconds: u32,
}

impl Lying {
    fn new(lies: &[&str]) -> Self {
        let lies: Vec<LieSpec> = lies.iter().map(|lie| lie.parse().unwrap()).collect();
        let liar = Liar::new(&lies, Seed::new(7)).map(Arc::new);
        Self {
            store: Store::new(Limits { memory_bytes: 1 << 20, item_bytes: 1 << 16 }),
            clock: Clock::new(Instant::now(), 1_800_000_000),
            facts: Facts::default(),
            connections: (0..2).map(|_| Conversation::new(liar.as_ref())).collect(),
            seconds: 0,
        }
    }

    /// What is said to these bytes on a connection; lines are parted by `|`.
    fn say(&mut self, connection: usize, text: &str) -> String {
        let stamp = u64::from(self.seconds) * 1_000_000_000;
        let now = Now { seconds: 62 + self.seconds, stamp };
        let Self { store, clock, facts, .. } = self;
        let context = Context { store, clock, now, facts };
        let mut input = BytesMut::from(text.replace('|', "\r\n").as_bytes());
        let mut output = Output::default();
        let step = self.connections[connection].run(&mut input, &mut output, &context);
        let mut said: Vec<u8> = Vec::new();
        output.pieces().for_each(|piece| said.extend_from_slice(piece));
        let closed = if step == Step::Close { "closed" } else { "" };
        String::from_utf8_lossy(&said).replace("\r\n", "|") + closed
    }
}

/// A lie, a dialogue (`@1` is the second connection, `+5` lets 5 s pass), and what is said in the end.
type Case = (&'static str, &'static [&'static str], &'static str);

const CASES: &[Case] = &[
    (
        "wrong-key",
        &["set a 0 0 2|AA|", "set b 0 0 3|BBB|", "get b|", "get a|"],
        "VALUE a 0 3|BBB|END|",
    ),
    (
        "wrong-key",
        &["set a 0 0 2|AA|", "set b 0 0 3|BBB|", "mg b v|", "mg a k v f|"],
        "VA 3 ka f0|BBB|",
    ),
    ("stale", &["set a 0 0 1|1|", "set a 0 0 2|22|", "get a|"], "VALUE a 0 1|1|END|"),
    ("bit-flip", &["set a 0 0 1|\0|", "mg a s v|"], "VA 1 s1|@|"),
    ("cut-value", &["set a 0 0 4|1234|", "get a|"], "VALUE a 0 3|123|END|"),
    ("wrong-flags", &["set a 6 0 1|1|", "gets a|"], "VALUE a 7 1 1|1|END|"),
    ("wrong-flags", &["set a 6 0 1|1|", "mg a f v k|"], "VA 1 f7 ka|1|"),
    ("dropped-set", &["set a 0 0 1|1|"], "STORED|"),
    ("dropped-set", &["ms a 1 c k Oq|1|", "mg a v|"], "EN|"),
    ("dropped-append", &["set a 0 0 1|1|", "append a 0 0 1|2|", "get a|"], "VALUE a 0 1|1|END|"),
    ("dropped-append", &["set a 0 0 1|1|", "ms a 1 MP|2|"], "HD|"),
    ("dropped-delete", &["set a 0 0 1|1|", "delete a|"], "DELETED|"),
    ("dropped-delete", &["set a 0 0 1|1|", "md a|", "get a|"], "VALUE a 0 1|1|END|"),
    ("dropped-incr", &["set a 0 0 1|5|", "incr a 1|"], "6|"),
    ("dropped-incr", &["set a 0 0 1|5|", "ma a D2 v|", "get a|"], "VALUE a 0 1|5|END|"),
    ("dropped-decr", &["set a 0 0 1|5|", "decr a 1|", "get a|"], "VALUE a 0 1|5|END|"),
    ("doubled-incr", &["set a 0 0 1|5|", "incr a 1|"], "6|"),
    ("doubled-incr", &["set a 0 0 1|5|", "ma a v|", "get a|"], "VALUE a 0 1|7|END|"),
    ("doubled-decr", &["set a 0 0 1|5|", "ma a MD|", "get a|"], "VALUE a 0 1|3|END|"),
    ("doubled-append", &["set a 0 0 1|1|", "append a 0 0 1|2|", "get a|"], "VALUE a 0 3|122|END|"),
    ("early-stored", &["set a 0 0 1|1|"], "STORED|"),
    ("early-stored", &["set a 0 0 1|1|", "get a|"], "END|"),
    ("stored-but-error", &["set a 0 0 1|1|"], "SERVER_ERROR out of memory storing object|"),
    ("stored-but-error", &["set a 0 0 1|1|", "get a|"], "VALUE a 0 1|1|END|"),
    ("deleted-but-not-found", &["set a 0 0 1|1|", "delete a|"], "NOT_FOUND|"),
    ("deleted-but-not-found", &["set a 0 0 1|1|", "md a k Ox|"], "NF ka Ox|"),
    ("stored-but-exists", &["set a 0 0 1|1|", "cas a 0 0 1 1|2|"], "EXISTS|"),
    ("stored-but-exists", &["set a 0 0 1|1|", "ms a 1 C1 k|2|"], "EX ka|"),
    ("add-overwrites", &["set a 0 0 1|1|", "add a 0 0 1|2|"], "STORED|"),
    ("add-overwrites", &["set a 0 0 1|1|", "ms a 1 ME|2|", "get a|"], "VALUE a 0 1|2|END|"),
    ("cas-ignored", &["set a 0 0 1|1|", "cas a 0 0 1 9|2|"], "STORED|"),
    ("cas-ignored", &["set a 0 0 1|1|", "ms a 1 C9|2|", "get a|"], "VALUE a 0 1|2|END|"),
    (
        "cas-starts-again",
        &["set a 0 0 1|1|", "set b 0 0 1|1|", "gets a b|"],
        "VALUE a 0 1 1|1|VALUE b 0 1 1|1|END|",
    ),
    ("late-expiry", &["set a 0 2 1|1|", "+6", "get a|"], "VALUE a 0 1|1|END|"),
    ("late-expiry", &["set a 0 2 1|1|", "+7", "get a|"], "END|"),
    ("no-expiry", &["ms a 1 T2|1|", "+3600", "get a|"], "VALUE a 0 1|1|END|"),
    ("early-expiry", &["set a 0 2 1|1|", "+1", "get a|"], "END|"),
    ("swapped-in-pipeline", &["set a 0 0 1|1|", "get a|get b|"], "END|VALUE a 0 1|1|END|"),
    ("swapped-connections", &["set a 0 0 1|5|", "incr a 1|", "@1incr a 1|"], "6|"),
    ("swapped-connections", &["set a 0 0 1|5|", "incr a 1|", "@1incr a 1|", "incr a 1|"], "7|"),
    // Another command of the connection that is owed a reply: the next swap is told all the same.
    (
        "swapped-connections",
        &["set a 0 0 1|5|", "@1set b 0 0 1|1|", "incr a 1|", "@1incr b 1|"],
        "6|",
    ),
    ("restart", &["set a 0 0 1|1|"], "closed"),
    ("restart", &["set a 0 0 1|1|", "@1get a|"], "closed"),
    ("eviction", &["set a 0 0 1|1|", "get a|"], "END|"),
    ("silent-eviction", &["set a 0 0 1|1|", "get a|"], "END|"),
    ("flush", &["set a 0 0 1|1|", "get a|"], "END|"),
    ("silent-flush", &["set a 0 0 1|1|", "get a|"], "END|"),
    (
        "refused-reads",
        &["set a 0 0 1|5|", "incr a 1|", "get a|"],
        "SERVER_ERROR out of memory reading request|",
    ),
    ("refused-reads", &["set a 0 0 1|5|", "incr a 1|", "mg a v|"], "VA 1|6|"),
];

fn hold(lies: &[&str], dialogue: &[&str]) -> String {
    let mut node = Lying::new(lies);
    let mut last = String::new();
    for text in dialogue {
        if let Some(seconds) = text.strip_prefix('+') {
            node.seconds += seconds.parse::<u32>().unwrap();
        } else if let Some(text) = text.strip_prefix("@1") {
            last = node.say(1, text);
        } else {
            last = node.say(0, text);
        }
    }
    last
}

/// Catches a lie that is told otherwise than it says, is not well-formed, or is the truth: an honest
/// node must answer otherwise in one of its dialogues.
#[test]
fn each_lie_is_told_as_it_says() {
    let mut wrong = Vec::new();
    for kind in LIES.kinds {
        let mut is_a_lie = false;
        for (name, dialogue, said) in CASES.iter().filter(|(name, _, _)| *name == kind.name) {
            let told = hold(&[&format!("{name}:1/1")], dialogue);
            is_a_lie |= hold(&[], dialogue) != told;
            if told != *said {
                wrong.push(format!("{name}: {dialogue:?}: {told}"));
            }
        }
        if !is_a_lie {
            wrong.push(format!("{}: an honest node says the same", kind.name));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Catches a loss that is counted although it should not be, and the other way round.
#[test]
fn statistics_tell_of_a_loss_or_keep_silent() {
    let told = |lie: &str, statistic: &str| {
        let mut node = Lying::new(&[lie]);
        for text in ["set a 0 0 1|1|", "get a|"] {
            node.say(0, text);
        }
        let stats = node.say(0, "stats|");
        stats.split('|').find_map(|line| line.strip_prefix(statistic).map(str::to_owned))
    };
    assert_eq!(told("eviction:1/1", "STAT evictions ").unwrap(), "1");
    assert_eq!(told("silent-eviction:1/1", "STAT evictions ").unwrap(), "0");
    assert_eq!(told("flush:1/1", "STAT cmd_flush ").unwrap(), "2");
    assert_eq!(told("silent-flush:1/1", "STAT cmd_flush ").unwrap(), "0");
}

/// Catches a restart that the uptime and the counters do not show, or that goes on for ever.
#[test]
fn a_restart_shows_in_the_statistics_only() {
    let liar = Liar::new(&["restart:1/2".parse().unwrap()], Seed::new(1)).map(Arc::new);
    let mut node = Lying::new(&[]);
    node.connections[0] = Conversation::new(liar.as_ref());
    node.seconds = 100;
    while node.say(0, "set a 0 0 1|1|") != "closed" {}
    node.connections[0] = Conversation::new(liar.as_ref());
    node.seconds = 105;
    let stats = node.say(0, "stats|");
    assert!(stats.contains("STAT uptime 5|"), "{stats}");
    assert!(stats.contains("STAT cmd_set 0|"), "{stats}");
}

/// Catches a rate that is not kept, and lies that differ between two runs with the same requests.
#[test]
fn the_rate_is_kept_and_the_seed_decides() {
    let hear = || {
        let mut node = Lying::new(&["deleted-but-not-found:1/50"]);
        let mut denied = Vec::new();
        for turn in 0..5000 {
            node.say(0, "set a 0 0 1|1|");
            if node.say(0, "delete a|") == "NOT_FOUND|" {
                denied.push(turn);
            }
        }
        denied
    };
    let denied = hear();
    assert!((60..140).contains(&denied.len()), "{} of 5000", denied.len());
    assert_eq!(denied, hear());
}

/// Catches a liar that chokes on what it does not read: from there on it is as if it were not there.
#[test]
fn what_is_not_read_is_left_to_an_honest_conversation() {
    let long = format!("get {}|", "k".repeat(251));
    let many = format!("set a 0 0 1|1|get a{}|", " b".repeat(150));
    let unreadable: [&str; 6] = [
        "set a 0 0 70000|",
        "set a 0 0 1|1|get a|nonsense|set a 0 0 x|x|mn|quit|",
        &long,
        &many,
        "\u{80}",
        "get a\0b|",
    ];
    for text in unreadable {
        let honest = hold(&[], &[text]);
        assert_eq!(hold(&["dropped-delete:1/1"], &[text]), honest, "{text:?}");
    }
    // And what comes in pieces is put together.
    assert_eq!(hold(&["dropped-delete:1/1"], &["set a 0 0 1|1|"]), "STORED|");
    let mut node = Lying::new(&["bit-flip:1/1"]);
    assert_eq!(node.say(0, "get a"), "");
}
