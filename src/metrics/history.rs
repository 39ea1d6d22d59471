//! What all runs of this process came to: counts that only grow, however many runs there are.

use std::collections::BTreeMap;

use super::ending;
use super::families::{RUNS, RUNS_FAILED, RUNS_RELAPSED, RUNS_UNRECOVERED, RUNS_VIOLATIONS};
use super::label::OTHER;
use super::page::Page;
use super::sources::About;
use crate::report::Report;

/// Scenarios that are told apart; more share a name.
const SCENARIOS_MAX: usize = 256;

/// Objectives that are told apart; more share a name.
const OBJECTIVES_MAX: usize = 256;

/// What a run can come to. Each is there from a scenario's first run on: what appears with its first
/// count has not grown, for Prometheus.
const VERDICTS: [&str; 5] = ["pass", "degraded", "fail", "invalid", "vacuous"];

/// Counts over runs.
#[derive(Debug, Default)]
pub(super) struct History {
    scenarios: BTreeMap<String, Runs>,
    objectives: BTreeMap<String, u64>,
    violations: BTreeMap<String, Violations>,
}

/// Wrong data of one kind.
#[derive(Debug, Default)]
struct Violations {
    count: u64,
    /// Runs that looked for it, and runs that were to and could not.
    looked: u64,
    blind: u64,
}

impl Violations {
    /// 0 is a count where somebody has looked, or begins to.
    const fn is_known(&self) -> bool {
        self.looked > 0 || self.blind == 0
    }
}

/// The runs of one scenario.
#[derive(Debug, Default)]
struct Runs {
    verdicts: BTreeMap<&'static str, u64>,
    unrecovered: u64,
    relapsed: u64,
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
    /// A run begins, which is asked these objectives. The wrong data that it looks for is there from now
    /// on, because what appears with its first count has not grown.
    pub(super) fn begin<'a>(&mut self, about: &About, asked: impl Iterator<Item = &'a str>) {
        place(&mut self.scenarios, &about.scenario, SCENARIOS_MAX);
        let kinds = about.checks_data.then(ending::kinds).into_iter().flatten();
        kinds.for_each(|kind| self.violations.entry(kind).or_default().looked += 0);
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
        let found = ending::violations(report);
        let unseen = self.violations.iter_mut().filter(|(kind, _)| !found.contains_key(*kind));
        unseen.for_each(|(_, violations)| violations.blind += 1);
        for (kind, count) in found {
            let violations = self.violations.entry(kind).or_default();
            violations.count = violations.count.saturating_add(count);
            violations.looked += 1;
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
        for (kind, violations) in self.violations.iter().filter(|(_, it)| it.is_known()) {
            page.count(RUNS_VIOLATIONS, &[kind], violations.count);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::metrics::Exposition;

    fn about(scenario: &str, checks_data: bool) -> About {
        About {
            scenario: scenario.to_owned(),
            subject: String::new(),
            workload: String::new(),
            client_profile: String::new(),
            network: String::new(),
            seed: 1,
            planned: Duration::ZERO,
            tells_nodes: true,
            checks_data,
        }
    }

    /// Catches names without a bound, and a scenario beyond it that is not counted at all.
    #[test]
    fn scenarios_beyond_the_bound_are_counted_together() {
        let mut history = History::default();
        for number in 0..SCENARIOS_MAX + 9 {
            history.begin(&about(&format!("s{number}"), true), std::iter::empty());
        }
        assert_eq!(history.scenarios.len(), SCENARIOS_MAX + 1);
        assert!(history.scenarios.contains_key(OTHER));
    }

    fn count(history: &History, kind: &str) -> Option<u64> {
        let mut page = Page::default();
        history.show(&mut page);
        let text = String::from_utf8(Exposition::Text.encode(Arc::new(page))).unwrap();
        let begins = format!("harness_runs_violations_total{{kind=\"{kind}\"}} ");
        text.lines().find_map(|line| line.strip_prefix(&begins)?.parse().ok())
    }

    /// Catches wrong data that nobody looked for and that is shown as none, and a counter that appears with
    /// its first count, which has not grown for whoever scrapes it.
    #[test]
    fn what_nobody_looked_for_is_absent() {
        let text = include_str!("../../tests/golden/report/1-with-series/report.json");
        let mut report: Report = serde_json::from_str(text).unwrap();
        report.data.totals = crate::record::DataTotals::default();
        let mut history = History::default();
        history.begin(&about("command", false), std::iter::empty());
        history.add(&report);
        assert_eq!(count(&history, "wrong"), None, "a command's values are nobody's to check");
        history.begin(&about("s", true), std::iter::empty());
        assert_eq!(count(&history, "wrong"), Some(0));
        (report.data.totals.wrong, report.data.totals.stale) = (Some(3), None);
        history.add(&report);
        assert_eq!((count(&history, "wrong"), count(&history, "stale")), (Some(3), None));
        report.data.totals.stale = Some(2);
        history.add(&report);
        report.data.totals.stale = None;
        history.add(&report);
        assert_eq!((count(&history, "wrong"), count(&history, "stale")), (Some(9), Some(2)));
    }
}
