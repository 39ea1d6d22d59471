//! How a run is shown, one file each. Every format is a pure function of a stored run.

mod escape;
mod hlog;
mod html;
mod json;
mod junit;
mod markdown;
mod page;
mod subject;
pub mod text;
mod witness;

pub(super) use escape::markdown;
pub use junit::Suites;
pub use markdown::render as run_markdown;
pub(super) use page::page;

use super::stored::Stored;
use crate::record::journal::{Journal, JournalError};

/// One row of [`FORMATS`].
#[derive(Debug)]
pub struct Format {
    /// The name on the command line.
    pub name: &'static str,
    /// What it is for, in one line.
    pub summary: &'static str,
    /// Its file in a run's folder; `None`: it is only shown.
    pub file: Option<&'static str>,
    /// Renders a run.
    pub render: fn(&Stored) -> String,
}

/// Every format.
pub static FORMATS: &[Format] =
    &[json::FORMAT, text::FORMAT, html::FORMAT, markdown::FORMAT, junit::FORMAT, hlog::FORMAT];

impl Format {
    /// The format called `name`.
    #[must_use]
    pub fn find(name: &str) -> Option<&'static Self> {
        FORMATS.iter().find(|format| format.name == name)
    }
}

/// Writes every format that has a file into the run's folder, also after one that cannot be written.
/// Returns those that could not, and adds them to the limits that the report names.
pub fn write_all(journal: &Journal, run: &mut Stored) -> Vec<JournalError> {
    let write = |format: &Format, run: &Stored| {
        let file = format.file?;
        journal.write(file, (format.render)(run).as_bytes()).err()
    };
    let lost: Vec<_> = FORMATS.iter().filter_map(|format| write(format, run)).collect();
    if !lost.is_empty() {
        run.report.harness.limits.splice(0..0, lost.iter().map(ToString::to_string));
        // The first is what programs read. It was said already if it has no room.
        let _ = write(&json::FORMAT, run);
    }
    lost
}

/// Counts under a heading, the largest first: `120 error.timeout, 3 shed`.
fn largest_first(counts: &std::collections::BTreeMap<String, u64>) -> String {
    let mut counts: Vec<_> = counts.iter().collect();
    counts.sort_by(|left, right| right.1.cmp(left.1).then(left.0.cmp(right.0)));
    let counts: Vec<String> =
        counts.iter().map(|(name, count)| format!("{count} {name}")).collect();
    counts.join(", ")
}

/// `n1, n3`.
fn names(nodes: &[crate::base::name::NodeIndex]) -> String {
    let names: Vec<String> = nodes.iter().map(ToString::to_string).collect();
    names.join(", ")
}

#[cfg(test)]
mod tests;
