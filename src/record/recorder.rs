//! Gathers what shards and events say, and answers what just happened and what the run was.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::connects::Connects;
use super::inputs::{Config, Inputs, NodeLive};
use super::interval::{self, Current, Frame, Gathered, Interval};
use super::phase::{PhaseClock, Span};
use super::shard::{Buffer, Shard};
use super::summary::{NodePhase, PhaseSummary, Summary, Transition};
use super::tally::Tally;
use crate::base::name::NodeIndex;
use crate::base::time::{Offset, RunClock, Wall};
use crate::event::{Event, EventKind, Extent, Phase, Sample};

/// Events kept for the summary, of those that it needs; the journal has all. Later ones are counted.
pub(super) const EVENTS_MAX: usize = 4096;

/// Breaker transitions kept. Later ones are counted.
pub(super) const TRANSITIONS_MAX: usize = 4096;

/// How long after the end of a phase its figures stay open for operations that were due in it and take
/// long. A later one is counted all the same.
const STRAGGLERS: Duration = Duration::from_secs(10);

/// What share of the operation timeout counts as nearly all of it.
const NEARLY_TIMED_OUT: f64 = 0.9;

/// Counts everything in one run. Clones are the same recorder.
#[derive(Clone, Debug)]
pub struct Recorder {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    config: Config,
    clock: RunClock,
    phases: PhaseClock,
    totals: Arc<Mutex<Totals>>,
    buffers: Mutex<Vec<Arc<Buffer>>>,
    log: Mutex<Log>,
    ticks: Mutex<Ticks>,
}

/// Everything folded so far.
#[derive(Debug)]
pub(super) struct Totals {
    phases: PhaseClock,
    /// The phases as they were when this round of folding began.
    spans: Vec<Span>,
    /// What is nearly a timeout.
    long: Duration,
    /// By phase, then by node.
    nodes: [Vec<NodePhase>; Phase::ALL.len()],
    /// By phase, operations that asked several nodes.
    whole: [Tally; Phase::ALL.len()],
    current: Vec<Current>,
    /// The same of operations that asked several nodes.
    current_whole: Gathered,
}

#[derive(Debug, Default)]
struct Log {
    events: Vec<Event>,
    transitions: Vec<Transition>,
    dropped: u64,
}

/// What is remembered from one interval to the next.
#[derive(Debug, Default)]
struct Ticks {
    last: Offset,
    /// Intervals that the border of a phase has cut off, and that were not handed over yet.
    cut: Vec<Interval>,
    dialled: Option<u64>,
    connects: Connects,
}

impl Totals {
    fn new(phases: PhaseClock, config: &Config) -> Self {
        Self {
            phases,
            spans: Vec::new(),
            long: config.operation_timeout.mul_f64(NEARLY_TIMED_OUT),
            nodes: std::array::from_fn(|_| nodes(config.nodes)),
            whole: Default::default(),
            current: vec![Current::default(); config.nodes],
            current_whole: Gathered::default(),
        }
    }

    /// Looks up where the phases are now. Before every round of folding.
    pub(super) fn refresh(&mut self) {
        self.spans = self.phases.spans();
    }

    /// Packs the figures of phases that are over.
    fn pack(&mut self, now: Offset) {
        for span in &self.spans {
            if span.end.is_some_and(|end| end.plus(STRAGGLERS) <= now) {
                self.nodes[span.phase as usize].iter_mut().for_each(NodePhase::pack);
                self.whole[span.phase as usize].pack();
            }
        }
    }

    pub(super) fn add(&mut self, sample: &Sample) {
        let (phase, start) = self
            .spans
            .iter()
            .rev()
            .find(|span| span.start <= sample.due)
            .map_or((Phase::Warmup, Offset(0)), |span| (span.phase, span.start));
        if sample.extent == Extent::Whole {
            self.whole[phase as usize].add(sample);
            self.current_whole.add(sample);
            return;
        }
        let node = sample.home.position();
        let nodes = &mut self.nodes[phase as usize];
        if nodes.len() <= node {
            nodes.resize_with(node + 1, NodePhase::default);
        }
        if sample.extent == Extent::Keys {
            nodes[node].parts.keys.merge(&sample.keys.into());
            self.whole[phase as usize].keys.merge(&sample.keys.into());
            return;
        }
        match sample.extent {
            Extent::Part => nodes[node].parts.add(sample),
            _ => nodes[node].tally.add(sample),
        }
        nodes[node].series.add(sample.due.since(start), sample, self.long);
        if self.current.len() <= node {
            self.current.resize_with(node + 1, Current::default);
        }
        self.current[node].add(sample);
    }
}

