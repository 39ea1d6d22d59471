//! The toxics of one direction of one connection, in a row: what leaves one enters the next at the
//! instant it was due, whenever that is noticed.
//!
//! ```text
//! push ─► [ toxic 1 │ outbox ] ─► [ toxic 2 │ outbox ] ─► pop
//! ```
//! Owns what is held and for how long. Does no I/O and reads no clock.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use tokio::time::Instant;

use super::config::Direction;
use super::outbox::{Due, Item, Outbox, What};
use super::table::{ActiveToxic, Place, ToxicTable};
use super::toxic::{Clear, Toxic};

/// A row of running toxics.
#[derive(Debug)]
pub(super) struct Chain {
    direction: Direction,
    place: Place,
    stages: Vec<Stage>,
    /// What passed the last toxic and waits for the writer.
    exit: VecDeque<(What, u32)>,
    /// What a toxic decided about the whole connection.
    verdict: Option<Verdict>,
}

/// The end of the whole connection, decided by a toxic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Close,
    Reset,
}

struct Stage {
    of: Arc<ActiveToxic>,
    toxic: Box<dyn Toxic>,
    out: Outbox,
}

impl fmt::Debug for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stage").field("toxic", &self.of.name).field("out", &self.out).finish()
    }
}

impl Chain {
    pub(super) const fn new(direction: Direction, place: Place) -> Self {
        Self { direction, place, stages: Vec::new(), exit: VecDeque::new(), verdict: None }
    }

    /// Whether bytes may go straight from socket to socket.
    pub(super) fn is_bare(&self) -> bool {
        self.stages.is_empty() && self.exit.is_empty() && self.verdict.is_none()
    }

    /// Whether more may be read.
    pub(super) fn has_room(&self) -> bool {
        self.stages.first().is_none_or(Stage::has_room)
    }

    /// Whether something may enter in its turn: nothing waits for the writer, or the first toxic has
    /// room.
    pub(super) fn accepts(&self) -> bool {
        self.stages.first().map_or(self.exit.is_empty(), Stage::has_room)
    }

    /// Something that the rules let go of at `at`.
    pub(super) fn take_in(&mut self, at: Instant, what: What, messages: u32) {
        self.enter(0, at, what, messages);
    }

    /// Bytes arrived that completed `messages` messages.
    pub(super) fn push(&mut self, now: Instant, data: Bytes, messages: u32) {
        self.enter(0, now, What::Data(data), messages);
    }

    /// The stream ended.
    pub(super) fn end(&mut self, now: Instant) {
        self.enter(0, now, What::End, 0);
    }

    /// What a toxic decided about the whole connection, once that is due.
    pub(super) const fn verdict(&self) -> Option<Verdict> {
        self.verdict
    }

    /// The next thing that the writer may write at `now`, and how many messages it completes.
    pub(super) fn pop(&mut self, now: Instant) -> Option<(What, u32)> {
        self.settle(now);
        let next = self.exit.pop_front();
        if self.exit.is_empty() {
            // An idle connection must not keep the room that a burst needed.
            self.exit = VecDeque::new();
        }
        next
    }

    /// When there is something to do that nothing on a socket announces.
    pub(super) fn next_due(&self) -> Option<Instant> {
        (0..self.stages.len()).filter_map(|index| self.due_of(index)).min()
    }

    /// When the stage at `index` acts next. One that has to wait for room behind it is woken by
    /// that room, not by time.
    fn due_of(&self, index: usize) -> Option<Instant> {
        let stage = &self.stages[index];
        let room = self.stages.get(index + 1).map_or(self.exit.is_empty(), Stage::has_room);
        // A reset loses what is before it anyway.
        let head = stage.out.next().filter(|item| room || item.what == What::Reset);
        let head = head.and_then(|item| item.due.instant());
        [head, stage.toxic.deadline()].into_iter().flatten().min()
    }

    /// Does everything that was due by `now`, in order of time. At most one thing waits for the
    /// writer, so that what leaves late was not taken from its toxic early.
    pub(super) fn settle(&mut self, now: Instant) {
        while self.verdict.is_none() {
            let next = (0..self.stages.len())
                .filter_map(|index| self.due_of(index).map(|due| (due, index)))
                .min_by_key(|(due, index)| (*due, std::cmp::Reverse(*index)));
            let Some((due, index)) = next.filter(|(due, _)| *due <= now) else { return };
            self.act(index, due, now);
        }
    }

