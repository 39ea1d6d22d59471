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

use bytes::Bytes;
use tokio::time::Instant;

use super::action::Change;
use super::down::{Collected, Deed, Down, Mark, Ours, Piece, Plan, Stand};
use super::judge::{Cut, Judge, Last};
use super::report::Reporter;
use super::state::Rule;
use super::tamper::{Tampered, Whole};
use super::up::{Fate, Up};
use crate::proxy::config::Direction;
use crate::proxy::outbox::{Due, Outbox, What};
use crate::proxy::table::{Place, ToxicTable};
use crate::proxy::tap::CloseManner;
use crate::proxy::toxic::HELD_BYTES_MAX;
use crate::wire::observe::{Observer, ReplyEvent, RequestEvent, State};
use crate::wire::request::Due as ReplyDue;

/// Where a reply that the meter is told of comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::proxy) enum Origin {
    Server,
    Ours,
}

/// One connection of a proxy that has, or just had, rules.
#[derive(Debug)]
pub(in crate::proxy) struct Exchange {
    rules: Vec<Rule>,
    place: Place,
    observer: Observer<Instant>,
    up: Up,
    down: Down,
    /// The last request that the server has to answer.
    owed: Option<u64>,
    /// What the request that is swallowed now will be answered with.
    swallowed: Option<Ours>,
    /// What follows the request under way, if the connection is dropped behind it.
    last: Option<Last>,
    /// Nothing that the client sends reaches the server any more.
    deaf: bool,
    /// How the connection is closed once the last request has been sent.
    parting: Option<CloseManner>,
    cuts: Vec<Cut>,
    marks: Vec<Mark>,
    pieces: Vec<Piece>,
}

impl Exchange {
    /// An exchange that goes on where `observer` is, if the table has rules for this connection.
    pub(in crate::proxy) fn begin(
        now: Instant,
        table: &ToxicTable,
        place: Place,
        observer: impl FnOnce() -> Observer<Instant>,
    ) -> Option<Self> {
        let rules = table.rules(&place);
        if rules.is_empty() {
            return None;
        }
        let observer = observer();
        if observer.state() != State::Framed {
            return None;
        }
        let at_boundary = observer.is_at_request_boundary();
        let mut exchange = Self {
            rules: Vec::new(),
            place,
            up: Up::new(now, observer.request_position(), at_boundary),
            down: Down::new(now, observer.reply_position()),
            owed: None,
            swallowed: None,
            last: None,
            deaf: false,
            parting: None,
            cuts: Vec::new(),
            marks: Vec::new(),
            pieces: Vec::new(),
            observer,
        };
        exchange.owed = exchange.observer.last_outstanding();
        exchange.reconcile(now, table);
        Some(exchange)
    }

    /// Takes up the rules of `table`. What a rule that is gone had kept back leaves at once.
    pub(in crate::proxy) fn reconcile(&mut self, now: Instant, table: &ToxicTable) {
        let mut before = std::mem::take(&mut self.rules);
        for (toxic, spec) in table.rules(&self.place) {
            let kept = before.iter().position(|rule| rule.is_same(toxic));
            self.rules.push(match kept {
                Some(index) => before.swap_remove(index),
                None => Rule::new(toxic, spec, &self.place),
            });
        }
        if !before.is_empty() {
            self.down.forget(|id| before.iter().any(|rule| rule.of.id == id));
            for out in [&mut self.up.out, &mut self.down.out] {
                out.hasten(Due::At(now));
            }
        }
    }

    /// Whether the connection can do without: no rules, and nothing of theirs under way.
    pub(in crate::proxy) fn is_over(&self) -> bool {
        self.rules.is_empty()
            && !self.deaf
            && self.up.is_idle()
            && self.down.is_idle()
            && self.swallowed.is_none()
            && self.last.is_none()
    }

    // === what the link asks ===

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

    /// When something leaves.
    pub(in crate::proxy) fn next_due(&mut self, direction: Direction) -> Option<Instant> {
        self.out(direction).next()?.due.instant()
    }

    /// Whether more may be read: what waits for its time is bounded, and nothing waits for the
    /// receiver.
    pub(in crate::proxy) fn has_room(&mut self, direction: Direction, now: Instant) -> bool {
        let ours = direction == Direction::Down || self.down.has_room_for_ours();
        let out = self.out(direction);
        let waits = out.next().is_some_and(|item| item.due <= Due::At(now));
        ours && !waits && out.cost() < HELD_BYTES_MAX
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
        let untouched = !opaque
            && self.swallowed.is_none()
            && self.last.is_none()
            && cuts.iter().all(Cut::passes);
        let straight = untouched && self.up.lets_by(data.len(), cuts.last().map(|cut| cut.end));
        if !straight {
            self.take_in(now, data, messages, &mut cuts, opaque, truth);
        }
        cuts.clear();
        self.cuts = cuts;
        straight.then_some(messages)
    }

