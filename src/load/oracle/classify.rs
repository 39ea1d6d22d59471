//! One read against the record of its key: a pure decision.
//!
//! | the read returned | and | it is |
//! |---|---|---|
//! | a whole value of another run | | foreign |
//! | bytes that are no whole value of ours | this run never wrote the key | foreign |
//! | bytes that are no whole value of ours | otherwise | corrupt |
//! | a value of another key | | wrong |
//! | a sequence that was never handed out | | wrong |
//! | a sequence before the last acknowledged write when the read began | that write was in doubt | stale by a late write |
//! | a sequence before the last acknowledged write when the read began | otherwise | stale |
//! | a sequence before a later write that had failed by then | | stale, unacknowledged |
//! | a sequence that was answered as refused | | a contradiction |
//! | a right sequence under other flags, or long after its time to live | | a contradiction |
//! | any other | | a hit |
//! | nothing | the home surely held the key all the while | a false miss |
//! | nothing | otherwise | a miss |
//!
//! Keys carry the run as well, so nothing foreign is met unless a node, or what lies before it, hands
//! out a value of another key: but what it is of is known, and it is not called wrong.
//!
//! A write that failed or is in doubt makes no read wrong: its sequence was handed out. Deletes
//! have sequences too, so a value that comes back after an acknowledged delete is stale.

use super::Record;
use crate::base::time::Offset;
use crate::event::ViolationKind;
use crate::load::payload::{Damage, Stamp};

/// A read, as far as it matters.
#[derive(Clone, Copy, Debug)]
pub struct Reading {
    /// What was returned, decoded; `None` is a miss.
    pub value: Option<Result<Stamp, Damage>>,
    /// This run's number.
    pub run: u32,
    /// The client flags that came with it.
    pub flags: u32,
    /// When the request was written.
    pub asked: Option<Offset>,
    /// The number of the key that was asked for.
    pub key: u64,
    /// Whether the home node has kept its data since the record's value was stored.
    pub kept: bool,
    /// When the read ended.
    pub now: Offset,
}

/// What a read was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// The value that it should be.
    Hit,
    /// Absent, and that may be.
    Miss,
    /// Older than a later write that was not acknowledged: allowed, but counted.
    StaleUnacknowledged,
    /// Absent, although the home held it.
    FalseMiss,
    /// Older than the last acknowledged write, because a write in doubt was executed after it.
    StaleByLateWrite,
    /// Older than the last acknowledged write.
    Stale,
    /// Damaged.
    Corrupt,
    /// It cannot be; why not.
    Contradiction(&'static str),
    /// Of another run.
    Foreign,
    /// Of another key, or never written.
    Wrong,
}

impl Reading {
    /// The number of the key whose value it is, when it is that of another key of this run.
    pub(super) fn of_another(&self) -> Option<u64> {
        let stamp = self.value?.ok()?;
        (stamp.run == self.run && stamp.key != self.key).then_some(stamp.key)
    }
}

/// Judges a read by the record before it began and after it ended.
#[must_use]
pub fn classify(reading: &Reading, before: &Record, after: &Record) -> Verdict {
    let stamp = match reading.value {
        None => return absent(reading, before, after),
        Some(Err(_)) if after.attempted() == 0 => return Verdict::Foreign,
        Some(Err(_)) => return Verdict::Corrupt,
        Some(Ok(stamp)) => stamp,
    };
    if stamp.run != reading.run {
        Verdict::Foreign
    } else if stamp.key != reading.key || stamp.sequence == 0 || stamp.sequence > after.attempted()
    {
        Verdict::Wrong
    } else if after.was_refused(stamp.sequence) {
        Verdict::Contradiction("a value whose write was answered as refused")
    } else if stamp.sequence < before.acknowledged() {
        let late = after.in_doubt_since(stamp.sequence).is_some();
        if late { Verdict::StaleByLateWrite } else { Verdict::Stale }
    } else if stamp.sequence < before.failed() {
        Verdict::StaleUnacknowledged
    } else if reading.flags != stamp.flags() {
        Verdict::Contradiction(OTHER_FLAGS)
    } else if reading.asked.is_some_and(|asked| after.is_outlived(stamp.sequence, asked)) {
        Verdict::Contradiction("a value that is read although its time to live is over")
    } else {
        Verdict::Hit
    }
}

/// What is wrong with a value that came with flags not its own.
pub(super) const OTHER_FLAGS: &str = "the right content with flags that were not stored with it";

