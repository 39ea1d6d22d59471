//! The breaker's decisions, pure: every method takes `now`, nothing here waits or emits.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use failsafe::{Instrument, StateMachine};
use rand::RngExt;
use tokio::time::Instant;

use super::window::{RatioWindow, WindowCounts};
use crate::base::seed::Stream;
use crate::client::config::BreakerConfig;
use crate::event::BreakerState;

/// Leave to make one call, valid for one generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Admission {
    pub(super) generation: u64,
    pub(super) probe: bool,
}

/// What an admitted call says about the node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallOutcome {
    /// It answered.
    Answered,
    /// It did not.
    Failed,
}

/// A change of state, with its cause in a few words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct StateChange {
    pub(super) from: BreakerState,
    pub(super) to: BreakerState,
    pub(super) cause: String,
}

/// What came of a verdict that counted.
#[derive(Debug)]
pub(super) struct Recorded {
    pub(super) transition: Option<StateChange>,
    /// Failures without a success between them, this one included.
    pub(super) failures_in_a_row: u32,
    /// From the first of them to this one.
    pub(super) row_lasted: Duration,
}

/// Closed, open or half-open, and who may pass.
#[derive(Debug)]
pub(super) struct Gate {
    machine: StateMachine<RatioWindow, Mirror>,
    mirror: Mirror,
    ledger: Arc<WindowCounts>,
    config: BreakerConfig,
    /// Whether it goes half-open by itself once the open period is over.
    reopens: bool,
    jitter: Stream,
    started: Instant,
    generation: u64,
    open_since: Option<Instant>,
    open_until: Instant,
    open_total: Duration,
    opens: u64,
    probes_out: u32,
    probes_good: u32,
    failures_in_a_row: u32,
    row_since: Instant,
}

/// failsafe has no getter for its state; it tells an instrument of every change.
#[derive(Clone, Debug, Default)]
struct Mirror(Arc<AtomicU8>);

impl Mirror {
    fn state(&self) -> BreakerState {
        match self.0.load(Ordering::Relaxed) {
            0 => BreakerState::Closed,
            1 => BreakerState::Open,
            _ => BreakerState::HalfOpen,
        }
    }
}

impl Instrument for Mirror {
    fn on_call_rejected(&self) {}

    fn on_open(&self) {
        self.0.store(1, Ordering::Relaxed);
    }

    fn on_half_open(&self) {
        self.0.store(2, Ordering::Relaxed);
    }

    fn on_closed(&self) {
        self.0.store(0, Ordering::Relaxed);
    }
}

impl Gate {
    pub(super) fn new(config: BreakerConfig, reopens: bool, jitter: Stream, now: Instant) -> Self {
        let (ledger, mirror) = (Arc::<WindowCounts>::default(), Mirror::default());
        let policy = RatioWindow::new(
            config.window,
            config.min_requests,
            config.failure_ratio,
            Arc::clone(&ledger),
        );
        Self {
            machine: StateMachine::new(policy, mirror.clone()),
            mirror,
            ledger,
            config,
            reopens,
            jitter,
            started: now,
            generation: 0,
            open_since: None,
            open_until: now,
            open_total: Duration::ZERO,
            opens: 0,
            probes_out: 0,
            probes_good: 0,
            failures_in_a_row: 0,
            row_since: now,
        }
    }

    pub(super) fn state(&self) -> BreakerState {
        self.mirror.state()
    }

    pub(super) const fn generation(&self) -> u64 {
        self.generation
    }

    pub(super) const fn opens(&self) -> u64 {
        self.opens
    }

