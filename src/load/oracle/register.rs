//! Registers: values that every worker changes, by compare-and-swap only.
//!
//! Each swap stores the sequence it read plus one. So a register that shows less than its base and
//! every acknowledged swap together has lost an update: two swaps were acknowledged for one token.

use super::{Oracle, Source, finding};
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
}

/// What reading a register came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Register {
    /// It has this sequence.
    At(u64),
    /// It has a sequence that is too old.
    Stale,
    /// It is damaged.
    Corrupt,
    /// Another run has left it behind.
    Foreign,
    /// It is not this register, or has a sequence that was never written.
    Wrong,
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

    /// A swap that would store `sequence` is about to be sent.
    pub fn swap_attempted(&self, slot: Slot, sequence: u64) {
        let mut swaps = self.swaps(slot);
        swaps.attempted = swaps.attempted.max(sequence);
    }

    /// A swap was acknowledged.
    pub fn swapped(&self, slot: Slot, sequence: u64, source: Source) {
        let home = self.is_home(slot, source);
        let mut swaps = self.swaps(slot);
        swaps.acknowledged = swaps.acknowledged.max(sequence);
        swaps.swaps += u64::from(home);
        swaps.elsewhere |= !home;
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
        value: &[u8],
        source: Source,
        now: Offset,
    ) -> Register {
        let (register, seen) = match Stamp::read(value) {
            Err(_) => (Register::Corrupt, None),
            Ok(stamp) => {
                let ours = stamp.key == slot.number();
                let known = (1..=self.swaps(slot).attempted).contains(&stamp.sequence);
                let register = match stamp.sequence {
                    _ if stamp.run != self.run => Register::Foreign,
                    _ if !ours || !known => Register::Wrong,
                    sequence if sequence < floor => Register::Stale,
                    sequence => Register::At(sequence),
                };
                (register, Some(stamp.sequence))
            }
        };
        let (kind, detail) = match register {
            Register::At(_) => return register,
            Register::Stale => (ViolationKind::Stale, "older than the last acknowledged swap"),
            Register::Corrupt => (ViolationKind::Corrupt, "a register that is damaged"),
            Register::Foreign => {
                (ViolationKind::Foreign, "a register that another run left behind")
            }
            Register::Wrong => (ViolationKind::Wrong, "another register, or one never written"),
        };
        if self.checks {
            let found = finding(kind, slot, source, detail);
            self.report(now, Finding { expected: Some(floor), seen, ..found });
        }
        register
    }

    /// Checks at the end that no acknowledged swap was lost.
    pub fn audit_register(&self, slot: Slot, value: &[u8], source: Source, now: Offset) {
        let floor = self.register_floor(slot);
        let Register::At(sequence) = self.read_register(slot, floor, value, source, now) else {
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
