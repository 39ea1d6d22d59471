//! How long it took until all was well again, counted from the moment every heal was acknowledged.
//!
//! Nothing is averaged with a cap: what did not recover within the phase has no time, and what was
//! cut off too early to know says so.

use std::time::Duration;

use super::baseline::Baseline;
use super::window::{Judged, Question, State, WINDOW, after_fault, windows};
use crate::base::name::NodeIndex;
use crate::base::time::Offset;
use crate::event::{BreakerState, Outcome, Phase};
use crate::record::{BIN, Summary, TimedBin};

/// How long every window must be good before the recovery counts as sustained,
const HOLD: Duration = Duration::from_secs(3);
/// and how far it may be shortened when the recovery phase is short.
const HOLD_MIN: Duration = Duration::from_secs(1);

/// The part of the recovery phase that is examined: longer ones are soaks.
const EXAMINED_MAX: Duration = Duration::from_secs(90);

/// Whether the cache answers again, as before the fault, and goes on doing so.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Recovered {
    /// There was no fault.
    #[default]
    NotAsked,
    /// Every window was good from this long after the heal.
    Yes(Duration),
    /// It was not well when the phase ended, or never for long.
    No,
    /// It cannot be said; why.
    Unknown(String),
}

/// Recovery in all its dimensions, slowest node each.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Recovery {
    /// The headline.
    pub recovered: Recovered,
    /// The first good operation that the faulty node itself served.
    pub first_success: Option<Duration>,
    /// The hit ratio of its keys was back.
    pub hits: Option<Duration>,
    /// The last stale read; zero when there was none; `None` while they went on.
    pub fresh: Option<Duration>,
    /// How often it got bad again after it had been good.
    pub relapses: Option<u64>,
    /// How long the breaker stayed open after the heal, by its own choice.
    pub probe_floor: Option<Duration>,
    /// How long it was examined.
    pub examined: Duration,
}

impl Recovery {
    /// Examines what came after the heal.
    pub(crate) fn of(summary: &Summary) -> Self {
        let Some(phase) = summary.phase(Phase::Recovery).filter(|_| has_faults(summary)) else {
            return Self::default();
        };
        let Some(healed) = summary.healed() else {
            return Self {
                recovered: Recovered::Unknown("a fault was never healed".to_owned()),
                ..Self::default()
            };
        };
        let end = phase.end.min(healed.plus(EXAMINED_MAX));
        let faulty = summary.faulty_nodes();
        let examined = end.since(healed);
        let (answers, hits) = states(summary, healed, end);
        let hold = hold(examined);
        Self {
            recovered: answers.as_ref().map_or_else(
                || Recovered::Unknown(NO_BASELINE.to_owned()),
                |answers| sustained(answers, healed, hold, examined),
            ),
            first_success: slowest(faulty.iter().map(|node| first(summary, *node, healed))),
            hits: hits.and_then(|hits| match sustained(&hits, healed, hold, examined) {
                Recovered::Yes(time) => Some(time),
                _ => None,
            }),
            fresh: fresh(summary, healed, phase.end),
            relapses: answers.as_deref().map(relapses),
            probe_floor: slowest(faulty.iter().map(|node| Some(floor(summary, *node, healed)))),
            examined,
        }
    }

    /// Sustained recovery without the time that the breaker chose to stay open.
    #[must_use]
    pub fn own(&self) -> Option<Duration> {
        match (&self.recovered, self.probe_floor) {
            (Recovered::Yes(time), Some(floor)) => Some(time.saturating_sub(floor)),
            _ => None,
        }
    }
}

const NO_BASELINE: &str = "the steady phase was too short for a baseline";

/// Whether any fault was applied.
pub(crate) fn has_faults(summary: &Summary) -> bool {
    summary.fault_applied().is_some()
}

/// The windows of all faulty nodes, the worst at each start: for answers, and for hits where there
/// is a hit ratio to come back to. `None` without a baseline.
fn states(
    summary: &Summary,
    from: Offset,
    to: Offset,
) -> (Option<Vec<Judged>>, Option<Vec<Judged>>) {
    let mut answers: Option<Vec<Judged>> = None;
    let mut hits: Option<Vec<Judged>> = None;
    for node in summary.faulty_nodes() {
        let Some(baseline) = Baseline::of(summary, |other| other == node) else {
            return (None, None);
        };
        let bins = after_fault(summary, |other| other == node);
        worst(&mut answers, windows(&bins, &baseline, Question::Answers, from, to));
        if baseline.hit_ratio.is_some() {
            worst(&mut hits, windows(&bins, &baseline, Question::Hits, from, to));
        }
    }
    (answers, hits)
}

