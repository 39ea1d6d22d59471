//! The connections to one node: bounded, first come first served, warm ones first.
//!
//! A permit stands for the right to use one connection, so no more than `pool_size` are in use, and
//! callers wait for permits in the order in which they came. Idle connections form a stack: the
//! warmest is used next, the coldest run into their idle time.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, timeout};

use super::broken::Broken;
use super::config::{ClientConfig, ConfigError};
use super::conn::{Connection, Endpoint, Link, Network};
use super::counts::ConnectionCounts;
use super::server::Server;
use super::standing::Standing;
use crate::base::deadline::Deadline;
use crate::base::name::NodeIndex;
use crate::event::{CloseCause, Connections, ErrorClass, EventKind, Events};

/// The connections to one node.
#[derive(Debug)]
pub(super) struct Pool {
    node: NodeIndex,
    events: Events,
    endpoint: Endpoint,
    limits: Limits,
    permits: Semaphore,
    #[expect(clippy::vec_box, reason = "a connection is large, and each call moves it four times")]
    idle: Mutex<Vec<Box<Connection>>>,
    /// How often the node was given up. Connections of an earlier count are never used again.
    generation: AtomicU64,
    shut: AtomicBool,
    counts: ConnectionCounts,
    broken: Option<Broken>,
    /// What a leaking pool has lost sight of; in any other it stays empty.
    leaked: Mutex<Vec<Connection>>,
}

#[derive(Debug)]
struct Limits {
    size: usize,
    wait: Duration,
    connect: Duration,
    lifetime: Option<Duration>,
    idle: Option<Duration>,
}

/// Which connection is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Want {
    /// A warm one if there is one.
    Any,
    /// A new one: the warm ones are in doubt.
    Fresh,
}

/// A connection lent to one exchange. Dropped without being given back, it is closed: whoever held
/// it was cancelled, and a reply may still come.
#[derive(Debug)]
#[must_use = "a lease that is dropped closes its connection"]
pub(super) struct Lease<'a> {
    pool: &'a Pool,
    connection: Option<Box<Connection>>,
    /// How long it had been idle; `None` for a new one.
    idle_for: Option<Duration>,
    /// When it was lent.
    since: Instant,
    /// Given back when the lease ends.
    permit: Option<SemaphorePermit<'a>>,
}

impl Pool {
    pub(super) fn new(
        node: NodeIndex,
        server: &Server,
        network: Network,
        config: &ClientConfig,
        events: Events,
    ) -> Result<Self, ConfigError> {
        let careless = config.broken == Some(Broken::ReuseAfterTimeout);
        Ok(Self {
            node,
            events,
            endpoint: Endpoint::new(server, network, config.protocol, careless)?,
            limits: Limits {
                size: config.pool_size,
                wait: config.pool_wait,
                connect: config.connect_timeout,
                lifetime: config.lifetime,
                idle: config.idle,
            },
            permits: Semaphore::new(config.pool_size),
            idle: Mutex::new(Vec::with_capacity(config.pool_size)),
            generation: AtomicU64::new(0),
            shut: AtomicBool::new(false),
            counts: ConnectionCounts::default(),
            broken: config.broken,
            leaked: Mutex::default(),
        })
    }

