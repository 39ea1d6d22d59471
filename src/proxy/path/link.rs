//! Both directions of one connection: the only reader, waiter and writer of its two sockets.
//!
//! With no toxic, bytes go from socket to socket through a scratch buffer: no copy, no allocation
//! unless the receiver is slow. With toxics they pass the [`Chain`], and the link waits for sockets
//! and due times alike. It never waits inside a decision, so a change of toxics is taken up at the
//! next poll, whatever the peers do.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, Bytes};
use tokio::io::ReadBuf;
use tokio::time::Instant;

use crate::base::lane::give_way;
use crate::base::timer::Timer;
use crate::proxy::close::{CloseManner, Closer};
use crate::proxy::config::Direction;
use crate::proxy::fault::chain::{Chain, Verdict};
use crate::proxy::fault::message::{Exchange, Origin};
use crate::proxy::fault::outbox::What;
use crate::proxy::fault::table::{Place, ToxicTable};
use crate::proxy::kept::keep;
use crate::proxy::path::connection::{Live, Mail};
use crate::proxy::path::held::Held;
use crate::proxy::path::upstream::Peer;

/// What one read takes at most.
const SCRATCH_BYTES: usize = 64 << 10;

/// How often a poll looks at what is due before it lets the other connections of its thread go on.
const TURNS_MAX: u32 = 4;

/// Reads and writes of one direction in one turn, for the same reason: a stream in pieces of a byte is
/// worth no more time than others. A thousand such connections on one thread are all served within some
/// tens of milliseconds.
const CALLS_MAX: u32 = 4;

/// How long a receiver may take nothing before a close that a toxic decided no longer waits for it:
/// the bound that Toxiproxy sets to what is left when a toxic is removed.
const CLOSE_WAIT_MAX: Duration = Duration::from_secs(5);

thread_local! {
    /// Bytes on their way from one socket to another; holds nothing between two polls. One for each
    /// thread rather than for each connection, so that an idle connection costs none.
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; SCRATCH_BYTES].into());
}

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::proxy) struct Ended {
    pub(in crate::proxy) by: Closer,
    pub(in crate::proxy) how: CloseManner,
}

/// A connection with its toxics.
#[derive(Debug)]
pub(in crate::proxy) struct Link<C, S> {
    client: C,
    server: S,
    up: Pipe,
    down: Pipe,
    /// There is one while there are rules, and until what they began has ended.
    exchange: Option<Box<Exchange>>,
    live: Arc<Live>,
    place: Place,
    clock: Clock,
    timer: Option<Timer>,
    ends: Ends,
}

/// Which timer a link waits with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::proxy) enum Clock {
    /// The real clock, as fine as it gets.
    Fine,
    /// The runtime's clock, which a test may have paused.
    #[cfg(test)]
    Runtime,
}

impl<C: Peer, S: Peer> Link<C, S> {
    pub(in crate::proxy) fn new(
        client: C,
        server: S,
        live: Arc<Live>,
        place: Place,
        table: &ToxicTable,
        clock: Clock,
    ) -> Self {
        let now = Instant::now();
        let pipe = |direction| {
            let mut chain = Chain::new(direction, place);
            if !table.is_empty() {
                chain.reconcile(now, table);
            }
            Pipe {
                direction,
                chain,
                held: live.held(),
                written: now,
                pending: Bytes::new(),
                messages: 0,
                source: Source::Open,
                done: false,
                receiver_was_reset: false,
                source_was_reset: false,
            }
        };
        let (up, down) = (pipe(Direction::Up), pipe(Direction::Down));
        let exchange = Exchange::begin(now, table, place, || live.observer()).map(Box::new);
        Self {
            client,
            server,
            up,
            down,
            exchange,
            live,
            place,
            clock,
            timer: None,
            ends: Ends::default(),
        }
    }

