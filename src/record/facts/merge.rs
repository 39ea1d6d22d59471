//! Facts of several members as those of one run.
//!
//! Counts are added, histograms bucket by bucket, pieces of time one by one: what comes out does not depend
//! on the order, and its percentiles are those of all samples together. What only a number is left of (a
//! percentile of lateness) is the worst of theirs. What the nodes, their proxies and the faults say is
//! member 0's, who owns them.

use crate::base::scope::Closed;
use crate::base::time::Offset;
use crate::event::{
    DataTotals, DelayUs, Event, EventKind, LoadCounts, NotJudged, Phase, RefillCounts, SubjectFacts,
};
use crate::record::fleet::{APART_MAX, Standing};
use crate::record::inputs::{Dials, HarnessTotals, NodeInput};
use crate::record::recorder::{EVENTS_MAX, node_at};
use crate::record::summary::PhaseSummary;
use crate::record::{NodePhase, Partial, Summary, Transition};

/// Changes of breakers that are kept of all members together: the earliest. Later ones are counted.
const TRANSITIONS_MAX: usize = 65_536;

/// Bounds that were reached that are kept of all members together, and calibrations that failed.
const SENTENCES_MAX: usize = 256;

/// How one run's clock stands to another's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shift {
    /// What its moments have to be moved by, in nanoseconds.
    by: i64,
}

impl Shift {
    /// Of a run that began at `theirs` by a wall clock to which `offset_us` has to be added to read the one
    /// by which ours began at `ours`.
    #[must_use]
    pub fn between(ours: &Summary, theirs: &Summary, offset_us: i64) -> Self {
        let ns = |summary: &Summary| {
            std::time::Duration::from(summary.started_at).as_nanos().cast_signed()
        };
        let by = ns(theirs) - ns(ours) + i128::from(offset_us) * 1000;
        let most = i128::from(i64::MAX);
        Self { by: i64::try_from(by.clamp(-most, most)).unwrap_or_default() }
    }

    /// Where a moment of theirs lies on our clock.
    fn moved(self, at: Offset) -> Offset {
        Offset(at.0.saturating_add_signed(self.by))
    }
}

impl Summary {
    /// Makes it the facts of a member's: whose client each event and change of a breaker is of.
    pub fn mark(&mut self, member: u32) {
        self.events.iter_mut().for_each(|event| event.member = Some(member));
        self.transitions.iter_mut().for_each(|change| change.member = member);
        // Each by its own end: what is open then has no end of its own.
        let nodes = (0..self.inputs.nodes.len()).map(node_at);
        let opened: Vec<_> = nodes.map(|node| self.opened(node)).collect();
        for (node, (opens, open)) in self.inputs.nodes.iter_mut().zip(opened) {
            node.breaker_opens.get_or_insert(opens);
            node.open_time.get_or_insert(open);
        }
    }

    /// Whether another member's load can be added to this one's, and how far apart their phases began.
    #[must_use]
    pub fn standing_of(
        &self,
        other: &Self,
        shift: Shift,
    ) -> (Standing, Option<std::time::Duration>) {
        if let (Some(partial), None) = (other.inputs.partial, self.inputs.partial) {
            return (Standing::Ended(partial), None);
        }
        let phases = |summary: &Self| -> Vec<Phase> {
            summary.phases.iter().map(|phase| phase.phase).collect()
        };
        if phases(self) != phases(other) {
            return (Standing::OtherPhases, None);
        }
        // Nothing is judged before the steady phase, and nothing is issued in the drain.
        let is_judged =
            |phase: &&PhaseSummary| !matches!(phase.phase, Phase::Warmup | Phase::Drain);
        let pairs = self.phases.iter().filter(is_judged).zip(other.phases.iter().filter(is_judged));
        let apart = pairs.map(|(ours, theirs)| {
            let theirs = shift.moved(theirs.start);
            ours.start.since(theirs).max(theirs.since(ours.start))
        });
        match apart.max() {
            Some(apart) if apart > APART_MAX => (Standing::PhasesApart(apart), Some(apart)),
            apart => (Standing::Counted, apart),
        }
    }