fn nodes(count: usize) -> Vec<NodePhase> {
    std::iter::repeat_with(NodePhase::default).take(count).collect()
}

impl Recorder {
    /// A recorder for one run.
    #[must_use]
    pub fn new(config: Config, clock: RunClock, phases: PhaseClock) -> Self {
        let totals = Arc::new(Mutex::new(Totals::new(phases.clone(), &config)));
        Self {
            inner: Arc::new(Inner {
                config,
                clock,
                phases,
                totals,
                buffers: Mutex::default(),
                log: Mutex::default(),
                ticks: Mutex::default(),
            }),
        }
    }

    /// A worker's own end.
    #[must_use]
    pub fn shard(&self) -> Shard {
        let buffer = Arc::new(Buffer::default());
        self.inner.buffers.lock().push(Arc::clone(&buffer));
        Shard::new(buffer, Arc::clone(&self.inner.totals))
    }

    /// The boundaries of the phases, which the composition root sets.
    #[must_use]
    pub fn phases(&self) -> &PhaseClock {
        &self.inner.phases
    }

    /// Stamps an event with now, keeps it, and hands it back for the journal and the screen.
    pub fn event(&self, kind: EventKind) -> Event {
        self.event_at(self.inner.clock.now(), kind)
    }

    /// Stamps an event that happened at `at`.
    pub fn event_at(&self, at: Offset, kind: EventKind) -> Event {
        let event = Event {
            at_s: at.as_secs_f64(),
            at: self.wall(at).rfc3339(),
            phase: self.inner.phases.phase_at(at),
            member: None,
            kind,
        };
        let mut log = self.inner.log.lock();
        if let EventKind::BreakerChanged { node, from, to, cause } = &event.kind {
            if log.transitions.len() < TRANSITIONS_MAX {
                let (node, from, to, cause) = (*node, *from, *to, cause.clone());
                log.transitions.push(Transition { member: 0, node, at, from, to, cause });
            } else {
                log.dropped += 1;
            }
        }
        if is_kept(&event.kind) {
            if log.events.len() < EVENTS_MAX {
                log.events.push(event.clone());
            } else {
                log.dropped += 1;
            }
        }
        event
    }

    /// `phase` begins at `at`, and what happened since the last interval becomes one of its own, which
    /// [`Recorder::intervals`] hands over: no interval reaches over the border of a phase. `live` holds
    /// every node as it is at the border, in order.
    pub fn begin(&self, phase: Phase, at: Offset, live: &[NodeLive]) {
        if !self.inner.phases.spans().is_empty() {
            let cut = self.cut(at, live);
            let mut ticks = self.inner.ticks.lock();
            // Nobody asks for them before the run goes on: there are no more of them than phases.
            ticks.cut.extend(cut);
        }
        self.inner.phases.begin(phase, at);
    }

    /// What happened since the last call, each interval within one phase. `live` holds every node, in
    /// order.
    pub fn intervals(&self, now: Offset, live: &[NodeLive]) -> Vec<Interval> {
        let last = self.cut(now, live);
        let mut intervals = std::mem::take(&mut self.inner.ticks.lock().cut);
        intervals.extend(last);
        intervals
    }

    /// Takes the interval that ends at `at`; `None` when it has no length and nothing is in it.
    fn cut(&self, at: Offset, live: &[NodeLive]) -> Option<Interval> {
        self.drain();
        let mut ticks = self.inner.ticks.lock();
        let (begun, length) = (ticks.last, at.since(ticks.last));
        let phase = self.inner.phases.phase_at(begun);
        ticks.last = begun.max(at);
        ticks.watch_connects(phase, begun, length, live);
        let frame = Frame {
            scenario: &self.inner.config.scenario,
            phase,
            at,
            wall: self.wall(at),
            length,
            open_loop: self.inner.config.open_loop,
        };
        let mut totals = self.inner.totals.lock();
        totals.pack(at);
        let Totals { current, current_whole, .. } = &mut *totals;
        let interval = interval::take(frame, current, current_whole, live);
        (!length.is_zero() || interval.offered > 0).then_some(interval)
    }

