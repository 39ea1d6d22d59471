//! Clients side by side: what several runs of the same scenarios came to, one row a scenario and client.

mod show;

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Serialize;

pub use self::show::{html, markdown, text};
use super::Report;
use crate::event::{Phase, SERVICE};
use crate::judge::Verdict;

/// Runs of one client under one scenario. Each figure but `wrong` is the median of those runs that could be judged;
/// `null`: none of them has it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ComparedRow {
    /// The scenario.
    pub scenario: String,
    /// The client, with its version where it has one of its own.
    pub client: String,
    /// How many runs there are.
    pub runs: usize,
    /// How many of them were invalid or vacuous: they are in no figure.
    pub not_judged: usize,
    /// The worst verdict of those that were judged; `null`: none was.
    pub verdict: Option<Verdict>,
    /// Wrong and corrupt values, contradictions and values that were lost or doubled: the most of any run, since once
    /// is too often.
    pub wrong: Option<f64>,
    /// Stale values.
    pub stale: Option<f64>,
    /// Misses of values that the key's own node held, and those that no node has answered.
    pub false_misses: Option<f64>,
    /// The share of operations that failed while a fault was active, 0 to 1.
    pub error_ratio: Option<f64>,
    /// The longest call, in microseconds.
    pub longest_us: Option<f64>,
    /// From the heal to the first answer of the faulty node, in seconds.
    pub first_success_s: Option<f64>,
    /// From the heal until it was as good as before, in seconds.
    pub sustained_s: Option<f64>,
    /// The most attempts to connect in a second.
    pub connects_per_s: Option<f64>,
    /// The seeds, which make the same decisions again.
    pub seeds: Vec<u64>,
    /// The folders of the runs, as they were named.
    pub folders: Vec<PathBuf>,
}

/// A row for each scenario and client, in the order of their names.
#[must_use]
pub fn compare(reports: &[(PathBuf, Report)]) -> Vec<ComparedRow> {
    let mut groups: BTreeMap<(String, String), Vec<&(PathBuf, Report)>> = BTreeMap::new();
    for run in reports {
        groups.entry((run.1.scenario.clone(), client(&run.1))).or_default().push(run);
    }
    groups.into_iter().map(|((scenario, client), runs)| row(scenario, client, &runs)).collect()
}

