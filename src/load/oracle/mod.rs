//! What a read may legally return.
//!
//! Each key has a record of its writes; a value carries which of them made it. A read is judged
//! against the record as it was when the read began, so that a write that overlaps it excuses it.
//! The oracle never asks a node anything and never keeps a value.
//!
//! Where it cannot be sure, it accuses nobody: see [`record`] for what it takes a node to hold.

mod classify;
mod counter;
mod lease;
mod log;
mod moves;
mod record;
mod register;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

pub use classify::{Reading, Verdict, classify};
pub use lease::Lease;
pub use record::{Effect, Record};
pub use register::Register;

use self::counter::CounterHistory;
use self::log::LogHistory;
use self::register::Swaps;
use super::keeping::Gone;
use super::keyspace::{Keyspace, Slot, Space};
use super::payload::{self, HEADER_BYTES, Stamp};
use super::violation::{Finding, Glimpse, Violation, Violations};
use crate::base::name::NodeIndex;
use crate::base::time::Offset;
use crate::event::{DataTotals, Events, LateWrite, ViolationKind};

/// An item may expire this much before its time: memcached's clock ticks once a second, and a busy
/// machine makes a tick late.
const EXPIRY_EARLY_MAX: Duration = Duration::from_millis(1250);

/// The records of every key, shared by all workers. A record is locked for nanoseconds and never
/// across a wait.
#[derive(Debug)]
pub struct Oracle {
    keyspace: Keyspace,
    run: u32,
    /// Off: nothing is decoded and nothing is judged; a value is a hit.
    checks: bool,
    /// Off: nobody tells the flags of a value.
    flags: bool,
    records: Vec<Mutex<Record>>,
    counters: Vec<Mutex<CounterHistory>>,
    registers: Vec<Mutex<Swaps>>,
    journals: Vec<Mutex<LogHistory>>,
    /// When each node last lost its data, as nanoseconds since the start plus one; 0: never.
    lost: Vec<AtomicU64>,
    /// What was found gone, by home.
    gone: Vec<NodeGone>,
    /// Whether keys are asked for elsewhere than at home, as somebody has another list of nodes.
    roams: AtomicBool,
    violations: Violations,
}

/// What the oracle has to know about a run.
#[derive(Clone, Copy, Debug)]
pub struct OracleConfig {
    /// A number of this run that values carry, so that those of another run are told apart.
    pub run: u32,
    /// Whether values are checked.
    pub checks: bool,
    /// How many nodes there are.
    pub nodes: usize,
    /// Whether values come with their flags.
    pub flags: bool,
}

/// Where a reading came from.
#[derive(Clone, Copy, Debug, Default)]
pub struct Source {
    /// The node that answered.
    pub served_by: Option<NodeIndex>,
    /// The client's connection.
    pub connection: Option<u64>,
    /// When the request was written, where that matters.
    pub asked: Option<Offset>,
}

/// What a node returned for a key.
#[derive(Clone, Copy, Debug)]
pub struct Content<'a> {
    /// The bytes.
    pub value: &'a [u8],
    /// The client flags.
    pub flags: u32,
}

/// What a write came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteEnd {
    /// It was executed. `at_home`: by the key's own node.
    Acknowledged {
        /// Whether the home node did it.
        at_home: bool,
    },
    /// Nothing but a new expiry was set.
    Touched {
        /// Whether the home node did it.
        at_home: bool,
    },
    /// There was nothing that could be touched.
    NothingThere,
    /// The node refused it, as its condition demanded, and changed nothing.
    Refused,
    /// It never left the client.
    Unsent,
    /// It failed: the new value is not there, and the old one may be gone.
    Failed,
    /// It may have been executed, or may be still.
    InDoubt,
}

