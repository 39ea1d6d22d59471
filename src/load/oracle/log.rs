//! Logs: values that their owner appends to and puts things before, one record each time.
//!
//! A record is a value of its own, with header and checksum, so the audit at the end sees every
//! record that is missing, doubled or broken.

use std::collections::BTreeSet;

use super::{Content, Oracle, Source, finding};
use crate::base::time::Offset;
use crate::event::ViolationKind;
use crate::load::keyspace::{Slot, Space};
use crate::load::payload::Stamp;
use crate::load::violation::Finding;

/// A log with this many records is started anew before the next one is added.
pub(super) const LOG_RECORDS_MAX: usize = 32;

/// What is known about one log.
#[derive(Clone, Debug, Default)]
pub(super) struct LogHistory {
    /// When the write began that started it at home; `None`: it is not there.
    since: Option<Offset>,
    /// The records that were acknowledged since then.
    acknowledged: Vec<u64>,
    /// The last record that was begun.
    attempted: u64,
    /// Starts that may still be executed, and wipe out what was added since.
    starts_in_doubt: u32,
    /// Whether another node took a record: the home's copy need not have it.
    elsewhere: bool,
}

impl LogHistory {
    /// Its key lives at another node, which need not have every record.
    pub(super) const fn moved(&mut self) {
        self.elsewhere = true;
    }

    /// Whether the home must have every acknowledged record.
    const fn is_exact(&self) -> bool {
        self.starts_in_doubt == 0 && !self.elsewhere
    }
}

impl Oracle {
    fn journal(&self, slot: Slot) -> parking_lot::MutexGuard<'_, LogHistory> {
        self.journals[self.within(Space::Logs, slot)].lock()
    }

    /// Whether the home surely holds this log.
    pub(super) fn has_log(&self, slot: Slot) -> bool {
        self.journal(slot).since.is_some()
    }

    /// Whether the log must be started before a record is added.
    #[must_use]
    pub fn log_must_start(&self, slot: Slot) -> bool {
        let journal = self.journal(slot);
        journal.since.is_none() || journal.acknowledged.len() >= LOG_RECORDS_MAX
    }

    /// The sequence of the next record.
    pub fn next_record(&self, slot: Slot) -> u64 {
        let mut journal = self.journal(slot);
        journal.attempted += 1;
        journal.attempted
    }

    /// The log was started with one record, by a write that began at `begun`.
    pub fn log_started(&self, slot: Slot, record: u64, source: Source, begun: Offset) {
        let home = self.is_home(slot, source);
        let mut journal = self.journal(slot);
        journal.elsewhere |= !home;
        journal.starts_in_doubt -= 1;
        journal.since = Some(begun);
        journal.acknowledged.clear();
        journal.acknowledged.push(record);
    }

    /// The log is about to be started. Until [`Oracle::log_started`] or [`Oracle::log_not_started`]
    /// follows, that may be executed at any time, and wipe out what was added in between.
    pub fn log_starting(&self, slot: Slot) {
        let mut journal = self.journal(slot);
        journal.since = None;
        journal.starts_in_doubt += 1;
    }

    /// The log is about to be added, because an append found none. It starts only if it is gone
    /// indeed; until [`Oracle::log_replaced`] or [`Oracle::log_not_started`] follows, that may be
    /// executed at any time.
    pub fn log_replacing(&self, slot: Slot) {
        self.journal(slot).starts_in_doubt += 1;
    }

    /// The log was added with one record, by a write that began at `begun`: so it was gone. Reported
    /// when it should not have been.
    pub fn log_replaced(
        &self,
        slot: Slot,
        record: u64,
        source: Source,
        begun: Offset,
        now: Offset,
    ) {
        // This start is in doubt no more, and excuses no loss.
        self.log_not_started(slot);
        self.log_missing(slot, source, now);
        self.log_starting(slot);
        self.log_started(slot, record, source, begun);
    }

    /// An append found no log, and then an `add` found one: nobody else can have started it.
    pub fn log_was_there(&self, slot: Slot, source: Source, now: Offset) {
        let surely = {
            let journal = self.journal(slot);
            journal.since.is_some() && journal.starts_in_doubt == 0
        };
        if self.checks && surely && self.is_home(slot, source) {
            self.denied(slot, source, now);
        }
    }

    /// The start of the log had certainly no effect.
    pub fn log_not_started(&self, slot: Slot) {
        self.journal(slot).starts_in_doubt -= 1;
    }

    /// A record was added.
    pub fn recorded(&self, slot: Slot, record: u64, source: Source) {
        let home = self.is_home(slot, source);
        let mut journal = self.journal(slot);
        journal.elsewhere |= !home;
        journal.acknowledged.push(record);
    }

    /// The home has no such log. Reported when it should.
    pub fn log_missing(&self, slot: Slot, source: Source, now: Offset) {
        if !self.is_home(slot, source) {
            return;
        }
        let (since, exact) = {
            let mut journal = self.journal(slot);
            (journal.since.take(), journal.is_exact())
        };
        if self.checks && exact && since.is_some_and(|since| self.keeps(slot, since)) {
            let detail = "a log that is gone";
            self.found_gone(now, finding(ViolationKind::AcknowledgedButLost, slot, source, detail));
        }
    }

    /// Checks at the end that every acknowledged record is there, and none twice.
    pub fn audit_log(&self, slot: Slot, content: Content<'_>, source: Source, now: Offset) {
        self.check_key_flags(slot, content.flags, source, now);
        let journal = self.journal(slot).clone();
        let mut seen = BTreeSet::new();
        let mut rest = content.value;
        let report = |kind, record, detail| {
            let found = finding(kind, slot, source, detail);
            self.report(now, Finding { seen: record, ..found });
        };
        while !rest.is_empty() {
            let Ok((stamp, behind)) = Stamp::read_first(rest) else {
                report(ViolationKind::Corrupt, None, "a record that is damaged or not ours");
                return;
            };
            rest = behind;
            if stamp.run != self.run {
                report(ViolationKind::Foreign, None, "a record that another run left behind");
            } else if stamp.key != slot.number()
                || !(1..=journal.attempted).contains(&stamp.sequence)
            {
                report(ViolationKind::Wrong, Some(stamp.sequence), "a record of another log");
            } else if !seen.insert(stamp.sequence) {
                let detail = "a record that was added twice";
                report(ViolationKind::DoubleApplied, Some(stamp.sequence), detail);
            }
        }
        // The log is there, so its node has not dropped it: what is missing in its midst was lost.
        if journal.since.is_some() && journal.is_exact() {
            let lost = journal.acknowledged.iter().filter(|record| !seen.contains(record));
            for _ in lost {
                let detail = "an acknowledged record that is missing";
                report(ViolationKind::AcknowledgedButLost, None, detail);
            }
        }
    }
}
