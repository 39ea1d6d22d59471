//! One node: permit, connection, exchange, verdict, and giving it up.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use rand::Rng;
use tokio::time::Instant;

use super::attempt::Reached;
use super::availability::{Availability, Lost};
use super::breaker::{Breaker, CallOutcome, Permit, Recorded};
use super::call::{Failure, Trace};
use super::command::{Command, Ping};
use super::config::{ClientConfig, ConfigError};
use super::conn::Network;
use super::heal;
use super::missed::Missed;
use super::placement::Placement;
use super::pool::{Pool, Want};
use super::server::Server;
use super::snapshot::NodeSnapshot;
use super::standing::Tokens;
use crate::base::name::NodeIndex;
use crate::base::scope::Scope;
use crate::base::seed::Seed;
use crate::event::{ErrorClass, EventKind, Events};

/// The key that a check asks for, behind the prefix of the client's own keys. Nobody stores it; it
/// makes no difference if somebody does.
const CHECK_KEY: &[u8] = b"in-step?";

/// What all nodes of a client share.
#[derive(Debug)]
pub(super) struct Surroundings {
    pub(super) config: ClientConfig,
    pub(super) placement: Placement,
    pub(super) events: Events,
    pub(super) scope: Scope,
    pub(super) network: Network,
}

/// One node.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) index: NodeIndex,
    pub(super) around: Arc<Surroundings>,
    pub(super) pool: Pool,
    pub(super) tokens: Tokens,
    /// The key of the `mg` that checks a connection.
    pub(super) check_key: Vec<u8>,
    breaker: Breaker,
    availability: Mutex<Availability>,
    /// `false` from when it is given up until it is reinstated, and after the client was closed.
    /// Decided in `availability`; read by every call, so it stands here too.
    available: AtomicBool,
    closed: AtomicBool,
    pub(super) requests: AtomicU64,
    /// Those of them that something came back for.
    pub(super) answered: AtomicU64,
    pub(super) pings: AtomicU64,
}

impl Node {
    pub(super) fn new(
        index: NodeIndex,
        server: &Server,
        around: Arc<Surroundings>,
        seed: Seed,
    ) -> Result<Self, ConfigError> {
        let (config, events) = (&around.config, &around.events);
        let healing = &config.healing;
        // When an open breaker gives the node up, only the healer brings it back, or nothing does.
        let reopens = healing.enabled && !healing.on_open;
        let jitter = seed.fork("breaker").stream();
        let breaker = Breaker::new(index, config.breaker, reopens, jitter, events.clone());
        let availability =
            Availability::new(healing, config.breaker.open, seed.fork("healer").stream());
        Ok(Self {
            index,
            pool: Pool::new(index, server, around.network.clone(), config, events.clone())?,
            tokens: Tokens::new(seed.fork("tokens").stream().next_u64()),
            check_key: [config.key_prefix.as_bytes(), CHECK_KEY].concat(),
            breaker,
            availability: Mutex::new(availability),
            available: AtomicBool::new(true),
            closed: AtomicBool::new(false),
            requests: AtomicU64::new(0),
            answered: AtomicU64::new(0),
            pings: AtomicU64::new(0),
            around,
        })
    }

    /// One call: at once a rejection, or an exchange with every failure judged.
    pub(super) async fn call<C: Command>(
        self: &Arc<Self>,
        command: &C,
        trace: &mut Trace,
    ) -> Result<C::Reply, Failure> {
        if !self.connection_available() {
            return Err(Failure::Shed);
        }
        let asked = Instant::now();
        let permit = self.breaker.permit(asked).ok_or(Failure::Shed)?;
        let lines = trace.requests;
        let result = self.tried(command, permit, asked, trace).await;
        trace.needed += u32::from(trace.requests > lines);
        result
    }

    /// Tries it, and once more where that is safe.
    async fn tried<C: Command>(
        self: &Arc<Self>,
        command: &C,
        permit: Permit<'_>,
        asked: Instant,
        trace: &mut Trace,
    ) -> Result<C::Reply, Failure> {
        let mut missed = match self.attempt(command, Want::Any, asked, trace).await {
            Ok(reached) => return Ok(self.answered(permit, trace, reached)),
            Err(missed) => missed,
        };
        // Whether an earlier attempt may have been applied; then no later failure undoes that.
        let mut sent_before = false;
        if self.around.config.retry_stale && missed.is_stale(C::EFFECT) {
            sent_before = missed.may_be_applied(C::EFFECT);
            missed = match self.attempt(command, Want::Fresh, Instant::now(), trace).await {
                Ok(reached) => return Ok(self.answered(permit, trace, reached)),
                Err(missed) => missed,
            };
        }
        self.judge(permit, missed);
        let indeterminate = sent_before || missed.may_be_applied(C::EFFECT);
        let class = missed.class();
        Err(if indeterminate { Failure::Indeterminate(class) } else { Failure::Error(class) })
    }