    /// Adds everything that another member counted.
    pub fn absorb(&mut self, mut other: Self, shift: Shift) {
        self.absorb_data(&mut other, shift);
        for theirs in other.phases {
            if let Some(ours) = self.phases.iter_mut().find(|ours| ours.phase == theirs.phase) {
                ours.absorb(theirs, shift);
            }
        }
        self.before.merge(&other.before);
        self.dropped_events += other.dropped_events;
        self.transitions.extend(
            other
                .transitions
                .into_iter()
                .map(|change| Transition { at: shift.moved(change.at), ..change }),
        );
        self.transitions.sort_by_key(|change| (change.at, change.member));
        self.dropped_events += cut(&mut self.transitions, TRANSITIONS_MAX);
        self.connects.absorb(&other.connects, |at| shift.moved(at));
        let (ours, theirs) = (&mut self.inputs, other.inputs);
        ours.ended = ours.ended.max(shift.moved(theirs.ended));
        ours.partial = worse(ours.partial, theirs.partial);
        ours.load.absorb(&theirs.load);
        absorb_dials(&mut ours.dials, theirs.dials);
        ours.nodes.resize_with(ours.nodes.len().max(theirs.nodes.len()), NodeInput::default);
        for (ours, theirs) in ours.nodes.iter_mut().zip(theirs.nodes) {
            ours.absorb(theirs);
        }
        if let (Some(ours), Some(theirs)) = (&mut ours.subject, theirs.subject) {
            ours.absorb(theirs);
        }
        ours.harness.absorb(theirs.harness, shift);
    }

    /// Adds only what another member's data proves: its load does not count, and what was wrong was wrong.
    /// That it found nothing, or did not look, says nothing about the others.
    pub fn absorb_proof(&mut self, mut other: Self, shift: Shift) {
        let data = &mut other.inputs.data;
        data.not_judged.clear();
        for figure in data.figures_mut() {
            figure.get_or_insert(0);
        }
        self.absorb_data(&mut other, shift);
    }

    fn absorb_data(&mut self, other: &mut Self, shift: Shift) {
        let started_at = self.started_at;
        let moved = std::mem::take(&mut other.events).into_iter().map(|mut event| {
            let at = shift.moved(seconds(event.at_s));
            (event.at_s, event.at) =
                (at.as_secs_f64(), started_at.after(at.as_duration()).rfc3339());
            if let EventKind::Violation { write_begun_s: Some(begun), .. } = &mut event.kind {
                *begun = shift.moved(seconds(*begun)).as_secs_f64();
            }
            event
        });
        self.events.extend(moved);
        self.events.sort_by_key(order);
        self.dropped_events += cut(&mut self.events, EVENTS_MAX);
        let mut theirs = std::mem::take(&mut other.inputs.data);
        for write in &mut theirs.late_writes {
            write.begun = shift.moved(write.begun);
        }
        self.inputs.data.absorb(theirs);
        let tasks = std::mem::take(&mut other.inputs.harness.tasks);
        absorb_tasks(&mut self.inputs.harness.tasks, tasks);
    }
}

fn seconds(at_s: f64) -> Offset {
    Offset::from_duration(std::time::Duration::try_from_secs_f64(at_s).unwrap_or_default())
}

fn order(event: &Event) -> (Offset, Option<u32>) {
    (seconds(event.at_s), event.member)
}

/// Leaves the first `most`; returns how many went.
fn cut<T>(list: &mut Vec<T>, most: usize) -> u64 {
    let beyond = list.len().saturating_sub(most) as u64;
    list.truncate(most);
    beyond
}

