//! One direction of a connection: reads, lets the rules and toxics decide, and writes.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, Bytes};
use tokio::io::ReadBuf;
use tokio::time::Instant;

use super::Ended;
use super::turn::{Turn, truth};
use crate::proxy::close::{CloseManner, Closer};
use crate::proxy::config::Direction;
use crate::proxy::fault::chain::{Chain, Verdict};
use crate::proxy::fault::identity::Place;
use crate::proxy::fault::message::Exchange;
use crate::proxy::fault::outbox::What;
use crate::proxy::fault::table::ToxicTable;
use crate::proxy::kept::keep;
use crate::proxy::path::held::Held;
use crate::proxy::path::upstream::Peer;

/// What one read takes at most.
const SCRATCH_BYTES: usize = 64 << 10;

/// How long a receiver may take nothing before a close that a toxic decided no longer waits for it:
/// the bound that Toxiproxy sets to what is left when a toxic is removed.
const CLOSE_WAIT_MAX: Duration = Duration::from_secs(5);

thread_local! {
    /// Bytes on their way from one socket to another; holds nothing between two polls. One for each
    /// thread rather than for each connection, so that an idle connection costs none.
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; SCRATCH_BYTES].into());
}

/// One direction.
#[derive(Debug)]
pub(super) struct Pipe {
    direction: Direction,
    pub(super) chain: Chain,
    /// What the chain and `pending` hold, among all that is held.
    held: Held,
    /// When the receiver took something last.
    written: Instant,
    /// What the receiver has not taken yet, and the messages that it completes.
    pending: Bytes,
    messages: u32,
    pub(super) source: Source,
    /// The end was passed on, or the receiver is gone.
    done: bool,
    /// A write found that the receiver has reset the connection. The system tells of a reset once, so
    /// that a read behind that write sees an ordinary end: the other direction must know.
    pub(super) receiver_was_reset: bool,
    /// Something was read in this turn.
    pub(super) has_read: bool,
    /// Whether the system keeps little of what the source sends, because it is not to be read.
    buffers_little: bool,
    /// What is said to the receiver that nobody asked for, and did not enter the row yet.
    said: VecDeque<Bytes>,
    /// What the other direction knows of this one's source.
    pub(super) source_was_reset: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    Open,
    /// It ended its stream.
    Ended,
    /// It reset the connection.
    Reset,
    /// Nobody takes its bytes any more.
    Unheard,
}

impl Source {
    pub(super) const fn is_closed(self) -> bool {
        matches!(self, Self::Ended | Self::Reset)
    }
}

/// What came of one read.
enum Read {
    /// Bytes were taken; there may be more.
    Some,
    /// Nothing now; the task is woken when there is.
    Nothing,
}

impl Pipe {
    pub(super) fn new(
        direction: Direction,
        now: Instant,
        held: Held,
        place: &Place,
        table: &ToxicTable,
    ) -> Self {
        let mut chain = Chain::new(direction, *place);
        if !table.is_empty() {
            chain.reconcile(now, table);
        }
        Self {
            direction,
            chain,
            held,
            written: now,
            pending: Bytes::new(),
            messages: 0,
            source: Source::Open,
            done: false,
            receiver_was_reset: false,
            source_was_reset: false,
            has_read: false,
            buffers_little: false,
            said: VecDeque::new(),
        }
    }

    /// Says something to the receiver that nobody asked for, as soon as there is room.
    pub(super) fn say(&mut self, what: impl IntoIterator<Item = Bytes>) {
        self.said.extend(what);
    }

    /// Tells the system how much to keep of what `source` sends, when that has changed.
    pub(super) fn fit_buffer(&mut self, source: &impl Peer) {
        let little = self.chain.reads() < usize::MAX;
        if std::mem::replace(&mut self.buffers_little, little) != little {
            source.buffer_little(little);
        }
    }

    /// When something leaves that only waits for its time.
    pub(super) fn next_due(&self, exchange: &mut Option<Box<Exchange>>) -> Option<Instant> {
        if self.done && self.source == Source::Unheard {
            return None;
        }
        if self.chain.closing().is_some() {
            return self.close_due();
        }
        // What cannot go on now is woken by the room that it waits for.
        let exchange = exchange.as_mut().filter(|_| self.has_room());
        let first = exchange.and_then(|exchange| exchange.next_due(self.direction));
        [first, self.chain.next_due()].into_iter().flatten().min()
    }

    pub(super) fn is_broken(&self) -> bool {
        self.source == Source::Unheard
    }

    /// How its source ended, if it did: a reset may be known to a write in the other direction only.
    pub(super) const fn end_of_source(&self, other: &Self) -> Option<CloseManner> {
        match self.source {
            Source::Ended => Some(CloseManner::Fin),
            Source::Reset => Some(CloseManner::Reset),
            Source::Open | Source::Unheard if other.receiver_was_reset => Some(CloseManner::Reset),
            Source::Open | Source::Unheard => None,
        }
    }

    /// When a close that a toxic decided no longer waits for the receiver.
    fn close_due(&self) -> Option<Instant> {
        let (_, decided) = self.chain.closing()?;
        Some(decided.max(self.written) + CLOSE_WAIT_MAX)
    }

