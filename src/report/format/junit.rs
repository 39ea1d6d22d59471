//! JUnit XML: each run a suite, each objective a test case, the verdict one of its own. For CI systems.

use std::fmt::Write as _;

use super::escape::escaped;
use super::{Format, witness};
use crate::judge::{Grade, Verdict};
use crate::report::Skipped;
use crate::report::model::Report;

pub(super) const FORMAT: Format = Format {
    name: "junit",
    summary: "JUnit XML, each objective a test case",
    file: Some("junit.xml"),
    render: |run| xml([suite(&run.report)]),
};

/// Runs that one file holds; of those after them it holds the number.
const SUITES_MAX: usize = 1_000;

/// The runs of a session in one file.
#[derive(Debug, Default)]
pub struct Suites {
    suites: Vec<String>,
    left_out: u64,
}

impl Suites {
    /// Adds a run.
    pub fn add(&mut self, report: &Report) {
        self.push(|| suite(report));
    }

    /// Adds a scenario that was not run, with its reason.
    pub fn skip(&mut self, skipped: &Skipped) {
        self.push(|| {
            let (scenario, why) = (escaped(&skipped.scenario), escaped(&skipped.reason));
            format!(
                "  <testsuite name=\"{scenario}\" tests=\"1\" skipped=\"1\">\n    <testcase \
                 classname=\"harness.{scenario}\" name=\"verdict\">\n      <skipped \
                 message=\"{why}\"/>\n    </testcase>\n  </testsuite>\n"
            )
        });
    }

    fn push(&mut self, suite: impl FnOnce() -> String) {
        if self.suites.len() < SUITES_MAX {
            self.suites.push(suite());
        } else {
            self.left_out += 1;
        }
    }

    /// The file.
    #[must_use]
    pub fn xml(&self) -> String {
        let more = (self.left_out > 0).then(|| {
            let said = format!("{} more runs are not in here", self.left_out);
            format!("  <testsuite name=\"more\"><system-out>{said}</system-out></testsuite>\n")
        });
        xml(self.suites.iter().cloned().chain(more))
    }
}

fn xml(suites: impl IntoIterator<Item = String>) -> String {
    let suites: String = suites.into_iter().collect();
    format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n{suites}</testsuites>\n")
}

/// A test case that did not pass: the element, and what it says.
type Problem = (&'static str, String);

fn suite(report: &Report) -> String {
    let mut cases: Vec<(String, Option<Problem>)> = vec![("verdict".to_owned(), verdict(report))];
    for objective in &report.objectives {
        let problem = match objective.grade {
            Grade::Pass => None,
            Grade::Fail => Some(("failure", objective.why.clone())),
            // Not skipped: CI systems show a skipped test in green, and unknown is not passed.
            Grade::Inconclusive => Some(("error", objective.why.clone())),
        };
        cases.push((objective.name.clone(), problem));
    }
    let count = |kind| {
        cases.iter().filter(|(_, problem)| problem.as_ref().is_some_and(|p| p.0 == kind)).count()
    };
    let head = format!(
        "name=\"{}\" tests=\"{}\" failures=\"{}\" errors=\"{}\" time=\"{:.3}\"",
        escaped(&report.scenario),
        cases.len(),
        count("failure"),
        count("error"),
        report.duration_s,
    );
    let mut xml = String::new();
    // Writing into a String cannot fail, here and below.
    let _ = writeln!(xml, "  <testsuite {head} timestamp=\"{}\">", escaped(&report.started_at));
    properties(&mut xml, report);
    for (name, problem) in &cases {
        case(&mut xml, &report.scenario, name, problem.as_ref());
    }
    if !report.harness.limits.is_empty() {
        // Such as changes that somebody made while it ran.
        let limits: Vec<String> =
            report.harness.limits.iter().map(|limit| escaped(limit)).collect();
        let _ = writeln!(xml, "    <system-out>{}</system-out>", limits.join("\n"));
    }
    let last_words = witness::command(report).map(witness::last_words).unwrap_or_default();
    if !last_words.is_empty() {
        let lines: Vec<String> = last_words.iter().map(|line| escaped(line)).collect();
        let _ = writeln!(xml, "    <system-err>{}</system-err>", lines.join("\n"));
    }
    xml.push_str("  </testsuite>\n");
    xml
}

/// What the run was, for whoever wants it again.
fn properties(xml: &mut String, report: &Report) {
    let properties = [
        ("verdict", report.verdict.name().to_owned()),
        ("seed", report.seed.to_string()),
        ("workload", report.workload.clone()),
        ("client", report.client_profile.clone()),
        ("harness", report.version.clone()),
    ];
    xml.push_str("    <properties>\n");
    for (name, value) in properties {
        let value = escaped(&value);
        let _ = writeln!(xml, "      <property name=\"{name}\" value=\"{value}\"/>");
    }
    xml.push_str("    </properties>\n");
}

fn verdict(report: &Report) -> Option<Problem> {
    let why = format!("{}: {}", report.verdict.name(), report.reasons.join("; "));
    match report.verdict {
        Verdict::Pass | Verdict::Degraded => None,
        Verdict::Fail => Some(("failure", why)),
        Verdict::Invalid | Verdict::Vacuous => Some(("error", why)),
    }
}

fn case(xml: &mut String, scenario: &str, name: &str, problem: Option<&Problem>) {
    let (scenario, name) = (escaped(scenario), escaped(name));
    let head = format!("    <testcase classname=\"harness.{scenario}\" name=\"{name}\"");
    let _ = match problem {
        None => writeln!(xml, "{head}/>"),
        Some((kind, why)) => {
            writeln!(xml, "{head}>\n      <{kind} message=\"{}\"/>\n    </testcase>", escaped(why))
        }
    };
}
