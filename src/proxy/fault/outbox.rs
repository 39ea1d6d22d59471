//! What a toxic decided and the link has not done yet: bytes and endings, each with its due time.
//!
//! Time never runs backwards within an outbox: what is put in later is never due earlier. Nothing
//! follows the end of a stream but that of the connection, and nothing that. So no toxic can reorder or
//! resurrect a stream, even by mistake.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

/// What one piece costs beside its bytes, so that many tiny pieces stay bounded too.
const PIECE_COST: usize = 64;

/// How much is held on one direction of one connection, by all its toxics together, before the link
/// stops reading from the sender, whose own buffers then fill as they would before a slow network.
pub const HELD_BYTES_MAX: usize = 4 << 20;

/// The longest delay that is told apart from "until something changes": a year.
const DELAY_MAX: Duration = Duration::from_secs(365 * 24 * 3600);

/// When something leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Due {
    /// At this instant.
    At(Instant),
    /// When the toxic that holds it is changed or removed.
    Never,
}

impl Due {
    /// The due time this long after `from`; never, when that is beyond any run.
    #[must_use]
    pub fn after(from: Instant, delay: Duration) -> Self {
        if delay > DELAY_MAX {
            return Self::Never;
        }
        from.checked_add(delay).map_or(Self::Never, Self::At)
    }

    /// The instant, unless it is never.
    #[must_use]
    pub const fn instant(self) -> Option<Instant> {
        match self {
            Self::At(instant) => Some(instant),
            Self::Never => None,
        }
    }
}

/// What leaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::proxy) enum What {
    /// These bytes.
    Data(Bytes),
    /// The end of this direction of the stream.
    End,
    /// The whole connection, with a FIN.
    Close,
    /// The whole connection, with a RST.
    Reset,
}

/// Something that leaves, when, and how many messages were completed by the bytes in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::proxy) struct Item {
    pub(in crate::proxy) due: Due,
    pub(in crate::proxy) what: What,
    pub(in crate::proxy) messages: u32,
}

impl Item {
    fn bytes(&self) -> usize {
        match &self.what {
            What::Data(data) => data.len(),
            _ => 0,
        }
    }

    pub(in crate::proxy) fn cost(&self) -> usize {
        match &self.what {
            What::Data(data) => data.len() + PIECE_COST,
            _ => 0,
        }
    }
}

/// What waits for its turn at the head of an outbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// How many things are before it, on their way.
    pub after: usize,
    /// How many things.
    pub things: usize,
    /// Their bytes.
    pub bytes: usize,
}

/// The decisions of one toxic on one direction of one connection, in order.
#[derive(Debug)]
pub struct Outbox {
    now: Instant,
    items: VecDeque<Item>,
    cost: usize,
    latest: Option<Due>,
    ending: Ending,
    touched: bool,
}

/// Which end was put in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Ending {
    None,
    Stream,
    Connection,
}

impl Outbox {
    /// An empty outbox at `now`.
    #[must_use]
    pub const fn new(now: Instant) -> Self {
        Self {
            now,
            items: VecDeque::new(),
            cost: 0,
            latest: None,
            ending: Ending::None,
            touched: false,
        }
    }

    /// Passes `data` on at once (or right after what is still held before it).
    pub fn data(&mut self, data: Bytes) {
        self.data_at(Due::At(self.now), data);
    }

    /// Passes `data` on this long from now.
    pub fn data_after(&mut self, delay: Duration, data: Bytes) {
        self.data_at(Due::after(self.now, delay), data);
    }

    /// Passes `data` on at `due`.
    pub fn data_at(&mut self, due: Due, data: Bytes) {
        if !data.is_empty() {
            self.put(due, What::Data(data));
        }
    }

    /// Holds `data` until its turn has come: [`Outbox::let_go`] says when.
    pub fn wait(&mut self, data: Bytes) {
        if !data.is_empty() {
            self.push(Due::Never, What::Data(data));
        }
    }

    /// Ends this direction when its turn has come.
    pub fn wait_to_end(&mut self) {
        self.push(Due::Never, What::End);
    }

    /// What waits for its turn right behind the first `after` things: one thing, or several of `most`
    /// bytes together. `None` when what is there is on its way.
    #[must_use]
    pub fn waiting(&self, after: usize, most: usize) -> Option<Waiting> {
        let mut waiting = Waiting { after, things: 0, bytes: 0 };
        for item in self.items.iter().skip(after) {
            let bytes = waiting.bytes.saturating_add(item.bytes());
            if item.due != Due::Never || (waiting.things > 0 && bytes > most) {
                break;
            }
            waiting = Waiting { after, things: waiting.things + 1, bytes };
        }
        (waiting.things > 0).then_some(waiting)
    }

