//! How many operations came to which outcome.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::cells::COUNT_MAX;
use crate::event::{OUTCOMES, Outcome};

/// One count for each outcome. Σ over all of them is what was offered. Counts that were read from a file may
/// be anything: sums stop at the largest number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "BTreeMap<String, u64>", try_from = "BTreeMap<String, u64>")]
pub struct Counts([u64; OUTCOMES]);

impl Default for Counts {
    fn default() -> Self {
        Self([0; OUTCOMES])
    }
}

impl Counts {
    /// The counts that [`Counts::by_name`] gave; a name that is none is left out.
    #[must_use]
    pub fn from_names(names: &BTreeMap<String, u64>) -> Self {
        let mut counts = Self::default();
        for outcome in Outcome::all() {
            let count = names.get(outcome.name()).copied();
            counts.add_at(outcome.position(), count.unwrap_or_default());
        }
        counts
    }

    /// Adds one operation.
    pub const fn add(&mut self, outcome: Outcome) {
        self.add_at(outcome.position(), 1);
    }

    /// Adds `times` operations with the outcome at this position.
    pub(super) const fn add_at(&mut self, position: usize, times: u64) {
        self.0[position] = self.0[position].saturating_add(times);
    }

    /// Adds all of `other`.
    pub fn merge(&mut self, other: &Self) {
        for (ours, theirs) in self.0.iter_mut().zip(other.0) {
            *ours = ours.saturating_add(theirs);
        }
    }

    /// How many came to `outcome`.
    #[must_use]
    pub const fn of(&self, outcome: Outcome) -> u64 {
        self.0[outcome.position()]
    }

    fn sum(&self, wanted: impl Fn(Outcome) -> bool) -> u64 {
        let wanted = Outcome::all().filter(|outcome| wanted(*outcome));
        sum(wanted.map(|outcome| self.of(outcome)))
    }

    /// Every intended operation.
    #[must_use]
    pub fn offered(&self) -> u64 {
        sum(self.0)
    }

    /// Those that were issued: offered without the lost slots.
    #[must_use]
    pub fn operations(&self) -> u64 {
        self.offered() - self.of(Outcome::LostSlot)
    }

    /// Those that gave the caller what the cache should give.
    #[must_use]
    pub fn good(&self) -> u64 {
        self.sum(Outcome::is_good)
    }

    /// Those that gave the caller nothing: failed, shed, unanswered, hung, never issued.
    #[must_use]
    pub fn errors(&self) -> u64 {
        self.sum(is_error)
    }

    /// Reads that said whether the value was there.
    #[must_use]
    pub const fn reads(&self) -> u64 {
        let found = self.of(Outcome::Hit).saturating_add(self.of(Outcome::Miss));
        found.saturating_add(self.of(Outcome::FalseMiss))
    }

    /// Wrong and corrupt values.
    #[must_use]
    pub fn bad_data(&self) -> u64 {
        self.sum(Outcome::is_bad_data)
    }

    /// Errors over offered; `None` when nothing was offered.
    #[must_use]
    pub fn error_ratio(&self) -> Option<f64> {
        ratio(self.errors(), self.offered())
    }

    /// Good over offered, without what its caller abandoned.
    #[must_use]
    pub fn availability_ratio(&self) -> Option<f64> {
        ratio(self.good(), self.offered() - self.of(Outcome::Cancelled))
    }

    /// Hits over reads.
    #[must_use]
    pub fn hit_ratio(&self) -> Option<f64> {
        ratio(self.of(Outcome::Hit), self.reads())
    }

    /// The counts that are not zero, by the outcome's name.
    #[must_use]
    pub fn by_name(&self) -> BTreeMap<String, u64> {
        Outcome::all()
            .filter(|outcome| self.of(*outcome) > 0)
            .map(|outcome| (outcome.name().to_owned(), self.of(outcome)))
            .collect()
    }
}

impl From<Counts> for BTreeMap<String, u64> {
    fn from(counts: Counts) -> Self {
        counts.by_name()
    }
}

impl TryFrom<BTreeMap<String, u64>> for Counts {
    type Error = String;

    fn try_from(names: BTreeMap<String, u64>) -> Result<Self, Self::Error> {
        let counts = Self::from_names(&names);
        match names.iter().find(|(name, count)| {
            **count > COUNT_MAX || !Outcome::all().any(|outcome| outcome.name() == *name)
        }) {
            Some((name, count)) => Err(format!("{count} operations that came to `{name}`")),
            None => Ok(counts),
        }
    }
}

/// The sum of counts, which may have been read from a file: it stops at the largest number.
pub(crate) fn sum(counts: impl IntoIterator<Item = u64>) -> u64 {
    counts.into_iter().fold(0, u64::saturating_add)
}

/// Whether the caller got nothing. Wrong, corrupt, stale, foreign, contradicting and falsely missing
/// answers are answers: they cost availability and have their own counts, but they are no errors.
pub(crate) const fn is_error(outcome: Outcome) -> bool {
    matches!(
        outcome,
        Outcome::Error(_)
            | Outcome::Shed
            | Outcome::Indeterminate(_)
            | Outcome::Hung
            | Outcome::LostSlot
            | Outcome::UnexpectedStatus
            | Outcome::UnexpectedBody
            | Outcome::TooLate
    )
}

/// `part / whole`; `None` when there is no whole.
#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
pub(crate) fn ratio(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::ErrorClass;

    /// Catches an outcome that is in no class, or an operation that is counted as both.
    #[test]
    fn good_errors_and_doubtful_answers_are_everything() {
        let mut counts = Counts::default();
        for outcome in Outcome::all() {
            counts.add(outcome);
        }
        let doubtful = [
            Outcome::Stale,
            Outcome::FalseMiss,
            Outcome::Foreign,
            Outcome::Contradiction,
            Outcome::IllegalKey,
        ];
        let doubtful =
            counts.bad_data() + doubtful.map(|outcome| counts.of(outcome)).iter().sum::<u64>();
        let abandoned = counts.of(Outcome::Cancelled);
        assert_eq!(counts.good() + counts.errors() + doubtful + abandoned, counts.offered());
        assert_eq!(counts.operations(), counts.offered() - 1);
        assert_eq!(Counts::from_names(&counts.by_name()), counts);
    }

    /// Catches a stored run with counts that no run has, and which ends the program that shows it.
    #[test]
    fn counts_beyond_counting_add_up_to_the_largest_number() {
        let names = ["hit", "stored", "wrong", "corrupt", "shed", "hung"];
        let names = names.map(|name| (name.to_owned(), u64::MAX)).into();
        let mut counts = Counts::from_names(&names);
        counts.merge(&counts.clone());
        counts.add(Outcome::Hit);
        assert_eq!([counts.offered(), counts.good(), counts.errors()], [u64::MAX; 3]);
        assert_eq!([counts.reads(), counts.bad_data(), counts.of(Outcome::Hit)], [u64::MAX; 3]);
        assert_eq!(counts.availability_ratio(), Some(1.0));
    }

    /// Catches a share of nothing that is shown as zero.
    #[test]
    fn shares_of_nothing_are_unknown() {
        assert_eq!(Counts::default().error_ratio(), None);
        assert_eq!(Counts::default().hit_ratio(), None);
        let mut counts = Counts::default();
        counts.add(Outcome::Error(ErrorClass::Timeout));
        counts.add(Outcome::Stored);
        assert_eq!(counts.error_ratio(), Some(0.5));
        assert_eq!(counts.hit_ratio(), None);
        assert_eq!(counts.by_name().len(), 2);
    }
}
