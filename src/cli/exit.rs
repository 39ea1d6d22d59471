//! How the program ends, for the scripts and pipelines that ask.

use std::process::ExitCode;

/// The exit codes. Their numbers are part of the command line's contract and never change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::FromRepr)]
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

impl Exit {
    /// The exit with this code; an unknown one is a fault of ours.
    pub(super) fn from_code(code: u8) -> Self {
        Self::from_repr(code).unwrap_or(Self::Internal)
    }

    /// The one that a session of both should end with: a failed objective outweighs a run that
    /// nobody can judge, and both a pass.
    pub(super) const fn worse(self, other: Self) -> Self {
        if self.weight() >= other.weight() { self } else { other }
    }

    const fn weight(self) -> u8 {
        match self {
            Self::Pass => 0,
            Self::Interrupted => 1,
            Self::Inconclusive => 2,
            Self::ObjectiveFailed => 3,
            Self::Usage => 4,
            Self::LabDown => 5,
            Self::Internal => 6,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Catches a code that changes, and a session whose failure hides behind a later pass.
    #[test]
    fn codes_are_fixed_and_the_worst_one_counts() {
        for (code, exit) in [(0, Exit::Pass), (4, Exit::Inconclusive), (130, Exit::Interrupted)] {
            assert_eq!(Exit::from_code(code), exit);
        }
        assert_eq!(Exit::from_code(77), Exit::Internal);
        for other in [Exit::Pass, Exit::Inconclusive, Exit::Interrupted] {
            assert_eq!(Exit::ObjectiveFailed.worse(other), Exit::ObjectiveFailed);
            assert_eq!(other.worse(Exit::ObjectiveFailed), Exit::ObjectiveFailed);
        }
    }
}