    /// Lets what waited leave at `due`.
    pub fn let_go(&mut self, waited: Waiting, due: Due) {
        for item in self.items.iter_mut().skip(waited.after).take(waited.things) {
            item.due = due;
        }
        self.latest = self.latest();
    }

    /// Loses `data`.
    pub fn discard(&mut self, data: Bytes) {
        drop(data);
        self.touched = true;
    }

    /// Says that what is passed on was changed: counted as touched even when it is not late.
    pub const fn touch(&mut self) {
        self.touched = true;
    }

    /// Ends this direction at once, after what is still held.
    pub fn end(&mut self) {
        self.end_at(Due::At(self.now));
    }

    /// Ends this direction this long from now.
    pub fn end_after(&mut self, delay: Duration) {
        self.end_at(Due::after(self.now, delay));
    }

    /// Ends this direction at `due`.
    pub fn end_at(&mut self, due: Due) {
        self.put(due, What::End);
    }

    /// Closes the whole connection after what is still held.
    pub fn close(&mut self) {
        self.put(Due::At(self.now), What::Close);
        self.touched = true;
    }

    /// Resets the whole connection after what is still held.
    pub fn reset(&mut self) {
        self.reset_at(Due::At(self.now));
    }

    /// Resets the whole connection at `due`.
    pub fn reset_at(&mut self, due: Due) {
        self.put(due, What::Reset);
        self.touched = true;
    }

    /// Lets everything that is still held leave at `due` at the latest.
    pub fn hasten(&mut self, due: Due) {
        for item in self.items.iter_mut().rev().take_while(|item| item.due > due) {
            item.due = due;
        }
        self.latest = self.latest.map(|latest| latest.min(due));
    }

    /// When the last thing that is held leaves.
    #[must_use]
    pub fn latest(&self) -> Option<Due> {
        self.items.back().map(|item| item.due)
    }

    fn put(&mut self, due: Due, what: What) {
        let due = self.latest.map_or(due, |latest| latest.max(due));
        if self.push(due, what) {
            self.touched |= due > Due::At(self.now);
        }
    }

    /// Puts something behind the rest; `false`: an ending is there that nothing like it may follow.
    fn push(&mut self, due: Due, what: What) -> bool {
        let ending = match what {
            What::Data(_) => Ending::None,
            What::End => Ending::Stream,
            What::Close | What::Reset => Ending::Connection,
        };
        if self.ending != Ending::None && ending <= self.ending {
            return false;
        }
        self.ending = ending;
        self.latest = Some(due);
        let item = Item { due, what, messages: 0 };
        self.cost += item.cost();
        self.items.push_back(item);
        true
    }

    /// Cuts the first thing that waits for its turn behind the first `after` things, which are bytes, at
    /// `length`: one thing becomes two. The messages that it completes stay with the second.
    pub fn cut(&mut self, after: usize, length: usize) {
        let Some(Item { what: What::Data(data), .. }) = self.items.get_mut(after) else { return };
        if length == 0 || length >= data.len() {
            return;
        }
        let first = What::Data(data.split_to(length));
        self.items.insert(after, Item { due: Due::Never, what: first, messages: 0 });
        self.cost += PIECE_COST;
    }

    /// Takes everything that `later` holds, behind what is here.
    pub(in crate::proxy) fn append(&mut self, mut later: Self) {
        self.cost += later.cost;
        self.latest = later.latest.or(self.latest);
        self.ending = later.ending.max(self.ending);
        self.items.append(&mut later.items);
    }

    /// Starts a decision at `now`; says afterwards, through [`Outbox::finish`], what it came to.
    pub(in crate::proxy) const fn begin(&mut self, now: Instant) {
        self.now = now;
        self.touched = false;
    }

    /// Ends a decision about bytes that completed `messages` messages: they travel with the last
    /// piece. Returns whether anything was delayed, changed or lost.
    pub(in crate::proxy) fn finish(&mut self, pieces_before: usize, messages: u32) -> bool {
        if let Some(last) = self.items.iter_mut().skip(pieces_before).next_back() {
            last.messages += messages;
        }
        self.touched
    }

