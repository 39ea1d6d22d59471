//! Runs smaller and smaller plans for as long as they fail like the first.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::time::Instant;

use super::{Environment, Observer, RunError, run};
use crate::judge::{Grade, Verdict};
use crate::plan::{Outcome, Plan, Shrink, Votes};
use crate::report::{Line, Report};

/// What a run takes besides its phases: to come up, to drain, to be undone.
const AROUND: Duration = Duration::from_secs(5);

/// Why a run failed: what another must have in common with it to count as the same failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason(BTreeSet<String>);

impl Reason {
    /// The reason of a run that failed: the objectives that did; where none did, the first sentence of
    /// its verdict, whatever its numbers.
    #[must_use]
    pub fn of(report: &Report) -> Option<Self> {
        if report.verdict != Verdict::Fail {
            return None;
        }
        let failed = report.objectives.iter().filter(|it| it.grade == Grade::Fail);
        let failed: BTreeSet<String> = failed.map(|it| it.name.clone()).collect();
        let first =
            || report.reasons.first().map(|it| it.replace(|c: char| c.is_ascii_digit(), ""));
        Some(Self(if failed.is_empty() { first().into_iter().collect() } else { failed }))
    }

    /// Only that this objective failed.
    #[must_use]
    pub fn only(&self, objective: &str) -> Option<Self> {
        self.0.contains(objective).then(|| Self(BTreeSet::from([objective.to_owned()])))
    }

    /// What failed.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    fn outcome(&self, report: &Report) -> Outcome {
        match Self::of(report) {
            Some(reason) if !reason.0.is_disjoint(&self.0) => Outcome::Same,
            None if report.verdict == Verdict::Invalid => Outcome::Unknown,
            _ => Outcome::Other,
        }
    }
}

/// How a search ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// There was nothing left to try.
    Complete,
    /// Another run would have taken longer than there was time.
    Budget,
    /// Somebody stopped it.
    Interrupted,
}

/// Runs what `shrink` wants tried until it wants nothing more, the `budget` is used up or somebody stops
/// it; `say` is told what is tried and what came of it.
///
/// # Errors
/// When a run does not come to a report.
pub async fn shrink(
    shrink: &mut Shrink,
    reason: &Reason,
    budget: Duration,
    environment: &Environment,
    say: &mut dyn FnMut(&str),
) -> Result<Ended, RunError> {
    let end = Instant::now() + budget;
    let mut runs = 0_u32;
    while let Some(plan) = shrink.candidate() {
        if Instant::now() + plan.phases.total() + AROUND > end {
            return Ok(Ended::Budget);
        }
        runs += 1;
        let report = match run(plan, environment, &mut Quiet).await {
            Ok(finished) => finished.report,
            Err(RunError::Interrupted) => return Ok(Ended::Interrupted),
            Err(error) => return Err(error),
        };
        if environment.interrupt.is_cancelled() {
            return Ok(Ended::Interrupted);
        }
        let outcome = reason.outcome(&report);
        let came = match outcome {
            Outcome::Same => "fails the same".to_owned(),
            Outcome::Other => format!("{}, another outcome", report.verdict.name()),
            Outcome::Unknown => "invalid, nothing can be said".to_owned(),
        };
        say(&format!("run {runs}: {}: {came}", shrink.trying()));
        shrink.tell(outcome);
    }
    Ok(Ended::Complete)
}

/// The least that a search for `plan` takes: its first runs.
#[must_use]
pub fn least_budget(plan: &Plan, votes: Votes) -> Duration {
    (plan.phases.total() + AROUND) * votes.wanted
}

/// The runs are stored; the screen is for the search.
struct Quiet;

impl Observer for Quiet {
    fn line(&mut self, _line: &Line) {}
    fn note(&mut self, _text: &str) {}
    fn warn(&mut self, _text: &str) {}
}
