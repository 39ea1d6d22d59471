//! The toxics of one direction of one connection, in a row: what leaves one enters the next at the
//! instant it was due, whenever that is noticed.
//!
//! ```text
//! push ─► [ toxic 1 │ outbox ] ─► [ toxic 2 │ outbox ] ─► exit ─► pop
//! ```
//! Nothing enters a stage that has no room, however it comes there: what a removed or changed toxic
//! held stays where it is, in a stage that adds nothing, and leaves as the receiver takes it.
//!
//! Owns what is held and for how long. Does no I/O and reads no clock.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use tokio::time::Instant;

use crate::proxy::config::Direction;
use crate::proxy::fault::identity::{Identity, Place};
use crate::proxy::fault::outbox::{Due, HELD_BYTES_MAX, Item, Outbox, What};
use crate::proxy::fault::table::ToxicTable;
use crate::proxy::fault::toxic::{Clear, Toxic};

/// How many things move in one turn at most, so that a connection with many small pieces gives the
/// others theirs: some tens of microseconds.
const MOVES_MAX: u32 = 64;

/// What a stage may hold although the row holds as much as it may: enough to keep bytes moving, since a
/// row is never empty at its end while it is full before.
const STAGE_BYTES_LEAST: usize = 4 << 10;

/// A row of running toxics.
#[derive(Debug)]
pub(in crate::proxy) struct Chain {
    /// What all stages may hold together.
    most: usize,
    /// How many things may still move in this turn.
    moves: u32,
    direction: Direction,
    place: Place,
    stages: Vec<Stage>,
    /// What passed the last toxic and waits for the writer: one thing, so that what leaves late was
    /// not taken from its toxic early.
    exit: Option<Item>,
    /// What a toxic decided about the whole connection, and when.
    closing: Option<(Verdict, Instant)>,
}

/// The end of the whole connection, decided by a toxic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::proxy) enum Verdict {
    Close,
    Reset,
}

struct Stage {
    /// None: the toxic is gone, and what it held is leaving.
    toxic: Option<Running>,
    out: Outbox,
}

struct Running {
    of: Arc<Identity>,
    state: Box<dyn Toxic>,
}

impl fmt::Debug for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.toxic.as_ref().map(|running| &running.of.name);
        f.debug_struct("Stage").field("toxic", &name).field("out", &self.out).finish()
    }
}

/// What a stage does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Next {
    /// The first thing that it holds leaves.
    Leave,
    /// Its toxic's deadline has come.
    Deadline,
}

impl Chain {
    pub(in crate::proxy) const fn new(direction: Direction, place: Place) -> Self {
        Self {
            most: HELD_BYTES_MAX,
            moves: MOVES_MAX,
            direction,
            place,
            stages: Vec::new(),
            exit: None,
            closing: None,
        }
    }

    /// Whether bytes may go straight from socket to socket.
    pub(in crate::proxy) const fn is_bare(&self) -> bool {
        self.stages.is_empty() && self.exit.is_none() && self.closing.is_none()
    }

    /// Bytes held, with the cost of their pieces.
    pub(in crate::proxy) fn held(&self) -> usize {
        let exit = self.exit.as_ref().map_or(0, Item::cost);
        self.stages.iter().map(|stage| stage.out.cost()).sum::<usize>() + exit
    }

    /// A turn begins, in which all stages may hold this many bytes together, beside a little each: reading
    /// is not all that adds to them, what is cut into pieces on its way costs more than before.
    pub(in crate::proxy) const fn begin_turn(&mut self, most: usize) {
        self.most = most;
        self.moves = MOVES_MAX;
    }

    /// Whether as much has moved in this turn as may.
    pub(in crate::proxy) const fn is_worn_out(&self) -> bool {
        self.moves == 0
    }

    fn is_full(&self) -> bool {
        self.held() >= self.most
    }

    /// Whether something may enter.
    pub(in crate::proxy) fn has_room(&self) -> bool {
        self.closing.is_none() && self.has_room_at(0, self.is_full())
    }

    /// Whether something may enter the stage at `index`, or the exit behind the last, of a row that is
    /// full or not.
    fn has_room_at(&self, index: usize, is_full: bool) -> bool {
        match self.stages.get(index) {
            Some(stage) => stage.has_room(is_full),
            None => self.exit.is_none(),
        }
    }

    /// How many bytes may be read from the sender now, as far as the toxics say: all of them see what comes.
    pub(in crate::proxy) fn reads(&self) -> usize {
        let toxics = self.stages.iter().filter_map(|stage| stage.toxic.as_ref());
        toxics.map(|running| running.state.reads()).min().unwrap_or(usize::MAX)
    }

    /// So many bytes were read from the sender.
    pub(in crate::proxy) fn on_read(&mut self, now: Instant, bytes: usize) {
        self.toxics().for_each(|toxic| toxic.on_read(now, bytes));
    }