fn worse(ours: Option<Partial>, theirs: Option<Partial>) -> Option<Partial> {
    match (ours, theirs) {
        (Some(Partial::Error), _) | (_, Some(Partial::Error)) => Some(Partial::Error),
        (ours, theirs) => ours.or(theirs),
    }
}

impl PhaseSummary {
    fn absorb(&mut self, theirs: Self, shift: Shift) {
        let later = i128::from(shift.moved(theirs.start).0) - i128::from(self.start.0);
        let later = i64::try_from(later).unwrap_or_default();
        let piece = i64::try_from(crate::record::BIN.as_nanos()).unwrap_or(i64::MAX);
        let later = (later.saturating_add(piece / 2)).div_euclid(piece) * piece;
        self.whole.merge(&theirs.whole);
        self.nodes.resize_with(self.nodes.len().max(theirs.nodes.len()), NodePhase::default);
        for (ours, theirs) in self.nodes.iter_mut().zip(theirs.nodes) {
            ours.tally.merge(&theirs.tally);
            ours.parts.merge(&theirs.parts);
            ours.series.merge(theirs.series, later, |at| shift.moved(at));
        }
    }
}

/// The sum of what both counted; `None`: one of them did not count.
fn both(ours: Option<u64>, theirs: Option<u64>) -> Option<u64> {
    Some(ours?.saturating_add(theirs?))
}

fn absorb_dials(ours: &mut Vec<Dials>, theirs: Vec<Dials>) {
    for more in theirs {
        match ours.iter_mut().find(|it| it.phase == more.phase && it.node == more.node) {
            Some(known) => known.attempts += more.attempts,
            None => ours.push(more),
        }
    }
    ours.sort_by_key(|dials| (dials.phase, dials.node));
}

impl NodeInput {
    fn absorb(&mut self, theirs: Self) {
        let (ours, more) = (&mut self.connections, theirs.connections);
        ours.opened += more.opened;
        ours.poisoned += more.poisoned;
        ours.high_water += more.high_water;
        for (cause, count) in more.closed {
            *ours.closed.entry(cause).or_default() += count;
        }
        self.requests_sent = both(self.requests_sent, theirs.requests_sent);
        self.requests_unanswered += theirs.requests_unanswered;
        self.false_misses = proven(self.false_misses, theirs.false_misses);
        self.breaker_opens = both(self.breaker_opens, theirs.breaker_opens);
        self.open_time =
            self.open_time.zip(theirs.open_time).map(|(ours, theirs)| ours.saturating_add(theirs));
    }
}

impl LoadCounts {
    fn absorb(&mut self, theirs: &Self) {
        self.preloaded += theirs.preloaded;
        self.not_preloaded += theirs.not_preloaded;
        for (failure, count) in &theirs.preload_failures {
            *self.preload_failures.entry(failure.clone()).or_default() += count;
        }
        self.tickets_issued += theirs.tickets_issued;
        self.tickets_closed += theirs.tickets_closed;
        self.shed_tickets += theirs.shed_tickets;
        self.issue_delay = worst(self.issue_delay, theirs.issue_delay);
        self.refills = match (self.refills, theirs.refills) {
            // Members have keys of their own: no two of them refill the same one.
            (Some(ours), Some(theirs)) => Some(RefillCounts {
                refills: ours.refills + theirs.refills,
                duplicates: ours.duplicates + theirs.duplicates,
                at_once_max: ours.at_once_max.max(theirs.at_once_max),
            }),
            _ => None,
        };
    }
}

/// The worst of two; one that nobody measured is not known to be better.
fn worst(ours: Option<DelayUs>, theirs: Option<DelayUs>) -> Option<DelayUs> {
    let (Some(one), Some(other)) = (ours, theirs) else { return ours.or(theirs) };
    Some(DelayUs {
        p50: one.p50.max(other.p50),
        p99: one.p99.max(other.p99),
        max: one.max.max(other.max),
    })
}

