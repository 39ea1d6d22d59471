//! The page of a session: every scenario and client that ran, each linking to the page of its run.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};

use crate::record::journal::{JournalError, write_whole};
use crate::report::{Report, compare, compare_html};
use crate::run::Finished;

/// The page, in the folder that holds the runs.
const INDEX: &str = "index.html";

/// Runs that are on the page: of a longer session the last ones.
const RUNS_MAX: usize = 500;

/// What came to a report in this session.
#[derive(Debug)]
pub(super) struct Index {
    out: PathBuf,
    runs: VecDeque<(PathBuf, Report)>,
}

impl Index {
    /// None yet, of those whose folders lie in `out`.
    pub(super) const fn new(out: PathBuf) -> Self {
        Self { out, runs: VecDeque::new() }
    }

    /// Adds a run, without what only its own page shows.
    pub(super) fn add(&mut self, finished: &Finished) {
        let Some(folder) = &finished.folder else { return };
        let mut report = finished.report.clone();
        report.pieces = Vec::new();
        report.histograms.clear();
        report.data.examples = Vec::new();
        report.wire = None;
        if self.runs.len() == RUNS_MAX {
            self.runs.pop_front();
        }
        self.runs.push_back((self.link(folder), report));
    }

    /// The run in this folder is gone.
    pub(super) fn forget(&mut self, folder: &Path) {
        let gone = self.link(folder);
        self.runs.retain(|(link, _)| *link != gone);
    }

    /// A link, so that the folder can be moved.
    fn link(&self, folder: &Path) -> PathBuf {
        folder.strip_prefix(&self.out).unwrap_or(folder).to_owned()
    }

    /// Writes the page; says where it is.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn write(&mut self) -> Result<PathBuf, JournalError> {
        let path = self.out.join(INDEX);
        let page = compare_html(&compare(self.runs.make_contiguous()));
        write_whole(&path, page.as_bytes())?;
        Ok(path)
    }
}
