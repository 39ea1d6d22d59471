//! What is known about one value: which writes there were and what the home node surely holds.
//!
//! The home *surely holds* a value when the last write of the key was a store, it was acknowledged
//! by the home itself, no write has failed or begun since, none of the key's deletes was ever in
//! doubt (it could still be executed), it has not expired, and the node has not lost its data.

use std::time::Duration;

use super::{EXPIRY_SLACK, WriteEnd};
use crate::base::time::Offset;

/// What a write does when it is executed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// The key then has the value, for this long; `None`: for ever.
    Store(Option<Duration>),
    /// The key is then absent.
    Delete,
}

/// The record of one value. Sequences count its writes from 1; 0 is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// The last write that was begun.
    attempted: u64,
    /// The last write that was acknowledged.
    acknowledged: u64,
    /// The last write that ended without effect or in doubt.
    failed: u64,
    /// Whether a write is under way.
    writing: bool,
    /// What the home surely holds.
    held: Option<Held>,
    /// Whether a delete may still be executed.
    delete_in_doubt: bool,
    /// The last writes that ended in doubt: any of them may still be executed.
    doubtful: [Doubt; DOUBTFUL_MAX],
}

/// Writes in doubt that are remembered for each key. One that is older and comes late all the same
/// is called stale without its reason.
const DOUBTFUL_MAX: usize = 4;

/// A write that ended in doubt, and when it began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Doubt {
    sequence: u64,
    begun: Offset,
}

/// What a home node surely holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Held {
    /// When the write began that stored it.
    since: Offset,
    /// From when on it may have expired.
    expires: Offset,
    /// Whether a read has missed it.
    missed: bool,
}

impl Record {
    /// The last write that was begun.
    #[must_use]
    pub const fn attempted(&self) -> u64 {
        self.attempted
    }

    /// The last write that was acknowledged.
    #[must_use]
    pub const fn acknowledged(&self) -> u64 {
        self.acknowledged
    }

    /// The last write that ended without an acknowledgement.
    #[must_use]
    pub const fn failed(&self) -> u64 {
        self.failed
    }

    /// When this write began, if it is known to have ended in doubt.
    #[must_use]
    pub fn in_doubt_since(&self, sequence: u64) -> Option<Offset> {
        let doubt = self.doubtful.iter().find(|doubt| doubt.sequence == sequence);
        doubt.filter(|_| sequence > 0).map(|doubt| doubt.begun)
    }

    /// When the write began that stored what the home holds, if it surely holds anything.
    #[must_use]
    pub fn since(&self) -> Option<Offset> {
        self.held.filter(|_| !self.writing && !self.delete_in_doubt).map(|held| held.since)
    }

    /// Whether what the home holds may have expired at `now`.
    #[must_use]
    pub fn may_have_expired(&self, now: Offset) -> bool {
        self.held.is_none_or(|held| now >= held.expires)
    }

    /// A read that began at `before` missed what the home holds; whether it is the first to miss it.
    pub(super) fn missed(&mut self, before: &Self) -> bool {
        match &mut self.held {
            Some(held) if before.held.is_some_and(|known| known.since == held.since) => {
                !std::mem::replace(&mut held.missed, true)
            }
            _ => false,
        }
    }

    /// Begins the next write; `None` while one is under way.
    pub(super) const fn begin(&mut self) -> Option<u64> {
        if self.writing {
            return None;
        }
        self.writing = true;
        self.attempted += 1;
        Some(self.attempted)
    }

    /// Notes what a write came to.
    pub(super) fn end(&mut self, sequence: u64, begun: Offset, effect: Effect, end: WriteEnd) {
        self.writing = false;
        match end {
            WriteEnd::Acknowledged { at_home } => {
                self.acknowledged = sequence;
                self.held = match effect {
                    Effect::Store(ttl) if at_home => Some(Held::new(begun, ttl)),
                    _ => None,
                };
            }
            WriteEnd::Refused => {}
            WriteEnd::Unsent => self.failed = sequence,
            // memcached drops the old value when a store fails for size or memory.
            WriteEnd::Failed => {
                self.failed = sequence;
                self.held = None;
            }
            WriteEnd::InDoubt => {
                self.failed = sequence;
                self.held = None;
                self.delete_in_doubt |= effect == Effect::Delete;
                self.doubtful.rotate_right(1);
                self.doubtful[0] = Doubt { sequence, begun };
            }
        }
    }
}

