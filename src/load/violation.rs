//! Where violations of the data contract are counted, and the first of them kept.
//!
//! It never keeps or shows a value: only numbers, the node and the connection.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use super::keyspace::{Keyspace, Slot};
use crate::base::name::NodeIndex;
use crate::base::time::Offset;
use crate::event::{DataTotals, EventKind, Events, LateWrite, ViolationKind};

/// How many violations are kept with their evidence and emitted as events, of each kind. More are
/// counted only: the first ones show what goes wrong, the thousandth shows nothing new.
pub const EXAMPLES_MAX: u64 = 20;

/// How many writes that were executed late are told apart. Reads of the values of others are counted
/// with no word about when it began.
pub const LATE_WRITES_MAX: usize = 256;

/// One violation with its evidence.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Violation {
    /// Which kind.
    pub kind: ViolationKind,
    /// When it was seen, in seconds since the start of the run.
    pub at_s: f64,
    /// The key's name: a prefix for its range and its index.
    pub key: String,
    /// The node that answered.
    pub node: NodeIndex,
    /// The client's connection, when it is known.
    pub connection: Option<u64>,
    /// The least that should have been seen: a sequence, for a counter its value; the most of one that is ahead.
    pub expected: Option<u64>,
    /// What was seen.
    pub seen: Option<u64>,
    /// Whose value it was, when it was that of another key.
    pub of: Option<String>,
    /// What is wrong, in a few words.
    pub detail: String,
}

/// What was seen, before it is known when and where.
#[derive(Clone, Copy, Debug)]
pub(super) struct Finding {
    pub(super) kind: ViolationKind,
    pub(super) slot: Slot,
    /// What the key is called, when it is none of the key space.
    pub(super) key: Option<&'static str>,
    pub(super) served_by: Option<NodeIndex>,
    pub(super) connection: Option<u64>,
    pub(super) expected: Option<u64>,
    pub(super) seen: Option<u64>,
    /// The number of the key whose value it was, when it was that of another.
    pub(super) of: Option<u64>,
    /// Of a late write: when it began.
    pub(super) begun: Option<Offset>,
    /// Of bytes that are no value of the run: what they were.
    pub(super) bytes: Option<Glimpse>,
    pub(super) detail: &'static str,
}

/// The beginning of what was read, and how long it was.
#[derive(Clone, Copy, Debug)]
pub(super) struct Glimpse {
    length: usize,
    beginning: [u8; GLIMPSE_BYTES],
}

/// How much of it is kept: enough to recognise a word, an error line or another protocol.
const GLIMPSE_BYTES: usize = 24;

impl Glimpse {
    pub(super) fn of(bytes: &[u8]) -> Self {
        let mut beginning = [0; GLIMPSE_BYTES];
        let shown = bytes.len().min(GLIMPSE_BYTES);
        beginning[..shown].copy_from_slice(&bytes[..shown]);
        Self { length: bytes.len(), beginning }
    }
}

impl std::fmt::Display for Glimpse {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let shown = &self.beginning[..self.length.min(GLIMPSE_BYTES)];
        let more = if self.length > GLIMPSE_BYTES { "..." } else { "" };
        write!(f, "{} bytes `{}{more}`", self.length, shown.escape_ascii())
    }
}

/// Counts violations. Shared by all workers; touched only when something is wrong.
#[derive(Debug)]
pub(super) struct Violations {
    counts: [AtomicU64; ViolationKind::ALL.len()],
    examples: Mutex<Vec<Violation>>,
    /// By key and sequence.
    late_writes: Mutex<BTreeMap<(Slot, u64), LateWrite>>,
    events: Events,
}

impl Violations {
    pub(super) fn new(events: Events) -> Self {
        Self {
            counts: Default::default(),
            examples: Mutex::default(),
            late_writes: Mutex::default(),
            events,
        }
    }

    /// The value of this late write was read.
    pub(super) fn note_late(&self, slot: Slot, sequence: u64, write: LateWrite) {
        let mut known = self.late_writes.lock();
        if known.len() < LATE_WRITES_MAX || known.contains_key(&(slot, sequence)) {
            known.entry((slot, sequence)).or_insert(write).reads += 1;
        }
    }

    /// Counts a violation; one of the first is kept and emitted.
    pub(super) fn report(&self, at: Offset, keyspace: &Keyspace, finding: Finding) {
        let before = self.counts[finding.kind as usize].fetch_add(1, Ordering::Relaxed);
        if before >= EXAMPLES_MAX {
            return;
        }
        let node = finding.served_by.unwrap_or_else(|| keyspace.home(finding.slot));
        let home = keyspace.known_home(finding.slot).filter(|_| finding.key.is_none());
        let away = home.filter(|home| *home != node);
        let away = away.map(|home| format!(" (asked at {node}, at home on {home})"));
        let away = away.unwrap_or_default();
        let key = finding.key.unwrap_or_else(|| keyspace.key(finding.slot).as_str()).to_owned();
        let violation = Violation {
            kind: finding.kind,
            at_s: at.as_secs_f64(),
            key,
            node,
            connection: finding.connection,
            expected: finding.expected,
            seen: finding.seen,
            of: finding.of.and_then(|number| keyspace.name_of(number)).map(str::to_owned),
            detail: match finding.bytes {
                Some(bytes) => format!("{}, {bytes}{away}", finding.detail),
                None => format!("{}{away}", finding.detail),
            },
        };
        let detail = violation.sentence();
        let key = violation.key.clone();
        self.examples.lock().push(violation);
        // Whoever knows the wire adds what passed on it.
        self.events.emit(EventKind::Violation {
            kind: finding.kind,
            node,
            key,
            detail,
            wire: None,
            write_begun_s: finding.begun.map(Offset::as_secs_f64),
        });
    }

