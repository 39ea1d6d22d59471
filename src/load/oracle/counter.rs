//! Counters: what a counter may show, given what was acknowledged and what is in doubt.
//!
//! Only the owner changes a counter, so every value that it gets back is checked at once:
//!
//! ```text
//! start + acknowledged - decrements in doubt <= value
//! value <= start + acknowledged + increments in doubt
//! ```
//! What is in doubt stays so for ever, because it may be executed late. Each counter starts at a
//! number of its own, so that another counter's value is told apart. What another node counted
//! while the home was given up is left out: it is not in the home's copy.
//!
//! A counter that is behind has lost an increment or applied a decrement twice, one that is ahead the
//! reverse. Which of the two nobody can know from the sum, so it is named by what is known.

use super::{Content, Oracle, Source, finding};
use crate::base::time::Offset;
use crate::event::ViolationKind;
use crate::load::keyspace::{AUDITED_KEYS_MAX, Slot, Space};
use crate::load::violation::Finding;
use crate::load::workload::WORKERS_MAX;

/// The bits of a counter's value: a one, the run, the counter's place, and what is counted. Together 53:
/// a client whose numbers are IEEE doubles, as in JavaScript, must not lose any.
const COUNT_BITS: u32 = 28;
const PLACE_BITS: u32 = 14;
const TOP_BIT: u32 = 24;
const _: () = assert!(TOP_BIT + COUNT_BITS < f64::MANTISSA_DIGITS);

const PLACE_MASK: u64 = (1 << PLACE_BITS) - 1;
const RUN_MASK: u64 = (1 << (TOP_BIT - PLACE_BITS)) - 1;

/// There are never more counters than this.
const _: () = assert!(AUDITED_KEYS_MAX <= PLACE_MASK && (WORKERS_MAX as u64) <= PLACE_MASK);

/// What was done to one counter since it was stored at its start.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct CounterHistory {
    /// When the write began that stored it at home; `None`: it is not there.
    since: Option<Offset>,
    /// Acknowledged changes, added up.
    sum: i64,
    /// Increments that may be executed.
    added_in_doubt: i64,
    /// Decrements that may be executed, as a positive number.
    removed_in_doubt: i64,
    /// Whether it may show anything from its start on: its key has moved to a node that may have an old one.
    is_old: bool,
    /// Whether it may be removed late, so that it may be gone or begin anew at any time.
    may_vanish: bool,
    /// The `add`s that may be executed late: one puts the counter at its start, once it is gone.
    adds_in_doubt: u32,
}

impl CounterHistory {
    /// Its key lives at another node.
    pub(super) const fn moved(&mut self) {
        (self.since, self.is_old) = (None, true);
    }

    /// Puts a change into doubt (`times` is 1) or takes it out again (-1).
    const fn doubt(&mut self, change: i64, times: i64) {
        if change > 0 {
            self.added_in_doubt += change * times;
        } else {
            self.removed_in_doubt -= change * times;
        }
    }
}

impl Oracle {
    /// Where a counter starts: far from zero, and far from every other counter of this run and of most
    /// others. Its digits stay as many whatever is counted.
    #[must_use]
    pub fn counter_start(&self, slot: Slot) -> u64 {
        let place = self.within(Space::Counters, slot) as u64 & PLACE_MASK;
        let run = u64::from(self.run) & RUN_MASK;
        (((1 << TOP_BIT) | (run << PLACE_BITS) | place) << COUNT_BITS) + (1 << (COUNT_BITS - 1))
    }

    /// Whether a value is of the same counter in another run.
    fn is_foreign(&self, slot: Slot, value: u64) -> bool {
        let (start, seen) = (self.counter_start(slot) >> COUNT_BITS, value >> COUNT_BITS);
        let same_but_for_the_run = (start ^ seen) & !(RUN_MASK << PLACE_BITS) == 0;
        same_but_for_the_run && start != seen
    }

    /// The counter was stored at its start, by a write that began at `begun`.
    pub fn counter_stored(&self, slot: Slot, source: Source, begun: Offset) {
        if self.is_home(slot, source) {
            let mut tally = self.counters[self.within(Space::Counters, slot)].lock();
            tally.since = Some(begun).filter(|_| !tally.may_vanish);
            tally.sum = 0;
            tally.is_old = false;
        }
    }

    /// Whether a counter with this value began at zero: it had been gone, and the change made another.
    #[must_use]
    pub const fn began_anew(value: u64) -> bool {
        value >> COUNT_BITS == 0
    }

    /// A removal of the counter may be executed late: nothing that it shows is wrong any more.
    pub fn counter_may_vanish(&self, slot: Slot) {
        let mut tally = self.counters[self.within(Space::Counters, slot)].lock();
        (tally.since, tally.may_vanish) = (None, true);
    }

    /// An `add` of the counter is about to be sent. It may be executed late until its answer has come, which
    /// nobody waits for where the operation hangs.
    pub fn counter_add_begun(&self, slot: Slot) {
        self.counters[self.within(Space::Counters, slot)].lock().adds_in_doubt += 1;
    }

