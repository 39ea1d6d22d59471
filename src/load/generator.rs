//! A running load: from the plain data of a workload to what its operations came to.
//!
//! ```text
//!  arrival ─► pacer (a task) ──► queue ─► workers (tasks) ─► client
//!                 │ full                      │      └─► oracle
//!                 └─► lost slot ─► ledger ◄───┴─► sampler: one sample a ticket
//! ```

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{mpsc, watch};

use super::arrival::{Arrival, Pace, dealt};
use super::audit::{self, Audit};
use super::cache::Cache;
use super::config::{LoadConfig, LoadError};
use super::draft::Drafter;
use super::halt::Halt;
use super::keys::Seat;
use super::metronome;
use super::oracle::{Oracle, OracleConfig};
use super::origin::Origin;
use super::pacer::Pacer;
use super::preload;
use super::queue::{self, Queue};
use super::refills::Refills;
use super::split::Lists;
use super::ticket::{Sampler, TicketCounts};
use super::totals::{LoadTotals, Preloaded, Progress};
use super::turns::Turns;
use super::work::{Hands, Worker, hung_after};
use super::workload::Parts;
use crate::base::deadline::Deadline;
use crate::base::name::NodeIndex;
use crate::base::scope::Scope;
use crate::base::seed::Seed;
use crate::base::time::Offset;
use crate::client::Broken;
use crate::event::Events;

/// How long workers may take to notice that they were cancelled.
const CANCEL_GRACE: Duration = Duration::from_secs(1);

/// How late the generator is that is late on purpose.
const LAG: Duration = Duration::from_millis(40);

/// What all workers share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) ledger: Arc<TicketCounts>,
    pub(super) queue: Arc<Queue>,
    /// Where any worker may write any key.
    pub(super) turns: Option<Turns>,
    pub(super) oracle: Arc<Oracle>,
    /// Asked once a miss, never for a hit.
    pub(super) origin: Option<Mutex<Origin>>,
    /// `None`: values are not written back after a miss.
    pub(super) refills: Option<Refills>,
    /// Nothing that is due at this offset or later is issued.
    pub(super) end: Arc<AtomicU64>,
    pub(super) hung_after: Duration,
    /// Called when the run is given up.
    pub(super) halt: Halt,
    pub(super) fills: AtomicU64,
    pub(super) fills_failed: AtomicU64,
    pub(super) preloaded: Arc<AtomicU64>,
}

/// A load, started. It issues nothing before [`Load::begin`].
#[derive(Debug)]
pub struct Load {
    shared: Arc<Shared>,
    pub(super) parts: Arc<Parts>,
    config: LoadConfig,
    cache: Cache,
    lists: Lists,
    scope: Scope,
    schedule: Mutex<Option<Box<dyn Arrival>>>,
    closed_loop: bool,
    begun: watch::Sender<bool>,
    workers_ended: mpsc::Receiver<()>,
}

