//! The page of a session: every scenario and client that ran, each linking to the page of its run.

use std::path::{Path, PathBuf};

use crate::record::journal::{JournalError, write_whole};
use crate::report::{Report, compare, compare_html};
use crate::run::Finished;

/// The page, in the folder that holds the runs.
const INDEX: &str = "index.html";

/// Runs that are on the page: a soak has more, and the page then has its first.
const RUNS_MAX: usize = 500;

/// What came to a report in this session.
#[derive(Debug, Default)]
pub(super) struct Index(Vec<(PathBuf, Report)>);

impl Index {
    /// Adds a run, without what only its own page shows.
    pub(super) fn add(&mut self, finished: &Finished, out: &Path) {
        let Some(folder) = &finished.folder else { return };
        if self.0.len() == RUNS_MAX {
            return;
        }
        let mut report = finished.report.clone();
        report.pieces = Vec::new();
        report.histograms.clear();
        report.data.examples = Vec::new();
        report.wire = None;
        // A link, so that the folder can be moved.
        self.0.push((folder.strip_prefix(out).unwrap_or(folder).to_owned(), report));
    }

    /// Writes the page into `out`; says where it is.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn write(&self, out: &Path) -> Result<PathBuf, JournalError> {
        let path = out.join(INDEX);
        write_whole(&path, compare_html(&compare(&self.0)).as_bytes())?;
        Ok(path)
    }
}
