//! What the proxies saw of a key while a driver worked on it.

use super::handle::Driver;
use crate::base::carried::{Mark, Sighting};
use crate::base::name::NodeIndex;

/// What the wire saw of a key between two looks.
#[derive(Clone, Copy)]
pub(super) struct Seen {
    pub(super) requests: u16,
    due: u16,
    replies: u16,
    /// Whether nothing can be seen.
    is_blind: bool,
}

impl Seen {
    pub(super) const fn between(before: Sighting, after: Sighting, is_blind: bool) -> Self {
        Self {
            is_blind,
            requests: after.requests.wrapping_sub(before.requests),
            due: after.due.wrapping_sub(before.due),
            replies: after.replies.wrapping_sub(before.replies),
        }
    }

    /// One, when it is certain that there was one.
    pub(super) fn attempts(self) -> u32 {
        if self.requests == 1 { 1 } else { u32::from(self.requests).max(2) }
    }

    /// Whether a node was seen to answer.
    pub(super) const fn is_answered(self) -> bool {
        self.replies > 0
    }

    /// Whether a node may have answered: it was asked, and either a reply was seen or whether there was
    /// one cannot be told; or nothing of it can be.
    pub(super) const fn may_be_answered(self) -> bool {
        self.is_blind || (self.requests > 0 && (self.replies > 0 || self.due < self.requests))
    }

    /// Whether certainly none has, of a key that was seen on the wire before: a client may send keys that are
    /// not those it was asked for.
    pub(super) const fn is_unanswered(self, before: Sighting) -> bool {
        before.first.is_some() && !self.may_be_answered()
    }
}

impl Driver {
    pub(super) fn look(&self, mark: Mark) -> Sighting {
        if self.is_blind() {
            let only = Some(NodeIndex(0));
            return Sighting { first: only, last: only, ..Sighting::default() };
        }
        self.0.wire.carried.look(mark)
    }

    /// Whether nothing is known of what it asks its node.
    #[must_use]
    pub fn is_blind(&self) -> bool {
        self.0.wire.is_blind
    }

    /// What the wire saw between two looks.
    pub(super) fn seen(&self, before: Sighting, after: Sighting) -> Seen {
        Seen::between(before, after, self.is_blind())
    }
}