impl Oracle {
    /// An oracle that knows of no write yet.
    #[must_use]
    pub fn new(keyspace: Keyspace, config: OracleConfig, events: Events) -> Self {
        let count = |space| keyspace.slots(space).count();
        Self {
            run: config.run,
            checks: config.checks,
            flags: config.flags,
            records: (0..count(Space::Values)).map(|_| Mutex::default()).collect(),
            counters: (0..count(Space::Counters)).map(|_| Mutex::default()).collect(),
            registers: (0..count(Space::Registers)).map(|_| Mutex::default()).collect(),
            journals: (0..count(Space::Logs)).map(|_| Mutex::default()).collect(),
            lost: (0..config.nodes).map(|_| AtomicU64::default()).collect(),
            gone: (0..config.nodes).map(|_| NodeGone::default()).collect(),
            roams: AtomicBool::new(false),
            violations: Violations::new(events),
            keyspace,
        }
    }

    /// The keys.
    #[must_use]
    pub fn keyspace(&self) -> &Keyspace {
        &self.keyspace
    }

    /// A node loses, or has just lost, its data: a restart, a flush. What was stored there before
    /// `at` is no longer known to be held. To be called before the loss *and* after it, since a
    /// write between the two calls may be lost as well.
    pub fn forget(&self, node: NodeIndex, at: Offset) {
        if let Some(lost) = self.lost.get(node.position()) {
            lost.fetch_max(at.0.saturating_add(1), Ordering::Relaxed);
        }
    }

    /// A node drops items to make room: what is found gone there from now on proves nothing by itself.
    pub fn drops_items(&self, node: NodeIndex) {
        if let Some(gone) = self.gone.get(node.position()) {
            gone.drops_items.store(true, Ordering::Relaxed);
        }
    }

    /// A touch, or a read that touches, is about to be sent.
    pub fn touching(&self, slot: Slot) {
        self.records[slot.position()].lock().touching();
    }

    /// It was answered, or never left: it is not under way any more.
    pub fn touched(&self, slot: Slot) {
        self.records[slot.position()].lock().touched();
    }

    /// What the answer to a write under a lease says about what was there, and whether that can be.
    /// `was_there` is what the answer implies. To be asked of answers to a first attempt only: a second
    /// one may meet what the first has done.
    pub fn contradicts(
        &self,
        lease: &Lease<'_>,
        was_there: bool,
        detail: &'static str,
        source: Source,
        now: Offset,
    ) -> bool {
        let (slot, before) = (lease.slot, &lease.before);
        if !self.checks || !self.is_home(slot, source) {
            return false;
        }
        let found = finding(ViolationKind::Contradiction, slot, source, detail);
        if was_there {
            let impossible = before.is_absent();
            if impossible {
                self.report(now, found);
            }
            return impossible;
        }
        let kept = before.since().is_some_and(|since| self.keeps(slot, since));
        kept && before.is_held(now) && self.found_gone(now, found)
    }

    /// Flags of a key whose value is no single write: a counter, a log.
    #[must_use]
    pub fn key_flags(&self, slot: Slot) -> u32 {
        payload::flags(self.run, slot.number(), 0)
    }

    /// Flags of one write of a key.
    #[must_use]
    pub fn flags(&self, slot: Slot, sequence: u64) -> u32 {
        payload::flags(self.run, slot.number(), sequence)
    }

    /// Checks the flags that came with a counter or a log.
    fn check_key_flags(&self, slot: Slot, flags: u32, source: Source, now: Offset) {
        if self.flags && flags != self.key_flags(slot) {
            let found = finding(ViolationKind::Contradiction, slot, source, classify::OTHER_FLAGS);
            self.report(now, found);
        }
    }

    /// The home said that it has no such key, and then had it, although nobody stored it in between.
    pub fn denied(&self, slot: Slot, source: Source, now: Offset) {
        let detail = "a key that was answered as absent, and was there";
        self.report(now, finding(ViolationKind::Contradiction, slot, source, detail));
    }

    /// The number of this run that values carry.
    pub(in crate::load) const fn run(&self) -> u32 {
        self.run
    }

