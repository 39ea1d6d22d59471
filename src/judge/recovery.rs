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
    let state = of_node().rfind(|change| change.at <= healed).map(|change| change.to);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::ErrorClass;
    use crate::record::synthetic::{FAULT_MS, HEAL_MS, Story, usual};

    const TIMEOUT: (Outcome, u64) = (Outcome::Error(ErrorClass::Timeout), 100_000);

    /// What the first node does from the heal on: bad in these spans (milliseconds since the heal).
    fn bad_in(spans: &'static [(u64, u64)], bad: (Outcome, u64)) -> Recovery {
        Recovery::of(&Story::default().tell(|node, ms| {
            let since = ms.saturating_sub(HEAL_MS);
            let inside = spans.iter().any(|(from, to)| (*from..*to).contains(&since));
            if node == 0 && ms >= HEAL_MS && inside { bad } else { usual(node, ms) }
        }))
    }

    fn seconds(recovered: &Recovered) -> f64 {
        match recovered {
            Recovered::Yes(time) => time.as_secs_f64(),
            other => panic!("{other:?}"),
        }
    }

    /// Catches a recovery dated too early, by a gap between failures, or too late.
    #[test]
    fn recovery_is_dated_to_the_last_bad_moment() {
        let slow = (Outcome::Hit, 50_000);
        let wrong = (Outcome::Wrong, 200);
        for (spans, bad, expected, relapses) in [
            (&[(0, 0)][..], TIMEOUT, 0.0, 0),
            (&[(0, 700)], TIMEOUT, 0.7, 0),
            (&[(0, 700)], slow, 0.7, 0),
            (&[(3000, 3100)], TIMEOUT, 3.1, 1),
            (&[(0, 100), (4500, 4600)], TIMEOUT, 0.1, 1),
            (&[(0, 100), (4000, 4100)], TIMEOUT, 4.1, 1),
            (&[(1000, 1010)], wrong, 1.1, 1),
            (&[(0, 1500), (2000, 2500)], TIMEOUT, 2.5, 0),
        ] {
            let recovery = bad_in(spans, bad);
            let told = seconds(&recovery.recovered);
            assert!((told - expected).abs() < 0.011, "{spans:?} {bad:?}: {told}");
            assert_eq!(recovery.relapses, Some(relapses), "{spans:?} {bad:?}");
        }
    }

    /// Catches a run that never recovered, or was cut off, dressed as a recovery.
    #[test]
    fn no_recovery_and_no_knowledge_are_told_apart() {
        assert_eq!(bad_in(&[(0, 99_999)], TIMEOUT).recovered, Recovered::No);
        let censored = bad_in(&[(0, 7500)], TIMEOUT).recovered;
        assert!(matches!(censored, Recovered::Unknown(_)), "{censored:?}");
        let sparse = Story { every_ms: 200, ..Story::default() };
        let too_few = Recovery::of(&sparse.tell(usual)).recovered;
        assert!(
            matches!(&too_few, Recovered::Unknown(why) if why.contains("short")
            || why.contains("few")),
            "{too_few:?}"
        );
        let short = Story { end_ms: HEAL_MS + 3000, ..Story::default() };
        let too_short = Recovery::of(&short.tell(usual)).recovered;
        assert!(matches!(&too_short, Recovered::Unknown(why) if why.contains("short")));
        let none = Story { faulty: false, ..Story::default() };
        assert_eq!(Recovery::of(&none.tell(usual)), Recovery::default());
    }

    /// Catches a hold that a short phase can never give, so that nothing would ever pass.
    #[test]
    fn a_shorter_phase_asks_for_a_shorter_hold() {
        for (examined, expected) in
            [(20_000, Some(3000)), (8000, Some(3000)), (6000, Some(2000)), (4000, Some(1000))]
        {
            assert_eq!(
                hold(Duration::from_millis(examined)),
                expected.map(Duration::from_millis),
                "{examined}"
            );
        }
        assert_eq!(hold(Duration::from_millis(3900)), None);
        let short = Story { end_ms: HEAL_MS + 5000, ..Story::default() };
        assert!(seconds(&Recovery::of(&short.tell(usual)).recovered) < 0.01);
    }

    /// Catches one noisy operation in sixty that is taken for an outage: the test is binomial.
    #[test]
    fn a_stray_error_is_no_bad_window() {
        let recovery = Recovery::of(&Story::default().tell(|node, ms| {
            if node == 0 && ms >= HEAL_MS && ms % 1000 == 0 { TIMEOUT } else { usual(node, ms) }
        }));
        assert!(seconds(&recovery.recovered) < 0.01);
    }

    /// Catches a cold cache that counts as an outage, or one that is never seen.
    #[test]
    fn hits_recover_on_their_own_clock() {
        let recovery = Recovery::of(&Story::default().tell(|node, ms| {
            let cold = node == 0 && (HEAL_MS..HEAL_MS + 2000).contains(&ms);
            if cold { (Outcome::Miss, 200) } else { usual(node, ms) }
        }));
        assert!(seconds(&recovery.recovered) < 0.01, "misses are answers");
        let hits = recovery.hits.unwrap().as_secs_f64();
        assert!((1.7..=2.01).contains(&hits), "{hits}");
    }

    /// Catches a stale tail that is cut off or counted from the wrong moment.
    #[test]
    fn the_stale_tail_is_that_of_the_last_stale_read() {
        let tail = |until: u64| {
            Recovery::of(&Story::default().tell(|node, ms| {
                let stale = node == 0 && (FAULT_MS..HEAL_MS + until).contains(&ms);
                if stale { (Outcome::Stale, 200) } else { usual(node, ms) }
            }))
            .fresh
        };
        assert_eq!(tail(0), Some(Duration::ZERO));
        assert_eq!(tail(1450), Some(Duration::from_millis(1500)));
        assert_eq!(tail(99_999), None);
    }

    /// Catches the breaker's chosen pause charged to the client's own slowness.
    #[test]
    fn the_probe_floor_is_what_the_breaker_chose() {
        let recovery = bad_in(&[(0, 700)], (Outcome::Shed, 5));
        assert_eq!(recovery.probe_floor, Some(Duration::from_millis(200)));
        assert!((recovery.own().unwrap().as_secs_f64() - 0.5).abs() < 0.01);
        assert!((recovery.first_success.unwrap().as_secs_f64() - 0.7).abs() < 0.01);
    }
}