    /// The end that a toxic decided, once it has come: a reset at once, a close when what has passed
    /// every toxic was taken, or when the receiver has taken nothing for too long.
    fn cut_off(&self, now: Instant) -> Option<Ended> {
        let (verdict, _) = self.chain.closing()?;
        let is_clear = self.pending.is_empty() && self.chain.is_drained();
        match verdict {
            Verdict::Reset => Some(fault(CloseManner::Reset)),
            Verdict::Close if is_clear || self.close_due().is_some_and(|due| due <= now) => {
                Some(fault(CloseManner::Fin))
            }
            Verdict::Close => None,
        }
    }

    /// Bytes held, with the cost of their pieces.
    pub(super) fn holds(&self) -> usize {
        let said: usize = self.said.iter().map(Bytes::len).sum();
        self.pending.len() + self.chain.held() + said
    }

    /// Whether more may enter the row of toxics.
    fn has_room(&self) -> bool {
        self.chain.has_room() && self.holds() < self.held.each_most()
    }

    /// Moves what can be moved now.
    pub(super) fn pump<F: Peer, T: Peer>(
        &mut self,
        turn: &mut Turn<'_, '_>,
        from: &mut F,
        to: &mut T,
    ) -> Option<Ended> {
        self.chain.begin_turn(self.held.most());
        loop {
            let ended = self.write(turn, to);
            turn.is_worn_out |= self.chain.is_worn_out();
            let kept = turn.exchange.as_ref().map_or(0, |exchange| exchange.held(self.direction));
            self.held.set(self.holds() + kept);
            if ended.is_some() || !self.may_read(turn) || !turn.may_call() {
                return ended;
            }
            match self.read(turn, from, to) {
                Read::Some => {}
                Read::Nothing => return None,
            }
        }
    }

    fn may_read(&self, turn: &mut Turn<'_, '_>) -> bool {
        let kept = turn.exchange.as_ref().and_then(|exchange| exchange.collected(self.direction));
        self.source == Source::Open
            && self.has_room()
            && self.chain.reads() > 0
            && (self.pending.is_empty() || !self.chain.is_bare())
            && (self.held.has_room() || kept.is_some_and(|kept| self.held.has_room_beside(kept)))
            && self.rules_have_room(turn)
    }

    pub(super) fn rules_have_room(&self, turn: &mut Turn<'_, '_>) -> bool {
        let (direction, now) = (self.direction, turn.now);
        turn.exchange
            .as_mut()
            .is_none_or(|exchange| self.pending.is_empty() && exchange.has_room(direction, now))
    }

    /// Lets what the rules have let go of enter the row of toxics, and what is said besides.
    fn advance(&mut self, turn: &mut Turn<'_, '_>) {
        let Turn { now, live, exchange, .. } = turn;
        while self.chain.has_room()
            && let Some(bytes) = self.said.pop_front()
        {
            live.was_said(bytes.len());
            self.chain.take_in(*now, What::Data(bytes), 0);
        }
        let Some(exchange) = exchange else { return };
        exchange.on_time(self.direction, *now, live.reporter(), &mut truth(live, *now));
        while self.has_room()
            && let Some((at, what, messages)) = exchange.pop(self.direction, *now)
        {
            self.chain.take_in(at, what, messages);
        }
    }

    /// Writes what is due. Tells when that ended the connection.
    fn write<T: Peer>(&mut self, turn: &mut Turn<'_, '_>, to: &mut T) -> Option<Ended> {
        loop {
            self.advance(turn);
            self.chain.settle(turn.now);
            if let Some(ended) = self.cut_off(turn.now) {
                return Some(ended);
            }
            if !self.pending.is_empty() {
                if !turn.may_call() {
                    return None;
                }
                match Pin::new(&mut *to).poll_write(turn.cx, &self.pending) {
                    Poll::Pending => return None,
                    Poll::Ready(Ok(0)) => self.abandon(&io::ErrorKind::WriteZero.into()),
                    Poll::Ready(Ok(written)) => self.wrote(written, turn),
                    Poll::Ready(Err(error)) => self.abandon(&error),
                }
                continue;
            }
            match self.chain.pop(turn.now) {
                Some((What::Data(data), messages)) if !self.done => {
                    (self.pending, self.messages) = (data, messages);
                }
                Some((What::End, _)) => return self.finish(turn.cx, to),
                Some(_) => {}
                None if turn.exchange.is_none()
                    && self.chain.is_bare()
                    && self.source.is_closed()
                    && !self.done =>
                {
                    return self.finish(turn.cx, to);
                }
                // A toxic may have ended the connection just now.
                None if self.cut_off(turn.now).is_some() => {}
                None => return None,
            }
        }
    }

    fn wrote(&mut self, written: usize, turn: &Turn<'_, '_>) {
        self.pending.advance(written);
        self.written = turn.now;
        let messages = if self.pending.is_empty() { self.messages } else { 0 };
        turn.live.delivered(self.direction, turn.now, written, messages);
        if self.pending.is_empty() {
            self.pending = Bytes::new();
            self.messages = 0;
        }
    }

