//! Replies that are kept back because a rule wants one of them and nobody knows yet which: a later
//! reply tells, as that to the barrier of quiet requests.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use crate::protocol::observe::{Owner, refine};
use crate::protocol::speech::Part;

/// How long replies wait for the one that tells whose they are. Who sends quiet requests sends their
/// barrier with them; who does not, and waits for replies, must not wait for ever.
pub(super) const TOLD_WAIT: Duration = Duration::from_millis(250);

/// A reply that is kept, as far as it has come.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) began: Instant,
    pub(super) bytes: Vec<u8>,
    pub(super) parts: Vec<Part>,
    /// The offset of its first byte.
    pub(super) start: u64,
}

impl Kept {
    pub(super) const fn new(began: Instant, start: u64) -> Self {
        Self { began, bytes: Vec::new(), parts: Vec::new(), start }
    }

    pub(super) const fn cost(&self) -> usize {
        self.bytes.len() + self.parts.len() * size_of::<Part>()
    }
}

/// A reply that may belong to any of several requests.
#[derive(Debug)]
pub(super) struct Doubtful {
    pub(super) owners: Vec<Owner>,
    pub(super) reply: Kept,
}

impl Doubtful {
    pub(super) const fn cost(&self) -> usize {
        self.reply.cost() + self.owners.len() * size_of::<Owner>() + size_of::<Self>()
    }
}

/// Whole replies, in their order, since the last of which it was certain whose it is.
#[derive(Debug, Default)]
pub(super) struct Batch {
    replies: VecDeque<Doubtful>,
    cost: usize,
}

impl Batch {
    pub(super) fn is_empty(&self) -> bool {
        self.replies.is_empty()
    }

    pub(super) const fn cost(&self) -> usize {
        self.cost
    }

    pub(super) fn push(&mut self, reply: Doubtful) {
        self.cost += reply.cost();
        self.replies.push_back(reply);
    }

    /// Bytes that belong to no reply, behind the last one.
    pub(super) fn append(&mut self, bytes: &[u8]) {
        if let Some(last) = self.replies.back_mut() {
            last.reply.bytes.extend_from_slice(bytes);
            self.cost += bytes.len();
        }
    }

    /// Everything, now that the next reply has these owners.
    pub(super) fn resolve(&mut self, next: &[Owner]) -> VecDeque<Doubtful> {
        let mut replies = self.take();
        let mut next = next.to_vec();
        for doubtful in replies.iter_mut().rev() {
            refine(&mut doubtful.owners, &next);
            next.clone_from(&doubtful.owners);
        }
        replies
    }

    /// Everything, as little as is known of it.
    pub(super) fn take(&mut self) -> VecDeque<Doubtful> {
        self.cost = 0;
        std::mem::take(&mut self.replies)
    }
}