/// What both have proven together. What one of them found is found, whether the other looked or not; that
/// there is nothing is known only when both have looked.
fn proven(ours: Option<u64>, theirs: Option<u64>) -> Option<u64> {
    match (ours, theirs) {
        (Some(ours), Some(theirs)) => Some(ours.saturating_add(theirs)),
        (found, None) | (None, found) => found.filter(|found| *found > 0),
    }
}

impl DataTotals {
    fn figures_mut(&mut self) -> [&mut Option<u64>; 13] {
        [
            &mut self.wrong,
            &mut self.corrupt,
            &mut self.stale,
            &mut self.stale_by_late_write,
            &mut self.stale_unacknowledged,
            &mut self.false_misses,
            &mut self.acknowledged_but_lost,
            &mut self.double_applied,
            &mut self.counter_behind,
            &mut self.counter_ahead,
            &mut self.contradictions,
            &mut self.illegal_keys,
            &mut self.foreign,
        ]
    }

    fn absorb(&mut self, mut theirs: Self) {
        for (ours, theirs) in self.figures_mut().into_iter().zip(theirs.figures_mut()) {
            *ours = proven(*ours, *theirs);
        }
        self.late_writes.extend(theirs.late_writes);
        self.late_writes.sort_by_key(|write| (write.begun, write.node, write.reads));
        self.late_writes.truncate(EVENTS_MAX);
        absorb_reasons(&mut self.not_judged, theirs.not_judged);
    }
}

fn absorb_reasons(ours: &mut Vec<NotJudged>, theirs: Vec<NotJudged>) {
    for reason in theirs {
        if !ours.contains(&reason) && ours.len() < SENTENCES_MAX {
            ours.push(reason);
        }
    }
}

impl SubjectFacts {
    fn absorb(&mut self, theirs: Self) {
        self.crashes = proven(self.crashes, theirs.crashes);
        self.misses_unanswered = proven(self.misses_unanswered, theirs.misses_unanswered);
        self.calls_open = proven(self.calls_open, theirs.calls_open);
        let longer =
            |one: Option<f64>, other: Option<f64>| one.into_iter().chain(other).reduce(f64::max);
        self.longest_open_s = longer(self.longest_open_s, theirs.longest_open_s);
        self.open_examples.extend(theirs.open_examples);
        self.list_keys_moved_ratio =
            longer(self.list_keys_moved_ratio, theirs.list_keys_moved_ratio);
        self.floor_us = worst(self.floor_us, theirs.floor_us);
        for error in theirs.errors {
            if !self.errors.contains(&error) && self.errors.len() < SENTENCES_MAX {
                self.errors.push(error);
            }
        }
    }
}

impl HarnessTotals {
    fn absorb(&mut self, theirs: Self, shift: Shift) {
        self.timer_delay = worst(self.timer_delay, theirs.timer_delay);
        self.cpu_pressure =
            self.cpu_pressure.into_iter().chain(theirs.cpu_pressure).reduce(f64::max);
        self.stalls.merge(&theirs.stalls, |at| shift.moved(at));
        // Of what went well, member 0's tells what was measured.
        self.calibration.extend(theirs.calibration.into_iter().filter(|check| !check.pass));
        self.calibration.truncate(SENTENCES_MAX);
        self.limits.extend(theirs.limits);
        self.limits.truncate(SENTENCES_MAX);
    }
}

/// A panic says more than a task that stays.
fn absorb_tasks(ours: &mut Closed, theirs: Closed) {
    *ours = match (std::mem::take(ours), theirs) {
        (panicked @ Closed::Panicked { .. }, _) | (_, panicked @ Closed::Panicked { .. }) => {
            panicked
        }
        (Closed::Leaked { tasks: ours }, Closed::Leaked { tasks: theirs }) => {
            Closed::Leaked { tasks: ours.saturating_add(theirs) }
        }
        (Closed::Clean, other) | (other, Closed::Clean) => other,
    };
}
