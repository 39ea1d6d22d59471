//! The facts that the journal of a run still holds when the run came to no summary of its own.
//!
//! Intervals and events are all there is: how many operations came to which outcome, in which phase and
//! when, what became of faults and breakers, and the violations that were seen. What is made of single
//! operations, percentiles above all, is gone with the process.

use std::collections::BTreeMap;
use std::time::Duration;

use super::connects::Connects;
use super::counts::Counts;
use super::inputs::{Config, Inputs, NodeInput, Partial};
use super::interval::Interval;
use super::recorder::{EVENTS_MAX, TRANSITIONS_MAX};
use super::summary::{Summary, Transition};
use super::tally::Tally;
use crate::base::time::{Offset, Wall};
use crate::event::{Event, EventKind, FaultRecord, Outcome, Phase, ViolationKind};

/// A run, as far as its lines were read.
#[derive(Debug, Default)]
pub struct Retold {
    phases: BTreeMap<Phase, RetoldPhase>,
    started_at: Option<Wall>,
    ended: Offset,
    nodes: Vec<NodeInput>,
    faults: BTreeMap<String, (Option<Offset>, Option<Offset>)>,
    violations: BTreeMap<ViolationKind, u64>,
    events: Vec<Event>,
    transitions: Vec<Transition>,
    dropped: u64,
}

/// One phase of it: what its intervals have.
#[derive(Clone, Copy, Debug)]
pub struct RetoldPhase {
    /// Its first moment.
    pub start: Offset,
    /// The end of its last interval.
    pub end: Offset,
    /// What its operations came to.
    pub counts: Counts,
}

impl Retold {
    /// Adds the next interval.
    pub fn interval(&mut self, interval: &Interval) {
        let end = self.moment(interval.at_s, &interval.at);
        let start = offset(interval.start_s());
        let begun = || RetoldPhase { start, end, counts: Counts::default() };
        let phase = self.phases.entry(interval.phase).or_insert_with(begun);
        phase.start = phase.start.min(start);
        phase.end = phase.end.max(end);
        phase.counts.merge(&Counts::from_names(&interval.outcomes));
        for node in &interval.nodes {
            let position = node.name.position();
            if self.nodes.len() <= position {
                self.nodes.resize_with(position + 1, NodeInput::default);
            }
            let (known, seen) = (&mut self.nodes[position], node.connections.unwrap_or_default());
            known.connections.opened = seen.opened;
            known.connections.poisoned = seen.poisoned;
            known.connections.high_water = seen.high_water;
        }
    }

    /// Adds the next event.
    pub fn event(&mut self, event: Event) {
        let at = self.moment(event.at_s, &event.at);
        match &event.kind {
            EventKind::FaultApplied { fault, .. } => {
                self.faults.entry(fault.clone()).or_default().0.get_or_insert(at);
            }
            EventKind::FaultHealed { fault, .. } => {
                self.faults.entry(fault.clone()).or_default().1 = Some(at);
            }
            EventKind::BreakerChanged { node, from, to, cause } => {
                if self.transitions.len() < TRANSITIONS_MAX {
                    let (node, from, to, cause) = (*node, *from, *to, cause.clone());
                    self.transitions.push(Transition { member: 0, node, at, from, to, cause });
                } else {
                    self.dropped += 1;
                }
            }
            EventKind::Violation { kind, .. } => {
                *self.violations.entry(*kind).or_default() += 1;
                if self.events.len() < EVENTS_MAX {
                    self.events.push(event);
                } else {
                    self.dropped += 1;
                }
            }
            _ => {}
        }
    }

    /// Notes that the run went on until here; returns the moment.
    fn moment(&mut self, at_s: f64, wall: &str) -> Offset {
        let at = offset(at_s);
        self.ended = self.ended.max(at);
        let started = || Wall::read(wall).map(|wall| wall.before(at.as_duration()));
        self.started_at = self.started_at.or_else(started);
        at
    }

    /// Each phase that has an interval, in order.
    pub fn phases(&self) -> impl Iterator<Item = (Phase, &RetoldPhase)> {
        self.phases.iter().map(|(phase, told)| (*phase, told))
    }

    /// When the run began, where its lines have the time of day.
    #[must_use]
    pub const fn started_at(&self) -> Option<Wall> {
        self.started_at
    }

    /// The summary of the run, with what its plan says: `faults` without their times, what runs the
    /// nodes. The counts are in it as a whole; it has no phases, so nothing in it is judged by time.
    #[must_use]
    pub fn summary(self, config: Config, faults: Vec<FaultRecord>, backend: &str) -> Summary {
        let mut before = Tally::default();
        self.phases.values().for_each(|phase| before.counts.merge(&phase.counts));
        let offered = before.counts.offered();
        let mut nodes = self.nodes;
        nodes.resize_with(config.nodes, NodeInput::default);
        let backends = vec![backend.to_owned(); config.nodes];
        let timed = |fault: FaultRecord| {
            let (applied, healed) = self.faults.get(&fault.name).copied().unwrap_or_default();
            FaultRecord { applied, healed, ..fault }
        };
        let mut inputs = Inputs {
            ended: self.ended,
            partial: Some(Partial::Killed),
            nodes,
            backends,
            faults: faults.into_iter().map(timed).collect(),
            ..Inputs::default()
        };
        // Those that the lines have. Whether there were more, nobody can say.
        inputs.load.tickets_issued = offered;
        inputs.load.tickets_closed = offered;
        let answered = |outcome| Some(before.counts.of(outcome));
        inputs.data.wrong = answered(Outcome::Wrong);
        inputs.data.corrupt = answered(Outcome::Corrupt);
        inputs.data.stale = answered(Outcome::Stale);
        // The keys were not read again at the end: that there are none, nobody can say.
        let seen = |kind| self.violations.get(&kind).copied();
        inputs.data.stale_by_late_write = seen(ViolationKind::LateWrite);
        inputs.data.stale_unacknowledged = seen(ViolationKind::StaleUnacknowledged);
        inputs.data.acknowledged_but_lost = seen(ViolationKind::AcknowledgedButLost);
        inputs.data.double_applied = seen(ViolationKind::DoubleApplied);
        inputs.data.counter_behind = seen(ViolationKind::CounterBehind);
        inputs.data.counter_ahead = seen(ViolationKind::CounterAhead);
        inputs.data.contradictions = seen(ViolationKind::Contradiction);
        inputs.data.illegal_keys = seen(ViolationKind::IllegalKey);
        inputs.data.false_misses = seen(ViolationKind::FalseMiss);
        Summary {
            config,
            started_at: self.started_at.unwrap_or_else(Wall::now),
            phases: Vec::new(),
            before,
            events: self.events,
            transitions: self.transitions,
            dropped_events: self.dropped,
            connects: Connects::default(),
            inputs,
            fleet: None,
        }
    }
}

/// A moment of a line; one that is none is the start.
fn offset(at_s: f64) -> Offset {
    Offset::from_duration(Duration::try_from_secs_f64(at_s).unwrap_or_default())
}
