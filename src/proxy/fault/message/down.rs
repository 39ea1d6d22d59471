//! The reply side of an exchange: replies in the order of their requests, ours among them.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use tokio::time::Instant;

use super::action::Ending;
use super::batch::{Batch, Doubtful, Kept, TOLD_WAIT};
use super::plan::{Effect, Plan, Plans, Substitute};
use crate::protocol::observe::{Owner, REPLY_LINE_BYTES_MAX};
use crate::protocol::speech::Part;
use crate::proxy::close::CloseManner;
use crate::proxy::fault::identity::Identity;
use crate::proxy::fault::outbox::{Due, HELD_BYTES_MAX, Outbox};
use crate::proxy::kept::keep;

/// What one reply of ours costs beside its bytes while it waits for its turn.
const OURS_COST: usize = 64;
/// Replies of ours that may wait for a reply that tells their place; then a barrier asks for one.
const UNTOLD_BYTES_MAX: usize = 64 << 10;

/// Something of ours that has a place among the replies.
#[derive(Debug)]
pub(super) struct OwnReply {
    /// The last request before it that the server may answer.
    pub(super) after: Option<u64>,
    pub(super) what: Substitute,
}

impl OwnReply {
    const fn cost(&self) -> usize {
        match &self.what {
            Substitute::Reply(bytes) => bytes.len() + OURS_COST,
            Substitute::Close(_) => OURS_COST,
        }
    }
}

/// A place in the reply direction.
#[derive(Clone, Debug)]
pub(super) enum Mark {
    Part { sequence: u64, owners: Box<[Owner]>, start: u64, head_end: u64, end: u64 },
    Done { sequence: u64, end: u64 },
}

/// What the bytes of a chunk come to.
#[derive(Debug)]
pub(super) enum Piece {
    /// They pass.
    Pass(Bytes),
    /// A planned reply that was collected to its end.
    Reply(Plan, Kept),
    /// Something of ours whose turn has come.
    Ours(Substitute),
    /// The request certainly has no reply, or one that is too long to be kept.
    InVain(Plan),
    /// Nobody can tell which reply was meant: all of them have passed.
    Uncertain(Plan),
}

impl Piece {
    /// Bytes that it keeps.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Pass(bytes) | Self::Ours(Substitute::Reply(bytes)) => bytes.len(),
            Self::Reply(_, reply) => reply.cost(),
            Self::Ours(Substitute::Close(_)) | Self::InVain(_) | Self::Uncertain(_) => 0,
        }
    }

    /// Whether it is a reply that changes places with the one before.
    pub(super) const fn swaps_back(&self) -> bool {
        matches!(self, Self::Reply(Plan { effect: Effect::SwapBack, .. }, _))
    }
}

/// Whose the reply is that is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum UnderWay {
    Nothing,
    /// Certainly that of this request.
    Certain(u64),
    /// That of one of several, or nobody knows.
    Open,
}

/// What a reply is collected for.
#[derive(Debug)]
enum Aim {
    Plan(Plan),
    /// It is not known whose it is.
    Batch(Vec<Owner>),
}

/// The bytes of the server between their arrival and the client.
#[derive(Debug)]
pub(super) struct Down {
    pub(super) out: Outbox,
    /// The bytes of an unfinished head that may begin a planned reply.
    tail: Vec<u8>,
    /// The offset of the first byte that is still here, outside of what is collected.
    at: u64,
    /// Up to where it is known what the bytes belong to.
    known: u64,
    /// Every request below this is answered.
    done: u64,
    /// Every request below this may be.
    reach: u64,
    under_way: UnderWay,
    pub(super) plans: Plans,
    ours: VecDeque<OwnReply>,
    ours_cost: usize,
    collecting: Option<(Aim, Kept)>,
    batch: Batch,
    /// The reply to this request changes places with that to the next, which was not asked yet.
    pub(super) swapping: Option<(u64, Arc<Identity>)>,
    /// When what waits for a reply that tells whose it is no longer does.
    deadline: Option<Instant>,
    /// What may be kept until a reply is whole, or until it is known whose it is.
    pub(super) kept_most: usize,
}

impl Down {
    pub(super) fn new(now: Instant, at: u64, under_way: bool) -> Self {
        Self {
            out: Outbox::new(now),
            tail: Vec::new(),
            at,
            known: at,
            done: 0,
            reach: 0,
            under_way: if under_way { UnderWay::Open } else { UnderWay::Nothing },
            plans: Plans::default(),
            ours: VecDeque::new(),
            ours_cost: 0,
            collecting: None,
            batch: Batch::default(),
            swapping: None,
            deadline: None,
            kept_most: HELD_BYTES_MAX,
        }
    }

