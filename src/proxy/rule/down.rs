//! The reply side of an exchange: replies in the order of their requests, ours among them.

use std::collections::VecDeque;

use bytes::Bytes;
use tokio::time::Instant;

use super::action::{Change, Then};
use super::tamper::Part;
use crate::proxy::outbox::{Due, Outbox};
use crate::proxy::tap::CloseManner;
use crate::proxy::toxic::HELD_BYTES_MAX;
use crate::wire::command::{Command, Dialect};
use crate::wire::observe::REPLY_LINE_BYTES_MAX;

/// What one reply of ours costs beside its bytes while it waits for its turn.
const OURS_COST: usize = 64;

/// Something of ours that has a place among the replies.
#[derive(Debug)]
pub(super) struct Ours {
    /// The last request before it that the server answers.
    pub(super) after: Option<u64>,
    pub(super) what: Stand,
}

/// What stands in the place of a reply.
#[derive(Debug)]
pub(super) enum Stand {
    Reply(Vec<u8>),
    Close(CloseManner),
}

impl Ours {
    fn cost(&self) -> usize {
        match &self.what {
            Stand::Reply(bytes) => bytes.len() + OURS_COST,
            Stand::Close(_) => OURS_COST,
        }
    }
}

/// What is to be done with the reply to a request that the server sees.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) sequence: u64,
    pub(super) dialect: Dialect,
    pub(super) command: Command,
    /// Which rule, by id.
    pub(super) rule: u64,
    pub(super) deed: Deed,
    /// The first key of the request.
    pub(super) key: Vec<u8>,
}

/// What is done with a reply.
#[derive(Debug)]
pub(super) enum Deed {
    Delay(std::time::Duration, std::time::Duration),
    Hold,
    DropAll(CloseManner),
    DropHalf(CloseManner),
    Change(Change),
}

/// A reply that is collected.
#[derive(Debug)]
pub(super) struct Collected {
    pub(super) plan: Plan,
    pub(super) began: Instant,
    pub(super) bytes: Vec<u8>,
    pub(super) parts: Vec<Part>,
    /// The offset of its first byte.
    start: u64,
}

/// A place in the reply direction.
#[derive(Clone, Copy, Debug)]
pub(super) enum Mark {
    Part { sequence: u64, start: u64, head_end: u64, end: u64 },
    Done { sequence: u64, end: u64 },
}

/// What the bytes of a chunk come to.
#[derive(Debug)]
pub(super) enum Piece {
    /// They pass.
    Pass(Bytes),
    /// A reply that was collected to its end.
    Reply(Collected),
    /// Something of ours whose turn has come.
    Ours(Stand),
}

/// The bytes of the server between their arrival and the client.
#[derive(Debug)]
pub(super) struct Down {
    pub(super) out: Outbox,
    /// The bytes of an unfinished head that may begin a planned reply.
    tail: Vec<u8>,
    /// The offset of the first byte that is still here, outside a collected reply.
    at: u64,
    /// Up to where it is known what the bytes belong to.
    known: u64,
    /// Every request below this is answered.
    done: u64,
    plans: VecDeque<Plan>,
    ours: VecDeque<Ours>,
    ours_cost: usize,
    collecting: Option<Collected>,
}

impl Down {
    pub(super) fn new(now: Instant, at: u64) -> Self {
        Self {
            out: Outbox::new(now),
            tail: Vec::new(),
            at,
            known: at,
            done: 0,
            plans: VecDeque::new(),
            ours: VecDeque::new(),
            ours_cost: 0,
            collecting: None,
        }
    }

    /// Whether replies have to be told apart.
    pub(super) fn is_watching(&self) -> bool {
        !self.plans.is_empty() || self.owes() || self.collecting.is_some() || !self.tail.is_empty()
    }

    /// Whether a reply of ours waits for its turn.
    pub(super) fn owes(&self) -> bool {
        !self.ours.is_empty()
    }

    /// Whether nothing is held or planned.
    pub(super) fn is_idle(&self) -> bool {
        !self.is_watching() && self.out.len() == 0
    }

    /// Whether more requests may be answered by us.
    pub(super) const fn has_room_for_ours(&self) -> bool {
        self.ours_cost < HELD_BYTES_MAX
    }

    pub(super) fn plan(&mut self, plan: Plan) {
        self.plans.push_back(plan);
    }

    /// Gives up what a rule that is gone had planned.
    pub(super) fn forget(&mut self, is_gone: impl Fn(u64) -> bool) {
        self.plans.retain(|plan| !is_gone(plan.rule));
    }

    /// Puts something of ours into its place. Gives it back when its turn is now.
    pub(super) fn queue(&mut self, ours: Ours) -> Option<Stand> {
        if self.ours.is_empty() && ours.after.is_none_or(|after| after < self.done) {
            return Some(ours.what);
        }
        self.ours_cost += ours.cost();
        self.ours.push_back(ours);
        None
    }

    /// Every request up to this one has been answered.
    pub(super) fn answered(&mut self, sequence: u64) {
        self.done = self.done.max(sequence + 1);
    }