    fn take_in(
        &mut self,
        now: Instant,
        data: &[u8],
        messages: u32,
        cuts: &mut Vec<Cut>,
        opaque: bool,
        truth: &mut impl FnMut(&[u8], Origin) -> u32,
    ) {
        let before = self.up.out.len();
        self.up.out.begin(now);
        let mut chunk = self.up.begin(data, cuts.first().map(|cut| cut.start));
        // The request under way may end with the first bytes of this chunk.
        self.settle(now, truth);
        for cut in cuts.drain(..) {
            self.up.next(&mut chunk, cut.fate, cut.end);
            (self.swallowed, self.last) = (cut.ours, cut.last);
            self.settle(now, truth);
            if cut.closes {
                self.up.open();
            }
        }
        if opaque {
            self.give_up(now, truth);
        }
        if self.deaf {
            // What was sent behind the last request must not run.
            self.up.stop(chunk, self.parting.take());
        } else {
            self.up.finish(chunk);
        }
        self.up.out.finish(before, messages);
    }

    /// Does what was to be done once the request under way has come to its end.
    fn settle(&mut self, now: Instant, truth: &mut impl FnMut(&[u8], Origin) -> u32) {
        if self.up.is_under_way() {
            return;
        }
        if let Some(last) = self.last.take() {
            self.deaf = true;
            self.parting = match last {
                Last::Reply => None,
                Last::Close(how) => Some(how),
            };
        }
        let Some(ours) = self.swallowed.take() else { return };
        self.deaf |= matches!(ours.what, Stand::Close(_));
        if let Some(stand) = self.down.queue(ours) {
            self.stand(now, stand, truth);
        }
    }