impl Load {
    /// Checks the workload and starts the workers in a scope below `scope`. `sampler` is asked for
    /// one sampler a worker, and for one more for operations that no worker took up.
    ///
    /// # Errors
    /// When the workload makes no sense.
    pub fn start(
        config: LoadConfig,
        cache: impl Into<Cache>,
        mut sampler: impl FnMut() -> Sampler,
        events: Events,
        scope: &Scope,
    ) -> Result<Self, LoadError> {
        let (cache, all_workers, share) = (cache.into(), config.concurrency, config.share);
        let parts = config
            .workload
            .parts(config.rate, all_workers)
            .map_err(|source| LoadError::Workload { name: config.workload.name.clone(), source })?;
        let parts = Arc::new(Parts { share, ..parts });
        let keyspace = cache.keyspace(parts.names(all_workers));
        let workers = share.workers(all_workers);
        let whole = config.seed.fork("arrival").stream();
        let config = LoadConfig { concurrency: workers, seed: share.seed(config.seed), ..config };
        let LoadConfig { run, checks, nodes, .. } = config;
        let settings = OracleConfig { run, checks, nodes, flags: cache.tells_flags() };
        let oracle = Arc::new(Oracle::new(keyspace, settings, events));
        let spare = drafter(&parts, &oracle, workers, 0, config.seed.fork("lost"));
        let (schedule, closed_loop) = match dealt(parts.arrival.start(whole), share) {
            Pace::Open(arrival) => (Some(arrival), false),
            Pace::Closed => (None, true),
        };
        let refills = config.workload.fill_after_miss && config.workload.http.is_none();
        let shared = Arc::new(Shared {
            ledger: TicketCounts::new(config.clock, sampler(), spare),
            queue: Arc::new(Queue::new(workers as usize, queue::backlog(&parts))),
            turns: parts.replay.is_some().then(Turns::default),
            refills: refills.then(|| Refills::new(oracle.keyspace())),
            oracle,
            origin: config.workload.origin.map(|spec| Mutex::new(Origin::new(spec.part(share)))),
            end: Arc::new(AtomicU64::new(u64::MAX)),
            hung_after: hung_after(config.deadline),
            halt: Halt::default(),
            fills: AtomicU64::new(0),
            fills_failed: AtomicU64::new(0),
            preloaded: Arc::default(),
        });
        let (alive, workers_ended) = mpsc::channel(1);
        let load = Self {
            lists: Lists::of(&cache, &shared.oracle),
            shared,
            parts,
            cache,
            scope: scope.child("load"),
            schedule: Mutex::new(schedule),
            closed_loop,
            begun: watch::Sender::new(false),
            workers_ended,
            config,
        };
        load.scope.spawn("metronome", metronome::run(load.scope.clone()));
        let (given_up, shared) = (load.scope.cancelled(), Arc::clone(&load.shared));
        load.scope.spawn("halt", async move {
            given_up.await;
            shared.halt.call();
        });
        for number in 0..workers {
            load.spawn_worker(number, sampler(), alive.clone());
        }
        Ok(load)
    }

    fn spawn_worker(&self, number: u32, sampler: Sampler, alive: mpsc::Sender<()>) {
        let worker = Worker {
            number: number as usize,
            shared: Arc::clone(&self.shared),
            hands: self.hands(number, "worker"),
            sampler,
            closed_loop: self.closed_loop,
            begun: self.begun.subscribe(),
            patience: Deadline::default(),
            alive,
        };
        self.scope.spawn(format!("worker[{number}]"), worker.run());
    }

    /// What a worker works with. `role` names its streams.
    pub(super) fn hands(&self, worker: u32, role: &str) -> Hands {
        let seed = self.config.seed.fork(role).index(u64::from(worker));
        let workers = self.config.concurrency;
        Hands {
            cache: self.cache.of(worker, workers).clone(),
            oracle: Arc::clone(&self.shared.oracle),
            clock: self.config.clock,
            due: Offset(0),
            drafter: drafter(&self.parts, &self.shared.oracle, workers, worker, seed),
            lives: self.config.workload.ttl.clone(),
            border_share: self.config.workload.border_keys,
            border: None,
            reads_back: false,
            read_back: self.config.workload.read_back,
            written: None,
            cancel: self.config.workload.cancel,
            multi_get_keys: self.config.workload.multi_get_keys,
            fill_after_miss: self.config.workload.fill_after_miss,
            absent: Vec::new(),
            filling: 0,
            parts: Vec::new(),
            under_way: Vec::new(),
            buffer: Vec::new(),
            swaps: 0,
        }
    }

    /// Stores every key once, before anything is measured, and tries again what a node did not take, as
    /// long as any key is stored at all. [`Load::progress`] shows how far it is.
    pub async fn preload(&self) -> Preloaded {
        preload::run(self, &self.shared, &self.scope, self.config.concurrency).await
    }

    /// Begins to issue operations, now. A second call does nothing.
    pub fn begin(&self) {
        let start = self.config.clock.now();
        self.begun.send_replace(true);
        let Some(arrival) = self.schedule.lock().take() else { return };
        let pacer = Pacer {
            arrival,
            ledger: Arc::clone(&self.shared.ledger),
            queue: Arc::clone(&self.shared.queue),
            end: Arc::clone(&self.shared.end),
            lag: match self.cache.broken() {
                Some(Broken::LateGenerator) => LAG,
                _ => Duration::ZERO,
            },
            scope: self.scope.clone(),
        };
        self.scope.spawn("pacer", pacer.run(start));
    }

    /// Issues nothing that is due at `end` or later. The last call counts.
    pub fn end_at(&self, end: Offset) {
        self.shared.end.store(end.0, Ordering::Relaxed);
    }

    /// Begins, and ends when `end` has come.
    pub async fn run_until(&self, end: Offset) {
        self.end_at(end);
        self.begin();
        tokio::time::sleep_until(self.config.clock.instant(end)).await;
    }

