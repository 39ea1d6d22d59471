//! What the runs of a session came to: one exit code, and a table.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::exit::Exit;
use crate::base::time::Wall;
use crate::judge::Verdict;
use crate::report::{
    COLUMNS, REPORT_PAGE, Report, SOAK_VERSION, Skipped, SoakDay, SoakReport, SoakScenario, cut,
};

/// From which verdict on the program ends with an error.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum FailOn {
    /// Objectives that failed, and wrong data.
    #[default]
    Fail,
    /// Also what was not as it should be although every objective held.
    Degraded,
}

/// Days that are told of; of a longer session the last ones.
const DAYS_MAX: usize = 400;
/// `2026-01-31`.
const DATE_BYTES: usize = 10;
const MINUTE: Duration = Duration::from_secs(60);

impl FailOn {
    /// What the command line calls them.
    pub(super) const WORDS: [(&str, Self); 2] =
        [("fail", Self::Fail), ("degraded", Self::Degraded)];
}

/// It holds a line for each scenario, however many runs there were: a session may go on for weeks.
#[derive(Debug, Default)]
pub(super) struct Tally {
    fail_on: FailOn,
    worst: Option<Exit>,
    interrupted: bool,
    runs: u64,
    scenarios: BTreeMap<String, Line>,
    /// By date, UTC.
    days: BTreeMap<String, BTreeMap<Verdict, u64>>,
}

/// One scenario.
#[derive(Debug, Default)]
struct Line {
    verdicts: BTreeMap<Verdict, u64>,
    lasted: Duration,
    /// The worst run, the first of those alike.
    worst: Option<Worst>,
}

#[derive(Debug)]
struct Worst {
    verdict: Verdict,
    why: String,
    folder: Option<PathBuf>,
}

impl Tally {
    pub(super) fn new(fail_on: FailOn) -> Self {
        Self { fail_on, ..Self::default() }
    }

    pub(super) const fn runs(&self) -> u64 {
        self.runs
    }

    pub(super) fn add(&mut self, report: &Report, folder: Option<&Path>) {
        let exit = self.exit_of(report.verdict, report.exit_code);
        if exit == Exit::Interrupted {
            self.interrupted = true;
        } else {
            self.worst = Some(self.worst.map_or(exit, |worst| worst.worse(exit)));
        }
        self.add_day(&Wall::now().rfc3339(), report.verdict);
        let lasted = Duration::try_from_secs_f64(report.duration_s).unwrap_or_default();
        let why = report.reasons.first().cloned().unwrap_or_default();
        let run = Worst { verdict: report.verdict, why, folder: folder.map(Path::to_owned) };
        self.add_run(&report.scenario, run, exit, lasted);
    }

    fn add_run(&mut self, scenario: &str, run: Worst, exit: Exit, lasted: Duration) {
        self.runs += 1;
        let line = self.scenarios.entry(scenario.to_owned()).or_default();
        *line.verdicts.entry(run.verdict).or_default() += 1;
        line.lasted += lasted;
        // The run that somebody ended says nothing of its scenario.
        let is_worse = |worst: &Worst| run.verdict.urgency() < worst.verdict.urgency();
        if exit != Exit::Interrupted && line.worst.as_ref().is_none_or(is_worse) {
            line.worst = Some(run);
        }
    }

    fn add_day(&mut self, now: &str, verdict: Verdict) {
        let date = now.get(..DATE_BYTES).unwrap_or(now).to_owned();
        *self.days.entry(date).or_default().entry(verdict).or_default() += 1;
        if self.days.len() > DAYS_MAX {
            self.days.pop_first();
        }
    }

    /// How the program ends for one run.
    fn exit_of(&self, verdict: Verdict, code: u8) -> Exit {
        match verdict {
            Verdict::Degraded if self.fail_on >= FailOn::Degraded => Exit::ObjectiveFailed,
            _ => Exit::from_code(code),
        }
    }

