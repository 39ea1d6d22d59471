//! What GitHub Actions shows of a session: annotations beside the log, and the summary of the step.
//! Formats: its workflow commands (`::error title=...::...`) and `GITHUB_STEP_SUMMARY`.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::path::PathBuf;

use crate::judge::Verdict;
use crate::report::{Report, markdown};

/// GitHub takes no more of a step's summary: a mebibyte. What does not fit is left out.
const SUMMARY_BYTES_MAX: u64 = 1 << 20;

/// Where and whether it listens.
#[derive(Debug, Default)]
pub(super) struct Github {
    /// `GITHUB_STEP_SUMMARY`.
    summary: Option<PathBuf>,
    /// `GITHUB_ACTIONS` is `true`.
    annotates: bool,
}

impl Github {
    pub(super) fn from_environment() -> Self {
        let summary = std::env::var_os("GITHUB_STEP_SUMMARY").filter(|path| !path.is_empty());
        let annotates = std::env::var_os("GITHUB_ACTIONS").is_some_and(|value| value == "true");
        Self { summary: summary.map(PathBuf::from), annotates }
    }

    /// The line that makes GitHub show a verdict, where one is worth it.
    pub(super) fn annotation(&self, report: &Report) -> Option<String> {
        let level = match report.verdict {
            Verdict::Pass => return None,
            Verdict::Fail => "error",
            Verdict::Degraded | Verdict::Invalid | Verdict::Vacuous => "warning",
        };
        let (scenario, verdict) = (property(&report.scenario), report.verdict.name());
        let why = data(&report.reasons.join("\n"));
        self.annotates.then(|| format!("::{level} title={scenario}%3A {verdict}::{why}"))
    }

    /// Adds a run to the summary.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(super) fn add_run(&self, report: &Report) -> io::Result<()> {
        if self.summary.is_none() {
            return Ok(());
        }
        self.add(&markdown(report))
    }

    /// Adds the table of a suite.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(super) fn add_table(&self, lines: &[String]) -> io::Result<()> {
        self.add(&format!("```\n{}\n```\n", lines.join("\n")))
    }

    fn add(&self, text: &str) -> io::Result<()> {
        let Some(path) = &self.summary else { return Ok(()) };
        let mut file = OpenOptions::new().create(true).append(true).open(path)?;
        let there = file.metadata()?.len();
        if there.saturating_add(text.len() as u64) > SUMMARY_BYTES_MAX {
            return Ok(());
        }
        file.write_all(text.as_bytes())?;
        file.write_all(b"\n")
    }
}

/// Text of a workflow command: line ends and percent signs are written as URLs have them.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// The same in a property, which also ends at a colon or a comma.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Catches a reason that ends its annotation, or begins another one.
    #[test]
    fn a_reason_stays_in_its_annotation() {
        assert_eq!(data("50% of it\r\n::error::x"), "50%25 of it%0D%0A::error::x");
        assert_eq!(property("a,b: c"), "a%2Cb%3A c");
    }
}