    /// Something is wrong with a key at the border, which has a name and no slot.
    pub(in crate::load) fn found_at_border(
        &self,
        now: Offset,
        kind: ViolationKind,
        key: &'static str,
        detail: &'static str,
        source: Source,
    ) {
        if self.checks {
            let slot = self.keyspace.first_value();
            self.report(now, Finding { key: Some(key), ..finding(kind, slot, source, detail) });
        }
    }

    /// What was found gone on each node.
    #[must_use]
    pub fn gone(&self) -> Vec<Gone> {
        self.gone.iter().map(NodeGone::read).collect()
    }

    /// Something that the home was to hold is gone. Reported, unless the node is known to drop items:
    /// then it is only counted. Whether it was reported.
    fn found_gone(&self, now: Offset, finding: Finding) -> bool {
        let gone = &self.gone[self.keyspace.home(finding.slot).position()];
        if gone.drops_items.load(Ordering::Relaxed) {
            gone.excused.fetch_add(1, Ordering::Relaxed);
            return false;
        }
        let count = match finding.kind {
            ViolationKind::Contradiction => &gone.contradictions,
            _ => &gone.lost,
        };
        count.fetch_add(1, Ordering::Relaxed);
        self.report(now, finding);
        true
    }

    /// A read missed a value that the home was to hold; `false` when the node may have dropped it.
    fn found_missing(&self, slot: Slot, before: &Record) -> bool {
        let gone = &self.gone[self.keyspace.home(slot).position()];
        let first = self.records[slot.position()].lock().missed(before);
        let excused = gone.drops_items.load(Ordering::Relaxed);
        if !excused {
            gone.false_misses.fetch_add(1, Ordering::Relaxed);
        }
        if first {
            let count = if excused { &gone.excused } else { &gone.values };
            count.fetch_add(1, Ordering::Relaxed);
        }
        !excused
    }

    /// Whether the home of a key still has what was stored there by a write that began at `since`.
    fn keeps(&self, slot: Slot, since: Offset) -> bool {
        let home = self.keyspace.home(slot).position();
        let lost = self.lost.get(home).map_or(u64::MAX, |lost| lost.load(Ordering::Relaxed));
        since.0 >= lost
    }

    /// Whether `served_by` is the key's own node.
    #[must_use]
    pub fn is_home(&self, slot: Slot, source: Source) -> bool {
        source.served_by == Some(self.keyspace.home(slot))
    }

