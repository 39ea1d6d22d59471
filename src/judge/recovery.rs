//! How long it took until all was well again, counted from the moment every heal was acknowledged.
//!
//! Nothing is averaged with a cap: what did not recover within the phase has no time, and what was
//! cut off too early to know says so. Windows that are bad only because the machine stalled are left
//! out: they neither break a recovery nor add to it.

use std::time::Duration;

use super::baseline::Baseline;
use super::refilled::too_few_reads;
use super::stall;
use super::window::{Judged, Question, WINDOW, WindowState, after_fault, windows};
use crate::base::name::NodeIndex;
use crate::base::time::Offset;
use crate::event::{BreakerState, Outcome, Phase};
use crate::record::{BIN, NodeGroup, Summary, TimedBin, Transition};

/// How long every window must be good before the recovery counts as sustained,
const HOLD: Duration = Duration::from_secs(3);
/// and how far it may be shortened when the recovery phase is short.
const HOLD_MIN: Duration = Duration::from_secs(1);

/// The shortest time after the heal in which recovery can be judged: twice as long as it must hold at
/// least, and a window at each end.
pub const EXAMINED_MIN: Duration =
    HOLD_MIN.saturating_mul(2).saturating_add(WINDOW.saturating_mul(2));

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
    /// It was bad as late as this after the heal; whether it was well then cannot be said, and why.
    NotBefore(Duration, String),
    /// It cannot be said; why.
    Unknown(String),
}

/// Recovery in all its dimensions, slowest node each.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Recovery {
    /// The headline.
    pub recovered: Recovered,
    /// The earliest that the headline could have been: what lies between is in doubt, because the
    /// machine stalled. The same as the headline when it did not.
    pub earliest: Option<Duration>,
    /// The first good operation that the faulty node itself served.
    pub first_success: Option<Duration>,
    /// Whether the hit ratio of its keys was back, and when.
    pub hits: Recovered,
    /// Whether stale reads had ended, and when the last one was: zero when there was none.
    pub fresh: Recovered,
    /// How often it got bad again after it had been good.
    pub relapses: Option<u64>,
    /// How long the breaker stayed open after the heal, by its own choice.
    pub probe_floor: Option<Duration>,
    /// How long it was examined.
    pub examined: Duration,
    /// What the seconds after the heal were, 100 ms apart.
    pub seconds: Seconds,
}

