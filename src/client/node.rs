//! One node: permit, connection, exchange, verdict, and giving it up.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::{Instant, timeout};

use super::breaker::{Breaker, Permit, Recorded, Verdict};
use super::call::{Failure, Trace};
use super::command::{Command, Effect, Ping};
use super::config::{ClientConfig, ConfigError};
use super::heal;
use super::placement::Placement;
use super::pool::{Lease, Pool, Want};
use super::recovery::{Lost, Recovery};
use super::server::Server;
use super::snapshot::NodeSnapshot;
use super::trouble::{Fate, Trouble};
use crate::base::name::NodeIndex;
use crate::base::scope::Scope;
use crate::base::seed::Seed;
use crate::event::{CloseCause, ErrorClass, EventKind, Events};

/// What all nodes of a client share.
#[derive(Debug)]
pub(super) struct Surroundings {
    pub(super) config: ClientConfig,
    pub(super) placement: Placement,
    pub(super) events: Events,
    pub(super) scope: Scope,
}

/// One node.
#[derive(Debug)]
pub(super) struct Node {
    index: NodeIndex,
    around: Arc<Surroundings>,
    pool: Pool,
    breaker: Breaker,
    recovery: Mutex<Recovery>,
    /// `false` from when it is given up until it is reinstated, and after the client was closed.
    /// Decided in `recovery`; read by every call, so it stands here too.
    available: AtomicBool,
    closed: AtomicBool,
    requests: AtomicU64,
    pings: AtomicU64,
}

/// Why an attempt has no reply.
#[derive(Clone, Copy, Debug)]
enum Missed {
    /// There was no connection to be had; `local` when the node was not even asked for one.
    Unconnected { class: ErrorClass, local: bool },
    /// The exchange failed; `reused` when it was on a warm connection.
    Failed { trouble: Trouble, reused: bool },
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
        let recovery = Recovery::new(healing, config.breaker.open, seed.fork("healer").stream());
        Ok(Self {
            index,
            pool: Pool::new(index, server, config, events.clone())?,
            breaker,
            recovery: Mutex::new(recovery),
            available: AtomicBool::new(true),
            closed: AtomicBool::new(false),
            requests: AtomicU64::new(0),
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
        if !self.available.load(Ordering::Acquire) {
            return Err(Failure::Shed);
        }
        let permit = self.breaker.permit(Instant::now()).ok_or(Failure::Shed)?;
        let mut missed = match self.attempt(command, Want::Any, trace).await {
            Ok(reply) => return Ok(self.answered(permit, trace, reply)),
            Err(missed) => missed,
        };
        // Whether an earlier attempt may have been applied; then no later failure undoes that.
        let mut sent_before = false;
        if self.around.config.retry_stale && missed.is_stale(C::EFFECT) {
            sent_before = missed.may_be_applied(C::EFFECT);
            missed = match self.attempt(command, Want::Fresh, trace).await {
                Ok(reply) => return Ok(self.answered(permit, trace, reply)),
                Err(missed) => missed,
            };
        }
        self.judge(permit, missed);
        let indeterminate = sent_before || missed.may_be_applied(C::EFFECT);
        let class = missed.class();
        Err(if indeterminate { Failure::Indeterminate(class) } else { Failure::Error(class) })
    }

    /// One attempt: a connection and an exchange on it.
    async fn attempt<C: Command>(
        &self,
        command: &C,
        want: Want,
        trace: &mut Trace,
    ) -> Result<C::Reply, Missed> {
        trace.attempts += 1;
        let asked = Instant::now();
        let lease = self.connect::<C>(want, trace).await;
        let sent = Instant::now();
        trace.connection_wait += sent.saturating_duration_since(asked);
        let mut lease = lease?;
        trace.sent.get_or_insert(sent);
        trace.connection = lease.id();
        let reused = lease.idle_for().is_some();
        match self.exchange(command, &mut lease, trace).await {
            Ok(reply) => {
                lease.keep();
                Ok(reply)
            }
            Err(trouble) => {
                match trouble.close {
                    Some(cause) => lease.close(cause),
                    None => {
                        trace.served_by = Some(self.index);
                        lease.keep();
                    }
                }
                Err(Missed::Failed { trouble, reused })
            }
        }
    }

    /// A connection fit for the command. One that has been idle for long may be stale, and nothing
    /// but using it shows that: the crate lends no socket to look at. So before a write that must
    /// not be sent twice, such a connection is pinged.
    async fn connect<C: Command>(
        &self,
        want: Want,
        trace: &mut Trace,
    ) -> Result<Lease<'_>, Missed> {
        let unconnected =
            |class| Missed::Unconnected { class, local: class == ErrorClass::NoConnection };
        let mut lease = self.pool.lease(want).await.map_err(unconnected)?;
        let (Effect::Once, Some(limit)) = (C::EFFECT, self.around.config.probe_idle) else {
            return Ok(lease);
        };
        if lease.idle_for().is_none_or(|idle| idle < limit) {
            return Ok(lease);
        }
        match self.exchange(&Ping, &mut lease, trace).await {
            Ok(()) => Ok(lease),
            Err(trouble) => {
                lease.close(trouble.close.unwrap_or(CloseCause::Protocol));
                self.pool.lease(Want::Fresh).await.map_err(unconnected)
            }
        }
    }

