//! What a list shows of a scenario.

use super::error::FileError;
use super::fault::{self, Breaks};
use super::protocol;
use super::source::{FileText, TomlTable};
use super::suite::{self, Suite};
use crate::protocol::Protocol;

/// The head of a scenario's file.
#[derive(Clone, Debug)]
pub(super) struct Head {
    /// What it shows, in one line.
    pub(super) summary: String,
    /// The suites it belongs to.
    pub(super) suites: Vec<&'static Suite>,
    /// What is broken first, if anything is.
    pub(super) breaks: Option<Breaks>,
    /// What its nodes speak by name: it is of that protocol alone.
    pub(super) protocol: Option<Protocol>,
}

/// Reads only what a list shows.
pub(super) fn read(source: &FileText) -> Result<Head, FileError> {
    source.read(|table| {
        let nodes = table.get("nodes").map(|nodes| nodes.table()).transpose()?;
        let protocol = nodes.as_ref().map(protocol::said).transpose()?.flatten();
        let (suites, breaks) = (suite::of(table)?, fault::first(table)?);
        Ok(Head { summary: summary(table)?, suites, breaks, protocol })
    })
}

/// What it shows.
pub(super) fn summary(table: &TomlTable<'_>) -> Result<String, FileError> {
    let node = table.need("summary", "what the scenario shows, in one line")?;
    Ok(node.text()?.to_owned())
}