    /// Whether the request under way is the last that the server sees, or would have seen.
    const fn is_ending(&self) -> bool {
        let closes = matches!(&self.swallowed, Some(Ours { what: Stand::Close(_), .. }));
        self.last.is_some() || closes
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
        let (mut opaque, mut over) = (false, self.is_ending());
        let Self { rules, observer, up, down, owed, place, .. } = self;
        let floor = up.at();
        observer.on_request_if(data, now, &mut |event, certain| match event {
            RequestEvent::Opaque(_) => {
                opaque = true;
                true
            }
            RequestEvent::Request(_) if over => false,
            RequestEvent::Request(request) => {
                // The beginning of an earlier one is with the server already.
                let mut cut = Cut::passing(&request);
                if request.start >= floor {
                    let mut judge = Judge { now, rules, down, owed, place, reporter };
                    judge.ask(&request, certain, &mut cut);
                }
                over = cut.is_last();
                let goes_on = cut.fate != Fate::Swallow;
                if goes_on && request.paired.due != ReplyDue::Never {
                    *owed = Some(request.paired.sequence);
                }
                cuts.push(cut);
                goes_on
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
        let watching = self.down.is_watching();
        let Self { observer, down, marks, .. } = self;
        let mut opaque = false;
        marks.clear();
        observer.on_reply(data, &mut |event| match event {
            ReplyEvent::Part(part) => {
                down.know(part.end);
                if watching {
                    let (start, head_end, end) = (part.start, part.head_end, part.end);
                    let sequence = part.request.sequence;
                    marks.push(Mark::Part { sequence, start, head_end, end });
                }
            }
            ReplyEvent::Done(done) => {
                let (sequence, end) = (done.request.sequence, done.end);
                down.know(end);
                match watching {
                    true => marks.push(Mark::Done { sequence, end }),
                    false => down.answered(sequence),
                }
            }
            ReplyEvent::Unsolicited { end, .. } => down.know(end),
            ReplyEvent::Unanswered { .. } => {}
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
            self.pass(now, Bytes::copy_from_slice(data), truth);
            return None;
        }
        let (marks, mut pieces) =
            (std::mem::take(&mut self.marks), std::mem::take(&mut self.pieces));
        self.down.cut(now, data, &marks, &mut pieces);
        for piece in pieces.drain(..) {
            match piece {
                Piece::Pass(bytes) => self.pass(now, bytes, truth),
                Piece::Ours(stand) => self.stand(now, stand, truth),
                Piece::Reply(reply) => self.deliver(now, reply, reporter, truth),
            }
        }
        (self.marks, self.pieces) = (marks, pieces);
        if opaque {
            self.give_up(now, truth);
        }
        None
    }

    /// The server has ended its stream.
    pub(in crate::proxy) fn on_server_end(
        &mut self,
        now: Instant,
        truth: &mut impl FnMut(&[u8], Origin) -> u32,
    ) {
        let rest = self.down.release();
        self.pass(now, rest.into(), truth);
        self.down.out.begin(now);
        self.down.out.end();
    }

    fn pass(&mut self, now: Instant, bytes: Bytes, truth: &mut impl FnMut(&[u8], Origin) -> u32) {
        let messages = truth(&bytes, Origin::Server);
        put(&mut self.down.out, now, messages, |out| out.data(bytes));
    }

    fn stand(&mut self, now: Instant, stand: Stand, truth: &mut impl FnMut(&[u8], Origin) -> u32) {
        match stand {
            Stand::Reply(bytes) => {
                let messages = truth(&bytes, Origin::Ours);
                put(&mut self.down.out, now, messages, |out| out.data(bytes.into()));
            }
            Stand::Close(how) => {
                self.down.out.begin(now);
                self.down.close(how);
            }
        }
    }

    /// A planned reply is complete: does to it what was planned.
    fn deliver(
        &mut self,
        now: Instant,
        reply: Collected,
        reporter: &Reporter,
        truth: &mut impl FnMut(&[u8], Origin) -> u32,
    ) {
        let messages = truth(&reply.bytes, Origin::Server);
        let Collected { plan, began, bytes, parts, .. } = reply;
        let Some(rule) = self.rules.iter_mut().find(|rule| rule.of.id == plan.rule) else {
            return put(&mut self.down.out, now, messages, |out| out.data(bytes.into()));
        };
        let whole = Whole { dialect: plan.dialect, bytes: &bytes, parts: &parts };
        let (due, tampered) = match &plan.deed {
            Deed::Hold => (Due::Never, None),
            Deed::Delay(delay, jitter) => (rule.due(began, *delay, *jitter), None),
            Deed::DropAll(_) => (Due::At(now), Some(Tampered { bytes: Vec::new(), then: None })),
            Deed::DropHalf(_) => {
                (Due::At(now), Some(Tampered { bytes: whole.half().to_vec(), then: None }))
            }
            Deed::Change(change) => (Due::At(now), tamper(rule, &plan, change, &whole)),
        };
        let fires = tampered.is_some() || !matches!(plan.deed, Deed::Change(_));
        let (bytes, then) = match tampered {
            Some(Tampered { bytes, then }) => (bytes, then),
            None => (bytes, None),
        };
        if fires {
            reporter.fired(now, self.place.connection, plan.command, &rule.of);
        } else {
            rule.was_in_vain();
            reporter.in_vain();
        }
        put(&mut self.down.out, now, messages, |out| out.data_at(due, bytes.into()));
        match (then, plan.deed) {
            (Some(then), _) => self.down.follow(then),
            (None, Deed::DropAll(how) | Deed::DropHalf(how)) => self.down.close(how),
            _ => {}
        }
        self.deaf |= then.is_some();
    }

    /// The connection is not understood any more: from now on bytes only pass. One that is owed a
    /// reply of ours can never be put in step again and is closed.
    fn give_up(&mut self, now: Instant, truth: &mut impl FnMut(&[u8], Origin) -> u32) {
        let owes = self.down.owes() || self.swallowed.take().is_some();
        let rest = self.down.release();
        self.pass(now, rest.into(), truth);
        self.up.open();
        if owes {
            self.deaf = true;
            self.down.close(CloseManner::Reset);
        }
    }
}

fn put(out: &mut Outbox, now: Instant, messages: u32, decide: impl FnOnce(&mut Outbox)) {
    let before = out.len();
    out.begin(now);
    decide(out);
    out.finish(before, messages);
}

fn tamper(rule: &mut Rule, plan: &Plan, change: &Change, whole: &Whole<'_>) -> Option<Tampered> {
    if *change != Change::WrongValue {
        return whole.change(change, rule.draws(), None);
    }
    let (key, value) = whole.remembered(&plan.key)?;
    let other = rule.swap_value(key, value.into())?;
    let changed = whole.change(change, rule.draws(), Some(&other));
    // Two keys may well have the same value.
    changed.filter(|changed| changed.bytes != whole.bytes)
}