    /// Writes and reads within the deadline. When the deadline passes, or the caller drops this,
    /// the lease must not be kept.
    async fn exchange<C: Command>(
        &self,
        command: &C,
        lease: &mut Lease<'_>,
        trace: &mut Trace,
    ) -> Result<C::Reply, Trouble> {
        let lines = command.lines();
        trace.requests += lines;
        self.requests.fetch_add(u64::from(lines), Ordering::Relaxed);
        if C::PING {
            self.pings.fetch_add(u64::from(lines), Ordering::Relaxed);
        }
        let limit = self.around.config.operation_timeout;
        match timeout(limit, command.run(lease.wire())).await {
            Ok(reply) => reply,
            Err(_) => Err(Trouble::timeout()),
        }
    }

    /// Hands in an answer. Timers round up, so one may come after its deadline: the caller gets it,
    /// and it counts against the node. Else a node that is late by just the timeout would answer
    /// every other call and never be shed.
    fn answered<R>(self: &Arc<Self>, permit: Permit<'_>, trace: &mut Trace, reply: R) -> R {
        trace.served_by = Some(self.index);
        let limit = self.around.config.operation_timeout;
        let late = trace.sent.is_some_and(|sent| sent.elapsed() >= limit);
        self.weigh(permit, if late { Verdict::Failed } else { Verdict::Answered }, late);
        reply
    }

    /// Hands in the verdict on a miss.
    fn judge(self: &Arc<Self>, permit: Permit<'_>, missed: Missed) {
        if let Some(verdict) = missed.verdict() {
            self.weigh(permit, verdict, missed.is_timeout());
        }
    }