    /// Takes the right to write a value; `None` while another write of the key is under way.
    pub fn lease(&self, slot: Slot, effect: Effect, now: Offset) -> Option<Lease<'_>> {
        let record = &self.records[slot.position()];
        let mut known = record.lock();
        let before = *known;
        let sequence = known.begin()?;
        Some(Lease { record, slot, sequence, begun: now, effect, before, ended: false })
    }

    /// The record of a value as it is now: to be taken before a read begins.
    #[must_use]
    pub fn look(&self, slot: Slot) -> Record {
        *self.records[slot.position()].lock()
    }

    /// Judges a read of a value. `None` is a miss. A violation is counted and reported.
    pub fn judge(
        &self,
        slot: Slot,
        before: &Record,
        content: Option<Content<'_>>,
        source: Source,
        now: Offset,
    ) -> Verdict {
        if !self.checks {
            return if content.is_some() { Verdict::Hit } else { Verdict::Miss };
        }
        let after = self.look(slot);
        let value = content.map(|content| Stamp::read(content.value));
        let told = content.filter(|_| self.flags).map(|content| content.flags);
        let flags = told.or_else(|| Some(value?.ok()?.flags())).unwrap_or_default();
        let reading = Reading {
            value,
            flags,
            asked: source.asked,
            run: self.run,
            key: slot.number(),
            kept: before.since().is_some_and(|since| self.keeps(slot, since)),
            now,
        };
        let mut verdict = classify(&reading, before, &after);
        // A miss that no node has given is the client's word for an error, which is told apart where a driver tells
        // it; our own client has no such word. One of another node than the home proves nothing where lists of
        // nodes differ.
        let is_told = source.served_by.is_some() || self.keyspace.knows_homes();
        let answered = is_told && self.may_know(slot, source);
        if verdict == Verdict::FalseMiss && !(answered && self.found_missing(slot, before)) {
            verdict = Verdict::Miss;
        }
        if let Some((kind, detail)) = verdict.violation() {
            let seen = reading.value.and_then(Result::ok).map(|stamp| stamp.sequence);
            let of = reading.of_another();
            let expected = Some(match verdict {
                Verdict::StaleUnacknowledged => before.failed(),
                _ => before.acknowledged(),
            });
            let late = seen.filter(|_| verdict == Verdict::StaleByLateWrite);
            let begun = late.and_then(|sequence| after.in_doubt_since(sequence));
            if let (Some(sequence), Some(begun)) = (late, begun) {
                let node = self.keyspace.home(slot);
                self.violations.note_late(slot, sequence, LateWrite { node, begun, reads: 0 });
            }
            let found = finding(kind, slot, source, detail);
            let bytes = content.filter(|_| verdict == Verdict::Corrupt);
            let bytes = bytes.map(|content| Glimpse::of(content.value));
            self.report(now, Finding { expected, seen, of, begun, bytes, ..found });
        }
        verdict
    }

    fn report(&self, at: Offset, finding: Finding) {
        self.violations.report(at, &self.keyspace, finding);
    }

    /// Writes a whole value into `buffer`.
    pub fn value(&self, slot: Slot, writer: u32, sequence: u64, length: u64, buffer: &mut Vec<u8>) {
        let length = usize::try_from(length).unwrap_or(HEADER_BYTES);
        self.stamp(slot, writer, sequence).write(length, buffer);
    }

    fn stamp(&self, slot: Slot, writer: u32, sequence: u64) -> Stamp {
        Stamp { run: self.run, key: slot.number(), writer, sequence }
    }

    /// The place of a slot within its own range.
    fn within(&self, space: Space, slot: Slot) -> usize {
        self.keyspace.place(space, slot)
    }

    /// Whether there is anything to check at the end.
    #[must_use]
    pub fn is_auditable(&self, space: Space, slot: Slot) -> bool {
        self.checks
            && match space {
                Space::Values => false,
                Space::Counters => self.has_counter(slot),
                Space::Registers => self.has_register(slot),
                Space::Logs => self.has_log(slot),
            }
    }

    /// What was found so far.
    #[must_use]
    pub fn totals(&self) -> DataTotals {
        self.violations.totals()
    }

    /// The first violations of each kind.
    #[must_use]
    pub fn examples(&self) -> Vec<Violation> {
        self.violations.examples()
    }
}

/// What was found gone on one node, counted while the load runs.
#[derive(Debug, Default)]
struct NodeGone {
    drops_items: AtomicBool,
    false_misses: AtomicU64,
    values: AtomicU64,
    lost: AtomicU64,
    contradictions: AtomicU64,
    excused: AtomicU64,
}

impl NodeGone {
    fn read(&self) -> Gone {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Gone {
            false_misses: read(&self.false_misses),
            values: read(&self.values),
            lost: read(&self.lost),
            contradictions: read(&self.contradictions),
            excused: read(&self.excused),
        }
    }
}

/// A finding without numbers.
const fn finding(kind: ViolationKind, slot: Slot, source: Source, detail: &'static str) -> Finding {
    Finding {
        kind,
        slot,
        key: None,
        served_by: source.served_by,
        connection: source.connection,
        expected: None,
        seen: None,
        of: None,
        begun: None,
        bytes: None,
        detail,
    }
}

#[cfg(test)]
mod tests;