    /// Hands in an answer. Timers round up, so one may come after its deadline: the caller gets it,
    /// and it counts against the node. Else a node that is late by just the timeout would answer
    /// every other call and never be shed.
    fn answered<R>(
        self: &Arc<Self>,
        permit: Permit<'_>,
        trace: &mut Trace,
        Reached { reply, late, at }: Reached<R>,
    ) -> R {
        trace.served_by = Some(self.index);
        trace.answered = Some(at);
        self.weigh(
            at,
            permit,
            if late { CallOutcome::Failed } else { CallOutcome::Answered },
            late,
        );
        reply
    }

    /// Hands in the verdict on a miss.
    fn judge(self: &Arc<Self>, permit: Permit<'_>, missed: Missed) {
        if let Some(verdict) = missed.verdict() {
            self.weigh(Instant::now(), permit, verdict, missed.is_timeout());
        }
    }

    /// Hands in a verdict, and gives the node up when that is due.
    fn weigh(
        self: &Arc<Self>,
        now: Instant,
        permit: Permit<'_>,
        verdict: CallOutcome,
        is_timeout: bool,
    ) {
        let Recorded { failures_in_a_row, row_lasted, opened } = permit.judge(verdict, now);
        if verdict == CallOutcome::Answered {
            return;
        }
        let healing = &self.around.config.healing;
        let patient = is_timeout && row_lasted < healing.failures_span;
        let cause = match opened {
            Some(cause) if healing.on_open || !healing.enabled => cause,
            _ if failures_in_a_row >= healing.failures && !patient => {
                format!("{failures_in_a_row} failures in a row")
            }
            _ => return,
        };
        self.give_up(now, cause);
    }

    /// Stops sending to the node. Only the first of several that notice at once does anything.
    fn give_up(self: &Arc<Self>, now: Instant, cause: String) {
        let lost = {
            let mut availability = self.availability.lock();
            let lost = availability.lost(now);
            if lost != Lost::Already {
                self.available.store(false, Ordering::Release);
            }
            lost
        };
        if lost == Lost::Already {
            return;
        }
        self.breaker.trip(now, &cause);
        self.pool.give_up();
        self.around.placement.set_out(self.index, true);
        self.around.events.emit(EventKind::NodeEjected { node: self.index, cause });
        if let Lost::Heal { delay } = lost {
            let name = format!("heal[{}]", self.index);
            self.around.scope.spawn(name, heal::run(Arc::clone(self), delay));
        }
    }

    /// The node answers its healer again: a few probes may pass, and they decide. It counts as
    /// available last, so that no call passes unprobed and nobody can lose it in between.
    pub(super) fn reinstate(&self) {
        self.breaker.half_open(Instant::now(), "the node answers again");
        self.around.placement.set_out(self.index, false);
        self.around.events.emit(EventKind::NodeReinstated { node: self.index });
        self.available.store(true, Ordering::Release);
        if self.closed.load(Ordering::Acquire) {
            self.available.store(false, Ordering::Release);
        }
    }

    /// A round trip on a new connection, which stays in the pool when it succeeds. It asks no
    /// permit and judges nothing.
    pub(super) async fn reach(&self, trace: &mut Trace) -> Result<(), ErrorClass> {
        match self.attempt(&Ping, Want::Fresh, Instant::now(), trace).await {
            Ok(Reached { .. }) => {
                trace.served_by = Some(self.index);
                Ok(())
            }
            Err(missed) => Err(missed.class()),
        }
    }

    /// Closes idle connections whose time has come.
    pub(super) fn sweep(&self, now: Instant) {
        self.pool.sweep(now);
    }

    /// Sheds every later call and closes every connection.
    pub(super) async fn close(&self, grace: Duration) {
        self.closed.store(true, Ordering::Release);
        self.available.store(false, Ordering::Release);
        self.pool.shut(grace).await;
    }

    pub(super) const fn index(&self) -> NodeIndex {
        self.index
    }

    pub(super) fn around(&self) -> &Surroundings {
        &self.around
    }

    pub(super) const fn availability(&self) -> &Mutex<Availability> {
        &self.availability
    }

    /// Whether calls are sent to it. `false` after the client was closed.
    pub(super) fn connection_available(&self) -> bool {
        self.available.load(Ordering::Acquire)
    }

    pub(super) fn snapshot(&self) -> NodeSnapshot {
        let (breaker_opens, open_time) = self.breaker.opened(Instant::now());
        // Pings and answers first: one between the reads must not make a difference negative.
        let pings = self.pings.load(Ordering::Acquire);
        let answered = self.answered.load(Ordering::Acquire);
        let requests_sent = self.requests.load(Ordering::Acquire);
        let (connections, closed) = self.pool.counts();
        NodeSnapshot {
            node: self.index,
            connections,
            closed,
            breaker: self.breaker.state(),
            connection_available: self.connection_available(),
            breaker_opens,
            open_time,
            requests_sent,
            operation_requests: requests_sent.saturating_sub(pings),
            unanswered: requests_sent.saturating_sub(answered),
        }
    }
}
