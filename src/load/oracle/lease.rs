//! The right to write one key.

use parking_lot::Mutex;

use super::{Effect, Record, WriteEnd};
use crate::base::time::Offset;
use crate::load::keyspace::Slot;
use crate::load::life::Life;

/// The right to write one key. There is never more than one for a key, so that its writes have an
/// order. A lease that is dropped without [`Lease::end`] leaves its write in doubt.
#[derive(Debug)]
#[must_use = "a lease that is dropped leaves its write in doubt"]
pub struct Lease<'a> {
    pub(super) record: &'a Mutex<Record>,
    pub(super) slot: Slot,
    pub(super) sequence: u64,
    pub(super) begun: Offset,
    pub(super) effect: Effect,
    /// The record before it was taken.
    pub(super) before: Record,
    pub(super) ended: bool,
}

impl Lease<'_> {
    /// The key.
    #[must_use]
    pub const fn slot(&self) -> Slot {
        self.slot
    }

    /// Which write of the key this is.
    #[must_use]
    pub const fn sequence(&self) -> u64 {
        self.sequence
    }

    /// How long its value is to live.
    #[must_use]
    pub const fn life(&self) -> Life {
        match self.effect {
            Effect::Store(life) => life,
            Effect::Delete => Life::Expired,
        }
    }

    /// The store was acknowledged by `now`, at the first attempt: from then on its time to live runs.
    pub fn lives(&self, now: Offset) {
        if let Effect::Store(life) = self.effect {
            self.record.lock().lives(self.sequence, life, now);
        }
    }

    /// Gives the right back and notes what the write came to.
    pub fn end(mut self, end: WriteEnd) {
        self.close(end);
    }

    fn close(&mut self, end: WriteEnd) {
        self.ended = true;
        self.record.lock().end(self.sequence, self.begun, self.effect, end);
    }
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        if !self.ended {
            self.close(WriteEnd::InDoubt);
        }
    }
}