    fn act(&mut self, index: usize, due: Instant, now: Instant) {
        let stage = &mut self.stages[index];
        let is_head = stage.out.next().is_some_and(|item| item.due == Due::At(due));
        if !is_head {
            stage.on_deadline(due);
            return;
        }
        // Not the deadline that may be due as well: what was decided first leaves first.
        let Some(item) = stage.out.pop() else { return };
        stage.toxic.on_left(due, now, &mut stage.out);
        self.enter(index + 1, due, item.what, item.messages);
    }

    /// Hands something to the stage at `index`, or to the writer behind the last.
    fn enter(&mut self, index: usize, at: Instant, what: What, messages: u32) {
        match (what, self.stages.get_mut(index)) {
            (What::Reset, _) => self.decide(Verdict::Reset),
            (What::Close, None) => self.decide(Verdict::Close),
            (What::Close, Some(stage)) => stage.close(at),
            (what, Some(stage)) => stage.on_item(at, what, messages),
            (what, None) => self.exit.push_back((what, messages)),
        }
    }

    const fn decide(&mut self, verdict: Verdict) {
        if self.verdict.is_none() {
            self.verdict = Some(verdict);
        }
    }

    /// Makes the row the one that `table` describes. What a removed or changed toxic held goes on
    /// at once; what its neighbours hold stays where it is.
    pub(super) fn reconcile(&mut self, now: Instant, table: &ToxicTable) {
        for index in (0..self.stages.len()).rev() {
            self.keep_or_drop(index, now, table);
        }
        let mut place = 0;
        for toxic in table.iter() {
            if self.stages.get(place).is_some_and(|stage| stage.of.id == toxic.id) {
                place += 1;
            } else if toxic.runs_on(self.direction, &self.place) {
                let state = toxic.start(now, self.direction, &self.place, None);
                self.stages.insert(place, Stage::new(toxic, state, now));
                place += 1;
            }
        }
        self.stages.shrink_to_fit();
    }

    fn keep_or_drop(&mut self, index: usize, now: Instant, table: &ToxicTable) {
        let stage = &mut self.stages[index];
        let present = table.iter().find(|toxic| toxic.id == stage.of.id);
        if present.is_some_and(|toxic| toxic.generation == stage.of.generation) {
            return;
        }
        let held = stage.out.drain();
        match present.filter(|toxic| toxic.runs_on(self.direction, &self.place)) {
            Some(toxic) => {
                let carried = stage.toxic.carried();
                let state = toxic.start(now, self.direction, &self.place, Some(carried));
                *stage = Stage::new(toxic, state, now);
                self.release(index + 1, now, held);
            }
            None => {
                let clear = self.stages.remove(index).toxic.clear();
                match clear {
                    Clear::Deliver => self.release(index, now, held),
                    Clear::Close => self.decide(Verdict::Close),
                    Clear::Reset => self.decide(Verdict::Reset),
                }
            }
        }
    }

    fn release(&mut self, index: usize, now: Instant, held: VecDeque<Item>) {
        for item in held {
            self.enter(index, now, item.what, item.messages);
        }
    }
}

impl Stage {
    fn new(of: &Arc<ActiveToxic>, toxic: Box<dyn Toxic>, now: Instant) -> Self {
        Self { of: Arc::clone(of), toxic, out: Outbox::new(now) }
    }

    fn has_room(&self) -> bool {
        self.out.cost() < self.toxic.capacity()
    }

    fn on_item(&mut self, at: Instant, what: What, messages: u32) {
        let before = self.out.len();
        self.out.begin(at);
        let operations = match what {
            What::Data(data) => {
                self.toxic.on_data(at, data, &mut self.out);
                messages
            }
            _ => {
                self.toxic.on_end(at, &mut self.out);
                1
            }
        };
        if self.out.finish(before, messages) {
            self.of.touch(operations);
        }
    }

    /// A toxic before it closes the connection, once what it let pass has left here as well.
    fn close(&mut self, at: Instant) {
        self.out.begin(at);
        self.out.close();
    }

    fn on_deadline(&mut self, at: Instant) {
        let before = self.out.len();
        self.out.begin(at);
        self.toxic.on_deadline(at, &mut self.out);
        if self.out.finish(before, 0) {
            self.of.touch(1);
        }
    }
}