    /// It is known what the bytes up to here belong to.
    pub(super) fn know(&mut self, until: u64) {
        self.known = self.known.max(until);
    }

    /// Nothing has to be told apart in this chunk.
    pub(super) const fn skip(&mut self, count: usize) {
        self.at += count as u64;
    }

    /// Cuts a chunk at its marks.
    pub(super) fn cut(&mut self, now: Instant, data: &[u8], marks: &[Mark], out: &mut Vec<Piece>) {
        let chunk = if self.tail.is_empty() {
            Bytes::copy_from_slice(data)
        } else {
            self.tail.extend_from_slice(data);
            Bytes::from(std::mem::take(&mut self.tail))
        };
        let end = self.at + chunk.len() as u64;
        let mut rest = chunk;
        for mark in marks {
            match *mark {
                Mark::Part { sequence, start, head_end, end } => {
                    self.part(now, sequence, (start, head_end, end), &mut rest, out);
                }
                Mark::Done { sequence, end } => self.reply_ends(sequence, end, &mut rest, out),
            }
        }
        self.take_up_to(self.known.min(end), &mut rest, out);
        if self.collecting.is_some() || self.plans.is_empty() || rest.len() > REPLY_LINE_BYTES_MAX {
            self.take_up_to(end, &mut rest, out);
        }
        self.tail = rest.to_vec();
        self.bound(out);
    }

    fn part(
        &mut self,
        now: Instant,
        sequence: u64,
        (start, head_end, end): (u64, u64, u64),
        rest: &mut Bytes,
        out: &mut Vec<Piece>,
    ) {
        if self.collecting.is_none() {
            self.take_up_to(start, rest, out);
            while self.plans.front().is_some_and(|plan| plan.sequence < sequence) {
                self.plans.pop_front();
            }
            let planned = self.plans.front().is_some_and(|plan| plan.sequence == sequence);
            let plan = if planned { self.plans.pop_front() } else { None };
            // A reply that has passed in part can only go on.
            if let Some(plan) = plan.filter(|_| start == self.at) {
                let (bytes, parts) = (Vec::new(), Vec::new());
                self.collecting = Some(Collected { plan, began: now, bytes, parts, start });
            }
        }
        if let Some(reply) = &mut self.collecting {
            let place = |offset: u64| usize::try_from(offset - reply.start).unwrap_or(usize::MAX);
            let part = Part { start: place(start), head_end: place(head_end), end: place(end) };
            reply.parts.push(part);
        }
    }

    fn reply_ends(&mut self, sequence: u64, end: u64, rest: &mut Bytes, out: &mut Vec<Piece>) {
        self.take_up_to(end, rest, out);
        if let Some(reply) = self.collecting.take() {
            out.push(Piece::Reply(reply));
        }
        self.answered(sequence);
        while self.ours.front().is_some_and(|ours| ours.after.is_none_or(|after| after <= sequence))
        {
            let Some(ours) = self.ours.pop_front() else { return };
            self.ours_cost -= ours.cost();
            out.push(Piece::Ours(ours.what));
        }
    }

    /// Takes the bytes up to an offset out of the chunk: to the reply that is collected, or on.
    fn take_up_to(&mut self, offset: u64, rest: &mut Bytes, out: &mut Vec<Piece>) {
        let count = usize::try_from(offset.saturating_sub(self.at)).unwrap_or(usize::MAX);
        let taken = rest.split_to(count.min(rest.len()));
        self.at += taken.len() as u64;
        match &mut self.collecting {
            _ if taken.is_empty() => {}
            Some(reply) => reply.bytes.extend_from_slice(&taken),
            None => out.push(Piece::Pass(taken)),
        }
    }

    /// A reply that is longer than may be held passes as it is.
    fn bound(&mut self, out: &mut Vec<Piece>) {
        let too_long = |reply: &Collected| reply.bytes.len() > HELD_BYTES_MAX;
        if self.collecting.as_ref().is_some_and(too_long)
            && let Some(reply) = self.collecting.take()
        {
            out.push(Piece::Pass(reply.bytes.into()));
        }
    }

    /// Lets go of everything that was kept back, in its order; ours are given up.
    pub(super) fn release(&mut self) -> Vec<u8> {
        let mut bytes = self.collecting.take().map(|reply| reply.bytes).unwrap_or_default();
        bytes.append(&mut self.tail);
        self.plans.clear();
        self.ours.clear();
        self.ours_cost = 0;
        bytes
    }

    /// Ends the connection once everything before it has left.
    pub(super) fn close(&mut self, how: CloseManner) {
        match how {
            CloseManner::Fin => self.out.close(),
            CloseManner::Reset => self.out.reset(),
        }
    }

    pub(super) fn follow(&mut self, then: Then) {
        match then {
            Then::Close(how) => self.close(how),
            // Bytes are missing: what is held so can never go on.
            Then::Stall => self.out.reset_at(Due::Never),
        }
    }
}
