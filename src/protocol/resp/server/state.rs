//! What a command finds: the node, and what its connection was told about itself.

use super::clock::{Clock, Now};
use super::facts::Facts;
use super::store::Store;
use crate::protocol::resp::frame::version::Version;

/// What commands work on.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The items.
    pub store: &'a Store,
    /// The milliseconds.
    pub clock: &'a Clock,
    /// The moment.
    pub now: Now,
    /// What `INFO` tells apart from the items.
    pub facts: &'a Facts,
}

/// Which commands are answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Replies {
    #[default]
    All,
    /// All but the next.
    NotNext,
    /// All but this one.
    NotThis,
    None,
}

/// What a connection was told about itself.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) version: Version,
    /// Its number.
    pub(super) id: u64,
    pub(super) name: Vec<u8>,
    pub(super) replies: Replies,
    is_closing: bool,
}

impl State {
    /// Of the connection with this number.
    pub(super) fn of(id: u64) -> Self {
        Self { id, ..Self::default() }
    }

    pub(super) const fn is_closing(&self) -> bool {
        self.is_closing
    }

    /// Behind the answer to this command there is nothing more.
    pub(super) const fn close(&mut self) {
        self.is_closing = true;
    }
}