    /// What was seen of the data, before it is known what the nodes did with it.
    pub(super) fn totals(&self) -> DataTotals {
        let count = |kind: ViolationKind| Some(self.count(kind));
        let late = self.count(ViolationKind::LateWrite);
        DataTotals {
            wrong: count(ViolationKind::Wrong),
            corrupt: count(ViolationKind::Corrupt),
            stale: Some(self.count(ViolationKind::Stale) + late),
            stale_by_late_write: Some(late),
            stale_unacknowledged: count(ViolationKind::StaleUnacknowledged),
            false_misses: count(ViolationKind::FalseMiss),
            acknowledged_but_lost: count(ViolationKind::AcknowledgedButLost),
            double_applied: count(ViolationKind::DoubleApplied),
            foreign: count(ViolationKind::Foreign),
            contradictions: count(ViolationKind::Contradiction),
            illegal_keys: count(ViolationKind::IllegalKey),
            counter_behind: count(ViolationKind::CounterBehind),
            counter_ahead: count(ViolationKind::CounterAhead),
            late_writes: self.late_writes.lock().values().copied().collect(),
            not_judged: Vec::new(),
        }
    }

    fn count(&self, kind: ViolationKind) -> u64 {
        self.counts[kind as usize].load(Ordering::Relaxed)
    }

    /// The first ones of each kind, in the order in which they were seen.
    pub(super) fn examples(&self) -> Vec<Violation> {
        self.examples.lock().clone()
    }
}

impl Violation {
    /// The evidence in one sentence.
    fn sentence(&self) -> String {
        use std::fmt::Write;
        let mut text = format!("{}: {}", self.key, self.detail);
        // Writing into a String cannot fail.
        if let Some(expected) = self.expected {
            let most = matches!(self.kind, ViolationKind::CounterAhead);
            let bound = if most { "at most" } else { "at least" };
            let _ = write!(text, "; expected {bound} {expected}");
        }
        if let Some(seen) = self.seen {
            let _ = write!(text, "; saw {seen}");
        }
        if let Some(of) = &self.of {
            let _ = write!(text, " of {of}");
        }
        if let Some(connection) = self.connection {
            let _ = write!(text, "; the client's connection {connection}");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    /// Catches a flood of events under a fault that breaks every read, and a kind that is counted
    /// as another.
    #[test]
    fn all_are_counted_and_the_first_are_kept() {
        let seen = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&seen);
        let events = Events::to(move |_| {
            counter.fetch_add(1, Ordering::Relaxed);
        });
        let keyspace = Keyspace::new([1, 0, 0, 0], |_| NodeIndex(1));
        let elsewhere = Some(NodeIndex(2));
        let violations = Violations::new(events);
        let slot = keyspace.any(crate::load::keyspace::Space::Values, 0);
        for (times, kind) in ViolationKind::ALL.iter().copied().enumerate() {
            for _ in 0..=times * 10 {
                let finding = Finding {
                    kind,
                    slot,
                    key: None,
                    served_by: elsewhere.filter(|_| kind == ViolationKind::FalseMiss),
                    connection: Some(4),
                    expected: Some(9),
                    seen: Some(7),
                    of: Some(0),
                    begun: None,
                    bytes: None,
                    detail: "older than acknowledged",
                };
                violations.report(Offset(1_500_000_000), &keyspace, finding);
            }
        }
        let expected = DataTotals {
            wrong: Some(1),
            corrupt: Some(11),
            stale: Some(21 + 71),
            stale_by_late_write: Some(71),
            stale_unacknowledged: Some(31),
            false_misses: Some(41),
            acknowledged_but_lost: Some(51),
            double_applied: Some(61),
            foreign: Some(81),
            contradictions: Some(91),
            illegal_keys: Some(121),
            counter_behind: Some(101),
            counter_ahead: Some(111),
            ..DataTotals::default()
        };
        assert_eq!(violations.totals(), expected);
        let examples = violations.examples();
        assert_eq!(examples.len() as u64, 1 + 11 + 11 * EXAMPLES_MAX);
        assert_eq!(seen.load(Ordering::Relaxed), examples.len() as u64);
        assert_eq!(
            examples[0].sentence(),
            "k:0: older than acknowledged; expected at least 9; saw 7 of k:0; the client's connection 4"
        );
        let missed = examples.iter().find(|example| example.kind == ViolationKind::FalseMiss);
        let detail = &missed.expect("an example of each kind").detail;
        assert_eq!(detail, "older than acknowledged (asked at n3, at home on n2)");
    }
}