/// What tells a client from others: a driver's own name would hide its settings, and a service has none
/// but its own.
fn client(report: &Report) -> String {
    let subject = report.subject.as_ref().filter(|subject| subject.kind != "builtin");
    if let Some(service) = subject.filter(|subject| subject.kind == SERVICE) {
        return service.name.clone();
    }
    match subject.and_then(|subject| subject.version.as_deref()) {
        Some(version) => format!("{} {version}", report.client_profile),
        None => report.client_profile.clone(),
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts and microseconds are far below 2^53")]
fn row(scenario: String, client: String, runs: &[&(PathBuf, Report)]) -> ComparedRow {
    let is_judged = |run: &&Report| !run.verdict.proves_nothing();
    let judged: Vec<&Report> = runs.iter().map(|(_, run)| run).filter(is_judged).collect();
    let of = |read: &dyn Fn(&Report) -> Option<f64>| {
        median(judged.iter().filter_map(|run| read(run)).collect())
    };
    let sum = |counts: &[Option<u64>]| {
        let known: Vec<u64> = counts.iter().copied().flatten().collect();
        (!known.is_empty()).then(|| known.iter().sum::<u64>() as f64)
    };
    ComparedRow {
        runs: runs.len(),
        not_judged: runs.len() - judged.len(),
        verdict: judged.iter().map(|run| run.verdict).max_by_key(|verdict| severity(*verdict)),
        wrong: {
            let each =
                judged.iter().filter_map(|run| sum(&wrong_by_kind(run).map(|(_, count)| count)));
            each.max_by(f64::total_cmp)
        },
        stale: of(&|run| run.data.totals.stale.map(|count| count as f64)),
        false_misses: of(&|run| {
            let unanswered = run.subject.as_ref().and_then(|it| it.misses_unanswered);
            sum(&[run.data.totals.false_misses, unanswered])
        }),
        error_ratio: of(&|run| phase(run, Phase::Fault)?.error_ratio),
        longest_us: of(&|run| {
            let phases = run.phases.iter().filter(|phase| phase.all.name != Phase::Warmup);
            let longest = phases.filter_map(|phase| phase.all.figures.response_time_us?.max);
            longest.max().map(|longest| longest as f64)
        }),
        first_success_s: of(&|run| run.recovery.first_success_s),
        sustained_s: of(&|run| run.recovery.sustained_s),
        connects_per_s: of(&|run| run.load.connect_peak_per_s),
        seeds: runs.iter().map(|(_, run)| run.seed).collect(),
        folders: runs.iter().map(|(folder, _)| folder.clone()).collect(),
        scenario,
        client,
    }
}

/// Values that nobody stored or stored elsewhere, and those that were lost or doubled; `None`: not checked.
pub(super) fn wrong_by_kind(report: &Report) -> [(&'static str, Option<u64>); 5] {
    let data = &report.data.totals;
    [
        ("wrong values", data.wrong),
        ("corrupt values", data.corrupt),
        ("contradictions", data.contradictions),
        ("writes lost", data.acknowledged_but_lost),
        ("applied twice", data.double_applied),
    ]
}

fn phase(run: &Report, wanted: Phase) -> Option<&super::model::Figures> {
    run.phases.iter().find(|phase| phase.all.name == wanted).map(|phase| &phase.all.figures)
}

const fn severity(verdict: Verdict) -> u8 {
    match verdict {
        Verdict::Pass => 0,
        Verdict::Degraded => 1,
        Verdict::Vacuous => 2,
        Verdict::Invalid => 3,
        Verdict::Fail => 4,
    }
}

/// The middle one, or the mean of the two in the middle.
fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_unstable_by(f64::total_cmp);
    let middle = values.len() / 2;
    let upper = *values.get(middle)?;
    Some(if values.len() % 2 == 1 { upper } else { f64::midpoint(values[middle - 1], upper) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::judge;
    use crate::record::synthetic::{Story, usual};
    use crate::report::Header;

    fn run(client: &str, verdict: Verdict, wrong: u64) -> (PathBuf, Report) {
        let summary = Story::default().tell(usual);
        let header = Header { client_profile: client.to_owned(), ..Header::synthetic() };
        let mut report = Report::new(header, &summary, &judge(&summary, &[]));
        report.verdict = verdict;
        report.data.totals.wrong = Some(wrong);
        (PathBuf::from(format!("runs/{client}")), report)
    }

    /// Catches an invalid run that is in a figure, a mean that is called a median, and clients that are
    /// taken for one.
    #[test]
    fn a_row_is_the_median_of_what_was_judged() {
        let runs = [
            run("b", Verdict::Pass, 0),
            run("a", Verdict::Fail, 7),
            run("a", Verdict::Pass, 0),
            run("a", Verdict::Degraded, 1),
            run("a", Verdict::Invalid, 900),
        ];
        let rows = compare(&runs);
        assert_eq!(rows.iter().map(|row| row.client.as_str()).collect::<Vec<_>>(), ["a", "b"]);
        let base = rows[1].wrong.unwrap();
        assert_eq!(rows[0].wrong, Some(base + 7.0), "no other run makes it good");
        assert_eq!((rows[0].runs, rows[0].not_judged), (4, 1));
        assert_eq!(rows[0].verdict, Some(Verdict::Fail));
        let table = markdown(&rows);
        assert_eq!(table.lines().count(), 4, "{table}");
        assert!(table.contains("| 4 (1 not judged) |"), "{table}");
        assert!(text(&rows).lines().count() == 4, "{}", text(&rows));
        let mut other = run("a", Verdict::Pass, 0);
        other.1.scenario = "another".to_owned();
        let several = markdown(&compare(&[&runs[..], &[other]].concat()));
        assert!(several.starts_with("| client | pass | degraded | fail |"), "{several}");
        assert!(several.contains("| a | 1 | 0 | 1 | 1 | 0 |"), "{several}");
        assert!(
            several.contains("| scenario | a | b |\n|---|---|---|\n| another | pass | not run |"),
            "{several}"
        );
        assert!(several.contains(" | fail, wrong data | pass |\n"), "{several}");
        let page = html(&rows);
        assert!(page.contains("href=\"runs/a/report.html\"") && page.contains("4 (1 not judged)"));
        let none = compare(&[run("a<b", Verdict::Invalid, 900)]);
        assert_eq!((none[0].verdict, none[0].wrong), (None, None));
        assert!(markdown(&none).contains("not judged"));
        assert!(html(&none).contains("a&lt;b") && html(&none).contains("not judged"));
    }
}
