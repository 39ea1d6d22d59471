//! Why an attempt has no reply, and what follows from that. Pure.

use super::breaker::CallOutcome;
use super::command::Effect;
use super::trouble::{Fate, Trouble};
use crate::event::{CloseCause, ErrorClass};

/// Why an attempt has no reply.
#[derive(Clone, Copy, Debug)]
pub(super) enum Missed {
    /// There was no connection to be had; `local` when the node was not even asked for one.
    Unconnected { class: ErrorClass, local: bool },
    /// The exchange failed; `reused` when it was on a warm connection.
    Failed { trouble: Trouble, reused: bool },
}

impl Missed {
    pub(super) const fn class(self) -> ErrorClass {
        match self {
            Self::Unconnected { class, .. } => class,
            Self::Failed { trouble, .. } => trouble.class,
        }
    }

    /// What it says about the node. A refusal is an answer: the breaker judges whether the node
    /// answers, and the caller sees what. A full pool says nothing about the node.
    pub(super) const fn verdict(self) -> Option<CallOutcome> {
        match self {
            Self::Unconnected { local: true, .. } => None,
            Self::Unconnected { .. } => Some(CallOutcome::Failed),
            Self::Failed { trouble, .. } => Some(match trouble.class {
                ErrorClass::ServerError | ErrorClass::ClientError | ErrorClass::TooLarge => {
                    CallOutcome::Answered
                }
                _ => CallOutcome::Failed,
            }),
        }
    }

    pub(super) const fn is_timeout(self) -> bool {
        matches!(self.class(), ErrorClass::Timeout | ErrorClass::ConnectTimeout)
    }

    pub(super) fn may_be_applied(self, effect: Effect) -> bool {
        match self {
            Self::Unconnected { .. } => false,
            Self::Failed { trouble, .. } => {
                let doubtful = matches!(trouble.fate, Fate::Unknown | Fate::Ended | Fate::Refused);
                effect.is_write() && doubtful
            }
        }
    }

    /// Whether a warm connection turned out to be dead, and the request may be sent once more.
    pub(super) fn is_stale(self, effect: Effect) -> bool {
        let Self::Failed { trouble, reused: true } = self else { return false };
        let ended = matches!(trouble.close, Some(CloseCause::PeerClosed | CloseCause::Io));
        ended
            && match trouble.fate {
                Fate::NotApplied => true,
                Fate::Ended => effect != Effect::Once,
                Fate::Unknown | Fate::Refused => false,
            }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn missed(close: CloseCause, fate: Fate, reused: bool) -> Missed {
        let trouble = Trouble { class: ErrorClass::Closed, close: Some(close), fate };
        Missed::Failed { trouble, reused }
    }

    /// Catches a counter that is added to twice, and a read that fails for each stale connection.
    #[test]
    fn only_what_may_be_sent_twice_is() {
        use Effect::{Once, Read, Repeatable};
        let ended = missed(CloseCause::PeerClosed, Fate::Ended, true);
        assert_eq!(
            [Read, Repeatable, Once].map(|effect| ended.is_stale(effect)),
            [true, true, false]
        );
        let unsent = missed(CloseCause::PeerClosed, Fate::NotApplied, true);
        assert!(unsent.is_stale(Once));
        for other in [
            missed(CloseCause::PeerClosed, Fate::Ended, false),
            missed(CloseCause::Timeout, Fate::Unknown, true),
            missed(CloseCause::Protocol, Fate::Unknown, true),
            Missed::Unconnected { class: ErrorClass::Refused, local: false },
        ] {
            assert!(!other.is_stale(Read), "{other:?}");
        }
    }

    /// Catches a lost write that is called failed, and a lost read that is called indeterminate.
    #[test]
    fn lost_writes_are_indeterminate() {
        let timeout = Missed::Failed { trouble: Trouble::timeout(), reused: false };
        assert!(timeout.may_be_applied(Effect::Once) && timeout.may_be_applied(Effect::Repeatable));
        assert!(!timeout.may_be_applied(Effect::Read));
        let unsent = missed(CloseCause::PeerClosed, Fate::NotApplied, false);
        assert!(!unsent.may_be_applied(Effect::Once));
        let refused = missed(CloseCause::PeerClosed, Fate::Refused, true);
        assert!(
            refused.may_be_applied(Effect::Repeatable) && !refused.may_be_applied(Effect::Read)
        );
        assert!(!refused.is_stale(Effect::Read), "it was answered");
    }
}
