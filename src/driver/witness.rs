//! What the proxies saw of a key while a driver worked on it.

use crate::base::carried::Sighting;

/// What the wire saw of a key between two looks.
#[derive(Clone, Copy)]
pub(super) struct Seen {
    pub(super) requests: u16,
    due: u16,
    replies: u16,
}

impl Seen {
    pub(super) const fn between(before: Sighting, after: Sighting) -> Self {
        Self {
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
    /// one cannot be told.
    pub(super) const fn may_be_answered(self) -> bool {
        self.requests > 0 && (self.replies > 0 || self.due < self.requests)
    }
}
