//! What is known about one value: which writes there were and what the home node surely holds.
//!
//! The home *surely holds* a value when the last write of the key was a store, it was acknowledged
//! by the home itself, no write has failed or begun since, none of the key's deletes was ever in
//! doubt (it could still be executed), it has not expired, and the node has not lost its data.

use super::{EXPIRY_EARLY_MAX, WriteEnd};
use crate::base::time::Offset;
use crate::load::life::Life;

/// What a write does when it is executed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// The key then has the value, for this long.
    Store(Life),
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
    /// Whether a store may still be executed.
    store_in_doubt: bool,
    /// Whether the home surely has no value: it said so, or removed it.
    absent: bool,
    /// The last acknowledged value that has a time to live, and from when on it must be gone.
    outlived: Option<(u64, Offset)>,
    /// Touches under way, and those that may still be executed: they lengthen a life.
    touches: u32,
    /// The last writes that the node refused: their values must never be read.
    refused: [u64; REFUSED_MAX],
    /// The last writes that ended in doubt: any of them may still be executed.
    doubtful: [Doubt; DOUBTFUL_MAX],
}

/// Writes in doubt that are remembered for each key. One that is older and comes late all the same
/// is called stale without its reason.
const DOUBTFUL_MAX: usize = 4;

/// Refused writes that are remembered for each key.
const REFUSED_MAX: usize = 4;

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

    /// Whether the home surely has no value of this key.
    #[must_use]
    pub const fn is_absent(&self) -> bool {
        self.absent && !self.writing && !self.store_in_doubt
    }

    /// Whether the home surely holds a value that nobody has missed yet and that lives at `now`.
    #[must_use]
    pub fn is_held(&self, now: Offset) -> bool {
        self.since().is_some()
            && !self.may_have_expired(now)
            && self.held.is_some_and(|held| !held.missed)
    }

    /// Whether the node has refused this write.
    #[must_use]
    pub fn was_refused(&self, sequence: u64) -> bool {
        sequence > 0 && self.refused.contains(&sequence)
    }

    /// Whether this value must be gone for a read that began at `asked`.
    #[must_use]
    pub fn is_outlived(&self, sequence: u64, asked: Offset) -> bool {
        self.outlived.is_some_and(|(known, gone)| known == sequence && asked > gone)
    }

    /// A touch begins: nothing is known any more about when the value must be gone.
    pub(super) const fn touching(&mut self) {
        self.touches = self.touches.saturating_add(1);
        self.outlived = None;
    }

    /// A touch has ended, and is not under way any more.
    pub(super) const fn touched(&mut self) {
        self.touches = self.touches.saturating_sub(1);
    }

    /// The write `sequence`, which began at `begun`, has set a new expiry and nothing else.
    fn prolong(&mut self, begun: Offset, effect: Effect) {
        if let (Some(held), Effect::Store(life)) = (&mut self.held, effect) {
            held.expires = held.expires.max(Held::new(begun, life).expires);
        }
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

    /// The store `sequence` was acknowledged by `acknowledged`, at the first attempt.
    pub(super) fn lives(&mut self, sequence: u64, life: Life, acknowledged: Offset) {
        let gone = life.at_most().map(|most| acknowledged.plus(most));
        self.outlived = gone.filter(|_| self.touches == 0).map(|gone| (sequence, gone));
    }

    /// The key lives at another node: what the new home holds is not known.
    pub(super) const fn moved(&mut self) {
        self.held = None;
        self.absent = false;
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
            WriteEnd::Touched { at_home: true } => self.prolong(begun, effect),
            WriteEnd::Touched { at_home: false } | WriteEnd::NothingThere => {}
            WriteEnd::Acknowledged { at_home } => {
                self.acknowledged = sequence;
                self.absent = match effect {
                    Effect::Delete => self.absent || at_home,
                    Effect::Store(_) => self.absent && !at_home,
                };
                self.held = match effect {
                    Effect::Store(life) if at_home => Some(Held::new(begun, life)),
                    _ => None,
                };
            }
            WriteEnd::Refused => {
                self.refused.rotate_right(1);
                self.refused[0] = sequence;
            }
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
                self.store_in_doubt |= matches!(effect, Effect::Store(_));
                self.doubtful.rotate_right(1);
                self.doubtful[0] = Doubt { sequence, begun };
            }
        }
    }
}

