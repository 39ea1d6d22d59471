//! The scenarios of a session, and what they came to so far.

use crate::judge::Verdict;

/// How it stands with a scenario.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Standing {
    /// It was not begun.
    #[default]
    Waits,
    /// It runs now.
    Runs,
    /// It is over; of several runs the one that weighs most.
    Over(Verdict),
    /// It cannot be had here, or was left before there was anything to judge.
    Skipped,
}

/// A scenario.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Row {
    pub(super) scenario: String,
    pub(super) standing: Standing,
    /// What its runs came to, worst last.
    verdict: Option<Verdict>,
    /// How long its last run took, in seconds.
    pub(super) lasted_s: Option<f64>,
    /// How often it came to a verdict.
    pub(super) runs: u64,
}

/// All of them, in their order: one row each, however often they run.
#[derive(Clone, Debug, Default)]
pub struct Roster {
    pub(super) rows: Vec<Row>,
    /// Which one runs, or ran last.
    pub(super) now: usize,
    /// Whether they begin again after the last one.
    pub(super) rounds: bool,
}

impl Roster {
    /// These scenarios, in this order; the skipped ones behind them.
    #[must_use]
    pub fn new(
        scenarios: impl IntoIterator<Item = String>,
        skipped: impl IntoIterator<Item = String>,
        rounds: bool,
    ) -> Self {
        let mut rows: Vec<Row> = Vec::new();
        for scenario in scenarios {
            if rows.iter().all(|row| row.scenario != scenario) {
                rows.push(Row { scenario, ..Row::default() });
            }
        }
        let skipped = skipped.into_iter();
        rows.extend(skipped.map(|scenario| Row {
            scenario,
            standing: Standing::Skipped,
            ..Row::default()
        }));
        Self { rows, now: 0, rounds }
    }

    /// Whether another scenario, or another round, may follow.
    pub(super) fn has_next(&self) -> bool {
        self.rounds || self.rows.iter().any(|row| row.standing == Standing::Waits)
    }

    pub(super) fn begin(&mut self, scenario: &str) {
        if let Some(place) = self.rows.iter().position(|row| row.scenario == scenario) {
            self.now = place;
            self.rows[place].standing = Standing::Runs;
        }
    }

    pub(super) fn end(&mut self, verdict: Verdict, lasted_s: f64) {
        if let Some(row) = self.rows.get_mut(self.now) {
            let worst = row.verdict.map_or(verdict, |before| worse(before, verdict));
            row.verdict = Some(worst);
            row.standing = Standing::Over(worst);
            row.lasted_s = Some(lasted_s);
            row.runs += 1;
        }
    }

    /// The run is over, with a report or without.
    pub(super) fn leave(&mut self) {
        if let Some(row) = self.rows.get_mut(self.now).filter(|row| row.standing == Standing::Runs)
        {
            row.standing = row.verdict.map_or(Standing::Skipped, Standing::Over);
        }
    }

    /// Each verdict and how many scenarios have come to it.
    pub(super) fn counts(&self) -> Vec<(Verdict, usize)> {
        let all =
            [Verdict::Fail, Verdict::Invalid, Verdict::Vacuous, Verdict::Degraded, Verdict::Pass];
        let count = |verdict| self.rows.iter().filter(|row| row.verdict == Some(verdict)).count();
        all.map(|verdict| (verdict, count(verdict)))
            .into_iter()
            .filter(|(_, count)| *count > 0)
            .collect()
    }
}

/// The one of two that a person wants to see: what failed, then what proved nothing.
fn worse(one: Verdict, other: Verdict) -> Verdict {
    let weight = |verdict| match verdict {
        Verdict::Pass => 0,
        Verdict::Degraded => 1,
        Verdict::Vacuous => 2,
        Verdict::Invalid => 3,
        Verdict::Fail => 4,
    };
    if weight(other) > weight(one) { other } else { one }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Catches a failure that a later pass hides, a list that grows with each round, and a next one that is
    /// promised where there is none.
    #[test]
    fn a_failure_stays_on_the_list() {
        let names = ["loss", "down", "loss"].map(str::to_owned);
        let mut roster = Roster::new(names, ["kill".to_owned()], false);
        for verdict in [Verdict::Pass, Verdict::Fail, Verdict::Pass] {
            roster.begin("loss");
            assert!(roster.has_next(), "down");
            roster.end(verdict, 20.0);
        }
        roster.begin("down");
        assert!(!roster.has_next());
        roster.leave();
        let standings: Vec<_> = roster.rows.iter().map(|row| (row.standing, row.runs)).collect();
        let over = Standing::Over(Verdict::Fail);
        assert_eq!(standings, [(over, 3), (Standing::Skipped, 0), (Standing::Skipped, 0)]);
        assert_eq!(roster.counts(), [(Verdict::Fail, 1)]);
        assert!(Roster::new([], [], true).has_next());
    }
}
