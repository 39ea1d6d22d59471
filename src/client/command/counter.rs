//! Counters, and delete.

use async_memcached::{AsciiProtocol, Client as Wire, Error, Status};

use super::exchange::{Command, Effect};
use crate::client::trouble::Trouble;

/// Which way a counter goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::client) enum Direction {
    Up,
    Down,
}

/// `incr` and `decr`.
#[derive(Debug)]
pub(in crate::client) struct Counter<'a> {
    pub(in crate::client) key: &'a [u8],
    pub(in crate::client) by: u64,
    pub(in crate::client) direction: Direction,
}

impl Command for Counter<'_> {
    type Reply = Option<u64>;

    const EFFECT: Effect = Effect::Once;

    async fn run(&self, wire: &mut Wire) -> Result<Option<u64>, Trouble> {
        let reply = match self.direction {
            Direction::Up => wire.increment(self.key, self.by).await,
            Direction::Down => wire.decrement(self.key, self.by).await,
        };
        match reply {
            Ok(value) => Ok(Some(value)),
            Err(Error::Protocol(Status::NotFound)) => Ok(None),
            Err(error) => Err(Trouble::of(&error, false)),
        }
    }
}

/// `delete`. Repeated after a lost reply it may find nothing although the first removed the value.
#[derive(Debug)]
pub(in crate::client) struct Delete<'a> {
    pub(in crate::client) key: &'a [u8],
}

impl Command for Delete<'_> {
    type Reply = bool;

    const EFFECT: Effect = Effect::Repeatable;

    async fn run(&self, wire: &mut Wire) -> Result<bool, Trouble> {
        match wire.delete(self.key).await {
            Ok(()) => Ok(true),
            Err(Error::Protocol(Status::NotFound)) => Ok(false),
            Err(error) => Err(Trouble::of(&error, false)),
        }
    }
}