impl Held {
    fn new(begun: Offset, life: Life) -> Self {
        let lives = life.asked().map(|time| time.saturating_sub(EXPIRY_EARLY_MAX));
        let expires = lives.map_or(Offset(u64::MAX), |lives| begun.plus(lives));
        Self { since: begun, expires, missed: false }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    const STORE: Effect = Effect::Store(Life::Forever);

    /// Catches two writes of one key at a time: their order could not be known.
    #[test]
    fn one_write_at_a_time() {
        let mut record = Record::default();
        assert_eq!(record.begin(), Some(1));
        assert_eq!(record.begin(), None);
        record.end(1, Offset(5), STORE, WriteEnd::Refused);
        assert_eq!(record.begin(), Some(2));
    }

    /// What is known after these writes, one after the other.
    fn written(steps: &[(Effect, WriteEnd)]) -> Record {
        let mut record = Record::default();
        for (effect, end) in steps {
            let sequence = record.begin().unwrap();
            record.end(sequence, Offset(sequence), *effect, *end);
        }
        record
    }

    /// Catches a key that is taken for held although something speaks against it.
    #[test]
    fn held_only_after_a_store_at_home() {
        let acknowledged = WriteEnd::Acknowledged { at_home: true };
        let after = |steps: &[(Effect, WriteEnd)]| written(steps).since();
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
        let life = Life::For(Duration::from_secs(10));
        let sequence = record.begin().unwrap();
        let end = WriteEnd::Acknowledged { at_home: true };
        record.end(sequence, Offset::default(), Effect::Store(life), end);
        assert!(!record.may_have_expired(Offset(8_749_999_999)));
        assert!(record.may_have_expired(Offset(8_750_000_000)));
    }

    /// Catches a value that may outlive its time for ever, and one that is accused although a touch
    /// may have lengthened its life.
    #[test]
    fn an_item_must_be_gone_at_last() {
        let mut record = Record::default();
        let life = Life::For(Duration::from_millis(1500));
        record.lives(3, life, Offset(1_000_000_000));
        assert!(
            !record.is_outlived(3, Offset(4_000_000_000)),
            "two whole seconds, and one to notice"
        );
        assert!(record.is_outlived(3, Offset(4_000_000_001)));
        assert!(!record.is_outlived(2, Offset(9_000_000_000)), "another value");
        record.touching();
        assert!(!record.is_outlived(3, Offset(9_000_000_000)));
        record.lives(4, life, Offset(1_000_000_000));
        assert!(!record.is_outlived(4, Offset(9_000_000_000)), "a touch is under way");
        record.touched();
        record.lives(5, life, Offset(1_000_000_000));
        assert!(record.is_outlived(5, Offset(9_000_000_000)));
        record.lives(6, Life::Forever, Offset(1_000_000_000));
        assert!(!record.is_outlived(6, Offset(u64::MAX)));
        record.lives(7, Life::Until(Duration::from_secs(2)), Offset(1_000_000_000));
        assert!(!record.is_outlived(7, Offset(6_000_000_000)), "a date is later by two more");
        assert!(record.is_outlived(7, Offset(6_000_000_001)));
    }

    /// Catches a value that was expired when it was stored and is taken for held, or may be read.
    #[test]
    fn what_is_stored_as_expired_is_never_there() {
        let mut record = Record::default();
        let sequence = record.begin().unwrap();
        let end = WriteEnd::Acknowledged { at_home: true };
        record.lives(sequence, Life::Expired, Offset(2));
        record.end(sequence, Offset(1), Effect::Store(Life::Expired), end);
        assert!(!record.is_held(Offset(1)) && !record.is_absent());
        assert!(!record.is_outlived(sequence, Offset(2)), "it was asked for before it was stored");
        assert!(record.is_outlived(sequence, Offset(3)));
    }

    /// Catches an absence that is taken for sure although a store may still be executed.
    #[test]
    fn absent_only_after_a_delete_at_home() {
        let acknowledged = WriteEnd::Acknowledged { at_home: true };
        let after = |steps: &[(Effect, WriteEnd)]| written(steps).is_absent();
        let deleted = (Effect::Delete, acknowledged);
        assert!(after(&[(STORE, acknowledged), deleted]));
        assert!(after(&[deleted, (STORE, WriteEnd::Refused), (STORE, WriteEnd::Unsent)]));
        assert!(!after(&[]));
        assert!(!after(&[deleted, (STORE, acknowledged)]));
        assert!(!after(&[deleted, (STORE, WriteEnd::InDoubt)]));
        assert!(!after(&[(STORE, WriteEnd::InDoubt), deleted]));
        assert!(!after(&[(Effect::Delete, WriteEnd::Acknowledged { at_home: false })]));
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