    /// What is kept until more has come; `None`: nothing is.
    pub(super) fn collected(&self) -> Option<usize> {
        let collecting = self.collecting.as_ref().map(|(_, reply)| reply.cost());
        let batch = (!self.batch.is_empty()).then(|| self.batch.cost());
        (collecting.is_some() || batch.is_some())
            .then(|| collecting.unwrap_or(0) + batch.unwrap_or(0))
    }

    /// Bytes that are kept back, with the cost of their pieces.
    pub(super) fn held(&self) -> usize {
        self.out.cost() + self.tail.len() + self.ours_cost + self.collected().unwrap_or(0)
    }

    /// Whether replies have to be told apart.
    pub(super) fn is_watching(&self) -> bool {
        !self.plans.is_empty()
            || !self.ours.is_empty()
            || self.collected().is_some()
            || !self.tail.is_empty()
    }

    /// Whether the client waits for a reply of ours.
    pub(super) fn owes(&self) -> bool {
        !self.ours.is_empty() || self.plans.owe()
    }

    /// Whether nothing is held or planned.
    pub(super) fn is_idle(&self) -> bool {
        !self.is_watching() && self.out.len() == 0
    }

    /// Whether more requests may be answered by us, those answers included that a client does not
    /// read.
    pub(super) const fn has_room_for_ours(&self) -> bool {
        self.ours_cost + self.out.cost() < HELD_BYTES_MAX
    }

    /// Whether so much of ours waits for a reply to quiet requests that one has to be asked for.
    pub(super) const fn wants_barrier(&self) -> bool {
        self.ours_cost >= UNTOLD_BYTES_MAX
    }

    /// Puts something of ours into its place. Gives it back when its turn is now, and nothing is held back.
    pub(super) fn queue(&mut self, ours: OwnReply, held_back: bool) -> Option<Substitute> {
        let free = !held_back
            && self.ours.is_empty()
            && self.batch.is_empty()
            && self.collecting.is_none();
        if free && ours.after.is_none_or(|after| after < self.done) {
            return Some(ours.what);
        }
        self.ours_cost += ours.cost();
        self.ours.push_back(ours);
        None
    }

    /// It is known what the bytes up to here belong to.
    pub(super) fn know(&mut self, until: u64) {
        self.known = self.known.max(until);
    }

    /// A part of a reply of which nothing is wanted.
    pub(super) fn part_passes(&mut self, owners: &[Owner]) {
        if self.under_way == UnderWay::Nothing {
            self.under_way = self.owner(owners);
        }
    }

    /// A reply of which nothing was wanted has ended.
    pub(super) fn reply_passes(&mut self, sequence: u64) {
        self.under_way = UnderWay::Nothing;
        self.answered(sequence);
    }

    fn owner(&mut self, owners: &[Owner]) -> UnderWay {
        if let Some(last) = owners.last() {
            self.reach = self.reach.max(last.sequence + 1);
        }
        match owners {
            [owner] => UnderWay::Certain(owner.sequence),
            _ => UnderWay::Open,
        }
    }

    fn answered(&mut self, sequence: u64) {
        self.done = self.done.max(sequence + 1);
        self.reach = self.reach.max(self.done);
    }

    /// Nothing has to be told apart in this chunk.
    pub(super) const fn skip(&mut self, count: usize) {
        self.at += count as u64;
    }

    /// When something is no longer waited for.
    pub(super) const fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// What waits for a reply that tells whose it is waits no longer than until now.
    pub(super) fn hasten(&mut self, now: Instant) {
        self.deadline = self.deadline.map(|deadline| deadline.min(now));
    }

    /// Whether the next part is the first of a reply.
    pub(super) fn is_between_replies(&self) -> bool {
        self.under_way == UnderWay::Nothing
    }

    /// Cuts a chunk at its marks.
    pub(super) fn cut(
        &mut self,
        now: Instant,
        data: &[u8],
        marks: &mut Vec<Mark>,
        out: &mut Vec<Piece>,
    ) {
        let chunk = if self.tail.is_empty() {
            keep(data)
        } else {
            self.tail.extend_from_slice(data);
            Bytes::from(std::mem::take(&mut self.tail))
        };
        let end = self.at + chunk.len() as u64;
        let mut rest = chunk;
        for mark in marks.drain(..) {
            match mark {
                Mark::Part { sequence, owners, start, head_end, end } => {
                    if self.under_way == UnderWay::Nothing {
                        self.take_up_to(start, &mut rest, out);
                        self.under_way = self.owner(&owners);
                        self.reply_begins(now, sequence, &owners, start, out);
                    }
                    self.part(start, head_end, end);
                }
                Mark::Done { sequence, end } => {
                    self.take_up_to(end, &mut rest, out);
                    self.reply_ends(now, sequence, out);
                }
            }
        }
        self.take_up_to(self.known.min(end), &mut rest, out);
        let wanted = !self.plans.is_empty() || !self.ours.is_empty() || !self.batch.is_empty();
        let begun = self.under_way != UnderWay::Nothing;
        if begun || !wanted || rest.len() > REPLY_LINE_BYTES_MAX {
            self.take_up_to(end, &mut rest, out);
        }
        self.tail = rest.to_vec();
        self.bound(out);
    }

