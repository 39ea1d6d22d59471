//! JUnit XML: each objective a test case, the verdict one of its own. For CI systems.

use std::fmt::Write as _;

use super::escape::escaped;
use super::{Format, witness};
use crate::judge::{Grade, Verdict};
use crate::report::model::Report;

pub(super) const FORMAT: Format = Format {
    name: "junit",
    summary: "JUnit XML, each objective a test case",
    file: Some("junit.xml"),
    render: |run| render(&run.report),
};

/// A test case that did not pass: the element, and what it says.
type Problem = (&'static str, String);

fn render(report: &Report) -> String {
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
    let suite = format!(
        "name=\"{}\" tests=\"{}\" failures=\"{}\" errors=\"{}\" time=\"{:.3}\"",
        escaped(&report.scenario),
        cases.len(),
        count("failure"),
        count("error"),
        report.duration_s,
    );
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    // Writing into a String cannot fail, here and below.
    let _ = writeln!(xml, "<testsuites>");
    let _ = writeln!(xml, "  <testsuite {suite} timestamp=\"{}\">", escaped(&report.started_at));
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
    xml.push_str("  </testsuite>\n</testsuites>\n");
    xml
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