    /// A connection, asked for at `asked`, or the class of why there is none.
    pub(super) async fn lease(&self, want: Want, asked: Instant) -> Result<Lease<'_>, ErrorClass> {
        let (permit, now) = match self.permits.try_acquire() {
            Ok(permit) => (permit, asked),
            Err(_) => (self.permit().await?, Instant::now()),
        };
        if want == Want::Any
            && let Some(connection) = self.warmest(now)
        {
            self.counts.lent();
            let idle_for = Some(now.saturating_duration_since(connection.idle_since));
            let connection = Some(connection);
            return Ok(Lease {
                pool: self,
                connection,
                idle_for,
                since: now,
                permit: Some(permit),
            });
        }
        self.make_room();
        let connection = Some(self.dial().await?);
        self.counts.lent();
        let since = Instant::now();
        Ok(Lease { pool: self, connection, idle_for: None, since, permit: Some(permit) })
    }

    async fn permit(&self) -> Result<SemaphorePermit<'_>, ErrorClass> {
        match timeout(self.limits.wait, self.permits.acquire()).await {
            Ok(Ok(permit)) => Ok(permit),
            Ok(Err(_)) | Err(_) => Err(ErrorClass::NoConnection),
        }
    }

    /// Takes the connection that was used last, closing what has ended on the way.
    fn warmest(&self, now: Instant) -> Option<Box<Connection>> {
        loop {
            let connection = self.idle.lock().pop()?;
            match self.end_of(&connection, now) {
                None => return Some(connection),
                Some(cause) => self.close(connection, cause),
            }
        }
    }

    /// Why an idle connection must not be used any more, if it must not.
    fn end_of(&self, connection: &Connection, now: Instant) -> Option<CloseCause> {
        let waited = now.saturating_duration_since(connection.idle_since);
        if connection.generation != self.generation.load(Ordering::Acquire) {
            Some(CloseCause::NodeDown)
        } else if self.shut.load(Ordering::Acquire) {
            Some(CloseCause::Shutdown)
        } else if connection.ends.is_some_and(|end| now >= end) {
            Some(CloseCause::Lifetime)
        } else if self.limits.idle.is_some_and(|limit| waited >= limit) {
            Some(CloseCause::Idle)
        } else {
            None
        }
    }

    /// Closes the coldest idle connection when one more would exceed the bound.
    fn make_room(&self) {
        if self.counts.open() < self.limits.size as u64 {
            return;
        }
        let mut idle = self.idle.lock();
        let coldest = if idle.is_empty() { None } else { Some(idle.remove(0)) };
        drop(idle);
        if let Some(connection) = coldest {
            self.close(connection, CloseCause::Idle);
        }
    }

    async fn dial(&self) -> Result<Box<Connection>, ErrorClass> {
        let generation = self.generation.load(Ordering::Acquire);
        // Before it is known what comes of it: an attempt that nobody takes is one all the same.
        self.counts.dialled();
        let link = self.endpoint.dial(self.limits.connect).await?;
        let id = self.counts.opened();
        let now = Instant::now();
        let ends = self.limits.lifetime.map(|lifetime| now + spread(lifetime, id));
        let standing = Standing::default();
        let deadline = Deadline::default();
        Ok(Box::new(Connection { link, deadline, standing, id, generation, ends, idle_since: now }))
    }

    fn keep(&self, mut connection: Box<Connection>, now: Instant) {
        connection.idle_since = now;
        match self.end_of(&connection, now) {
            Some(cause) => self.close(connection, cause),
            None => self.idle.lock().push(connection),
        }
        // Shut between the look and the push: the drain may have missed it. (One of an earlier
        // generation is found when it is next looked at.)
        if self.shut.load(Ordering::Acquire) {
            self.drain(CloseCause::Shutdown);
        }
    }

    fn close(&self, connection: Box<Connection>, cause: CloseCause) {
        drop(connection);
        self.counts.closed(cause);
        if cause.is_poison() {
            self.events.emit(EventKind::ConnectionPoisoned { node: self.node, cause });
        }
    }

    fn drain(&self, cause: CloseCause) {
        let idle = std::mem::take(&mut *self.idle.lock());
        for connection in idle {
            self.close(connection, cause);
        }
    }

    /// Closes what is idle, and marks what is in use so that it is closed when it comes back.
    pub(super) fn give_up(&self) {
        self.generation.fetch_add(1, Ordering::AcqRel);
        self.drain(CloseCause::NodeDown);
    }

    /// Closes idle connections whose time has come.
    pub(super) fn sweep(&self, now: Instant) {
        let mut ended = Vec::new();
        self.idle.lock().retain_mut(|connection| match self.end_of(connection, now) {
            None => true,
            Some(cause) => {
                ended.push((connection.id, cause));
                false
            }
        });
        for (_, cause) in ended {
            self.counts.closed(cause);
        }
    }

    /// Closes everything for good and waits for what is in use, up to `grace`.
    pub(super) async fn shut(&self, grace: Duration) {
        self.shut.store(true, Ordering::Release);
        self.drain(CloseCause::Shutdown);
        let all = u32::try_from(self.limits.size).unwrap_or(u32::MAX);
        if let Ok(Ok(permits)) = timeout(grace, self.permits.acquire_many(all)).await {
            permits.forget();
        }
        self.permits.close();
        self.drain(CloseCause::Shutdown);
    }

    pub(super) fn counts(&self) -> (Connections, BTreeMap<CloseCause, u64>) {
        self.counts.snapshot(self.idle.lock().len())
    }
}

/// A lifetime shortened by up to a tenth, differently for each connection.
fn spread(lifetime: Duration, id: u64) -> Duration {
    // The golden ratio in 32 bits: successive ids land far apart.
    let share = (id.wrapping_mul(0x9e37_79b9) & 0xffff_ffff) as f64 / f64::from(u32::MAX);
    lifetime.mul_f64(1.0 - 0.1 * share)
}

impl Lease<'_> {
    /// What carries an exchange, and what bounds it.
    pub(super) fn link(&mut self) -> (&mut Link, &mut Deadline) {
        let connection = self.connection.as_mut();
        let connection = connection.expect("a lease has its connection until it is given back");
        (&mut connection.link, &mut connection.deadline)
    }

    /// What the last answer proves about the next.
    pub(super) fn standing(&self) -> Standing {
        self.connection.as_ref().map_or_else(Standing::default, |connection| connection.standing)
    }

    pub(super) fn set_standing(&mut self, standing: Standing) {
        if let Some(connection) = &mut self.connection {
            connection.standing = standing;
        }
    }

    pub(super) fn id(&self) -> Option<u64> {
        self.connection.as_ref().map(|connection| connection.id)
    }

    /// How long it had been idle; `None` for a new one.
    pub(super) const fn idle_for(&self) -> Option<Duration> {
        self.idle_for
    }

    /// When it was lent, dialling done.
    pub(super) const fn since(&self) -> Instant {
        self.since
    }

    /// Gives it back: the exchange has ended, now, with a complete reply.
    pub(super) fn keep(mut self, now: Instant) {
        if let Some(connection) = self.connection.take() {
            self.pool.counts.returned();
            self.pool.keep(connection, now);
        }
    }

    /// Closes it.
    pub(super) fn close(mut self, cause: CloseCause) {
        self.end(cause);
    }

    fn end(&mut self, cause: CloseCause) {
        if let Some(connection) = self.connection.take() {
            self.pool.counts.returned();
            if cause == CloseCause::Timeout
                && let Some(broken) = self.pool.broken
            {
                return self.end_badly(broken, connection);
            }
            self.pool.close(connection, cause);
        }
    }

    /// What a client that is broken on purpose does after a timeout.
    fn end_badly(&mut self, broken: Broken, connection: Box<Connection>) {
        match broken {
            Broken::ReuseAfterTimeout => {
                let standing = Standing::default();
                let connection = Box::new(Connection { standing, ..*connection });
                self.pool.keep(connection, Instant::now());
            }
            Broken::LeakingPool => {
                self.pool.leaked.lock().push(*connection);
                if let Some(permit) = self.permit.take() {
                    permit.forget();
                }
            }
            _ => self.pool.close(connection, CloseCause::Timeout),
        }
    }
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        self.end(CloseCause::Cancelled);
    }
}
