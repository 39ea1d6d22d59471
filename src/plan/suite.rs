//! Suites: scenarios that are run together. A scenario says itself which it belongs to.

use super::error::FileError;
use super::source::TomlTable;
use crate::base::family::unknown;

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
