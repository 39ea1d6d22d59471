//! What a run came to: the figures of its report, for whoever comes late.

use std::collections::BTreeMap;

use super::families::{
    BOUND, CPU_PRESSURE, DURATION, EXIT_CODE, GRADE, INTENDED, ISSUE_DELAY, MEASURED, RECOVERED,
    RECOVERY, RELAPSES, STALLS, TIMER_DELAY, VERDICT, VIOLATIONS,
};
use super::page::{Page, level};
use crate::base::family::Unit;
use crate::record::DelayUs;
use crate::report::{ObjectiveReport, Report};

/// What an objective asked, as a number.
#[derive(Clone, Debug, PartialEq)]
pub struct Asked {
    /// The objective.
    pub objective: String,
    /// The unit of its measure.
    pub unit: Unit,
    /// The bound, in that unit.
    pub limit: f64,
    /// Whether it may be this high at most; else it must be at least.
    pub at_most: bool,
}

/// The page of a run that is over.
pub(super) fn page(report: &Report, asked: &[Asked]) -> Page {
    let mut page = Page::default();
    page.level(VERDICT, &[&report.scenario, report.verdict.name()], 1.0);
    page.level(EXIT_CODE, &[], f64::from(report.exit_code));
    page.level(DURATION, &[], report.duration_s);
    page.level_of(INTENDED, &[], report.harness.tickets_issued.map(level));
    for objective in &report.objectives {
        let asked = asked.iter().find(|asked| asked.objective == objective.name);
        grade(&mut page, objective, asked);
    }
    for (kind, count) in violations(report) {
        page.level(VIOLATIONS, &[&kind], level(count));
    }
    let found = &report.recovery;
    for (until, seconds) in [
        ("first_success", found.first_success_s),
        ("sustained", found.sustained_s),
        ("hit_ratio", found.hit_ratio_s),
        ("fresh", found.fresh_s),
    ] {
        page.level_of(RECOVERY, &[until], seconds);
    }
    page.level_of(RECOVERED, &[], found.recovered.map(|well| if well { 1.0 } else { 0.0 }));
    page.level_of(RELAPSES, &[], found.relapses.map(level));
    machine(&mut page, report);
    page
}

fn machine(page: &mut Page, report: &Report) {
    let harness = &report.harness;
    page.delay(ISSUE_DELAY, harness.issue_delay_us);
    let timer = harness.timer_delay_us;
    page.delay(TIMER_DELAY, DelayUs { p50: None, p99: timer.p99, max: timer.max });
    page.level_of(CPU_PRESSURE, &[], harness.cpu_pressure);
    page.level_of(STALLS, &[], harness.stalls.count.map(level));
}

/// An objective in base units.
fn grade(page: &mut Page, objective: &ObjectiveReport, asked: Option<&Asked>) {
    let ObjectiveReport { name, measure, measured, .. } = objective;
    page.level(GRADE, &[name, grade_word(objective)], 1.0);
    let Some(asked) = asked else { return };
    let (unit, factor) = base(asked.unit);
    let at = if asked.at_most { "most" } else { "least" };
    page.level(BOUND, &[name, measure, unit, at], asked.limit / factor);
    page.level_of(MEASURED, &[name, measure, unit], measured.map(|value| value / factor));
}

/// The grade as people say it, and as dashboards show it.
fn grade_word(objective: &ObjectiveReport) -> &'static str {
    match objective.grade.to_string().as_str() {
        "pass" => "held",
        "fail" => "failed",
        _ => "not_judged",
    }
}

/// The unit that Prometheus uses, and how many of a measure's are one of it.
const fn base(unit: Unit) -> (&'static str, f64) {
    match unit {
        Unit::Microseconds => ("seconds", 1e6),
        Unit::Milliseconds => ("seconds", 1e3),
        Unit::Seconds => ("seconds", 1.0),
        Unit::Ratio => ("ratio", 1.0),
        Unit::PerSecond => ("per_second", 1.0),
        Unit::Count => ("count", 1.0),
        _ => ("number", 1.0),
    }
}

/// Wrong data by kind, under the names of the report; what nobody looked at is not there.
pub(super) fn violations(report: &Report) -> BTreeMap<String, u64> {
    let totals = serde_json::to_value(&report.data.totals).unwrap_or_default();
    let counts = totals.as_object().into_iter().flatten();
    let counts = counts.filter_map(|(kind, count)| Some((kind.clone(), count.as_u64()?)));
    let reuse = report.data.dirty_reuse.map(|count| ("dirty_reuse".to_owned(), count));
    counts.chain(reuse).collect()
}

/// The names of all objectives that failed.
pub(super) fn failed(report: &Report) -> impl Iterator<Item = &str> {
    let objectives = report.objectives.iter();
    objectives.filter(|it| grade_word(it) == "failed").map(|objective| objective.name.as_str())
}

/// Every kind of wrong data that a report may count.
pub(super) fn kinds() -> Vec<String> {
    let totals = serde_json::to_value(crate::record::DataTotals::default()).unwrap_or_default();
    let names = totals.as_object().into_iter().flatten().map(|(kind, _)| kind.clone());
    names.chain(["dirty_reuse".to_owned()]).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::judge::Grade;
    use crate::metrics::Exposition;

    fn golden() -> Report {
        let text = include_str!("../../tests/golden/report/1-with-series/report.json");
        serde_json::from_str(text).unwrap()
    }

    fn shown(report: &Report, asked: &[Asked]) -> String {
        String::from_utf8(Exposition::Text.encode(Arc::new(page(report, asked)))).unwrap()
    }

    /// Catches a figure of the report that is lost, one that is null and shown as 0, and microseconds that are
    /// passed off as seconds.
    #[test]
    fn what_the_report_knows_is_shown_and_nothing_else() {
        let mut report = golden();
        report.recovery.recovered = Some(true);
        (report.recovery.sustained_s, report.recovery.hit_ratio_s) = (Some(1.25), None);
        (report.recovery.relapses, report.harness.cpu_pressure) = (Some(2), Some(0.5));
        (report.data.totals.stale, report.data.totals.wrong) = (None, Some(3));
        report.objectives.truncate(1);
        let objective = &mut report.objectives[0];
        (objective.name, objective.measure) = ("quick".to_owned(), "longest_us".to_owned());
        (objective.measured, objective.grade) = (Some(1500.0), Grade::Fail);
        let (objective, unit) = ("quick".to_owned(), Unit::Microseconds);
        let text = shown(&report, &[Asked { objective, unit, limit: 500.0, at_most: true }]);
        for line in [
            "harness_recovered 1.0",
            "harness_recovery_seconds{until=\"sustained\"} 1.25",
            "harness_relapses 2.0",
            "harness_cpu_pressure_ratio 0.5",
            "harness_data_violations{kind=\"wrong\"} 3.0",
            "harness_objective_grade{objective=\"quick\",grade=\"failed\"} 1.0",
            "harness_objective_measured{objective=\"quick\",measure=\"longest_us\",unit=\"seconds\"} 0.0015",
            "harness_objective_bound{objective=\"quick\",measure=\"longest_us\",unit=\"seconds\",at=\"most\"} \
             0.0005",
        ] {
            assert!(text.contains(line), "{line} in {text}");
        }
        for absent in ["until=\"hit_ratio\"", "kind=\"stale\"}"] {
            assert!(!text.contains(absent), "{absent} in {text}");
        }
    }
}
