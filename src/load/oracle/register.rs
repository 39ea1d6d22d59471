//! Registers: values that every worker changes, by compare-and-swap only.
//!
//! Each swap stores the sequence it read plus one. So a register that shows less than its base and
//! every acknowledged swap together has lost an update: two swaps were acknowledged for one token.

use super::classify::OTHER_FLAGS;
use super::{Content, Oracle, Source, finding};
use crate::base::time::Offset;
use crate::event::ViolationKind;
use crate::load::keyspace::{Slot, Space};
use crate::load::payload::Stamp;
use crate::load::violation::Finding;

/// What is known about one register.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Swaps {
    /// When the write began that stored it at home; `None`: it is not there.
    since: Option<Offset>,
    /// The sequence that it was stored with.
    base: u64,
    /// Acknowledged swaps since then.
    swaps: u64,
    /// The highest sequence that may be stored.
    attempted: u64,
    /// The highest sequence that was acknowledged.
    acknowledged: u64,
    /// Whether another node took a swap: the home's copy need not have it.
    elsewhere: bool,
    /// The last swaps that the home acknowledged.
    won: [u64; REMEMBERED],
    /// The last swaps that the home refused, with who wanted them.
    refused: [(u64, u32); REMEMBERED],
    /// The newest sequence whose unique number is known, that number, and when it was read.
    token: Option<(u64, u64, Offset)>,
}

/// Swaps of each outcome that are remembered for each register: more than are under way at a time for
/// all but the hottest.
const REMEMBERED: usize = 8;

/// What is wrong with unique numbers that step back.
const STARTED_AGAIN: &str =
    "the unique number of a newer value is lower: the numbers started again";

/// What reading a register came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Register {
    /// It has this sequence.
    At(u64),
    /// It has a sequence that is too old.
    Stale,
    /// It is damaged.
    Corrupt,
    /// It cannot be.
    Contradiction,
    /// Another run has left it behind.
    Foreign,
    /// It is not this register, or has a sequence that was never written.
    Wrong,
}

impl Swaps {
    /// Its key lives at another node: what was done for which token at the last one says nothing there. What
    /// was acknowledged stays so.
    pub(super) fn moved(&mut self) {
        let Self { attempted, acknowledged, .. } = *self;
        *self = Self { attempted, acknowledged, elsewhere: true, ..Self::default() };
    }
}