fn worst(known: &mut Option<Vec<Judged>>, other: Vec<Judged>) {
    let Some(known) = known else {
        *known = Some(other);
        return;
    };
    known.truncate(other.len());
    for ((_, ours), (_, theirs)) in known.iter_mut().zip(other) {
        *ours = match (*ours, theirs) {
            (State::Bad, _) | (_, State::Bad) => State::Bad,
            (State::Insufficient, _) | (_, State::Insufficient) => State::Insufficient,
            (State::Good, State::Good) => State::Good,
        };
    }
}

/// How long recovery must hold in a phase of this length; `None`: too short to judge.
fn hold(examined: Duration) -> Option<Duration> {
    let hold = HOLD.min(examined.saturating_sub(WINDOW * 2) / 2);
    (hold >= HOLD_MIN).then_some(hold)
}

/// The smallest time from which every window is good for as long as it must hold.
fn sustained(
    windows: &[Judged],
    healed: Offset,
    hold: Option<Duration>,
    examined: Duration,
) -> Recovered {
    let Some(hold) = hold else {
        let length = examined.as_secs_f64();
        return Recovered::Unknown(format!(
            "{length:.1} s after the heal are too short to judge recovery (4 s are needed)"
        ));
    };
    let needed = usize::try_from(hold.as_millis() / BIN.as_millis()).unwrap_or(usize::MAX) + 1;
    let mut run = 0;
    for (index, (_, state)) in windows.iter().enumerate() {
        run = if *state == State::Good { run + 1 } else { 0 };
        if run >= needed {
            return Recovered::Yes(windows[index + 1 - run].0.since(healed));
        }
    }
    if windows.iter().all(|(_, state)| *state == State::Insufficient) {
        return Recovered::Unknown(
            "too few operations after the heal to judge recovery".to_owned(),
        );
    }
    match windows.last() {
        Some((_, State::Bad)) | None => Recovered::No,
        Some((_, State::Insufficient)) => {
            Recovered::Unknown("too few operations at the end to judge recovery".to_owned())
        }
        Some((_, State::Good)) => Recovered::Unknown(format!(
            "the phase ended {:.1} s after the last bad window; {:.1} s are needed",
            Duration::as_secs_f64(&(BIN * u32::try_from(run).unwrap_or(u32::MAX))),
            hold.as_secs_f64(),
        )),
    }
}

/// Changes from good to bad.
fn relapses(windows: &[Judged]) -> u64 {
    let mut known: Option<State> = None;
    let mut count = 0;
    for (_, state) in windows {
        if *state != State::Insufficient {
            count += u64::from(known == Some(State::Good) && *state == State::Bad);
            known = Some(*state);
        }
    }
    count
}

/// The first good operation on the node's keys that it served itself.
fn first(summary: &Summary, node: NodeIndex, healed: Offset) -> Option<Duration> {
    after_fault(summary, |other| other == node)
        .iter()
        .filter(|piece| piece.start >= healed)
        .filter_map(|piece| piece.bin.first_good_at_home)
        .min()
        .map(|at| at.since(healed))
}

/// The end of the last piece with a stale read; `None` when that is within the last second.
fn fresh(summary: &Summary, healed: Offset, end: Offset) -> Option<Duration> {
    let stale = |piece: &TimedBin| piece.bin.counts.of(Outcome::Stale) > 0;
    let bins = after_fault(summary, |_| true);
    let last = bins.iter().filter(|piece| piece.end() > healed && stale(piece)).map(TimedBin::end);
    match last.max() {
        None => Some(Duration::ZERO),
        Some(last) if last.plus(WINDOW) > end => None,
        Some(last) => Some(last.since(healed)),
    }
}

/// How long the breaker stayed open after the heal: until it first let a probe pass.
fn floor(summary: &Summary, node: NodeIndex, healed: Offset) -> Duration {
    let of_node = || summary.transitions.iter().filter(|change| change.node == node);
    let state = of_node().filter(|change| change.at <= healed).last().map(|change| change.to);
    if state != Some(BreakerState::Open) {
        return Duration::ZERO;
    }
    of_node()
        .find(|change| change.at > healed && change.to != BreakerState::Open)
        .map_or(Duration::ZERO, |change| change.at.since(healed))
}

/// The longest; `None` when one of them is not known, or when there are none.
pub(crate) fn slowest(times: impl Iterator<Item = Option<Duration>>) -> Option<Duration> {
    let known: Option<Vec<Duration>> = times.collect();
    known?.into_iter().max()
}
