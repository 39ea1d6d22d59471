//! What the connections of a proxy have in common: what is wanted to be known of each, and what needs more than one
//! (latencies, how long clients wait, the server's version).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::base::carried::Carried;
use crate::base::name::NodeIndex;
use crate::protocol::{Known, Protocol};
use crate::proxy::fault::message::Reporter;
use crate::proxy::tap::asked::Asked;
use crate::proxy::tap::latency::{Latencies, LatencyView};
use crate::proxy::tap::reuse::{GIVE_UP_MIN, Patience};
use crate::proxy::tap::sought::Sought;
use crate::proxy::tap::timeline::Timeline;
use crate::proxy::tap::view::TapSnapshot;

/// What the meters of a proxy's connections have in common.
#[derive(Debug, Default)]
pub(in crate::proxy) struct Shared {
    own: Side,
    foreign: Side,
    /// What the keys of the run's own client begin with, if somebody said so.
    pub(super) own_prefix: Mutex<Option<Arc<[u8]>>>,
    /// Where it is noted which node is asked for which key, if somebody wants to know.
    pub(super) carried: Mutex<Option<(Arc<Carried>, NodeIndex)>>,
    pub(super) watched: Mutex<Option<Watched>>,
    pub(super) known: Mutex<Known>,
    /// Whether the server asks for a password, so that the first request of a connection says who it is.
    pub(super) asks_who: AtomicBool,
    /// What the connections speak, if somebody said so.
    pub(super) protocol: Option<Protocol>,
    pub(in crate::proxy) reporter: Reporter,
    /// Requests that somebody waits for.
    pub(super) sought: Sought,
}

/// Where it is noted what passed when, and what came again, if somebody wants to know.
#[derive(Clone, Debug)]
pub(in crate::proxy) struct Watched {
    pub(in crate::proxy) timeline: Arc<Timeline>,
    pub(in crate::proxy) asked: Arc<Asked>,
    pub(in crate::proxy) node: NodeIndex,
}

/// What the run's own connections have in common, or all others.
#[derive(Debug, Default)]
pub(super) struct Side {
    pub(super) figures: Mutex<Figures>,
    /// How long its clients wait for a reply, in microseconds; 0: not learned yet.
    patience_us: AtomicU64,
}

#[derive(Debug, Default)]
pub(super) struct Figures {
    pub(super) latencies: Latencies,
    pub(super) answered_late: LatencyView,
    pub(super) never_answered: LatencyView,
    pub(super) patience: Patience,
    /// How long connections were open that their clients closed without a request.
    silent: LatencyView,
}

impl Side {
    pub(super) fn patience(&self) -> Option<Duration> {
        let micros = self.patience_us.load(Ordering::Relaxed);
        (micros > 0).then(|| Duration::from_micros(micros))
    }

    /// For how long a request that had no answer is waited for to come again: two times the patience.
    pub(super) fn window(&self) -> Option<Duration> {
        Some(self.patience()? * 2)
    }

    pub(super) fn was_silent(&self, open: Duration) {
        if open >= GIVE_UP_MIN {
            self.figures.lock().silent.record(open);
        }
    }

    pub(super) fn gave_up(&self, waited: Duration) {
        let mut figures = self.figures.lock();
        figures.patience.gave_up(waited);
        if let Some(learned) = figures.patience.learned() {
            let micros = u64::try_from(learned.as_micros()).unwrap_or(u64::MAX);
            self.patience_us.store(micros.max(1), Ordering::Relaxed);
        }
    }
}

impl Shared {
    pub(in crate::proxy) fn new(reporter: Reporter, protocol: Option<Protocol>) -> Self {
        Self { reporter, protocol, ..Self::default() }
    }

    /// What the connections from now on take the server for.
    pub(in crate::proxy) fn know(&self, known: Known) {
        *self.known.lock() = known;
    }

    /// The first request of each connection from now on says who it is, and is part of no operation.
    pub(in crate::proxy) fn set_asks_who(&self) {
        self.asks_who.store(true, Ordering::Relaxed);
    }

    /// The connections from now on are the run's own when their keys begin so.
    pub(in crate::proxy) fn set_own(&self, prefix: &[u8]) {
        *self.own_prefix.lock() = Some(prefix.into());
    }

    /// The connections from now on note which keys are asked of `node`.
    pub(in crate::proxy) fn set_carried(&self, carried: Arc<Carried>, node: NodeIndex) {
        *self.carried.lock() = Some((carried, node));
    }

    /// The connections from now on note what passes when, and what comes again.
    pub(in crate::proxy) fn watch(&self, watched: Watched) {
        *self.watched.lock() = Some(watched);
    }

    /// What passed when, if somebody wants to know.
    pub(in crate::proxy) fn timeline(&self) -> Option<Arc<Timeline>> {
        self.watched.lock().as_ref().map(|watched| Arc::clone(&watched.timeline))
    }

    /// Requests that somebody waits for, of open connections and new ones.
    pub(in crate::proxy) const fn sought(&self) -> &Sought {
        &self.sought
    }

    /// Adds what the connections have in common.
    pub(in crate::proxy) fn add_to(&self, snapshot: &mut TapSnapshot, now: Instant) {
        if self.own_prefix.lock().is_some() {
            snapshot.foreign.get_or_insert_default();
        }
        let figures = self.own.figures.lock();
        figures.patience.judge(&mut snapshot.reuse);
        snapshot.wire_latency = figures.latencies.all().clone();
        snapshot.recent_latency = figures.latencies.windows(now);
        snapshot.answered_late = figures.answered_late.clone();
        snapshot.never_answered = figures.never_answered.clone();
        snapshot.given_up = figures.patience.waited().clone();
        snapshot.silent = figures.silent.clone();
    }

    pub(super) fn side(&self, own: Option<bool>) -> &Side {
        if own == Some(false) { &self.foreign } else { &self.own }
    }
}
