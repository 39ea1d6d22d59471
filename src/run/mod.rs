//! The composition root: plan → lab → load → record → judge → report, in that order, undone in
//! reverse. It decides nothing; it puts the parts together and hands plain data between them.

mod calibration;
mod control;
mod desk;
mod dials;
mod facts;
mod fleet;
mod keeping;
mod machine;
mod merge;
mod noise;
mod phase_file;
mod phases;
mod rebuild;
mod scenario;
pub mod selftest;
mod setup;
mod shrink;
mod sink;
mod stage;
mod teardown;
mod turns;
mod up;
mod waits;
mod wire;

use tokio_util::sync::CancellationToken;

pub use self::calibration::calibrate;
pub use self::desk::{Finished, Left};
pub use self::merge::{MergeError, Merged, leave_facts, merge};
pub use self::rebuild::{RebuildError, rebuild};
pub use self::scenario::{possible, run};
pub use self::shrink::{Ended, Reason, least_budget, shrink};
pub use self::up::{Up, Wanted};
use crate::client::ConfigError;
use crate::fleet::Seat;
use crate::lab::Programs;
use crate::lab::error::LabError;
use crate::load::LoadError;
use crate::metrics::Board;
use crate::report::Line;
use crate::subject::{builtin, driver, service};

/// What the outside world gives a run. Read once, by the command line.
#[derive(Clone, Debug)]
pub struct Environment {
    /// Where other programs are.
    pub programs: Programs,
    /// Ends the run early: it heals, drains and reports what there is.
    pub interrupt: CancellationToken,
    /// Where a scraper finds its figures.
    pub board: Board,
    /// Its place among the machines that make the run; `None`: it is by itself.
    pub fleet: Option<Seat>,
}

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The lab did not come up, or broke.
    #[error(transparent)]
    Lab(#[from] LabError),
    /// Somebody stopped the run before there was anything to judge.
    #[error("interrupted before there was anything to judge")]
    Interrupted,
    /// The client refuses its settings.
    #[error("client: {0}")]
    Client(#[from] ConfigError),
    /// The load cannot be started.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The driver of the client cannot be used.
    #[error("{0}")]
    Driver(String),
    /// The command cannot be started.
    #[error("cannot start the command `{program}`: {why}")]
    Command {
        /// Its program.
        program: String,
        /// Why.
        why: String,
    },
    /// The service cannot be used.
    #[error("{0}")]
    Service(String),
    /// Members of the fleet are not there.
    #[error("{0}")]
    Fleet(String),
    /// Something in the harness itself.
    #[error("{0}")]
    Internal(String),
}

impl From<builtin::StartError> for RunError {
    fn from(error: builtin::StartError) -> Self {
        match error {
            builtin::StartError::Client(error) => Self::Client(error),
            builtin::StartError::Load(error) => Self::Load(error),
        }
    }
}

impl From<driver::StartError> for RunError {
    fn from(error: driver::StartError) -> Self {
        Self::Driver(error.to_string())
    }
}

impl From<service::StartError> for RunError {
    fn from(error: service::StartError) -> Self {
        match error {
            service::StartError::Load(error) => Self::Load(error),
            other => Self::Service(other.to_string()),
        }
    }
}

/// Who looks on while a run goes: the screen, or a pipe full of JSON. Must not block for long.
pub trait Observer {
    /// Something for programs: the start, an interval, an event, the report.
    fn line(&mut self, line: &Line);
    /// Something for people: what is being waited for, what they should know.
    fn note(&mut self, text: &str);
    /// What a command wrote, the last of it, when it has ended.
    fn output(&mut self, _lines: &[String]) {}
    /// Something that was lost, for people: also where stdout is for them, it goes to stderr.
    fn warn(&mut self, text: &str) {
        self.note(text);
    }
}