/// How many of the overlapping seconds after the heal were what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seconds {
    /// Every one of them.
    pub all: u64,
    /// Bad on a faulty node.
    pub bad: u64,
    /// Those of the bad ones in which the nodes without a fault were bad, too: no node's doing.
    pub shared: u64,
    /// Bad only while the machine stalled; in neither of the above.
    pub disturbed: u64,
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
        let known = known_before(summary);
        if known.is_empty() {
            let first_success = slowest(faulty.iter().map(|node| first(summary, *node, healed)));
            return Self { first_success, examined, ..Self::default() };
        }
        let (answers, hits) = states(summary, &known, healed, end);
        let hold = hold(examined);
        let (recovered, earliest) = answers.as_ref().map_or_else(
            || (Recovered::Unknown(NO_BASELINE.to_owned()), None),
            |answers| sustained(&answers.windows, healed, hold, examined),
        );
        Self {
            recovered,
            earliest,
            first_success: slowest(faulty.iter().map(|node| first(summary, *node, healed))),
            hits: hits.map_or_else(
                || Recovered::Unknown(NO_READS.to_owned()),
                |hits| refilled(summary, sustained(&hits, healed, hold, examined).0),
            ),
            fresh: fresh(summary, healed, phase.end),
            relapses: answers.as_ref().map(|answers| relapses(&answers.windows)),
            probe_floor: slowest(faulty.iter().map(|node| Some(floor(summary, *node, healed)))),
            examined,
            seconds: answers.map(|answers| answers.seconds()).unwrap_or_default(),
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
const NO_READS: &str = "there were too few reads before the fault for a hit ratio to come back to";

/// Whether any fault was applied.
pub(crate) fn has_faults(summary: &Summary) -> bool {
    summary.fault_applied().is_some()
}

/// The faulty nodes that have something to come back to: one that nobody was to ask before, as one that
/// joins, has nothing. All of them where the steady phase as a whole was too short to tell.
fn known_before(summary: &Summary) -> Vec<NodeIndex> {
    let tells = Baseline::of(summary, |_| true).is_some();
    let was_asked = |node: NodeIndex| {
        let bins = summary.bins(Phase::Steady, |other| other == node);
        bins.iter().any(|piece| piece.bin.counts.offered() > 0)
    };
    let faulty = summary.faulty_nodes().into_iter();
    faulty.filter(|node| !tells || was_asked(*node)).collect()
}

/// Whether the cache answered, window by window.
#[derive(Debug)]
struct Answers {
    windows: Vec<Judged>,
    /// Bad ones that the nodes without a fault shared.
    shared: u64,
}

impl Answers {
    /// Looks at the nodes without a fault beside the windows of the faulty ones. What is bad on all
    /// of them is still bad, unless the watch saw a stall that was long enough for its consequences.
    fn compared(mut windows: Vec<Judged>, healthy: &[Judged], summary: &Summary) -> Self {
        let mut shared = 0;
        let is_bad = |at: Offset| healthy.contains(&(at, WindowState::Bad));
        for (at, state) in windows.iter_mut().filter(|(_, state)| *state == WindowState::Bad) {
            if !is_bad(*at) {
                continue;
            }
            if stall::strikes(summary, *at, at.plus(WINDOW)) {
                *state = WindowState::Disturbed;
            } else {
                shared += 1;
            }
        }
        Self { windows, shared }
    }

    fn seconds(&self) -> Seconds {
        let count =
            |wanted| self.windows.iter().filter(|(_, state)| *state == wanted).count() as u64;
        Seconds {
            all: self.windows.len() as u64,
            bad: count(WindowState::Bad),
            shared: self.shared,
            disturbed: count(WindowState::Disturbed),
        }
    }
}

/// The windows of all faulty nodes, the worst at each start: for answers, and for hits where there
/// is a hit ratio to come back to. `None` without a baseline.
fn states(
    summary: &Summary,
    nodes: &[NodeIndex],
    from: Offset,
    to: Offset,
) -> (Option<Answers>, Option<Vec<Judged>>) {
    let mut answers: Option<Vec<Judged>> = None;
    let mut hits: Option<Vec<Judged>> = None;
    for &node in nodes {
        let Some(baseline) = Baseline::of(summary, |other| other == node) else {
            return (None, None);
        };
        let bins = after_fault(summary, |other| other == node);
        let stalled = |piece: &TimedBin| stall::covers(summary, piece);
        worst(&mut answers, windows(&bins, &baseline, Question::Answers, (from, to), stalled));
        if baseline.hit_ratio.is_some() {
            worst(&mut hits, windows(&bins, &baseline, Question::Hits, (from, to), |_| false));
        }
    }
    let healthy = healthy(summary, from, to);
    (answers.map(|answers| Answers::compared(answers, &healthy, summary)), hits)
}

/// The windows of the nodes without a fault together, with every stall in them.
fn healthy(summary: &Summary, from: Offset, to: Offset) -> Vec<Judged> {
    let healthy = |node| summary.is_in(node, NodeGroup::Healthy);
    let Some(baseline) = Baseline::of(summary, healthy) else { return Vec::new() };
    let bins = after_fault(summary, healthy);
    windows(&bins, &baseline, Question::Answers, (from, to), |_| false)
}

fn worst(known: &mut Option<Vec<Judged>>, other: Vec<Judged>) {
    let Some(known) = known else {
        *known = Some(other);
        return;
    };
    known.truncate(other.len());
    for ((_, ours), (_, theirs)) in known.iter_mut().zip(other) {
        *ours = match (*ours, theirs) {
            (WindowState::Bad, _) | (_, WindowState::Bad) => WindowState::Bad,
            (WindowState::Insufficient, _) | (_, WindowState::Insufficient) => {
                WindowState::Insufficient
            }
            (WindowState::Disturbed, _) | (_, WindowState::Disturbed) => WindowState::Disturbed,
            (WindowState::Good, WindowState::Good) => WindowState::Good,
        };
    }
}

/// How long recovery must hold in a phase of this length; `None`: too short to judge.
fn hold(examined: Duration) -> Option<Duration> {
    let hold = HOLD.min(examined.saturating_sub(WINDOW * 2) / 2);
    (hold >= HOLD_MIN).then_some(hold)
}

/// The smallest time from which every window is good for as long as it must hold, and the earliest
/// that it could have been but for windows in which the machine stalled.
fn sustained(
    windows: &[Judged],
    healed: Offset,
    hold: Option<Duration>,
    examined: Duration,
) -> (Recovered, Option<Duration>) {
    let Some(hold) = hold else {
        let length = examined.as_secs_f64();
        let why = format!(
            "{length:.1} s after the heal are too short to judge recovery ({} s are needed)",
            EXAMINED_MIN.as_secs()
        );
        return (Recovered::Unknown(why), None);
    };
    let needed = usize::try_from(hold.as_millis() / BIN.as_millis()).unwrap_or(usize::MAX) + 1;
    let (mut run, mut well, mut doubtful) = (0, None, None);
    for (at, state) in windows {
        match state {
            WindowState::Good => {
                run += 1;
                well.get_or_insert(*at);
                doubtful.get_or_insert(*at);
            }
            WindowState::Disturbed => {
                doubtful.get_or_insert(*at);
            }
            WindowState::Bad | WindowState::Insufficient => (run, well, doubtful) = (0, None, None),
        }
        if let Some(at) = well.filter(|_| run >= needed) {
            let earliest = doubtful.map(|at| at.since(healed));
            return (Recovered::Yes(at.since(healed)), earliest);
        }
    }
    let last_bad = windows.iter().rfind(|(_, state)| *state == WindowState::Bad);
    let recovered = match (not_sustained(windows, run, hold), last_bad) {
        (Recovered::Unknown(why), Some((at, _))) => Recovered::NotBefore(at.since(healed), why),
        (recovered, _) => recovered,
    };
    (recovered, None)
}

/// A hit ratio that is not back says nothing where fewer reads came than the nodes had keys: a key that was lost is
/// there again once it was asked for.
fn refilled(summary: &Summary, hits: Recovered) -> Recovered {
    if let Recovered::Yes(_) | Recovered::Unknown(_) | Recovered::NotAsked = hits {
        return hits;
    }
    match too_few_reads(summary, None) {
        Some(few) => Recovered::Unknown(format!("{few}; a longer -duration or a higher -rate")),
        None => hits,
    }
}

fn not_sustained(windows: &[Judged], run: usize, hold: Duration) -> Recovered {
    if windows.iter().all(|(_, state)| *state == WindowState::Insufficient) {
        return Recovered::Unknown(
            "too few operations after the heal to judge recovery".to_owned(),
        );
    }
    match windows.last() {
        Some((_, WindowState::Bad)) | None => Recovered::No,
        Some((_, WindowState::Disturbed)) => {
            Recovered::Unknown("the machine stalled at the end of the recovery".to_owned())
        }
        Some((_, WindowState::Insufficient)) => {
            Recovered::Unknown("too few operations at the end to judge recovery".to_owned())
        }
        Some((_, WindowState::Good)) => Recovered::Unknown(format!(
            "the phase ended {:.1} s after the last bad window; {:.1} s are needed",
            Duration::as_secs_f64(&(BIN * u32::try_from(run).unwrap_or(u32::MAX))),
            hold.as_secs_f64(),
        )),
    }
}

/// Changes from good to bad.
fn relapses(windows: &[Judged]) -> u64 {
    let mut known: Option<WindowState> = None;
    let mut count = 0;
    for (_, state) in windows {
        if matches!(state, WindowState::Good | WindowState::Bad) {
            count += u64::from(known == Some(WindowState::Good) && *state == WindowState::Bad);
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

/// The end of the last piece with a stale read; they went on when that is within the last second.
fn fresh(summary: &Summary, healed: Offset, end: Offset) -> Recovered {
    if summary.inputs.data.stale.is_none() {
        return Recovered::Unknown("the oracle did not look for stale reads".to_owned());
    }
    let stale = |piece: &TimedBin| piece.bin.counts.of(Outcome::Stale) > 0;
    let bins = after_fault(summary, |_| true);
    let last = bins.iter().filter(|piece| piece.end() > healed && stale(piece)).map(TimedBin::end);
    match last.max() {
        None => Recovered::Yes(Duration::ZERO),
        Some(last) if last.plus(WINDOW) > end => Recovered::No,
        Some(last) => Recovered::Yes(last.since(healed)),
    }
}

/// How long the breaker stayed open after the heal: until it first let a probe pass. Of a fleet's, the last.
fn floor(summary: &Summary, node: NodeIndex, healed: Offset) -> Duration {
    let clients = summary.clients().into_iter();
    let floors = clients.map(|client| floor_of(summary, node, client, healed));
    floors.max().unwrap_or_default()
}

fn floor_of(summary: &Summary, node: NodeIndex, client: u32, healed: Offset) -> Duration {
    let is_its = |change: &&Transition| change.node == node && change.member == client;
    let of_node = || summary.transitions.iter().filter(is_its);
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
    use crate::record::{NodePhase, Stall};

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

    /// Catches a node that joins and is asked how it was before, and a run without a steady phase that is
    /// taken for one whose nodes all joined.
    #[test]
    fn who_was_not_there_before_has_nothing_to_come_back_to() {
        let without = |nodes: &[usize]| {
            let mut summary = Story::default().tell(usual);
            for phase in summary.phases.iter_mut().filter(|phase| phase.phase == Phase::Steady) {
                nodes.iter().for_each(|node| phase.nodes[*node] = NodePhase::default());
            }
            Recovery::of(&summary)
        };
        assert_eq!(without(&[]).recovered, Recovered::Yes(Duration::ZERO));
        let joined = without(&[0]);
        assert_eq!(joined.recovered, Recovered::NotAsked);
        assert!(joined.first_success.is_some());
        assert_eq!(without(&[0, 1, 2]).recovered, Recovered::Unknown(NO_BASELINE.to_owned()));
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
        // Not known, but surely later than any limit below.
        assert!(
            matches!(censored, Recovered::NotBefore(at, _) if at == Duration::from_millis(7400)),
            "{censored:?}"
        );
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

    /// A story in which all nodes are slow in these spans (milliseconds since the heal) and the first
    /// is bad in those, told with a machine that stalled in `stalls`.
    fn disturbed(
        all_slow: &'static [(u64, u64)],
        first_bad: &'static [(u64, u64)],
        stalls: &[(u64, u64)],
    ) -> Recovery {
        let inside = |spans: &[(u64, u64)], ms: u64| {
            ms >= HEAL_MS && spans.iter().any(|(from, to)| (*from..*to).contains(&(ms - HEAL_MS)))
        };
        let mut summary = Story::default().tell(|node, ms| {
            if node == 0 && inside(first_bad, ms) {
                TIMEOUT
            } else if inside(all_slow, ms) {
                (Outcome::Hit, 50_000)
            } else {
                usual(node, ms)
            }
        });
        for (from, until) in stalls {
            let at = |ms| Offset::from_duration(Duration::from_millis(HEAL_MS + ms));
            summary.inputs.harness.stalls.add(Stall { from: at(*from), until: at(*until) });
        }
        Recovery::of(&summary)
    }

    /// Catches a stall of the machine that counts as a relapse, one that excuses what goes on after
    /// it or began before, and an excuse that nobody has seen a stall for.
    #[test]
    fn a_stall_is_neither_good_nor_bad() {
        let slow: &[(u64, u64)] = &[(4000, 4080)];
        let stall: &[(u64, u64)] = &[(4000, 4080)];
        let excused = disturbed(slow, &[], stall);
        assert_eq!((excused.relapses, excused.seconds.bad), (Some(0), 0));
        assert!(excused.seconds.disturbed >= 10, "{:?}", excused.seconds);
        assert!(seconds(&excused.recovered) < 0.01);
        let unseen = disturbed(slow, &[], &[]);
        assert_eq!(unseen.relapses, Some(1));
        assert_eq!((unseen.seconds.shared, unseen.seconds.disturbed), (unseen.seconds.bad, 0));
        for first_bad in [&[(4000, 4600)][..], &[(3700, 4080)], &[(4000, 99_999)]] {
            let failing = disturbed(slow, first_bad, stall);
            assert_eq!(failing.relapses, Some(1), "{first_bad:?}");
        }
        assert_eq!(disturbed(slow, &[(0, 99_999)], stall).recovered, Recovered::No);
    }

    /// Catches a recovery that is dated into a stall, and one whose doubt is forgotten.
    #[test]
    fn a_stall_right_after_the_heal_leaves_a_doubt() {
        let doubtful = disturbed(&[(0, 900)], &[], &[(0, 450)]);
        assert!((seconds(&doubtful.recovered) - 0.9).abs() < 0.011, "{:?}", doubtful.recovered);
        assert_eq!(doubtful.earliest, Some(Duration::ZERO));
        let certain = disturbed(&[], &[(0, 900)], &[(200, 220)]);
        assert!((seconds(&certain.recovered) - 0.9).abs() < 0.011);
        assert_eq!(certain.earliest, Some(Duration::from_millis(900)));
    }

    /// Catches breakers that a long stall opened everywhere and that are blamed on the healed node,
    /// and a node whose own failure hides behind such a stall.
    #[test]
    fn what_follows_a_long_stall_on_every_node_is_no_relapse() {
        let stall: &[(u64, u64)] = &[(4000, 4060)];
        let everywhere = disturbed(&[(4000, 5000)], &[], stall);
        assert_eq!((everywhere.relapses, everywhere.seconds.bad), (Some(0), 0));
        let alone = disturbed(&[(4000, 4060)], &[(4000, 5000)], stall);
        assert_eq!(alone.relapses, Some(1));
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
        let hits = seconds(&recovery.hits);
        assert!((1.7..=2.01).contains(&hits), "{hits}");
    }

    /// Catches a client that is blamed for keys that nobody has asked for since they were lost.
    #[test]
    fn what_was_not_asked_for_cannot_be_back() {
        let cold = |preloaded| {
            let mut summary = Story::default().tell(|node, ms| {
                let cold = node == 0 && ms >= HEAL_MS;
                if cold { (Outcome::Miss, 200) } else { usual(node, ms) }
            });
            summary.inputs.load.preloaded = preloaded;
            Recovery::of(&summary).hits
        };
        assert_eq!(cold(100), Recovered::No);
        assert!(
            matches!(cold(30_000), Recovered::Unknown(why) if why.contains("had some 10000 keys"))
        );
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
        assert_eq!(tail(0), Recovered::Yes(Duration::ZERO));
        assert_eq!(tail(1450), Recovered::Yes(Duration::from_millis(1500)));
        assert_eq!(tail(99_999), Recovered::No);
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