impl Oracle {
    fn swaps(&self, slot: Slot) -> parking_lot::MutexGuard<'_, Swaps> {
        self.registers[self.within(Space::Registers, slot)].lock()
    }

    /// Whether the home surely holds this register.
    pub(super) fn has_register(&self, slot: Slot) -> bool {
        self.swaps(slot).since.is_some()
    }

    /// The sequence below which a read that begins now is stale.
    #[must_use]
    pub fn register_floor(&self, slot: Slot) -> u64 {
        self.swaps(slot).acknowledged
    }

    /// The sequence with which an absent register is stored: above all that were acknowledged.
    pub fn register_base(&self, slot: Slot) -> u64 {
        let mut swaps = self.swaps(slot);
        // It is stored anew with a sequence that somebody may have been refused.
        swaps.refused = Default::default();
        swaps.attempted = swaps.attempted.max(1);
        swaps.attempted
    }

    /// The register was stored with `base`, by a write that began at `begun`.
    pub fn register_stored(&self, slot: Slot, base: u64, source: Source, begun: Offset) {
        let home = self.is_home(slot, source);
        let mut swaps = self.swaps(slot);
        swaps.acknowledged = swaps.acknowledged.max(base);
        swaps.elsewhere |= !home;
        if home {
            (swaps.since, swaps.base, swaps.swaps) = (Some(begun), base, 0);
        }
    }

    /// A swap of this writer that would store `sequence` is about to be sent. Where the last one was refused
    /// although nothing had changed, it is the same value again, and may be stored now.
    pub fn swap_attempted(&self, slot: Slot, sequence: u64, writer: u32) {
        let mut swaps = self.swaps(slot);
        swaps.attempted = swaps.attempted.max(sequence);
        for refused in swaps.refused.iter_mut().filter(|it| **it == (sequence, writer)) {
            *refused = Default::default();
        }
    }

    /// A swap was acknowledged. Reported when another one was with the same sequence: both had the same
    /// token, and only one of them can have been right.
    pub fn swapped(&self, slot: Slot, sequence: u64, source: Source, now: Offset) {
        let home = self.is_home(slot, source);
        let twice = {
            let mut swaps = self.swaps(slot);
            swaps.acknowledged = swaps.acknowledged.max(sequence);
            swaps.swaps += u64::from(home);
            swaps.elsewhere |= !home;
            let twice = home && swaps.won.contains(&sequence);
            if home {
                swaps.won.rotate_right(1);
                swaps.won[0] = sequence;
            }
            twice
        };
        if self.checks && twice {
            let detail = "two swaps were done for one token";
            let found = finding(ViolationKind::Contradiction, slot, source, detail);
            self.report(now, Finding { seen: Some(sequence), ..found });
        }
    }

    /// The home refused a swap, because the register had changed.
    pub fn swap_refused(&self, slot: Slot, sequence: u64, writer: u32, source: Source) {
        if self.is_home(slot, source) {
            let mut swaps = self.swaps(slot);
            swaps.refused.rotate_right(1);
            swaps.refused[0] = (sequence, writer);
        }
    }

    /// A swap was done although its token had been used up by another at `used`. A node that was
    /// started again since may give out the same number.
    pub fn swapped_with_a_used_token(&self, slot: Slot, used: Offset, source: Source, now: Offset) {
        if self.checks && self.is_home(slot, source) && self.keeps(slot, used) {
            let detail = "a swap was done for a token that was used up";
            self.found_gone(now, finding(ViolationKind::Contradiction, slot, source, detail));
        }
    }

    /// Whether the unique number of what was read is older than that of an older value: then the
    /// numbers started again, and one may stand for two values.
    fn started_again(&self, slot: Slot, sequence: u64, unique: u64, now: Offset) -> bool {
        let mut swaps = self.swaps(slot);
        let known = swaps.token.filter(|(_, _, at)| self.keeps(slot, *at));
        let again = known.is_some_and(|(older, number, _)| sequence > older && unique <= number);
        if known.is_none_or(|(older, _, _)| sequence > older) {
            swaps.token = Some((sequence, unique, now));
        }
        again
    }

    /// The home has no such register. Reported when it should.
    pub fn register_missing(&self, slot: Slot, source: Source, now: Offset) {
        if !self.is_home(slot, source) {
            return;
        }
        let since = self.swaps(slot).since.take();
        if self.checks && since.is_some_and(|since| self.keeps(slot, since)) {
            let detail = "a register that is gone";
            self.found_gone(now, finding(ViolationKind::AcknowledgedButLost, slot, source, detail));
        }
    }

    /// Judges a read of a register that began when `floor` was taken.
    pub fn read_register(
        &self,
        slot: Slot,
        floor: u64,
        (content, unique): (Content<'_>, Option<u64>),
        source: Source,
        now: Offset,
    ) -> Register {
        let mut why = "";
        let (register, seen) = match Stamp::read(content.value) {
            Err(_) => (Register::Corrupt, None),
            Ok(stamp) => {
                let ours = stamp.key == slot.number();
                let known = (1..=self.swaps(slot).attempted).contains(&stamp.sequence);
                let register = match stamp.sequence {
                    _ if stamp.run != self.run => Register::Foreign,
                    _ if !ours || !known => Register::Wrong,
                    sequence if sequence < floor => Register::Stale,
                    sequence => {
                        why = self.impossible(slot, &stamp, (content.flags, unique), source, now);
                        if why.is_empty() {
                            Register::At(sequence)
                        } else {
                            Register::Contradiction
                        }
                    }
                };
                (register, Some(stamp.sequence))
            }
        };
        let (kind, detail) = match register {
            Register::At(_) => return register,
            Register::Stale => (ViolationKind::Stale, "older than the last acknowledged swap"),
            Register::Corrupt => (ViolationKind::Corrupt, "a register that is damaged"),
            Register::Contradiction => (ViolationKind::Contradiction, why),
            Register::Foreign => {
                (ViolationKind::Foreign, "a register that another run left behind")
            }
            Register::Wrong => (ViolationKind::Wrong, "another register, or one never written"),
        };
        if self.checks {
            let found = finding(kind, slot, source, detail);
            let finding = Finding { expected: Some(floor), seen, ..found };
            if detail == STARTED_AGAIN {
                // A node that somebody else restarted counts from one again.
                self.found_gone(now, finding);
            } else {
                self.report(now, finding);
            }
        }
        register
    }

    /// Why a register of a right sequence cannot be; empty when it can.
    fn impossible(
        &self,
        slot: Slot,
        stamp: &Stamp,
        (flags, unique): (u32, Option<u64>),
        source: Source,
        now: Offset,
    ) -> &'static str {
        if !self.checks || !self.is_home(slot, source) {
            return "";
        }
        let refused = self.swaps(slot).refused.contains(&(stamp.sequence, stamp.writer));
        let again =
            unique.is_some_and(|unique| self.started_again(slot, stamp.sequence, unique, now));
        if self.flags && flags != stamp.flags() {
            OTHER_FLAGS
        } else if refused && stamp.sequence > 0 {
            "a swap that was answered as refused"
        } else if again {
            STARTED_AGAIN
        } else {
            ""
        }
    }

    /// Checks at the end that no acknowledged swap was lost.
    pub fn audit_register(&self, slot: Slot, content: Content<'_>, source: Source, now: Offset) {
        let floor = self.register_floor(slot);
        let Register::At(sequence) = self.read_register(slot, floor, (content, None), source, now)
        else {
            return;
        };
        let swaps = *self.swaps(slot);
        let least = swaps.base + swaps.swaps;
        if swaps.since.is_some() && !swaps.elsewhere && sequence < least {
            let detail = "fewer swaps than were acknowledged";
            let found = finding(ViolationKind::AcknowledgedButLost, slot, source, detail);
            let finding = Finding { expected: Some(least), seen: Some(sequence), ..found };
            self.report(now, finding);
        }
    }
}