    /// It was answered, or not sent at all: it is executed no more.
    pub fn counter_add_ended(&self, slot: Slot) {
        let mut tally = self.counters[self.within(Space::Counters, slot)].lock();
        tally.adds_in_doubt = tally.adds_in_doubt.saturating_sub(1);
    }

    /// A change found no counter, and then an `add` found one: nobody else can have stored it.
    pub fn counter_was_there(&self, slot: Slot, source: Source, now: Offset) {
        let in_doubt = self.counters[self.within(Space::Counters, slot)].lock().adds_in_doubt;
        if self.checks && in_doubt == 0 && self.is_home(slot, source) {
            self.denied(slot, source, now);
        }
    }

    /// A change is about to be sent: from now on it may be executed.
    pub fn count_begun(&self, slot: Slot, change: i64) {
        self.counters[self.within(Space::Counters, slot)].lock().doubt(change, 1);
    }

    /// The change that was begun last had certainly no effect.
    pub fn count_failed(&self, slot: Slot, change: i64) {
        self.counters[self.within(Space::Counters, slot)].lock().doubt(change, -1);
    }

    /// The change that was begun last was acknowledged and `value` came back: what is wrong
    /// with it, if anything is.
    pub fn counted(
        &self,
        slot: Slot,
        change: i64,
        value: u64,
        source: Source,
        now: Offset,
    ) -> Option<ViolationKind> {
        let home = self.is_home(slot, source);
        {
            let mut tally = self.counters[self.within(Space::Counters, slot)].lock();
            tally.doubt(change, -1);
            if !self.checks || !home || tally.is_old || tally.may_vanish {
                return None;
            }
            // It came back after all: a store that was in doubt has put it at its start.
            if tally.since.is_none() {
                (tally.since, tally.sum) = (Some(now), 0);
            }
            tally.sum += change;
        }
        self.check_counter(slot, value, source, now)
    }

    /// The home has no such counter. Reported when it should.
    pub fn counter_missing(&self, slot: Slot, source: Source, now: Offset) {
        if !self.is_home(slot, source) {
            return;
        }
        let since = self.counters[self.within(Space::Counters, slot)].lock().since.take();
        if self.checks && since.is_some_and(|since| self.keeps(slot, since)) {
            let detail = "a counter that is gone";
            self.found_gone(now, finding(ViolationKind::AcknowledgedButLost, slot, source, detail));
        }
    }

    /// Checks at the end what a counter holds.
    pub fn audit_counter(&self, slot: Slot, content: Content<'_>, source: Source, now: Offset) {
        self.check_key_flags(slot, content.flags, source, now);
        let number =
            std::str::from_utf8(content.value).ok().and_then(|text| text.trim_end().parse().ok());
        if let Some(number) = number {
            self.check_counter(slot, number, source, now);
        } else {
            let detail = "a counter that is no number";
            self.report(now, finding(ViolationKind::Corrupt, slot, source, detail));
        }
    }

    /// Whether the home surely holds this counter.
    pub(super) fn has_counter(&self, slot: Slot) -> bool {
        self.counters[self.within(Space::Counters, slot)].lock().since.is_some()
    }

    /// Checks a counter's value against its tally. The tally then takes the value for right, so
    /// that one violation is reported once.
    pub fn check_counter(
        &self,
        slot: Slot,
        value: u64,
        source: Source,
        now: Offset,
    ) -> Option<ViolationKind> {
        let start = i128::from(self.counter_start(slot));
        let seen = i128::from(value);
        let mut tally = self.counters[self.within(Space::Counters, slot)].lock();
        tally.since?;
        let least = start + i128::from(tally.sum - tally.removed_in_doubt);
        let most = start + i128::from(tally.sum + tally.added_in_doubt);
        let from_its_start = seen < least && seen >= start - i128::from(tally.removed_in_doubt);
        if tally.adds_in_doubt > 0 && from_its_start {
            // The `add` was executed after all, and the counter had been gone before.
            tally.adds_in_doubt -= 1;
            tally.sum = narrow(seen - start);
            return None;
        }
        let (kind, expected, detail) = if self.is_foreign(slot, value) {
            (ViolationKind::Foreign, least, "a counter that another run left behind")
        } else if (seen >> COUNT_BITS) != (start >> COUNT_BITS) {
            (ViolationKind::Wrong, least, "the value of another counter, or of no counter")
        } else if seen > most {
            let detail = "counted more than was acknowledged and in doubt together";
            tally.sum += narrow(seen - most);
            (ViolationKind::CounterAhead, most, detail)
        } else if seen < least {
            tally.sum -= narrow(least - seen);
            (ViolationKind::CounterBehind, least, "counted less than was acknowledged")
        } else {
            return None;
        };
        drop(tally);
        let expected = u64::try_from(expected).ok();
        let found = finding(kind, slot, source, detail);
        self.report(now, Finding { expected, seen: Some(value), ..found });
        Some(kind)
    }
}

/// Differences within one counter are below 2^32.
fn narrow(difference: i128) -> i64 {
    i64::try_from(difference).unwrap_or(i64::MAX)
}