    /// Bytes arrived in the other direction.
    pub(in crate::proxy) fn on_other(&mut self, now: Instant) {
        self.toxics().for_each(|toxic| toxic.on_other(now));
    }

    fn toxics(&mut self) -> impl Iterator<Item = &mut Box<dyn Toxic>> {
        self.stages.iter_mut().filter_map(|stage| Some(&mut stage.toxic.as_mut()?.state))
    }

    /// What a toxic decided about the whole connection, and when.
    pub(in crate::proxy) const fn closing(&self) -> Option<(Verdict, Instant)> {
        self.closing
    }

    /// Whether nothing waits for the writer.
    pub(in crate::proxy) const fn is_drained(&self) -> bool {
        self.exit.is_none()
    }

    /// The next thing that the writer may write at `now`, and how many messages it completes.
    pub(in crate::proxy) fn pop(&mut self, now: Instant) -> Option<(What, u32)> {
        self.settle(now);
        self.exit.take().map(|item| (item.what, item.messages))
    }

    /// When there is something to do that nothing on a socket announces.
    pub(in crate::proxy) fn next_due(&self) -> Option<Instant> {
        let is_full = self.is_full();
        let dues = (0..self.stages.len()).filter_map(|index| self.due_of(index, is_full));
        dues.map(|(due, _)| due).min()
    }

    /// When the stage at `index` acts next, and how. One that has to wait for room behind it is woken
    /// by that room, not by time.
    fn due_of(&self, index: usize, is_full: bool) -> Option<(Instant, Next)> {
        let stage = &self.stages[index];
        // A reset loses what is before it anyway.
        let leaves =
            |item: &&Item| item.what == What::Reset || self.has_room_at(index + 1, is_full);
        let head = stage.out.next().filter(leaves).and_then(|item| item.due.instant());
        let deadline = stage.toxic.as_ref().and_then(|running| running.state.deadline());
        let head = head.map(|due| (due, Next::Leave));
        [head, deadline.map(|due| (due, Next::Deadline))].into_iter().flatten().min()
    }

    /// Does what was due by `now`, in order of time: all of it, or as much as one turn may take. What
    /// is left is due at once.
    pub(in crate::proxy) fn settle(&mut self, now: Instant) {
        while self.moves > 0 {
            let is_full = self.is_full();
            let next = (0..self.stages.len())
                .filter_map(|index| {
                    self.due_of(index, is_full).map(|(due, next)| (due, index, next))
                })
                .min_by_key(|(due, index, _)| (*due, std::cmp::Reverse(*index)));
            match next.filter(|(due, ..)| *due <= now) {
                Some((due, index, Next::Leave)) => self.leave(index, due, now),
                Some((due, index, Next::Deadline)) => self.stages[index].on_deadline(due),
                None => return,
            }
            self.moves -= 1;
        }
    }

    fn leave(&mut self, index: usize, due: Instant, now: Instant) {
        let stage = &mut self.stages[index];
        let Some(item) = stage.out.pop() else { return };
        if let Some(running) = &mut stage.toxic {
            running.state.on_left(due, now, &mut stage.out);
        }
        let has_gone = stage.is_leaving() && stage.out.len() == 0;
        if has_gone {
            self.stages.remove(index);
        }
        self.enter(if has_gone { index } else { index + 1 }, due, item.what, item.messages);
    }

    /// Something that the rules let go of at `at`.
    pub(in crate::proxy) fn take_in(&mut self, at: Instant, what: What, messages: u32) {
        self.enter(0, at, what, messages);
    }

    /// Bytes arrived that completed `messages` messages.
    pub(in crate::proxy) fn push(&mut self, now: Instant, data: Bytes, messages: u32) {
        self.enter(0, now, What::Data(data), messages);
    }

    /// The stream ended.
    pub(in crate::proxy) fn end(&mut self, now: Instant) {
        self.enter(0, now, What::End, 0);
    }

    /// Hands something to the stage at `index`, or to the writer behind the last.
    fn enter(&mut self, index: usize, at: Instant, what: What, messages: u32) {
        match (what, self.stages.get_mut(index)) {
            // Nothing follows the end of the connection.
            _ if self.closing.is_some() => {}
            (What::Reset, _) => self.decide(Verdict::Reset, at),
            (What::Close, None) => self.decide(Verdict::Close, at),
            (What::Close, Some(stage)) => stage.close(at),
            (what, Some(stage)) => stage.on_item(at, what, messages),
            (what, None) => self.exit = Some(Item { due: Due::At(at), what, messages }),
        }
    }

    /// The connection ends: what has passed every toxic still leaves before a close, nothing else does.
    fn decide(&mut self, verdict: Verdict, at: Instant) {
        self.closing.get_or_insert((verdict, at));
        self.stages = Vec::new();
    }