    /// The receiver is gone: what is left for it is lost. The other direction finds out how it went
    /// and ends the connection.
    fn abandon(&mut self, error: &io::Error) {
        self.pending = Bytes::new();
        self.source = Source::Unheard;
        self.done = true;
        self.receiver_was_reset = error.kind() == io::ErrorKind::ConnectionReset;
    }

    /// Passes on the end of the stream as it came: a FIN as a FIN, a reset as a reset.
    fn finish<T: Peer>(&mut self, cx: &mut Context<'_>, to: &mut T) -> Option<Ended> {
        self.done = true;
        let by = match self.direction {
            Direction::Up => Closer::Client,
            Direction::Down => Closer::Server,
        };
        if self.source == Source::Reset {
            return Some(Ended { by, how: CloseManner::Reset });
        }
        // At once on a socket; a pipe in a test is closed by the drop.
        let _ = Pin::new(to).poll_shutdown(cx);
        // A client that has said all it wants to say still reads; a server that ends has ended.
        (self.direction == Direction::Down).then_some(Ended { by, how: CloseManner::Fin })
    }

    fn read<F: Peer, T: Peer>(
        &mut self,
        turn: &mut Turn<'_, '_>,
        from: &mut F,
        to: &mut T,
    ) -> Read {
        SCRATCH.with_borrow_mut(|scratch| {
            let most = self.chain.reads().min(scratch.len());
            let mut buffer = ReadBuf::new(&mut scratch[..most]);
            match Pin::new(from).poll_read(turn.cx, &mut buffer) {
                Poll::Pending => return Read::Nothing,
                Poll::Ready(Err(error)) => self.source_ended(turn, Some(&error)),
                Poll::Ready(Ok(())) if buffer.filled().is_empty() => self.source_ended(turn, None),
                Poll::Ready(Ok(())) if turn.exchange.is_some() => {
                    self.took(turn.now, buffer.filled().len());
                    self.exchange(turn, buffer.filled(), to);
                }
                Poll::Ready(Ok(())) => {
                    let data = buffer.filled();
                    self.took(turn.now, data.len());
                    let messages = turn.live.arrived(self.direction, turn.now, data);
                    if self.chain.is_bare() {
                        self.forward(turn, data, messages, to);
                    } else {
                        self.chain.push(turn.now, keep(data), messages);
                    }
                }
            }
            Read::Some
        })
    }

    fn took(&mut self, now: Instant, bytes: usize) {
        self.has_read = true;
        self.chain.on_read(now, bytes);
    }

    /// Shows the rules what was read. What they leave alone goes on at once.
    fn exchange<T: Peer>(&mut self, turn: &mut Turn<'_, '_>, data: &[u8], to: &mut T) {
        let Turn { now, live, exchange, .. } = turn;
        let (now, reporter) = (*now, live.reporter());
        let Some(exchange) = exchange else { return };
        let untouched = match self.direction {
            Direction::Up => {
                let messages = live.arrived(Direction::Up, now, data);
                exchange.on_client(now, data, messages, reporter, &mut truth(live, now))
            }
            Direction::Down => {
                exchange.keep_within(self.held.most());
                exchange.on_server(now, data, reporter, &mut truth(live, now))
            }
        };
        match untouched {
            Some(messages) if self.chain.is_bare() => self.forward(turn, data, messages, to),
            Some(messages) => self.chain.push(now, keep(data), messages),
            None => {}
        }
    }

    /// Straight through; only what the receiver does not take now is copied.
    fn forward<T: Peer>(
        &mut self,
        turn: &mut Turn<'_, '_>,
        mut data: &[u8],
        messages: u32,
        to: &mut T,
    ) {
        while !data.is_empty() {
            let written = match turn.may_call() {
                true => Pin::new(&mut *to).poll_write(turn.cx, data),
                false => Poll::Pending,
            };
            match written {
                Poll::Ready(Ok(0)) => return self.abandon(&io::ErrorKind::WriteZero.into()),
                Poll::Ready(Ok(written)) => {
                    data = &data[written..];
                    let whole = if data.is_empty() { messages } else { 0 };
                    turn.live.delivered(self.direction, turn.now, written, whole);
                }
                Poll::Ready(Err(error)) => return self.abandon(&error),
                Poll::Pending => {
                    (self.pending, self.messages) = (keep(data), messages);
                    return;
                }
            }
        }
    }

    fn source_ended(&mut self, turn: &mut Turn<'_, '_>, error: Option<&io::Error>) {
        let reset = error.is_some() || self.source_was_reset;
        self.source = if reset { Source::Reset } else { Source::Ended };
        let now = turn.now;
        match (&mut turn.exchange, self.direction) {
            (Some(exchange), Direction::Up) => exchange.on_client_end(now),
            (Some(exchange), Direction::Down) => {
                let reporter = turn.live.reporter();
                exchange.on_server_end(now, reporter, &mut truth(turn.live, now));
            }
            (None, _) if !self.chain.is_bare() => self.chain.end(now),
            (None, _) => {}
        }
    }
}

const fn fault(how: CloseManner) -> Ended {
    Ended { by: Closer::Fault, how }
}