    /// How long it was open in all.
    pub(super) fn open_time(&self, now: Instant) -> Duration {
        let current =
            self.open_since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since));
        self.open_total + current
    }

    /// Leave to call now, if there is any. Asking may end the open period.
    pub(super) fn admit(&mut self, now: Instant) -> (Option<Admission>, Option<StateChange>) {
        let mut transition = None;
        if self.state() == BreakerState::Open && self.reopens && now >= self.open_until {
            transition = self.try_again(now, "the open period is over");
        }
        let probe = match self.state() {
            BreakerState::Closed => false,
            BreakerState::Open => return (None, transition),
            BreakerState::HalfOpen if self.probes_out + self.probes_good >= self.config.probes => {
                return (None, transition);
            }
            BreakerState::HalfOpen => {
                self.probes_out += 1;
                true
            }
        };
        (Some(Admission { generation: self.generation, probe }), transition)
    }

    /// Takes a verdict into account; `None`: it is of an older generation and does not count.
    pub(super) fn record(
        &mut self,
        admission: Admission,
        verdict: CallOutcome,
        now: Instant,
    ) -> Option<Recorded> {
        if admission.generation != self.generation {
            return None;
        }
        self.release(admission);
        self.ledger.set_now(now.saturating_duration_since(self.started));
        let before = self.state();
        let transition = match verdict {
            CallOutcome::Answered => self.answered(before, now),
            CallOutcome::Failed => self.failed(before, now),
        };
        let row_lasted = now.saturating_duration_since(self.row_since);
        Some(Recorded { transition, failures_in_a_row: self.failures_in_a_row, row_lasted })
    }

    /// Gives leave back without a verdict, so that another probe may pass.
    pub(super) fn release(&mut self, admission: Admission) {
        if admission.probe && admission.generation == self.generation {
            self.probes_out = self.probes_out.saturating_sub(1);
        }
    }

    /// Opens it, whatever its counts are.
    pub(super) fn trip(&mut self, now: Instant, cause: &str) -> Option<StateChange> {
        let before = self.state();
        if before == BreakerState::Open {
            return None;
        }
        self.ledger.trip_next();
        self.machine.on_error();
        self.changed(before, now, || cause.to_owned())
    }

    /// Ends the open period, because a healer proved the node anew: a few probes may pass.
    pub(super) fn half_open(&mut self, now: Instant, cause: &str) -> Option<StateChange> {
        self.failures_in_a_row = 0;
        self.try_again(now, cause)
    }

    fn try_again(&mut self, now: Instant, cause: &str) -> Option<StateChange> {
        let before = self.state();
        if before != BreakerState::Open {
            return None;
        }
        // To failsafe the open period was over in the nanosecond after it began, so this ends with
        // the next tick of its clock at the latest.
        while !self.machine.is_call_permitted() {
            std::hint::spin_loop();
        }
        self.changed(before, now, || cause.to_owned())
    }

    fn answered(&mut self, before: BreakerState, now: Instant) -> Option<StateChange> {
        self.failures_in_a_row = 0;
        if before == BreakerState::HalfOpen {
            self.probes_good += 1;
            if self.probes_good < self.config.probes {
                // failsafe would close on the first success, so it is not told yet.
                return None;
            }
        }
        let probes = self.probes_good;
        self.machine.on_success();
        self.changed(before, now, || format!("{probes} probes succeeded"))
    }

    fn failed(&mut self, before: BreakerState, now: Instant) -> Option<StateChange> {
        if self.failures_in_a_row == 0 {
            self.row_since = now;
        }
        self.failures_in_a_row = self.failures_in_a_row.saturating_add(1);
        self.machine.on_error();
        let (failures, calls) = self.ledger.counts();
        let window = humantime::format_duration(self.config.window);
        self.changed(before, now, || match before {
            BreakerState::HalfOpen => "a probe failed".to_owned(),
            _ => format!("{failures} of {calls} failed within {window}"),
        })
    }

    /// Keeps the books of a change, if there was one.
    fn changed(
        &mut self,
        from: BreakerState,
        now: Instant,
        cause: impl FnOnce() -> String,
    ) -> Option<StateChange> {
        let to = self.state();
        if to == from {
            return None;
        }
        self.generation += 1;
        self.probes_out = 0;
        self.probes_good = 0;
        if let Some(since) = self.open_since.take() {
            self.open_total += now.saturating_duration_since(since);
        }
        if to == BreakerState::Open {
            self.opens += 1;
            self.open_since = Some(now);
            self.open_until = now + self.open_period();
        }
        Some(StateChange { from, to, cause: cause() })
    }

    fn open_period(&mut self) -> Duration {
        let spread = self.config.open_jitter * self.jitter.random_range(-1.0..=1.0);
        self.config.open.mul_f64(1.0 + spread)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::base::seed::Seed;
    use BreakerState::{Closed, HalfOpen, Open};
    use CallOutcome::{Answered, Failed};

    fn gate(now: Instant) -> Gate {
        Gate::new(BreakerConfig::default(), true, Seed::new(1).stream(), now)
    }

    fn call(gate: &mut Gate, verdict: CallOutcome, now: Instant) -> Option<StateChange> {
        let admission = gate.admit(now).0.expect("admitted");
        gate.record(admission, verdict, now).expect("it counts").transition
    }

    fn opened(now: Instant) -> Gate {
        let mut gate = gate(now);
        for _ in 0..5 {
            call(&mut gate, Failed, now);
        }
        assert_eq!(gate.state(), Open);
        gate
    }

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    /// Catches a breaker that trips early, late, or without saying why.
    #[test]
    fn opens_at_five_calls_with_sixty_percent_failures() {
        let start = Instant::now();
        let mut gate = gate(start);
        for (millis, verdict) in [(0, Answered), (100, Answered), (200, Failed), (300, Failed)] {
            assert_eq!(call(&mut gate, verdict, start + ms(millis)), None);
        }
        let transition = call(&mut gate, Failed, start + ms(400)).unwrap();
        let cause = "3 of 5 failed within 1s".to_owned();
        assert_eq!(transition, StateChange { from: Closed, to: Open, cause });
        assert_eq!(gate.admit(start + ms(401)).0, None);
        assert_eq!((gate.opens(), gate.open_time(start + ms(450))), (1, ms(50)));
    }

    /// Catches an open period that ignores its jitter or leaves its bounds.
    #[test]
    fn stays_open_for_its_time_with_jitter() {
        let start = Instant::now();
        let mut ends = std::collections::BTreeSet::new();
        for seed in 0..50 {
            let stream = Seed::new(seed).stream();
            let mut gate = Gate::new(BreakerConfig::default(), true, stream, start);
            assert!(gate.trip(start, "told").is_some());
            assert_eq!(gate.admit(start + ms(799)).0, None);
            let end = (800..=1201).find(|&at| gate.admit(start + ms(at)).0.is_some());
            ends.insert(end.expect("open for at most 1.2 s"));
        }
        assert!(ends.len() > 20, "jitter spreads the ends: {ends:?}");
    }

    /// Catches a half-open breaker that floods the node: failsafe alone admits everything.
    #[test]
    fn half_open_admits_three_and_closes_after_three() {
        let start = Instant::now();
        let mut gate = opened(start);
        let now = start + ms(1300);
        let probes = [(); 3].map(|()| gate.admit(now).0.expect("a probe"));
        assert_eq!((gate.state(), gate.admit(now).0), (HalfOpen, None));
        for probe in &probes[..2] {
            assert_eq!(gate.record(*probe, Answered, now).unwrap().transition, None);
            assert_eq!(gate.admit(now).0, None, "three probes decide, not more");
        }
        let closed = gate.record(probes[2], Answered, now).unwrap().transition.unwrap();
        assert_eq!((closed.from, closed.to), (HalfOpen, Closed));
        assert!(gate.admit(now).0.is_some_and(|admission| !admission.probe));
    }

    /// Catches a half-open breaker that a failed probe does not open again, or that a success of
    /// the round before closes.
    #[test]
    fn a_failed_probe_opens_and_late_results_do_not_count() {
        let start = Instant::now();
        let mut gate = opened(start);
        let now = start + ms(1300);
        let probes = [(); 3].map(|()| gate.admit(now).0.expect("a probe"));
        assert_eq!(gate.record(probes[0], Failed, now).unwrap().transition.unwrap().to, Open);
        let later = now + ms(1300);
        let next = gate.admit(later).0.expect("a probe of the next round");
        for probe in &probes[1..] {
            assert!(gate.record(*probe, Answered, later).is_none());
        }
        assert!(gate.record(probes[1], Failed, later).is_none());
        assert_eq!(gate.state(), HalfOpen);
        assert!(gate.record(next, Answered, later).is_some());
    }

    /// Catches a probe whose caller gave up and whose place is lost: the breaker would stay
    /// half-open for ever.
    #[test]
    fn a_probe_without_a_verdict_gives_its_place_back() {
        let start = Instant::now();
        let mut gate = opened(start);
        let now = start + ms(1300);
        let probes = [(); 3].map(|()| gate.admit(now).0.expect("a probe"));
        gate.release(probes[0]);
        assert!(gate.admit(now).0.is_some());
        assert_eq!(gate.admit(now).0, None);
    }

    /// Catches a breaker that comes back by itself although only the healer may bring it back.
    #[test]
    fn without_reopening_only_the_healer_ends_the_open_period() {
        let start = Instant::now();
        let mut gate = Gate::new(BreakerConfig::default(), false, Seed::new(1).stream(), start);
        assert!(gate.trip(start, "10 failures in a row").is_some());
        let later = start + Duration::from_secs(3600);
        assert_eq!(gate.admit(later), (None, None));
        assert_eq!(gate.half_open(later, "the node answers").unwrap().to, HalfOpen);
        assert!(gate.admit(later).0.is_some());
    }

    /// Catches a restart of the failure count that gives a dead node up too late or too early.
    #[test]
    fn failures_in_a_row_go_on_through_failed_probes() {
        let start = Instant::now();
        let mut gate = opened(start);
        for round in 1..=3 {
            let now = start + ms(1300) * round;
            let probe = gate.admit(now).0.expect("a probe");
            let outcome = gate.record(probe, Failed, now).unwrap();
            assert_eq!((outcome.failures_in_a_row, outcome.row_lasted), (5 + round, now - start));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        /// Catches any order of calls, verdicts, drops and waits in which more than three probes
        /// are out, a stale result counts, or the state changes without the books.
        #[test]
        fn never_more_than_three_probes_and_no_stale_verdicts(
            steps in proptest::collection::vec((0_u8..6, 0_usize..8, 0_u64..700), 1..200),
        ) {
            let mut now = Instant::now();
            let mut gate = gate(now);
            let mut out: Vec<Admission> = Vec::new();
            for (step, which, wait) in steps {
                let generation = gate.generation();
                match step {
                    0 | 1 => out.extend(gate.admit(now).0),
                    2 => now += ms(wait),
                    _ if out.is_empty() => {}
                    3 => {
                        let admission = out.remove(which % out.len());
                        gate.release(admission);
                    }
                    _ => {
                        let admission = out.remove(which % out.len());
                        let verdict = if step == 4 { Failed } else { Answered };
                        let outcome = gate.record(admission, verdict, now);
                        prop_assert_eq!(outcome.is_some(), admission.generation == generation);
                        if let Some(change) = outcome.and_then(|outcome| outcome.transition) {
                            prop_assert!(change.from != change.to);
                            prop_assert_eq!(gate.generation(), generation + 1);
                        }
                    }
                }
                let current = gate.generation();
                let probes = out
                    .iter()
                    .filter(|admission| admission.probe && admission.generation == current)
                    .count();
                prop_assert!(probes <= 3);
                prop_assert!(gate.generation() >= generation);
            }
        }
    }
}
