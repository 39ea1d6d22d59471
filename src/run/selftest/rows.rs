//! What is broken in a self-test, and who must notice it.

use super::stage::RunKind;

/// One broken thing.
#[derive(Debug)]
pub struct Row {
    /// Its name: of a lie, the lie's.
    pub name: &'static str,
    /// What is broken.
    pub(super) broken: Thing,
    /// How it is asked.
    pub(super) stage: RunKind,
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
    stage: RunKind,
    by: &'static [&'static str],
) -> Row {
    Row { name, broken: Nodes(nodes), stage, expected: NoticedBy(by) }
}

const fn client(
    name: &'static str,
    settings: &'static str,
    stage: RunKind,
    by: &'static [&'static str],
) -> Row {
    Row { name, broken: Client(settings), stage, expected: NoticedBy(by) }
}

const fn healthy(name: &'static str, stage: RunKind) -> Row {
    Row { name, broken: Nothing, stage, expected: Health }
}

/// A node loses everything only now and then, whatever the rate of the other lies; and yet a few times in
/// the shortest run, which asks each node some 300 times.
const NOW_AND_THEN: Option<u32> = Some(100);
/// Of what rarely happens, much is lied about.
const OFTEN: Option<u32> = Some(4);

/// Every broken thing, healthy runs first.
pub static ROWS: &[Row] = &[
    healthy("healthy: values", RunKind::Values),
    healthy("healthy: counters", RunKind::Counters),
    healthy("healthy: logs", RunKind::Logs),
    healthy("healthy: swaps", RunKind::Swaps),
    healthy("healthy: expiry", RunKind::Expiry),
    healthy("healthy: one node refuses", RunKind::Refusing),
    lie("wrong-key", &[("wrong-key", None)], RunKind::Values, &["no-wrong-data"]),
    lie("stale", &[("stale", None)], RunKind::Values, &["no-stale-data"]),
    lie("bit-flip", &[("bit-flip", None)], RunKind::Values, &["no-corrupt-data"]),
    lie("cut-value", &[("cut-value", None)], RunKind::Values, &["no-corrupt-data"]),
    lie("wrong-flags", &[("wrong-flags", None)], RunKind::Values, &["contradictions"]),
    lie("dropped-set", &[("dropped-set", None)], RunKind::Values, &["no-stale-data"]),
    lie("dropped-append", &[("dropped-append", None)], RunKind::Logs, &["no-lost-writes"]),
    lie("dropped-delete", &[("dropped-delete", None)], RunKind::Values, &["no-stale-data"]),
    lie("dropped-incr", &[("dropped-incr", None)], RunKind::Counters, &["counter_behind"]),
    lie("dropped-decr", &[("dropped-decr", None)], RunKind::Counters, &["counter_ahead"]),
    lie("doubled-incr", &[("doubled-incr", None)], RunKind::Counters, &["counter_ahead"]),
    lie("doubled-decr", &[("doubled-decr", None)], RunKind::Counters, &["counter_behind"]),
    lie("doubled-append", &[("doubled-append", None)], RunKind::Logs, &["double_applied"]),
    lie("early-stored", &[("early-stored", None)], RunKind::Values, &["no-stale-data"]),
    lie(
        "stored-but-error",
        &[("stored-but-error", None)],
        RunKind::Values,
        &["no-errors", "contradictions"],
    ),
    lie(
        "deleted-but-not-found",
        &[("deleted-but-not-found", None)],
        RunKind::Values,
        &["contradictions"],
    ),
    lie("stored-but-exists", &[("stored-but-exists", None)], RunKind::Swaps, &["contradictions"]),
    lie("add-overwrites", &[("add-overwrites", None)], RunKind::Adds, &["contradictions"]),
    lie(
        "cas-ignored",
        &[("cas-ignored", Some(1))],
        RunKind::Swaps,
        &["contradictions", "no-lost-writes"],
    ),
    lie(
        "cas-starts-again",
        &[("cas-starts-again", None)],
        RunKind::Swaps,
        &["contradictions", "no-lost-writes"],
    ),
    lie("late-expiry", &[("late-expiry", OFTEN)], RunKind::Expiry, &["contradictions"]),
    lie("no-expiry", &[("no-expiry", OFTEN)], RunKind::Expiry, &["contradictions"]),
    lie(
        "early-expiry",
        &[("early-expiry", OFTEN)],
        RunKind::Expiry,
        &["no-false-misses", "contradictions"],
    ),
    lie(
        "swapped-connections",
        &[("swapped-connections", OFTEN)],
        RunKind::Crowds,
        &["no-errors", "no-wrong-data", "counter_ahead", "counter_behind"],
    ),
    lie(
        "restart",
        &[("restart", NOW_AND_THEN)],
        RunKind::Values,
        &["no-false-misses", "false_misses not judged"],
    ),
    lie("silent-eviction", &[("silent-eviction", None)], RunKind::Values, &["no-false-misses"]),
    // Somebody may empty a node, and it says so: then nobody knows what is missing.
    lie(
        "flush",
        &[("flush", NOW_AND_THEN)],
        RunKind::Values,
        &["no-false-misses", "false_misses not judged"],
    ),
    lie("silent-flush", &[("silent-flush", NOW_AND_THEN)], RunKind::Values, &["no-false-misses"]),
    lie(
        "refused-reads",
        &[("refused-reads", Some(1)), ("doubled-append", None)],
        RunKind::Logs,
        &["double_applied", "double_applied not judged"],
    ),
    Row {
        name: "eviction",
        broken: Nodes(&[("eviction", None)]),
        stage: RunKind::Values,
        expected: Unknowable("a cache may evict, and its statistics say that it did"),
    },
    lie(
        "swapped-in-pipeline",
        &[("swapped-in-pipeline", None)],
        RunKind::Pages,
        &["no-false-misses", "no-errors"],
    ),
    client("no-healing", "base = \"no-healing\"", RunKind::Refusing, &["recovers"]),
    client(
        "no-breaker",
        "base = \"no-breaker\"",
        RunKind::Refusing,
        &["breaker-opens-quickly", "connects-bounded", "rejects-fast"],
    ),
    client(
        "modulo-ring",
        "failover = true\nselector = { modulo = {} }",
        RunKind::Refusing,
        // A key that moves to another node is missing there, or what lay there before is found.
        &["keys-stay-home", "no-false-misses"],
    ),
    client(
        "reuse-after-timeout",
        "broken = \"reuse-after-timeout\"",
        RunKind::Late,
        &["no-wrong-data", "no-dirty-reuse"],
    ),
    client(
        "synchronised-reconnects",
        "broken = \"synchronised-reconnects\"\n\
         healing = { delay_floor = \"200ms\", delay_min = \"200ms\", delay_max = \"200ms\" }",
        RunKind::Refusing,
        &["no-connection-storm", "connects-bounded"],
    ),
    client(
        "leaking-pool",
        "broken = \"leaking-pool\"\npool_size = 8",
        RunKind::Hanging,
        &["recovers"],
    ),
    client(
        "errors-as-misses",
        "broken = \"errors-as-misses\"",
        RunKind::Refusing,
        &["no-false-misses"],
    ),
    client("late-stopwatch", "broken = \"late-stopwatch\"", RunKind::Values, &["calibration"]),
    client("late-generator", "broken = \"late-generator\"", RunKind::Values, &["calibration"]),
];