    /// Hands in a verdict, and gives the node up when that is due.
    fn weigh(self: &Arc<Self>, permit: Permit<'_>, verdict: Verdict, is_timeout: bool) {
        let now = Instant::now();
        let Recorded { failures_in_a_row, row_lasted, opened } = permit.judge(verdict, now);
        if verdict == Verdict::Answered {
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
            let mut recovery = self.recovery.lock();
            let lost = recovery.lost(now);
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
        match self.attempt(&Ping, Want::Fresh, trace).await {
            Ok(()) => {
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

    pub(super) const fn recovery(&self) -> &Mutex<Recovery> {
        &self.recovery
    }

    pub(super) fn snapshot(&self) -> NodeSnapshot {
        let (breaker_opens, open_time) = self.breaker.opened(Instant::now());
        // Pings first: a ping between the two reads must not make operations negative.
        let pings = self.pings.load(Ordering::Acquire);
        let requests_sent = self.requests.load(Ordering::Acquire);
        NodeSnapshot {
            node: self.index,
            connections: self.pool.counts(),
            breaker: self.breaker.state(),
            available: self.available.load(Ordering::Acquire),
            breaker_opens,
            open_time,
            requests_sent,
            operation_requests: requests_sent.saturating_sub(pings),
        }
    }
}

impl Missed {
    const fn class(self) -> ErrorClass {
        match self {
            Self::Unconnected { class, .. } => class,
            Self::Failed { trouble, .. } => trouble.class,
        }
    }

    /// What it says about the node. A refusal is an answer: the breaker judges whether the node
    /// answers, and the caller sees what. A full pool says nothing about the node.
    const fn verdict(self) -> Option<Verdict> {
        match self {
            Self::Unconnected { local: true, .. } => None,
            Self::Unconnected { .. } => Some(Verdict::Failed),
            Self::Failed { trouble, .. } => Some(match trouble.class {
                ErrorClass::ServerError | ErrorClass::ClientError | ErrorClass::TooLarge => {
                    Verdict::Answered
                }
                _ => Verdict::Failed,
            }),
        }
    }

    const fn is_timeout(self) -> bool {
        matches!(self.class(), ErrorClass::Timeout | ErrorClass::ConnectTimeout)
    }

    fn may_be_applied(self, effect: Effect) -> bool {
        match self {
            Self::Unconnected { .. } => false,
            Self::Failed { trouble, .. } => {
                effect.is_write() && matches!(trouble.fate, Fate::Unknown | Fate::Ended)
            }
        }
    }

    /// Whether a warm connection turned out to be dead, and the request may be sent once more.
    fn is_stale(self, effect: Effect) -> bool {
        let Self::Failed { trouble, reused: true } = self else { return false };
        let ended = matches!(trouble.close, Some(CloseCause::PeerClosed | CloseCause::Io));
        ended
            && match trouble.fate {
                Fate::NotApplied => true,
                Fate::Ended => effect != Effect::Once,
                Fate::Unknown => false,
            }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn missed(close: CloseCause, fate: Fate, reused: bool) -> Missed {
        let trouble = Trouble { class: ErrorClass::Closed, close: Some(close), fate };
        Missed::Failed { trouble, reused }
    }

    /// Catches a counter that is added to twice, and a read that fails for each stale connection.
    #[test]
    fn only_what_may_be_sent_twice_is() {
        use Effect::{Once, Read, Repeatable};
        let ended = missed(CloseCause::PeerClosed, Fate::Ended, true);
        assert_eq!(
            [Read, Repeatable, Once].map(|effect| ended.is_stale(effect)),
            [true, true, false]
        );
        let unsent = missed(CloseCause::PeerClosed, Fate::NotApplied, true);
        assert!(unsent.is_stale(Once));
        for other in [
            missed(CloseCause::PeerClosed, Fate::Ended, false),
            missed(CloseCause::Timeout, Fate::Unknown, true),
            missed(CloseCause::Protocol, Fate::Unknown, true),
            Missed::Unconnected { class: ErrorClass::Refused, local: false },
        ] {
            assert!(!other.is_stale(Read), "{other:?}");
        }
    }

    /// Catches a lost write that is called failed, and a lost read that is called indeterminate.
    #[test]
    fn lost_writes_are_indeterminate() {
        let timeout = Missed::Failed { trouble: Trouble::timeout(), reused: false };
        assert!(timeout.may_be_applied(Effect::Once) && timeout.may_be_applied(Effect::Repeatable));
        assert!(!timeout.may_be_applied(Effect::Read));
        let unsent = missed(CloseCause::PeerClosed, Fate::NotApplied, false);
        assert!(!unsent.may_be_applied(Effect::Once));
    }
}