    /// Stops issuing, now, unless the end has come already.
    pub fn stop(&self) {
        let now = self.config.clock.now();
        self.shared.end.fetch_min(now.0, Ordering::Relaxed);
    }

    /// A node loses, or has just lost, its data: call it before the loss and after it.
    pub fn forget(&self, node: NodeIndex) {
        self.shared.oracle.forget(node, self.config.clock.now());
    }

    /// A node loses its data at some moment from now, so much later at most.
    pub fn forget_within(&self, node: NodeIndex, within: Duration) {
        self.shared.oracle.forget(node, self.config.clock.now().plus(within));
    }

    /// A node drops items to make room: what is found gone there proves nothing by itself.
    pub fn drops_items(&self, node: NodeIndex) {
        self.shared.oracle.drops_items(node);
    }

    /// The client of a group is told another list of nodes; whether it took it.
    pub fn relist(&self, group: usize, nodes: &[NodeIndex]) -> bool {
        self.lists.change(&self.cache, &self.shared.oracle, group, nodes)
    }

    /// The largest share of the keys that a change of a list has moved; `None`: no list changed, or nobody
    /// knows where keys are.
    #[must_use]
    pub fn keys_moved_ratio(&self) -> Option<f64> {
        self.lists.keys_moved_ratio(&self.cache, &self.shared.oracle)
    }

    /// What the load has come to so far.
    #[must_use]
    pub fn progress(&self) -> Progress {
        Progress {
            issued: self.shared.ledger.issued(),
            closed: self.shared.ledger.outcomes().iter().sum(),
            preloaded: self.shared.preloaded.load(Ordering::Relaxed),
            fills: self.shared.fills.load(Ordering::Relaxed),
        }
    }

    /// Whether operations have no intended starts.
    #[must_use]
    pub const fn is_closed_loop(&self) -> bool {
        self.closed_loop
    }

    /// Stops, waits up to `grace` for what is under way, gives up the rest, and checks what can
    /// only be checked at the end. Nothing that was issued stays without an outcome.
    pub async fn drain(mut self, grace: Duration) -> LoadTotals {
        self.stop();
        // A load that never began has no pacer that would send its workers home.
        if self.schedule.lock().take().is_some() || self.closed_loop {
            self.shared.queue.finish();
            self.begun.send_replace(true);
        }
        // Workers never send: the channel ends with the last of them.
        let ended = tokio::time::timeout(grace, self.workers_ended.recv()).await;
        if ended.is_err() {
            self.shared.queue.finish();
            drop(self.shared.queue.give_up());
            drop(self.shared.turns.as_ref().map(Turns::give_up)); // never sent: lost, not hung
        }
        let closing = self.scope.close(CANCEL_GRACE).await;
        drop(self.shared.queue.give_up());
        drop(self.shared.turns.as_ref().map(Turns::give_up));
        let Shared { oracle, hung_after, .. } = &*self.shared;
        let audit = if closing == crate::base::scope::Closed::Clean {
            audit::run(self.cache.first(), oracle, self.config.clock, *hung_after).await
        } else {
            Audit::of_nothing(oracle)
        };
        self.totals(audit)
    }

    fn totals(&self, audit: Audit) -> LoadTotals {
        let shared = &self.shared;
        LoadTotals {
            issued: shared.ledger.issued(),
            outcomes: shared.ledger.outcomes(),
            closed_loop: self.closed_loop,
            issue_delay: (!self.closed_loop && shared.ledger.issued() > 0)
                .then(|| shared.ledger.issue_delay()),
            waited_turns: shared.turns.as_ref().map_or(0, Turns::waited),
            fills: shared.fills.load(Ordering::Relaxed),
            fills_failed: shared.fills_failed.load(Ordering::Relaxed),
            origin: shared.origin.as_ref().map(|origin| origin.lock().totals()),
            refills: shared.refills.as_ref().map(Refills::counts),
            data: shared.oracle.totals(),
            examples: shared.oracle.examples(),
            gone: shared.oracle.gone(),
            audit,
        }
    }
}

fn drafter(
    parts: &Arc<Parts>,
    oracle: &Arc<Oracle>,
    workers: u32,
    worker: u32,
    seed: Seed,
) -> Drafter {
    Drafter::new(Arc::clone(parts), Arc::clone(oracle), Seat { worker, workers }, seed)
}
