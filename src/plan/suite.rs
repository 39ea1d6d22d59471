//! Suites: scenarios that are run together. A scenario says itself which of ours it belongs to; a file with
//! `[[run]]` is a suite by itself.

use super::error::FileError;
use super::source::{FileText, TomlTable};
use crate::base::family::unknown;

/// The list of a suite's file: what is run, one after the other.
pub(super) const RUN: &str = "run";

/// What a suite's file may have.
pub(super) const KEYS: [&str; 2] = ["summary", RUN];

/// What a run may say of a scenario that it names.
pub(super) const RUN_KEYS: [&str; 8] =
    ["name", "scenario", "duration", "workload", "client", "rate", "concurrency", "direct"];

/// The most runs of one file.
pub(super) const RUNS_MAX: usize = 1000;

/// How many runs a file has, where it is a suite's.
pub(super) fn runs(source: &FileText) -> Result<Option<usize>, FileError> {
    source.read(|table| {
        let Some(node) = table.get(RUN) else { return Ok(None) };
        table.only("key", &KEYS)?;
        match node.list()?.len() {
            count @ 1..=RUNS_MAX => Ok(Some(count)),
            _ => Err(node.error_at_key(format!("a suite has 1 to {RUNS_MAX} runs"))),
        }
    })
}

/// Scenarios that are run together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Suite {
    /// The name on the command line and in files.
    pub name: &'static str,
    /// What it is for, in one line.
    pub summary: &'static str,
}

/// Every scenario, whether it says so or not.
pub(super) const FULL: &str = "full";

/// The suites, from the shortest to the longest.
pub static SUITES: &[Suite] = &[
    Suite { name: "smoke", summary: "is the client in order at all? About two minutes" },
    Suite { name: "ci", summary: "what a change of a client must pass: one of each kind of fault" },
    Suite { name: FULL, summary: "every scenario there is" },
];

/// The suites that a scenario's `suites` names; every scenario is in `full`.
pub(super) fn of(table: &TomlTable<'_>) -> Result<Vec<&'static Suite>, FileError> {
    let mut suites = Vec::new();
    for word in table.list("suites")? {
        let name = word.text()?;
        let names: Vec<&str> = SUITES.iter().map(|suite| suite.name).collect();
        let suite = SUITES.iter().find(|suite| suite.name == name);
        suites.push(suite.ok_or_else(|| word.error(unknown("suite", name, &names)))?);
    }
    suites.extend(SUITES.iter().filter(|suite| suite.name == FULL));
    suites.dedup();
    Ok(suites)
}