    /// Forwards until either side, a toxic or the proxy ends the connection, and closes it the same
    /// way on both sides. Returns who sent the first FIN or reset.
    pub(in crate::proxy) async fn run(mut self) -> Ended {
        let ended = poll_fn(|cx| self.poll(cx)).await;
        if ended.how == CloseManner::Reset {
            self.client.reset_on_close();
            self.server.reset_on_close();
        }
        self.ends.first.unwrap_or(ended)
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Ended> {
        if let Some(mail) = self.live.poll_mail(cx)
            && let Some(ended) = self.obey(mail)
        {
            return Poll::Ready(ended);
        }
        for _ in 0..TURNS_MAX {
            let now = Instant::now();
            match self.turn(cx, now) {
                Step::Ended(ended) => return Poll::Ready(ended),
                Step::Yield => {
                    give_way(now);
                    break;
                }
                Step::GoOn => {}
                Step::Wait if self.wait(cx).is_pending() => return Poll::Pending,
                Step::Wait => {}
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Does what the control side wants. Whoever waits for that sees the last acknowledgement dropped.
    fn obey(&mut self, mail: Mail) -> Option<Ended> {
        if let Some(how) = mail.close {
            return Some(Ended { by: Closer::Proxy, how });
        }
        if let Some(table) = mail.table {
            let now = Instant::now();
            self.up.chain.reconcile(now, &table);
            self.down.chain.reconcile(now, &table);
            self.change_rules(now, &table);
        }
        None
    }

    /// Moves what can be moved now, in both directions.
    fn turn(&mut self, cx: &mut Context<'_>, now: Instant) -> Step {
        let Self { client, server, up, down, exchange, live, ends, .. } = self;
        let mut turn = Turn::new(cx, now, live, exchange.as_deref_mut());
        // Answers of ours that the client does not read keep its requests waiting.
        let waited = !up.rules_have_room(&mut turn);
        let ended = up.pump(&mut turn, client, server);
        // Between the directions: the client's end came before what the server made of it.
        ends.look(turn.now, up, down, live);
        if let Some(ended) = ended {
            return Step::Ended(ended);
        }
        down.source_was_reset |= up.receiver_was_reset;
        let is_worn_out = turn.renew();
        let ended = down.pump(&mut turn, server, client);
        ends.look(turn.now, up, down, live);
        if let Some(ended) = ended {
            return Step::Ended(ended);
        }
        up.source_was_reset |= down.receiver_was_reset;
        let goes_on = waited && up.rules_have_room(&mut turn);
        let is_worn_out = turn.renew() || is_worn_out;
        let stalled = exchange.as_ref().is_some_and(|exchange| exchange.is_stalled());
        if up.source.is_closed() && down.is_broken() {
            return Step::Ended(Ended { by: Closer::Client, how: CloseManner::Reset });
        }
        if stalled && up.source.is_closed() && down.source.is_closed() {
            return Step::Ended(Ended { by: Closer::Client, how: CloseManner::Fin });
        }
        if exchange.as_ref().is_some_and(|exchange| exchange.is_over()) {
            *exchange = None;
        }
        match (is_worn_out, goes_on) {
            (true, _) => Step::Yield,
            (false, true) => Step::GoOn,
            (false, false) => Step::Wait,
        }
    }

    /// Bytes held in one direction.
    #[cfg(test)]
    fn holds(&self, direction: Direction) -> usize {
        let pipe = if direction == Direction::Up { &self.up } else { &self.down };
        pipe.holds() + self.exchange.as_ref().map_or(0, |exchange| exchange.held(direction))
    }

    /// Whether toxics had more to do in the last turn than fits one.
    #[cfg(test)]
    fn is_worn_out(&self) -> bool {
        [&self.up, &self.down].iter().any(|pipe| pipe.chain.is_worn_out())
    }

    /// Takes up the rules of a changed table; existing connections switch between two requests.
    fn change_rules(&mut self, now: Instant, table: &ToxicTable) {
        match &mut self.exchange {
            Some(exchange) => exchange.reconcile(now, table),
            None => {
                let live = &self.live;
                let exchange = Exchange::begin(now, table, self.place, || live.observer());
                self.exchange = exchange.map(Box::new);
            }
        }
    }

    /// When something leaves that only waits for its time.
    fn next_due(&mut self) -> Option<Instant> {
        let Self { up, down, exchange, .. } = self;
        [up, down].into_iter().filter_map(|pipe| pipe.next_due(exchange)).min()
    }

    /// Ready when a due time has come; pending when only a socket or the mailbox can wake the link.
    fn wait(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(due) = self.next_due() else {
            if self.up.chain.is_bare() && self.down.chain.is_bare() {
                // A connection without toxics needs no timer of its own.
                self.timer = None;
            }
            return Poll::Pending;
        };
        let clock = self.clock;
        let timer = self.timer.get_or_insert_with(|| match clock {
            Clock::Fine => Timer::fine(),
            #[cfg(test)]
            Clock::Runtime => Timer::coarse(),
        });
        timer.poll_until(cx, due)
    }
}

/// How the peers ended, as they did.
#[derive(Debug, Default)]
struct Ends {
    /// The first FIN or reset: who sent it closed the connection, whatever followed.
    first: Option<Ended>,
    client_left: bool,
}

impl Ends {
    /// Looks whether a peer has ended since the last look.
    fn look(&mut self, now: Instant, up: &Pipe, down: &Pipe, live: &Live) {
        let client = up.end_of_source(down);
        if client.is_some() && !self.client_left {
            self.client_left = true;
            live.client_left(now, self.first.is_none());
        }
        if self.first.is_none() {
            let client = client.map(|how| Ended { by: Closer::Client, how });
            let server = || down.end_of_source(up).map(|how| Ended { by: Closer::Server, how });
            self.first = client.or_else(server);
        }
    }
}

/// What comes after a turn.
enum Step {
    Ended(Ended),
    /// Nothing can be done before a socket or a time is ready.
    Wait,
    /// One direction made room for the other.
    GoOn,
    /// There is more to do, and others have waited long enough.
    Yield,
}

/// One turn: whom to wake, what time it is, and where to count.
struct Turn<'a, 'b> {
    cx: &'a mut Context<'b>,
    now: Instant,
    live: &'a Live,
    exchange: Option<&'a mut Exchange>,
    /// How often one direction may still read and write.
    calls: u32,
    /// Whether it would have done so more often.
    is_worn_out: bool,
}

impl<'a, 'b> Turn<'a, 'b> {
    fn new(
        cx: &'a mut Context<'b>,
        now: Instant,
        live: &'a Live,
        exchange: Option<&'a mut Exchange>,
    ) -> Self {
        Self { cx, now, live, exchange, calls: CALLS_MAX, is_worn_out: false }
    }

    /// Takes one read or write, if one is left.
    const fn may_call(&mut self) -> bool {
        self.is_worn_out |= self.calls == 0;
        self.calls = self.calls.saturating_sub(1);
        !self.is_worn_out
    }

    /// Gives the other direction its share. Returns whether this one has used up its own.
    const fn renew(&mut self) -> bool {
        self.calls = CALLS_MAX;
        std::mem::replace(&mut self.is_worn_out, false)
    }
}

/// One direction.
#[derive(Debug)]
struct Pipe {
    direction: Direction,
    chain: Chain,
    /// What the chain and `pending` hold, among all that is held.
    held: Held,
    /// When the receiver took something last.
    written: Instant,
    /// What the receiver has not taken yet, and the messages that it completes.
    pending: Bytes,
    messages: u32,
    source: Source,
    /// The end was passed on, or the receiver is gone.
    done: bool,
    /// A write found that the receiver has reset the connection. The system tells of a reset once, so
    /// that a read behind that write sees an ordinary end: the other direction must know.
    receiver_was_reset: bool,
    /// What the other direction knows of this one's source.
    source_was_reset: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    Open,
    /// It ended its stream.
    Ended,
    /// It reset the connection.
    Reset,
    /// Nobody takes its bytes any more.
    Unheard,
}

impl Source {
    const fn is_closed(self) -> bool {
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
    /// When something leaves that only waits for its time.
    fn next_due(&self, exchange: &mut Option<Box<Exchange>>) -> Option<Instant> {
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

    fn is_broken(&self) -> bool {
        self.source == Source::Unheard
    }

    /// How its source ended, if it did: a reset may be known to a write in the other direction only.
    const fn end_of_source(&self, other: &Self) -> Option<CloseManner> {
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
    fn holds(&self) -> usize {
        self.pending.len() + self.chain.held()
    }

    /// Whether more may enter the row of toxics.
    fn has_room(&self) -> bool {
        self.chain.has_room() && self.holds() < self.held.each_most()
    }

    /// Moves what can be moved now.
    fn pump<F: Peer, T: Peer>(
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
            && (self.pending.is_empty() || !self.chain.is_bare())
            && (self.held.has_room() || kept.is_some_and(|kept| self.held.has_room_beside(kept)))
            && self.rules_have_room(turn)
    }

    fn rules_have_room(&self, turn: &mut Turn<'_, '_>) -> bool {
        let (direction, now) = (self.direction, turn.now);
        turn.exchange
            .as_mut()
            .is_none_or(|exchange| self.pending.is_empty() && exchange.has_room(direction, now))
    }

    /// Lets what the rules have let go of enter the row of toxics.
    fn advance(&mut self, turn: &mut Turn<'_, '_>) {
        let Turn { now, live, exchange, .. } = turn;
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
            let mut buffer = ReadBuf::new(scratch);
            match Pin::new(from).poll_read(turn.cx, &mut buffer) {
                Poll::Pending => return Read::Nothing,
                Poll::Ready(Err(error)) => self.source_ended(turn, Some(&error)),
                Poll::Ready(Ok(())) if buffer.filled().is_empty() => self.source_ended(turn, None),
                Poll::Ready(Ok(())) if turn.exchange.is_some() => {
                    self.exchange(turn, buffer.filled(), to);
                }
                Poll::Ready(Ok(())) => {
                    let data = buffer.filled();
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

/// Tells the meter of a reply, as the client should have seen it.
fn truth(live: &Live, now: Instant) -> impl FnMut(&[u8], Origin) -> u32 {
    move |data, origin| match origin {
        Origin::Server => live.arrived(Direction::Down, now, data),
        Origin::Ours => live.answered(now, data),
    }
}

const fn fault(how: CloseManner) -> Ended {
    Ended { by: Closer::Fault, how }
}

#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;