    pub(in crate::proxy) fn len(&self) -> usize {
        self.items.len()
    }

    /// Bytes held, with the cost of their pieces.
    pub(in crate::proxy) const fn cost(&self) -> usize {
        self.cost
    }

    pub(in crate::proxy) fn next(&self) -> Option<&Item> {
        self.items.front()
    }

    pub(in crate::proxy) fn pop(&mut self) -> Option<Item> {
        let item = self.items.pop_front()?;
        self.cost -= item.cost();
        if self.items.is_empty() {
            // An idle connection must not keep the room that a burst needed.
            self.items = VecDeque::new();
        }
        Some(item)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outbox() -> (Instant, Outbox) {
        let now = Instant::now();
        (now, Outbox::new(now))
    }

    /// Catches a piece that overtakes an earlier one.
    #[test]
    fn what_is_put_in_later_is_never_due_earlier() {
        let (now, mut out) = outbox();
        out.data_after(Duration::from_millis(10), Bytes::from_static(b"a"));
        out.data(Bytes::from_static(b"b"));
        let due = Due::At(now + Duration::from_millis(10));
        assert_eq!(out.pop().unwrap().due, due);
        assert_eq!(out.pop().unwrap().due, due);
    }

    /// Catches bytes that follow the end of their stream, and a connection that can no longer be
    /// closed because one of its streams has ended.
    #[test]
    fn only_the_end_of_the_connection_follows_an_end() {
        let (_, mut out) = outbox();
        out.end();
        out.data(Bytes::from_static(b"late"));
        out.end();
        out.close();
        out.reset();
        let left: Vec<What> = std::iter::from_fn(|| out.pop()).map(|item| item.what).collect();
        assert_eq!(left, [What::End, What::Close]);
    }

    /// Catches a piece that is not counted, that takes the messages along, or that is out of order.
    #[test]
    fn what_waits_can_be_cut() {
        let (_, mut out) = outbox();
        out.begin(Instant::now());
        out.wait(Bytes::from_static(b"abcd"));
        out.finish(0, 3);
        out.cut(0, 1);
        assert_eq!(out.cost(), 4 + 2 * PIECE_COST);
        let left: Vec<_> =
            std::iter::from_fn(|| out.pop()).map(|item| (item.bytes(), item.messages)).collect();
        assert_eq!((left, out.cost()), (vec![(1, 0), (3, 3)], 0));
    }

    /// Catches a hastened queue that is out of order or that makes early things later.
    #[test]
    fn hastening_caps_due_times() {
        let (now, mut out) = outbox();
        let ms = |n| Due::At(now + Duration::from_millis(n));
        for due in [ms(1), ms(5), Due::Never] {
            out.data_at(due, Bytes::from_static(b"x"));
        }
        out.hasten(ms(3));
        let dues: Vec<Due> = std::iter::from_fn(|| out.pop()).map(|item| item.due).collect();
        assert_eq!(dues, [ms(1), ms(3), ms(3)]);
    }

    /// Catches a turn that takes more than its share, that comes before the last is over, or that lets
    /// the end overtake bytes.
    #[test]
    fn turns_are_taken_in_order() {
        let (now, mut out) = outbox();
        for data in ["aa", "bb", "cc"] {
            out.wait(Bytes::from_static(data.as_bytes()));
        }
        out.wait_to_end();
        let waiting = |after, things, bytes| Some(Waiting { after, things, bytes });
        assert_eq!(out.waiting(0, 1), waiting(0, 1, 2), "one at least");
        assert_eq!(out.waiting(0, 5), waiting(0, 2, 4));
        out.let_go(out.waiting(0, 5).unwrap(), Due::At(now));
        assert_eq!(out.waiting(0, 5), None, "those are on their way");
        assert_eq!(out.waiting(2, 5), waiting(2, 2, 2), "the end costs nothing");
        assert_eq!((out.pop().unwrap().due, out.pop().unwrap().due), (Due::At(now), Due::At(now)));
        assert_eq!(out.waiting(0, 5), waiting(0, 2, 2));
    }

    /// Catches a bound that many tiny pieces slip under.
    #[test]
    fn pieces_cost_more_than_their_bytes() {
        let (_, mut out) = outbox();
        out.data(Bytes::from_static(b"x"));
        assert_eq!(out.cost(), 1 + PIECE_COST);
        out.pop();
        assert_eq!(out.cost(), 0);
    }
}
