//! What is broken in a self-test, and who must notice it.

use super::stage::Stage;

/// One broken thing.
#[derive(Debug)]
pub struct Row {
    /// Its name: of a lie, the lie's.
    pub name: &'static str,
    /// What is broken.
    pub(super) broken: Thing,
    /// How it is asked.
    pub(super) stage: Stage,
    /// What must come of it.
    pub expected: Expected,
}

/// What is broken.
#[derive(Clone, Copy, Debug)]
pub(super) enum Thing {
    /// Nothing.
    Nothing,
    /// The nodes: each tells the lies with these names, at a rate of its own where there is one.
    Nodes(&'static [(&'static str, Option<u32>)]),
    /// The client: its settings, as a file has them.
    Client(&'static str),
}

/// What must come of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// A run that does not fail.
    Health,
    /// One of these objectives failed, or one of these figures of the report's `data` is above zero and
    /// the run fails or is degraded, or the run says of one of these measures that it was not judged,
    /// or the `calibration` failed.
    NoticedBy(&'static [&'static str]),
    /// Nobody can know it, for this reason.
    Unknowable(&'static str),
}

use Expected::{Health, NoticedBy, Unknowable};
use Thing::{Client, Nodes, Nothing};

const fn lie(
    name: &'static str,
    nodes: &'static [(&'static str, Option<u32>)],
    stage: Stage,
    by: &'static [&'static str],
) -> Row {
    Row { name, broken: Nodes(nodes), stage, expected: NoticedBy(by) }
}

const fn client(
    name: &'static str,
    settings: &'static str,
    stage: Stage,
    by: &'static [&'static str],
) -> Row {
    Row { name, broken: Client(settings), stage, expected: NoticedBy(by) }
}

const fn healthy(name: &'static str, stage: Stage) -> Row {
    Row { name, broken: Nothing, stage, expected: Health }
}

/// A node loses everything only now and then, whatever the rate of the other lies; and yet a few times in
/// the shortest run, which asks each node some 300 times.
const NOW_AND_THEN: Option<u32> = Some(100);
/// Of what rarely happens, much is lied about.
const OFTEN: Option<u32> = Some(4);