    fn part(&mut self, start: u64, head_end: u64, end: u64) {
        if let Some((_, reply)) = &mut self.collecting {
            let place = |offset: u64| usize::try_from(offset - reply.start).unwrap_or(usize::MAX);
            let part = Part { start: place(start), head_end: place(head_end), end: place(end) };
            reply.parts.push(part);
        }
    }

    fn reply_begins(
        &mut self,
        now: Instant,
        sequence: u64,
        owners: &[Owner],
        start: u64,
        out: &mut Vec<Piece>,
    ) {
        match owners {
            // A reply that has passed in part can only go on.
            _ if start != self.at => self.reply_is_lost(now, sequence, start, out),
            [] => self.reply_is_lost(now, sequence, start, out),
            [owner] => {
                self.resolve(owners, out);
                self.stand_before(owner.sequence, out);
                self.plans_before(owner.sequence, Piece::InVain, out);
                let plan = self.plans.take(owner.sequence);
                self.collecting = plan.map(|plan| (Aim::Plan(plan), Kept::new(now, start)));
            }
            [first, .., last] => {
                let (first, last) = (first.sequence, last.sequence);
                let mine = |sequence| {
                    owners.binary_search_by_key(&sequence, |owner| owner.sequence).is_ok()
                };
                let splits = |ours: &OwnReply| {
                    ours.after.is_some_and(|after| (first..last).contains(&after))
                };
                let wanted = self.plans.any((first, last), mine) || self.ours.iter().any(splits);
                if wanted || !self.batch.is_empty() {
                    self.collecting = Some((Aim::Batch(owners.to_vec()), Kept::new(now, start)));
                } else {
                    self.stand_before(first, out);
                }
            }
        }
    }

    /// A reply of which nobody knows whose it is: it is taken for that of `sequence`, and passes.
    fn reply_is_lost(&mut self, now: Instant, sequence: u64, start: u64, out: &mut Vec<Piece>) {
        self.surrender(out);
        self.stand_before(sequence, out);
        self.plans_before(sequence, Piece::Uncertain, out);
        let plan = self.plans.take(sequence);
        match plan {
            // Only a barrier is answered like that.
            Some(plan) if plan.is_of_barrier() && start == self.at => {
                self.collecting = Some((Aim::Plan(plan), Kept::new(now, start)));
            }
            Some(plan) => out.push(Piece::Uncertain(plan)),
            None => {}
        }
    }

    fn reply_ends(&mut self, now: Instant, sequence: u64, out: &mut Vec<Piece>) {
        match self.collecting.take() {
            Some((Aim::Plan(plan), reply)) => out.push(Piece::Reply(plan, reply)),
            Some((Aim::Batch(owners), reply)) => self.batch.push(Doubtful { owners, reply }),
            None => {}
        }
        self.answered(sequence);
        let owner = std::mem::replace(&mut self.under_way, UnderWay::Nothing);
        if let UnderWay::Certain(owner) = owner {
            self.stand_before(owner + 1, out);
            self.deadline = None;
        } else if self.deadline.is_none() {
            self.deadline = Some(now + TOLD_WAIT).filter(|_| self.is_open());
        }
    }

    /// Whether something waits only for a reply that tells whose the last ones were.
    fn is_open(&self) -> bool {
        let ours = self.ours.front();
        !self.batch.is_empty()
            || ours.is_some_and(|ours| ours.after.is_none_or(|after| after < self.reach))
    }

    /// The time is over that something waited for a reply that tells.
    pub(super) fn on_deadline(&mut self, out: &mut Vec<Piece>) {
        self.deadline = None;
        self.surrender(out);
        if self.collecting.is_none() && self.under_way == UnderWay::Nothing {
            self.stand_before(self.reach, out);
        }
    }

    /// What of ours has its place before the reply to this request, and was not sent yet.
    fn stand_before(&mut self, sequence: u64, out: &mut Vec<Piece>) {
        while self.ours.front().is_some_and(|ours| ours.after.is_none_or(|after| after < sequence))
        {
            let Some(ours) = self.ours.pop_front() else { return };
            self.ours_cost -= ours.cost();
            out.push(Piece::Ours(ours.what));
        }
    }