    /// Each scenario, how often it came to which verdict, how long that took and why; those that were not
    /// judged; and the sum.
    pub(super) fn table(&self, skipped: &[Skipped]) -> Vec<String> {
        let judged = self.scenarios.iter().map(|(scenario, line)| {
            let why = line.worst.as_ref().map_or("", |worst| &worst.why);
            [scenario, &line.verdicts(), &seconds(line.lasted), why].map(str::to_owned)
        });
        let skipped_rows = skipped.iter();
        let skipped_rows =
            skipped_rows.map(|it| [&it.scenario, "skipped", "", &it.reason].map(str::to_owned));
        let heads = ["scenario", "verdict", "time", "why"].map(str::to_owned);
        let rows: Vec<[String; 4]> =
            std::iter::once(heads).chain(judged).chain(skipped_rows).collect();
        let width = |column: usize, most: usize| {
            let lengths = rows.iter().map(|row| row[column].chars().count());
            lengths.max().unwrap_or(0).min(most)
        };
        let (first, second) = (width(0, 28), width(1, 20));
        let row = |[scenario, verdict, time, why]: &[String; 4]| {
            let (scenario, verdict) = (cut(scenario, first), cut(verdict, second));
            let head = format!("{scenario:<first$}  {verdict:<second$} {time:>7}  ");
            let why = cut(why, COLUMNS.saturating_sub(head.chars().count()));
            (head + &why).trim_end().to_owned()
        };
        rows.iter().map(row).chain([self.sum(skipped.len())]).collect()
    }

    fn sum(&self, skipped: usize) -> String {
        let mut verdicts: BTreeMap<Verdict, u64> = BTreeMap::new();
        for (verdict, count) in self.scenarios.values().flat_map(|line| &line.verdicts) {
            *verdicts.entry(*verdict).or_default() += count;
        }
        let counted = verdicts.iter().map(|(verdict, count)| format!("{count} {}", verdict.name()));
        let skipped = (skipped > 0).then(|| format!("{skipped} skipped"));
        let counted: Vec<String> = counted.chain(skipped).collect();
        let lasted: Duration = self.scenarios.values().map(|line| line.lasted).sum();
        let runs = if self.runs == 1 { "1 run" } else { &format!("{} runs", self.runs) };
        format!("{runs} in {}: {}", seconds(lasted), counted.join(", "))
    }

    /// The same of a session that goes on, with the runs below `out`.
    pub(super) fn soak(&self, started: Wall, out: &Path) -> SoakReport {
        let scenarios = self.scenarios.iter().map(|(scenario, line)| {
            let worst = line.worst.as_ref();
            // It may have had to go since, for others.
            let folder = worst.and_then(|worst| worst.folder.as_ref()).filter(|path| path.is_dir());
            let link = folder.map(|path| path.strip_prefix(out).unwrap_or(path).join(REPORT_PAGE));
            SoakScenario {
                scenario: scenario.clone(),
                verdicts: line.verdicts.clone(),
                duration_s: line.lasted.as_secs_f64(),
                worst_verdict: worst.map(|worst| worst.verdict),
                worst_reason: worst.map(|worst| worst.why.clone()),
                worst_run: folder.map(|path| path.display().to_string()),
                link: link.map(|path| path.display().to_string()),
            }
        });
        let days = self
            .days
            .iter()
            .map(|(date, verdicts)| SoakDay { date: date.clone(), verdicts: verdicts.clone() });
        SoakReport {
            schema_version: SOAK_VERSION,
            started_at: started.rfc3339(),
            updated_at: Wall::now().rfc3339(),
            runs: self.runs,
            exit_code: self.exit(true) as u8,
            days: days.collect(),
            scenarios: scenarios.collect(),
        }
    }

    /// The exit code when there was more to run.
    pub(super) fn cut_short(&mut self, continuous: bool) -> Exit {
        self.interrupted = true;
        self.exit(continuous)
    }

    /// Ctrl-C is the normal end of a continuous session, whose exit code is then its verdict; a
    /// session that was to end by itself has none when it was cut short.
    pub(super) fn exit(&self, continuous: bool) -> Exit {
        match self.worst {
            Some(worst) if !self.interrupted => worst,
            _ => self.exit_if_cut(continuous),
        }
    }

    /// The exit code, were it cut short now.
    pub(super) fn exit_if_cut(&self, continuous: bool) -> Exit {
        match self.worst {
            Some(worst) if continuous => worst,
            Some(worst @ (Exit::ObjectiveFailed | Exit::Internal)) => worst,
            _ => Exit::Interrupted,
        }
    }
}

impl Line {
    fn verdicts(&self) -> String {
        let counted = self.verdicts.iter().map(|(verdict, count)| match count {
            1 => verdict.name().to_owned(),
            _ => format!("{count} {}", verdict.name()),
        });
        counted.collect::<Vec<_>>().join(", ")
    }
}

