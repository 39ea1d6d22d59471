//! What is told of a session, to whom.

use std::path::PathBuf;

use super::metrics::MetricsFlags;
use super::tally::FailOn;
use crate::fleet::Collection;
use crate::record::retention::Retention;

/// What is shown of a session, and what it ends with.
#[derive(Debug, Default)]
pub(super) struct Telling {
    /// Whether stdout is for programs.
    pub(super) json: bool,
    /// Whether nothing is shown but what each run came to.
    pub(super) quiet: bool,
    /// Whether a run is watched in a live view, where the terminal can show one.
    pub(super) view: bool,
    /// Whether the output of a command is shown whatever it came to.
    pub(super) verbose: bool,
    /// Whether a run is a part of another one, which has the verdict.
    pub(super) is_part: bool,
    /// What the program ends with an error for.
    pub(super) fail_on: FailOn,
    /// How often a run that proved nothing is run again.
    pub(super) retries: u32,
    /// Where all runs go as JUnit XML.
    pub(super) junit: Option<PathBuf>,
    /// Which runs stay on the disk; `None`: all.
    pub(super) retention: Option<Retention>,
    /// Where it is kept what a session without an end came to so far.
    pub(super) soak: Option<PathBuf>,
    /// Where the run of a fleet's member goes besides.
    pub(super) collection: Option<Collection>,
    /// Where figures are served.
    pub(super) metrics: MetricsFlags,
}
