//! What is to be done with the replies to requests that the server sees.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::action::Ending;
use crate::protocol::exchange::{Change, Position};
use crate::protocol::speech::Dialect;
use crate::proxy::close::CloseManner;
use crate::proxy::fault::identity::Identity;
use crate::proxy::fault::outbox::HELD_BYTES_MAX;

/// What stands in the place of a reply.
#[derive(Debug)]
pub(super) enum Substitute {
    Reply(Bytes),
    Close(CloseManner),
}

/// What is to be done with one reply.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) sequence: u64,
    pub(super) dialect: Dialect,
    pub(super) command: &'static str,
    pub(super) rule: Arc<Identity>,
    pub(super) effect: Effect,
    /// The first key of the request, where the effect needs it.
    pub(super) key: Box<[u8]>,
}

/// What is done with a reply.
#[derive(Debug)]
pub(super) enum Effect {
    /// At least, up to so much more, and behind so many bytes.
    Delay(Duration, Duration, u64),
    Hold,
    DropAll(CloseManner),
    DropHalf(CloseManner),
    Change(Change, Option<Ending>),
    /// It changes places with that to the next request, which is waited for so long.
    SwapNext(Duration),
    /// It changes places with that to the request before.
    SwapBack,
    /// It changes places with one of another connection, which is waited for so long.
    SwapAcross(Duration),
    /// It is that of the no-op in a request's place, which tells the place of this.
    Instead(Substitute),
    /// It is that of the no-op behind a request that has no reply or may have none, and tells that the
    /// request has run.
    Ran(CloseManner),
}

impl Effect {
    pub(super) const fn swaps(&self) -> bool {
        matches!(self, Self::SwapNext(_) | Self::SwapBack | Self::SwapAcross(_))
    }
}

impl Plan {
    fn cost(&self) -> usize {
        let change = match &self.effect {
            Effect::Instead(Substitute::Reply(bytes)) => bytes.len(),
            _ => 0,
        };
        size_of::<Self>() + self.key.len() + change
    }

    /// Whether the reply is one that the client did not ask for.
    pub(super) const fn is_of_barrier(&self) -> bool {
        matches!(self.effect, Effect::Instead(_) | Effect::Ran(_))
    }

    /// Whether it is done even when the rule is gone: nothing behind the request was sent on.
    pub(super) const fn is_bound(&self) -> bool {
        self.is_of_barrier() || matches!(self.effect, Effect::DropAll(_) | Effect::DropHalf(_))
    }
}

/// The plans of a connection, in the order of their requests.
#[derive(Debug, Default)]
pub(super) struct Plans {
    queue: VecDeque<Plan>,
    cost: usize,
}

impl Plans {
    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Whether one more may be remembered.
    pub(super) const fn have_room(&self) -> bool {
        self.cost < HELD_BYTES_MAX
    }

    pub(super) fn push(&mut self, plan: Plan) {
        self.cost += plan.cost();
        self.queue.push_back(plan);
    }

    /// Whether one is about a request from `first` to `last` that `meant` means.
    pub(super) fn any(&self, (first, last): (u64, u64), meant: impl Fn(u64) -> bool) -> bool {
        let from = self.queue.partition_point(|plan| plan.sequence < first);
        let range = self.queue.iter().skip(from).take_while(|plan| plan.sequence <= last);
        range.map(|plan| plan.sequence).any(meant)
    }

    /// Whether one stands in for the reply to a request that the client waits for.
    pub(super) fn owe(&self) -> bool {
        self.queue.iter().any(Plan::is_of_barrier)
    }

    /// The plan for a request.
    pub(super) fn take(&mut self, sequence: u64) -> Option<Plan> {
        let index = self.queue.binary_search_by_key(&sequence, |plan| plan.sequence).ok()?;
        let plan = self.queue.remove(index)?;
        self.cost -= plan.cost();
        Some(plan)
    }

    /// The plan for a request to whose reply nothing happens now; what is bound to happen stays.
    pub(super) fn take_unbound(&mut self, sequence: u64) -> Option<Plan> {
        let index = self.queue.binary_search_by_key(&sequence, |plan| plan.sequence).ok()?;
        self.queue.get(index).filter(|plan| !plan.is_bound())?;
        self.take(sequence)
    }

    /// The next plan that is about a request before this one.
    pub(super) fn pop_before(&mut self, sequence: u64) -> Option<Plan> {
        self.queue.front().filter(|plan| plan.sequence < sequence)?;
        let plan = self.queue.pop_front()?;
        self.cost -= plan.cost();
        if self.queue.is_empty() {
            // An idle connection must not keep the room that a burst needed.
            self.queue = VecDeque::new();
        }
        Some(plan)
    }

    /// Gives up what rules that are gone had planned, apart from words in the place of a reply: those are for
    /// whoever has asked already, so that a rule which says something else is never silent.
    pub(super) fn forget(&mut self, is_gone: impl Fn(u64) -> bool) {
        let says = |plan: &Plan| {
            matches!(plan.effect, Effect::Change(Change::Said(Position::Instead, _), _))
        };
        self.queue.retain(|plan| plan.is_bound() || says(plan) || !is_gone(plan.rule.id));
        self.cost = self.queue.iter().map(Plan::cost).sum();
    }
}
