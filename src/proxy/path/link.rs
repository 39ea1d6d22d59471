//! Both directions of one connection: the only reader, waiter and writer of its two sockets.
//!
//! With no toxic, bytes go from socket to socket through a scratch buffer: no copy, no allocation
//! unless the receiver is slow. With toxics they pass the [`Chain`], and the link waits for sockets
//! and due times alike. It never waits inside a decision, so a change of toxics is taken up at the
//! next poll, whatever the peers do.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::time::Instant;

use self::pipe::Pipe;
use self::turn::Turn;
use crate::base::lane::give_way;
use crate::base::timer::Timer;
use crate::proxy::close::{CloseManner, Closer};
use crate::proxy::config::Direction;
use crate::proxy::fault::identity::Place;
use crate::proxy::fault::message::Exchange;
use crate::proxy::fault::table::ToxicTable;
use crate::proxy::path::connection::{Live, Mail};
use crate::proxy::path::upstream::Peer;

/// How often a poll looks at what is due before it lets the other connections of its thread go on.
const TURNS_MAX: u32 = 4;

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
        let pipe = |direction| Pipe::new(direction, now, live.held(), &place, table);
        let (up, down) = (pipe(Direction::Up), pipe(Direction::Down));
        let exchange =
            Exchange::begin(now, &table.rules(&place), place, || live.conversation()).map(Box::new);
        let mut link = Self {
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
        };
        link.take_up();
        link
    }

    /// Takes up what the sockets have to know of the toxics, and what is to be said.
    fn take_up(&mut self) {
        self.up.fit_buffer(&self.client);
        self.down.fit_buffer(&self.server);
        self.down.say(self.live.take_said());
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
        self.take_up();
        None
    }

    /// Moves what can be moved now, in both directions.
    fn turn(&mut self, cx: &mut Context<'_>, now: Instant) -> Step {
        let Self { client, server, up, down, exchange, live, ends, .. } = self;
        if let Some(exchange) = exchange {
            exchange.wake_by(cx.waker());
        }
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
        hear(up, down, now);
        let is_worn_out = turn.renew();
        let ended = down.pump(&mut turn, server, client);
        ends.look(turn.now, up, down, live);
        if let Some(ended) = ended {
            return Step::Ended(ended);
        }
        up.source_was_reset |= down.receiver_was_reset;
        hear(down, up, now);
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
        let rules = table.rules(&self.place);
        match &mut self.exchange {
            Some(exchange) => exchange.reconcile(now, &rules),
            None => {
                let live = &self.live;
                let exchange = Exchange::begin(now, &rules, self.place, || live.conversation());
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

/// Tells one direction that something came in the other.
fn hear(from: &mut Pipe, other: &mut Pipe, now: Instant) {
    if std::mem::take(&mut from.has_read) {
        other.chain.on_other(now);
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

mod pipe;
#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;
mod turn;
