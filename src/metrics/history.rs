//! What all runs of this process came to: counts that only grow, however many runs there are.

use std::collections::BTreeMap;

use super::ending;
use super::families::{RUNS, RUNS_FAILED, RUNS_RELAPSED, RUNS_UNRECOVERED, RUNS_VIOLATIONS};
use super::label::OTHER;
use super::page::Page;
use crate::report::Report;

/// Scenarios that are told apart; more share a name.
const SCENARIOS_MAX: usize = 256;

/// Objectives that are told apart; more share a name.
const OBJECTIVES_MAX: usize = 256;

/// What a run can come to. Each is there from a scenario's first run on: what appears with its first
/// count has not grown, for Prometheus.
const VERDICTS: [&str; 5] = ["pass", "degraded", "fail", "invalid", "vacuous"];

/// Counts over runs.
#[derive(Debug)]
pub(super) struct History {
    scenarios: BTreeMap<String, Runs>,
    objectives: BTreeMap<String, u64>,
    violations: BTreeMap<String, u64>,
}

/// The runs of one scenario.
#[derive(Debug, Default)]
struct Runs {
    verdicts: BTreeMap<&'static str, u64>,
    unrecovered: u64,
    relapsed: u64,
}

impl Default for History {
    fn default() -> Self {
        let violations = ending::kinds().into_iter().map(|kind| (kind, 0)).collect();
        Self { scenarios: BTreeMap::new(), objectives: BTreeMap::new(), violations }
    }
}

/// The counter of this name, or of those that are too many.
fn place<'a, T: Default>(
    counts: &'a mut BTreeMap<String, T>,
    name: &str,
    most: usize,
) -> &'a mut T {
    let own = counts.contains_key(name) || counts.len() < most;
    counts.entry(if own { name } else { OTHER }.to_owned()).or_default()
}

impl History {
    /// A run of this scenario begins, which is asked these objectives.
    pub(super) fn begin<'a>(&mut self, scenario: &str, asked: impl Iterator<Item = &'a str>) {
        place(&mut self.scenarios, scenario, SCENARIOS_MAX);
        asked.for_each(|name| *place(&mut self.objectives, name, OBJECTIVES_MAX) += 0);
    }

    /// A run is over.
    pub(super) fn add(&mut self, report: &Report) {
        let runs = place(&mut self.scenarios, &report.scenario, SCENARIOS_MAX);
        *runs.verdicts.entry(report.verdict.name()).or_default() += 1;
        runs.unrecovered += u64::from(report.recovery.recovered == Some(false));
        runs.relapsed += u64::from(report.recovery.relapses.is_some_and(|times| times > 0));
        for name in ending::failed(report) {
            *place(&mut self.objectives, name, OBJECTIVES_MAX) += 1;
        }
        for (kind, count) in ending::violations(report) {
            let sum = self.violations.entry(kind).or_default();
            *sum = sum.saturating_add(count);
        }
    }

    pub(super) fn show(&self, page: &mut Page) {
        for (scenario, runs) in &self.scenarios {
            for verdict in VERDICTS {
                let count = runs.verdicts.get(verdict).copied().unwrap_or_default();
                page.count(RUNS, &[scenario, verdict], count);
            }
            page.count(RUNS_UNRECOVERED, &[scenario], runs.unrecovered);
            page.count(RUNS_RELAPSED, &[scenario], runs.relapsed);
        }
        for (objective, count) in &self.objectives {
            page.count(RUNS_FAILED, &[objective], *count);
        }
        for (kind, count) in &self.violations {
            page.count(RUNS_VIOLATIONS, &[kind], *count);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Catches names without a bound, and a scenario beyond it that is not counted at all.
    #[test]
    fn scenarios_beyond_the_bound_are_counted_together() {
        let mut history = History::default();
        for number in 0..SCENARIOS_MAX + 9 {
            history.begin(&format!("s{number}"), std::iter::empty());
        }
        assert_eq!(history.scenarios.len(), SCENARIOS_MAX + 1);
        assert!(history.scenarios.contains_key(OTHER));
    }
}
