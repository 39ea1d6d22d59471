//! One run as it is seen while it goes on: a fold over its lines. It decides nothing and owns no truth.

use std::time::Duration;

use super::data::Data;
use super::hand::Touch;
use super::log::{Log, Weight};
use super::outline::Outline;
use super::series::Series;
use crate::base::name::NodeIndex;
use crate::event::{Event, EventKind, Phase};
use crate::judge::Verdict;
use crate::record::Interval;
use crate::report::Line;
use crate::report::live::Live;

/// Spans of faults that are kept: of a timeline that begins again and again the last ones.
const SPANS_MAX: usize = 256;

/// What a fault is called that somebody injects by hand.
const BY_HAND: &str = "by hand";

/// A fault as it really was.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Span {
    pub(super) fault: String,
    pub(super) nodes: Vec<NodeIndex>,
    pub(super) from_s: f64,
    /// `None`: it is active.
    pub(super) to_s: Option<f64>,
}

/// A run.
#[derive(Clone, Debug, Default)]
pub(super) struct Model {
    pub(super) outline: Outline,
    /// When it began, on the clock of whoever looks: the lines carry the run's own times.
    began: Duration,
    pub(super) phase: Option<Phase>,
    /// When the phases so far began, in seconds since the start of the run.
    starts_s: Vec<(Phase, f64)>,
    pub(super) spans: Vec<Span>,
    pub(super) series: Series,
    /// The last figures.
    pub(super) last: Option<Interval>,
    pub(super) data: Data,
    pub(super) log: Log,
    /// What was broken by hand and not healed.
    pub(super) touches: Vec<Touch>,
    /// How often somebody changed something by hand.
    pub(super) touched: u64,
    pub(super) verdict: Option<Verdict>,
    /// Of many alike the first are told.
    live: Live,
}

impl Model {
    pub(super) fn new(outline: Outline, now: Duration) -> Self {
        Self { outline, began: now, ..Self::default() }
    }

    pub(super) fn fold(&mut self, line: &Line, now: Duration) {
        match line {
            Line::Start(start) => {
                self.began = now;
                self.phase = Some(Phase::Warmup);
                for node in &start.nodes {
                    let text = format!("{}: {} on {}", node.name, node.backend, node.address);
                    self.log.add(None, Weight::Plain, &text);
                }
            }
            Line::Interval(interval) => {
                self.happened(interval.at_s, now);
                self.interval(interval);
            }
            Line::Event(event) => {
                self.happened(event.at_s, now);
                self.event(event);
            }
            Line::Report(report) => self.verdict = Some(report.verdict),
            Line::Skipped(_) => {}
        }
    }

    /// Something of this time has arrived now: the run cannot have begun later than so long ago.
    fn happened(&mut self, at_s: f64, now: Duration) {
        let ago = Duration::try_from_secs_f64(at_s).unwrap_or_default();
        self.began = self.began.min(now.saturating_sub(ago));
    }

    fn interval(&mut self, interval: &Interval) {
        for line in self.live.rest() {
            self.log.add(Some(interval.at_s), Weight::Plain, &line);
        }
        self.data.interval(interval);
        self.series.add(interval);
        self.last = Some(interval.clone());
    }

    fn event(&mut self, event: &Event) {
        let at_s = event.at_s;
        match &event.kind {
            EventKind::PhaseStarted => {
                self.phase = Some(event.phase);
                // Of a timeline that begins again the last round counts.
                self.starts_s.retain(|(phase, _)| *phase < event.phase);
                self.starts_s.push((event.phase, at_s));
            }
            EventKind::FaultApplied { fault, nodes, .. } => self.begin(fault, nodes, at_s),
            EventKind::FaultHealed { fault, nodes, .. } => self.heal(fault, nodes, at_s),
            _ => {}
        }
        self.data.event(&event.kind);
        if let Some(text) = self.live.say(&event.kind) {
            self.log.add(Some(at_s), Weight::of(&event.kind), &text);
        }
    }

    /// Somebody broke something by hand: it has a span as the faults of the plan have.
    pub(super) fn injected(&mut self, touch: Touch, now: Duration) {
        self.touched += 1;
        let at_s = self.elapsed_s(now);
        if !self.touches.contains(&touch) {
            self.touches.push(touch);
            self.begin(BY_HAND, &[touch.node], at_s);
        }
        let text = format!("by hand on {}: {}", touch.node, touch.what().words);
        self.log.add(Some(at_s), Weight::Fault, &text);
    }

    pub(super) fn healed(&mut self, touch: Touch, now: Duration) {
        self.touched += 1;
        let at_s = self.elapsed_s(now);
        self.touches.retain(|other| *other != touch);
        self.heal(BY_HAND, &[touch.node], at_s);
        let text = format!("healed by hand on {}: {}", touch.node, touch.what().words);
        self.log.add(Some(at_s), Weight::Good, &text);
    }

    fn begin(&mut self, fault: &str, nodes: &[NodeIndex], from_s: f64) {
        if self.spans.len() == SPANS_MAX {
            self.spans.remove(0);
        }
        let (fault, nodes) = (fault.to_owned(), nodes.to_vec());
        self.spans.push(Span { fault, nodes, from_s, to_s: None });
    }

    fn heal(&mut self, fault: &str, nodes: &[NodeIndex], to_s: f64) {
        let is_it =
            |span: &&mut Span| span.to_s.is_none() && span.fault == fault && span.nodes == nodes;
        if let Some(span) = self.spans.iter_mut().find(is_it) {
            span.to_s = Some(to_s);
        }
    }

    /// Something for people that is no event.
    pub(super) fn note(&mut self, weight: Weight, text: &str) {
        self.log.add(None, weight, text);
    }