/// Every broken thing, healthy runs first.
pub static ROWS: &[Row] = &[
    healthy("healthy: values", Stage::Values),
    healthy("healthy: counters", Stage::Counters),
    healthy("healthy: logs", Stage::Logs),
    healthy("healthy: swaps", Stage::Swaps),
    healthy("healthy: expiry", Stage::Expiry),
    healthy("healthy: one node refuses", Stage::Refusing),
    lie("wrong-key", &[("wrong-key", None)], Stage::Values, &["no-wrong-data"]),
    lie("stale", &[("stale", None)], Stage::Values, &["no-stale-data"]),
    lie("bit-flip", &[("bit-flip", None)], Stage::Values, &["no-corrupt-data"]),
    lie("cut-value", &[("cut-value", None)], Stage::Values, &["no-corrupt-data"]),
    lie("wrong-flags", &[("wrong-flags", None)], Stage::Values, &["contradictions"]),
    lie("dropped-set", &[("dropped-set", None)], Stage::Values, &["no-stale-data"]),
    lie("dropped-append", &[("dropped-append", None)], Stage::Logs, &["no-lost-writes"]),
    lie("dropped-delete", &[("dropped-delete", None)], Stage::Values, &["no-stale-data"]),
    lie("dropped-incr", &[("dropped-incr", None)], Stage::Counters, &["counter_behind"]),
    lie("dropped-decr", &[("dropped-decr", None)], Stage::Counters, &["counter_ahead"]),
    lie("doubled-incr", &[("doubled-incr", None)], Stage::Counters, &["counter_ahead"]),
    lie("doubled-decr", &[("doubled-decr", None)], Stage::Counters, &["counter_behind"]),
    lie("doubled-append", &[("doubled-append", None)], Stage::Logs, &["double_applied"]),
    lie("early-stored", &[("early-stored", None)], Stage::Values, &["no-stale-data"]),
    lie(
        "stored-but-error",
        &[("stored-but-error", None)],
        Stage::Values,
        &["no-errors", "contradictions"],
    ),
    lie(
        "deleted-but-not-found",
        &[("deleted-but-not-found", None)],
        Stage::Values,
        &["contradictions"],
    ),
    lie("stored-but-exists", &[("stored-but-exists", None)], Stage::Swaps, &["contradictions"]),
    lie("add-overwrites", &[("add-overwrites", None)], Stage::Adds, &["contradictions"]),
    lie(
        "cas-ignored",
        &[("cas-ignored", Some(1))],
        Stage::Swaps,
        &["contradictions", "no-lost-writes"],
    ),
    lie(
        "cas-starts-again",
        &[("cas-starts-again", None)],
        Stage::Swaps,
        &["contradictions", "no-lost-writes"],
    ),
    lie("late-expiry", &[("late-expiry", OFTEN)], Stage::Expiry, &["contradictions"]),
    lie("no-expiry", &[("no-expiry", OFTEN)], Stage::Expiry, &["contradictions"]),
    lie(
        "early-expiry",
        &[("early-expiry", OFTEN)],
        Stage::Expiry,
        &["no-false-misses", "contradictions"],
    ),
    lie(
        "swapped-connections",
        &[("swapped-connections", OFTEN)],
        Stage::Crowds,
        &["no-errors", "no-wrong-data", "counter_ahead", "counter_behind"],
    ),
    lie(
        "restart",
        &[("restart", NOW_AND_THEN)],
        Stage::Values,
        &["no-false-misses", "false_misses not judged"],
    ),
    lie("silent-eviction", &[("silent-eviction", None)], Stage::Values, &["no-false-misses"]),
    // Somebody may empty a node, and it says so: then nobody knows what is missing.
    lie(
        "flush",
        &[("flush", NOW_AND_THEN)],
        Stage::Values,
        &["no-false-misses", "false_misses not judged"],
    ),
    lie("silent-flush", &[("silent-flush", NOW_AND_THEN)], Stage::Values, &["no-false-misses"]),
    lie(
        "refused-reads",
        &[("refused-reads", Some(1)), ("doubled-append", None)],
        Stage::Logs,
        &["double_applied", "double_applied not judged"],
    ),
    Row {
        name: "eviction",
        broken: Nodes(&[("eviction", None)]),
        stage: Stage::Values,
        expected: Unknowable("a cache may evict, and its statistics say that it did"),
    },
    lie(
        "swapped-in-pipeline",
        &[("swapped-in-pipeline", None)],
        Stage::Pages,
        &["no-false-misses", "no-errors"],
    ),
    client("no-healing", "base = \"no-healing\"", Stage::Refusing, &["recovers"]),
    client(
        "no-breaker",
        "base = \"no-breaker\"",
        Stage::Refusing,
        &["breaker-opens-quickly", "connects-bounded", "rejects-fast"],
    ),
    client(
        "modulo-ring",
        "failover = true\nselector = { modulo = {} }",
        Stage::Refusing,
        // A key that moves to another node is missing there, or what lay there before is found.
        &["keys-stay-home", "no-false-misses"],
    ),
    client(
        "reuse-after-timeout",
        "broken = \"reuse-after-timeout\"",
        Stage::Late,
        &["no-wrong-data", "no-dirty-reuse"],
    ),
    client(
        "synchronised-reconnects",
        "broken = \"synchronised-reconnects\"\n\
         healing = { delay_floor = \"200ms\", delay_min = \"200ms\", delay_max = \"200ms\" }",
        Stage::Refusing,
        &["no-connection-storm", "connects-bounded"],
    ),
    client(
        "leaking-pool",
        "broken = \"leaking-pool\"\npool_size = 8",
        Stage::Hanging,
        &["recovers"],
    ),
    client(
        "errors-as-misses",
        "broken = \"errors-as-misses\"",
        Stage::Refusing,
        &["no-false-misses"],
    ),
    client("late-stopwatch", "broken = \"late-stopwatch\"", Stage::Values, &["calibration"]),
    client("late-generator", "broken = \"late-generator\"", Stage::Values, &["calibration"]),
];
