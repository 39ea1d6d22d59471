//! The messages of one connection, between its sockets and its byte faults.
//!
//! ```text
//! client ─► on_client ─► up.out ─► toxics ─► server
//!              │ ours
//! client ◄─ toxics ◄─ down.out ◄─ on_server ◄─ server
//! ```
//! It watches what the server sees: a request that is answered here is not among it, so what is
//! outstanding is exactly what the server still owes. What the client sees is metered elsewhere;
//! `truth` is told, in order, the replies that it should have seen.

use std::sync::Arc;
use std::task::Waker;

use bytes::Bytes;
use tokio::time::Instant;

use self::swap::HeldBack;
use super::batch::Kept;
use super::down::{Down, Mark, Piece};
use super::judge::{Cut, Judge, Sequel};
use super::plan::{Effect, Plan, Substitute};
use super::report::Reporter;
use super::spec::RuleSpec;
use super::state::Rule;
use super::up::{Chunk, Up};
use crate::protocol::Conversation;
use crate::protocol::exchange::{Change, Passage};
use crate::protocol::observe::{Observer, ReplyEvent, Request, RequestEvent, UNTOLD};
use crate::protocol::speech::Whole;
use crate::proxy::close::CloseManner;
use crate::proxy::config::Direction;
use crate::proxy::fault::identity::{Identity, Place};
use crate::proxy::fault::outbox::{Due, HELD_BYTES_MAX, Outbox, What};
use crate::proxy::kept::keep;

/// Room that lists of the messages in a chunk keep for the next.
const LISTED_KEPT: usize = 64;

/// Where a reply that the meter is told of comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::proxy) enum Origin {
    Server,
    Ours,
}

/// A rule that acts on a connection: which it is, and what it does.
pub(in crate::proxy) type Active<'a> = (&'a Arc<Identity>, &'a Arc<RuleSpec>);

/// One connection of a proxy that has, or just had, rules.
#[derive(Debug)]
pub(in crate::proxy) struct Exchange {
    rules: Vec<Rule>,
    place: Place,
    observer: Observer,
    up: Up,
    down: Down,
    /// The last request that the server has to answer.
    owed: Option<u64>,
    /// What follows the request under way.
    sequel: Sequel,
    /// Nothing that the client sends reaches the server any more.
    deaf: bool,
    /// Nothing that the server sends reaches the client any more.
    mute: bool,
    /// The request under way could not be waited for.
    overdue: bool,
    cuts: Vec<Cut>,
    marks: Vec<Mark>,
    pieces: Vec<Piece>,
    /// A reply that waits to change places with another.
    held_back: Option<HeldBack>,
    /// Wakes the connection.
    waker: Waker,
}