    /// Seconds since the start of the run.
    pub(super) fn elapsed_s(&self, now: Duration) -> f64 {
        now.saturating_sub(self.began).as_secs_f64()
    }

    /// How long the run will take from now, as planned, in seconds; `None`: nobody knows, or it is ending.
    pub(super) fn left_s(&self, now: Duration) -> Option<f64> {
        let phases = &self.outline.phases;
        let place = phases.iter().position(|(phase, _)| Some(*phase) == self.phase)?;
        if self.outline.repeats {
            return None;
        }
        let gone = self.elapsed_s(now) - self.start_s(phases[place].0).unwrap_or(0.0);
        let later: f64 = phases[place + 1..].iter().map(|(_, length)| length).sum();
        Some((phases[place].1 - gone).max(0.0) + later)
    }

    fn start_s(&self, phase: Phase) -> Option<f64> {
        self.starts_s.iter().find(|(other, _)| *other == phase).map(|(_, at_s)| *at_s)
    }

    /// Each phase of the plan with its begin and end in seconds: as they were, and those to come after them.
    pub(super) fn phases_s(&self, now: Duration) -> Vec<(Phase, f64, f64)> {
        let planned = &self.outline.phases;
        let mut spans = Vec::with_capacity(planned.len());
        let mut at_s = 0.0;
        for (place, (phase, length)) in planned.iter().enumerate() {
            let from_s = self.start_s(*phase).unwrap_or(at_s);
            let next_s = planned.get(place + 1).and_then(|(next, _)| self.start_s(*next));
            let is_now = self.phase == Some(*phase);
            let at_least = if is_now { self.elapsed_s(now) } else { from_s };
            at_s = next_s.unwrap_or_else(|| (from_s + length).max(at_least));
            spans.push((*phase, from_s, at_s));
        }
        spans
    }

    /// The end of the axis of time, in seconds: that of the plan, or later.
    pub(super) fn end_s(&self, now: Duration) -> f64 {
        let now_s = self.elapsed_s(now);
        self.left_s(now).map_or(now_s, |left| now_s + left).max(self.outline.total_s()).max(1.0)
    }

    /// Whether a fault was active in this span of time.
    pub(super) fn is_broken(&self, from_s: f64, to_s: f64) -> bool {
        let ends = |span: &Span| span.to_s.unwrap_or(f64::MAX);
        self.spans.iter().any(|span| span.from_s < to_s && ends(span) > from_s)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::tests::{event, interval, outline, started};

    /// Catches a clock that runs from when a line arrived and not from when it happened, a time left that
    /// forgets the phases to come, and a fault that is shaded after it was healed.
    #[test]
    fn a_run_has_its_own_time() {
        let seconds = Duration::from_secs;
        let mut model = Model::new(outline(), seconds(100));
        model.fold(&started(), seconds(103));
        assert!(model.elapsed_s(seconds(104)) < 1.01);
        model.fold(&event(2.0, Phase::Steady, EventKind::PhaseStarted), seconds(104));
        let spans = model.phases_s(seconds(103)).into_iter().map(|(_, from, to)| (from, to));
        assert_eq!(spans.collect::<Vec<_>>(), [(0.0, 2.0), (2.0, 6.0), (6.0, 14.0), (14.0, 20.0)]);
        let spans = model.phases_s(seconds(111)).into_iter().map(|(_, from, to)| (from, to));
        let late = [(0.0, 2.0), (2.0, 9.0), (9.0, 17.0), (17.0, 23.0)];
        assert_eq!(spans.collect::<Vec<_>>(), late, "what takes longer moves what follows");
        assert!((model.elapsed_s(seconds(105)) - 3.0).abs() < 1e-9);
        assert!(
            (model.left_s(seconds(105)).unwrap() - 17.0).abs() < 1e-9,
            "{:?}",
            model.left_s(seconds(105))
        );
        let (fault, kind, nodes) =
            ("loss".to_owned(), "packet_loss".to_owned(), vec![NodeIndex(0)]);
        let applied = EventKind::FaultApplied {
            fault: fault.clone(),
            kind: kind.clone(),
            nodes: nodes.clone(),
        };
        model.fold(&event(5.0, Phase::Fault, applied), seconds(107));
        assert!(model.is_broken(6.0, 7.0) && !model.is_broken(3.0, 4.9));
        let healed = EventKind::FaultHealed { fault, kind, nodes };
        model.fold(&event(8.0, Phase::Fault, healed), seconds(110));
        assert!(model.is_broken(6.0, 7.0) && !model.is_broken(8.1, 9.0));
        model.fold(&Line::Interval(interval(Phase::Drain, 25.0, (0.0, 0.0, 1))), seconds(127));
        model.fold(&event(25.0, Phase::Drain, EventKind::PhaseStarted), seconds(127));
        assert_eq!(model.left_s(seconds(128)), None, "what drains has no planned end");
        assert!(model.end_s(seconds(128)) >= 26.0);
    }

    /// Catches a timeline without bound.
    #[test]
    fn a_run_that_begins_again_keeps_the_last_faults() {
        let mut model = Model::new(outline(), Duration::ZERO);
        for round in 0..2_000_u32 {
            let (fault, nodes) = ("loss".to_owned(), vec![NodeIndex(0)]);
            let kind = EventKind::FaultApplied { fault, kind: String::new(), nodes };
            model.fold(&event(f64::from(round), Phase::Fault, kind), Duration::ZERO);
        }
        assert_eq!(model.spans.len(), SPANS_MAX);
        assert!((model.spans[SPANS_MAX - 1].from_s - 1_999.0).abs() < 1e-9);
    }
}