    /// Makes the row the one that `table` describes. What a removed or changed toxic held leaves as fast
    /// as there is room for it; what its neighbours hold stays where it is.
    pub(in crate::proxy) fn reconcile(&mut self, now: Instant, table: &ToxicTable) {
        for index in (0..self.stages.len()).rev() {
            self.keep_or_drop(index, now, table);
            if self.closing.is_some() {
                return;
            }
        }
        let mut place = 0;
        for toxic in table.iter() {
            while self.stages.get(place).is_some_and(Stage::is_leaving) {
                place += 1;
            }
            if self.stages.get(place).is_some_and(|stage| stage.runs(toxic.identity.id)) {
                place += 1;
            } else if self.closing.is_none()
                && let Some(state) = toxic.start(now, self.direction, &self.place, None)
            {
                self.stages.insert(place, Stage::new(&toxic.identity, state, now));
                place += 1;
            }
        }
        self.merge_leaving();
        self.stages.shrink_to_fit();
    }

    fn keep_or_drop(&mut self, index: usize, now: Instant, table: &ToxicTable) {
        let stage = &mut self.stages[index];
        let Some(running) = &stage.toxic else { return };
        let present = table.iter().find(|toxic| toxic.identity.id == running.of.id);
        if present.is_some_and(|toxic| toxic.identity.is_same(&running.of)) {
            return;
        }
        let carried = running.state.carried();
        let next = present.and_then(|toxic| {
            let state = toxic.start(now, self.direction, &self.place, Some(carried))?;
            Some(Stage::new(&toxic.identity, state, now))
        });
        match next {
            Some(next) => {
                let before = std::mem::replace(stage, next);
                self.let_leave(index + 1, before.out, now);
            }
            None => match running.state.clear() {
                Clear::Deliver => {
                    let before = self.stages.remove(index);
                    self.let_leave(index, before.out, now);
                }
                Clear::Close => self.decide(Verdict::Close, now),
                Clear::Reset => self.decide(Verdict::Reset, now),
            },
        }
    }

    /// Lets what a toxic held leave, from a stage of its own at `index`.
    fn let_leave(&mut self, index: usize, mut out: Outbox, now: Instant) {
        if out.len() > 0 {
            out.hasten(Due::At(now));
            self.stages.insert(index, Stage { toxic: None, out });
        }
    }

    /// Makes one of neighbours that only leave, so that there are never many, however often toxics
    /// come and go while a receiver takes nothing.
    fn merge_leaving(&mut self) {
        for index in (1..self.stages.len()).rev() {
            if self.stages[index].is_leaving() && self.stages[index - 1].is_leaving() {
                let later = self.stages.remove(index - 1).out;
                self.stages[index - 1].out.append(later);
            }
        }
    }
}

impl Stage {
    fn new(of: &Arc<Identity>, state: Box<dyn Toxic>, now: Instant) -> Self {
        let toxic = Some(Running { of: Arc::clone(of), state });
        Self { toxic, out: Outbox::new(now) }
    }

    const fn is_leaving(&self) -> bool {
        self.toxic.is_none()
    }

    fn runs(&self, id: u64) -> bool {
        self.toxic.as_ref().is_some_and(|running| running.of.id == id)
    }

    fn has_room(&self, is_full: bool) -> bool {
        let capacity = self.toxic.as_ref().map_or(HELD_BYTES_MAX, |it| it.state.capacity());
        let most = if is_full { STAGE_BYTES_LEAST } else { HELD_BYTES_MAX };
        self.out.cost() < capacity.min(most)
    }

    fn on_item(&mut self, at: Instant, what: What, messages: u32) {
        let operations = if matches!(what, What::Data(_)) { messages } else { 1 };
        self.decide(at, messages, operations, |toxic, out| match (toxic, what) {
            (Some(toxic), What::Data(data)) => toxic.on_data(at, data, out),
            (Some(toxic), _) => toxic.on_end(at, out),
            (None, What::Data(data)) => out.data(data),
            (None, _) => out.end(),
        });
    }

    /// A toxic before it closes the connection, once what it let pass has left here as well.
    fn close(&mut self, at: Instant) {
        self.out.begin(at);
        self.out.close();
    }

    fn on_deadline(&mut self, at: Instant) {
        self.decide(at, 0, 1, |toxic, out| {
            if let Some(toxic) = toxic {
                toxic.on_deadline(at, out);
            }
        });
    }

    /// Lets the toxic decide, and counts the operations if it touched them.
    fn decide(
        &mut self,
        at: Instant,
        messages: u32,
        operations: u32,
        decision: impl FnOnce(Option<&mut (dyn Toxic + 'static)>, &mut Outbox),
    ) {
        let before = self.out.len();
        self.out.begin(at);
        decision(self.toxic.as_mut().map(|running| &mut *running.state), &mut self.out);
        let touched = self.out.finish(before, messages);
        if let Some(running) = self.toxic.as_ref().filter(|_| touched) {
            running.of.touch(operations);
        }
    }
}