impl Exchange {
    /// An exchange that goes on where the conversation is, if there are rules for this connection.
    pub(in crate::proxy) fn begin(
        now: Instant,
        rules: &[Active<'_>],
        place: Place,
        conversation: impl FnOnce() -> Conversation,
    ) -> Option<Self> {
        if rules.is_empty() {
            return None;
        }
        let mut observer = conversation().into_observer();
        if !observer.is_framed() {
            return None;
        }
        observer.follow_owners();
        let at_boundary = observer.is_at_request_boundary();
        let begun = observer.is_reply_under_way();
        let mut exchange = Self {
            rules: Vec::new(),
            place,
            up: Up::new(now, observer.request_position(), at_boundary),
            down: Down::new(now, observer.reply_position(), begun),
            owed: None,
            sequel: Sequel::default(),
            deaf: false,
            mute: false,
            overdue: false,
            cuts: Vec::new(),
            marks: Vec::new(),
            pieces: Vec::new(),
            held_back: None,
            waker: Waker::noop().clone(),
            observer,
        };
        exchange.owed = exchange.observer.last_outstanding();
        exchange.reconcile(now, rules);
        Some(exchange)
    }

    /// Takes up these rules. What a rule that is gone had kept back leaves at once.
    pub(in crate::proxy) fn reconcile(&mut self, now: Instant, rules: &[Active<'_>]) {
        let mut before = std::mem::take(&mut self.rules);
        for (of, spec) in rules {
            let kept = before.iter().position(|rule| rule.is_same(of));
            self.rules.push(match kept {
                Some(index) => before.swap_remove(index),
                None => Rule::new(of, spec, &self.place),
            });
        }
        if !before.is_empty() {
            self.down.plans.forget(|id| before.iter().any(|rule| rule.of.id == id));
            self.down.hasten(now);
            if let Some(held) = &mut self.held_back {
                held.forget(now, |id| before.iter().any(|rule| rule.of.id == id));
            }
            if !may_match(&self.rules, self.up.kept()) {
                self.up.pass_kept(now);
            }
            self.up.hasten(now);
            self.down.out.hasten(Due::At(now));
        }
    }

    /// Whether the connection can do without: no rules, and nothing of theirs under way.
    pub(in crate::proxy) fn is_over(&self) -> bool {
        self.rules.is_empty()
            && !self.deaf
            && self.up.is_idle()
            && self.down.is_idle()
            && self.held_back.is_none()
            && self.sequel.is_nothing()
    }

    // === what the link asks ===

    /// Whoever has to wake the connection from outside does it so.
    pub(in crate::proxy) fn wake_by(&mut self, waker: &Waker) {
        if !self.waker.will_wake(waker) {
            self.waker = waker.clone();
        }
    }

    const fn out(&mut self, direction: Direction) -> &mut Outbox {
        match direction {
            Direction::Up => &mut self.up.out,
            Direction::Down => &mut self.down.out,
        }
    }

    /// The next thing that leaves by `now`, how many messages it completes, and when it was due.
    pub(in crate::proxy) fn pop(
        &mut self,
        direction: Direction,
        now: Instant,
    ) -> Option<(Instant, What, u32)> {
        let out = self.out(direction);
        let due = out.next()?.due.instant().filter(|due| *due <= now)?;
        out.pop().map(|item| (due, item.what, item.messages))
    }

    /// When something leaves, or is not waited for any longer.
    pub(in crate::proxy) fn next_due(&mut self, direction: Direction) -> Option<Instant> {
        let deadline = match direction {
            Direction::Up => self.up.deadline(),
            Direction::Down => self.down.deadline(),
        };
        let next = self.out(direction).next().and_then(|item| item.due.instant());
        let held = self.held_back.as_ref().filter(|_| direction == Direction::Down);
        [next, deadline, held.map(HeldBack::until)].into_iter().flatten().min()
    }

    /// Stops waiting for what did not come in its time.
    pub(in crate::proxy) fn on_time(
        &mut self,
        direction: Direction,
        now: Instant,
        reporter: &Reporter,
        truth: &mut impl FnMut(&[u8], Origin) -> u32,
    ) {
        if direction == Direction::Down {
            self.look_at_swap(now, reporter, truth);
        }
        let is_due = |deadline: Option<Instant>| deadline.is_some_and(|deadline| deadline <= now);
        match direction {
            Direction::Up if is_due(self.up.deadline()) => {
                self.up.pass_kept(now);
                self.overdue = true;
            }
            Direction::Down if is_due(self.down.deadline()) => {
                let mut pieces = std::mem::take(&mut self.pieces);
                self.down.on_deadline(&mut pieces);
                self.put_out(now, pieces, reporter, truth);
            }
            Direction::Up | Direction::Down => {}
        }
    }

    /// Whether more may be read: what waits for its time or for the client is bounded, answers of ours
    /// included, and nothing waits for the receiver.
    pub(in crate::proxy) fn has_room(&mut self, direction: Direction, now: Instant) -> bool {
        let ours = direction == Direction::Down || self.down.has_room_for_ours();
        let out = self.out(direction);
        let waits = out.next().is_some_and(|item| item.due <= Due::At(now));
        let room = ours && !waits && out.cost() < HELD_BYTES_MAX;
        // What comes behind a reply that waits for another connection waits too.
        let held = self.held_back.as_ref().filter(|_| direction == Direction::Down);
        room && !held.is_some_and(HeldBack::is_across)
    }

    /// Bytes that are kept back, with the cost of their pieces.
    pub(in crate::proxy) fn held(&self, direction: Direction) -> usize {
        match direction {
            Direction::Up => self.up.held(),
            Direction::Down => self.down.held() + self.held_back.as_ref().map_or(0, HeldBack::held),
        }
    }

    /// Replies may be kept back up to this many bytes; beyond, they pass as they are.
    pub(in crate::proxy) const fn keep_within(&mut self, bytes: usize) {
        self.down.kept_most = bytes;
    }

    /// Bytes that are kept until more has been read; `None`: nothing is.
    pub(in crate::proxy) fn collected(&self, direction: Direction) -> Option<usize> {
        (direction == Direction::Down).then(|| self.down.collected()).flatten()
    }

    /// Whether nothing will ever leave towards the client unless the rules change.
    pub(in crate::proxy) fn is_stalled(&self) -> bool {
        self.down.out.next().is_some_and(|item| item.due == Due::Never)
    }

    // === requests ===

    /// The client sent these bytes, in which so many requests begin. `Some`: they are to go on as they
    /// are, with so many messages.
    pub(in crate::proxy) fn on_client(
        &mut self,
        now: Instant,
        data: &[u8],
        messages: u32,
        reporter: &Reporter,
        truth: &mut impl FnMut(&[u8], Origin) -> u32,
    ) -> Option<u32> {
        if self.deaf {
            return None;
        }
        let mut cuts = std::mem::take(&mut self.cuts);
        let opaque = self.decide(now, data, reporter, &mut cuts);
        let untouched = !opaque && self.sequel.is_nothing() && cuts.iter().all(Cut::passes);
        let straight = untouched && self.up.lets_by(data.len(), cuts.last().map(|cut| cut.end));
        if !straight {
            self.take_in(now, data, messages, &mut cuts, truth);
            if opaque {
                self.give_up(now, reporter, truth);
            }
        }
        self.cuts = emptied(cuts);
        straight.then_some(messages)
    }

    fn take_in(
        &mut self,
        now: Instant,
        data: &[u8],
        messages: u32,
        cuts: &mut Vec<Cut>,
        truth: &mut impl FnMut(&[u8], Origin) -> u32,
    ) {
        let before = self.up.out.len();
        self.up.out.begin(now);
        let mut chunk = self.up.begin(data, cuts.first().map(|cut| cut.start));
        // The request under way may end with the first bytes of this chunk.
        self.settle(now, &mut chunk, truth);
        for cut in cuts.drain(..) {
            self.up.next(&mut chunk, cut.fate, cut.end);
            self.sequel = cut.sequel;
            self.settle(now, &mut chunk, truth);
            if cut.closes {
                self.up.open();
            }
        }
        let lost = !self.observer.is_framed();
        if lost {
            self.up.open();
        }
        if self.deaf || lost && self.is_owing() {
            // What was sent behind the last request must not run.
            self.up.stop(chunk);
        } else {
            let rules = &self.rules;
            self.up.finish(now, chunk, |head| may_match(rules, head));
        }
        self.up.out.finish(before, messages);
    }

    /// Does what was to be done once the request under way has come to its end.
    fn settle(
        &mut self,
        now: Instant,
        chunk: &mut Chunk,
        truth: &mut impl FnMut(&[u8], Origin) -> u32,
    ) {
        if self.up.is_under_way() {
            return;
        }
        let Sequel { ours, barrier, is_last } = std::mem::take(&mut self.sequel);
        if let Some(barrier) = barrier {
            self.up.insert(chunk, barrier);
        }
        self.deaf |= is_last;
        if let Some(stand) = ours.and_then(|ours| self.down.queue(ours, self.held_back.is_some())) {
            self.stand(now, stand, truth);
        }
    }

    /// Asks the rules about every request that begins in these bytes. Returns whether the connection
    /// is no longer understood.
    fn decide(
        &mut self,
        now: Instant,
        data: &[u8],
        reporter: &Reporter,
        cuts: &mut Vec<Cut>,
    ) -> bool {
        let (mut opaque, mut over) = (false, self.sequel.is_last);
        let Self { rules, observer, up, down, owed, place, overdue, .. } = self;
        let floor = up.at();
        observer.on_request_if(data, now, &mut |event, standing| match event {
            RequestEvent::Opaque(_) => {
                opaque = true;
                Passage::Kept
            }
            RequestEvent::Ended(end) => {
                match cuts.last_mut().filter(|cut| cut.end == UNTOLD) {
                    Some(cut) => cut.end = end,
                    None => cuts.push(Cut::ending(end)),
                }
                Passage::Kept
            }
            RequestEvent::Request(_) if over => Passage::Kept,
            RequestEvent::Request(request) => {
                let mut cut = Cut::passing(&request);
                if request.start >= floor {
                    let mut judge = Judge { now, rules, down, owed, place, reporter };
                    judge.ask(&request, standing, &mut cut);
                } else if std::mem::take(overdue) {
                    // Its beginning is with the server already.
                    count_missed(rules, &request, reporter);
                }
                over = cut.sequel.is_last;
                let passage = cut.passage;
                *owed = cut.owed(&request).or(*owed);
                cuts.push(cut);
                passage
            }
        });
        opaque
    }

    /// The client has ended its stream.
    pub(in crate::proxy) fn on_client_end(&mut self, now: Instant) {
        self.up.out.begin(now);
        self.up.end();
    }

    // === replies ===

    /// The server sent these bytes. `Some`: they are to go on as they are, with so many messages.
    pub(in crate::proxy) fn on_server(
        &mut self,
        now: Instant,
        data: &[u8],
        reporter: &Reporter,
        truth: &mut impl FnMut(&[u8], Origin) -> u32,
    ) -> Option<u32> {
        let watching = self.down.is_watching() || self.held_back.is_some();
        let Self { observer, down, marks, .. } = self;
        let mut first = down.is_between_replies();
        let mut opaque = false;
        marks.clear();
        observer.on_reply(data, &mut |event| match event {
            ReplyEvent::Part(part) => {
                down.know(part.end);
                if watching {
                    let (start, head_end, end) = (part.start, part.head_end, part.end);
                    let sequence = part.sequence;
                    let owners = if first { part.owners.into() } else { Box::default() };
                    marks.push(Mark::Part { sequence, owners, start, head_end, end });
                } else {
                    down.part_passes(part.owners);
                }
                first = false;
            }
            ReplyEvent::Done { sequence, end, .. } => {
                down.know(end);
                match watching {
                    true => marks.push(Mark::Done { sequence, end }),
                    false => down.reply_passes(sequence),
                }
                first = true;
            }
            ReplyEvent::Unsolicited { end } => down.know(end),
            ReplyEvent::Opaque(_) => opaque = true,
        });
        if !watching {
            self.down.skip(data.len());
            if opaque {
                self.up.open();
            }
            if self.down.out.len() == 0 {
                return Some(truth(data, Origin::Server));
            }
            self.pass(now, keep(data), truth);
            return None;
        }
        let (mut marks, mut pieces) =
            (std::mem::take(&mut self.marks), std::mem::take(&mut self.pieces));
        self.down.cut(now, data, &mut marks, &mut pieces);
        self.marks = emptied(marks);
        self.put_out(now, pieces, reporter, truth);
        if opaque {
            self.give_up(now, reporter, truth);
        }
        None
    }

    /// The server has ended its stream.
    pub(in crate::proxy) fn on_server_end(
        &mut self,
        now: Instant,
        reporter: &Reporter,
        truth: &mut impl FnMut(&[u8], Origin) -> u32,
    ) {
        self.release(now, reporter, truth);
        self.down.out.begin(now);
        self.down.out.end();
    }

    /// Lets go of everything that is kept back from the client; what was planned is given up.
    fn release(
        &mut self,
        now: Instant,
        reporter: &Reporter,
        truth: &mut impl FnMut(&[u8], Origin) -> u32,
    ) {
        while self.held_back.is_some() {
            self.end_swap(now, reporter, truth);
        }
        let mut pieces = std::mem::take(&mut self.pieces);
        self.down.release(&mut pieces);
        self.put_out(now, pieces, reporter, truth);
    }

    /// Does with each piece what is due to it.
    fn put_out(
        &mut self,
        now: Instant,
        mut pieces: Vec<Piece>,
        reporter: &Reporter,
        truth: &mut impl FnMut(&[u8], Origin) -> u32,
    ) {
        let mut left = pieces.drain(..).peekable();
        while let Some(piece) = left.next() {
            let neighbour = left.peek().is_some_and(Piece::swaps_back);
            let Some(piece) = self.queue_behind(now, piece, reporter, truth) else { continue };
            match piece {
                _ if self.mute => {}
                Piece::Pass(bytes) => self.pass(now, bytes, truth),
                Piece::Ours(stand) => self.stand(now, stand, truth),
                Piece::Reply(plan, reply) => {
                    self.deliver(now, plan, (reply, neighbour), reporter, truth);
                }
                // It is done behind the request instead, or it is the reply before that is not swapped.
                Piece::InVain(plan) | Piece::Uncertain(plan)
                    if plan.is_bound() || matches!(plan.effect, Effect::SwapBack) => {}
                Piece::InVain(plan) => {
                    self.spare(&plan);
                    reporter.in_vain(&plan.rule);
                }
                Piece::Uncertain(plan) => {
                    self.spare(&plan);
                    reporter.uncertain(&plan.rule);
                }
            }
        }
        drop(left);
        self.pieces = emptied(pieces);
    }

    /// What was planned came to nothing: that is none of those that were asked for.
    fn spare(&self, plan: &Plan) {
        if let Some(rule) = self.rules.iter().find(|rule| rule.of.id == plan.rule.id) {
            rule.was_in_vain();
        }
    }

    fn pass(&mut self, now: Instant, bytes: Bytes, truth: &mut impl FnMut(&[u8], Origin) -> u32) {
        let messages = truth(&bytes, Origin::Server);
        put(&mut self.down.out, now, messages, |out| out.data(bytes));
    }

    fn stand(
        &mut self,
        now: Instant,
        stand: Substitute,
        truth: &mut impl FnMut(&[u8], Origin) -> u32,
    ) {
        match stand {
            Substitute::Reply(bytes) => {
                let messages = truth(&bytes, Origin::Ours);
                put(&mut self.down.out, now, messages, |out| out.data(bytes));
            }
            Substitute::Close(how) => {
                self.down.out.begin(now);
                self.down.close(how);
                self.mute = true;
            }
        }
    }

    /// A planned reply is complete: does to it what was planned. `neighbour`: the one behind it is here and
    /// changes places with it.
    fn deliver(
        &mut self,
        now: Instant,
        plan: Plan,
        (reply, neighbour): (Kept, bool),
        reporter: &Reporter,
        truth: &mut impl FnMut(&[u8], Origin) -> u32,
    ) {
        let Kept { began, bytes, parts, .. } = reply;
        let fired = || reporter.fired(now, self.place.connection, plan.command, &plan.rule);
        let whole = Whole { dialect: plan.dialect, bytes: &bytes, parts: &parts };
        let how = match plan.effect {
            Effect::Instead(stand) => return self.stand(now, stand, truth),
            Effect::Ran(how) => {
                fired();
                return self.stand(now, Substitute::Close(how), truth);
            }
            Effect::DropAll(how) => {
                fired();
                truth(&bytes, Origin::Server);
                return self.stand(now, Substitute::Close(how), truth);
            }
            Effect::DropHalf(how) => Some(how),
            _ => None,
        };
        // Half a reply, and then nothing, answers nothing: it stays due.
        let ends = matches!(plan.effect, Effect::Change(_, Some(_)));
        let mut messages = if ends { 0 } else { truth(&bytes, Origin::Server) };
        if plan.effect.swaps() {
            let of = whole.remembered(&plan.key).map(|(key, _)| key);
            return self.swap(now, (plan, neighbour), (bytes.into(), of), messages, reporter);
        }
        if let Some(how) = how {
            fired();
            let half = Bytes::copy_from_slice(whole.half());
            put(&mut self.down.out, now, 0, |out| out.data(half));
            return self.stand(now, Substitute::Close(how), truth);
        }
        let rule = self.rules.iter_mut().find(|rule| rule.of.id == plan.rule.id);
        // What cannot wait for the client is not made longer.
        let room = self.down.out.cost() < HELD_BYTES_MAX;
        let mut at_once = 0;
        let (due, bytes, sequel) = match (&plan.effect, rule) {
            (Effect::Hold, Some(_)) => (Due::Never, bytes, None),
            (Effect::Delay(delay, jitter, after), Some(rule)) => {
                at_once = usize::try_from(*after).unwrap_or(usize::MAX);
                if at_once >= bytes.len() {
                    rule.was_in_vain();
                    reporter.in_vain(&plan.rule);
                    return put(&mut self.down.out, now, messages, |out| out.data(bytes.into()));
                }
                (rule.due(began, *delay, *jitter), bytes, None)
            }
            (Effect::Change(change, sequel), Some(rule)) => {
                let fits = room || !change.may_grow();
                let changed = fits.then(|| changed(rule, &plan, change, &whole)).flatten();
                let Some(changed) = changed else {
                    messages = if ends { truth(&bytes, Origin::Server) } else { messages };
                    rule.was_in_vain();
                    reporter.in_vain(&plan.rule);
                    return put(&mut self.down.out, now, messages, |out| out.data(bytes.into()));
                };
                (Due::At(now), changed, *sequel)
            }
            // The rule is gone.
            _ => return put(&mut self.down.out, now, messages, |out| out.data(bytes.into())),
        };
        fired();
        let mut bytes = Bytes::from(bytes);
        put(&mut self.down.out, now, messages, |out| {
            out.data(bytes.split_to(at_once));
            out.data_at(due, bytes);
        });
        if let Some(sequel) = sequel {
            self.down.follow(sequel);
            (self.deaf, self.mute) = (true, true);
        }
    }

    /// Whether the client is not sent what the server sends.
    fn is_owing(&self) -> bool {
        self.down.owes() || !self.sequel.is_nothing()
    }

    /// The connection is not understood any more: from now on bytes only pass. One that is owed a
    /// reply of ours can never be put in step again and is closed.
    fn give_up(
        &mut self,
        now: Instant,
        reporter: &Reporter,
        truth: &mut impl FnMut(&[u8], Origin) -> u32,
    ) {
        let owes = self.is_owing();
        self.sequel = Sequel::default();
        self.release(now, reporter, truth);
        self.up.open();
        if owes {
            self.deaf = true;
            self.down.close(CloseManner::Reset);
        }
    }
}

/// A list for the next chunk: an idle connection must not keep the room that a burst needed.
fn emptied<T>(mut list: Vec<T>) -> Vec<T> {
    list.clear();
    list.shrink_to(LISTED_KEPT);
    list
}

/// Whether a rule may mean the request whose head, not finished yet, begins so.
fn may_match(rules: &[Rule], head: &[u8]) -> bool {
    !head.is_empty() && rules.iter().any(|rule| rule.may_match(head))
}

/// A request has passed because its head could not be waited for.
fn count_missed(rules: &[Rule], request: &Request<'_>, reporter: &Reporter) {
    for rule in rules.iter().filter(|rule| rule.matches(request)) {
        reporter.uncertain(&rule.of);
    }
}

fn put(out: &mut Outbox, now: Instant, messages: u32, decide: impl FnOnce(&mut Outbox)) {
    let before = out.len();
    out.begin(now);
    decide(out);
    out.finish(before, messages);
}

fn changed(rule: &mut Rule, plan: &Plan, change: &Change, whole: &Whole<'_>) -> Option<Vec<u8>> {
    if *change != Change::WrongValue {
        return whole.change(change, rule.draws(), None);
    }
    let (key, value) = whole.remembered(&plan.key)?;
    let other = rule.swap_value(key, value.into())?;
    let changed = whole.change(change, rule.draws(), Some(&other));
    // Two keys may well have the same value.
    changed.filter(|changed| changed != whole.bytes)
}

mod swap;
#[cfg(test)]
mod tests;