fn absent(reading: &Reading, before: &Record, after: &Record) -> Verdict {
    let held_all_the_while = reading.kept
        && before.since().is_some()
        && before.since() == after.since()
        && before.attempted() == after.attempted()
        && !before.may_have_expired(reading.now);
    if held_all_the_while { Verdict::FalseMiss } else { Verdict::Miss }
}

impl Verdict {
    /// The violation that it is, with a few words of what is wrong.
    #[must_use]
    pub const fn violation(self) -> Option<(ViolationKind, &'static str)> {
        match self {
            Self::Hit | Self::Miss => None,
            Self::Wrong => {
                Some((ViolationKind::Wrong, "a value of another key, or one never written"))
            }
            Self::Foreign => Some((ViolationKind::Foreign, "a value that another run left behind")),
            Self::Contradiction(why) => Some((ViolationKind::Contradiction, why)),
            Self::Corrupt => {
                Some((ViolationKind::Corrupt, "a value that is damaged, cut short or not ours"))
            }
            Self::Stale => Some((ViolationKind::Stale, "older than the last acknowledged write")),
            Self::StaleByLateWrite => Some((
                ViolationKind::LateWrite,
                "a write whose reply was lost was executed after a later, acknowledged one",
            )),
            Self::StaleUnacknowledged => Some((
                ViolationKind::StaleUnacknowledged,
                "older than a later write that was not acknowledged",
            )),
            Self::FalseMiss => {
                Some((ViolationKind::FalseMiss, "a miss although the home node holds the key"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::life::Life;
    use crate::load::oracle::{Effect, WriteEnd};

    const ACKNOWLEDGED: WriteEnd = WriteEnd::Acknowledged { at_home: true };
    const STORE: Effect = Effect::Store(Life::Forever);
    const KEY: u64 = 5;

    /// A record after writes with these ends; the n-th write begins at n seconds.
    fn record(ends: &[WriteEnd]) -> Record {
        ends.iter().fold(Record::default(), |mut record, end| {
            let sequence = record.begin().unwrap();
            record.end(sequence, Offset(sequence * 1_000_000_000), STORE, *end);
            record
        })
    }

    fn reading(value: Option<Result<Stamp, Damage>>) -> Reading {
        let flags = value.and_then(Result::ok).map_or(0, |stamp| stamp.flags());
        let (kept, asked, now) = (true, None, Offset(60_000_000_000));
        Reading { value, flags, asked, run: 1, key: KEY, kept, now }
    }

    fn value(sequence: u64) -> Option<Result<Stamp, Damage>> {
        Some(Ok(Stamp { run: 1, key: KEY, writer: 0, sequence }))
    }

    /// Catches every confusion of one classification with another, against a record of three
    /// acknowledged writes.
    #[test]
    fn each_reading_has_its_class() {
        let record = record(&[ACKNOWLEDGED; 3]);
        let other_key = Stamp { run: 1, key: KEY + 1, writer: 0, sequence: 3 };
        let other_run = Stamp { run: 2, key: KEY, writer: 0, sequence: 3 };
        let table = [
            (value(3), Verdict::Hit),
            (value(2), Verdict::Stale),
            (value(1), Verdict::Stale),
            (value(0), Verdict::Wrong),
            (value(4), Verdict::Wrong),
            (Some(Ok(other_key)), Verdict::Wrong),
            (Some(Ok(other_run)), Verdict::Foreign),
            (Some(Err(Damage::Short)), Verdict::Corrupt),
            (Some(Err(Damage::Checksum)), Verdict::Corrupt),
            (Some(Err(Damage::Length { stated: 50 })), Verdict::Corrupt),
            (None, Verdict::FalseMiss),
        ];
        for (value, verdict) in table {
            assert_eq!(classify(&reading(value), &record, &record), verdict, "{value:?}");
        }
    }

    /// Catches a judgement on a key that this run never stored: whatever lies there is another run's.
    #[test]
    fn what_was_never_stored_is_not_judged() {
        let never = record(&[]);
        let left_behind = Stamp { run: 2, key: KEY, writer: 0, sequence: 900 };
        for value in [Some(Ok(left_behind)), Some(Err(Damage::Foreign)), Some(Err(Damage::Short))] {
            assert_eq!(classify(&reading(value), &never, &never), Verdict::Foreign, "{value:?}");
        }
        assert_eq!(classify(&reading(None), &never, &never), Verdict::Miss);
    }

    /// Catches right content under wrong flags, a value that its node said it had refused, and one that
    /// lives on and on.
    #[test]
    fn what_cannot_be_is_a_contradiction() {
        let is_one = |verdict| matches!(verdict, Verdict::Contradiction(_));
        let plain = record(&[ACKNOWLEDGED; 3]);
        let other_flags = Reading { flags: 77, ..reading(value(3)) };
        assert!(is_one(classify(&other_flags, &plain, &plain)));
        let refused = record(&[ACKNOWLEDGED, WriteEnd::Refused]);
        assert!(is_one(classify(&reading(value(2)), &refused, &refused)));
        assert_eq!(classify(&reading(value(1)), &refused, &refused), Verdict::Hit);
        let mut mortal = plain;
        mortal.lives(3, Life::For(std::time::Duration::from_secs(2)), Offset(1_000_000_000));
        let asked = |asked| Reading { asked: Some(Offset(asked)), ..reading(value(3)) };
        assert_eq!(classify(&asked(4_000_000_000), &mortal, &mortal), Verdict::Hit);
        assert!(is_one(classify(&asked(4_000_000_001), &mortal, &mortal)));
    }

    /// Catches a write that was not acknowledged and yet makes a read stale or wrong.
    #[test]
    fn a_write_without_acknowledgement_accuses_nobody() {
        for end in [WriteEnd::InDoubt, WriteEnd::Failed, WriteEnd::Unsent] {
            let record = record(&[ACKNOWLEDGED, end]);
            // Executed or not: both values may be read.
            assert_eq!(classify(&reading(value(2)), &record, &record), Verdict::Hit);
            let older = classify(&reading(value(1)), &record, &record);
            assert_eq!(older, Verdict::StaleUnacknowledged);
        }
        let refused = record(&[ACKNOWLEDGED, WriteEnd::Refused]);
        assert_eq!(classify(&reading(value(1)), &refused, &refused), Verdict::Hit);
    }

    /// Catches a late execution that is not seen: a write in doubt that overwrites a newer one.
    #[test]
    fn a_late_execution_over_a_newer_write_is_stale() {
        let record = record(&[ACKNOWLEDGED, WriteEnd::InDoubt, ACKNOWLEDGED]);
        assert_eq!(classify(&reading(value(2)), &record, &record), Verdict::StaleByLateWrite);
        assert_eq!(classify(&reading(value(1)), &record, &record), Verdict::Stale);
    }

    /// Catches a read that is judged by a write that ended, or began, after the read began.
    #[test]
    fn overlapping_writes_excuse_a_read() {
        let before = record(&[ACKNOWLEDGED]);
        let after = record(&[ACKNOWLEDGED, ACKNOWLEDGED]);
        for sequence in [1, 2] {
            assert_eq!(classify(&reading(value(sequence)), &before, &after), Verdict::Hit);
        }
        assert_eq!(classify(&reading(None), &before, &after), Verdict::Miss);
        let mut writing = before;
        writing.begin();
        assert_eq!(classify(&reading(value(1)), &writing, &writing), Verdict::Hit);
        assert_eq!(classify(&reading(None), &writing, &writing), Verdict::Miss);
    }

    /// Catches a miss that is called false although the node may rightly lack the key.
    #[test]
    fn a_miss_is_false_only_when_it_is_sure() {
        let table = [
            (vec![], true, Verdict::Miss),
            (vec![ACKNOWLEDGED], true, Verdict::FalseMiss),
            (vec![ACKNOWLEDGED], false, Verdict::Miss),
            (vec![ACKNOWLEDGED, WriteEnd::Failed], true, Verdict::Miss),
            (vec![ACKNOWLEDGED, WriteEnd::InDoubt], true, Verdict::Miss),
            (vec![WriteEnd::Acknowledged { at_home: false }], true, Verdict::Miss),
        ];
        for (ends, kept, verdict) in table {
            let record = record(&ends);
            let reading = Reading { kept, ..reading(None) };
            assert_eq!(classify(&reading, &record, &record), verdict, "{ends:?} {kept}");
        }
    }

    /// Catches an acknowledged delete after which the old value may come back unnoticed.
    #[test]
    fn a_value_after_its_delete_is_stale() {
        let mut deleted = record(&[ACKNOWLEDGED]);
        let sequence = deleted.begin().unwrap();
        deleted.end(sequence, Offset(9), Effect::Delete, ACKNOWLEDGED);
        assert_eq!(classify(&reading(value(1)), &deleted, &deleted), Verdict::Stale);
        assert_eq!(classify(&reading(None), &deleted, &deleted), Verdict::Miss);
    }
}
