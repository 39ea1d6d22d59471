//! How the program ends, for the scripts and pipelines that ask.

use std::process::ExitCode;

/// The exit codes. Their numbers are part of the command line's contract and never change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Everything that was asked for was done, and every verdict is `pass`.
    Pass = 0,
    /// An objective failed: the verdict is `fail`.
    ObjectiveFailed = 1,
    /// The command line or a file is wrong; nothing was started.
    Usage = 2,
    /// The lab did not come up: a node, a proxy or a port.
    LabDown = 3,
    /// No verdict can be trusted: the machine was too noisy, the steady state was not steady, there
    /// were too few samples, or the fault never touched an operation.
    Inconclusive = 4,
    /// A fault of the harness itself.
    Internal = 5,
    /// Interrupted before there was a verdict.
    Interrupted = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}