    fn wall(&self, at: Offset) -> Wall {
        self.inner.clock.started_at().after(at.as_duration())
    }

    fn drain(&self) {
        let buffers = self.inner.buffers.lock().clone();
        for buffer in buffers {
            buffer.drain_into(&mut self.inner.totals.lock());
        }
    }

    /// Shows what was recorded until now: of each phase that has begun every node, and operations that
    /// asked several nodes, which have none. Each as it is when its turn comes, and a copy: who records
    /// meanwhile, with a full buffer, waits for a copy of two histograms (20 us) and not for whoever looks
    /// through those of 100 nodes (17 ms a phase).
    pub fn look(&self, mut show: impl FnMut(Phase, Option<NodeIndex>, &Tally)) {
        self.drain();
        for Span { phase, .. } in self.inner.phases.spans() {
            let copy = |position: usize| {
                let totals = self.inner.totals.lock();
                totals.nodes[phase as usize].get(position).map(|node| node.tally.clone())
            };
            for (position, tally) in (0..).map_while(copy).enumerate() {
                show(phase, Some(node_at(position)), &tally);
            }
            let whole = self.inner.totals.lock().whole[phase as usize].clone();
            show(phase, None, &whole);
        }
    }

    /// What the run was told before it began.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.inner.config
    }

    /// Everything that was recorded, with what only the composition root knows. What shards record
    /// afterwards is not in it.
    #[must_use]
    pub fn finish(&self, inputs: Inputs) -> Summary {
        self.drain();
        let totals = self.inner.totals.lock();
        let log = self.inner.log.lock();
        let spans = self.inner.phases.spans();
        let phases = spans
            .iter()
            .map(|span| PhaseSummary {
                phase: span.phase,
                start: span.start,
                end: span.end.unwrap_or(inputs.ended).max(span.start),
                nodes: totals.nodes[span.phase as usize].clone(),
                whole: totals.whole[span.phase as usize].clone(),
            })
            .collect();
        Summary {
            config: self.inner.config.clone(),
            started_at: self.inner.clock.started_at(),
            phases,
            before: merged(&totals, &spans),
            events: log.events.clone(),
            transitions: log.transitions.clone(),
            dropped_events: log.dropped,
            connects: self.inner.ticks.lock().connects.clone(),
            inputs,
            fleet: None,
        }
    }
}

/// Whether a judge or a report asks for events of this kind afterwards. Under packet loss the others
/// come by the thousand: in hours they would fill the memory, and the log at once.
const fn is_kept(kind: &EventKind) -> bool {
    matches!(
        kind,
        EventKind::Violation { .. }
            | EventKind::NodeEjected { .. }
            | EventKind::ClientCrashed { .. }
    )
}

/// What was recorded before any phase began; nothing when the run had a warm-up.
fn merged(totals: &Totals, spans: &[Span]) -> Tally {
    let mut tally = Tally::default();
    if spans.iter().all(|span| span.phase != Phase::Warmup) {
        tally.merge(&totals.whole[Phase::Warmup as usize]);
        for node in &totals.nodes[Phase::Warmup as usize] {
            tally.merge(&node.tally);
        }
    }
    tally
}

impl Ticks {
    /// Attempts to connect, from the counters of whoever counts them.
    fn watch_connects(&mut self, phase: Phase, begun: Offset, length: Duration, live: &[NodeLive]) {
        let dialled: Option<u64> = live.iter().map(|node| node.dialled).sum();
        let open: Option<u64> = live.iter().map(|node| node.open).sum();
        if phase == Phase::Steady {
            self.connects.steady_open = open;
        }
        let Some(dialled) = dialled.filter(|_| !live.is_empty()) else { return };
        if let Some(before) = self.dialled {
            self.connects.count(phase, begun, length, dialled.saturating_sub(before));
        }
        self.dialled = Some(dialled);
    }
}

