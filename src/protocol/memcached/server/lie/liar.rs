//! The lies of one node, and when each is told.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use parking_lot::Mutex;
use rand::RngExt;

use super::ground::Ground;
use super::request::Request;
use super::{Lie, LieSpec};
use crate::base::seed::{Seed, Stream};
use crate::protocol::memcached::server::clock::Clock;
use crate::protocol::memcached::server::session::Context;

/// What all connections of a lying node share. Requests are answered one at a time: what a lie does
/// to the items nobody may see half done.
#[derive(Debug)]
pub(in crate::protocol::memcached::server) struct Liar {
    state: Mutex<State>,
    connections: AtomicU64,
}

#[derive(Debug)]
struct State {
    lies: Vec<Told>,
    stream: Stream,
    /// How often the node pretended to start again, and its clock since the last time.
    restarts: u64,
    clock: Option<Clock>,
}

#[derive(Debug)]
struct Told {
    every: u32,
    lie: Box<dyn Lie>,
}

/// The reply to one request.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) reply: Vec<u8>,
    pub(super) closes: bool,
}

impl Liar {
    /// `None`: there is nothing to lie about.
    pub(in crate::protocol::memcached::server) fn new(
        lies: &[LieSpec],
        seed: Seed,
    ) -> Option<Self> {
        let told = |spec: &LieSpec| Some(Told { every: spec.every(), lie: spec.make()? });
        let lies: Vec<Told> = lies.iter().filter_map(told).collect();
        let stream = seed.fork("lies").stream();
        let state = State { lies, stream, restarts: 0, clock: None };
        (!state.lies.is_empty())
            .then(|| Self { state: Mutex::new(state), connections: AtomicU64::new(0) })
    }

    /// A number for a new connection, and how often the node had started again by then.
    pub(super) fn connection(&self) -> (u64, u64) {
        (self.connections.fetch_add(1, Relaxed), self.state.lock().restarts)
    }

    /// Answers a request of a connection that began after `restarts` restarts. `None`: the node has
    /// started again since, and the connection is gone.
    pub(super) fn answer(
        &self,
        (connection, restarts): (u64, u64),
        request: &Request,
        context: &Context<'_>,
    ) -> Option<Answer> {
        let state = &mut *self.state.lock();
        if state.restarts != restarts {
            return None;
        }
        let clock = state.clock.unwrap_or(*context.clock);
        let now = clock.at(context.clock.instant(context.now));
        let context = Context { clock: &clock, now, ..*context };
        let stream = &mut state.stream;
        let mut ground = Ground { context, stream, connection, closes: false, restarts: false };
        for told in &mut state.lies {
            told.lie.before(request, &mut ground);
        }
        let drawn = state.lies.iter_mut().find(|told| {
            told.lie.fits(request, &ground) && ground.stream.random_ratio(1, told.every)
        });
        let mut reply = match drawn {
            Some(told) => told.lie.tell(request, &mut ground),
            None => ground.execute(request),
        };
        for told in &mut state.lies {
            told.lie.after(request, &mut reply, &ground);
        }
        let (closes, restarts) = (ground.closes, ground.restarts);
        if restarts {
            state.restarts += 1;
            state.clock = Some(clock.restarted(now));
        }
        Some(Answer { reply, closes: closes || restarts })
    }
}