/// `20.5s`, `8m48s`.
fn seconds(time: Duration) -> String {
    if time < MINUTE {
        return format!("{:.1}s", time.as_secs_f64());
    }
    humantime::format_duration(Duration::from_secs(time.as_secs())).to_string().replace(' ', "")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Catches a session that was cut short between two runs and claims to have passed, and a
    /// continuous one that loses its verdict.
    #[test]
    fn what_was_cut_short_did_not_pass() {
        let tally = |worst: Option<Exit>| Tally { worst, ..Tally::default() };
        assert_eq!(tally(Some(Exit::Pass)).exit(false), Exit::Pass);
        assert_eq!(tally(Some(Exit::Pass)).cut_short(false), Exit::Interrupted);
        assert_eq!(tally(Some(Exit::Pass)).cut_short(true), Exit::Pass);
        assert_eq!(tally(Some(Exit::ObjectiveFailed)).cut_short(false), Exit::ObjectiveFailed);
        assert_eq!(tally(None).cut_short(true), Exit::Interrupted);
        // Nor has it passed before it is over, should it be left at once.
        assert_eq!(tally(Some(Exit::Pass)).exit_if_cut(false), Exit::Interrupted);
        assert_eq!(tally(Some(Exit::Inconclusive)).exit_if_cut(true), Exit::Inconclusive);
    }

    /// Catches a degraded run that ends well although that is not wanted, or badly although nobody asked.
    #[test]
    fn degraded_fails_where_that_is_wanted() {
        let exit = |fail_on, verdict| Tally::new(fail_on).exit_of(verdict, 0);
        assert_eq!(exit(FailOn::Fail, Verdict::Degraded), Exit::Pass);
        assert_eq!(exit(FailOn::Degraded, Verdict::Degraded), Exit::ObjectiveFailed);
        assert_eq!(exit(FailOn::Degraded, Verdict::Pass), Exit::Pass);
    }

    /// Catches a table that grows with every run or wraps, one that loses a verdict, a reason that is not
    /// that of the worst run, a sum that does not add up, and days without end.
    #[test]
    fn a_table_counts() {
        let mut tally = Tally::default();
        for (scenario, verdict, exit, why) in [
            ("loss", Verdict::Pass, Exit::Pass, "all held"),
            (
                "loss",
                Verdict::Fail,
                Exit::ObjectiveFailed,
                "no-errors: error_ratio is 8.333% (at most 0.1% asked)",
            ),
            ("down", Verdict::Pass, Exit::Pass, "all held"),
            ("loss", Verdict::Pass, Exit::Pass, "all held"),
            ("old", Verdict::Pass, Exit::Pass, "all held"),
            ("old", Verdict::Degraded, Exit::Pass, "stale reads: 2"),
            ("old", Verdict::Invalid, Exit::Interrupted, "interrupted"),
        ] {
            let run = Worst { verdict, why: why.to_owned(), folder: Some("gone".into()) };
            tally.add_run(scenario, run, exit, Duration::from_secs(20));
        }
        let skipped = [Skipped { scenario: "kill".to_owned(), reason: "no process".to_owned() }];
        let expected = [
            "scenario  verdict                 time  why",
            "down      pass                   20.0s  all held",
            "loss      2 pass, fail              1m  no-errors: error_ratio is 8.333% (at...",
            "old       pass, degraded, i...      1m  stale reads: 2",
            "kill      skipped                       no process",
            "7 runs in 2m20s: 4 pass, 1 degraded, 1 fail, 1 invalid, 1 skipped",
        ];
        assert_eq!(tally.table(&skipped), expected);
        for day in ["2026-01-31T23:59:59Z", "2026-02-01T00:00:00Z", "2026-02-01T00:00:01Z"] {
            tally.add_day(day, Verdict::Pass);
        }
        let soak = tally.soak(Wall::now(), Path::new("runs"));
        let told: serde_json::Value = serde_json::from_str(&soak.to_json()).unwrap();
        assert_eq!(told["runs"], 7);
        let loss = &told["scenarios"][1];
        assert_eq!((&loss["verdicts"]["pass"], &loss["verdicts"]["fail"]), (&json!(2), &json!(1)));
        assert_eq!((&loss["worst_verdict"], &loss["worst_run"]), (&json!("fail"), &json!(null)));
        assert_eq!(told["days"][1], json!({ "date": "2026-02-01", "verdicts": { "pass": 2 } }));
        let page = soak.to_html();
        let place = |word: &str| page.find(word).unwrap_or_else(|| panic!("no {word}: {page}"));
        assert!(place(">loss<") < place(">down<") && place("2 pass, 1 fail") > 0, "{page}");
        for day in 0..2 * DAYS_MAX {
            tally.add_day(&format!("day-{day:06}"), Verdict::Pass);
        }
        assert_eq!(tally.days.len(), DAYS_MAX);
    }
}