/// The node at a position in a list of nodes.
pub(super) fn node_at(position: usize) -> NodeIndex {
    NodeIndex(u16::try_from(position).unwrap_or(u16::MAX))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::event::{BreakerState, ErrorClass, Extent, KeyCounts, Operation, Outcome};
    use crate::record::{Connections, NodeGroup};

    fn recorder() -> Recorder {
        let config = Config {
            scenario: "test".to_owned(),
            nodes: 3,
            open_loop: true,
            operation_timeout: Duration::from_millis(100),
        };
        let phases = PhaseClock::new();
        for (phase, second) in [(Phase::Warmup, 0), (Phase::Steady, 1), (Phase::Fault, 2)] {
            phases.begin(phase, Offset(second * 1_000_000_000));
        }
        Recorder::new(config, RunClock::start(), phases)
    }

    fn sample(node: u16, due_ms: u64, took_us: u64, outcome: Outcome) -> Sample {
        let due = Offset::from_duration(Duration::from_millis(due_ms));
        Sample {
            extent: Extent::Single,
            operation: Operation::Get,
            home: NodeIndex(node),
            served_by: Some(NodeIndex(node)),
            outcome,
            due,
            issued: due,
            taken: due,
            sent: Some(due),
            done: due.plus(Duration::from_micros(took_us)),
            connection_wait: Duration::ZERO,
            attempts: 1,
            needed: 1,
            keys: KeyCounts::default(),
        }
    }

    fn live(dialled: u64) -> NodeLive {
        let connections = Connections { open: 2, dialled, ..Connections::default() };
        NodeLive {
            requests: None,
            connections: Some(connections),
            dialled: Some(dialled),
            open: Some(2),
            breaker: Some(BreakerState::Closed),
            active_faults: Vec::new(),
        }
    }

    /// Catches figures that a finished phase loses when it is packed, and a straggler that is not
    /// counted any more.
    #[test]
    fn a_phase_that_is_over_keeps_its_figures() {
        let of_warmup = |late: &[u64]| {
            let recorder = recorder();
            let shard = recorder.shard();
            shard.record(&sample(1, 500, 40, Outcome::Hit));
            for second in late {
                recorder.intervals(Offset(second * 1_000_000_000), &[live(0), live(0), live(0)]);
            }
            shard.record(&sample(1, 700, 30_000_000, Outcome::Error(ErrorClass::Timeout)));
            let summary = recorder.finish(Inputs::default());
            let bins = summary.bins(Phase::Warmup, |_| true);
            let pieces = bins.iter().map(|bin| (bin.start, bin.bin.counts.offered()));
            let tally = summary.tally(Some(Phase::Warmup), NodeGroup::All);
            (tally.response.figures(), pieces.filter(|piece| piece.1 > 0).collect::<Vec<_>>())
        };
        let (figures, pieces) = of_warmup(&[20, 30]);
        assert_eq!((figures, &pieces), (of_warmup(&[]).0, &of_warmup(&[]).1));
        assert_eq!((figures.count, figures.max, pieces.len()), (2, Some(30_000_000), 2));
    }

    /// Catches a sample that counts in the phase in which it ended, or for the node that answered.
    #[test]
    fn samples_belong_to_the_phase_of_their_due_time() {
        let recorder = recorder();
        let shard = recorder.shard();
        shard.record(&sample(1, 1999, 50_000, Outcome::Hit));
        shard.record(&sample(1, 2000, 10, Outcome::Error(ErrorClass::Timeout)));
        shard.record(&sample(0, 500, 10, Outcome::Stored));
        let summary = recorder.finish(Inputs::default());
        let counts = |phase| summary.tally(Some(phase), NodeGroup::All).counts;
        assert_eq!(counts(Phase::Steady).of(Outcome::Hit), 1);
        assert_eq!(counts(Phase::Fault).errors(), 1);
        assert_eq!(counts(Phase::Warmup).good(), 1);
        assert_eq!(summary.tally(None, NodeGroup::All).counts.offered(), 2, "warm-up left out");
        assert_eq!(summary.everything().offered(), 3);
        let bins = summary.bins(Phase::Steady, |node| node == NodeIndex(1));
        let last = bins.last().unwrap();
        assert_eq!(last.start, Offset(1_900_000_000));
        assert_eq!(last.bin.counts.offered(), 1);
    }

    /// Catches an interval that repeats what an earlier one said, and a connect rate from totals.
    #[test]
    fn an_interval_holds_only_what_is_new() {
        let recorder = recorder();
        let shard = recorder.shard();
        for _ in 0..10 {
            shard.record(&sample(2, 1500, 300, Outcome::Hit));
        }
        shard.record(&sample(0, 1500, 0, Outcome::LostSlot));
        let nodes = [live(2), live(2), live(2)];
        let only = |at, nodes: &[NodeLive]| recorder.intervals(Offset(at), nodes).remove(0);
        let interval = only(2_000_000_000, &nodes);
        assert_eq!((interval.offered, interval.operations), (11, 10));
        assert_eq!(interval.phase, Phase::Warmup, "where it began");
        assert_eq!(interval.throughput_per_s, Some(5.0));
        assert_eq!(interval.nodes[2].response_time_us.unwrap().p50, Some(300));
        assert_eq!(interval.nodes[0].error_ratio, Some(1.0));
        assert_eq!(interval.nodes[1].error_ratio, None, "nothing was asked of it");
        let interval = only(4_000_000_000, &[live(12), live(2), live(2)]);
        assert_eq!(interval.offered, 0);
        assert_eq!(interval.response_time_us.unwrap().p99, None);
        let summary = recorder.finish(Inputs::default());
        assert_eq!(summary.connects.peak_per_s(), Some(5.0));
    }

    /// Catches a multi-get that is charged to one node: of three nodes one fails, and only its part of the
    /// operation failed; and an operation that counts once for each node.
    #[test]
    fn each_node_has_its_part_of_a_multi_get() {
        let recorder = recorder();
        let shard = recorder.shard();
        let timeout = Outcome::Error(ErrorClass::Timeout);
        let part = |node, outcome, extent| {
            let sample = sample(node, 1500, 40, outcome);
            shard.record(&Sample { operation: Operation::MultiGet, extent, ..sample });
        };
        part(0, timeout, Extent::Whole);
        for (node, outcome) in [(0, Outcome::Hit), (1, timeout), (2, Outcome::Hit)] {
            part(node, outcome, Extent::Part);
        }
        shard.record(&sample(1, 1500, 40, Outcome::Hit));
        let nodes = [live(0), live(0), live(0)];
        let interval = &recorder.intervals(Offset(2_000_000_000), &nodes)[0];
        assert_eq!((interval.offered, interval.error_ratio), (2, Some(0.5)));
        let ratios: Vec<_> = interval.nodes.iter().map(|node| node.error_ratio).collect();
        assert_eq!(ratios, [Some(0.0), Some(0.5), Some(0.0)]);
        let mut summary = recorder.finish(Inputs::default());
        assert_eq!(summary.everything().offered(), 2);
        summary.inputs.faults.push(crate::record::FaultRecord {
            name: "down".into(),
            kind: "refuse".into(),
            nodes: vec![NodeIndex(1)],
            parameters: std::collections::BTreeMap::new(),
            applied: None,
            healed: None,
            operations_touched: None,
        });
        let errors = |group| summary.tally(Some(Phase::Steady), group).counts.error_ratio();
        assert_eq!(errors(NodeGroup::All), Some(0.5));
        assert_eq!((errors(NodeGroup::Healthy), errors(NodeGroup::Faulty)), (Some(0.0), Some(0.5)));
    }

    /// Catches an interval that is called after the phase in which it ended, one that reaches over a
    /// border, operations that get lost there, and a line without the time of day.
    #[test]
    fn intervals_are_cut_where_phases_meet() {
        let config = recorder().inner.config.clone();
        let recorder = Recorder::new(config, RunClock::start(), PhaseClock::new());
        let shard = recorder.shard();
        let (nodes, second) = ([live(1), live(1), live(1)], 1_000_000_000);
        recorder.begin(Phase::Warmup, Offset(0), &nodes);
        shard.record(&sample(0, 500, 100, Outcome::Hit));
        recorder.begin(Phase::Steady, Offset(second), &nodes);
        shard.record(&sample(0, 1500, 100, Outcome::Hit));
        recorder.begin(Phase::Fault, Offset(3 * second), &nodes);
        shard.record(&sample(0, 3100, 100, Outcome::Error(ErrorClass::Refused)));
        let intervals = recorder.intervals(Offset(4 * second), &nodes);
        let told: Vec<_> = intervals
            .iter()
            .map(|interval| (interval.phase, interval.at_s, interval.length_s, interval.offered))
            .collect();
        assert_eq!(
            told,
            [
                (Phase::Warmup, 1.0, 1.0, 1),
                (Phase::Steady, 3.0, 2.0, 1),
                (Phase::Fault, 4.0, 1.0, 1)
            ]
        );
        let started = recorder.inner.clock.started_at();
        let day = started.after(Duration::from_secs(3)).rfc3339();
        assert_eq!(intervals[1].at, day);
        let event = recorder.event_at(Offset(3 * second), EventKind::PhaseStarted);
        assert_eq!(event.at, day);
        assert!(recorder.intervals(Offset(4 * second), &nodes).is_empty(), "nothing is told twice");
    }

    /// Catches a log of events that grows for ever, and transitions squeezed out by chatter.
    #[test]
    fn events_are_bounded_and_transitions_are_kept() {
        let recorder = recorder();
        for number in 0..EVENTS_MAX + 10 {
            recorder.event(EventKind::Noise { timer_delay_us: 1 });
            let cause = number.to_string();
            recorder.event(EventKind::NodeEjected { node: NodeIndex(1), cause });
        }
        recorder.event_at(
            Offset(2_500_000_000),
            EventKind::BreakerChanged {
                node: NodeIndex(1),
                from: BreakerState::Closed,
                to: BreakerState::Open,
                cause: "5 of 5 failed".to_owned(),
            },
        );
        let summary = recorder.finish(Inputs::default());
        assert_eq!(summary.events.len(), EVENTS_MAX);
        assert_eq!(summary.dropped_events, 10);
        assert_eq!(summary.transitions[0].at, Offset(2_500_000_000));
    }

    /// Catches a worker that loses samples when nobody ticks for a long time.
    #[test]
    fn a_full_shard_folds_itself() {
        let recorder = recorder();
        let shard = recorder.shard();
        for _ in 0..100_000 {
            shard.record(&sample(0, 1500, 100, Outcome::Hit));
        }
        assert_eq!(recorder.finish(Inputs::default()).everything().offered(), 100_000);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]

        /// Catches figures that depend on which worker measured what, or on when it was folded.
        #[test]
        fn shards_merge_to_what_one_would_have_said(
            samples in proptest::collection::vec(
                (0_u16..3, 0_u64..3000, 0_u64..200_000, 0_usize..27, 0_usize..4), 1..200),
        ) {
            let (one, many) = (recorder(), recorder());
            let single = one.shard();
            let shards: Vec<Shard> = (0..4).map(|_| many.shard()).collect();
            let outcomes: Vec<Outcome> = Outcome::all().collect();
            for (node, due, took, outcome, shard) in &samples {
                let sample = sample(*node, *due, *took, outcomes[*outcome]);
                single.record(&sample);
                shards[*shard].record(&sample);
                if *took % 5 == 0 {
                    many.drain();
                }
            }
            let (one, many) = (one.finish(Inputs::default()), many.finish(Inputs::default()));
            prop_assert_eq!(one.everything(), many.everything());
            prop_assert_eq!(one.everything().offered(), samples.len() as u64);
            for &phase in Phase::ALL {
                let of = |summary: &Summary| summary.tally(Some(phase), NodeGroup::All);
                let (one, many) = (of(&one), of(&many));
                prop_assert_eq!(one.response.figures(), many.response.figures());
                prop_assert_eq!(one.service.figures(), many.service.figures());
                prop_assert_eq!(one.counts, many.counts);
            }
        }
    }
}
