//! How much one poll of a connection does.

use std::task::Context;

use tokio::time::Instant;

use crate::proxy::config::Direction;
use crate::proxy::fault::message::{Exchange, Origin};
use crate::proxy::path::connection::Live;

/// Reads and writes of one direction in one turn, for the same reason: a stream in pieces of a byte is
/// worth no more time than others. A thousand such connections on one thread are all served within some
/// tens of milliseconds.
pub(super) const CALLS_MAX: u32 = 4;

/// One turn: whom to wake, what time it is, and where to count.
pub(super) struct Turn<'a, 'b> {
    pub(super) cx: &'a mut Context<'b>,
    pub(super) now: Instant,
    pub(super) live: &'a Live,
    pub(super) exchange: Option<&'a mut Exchange>,
    /// How often one direction may still read and write.
    calls: u32,
    /// Whether it would have done so more often.
    pub(super) is_worn_out: bool,
}

impl<'a, 'b> Turn<'a, 'b> {
    pub(super) fn new(
        cx: &'a mut Context<'b>,
        now: Instant,
        live: &'a Live,
        exchange: Option<&'a mut Exchange>,
    ) -> Self {
        Self { cx, now, live, exchange, calls: CALLS_MAX, is_worn_out: false }
    }

    /// Takes one read or write, if one is left.
    pub(super) const fn may_call(&mut self) -> bool {
        self.is_worn_out |= self.calls == 0;
        self.calls = self.calls.saturating_sub(1);
        !self.is_worn_out
    }

    /// Gives the other direction its share. Returns whether this one has used up its own.
    pub(super) const fn renew(&mut self) -> bool {
        self.calls = CALLS_MAX;
        std::mem::replace(&mut self.is_worn_out, false)
    }
}

/// Tells the meter of a reply, as the client should have seen it.
pub(super) fn truth(live: &Live, now: Instant) -> impl FnMut(&[u8], Origin) -> u32 {
    move |data, origin| match origin {
        Origin::Server => live.arrived(Direction::Down, now, data),
        Origin::Ours => live.answered(now, data),
    }
}
