//! The breaker as calls use it: a permit to ask for, a verdict to hand in.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use super::gate::{Admission, CallOutcome, Gate, StateChange};
use crate::base::name::NodeIndex;
use crate::base::seed::Stream;
use crate::client::config::BreakerConfig;
use crate::event::{BreakerState, EventKind, Events};

/// The breaker of one node.
#[derive(Debug)]
pub struct Breaker {
    node: NodeIndex,
    events: Events,
    enabled: bool,
    gate: Mutex<Gate>,
    /// The generation, and the state in the lowest two bits: a call through a closed breaker asks
    /// no lock.
    word: AtomicU64,
}

/// Leave to make one call. Dropped without a verdict, it gives its place back and judges nothing.
#[derive(Debug)]
#[must_use = "a permit that is dropped judges nothing"]
pub struct Permit<'a> {
    breaker: &'a Breaker,
    admission: Admission,
    spent: bool,
}

/// What came of a verdict.
#[derive(Debug, Default)]
pub struct Recorded {
    /// Failures without a success between them; 0 when the verdict came too late to count.
    pub failures_in_a_row: u32,
    /// From the first of them to this one.
    pub row_lasted: Duration,
    /// Why the breaker opened, when this verdict opened it.
    pub opened: Option<String>,
}

impl Breaker {
    /// A closed breaker for `node`. `reopens` says whether it tries the node again by itself once it
    /// has been open for its time; otherwise only [`Breaker::half_open`] ends that.
    #[must_use]
    pub fn new(
        node: NodeIndex,
        config: BreakerConfig,
        reopens: bool,
        jitter: Stream,
        events: Events,
    ) -> Self {
        let enabled = config.enabled;
        let gate = Gate::new(config, reopens, jitter, Instant::now());
        let word = AtomicU64::new(word(&gate));
        Self { node, events, enabled, gate: Mutex::new(gate), word }
    }

    /// Leave to call now, if there is any.
    pub fn permit(&self, now: Instant) -> Option<Permit<'_>> {
        let word = self.word.load(Ordering::Acquire);
        if word & STATE_BITS == BreakerState::Closed as u64 {
            let admission = Admission { generation: word >> STATE_SHIFT, probe: false };
            return Some(Permit { breaker: self, admission, spent: false });
        }
        let mut gate = self.gate.lock();
        let (admission, transition) = gate.admit(now);
        self.publish(&gate, transition.as_ref());
        drop(gate);
        admission.map(|admission| Permit { breaker: self, admission, spent: false })
    }

    /// Opens it, whatever its counts are.
    pub fn trip(&self, now: Instant, cause: &str) {
        let mut gate = self.gate.lock();
        let transition = gate.trip(now, cause);
        self.publish(&gate, transition.as_ref());
    }

    /// Ends the open period: a few probes may pass.
    pub fn half_open(&self, now: Instant, cause: &str) {
        let mut gate = self.gate.lock();
        let transition = gate.half_open(now, cause);
        self.publish(&gate, transition.as_ref());
    }

    /// The state, without asking a lock.
    #[must_use]
    pub fn state(&self) -> BreakerState {
        match self.word.load(Ordering::Acquire) & STATE_BITS {
            0 => BreakerState::Closed,
            1 => BreakerState::Open,
            _ => BreakerState::HalfOpen,
        }
    }

    /// How often it opened, and how long it was open in all.
    #[must_use]
    pub fn opened(&self, now: Instant) -> (u64, Duration) {
        let gate = self.gate.lock();
        (gate.opens(), gate.open_time(now))
    }

    fn record(&self, admission: Admission, verdict: CallOutcome, now: Instant) -> Recorded {
        if !self.enabled {
            return Recorded::default();
        }
        let mut gate = self.gate.lock();
        let Some(outcome) = gate.record(admission, verdict, now) else {
            return Recorded::default();
        };
        self.publish(&gate, outcome.transition.as_ref());
        drop(gate);
        let opened = outcome
            .transition
            .and_then(|change| (change.to == BreakerState::Open).then_some(change.cause));
        Recorded {
            failures_in_a_row: outcome.failures_in_a_row,
            row_lasted: outcome.row_lasted,
            opened,
        }
    }

    /// Under the lock, so that the events of one breaker come in the order of its changes. A
    /// listener never blocks and may read [`Breaker::state`], which asks no lock.
    fn publish(&self, gate: &Gate, transition: Option<&StateChange>) {
        let Some(StateChange { from, to, cause }) = transition else { return };
        self.word.store(word(gate), Ordering::Release);
        self.events.emit(EventKind::BreakerChanged {
            node: self.node,
            from: *from,
            to: *to,
            cause: cause.clone(),
        });
    }
}

const STATE_SHIFT: u32 = 2;
const STATE_BITS: u64 = (1 << STATE_SHIFT) - 1;

fn word(gate: &Gate) -> u64 {
    (gate.generation() << STATE_SHIFT) | gate.state() as u64
}

impl Permit<'_> {
    /// Hands in the verdict.
    pub fn judge(mut self, verdict: CallOutcome, now: Instant) -> Recorded {
        self.spent = true;
        self.breaker.record(self.admission, verdict, now)
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        if !self.spent && self.admission.probe {
            self.breaker.gate.lock().release(self.admission);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::base::seed::Seed;

    /// Catches a breaker that counts although it was turned off: its client would reject calls.
    #[test]
    fn one_that_is_turned_off_never_opens() {
        let config = BreakerConfig { enabled: false, ..BreakerConfig::default() };
        let jitter = Seed::new(1).stream();
        let breaker = Breaker::new(NodeIndex(0), config, true, jitter, Events::ignore());
        let now = Instant::now();
        for _ in 0..100 {
            let recorded = breaker.permit(now).unwrap().judge(CallOutcome::Failed, now);
            assert_eq!((recorded.failures_in_a_row, recorded.opened), (0, None));
        }
        assert_eq!(breaker.state(), BreakerState::Closed);
    }

    /// Catches a permit from before a change that still counts, a state word that lags behind the
    /// gate, and an event without a change.
    #[test]
    fn the_word_and_the_events_follow_the_gate() {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&seen);
        let events = Events::to(move |kind| sink.lock().push(kind));
        let config = BreakerConfig::default();
        let breaker = Breaker::new(NodeIndex(0), config, true, Seed::new(1).stream(), events);
        let now = Instant::now();
        let late = breaker.permit(now).unwrap();
        for failures in 1..=5 {
            let recorded = breaker.permit(now).unwrap().judge(CallOutcome::Failed, now);
            assert_eq!(
                (recorded.failures_in_a_row, recorded.opened.is_some()),
                (failures, failures == 5)
            );
        }
        assert_eq!(breaker.state(), BreakerState::Open);
        assert!(breaker.permit(now).is_none());
        assert_eq!(late.judge(CallOutcome::Failed, now).failures_in_a_row, 0);
        assert_eq!(seen.lock().len(), 1);
        breaker.half_open(now, "the node answers");
        let probes: Vec<Permit<'_>> = std::iter::from_fn(|| breaker.permit(now)).collect();
        assert_eq!(probes.len(), 3);
        drop(probes);
        for _ in 0..3 {
            breaker.permit(now).unwrap().judge(CallOutcome::Answered, now);
        }
        assert_eq!((breaker.state(), breaker.opened(now).0), (BreakerState::Closed, 1));
        assert_eq!(seen.lock().len(), 3);
    }
}