impl Held {
    fn new(begun: Offset, ttl: Option<Duration>) -> Self {
        let lives = ttl.map(|ttl| ttl.saturating_sub(EXPIRY_SLACK));
        let expires = lives.map_or(Offset(u64::MAX), |lives| begun.plus(lives));
        Self { since: begun, expires, missed: false }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const STORE: Effect = Effect::Store(None);

    /// Catches two writes of one key at a time: their order could not be known.
    #[test]
    fn one_write_at_a_time() {
        let mut record = Record::default();
        assert_eq!(record.begin(), Some(1));
        assert_eq!(record.begin(), None);
        record.end(1, Offset(5), STORE, WriteEnd::Refused);
        assert_eq!(record.begin(), Some(2));
    }

    /// Catches a key that is taken for held although something speaks against it.
    #[test]
    fn held_only_after_a_store_at_home() {
        let acknowledged = WriteEnd::Acknowledged { at_home: true };
        let after = |steps: &[(Effect, WriteEnd)]| {
            let mut record = Record::default();
            for (effect, end) in steps {
                let sequence = record.begin().unwrap();
                record.end(sequence, Offset(sequence), *effect, *end);
            }
            record.since()
        };
        let stored = (STORE, acknowledged);
        assert_eq!(after(&[stored]), Some(Offset(1)));
        assert_eq!(after(&[stored, (STORE, WriteEnd::Refused)]), Some(Offset(1)));
        assert_eq!(after(&[stored, (STORE, WriteEnd::Unsent)]), Some(Offset(1)));
        assert_eq!(after(&[(STORE, WriteEnd::Acknowledged { at_home: false })]), None);
        assert_eq!(after(&[stored, (Effect::Delete, acknowledged)]), None);
        assert_eq!(after(&[stored, (STORE, WriteEnd::Failed)]), None);
        assert_eq!(after(&[stored, (STORE, WriteEnd::InDoubt)]), None);
        assert_eq!(after(&[(STORE, WriteEnd::InDoubt), stored]), Some(Offset(2)));
        // A delete in doubt may be executed at any time.
        assert_eq!(after(&[(Effect::Delete, WriteEnd::InDoubt), stored]), None);
    }

    /// Catches an expiry that is taken to be exact.
    #[test]
    fn an_item_may_expire_early() {
        let mut record = Record::default();
        let ttl = Some(Duration::from_secs(10));
        let sequence = record.begin().unwrap();
        let end = WriteEnd::Acknowledged { at_home: true };
        record.end(sequence, Offset::default(), Effect::Store(ttl), end);
        assert!(!record.may_have_expired(Offset(7_999_999_999)));
        assert!(record.may_have_expired(Offset(8_000_000_000)));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]
        /// Catches a failed write that makes a later read stale, and sequences that step back.
        #[test]
        fn only_acknowledged_writes_count(ends in prop::collection::vec(0_u8..5, 1..30)) {
            let mut record = Record::default();
            let mut last = 0;
            for end in ends {
                let sequence = record.begin().unwrap();
                let end = match end {
                    0 => WriteEnd::Acknowledged { at_home: true },
                    1 => WriteEnd::Refused,
                    2 => WriteEnd::Unsent,
                    3 => WriteEnd::Failed,
                    _ => WriteEnd::InDoubt,
                };
                record.end(sequence, Offset(1), STORE, end);
                if matches!(end, WriteEnd::Acknowledged { .. }) {
                    last = sequence;
                }
                prop_assert_eq!(record.acknowledged(), last);
                prop_assert_eq!(record.attempted(), sequence);
            }
        }
    }
}