    /// What of ours has its place now, and had to wait for a reply that was held back.
    pub(super) fn stand_ready(&mut self, out: &mut Vec<Piece>) {
        if self.batch.is_empty() && self.collecting.is_none() {
            self.stand_before(self.done, out);
        }
    }

    /// What was planned for requests before this one comes to nothing; what stands in for a reply
    /// does not.
    fn plans_before(&mut self, sequence: u64, piece: impl Fn(Plan) -> Piece, out: &mut Vec<Piece>) {
        while let Some(plan) = self.plans.pop_before(sequence) {
            out.push(match plan.effect {
                Effect::Instead(stand) => Piece::Ours(stand),
                Effect::Ran(how) => Piece::Ours(Substitute::Close(how)),
                _ => piece(plan),
            });
        }
    }

    /// The reply that begins has these owners: what was kept before it leaves.
    fn resolve(&mut self, next: &[Owner], out: &mut Vec<Piece>) {
        for Doubtful { owners, reply } in self.batch.resolve(next) {
            match owners[..] {
                [owner] => {
                    self.stand_before(owner.sequence, out);
                    out.push(match self.plans.take(owner.sequence) {
                        Some(plan) => Piece::Reply(plan, reply),
                        None => Piece::Pass(reply.bytes.into()),
                    });
                }
                _ => self.pass_doubtful(&owners, reply, out),
            }
        }
    }

    /// Lets everything go on that nobody can tell apart, without what was planned for it.
    fn surrender(&mut self, out: &mut Vec<Piece>) {
        for Doubtful { owners, reply } in self.batch.take() {
            self.pass_doubtful(&owners, reply, out);
        }
        if let Some((Aim::Batch(owners), reply)) =
            self.collecting.take_if(|(aim, _)| matches!(aim, Aim::Batch(_)))
        {
            self.pass_doubtful(&owners, reply, out);
        }
    }

    fn pass_doubtful(&mut self, owners: &[Owner], reply: Kept, out: &mut Vec<Piece>) {
        if let Some(first) = owners.first() {
            self.stand_before(first.sequence, out);
        }
        let plans: Vec<Plan> =
            owners.iter().filter_map(|owner| self.plans.take_unbound(owner.sequence)).collect();
        out.extend(plans.into_iter().map(Piece::Uncertain));
        out.push(Piece::Pass(reply.bytes.into()));
    }

    /// Takes the bytes up to an offset out of the chunk: to what is kept, or on.
    fn take_up_to(&mut self, offset: u64, rest: &mut Bytes, out: &mut Vec<Piece>) {
        let count = usize::try_from(offset.saturating_sub(self.at)).unwrap_or(usize::MAX);
        let taken = rest.split_to(count.min(rest.len()));
        self.at += taken.len() as u64;
        match &mut self.collecting {
            _ if taken.is_empty() => {}
            Some((_, reply)) => reply.bytes.extend_from_slice(&taken),
            None if !self.batch.is_empty() => self.batch.append(&taken),
            None => out.push(Piece::Pass(taken)),
        }
    }

    /// What is longer than may be kept passes as it is.
    fn bound(&mut self, out: &mut Vec<Piece>) {
        if self.collected().is_none_or(|bytes| bytes <= self.kept_most) {
            return;
        }
        self.surrender(out);
        if let Some((Aim::Plan(plan), reply)) = self.collecting.take() {
            out.push(Piece::Pass(reply.bytes.into()));
            out.push(Piece::InVain(plan));
        }
    }

    /// Lets go of everything that was kept back, in its order; ours are given up.
    pub(super) fn release(&mut self, out: &mut Vec<Piece>) {
        self.ours.clear();
        self.ours_cost = 0;
        self.deadline = None;
        self.surrender(out);
        if let Some((Aim::Plan(plan), reply)) = self.collecting.take() {
            out.push(Piece::Pass(reply.bytes.into()));
            out.push(Piece::Uncertain(plan));
        }
        out.push(Piece::Pass(std::mem::take(&mut self.tail).into()));
        let plans = std::iter::from_fn(|| self.plans.pop_before(u64::MAX));
        out.extend(plans.filter(|plan| !plan.is_of_barrier()).map(Piece::Uncertain));
    }

    /// Ends the connection once everything before it has left.
    pub(super) fn close(&mut self, how: CloseManner) {
        match how {
            CloseManner::Fin => self.out.close(),
            CloseManner::Reset => self.out.reset(),
        }
    }

    pub(super) fn follow(&mut self, ending: Ending) {
        match ending {
            Ending::Close(how) => self.close(how),
            // Bytes are missing: what is held so can never go on.
            Ending::Stall => self.out.reset_at(Due::Never),
        }
    }
}
