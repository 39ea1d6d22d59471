//! Two replies that change places: of neighbouring requests of this connection, or of two connections.
//!
//! The first is held back until the second is there, for a bounded time; then it goes as it was.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use super::{Exchange, Origin, put};
use crate::proxy::fault::message::down::Piece;
use crate::proxy::fault::message::meeting::{Met, Ticket};
use crate::proxy::fault::message::plan::{Effect, Plan};
use crate::proxy::fault::message::report::Reporter;

/// A reply that is held back.
#[derive(Debug)]
pub(super) struct HeldBack {
    plan: Plan,
    reply: Bytes,
    messages: u32,
    /// When it goes as it was.
    until: Instant,
    /// Its claim to one of another connection; `None`: the next reply of this one is meant.
    ticket: Option<Ticket>,
    /// What came behind it, while it waits for another connection.
    behind: Vec<Piece>,
}

impl HeldBack {
    /// Whether it waits for another connection.
    pub(super) const fn is_across(&self) -> bool {
        self.ticket.is_some()
    }

    /// When it waits no longer.
    pub(super) const fn until(&self) -> Instant {
        self.until
    }

    /// It waits no longer, because these rules are gone.
    pub(super) fn forget(&mut self, now: Instant, is_gone: impl Fn(u64) -> bool) {
        if is_gone(self.plan.rule.id) {
            self.until = self.until.min(now);
        }
    }

    /// Bytes that are kept back.
    pub(super) fn held(&self) -> usize {
        self.reply.len() + self.behind.iter().map(Piece::bytes).sum::<usize>()
    }

    fn is_over(&self, now: Instant) -> bool {
        self.until <= now || self.ticket.as_ref().is_some_and(Ticket::is_met)
    }
}

impl Exchange {
    /// A reply that is to change places has come, with the key whose value it is, and perhaps the neighbour
    /// with which it does.
    pub(super) fn swap(
        &mut self,
        now: Instant,
        (plan, neighbour): (Plan, bool),
        (reply, of): (Bytes, Option<Vec<u8>>),
        messages: u32,
        reporter: &Reporter,
    ) {
        let wait = match plan.effect {
            Effect::SwapBack => return self.swap_back(now, reply, messages, reporter),
            Effect::SwapNext(wait) | Effect::SwapAcross(wait) => wait,
            _ => Duration::ZERO,
        };
        let ticket = if let Effect::SwapNext(_) = plan.effect {
            let next = plan.sequence + 1;
            (neighbour || self.down.plans.any((next, next), |_| true)).then_some(None)
        } else {
            let rule = self.rules.iter().find(|rule| rule.of.id == plan.rule.id);
            match rule.map(|rule| rule.meeting().meet(plan.dialect, of, &reply, &self.waker)) {
                Some(Met::Other(other)) => {
                    reporter.fired(now, self.place.connection, plan.command, &plan.rule);
                    return put(&mut self.down.out, now, messages, |out| out.data(other));
                }
                Some(Met::Waits(ticket)) => Some(Some(ticket)),
                Some(Met::Nothing) | None => None,
            }
        };
        let Some(ticket) = ticket else {
            self.spare(&plan);
            reporter.in_vain(&plan.rule);
            return put(&mut self.down.out, now, messages, |out| out.data(reply));
        };
        let (until, behind) = (now + wait, Vec::new());
        self.held_back = Some(HeldBack { plan, reply, messages, until, ticket, behind });
    }

    /// The second of two neighbours has come: it goes first, if the first still waits.
    fn swap_back(&mut self, now: Instant, reply: Bytes, messages: u32, reporter: &Reporter) {
        put(&mut self.down.out, now, messages, |out| out.data(reply));
        if let Some(HeldBack { plan, reply, messages, .. }) = self.held_back.take() {
            reporter.fired(now, self.place.connection, plan.command, &plan.rule);
            put(&mut self.down.out, now, messages, |out| out.data(reply));
        }
    }

    /// Gives a piece back that may go on; others wait behind what is held back.
    pub(super) fn queue_behind(
        &mut self,
        now: Instant,
        piece: Piece,
        reporter: &Reporter,
        truth: &mut impl FnMut(&[u8], Origin) -> u32,
    ) -> Option<Piece> {
        match &mut self.held_back {
            None => {}
            Some(held) if held.is_across() => {
                held.behind.push(piece);
                return None;
            }
            // The neighbour comes next, or it is none.
            Some(_) if piece.swaps_back() => {}
            Some(_) => self.end_swap(now, reporter, truth),
        }
        Some(piece)
    }

    /// Lets what is held back go when its time is over, or the other one is there.
    pub(super) fn look_at_swap(
        &mut self,
        now: Instant,
        reporter: &Reporter,
        truth: &mut impl FnMut(&[u8], Origin) -> u32,
    ) {
        if self.held_back.as_ref().is_some_and(|held| held.is_over(now)) {
            self.end_swap(now, reporter, truth);
        }
    }

    /// What is held back goes: the other one in its place, if it came, and what is behind it.
    pub(super) fn end_swap(
        &mut self,
        now: Instant,
        reporter: &Reporter,
        truth: &mut impl FnMut(&[u8], Origin) -> u32,
    ) {
        let Some(HeldBack { plan, reply, messages, ticket, mut behind, .. }) =
            self.held_back.take()
        else {
            return;
        };
        let other = ticket.and_then(Ticket::take);
        if other.is_some() {
            reporter.fired(now, self.place.connection, plan.command, &plan.rule);
        } else {
            self.spare(&plan);
            reporter.in_vain(&plan.rule);
        }
        put(&mut self.down.out, now, messages, |out| out.data(other.unwrap_or(reply)));
        self.down.stand_ready(&mut behind);
        self.put_out(now, behind, reporter, truth);
    }
}
