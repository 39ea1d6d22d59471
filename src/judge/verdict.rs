//! One word for a run, its reasons, and the exit code.
//!
//! The first of these that applies decides, worst kind of doubt last:
//!
//! 1. `fail`: what the data proves (wrong, corrupt, doubled or lost values, stale ones that no late
//!    write explains, an objective on any of these that failed), operations that are not accounted
//!    for, tasks that leaked or panicked. No noise excuses these.
//! 2. `invalid`: the machine was too noisy, the generator late, the steady phase not steady, or a
//!    fault was never healed. The times that were measured then are the lab's.
//! 3. `vacuous`: there were faults, and together they touched fewer than 30 operations, or one of
//!    them touched none. A pass would prove nothing.
//! 4. `fail`: an objective failed, or the cache did not recover.
//! 5. `invalid`: an objective, or recovery, is inconclusive.
//! 6. `degraded`: every objective holds, and yet the run showed something that a healthy client
//!    would have avoided ([`blemishes`]). It exits 0: what must stop a release is an objective.
//! 7. `pass`.

use serde::{Deserialize, Serialize};

use super::Analysis;
use super::finding::{blemishes, doubts, evidence, gates, vacuous};
use super::measure::recovery::TIME_TO_RECOVER;
use super::objective::{Grade, Graded, Objective};
use super::proof::{asked_for, is_proof};
use super::recovery::Recovered;
use crate::record::{NodeGroup, Partial, Summary};

/// What a run was.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    schemars::JsonSchema,
    strum::IntoStaticStr,
)]
#[strum(serialize_all = "lowercase")]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Every objective held.
    Pass,
    /// Every objective held, and something was still not as it should be.
    Degraded,
    /// An objective or a gate failed.
    Fail,
    /// The run cannot be judged.
    Invalid,
    /// The fault touched too little to prove anything.
    Vacuous,
}

impl Verdict {
    /// The name in reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// Where it stands among runs that somebody should look at; 0 is first.
    #[must_use]
    pub const fn urgency(self) -> usize {
        match self {
            Self::Fail => 0,
            Self::Degraded => 1,
            Self::Invalid | Self::Vacuous => 2,
            Self::Pass => 3,
        }
    }

    /// Whether the run proved nothing, neither for its client nor against it.
    #[must_use]
    pub const fn proves_nothing(self) -> bool {
        matches!(self, Self::Invalid | Self::Vacuous)
    }

    /// The exit code of a run that came to this.
    #[must_use]
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Pass | Self::Degraded => 0,
            Self::Fail => 1,
            Self::Invalid | Self::Vacuous => 4,
        }
    }
}

/// The exit code when the run was interrupted before there was enough to judge.
const EXIT_INTERRUPTED: u8 = 130;
/// The exit code when something in the harness broke.
const EXIT_INTERNAL: u8 = 5;

/// The verdict with everything behind it.
#[derive(Clone, Debug, PartialEq)]
pub struct Judgement {
    /// One word.
    pub verdict: Verdict,
    /// Why, the most important first.
    pub reasons: Vec<String>,
    /// What a process that ran only this should exit with.
    pub exit_code: u8,
    /// Every objective.
    pub grades: Vec<Graded>,
    /// What the facts mean.
    pub analysis: Analysis,
}

impl Judgement {
    pub(super) fn of(
        summary: &Summary,
        (verdict, reasons): (Verdict, Vec<String>),
        analysis: Analysis,
        grades: Vec<Graded>,
    ) -> Self {
        let exit_code = match (summary.inputs.partial, verdict) {
            (Some(Partial::Error), _) => EXIT_INTERNAL,
            (Some(Partial::Interrupted), Verdict::Invalid | Verdict::Vacuous) => EXIT_INTERRUPTED,
            (_, verdict) => verdict.exit_code(),
        };
        Self { verdict, reasons, exit_code, grades, analysis }
    }
}

/// The verdict on a client that our load called, and why.
pub(super) fn decide(
    summary: &Summary,
    analysis: &Analysis,
    objectives: &[Objective],
    grades: &[Graded],
) -> (Verdict, Vec<String>) {
    // An objective on recovery says the same in its own words.
    let said = grades.iter().any(|graded| graded.objective.measure == &TIME_TO_RECOVER);
    let remark = |text: Option<String>| text.filter(|_| !said);
    let (proven, failed): (Vec<&Graded>, Vec<&Graded>) =
        of(grades, Grade::Fail).partition(|graded| is_proof(graded.objective.measure));
    let failed = why(failed).chain(remark(not_recovered(analysis))).collect();
    // A run that was none judges nothing, and says so once.
    let is_none = summary.inputs.load.not_preloaded > 0;
    let inconclusive = why(of(grades, Grade::Inconclusive)).chain(remark(undecided(analysis)));
    let inconclusive = inconclusive.filter(|_| !is_none).collect();
    let mut stages: [(Verdict, Vec<String>); 6] = [
        (Verdict::Fail, gates(summary, objectives).into_iter().chain(why(proven)).collect()),
        (Verdict::Invalid, doubts(summary, analysis)),
        (Verdict::Vacuous, vacuous(summary, analysis)),
        (Verdict::Fail, failed),
        (Verdict::Invalid, inconclusive),
        (Verdict::Degraded, blemishes(summary, analysis, objectives, grades)),
    ];
    let decided = first_found(&stages);
    if decided == Some(Verdict::Fail) {
        // What is in doubt decides nothing any more, and stands behind what the client did.
        stages.sort_by_key(|(verdict, _)| *verdict == Verdict::Invalid);
    }
    // What comes later is not lost: it follows as a remark, for whoever mends the first reason.
    let mut reasons: Vec<String> = stages.into_iter().flat_map(|(_, found)| found).collect();
    if decided.is_none() {
        reasons.push(praise(summary, grades));
    }
    reasons.extend(asked_for(summary, analysis, objectives));
    reasons.extend(evidence(summary, analysis));
    (decided.unwrap_or(Verdict::Pass), reasons)
}

/// The verdict of the first stage that has found something.
pub(super) fn first_found(stages: &[(Verdict, Vec<String>)]) -> Option<Verdict> {
    stages.iter().find(|(_, found)| !found.is_empty()).map(|(verdict, _)| *verdict)
}

fn of(grades: &[Graded], wanted: Grade) -> impl Iterator<Item = &Graded> {
    grades.iter().filter(move |graded| graded.grade == wanted)
}

fn why<'a>(grades: impl IntoIterator<Item = &'a Graded>) -> impl Iterator<Item = String> {
    grades.into_iter().map(|graded| graded.why.clone())
}

fn praise(summary: &Summary, grades: &[Graded]) -> String {
    let operations = summary.tally(None, NodeGroup::All).counts.offered();
    match grades.len() {
        0 => format!("no objectives were set; {operations} operations, no wrong data"),
        1 => format!("the objective held over {operations} operations"),
        count => format!("all {count} objectives held over {operations} operations"),
    }
}

fn not_recovered(analysis: &Analysis) -> Option<String> {
    (analysis.recovery.recovered == Recovered::No).then(|| {
        let examined = analysis.recovery.examined.as_secs_f64();
        format!("the cache did not recover within {examined:.1} s after the faults were healed")
    })
}

fn undecided(analysis: &Analysis) -> Option<String> {
    match &analysis.recovery.recovered {
        Recovered::Unknown(why) | Recovered::NotBefore(_, why) => Some(format!("recovery: {why}")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    use crate::base::name::NodeIndex;
    use crate::base::scope::Closed;
    use crate::base::time::Offset;
    use crate::event::{ErrorClass, Outcome, Phase};
    use crate::judge::measure::find;
    use crate::judge::{Bound, judge};
    use crate::record::synthetic::{FAULT_MS, HEAL_MS, Story, usual};
    use crate::record::{CalibrationCheck, DelayUs, LateWrite, LoadCounts, Stall};

    fn objective(measure: &str, bound: Bound) -> Objective {
        Objective {
            name: measure.replace('_', "-"),
            summary: String::new(),
            measure: find(measure).expect("a measure"),
            phase: None,
            nodes: NodeGroup::All,
            bound,
            min_samples: 100,
        }
    }

    fn recovers() -> Objective {
        objective("time_to_recover", Bound::AtMost(2.0))
    }

    fn verdict(summary: &Summary, objectives: &[Objective]) -> (Verdict, String) {
        let judgement = judge(summary, objectives);
        (judgement.verdict, judgement.reasons.join("\n"))
    }

    /// Catches a story that is well in itself and does not pass.
    #[test]
    fn a_run_as_it_should_be_passes() {
        let summary = Story::default().tell(usual);
        assert_eq!(
            verdict(&summary, &[recovers()]),
            (Verdict::Pass, "the objective held over 12000 operations".to_owned())
        );
    }

    fn blind() -> CalibrationCheck {
        let text = str::to_owned;
        let (name, expected) = (text("p99 under a stall"), text("95 ms"));
        CalibrationCheck { name, expected, measured: text("0.3 ms"), pass: false }
    }

    /// Catches a gate, a doubt or a blemish that no longer decides, or that names no reason.
    #[test]
    fn each_rule_decides() {
        type Edit = fn(&mut Summary);
        let rules: [(Edit, Verdict, &str); 23] = [
            (|s| s.inputs.data.wrong = Some(1), Verdict::Fail, "never written: 1"),
            (|s| s.inputs.data.corrupt = Some(2), Verdict::Fail, "not their own: 2"),
            (
                |s| s.inputs.data.false_misses = Some(3),
                Verdict::Degraded,
                "misses of values that the key's own node held: 3",
            ),
            (|s| s.inputs.load.tickets_issued += 1, Verdict::Fail, "not accounted for"),
            (
                |s| s.inputs.harness.tasks = Closed::Leaked { tasks: 3 },
                Verdict::Fail,
                "did not end: 3",
            ),
            (
                |s| s.inputs.harness.tasks = Closed::Panicked { task: "run/x: boom".to_owned() },
                Verdict::Fail,
                "boom",
            ),
            (
                |s| {
                    let delay = DelayUs { p50: None, p99: Some(31_000), max: Some(40_000) };
                    s.inputs.harness.timer_delay = Some(delay);
                },
                Verdict::Invalid,
                "31 ms late at p99",
            ),
            (
                |s| {
                    let delay = DelayUs { p50: None, p99: Some(100), max: Some(301_000) };
                    s.inputs.load.issue_delay = Some(delay);
                },
                Verdict::Invalid,
                "up to 301 ms late",
            ),
            (
                |s| s.inputs.harness.calibration = vec![blind()],
                Verdict::Invalid,
                "calibration before the run: p99 under a stall: 0.3 ms measured, 95 ms expected",
            ),
            (|s| s.inputs.faults[0].healed = None, Verdict::Invalid, "`down` was never healed"),
            (|s| s.inputs.wire[0].dirty_reuse = Some(1), Verdict::Degraded, "owed a reply"),
            (|s| s.inputs.data.double_applied = Some(4), Verdict::Fail, "added twice: 4"),
            (
                |s| s.inputs.data.counter_behind = Some(2),
                Verdict::Fail,
                "behind what was acknowledged: 2",
            ),
            (
                |s| s.inputs.data.counter_ahead = Some(3),
                Verdict::Fail,
                "ahead of what was asked for: 3",
            ),
            (
                |s| s.inputs.data.contradictions = Some(1),
                Verdict::Fail,
                "contradict earlier ones: 1",
            ),
            (
                |s| (s.inputs.load.preloaded, s.inputs.load.not_preloaded) = (90, 10),
                Verdict::Invalid,
                "10 of 100 keys could not be stored before the run",
            ),
            (
                |s| {
                    let failures = [("error.refused".to_owned(), 8), ("hung".to_owned(), 2)];
                    s.inputs.load.preload_failures = failures.into();
                    (s.inputs.load.preloaded, s.inputs.load.not_preloaded) = (90, 10);
                },
                Verdict::Invalid,
                "stored before the run (8 error.refused, 2 hung), so nothing was measured",
            ),
            (
                |s| {
                    let failures = [("error.other".to_owned(), 8), ("error.refused".to_owned(), 2)];
                    s.inputs.load.preload_failures = failures.into();
                    (s.inputs.load.preloaded, s.inputs.load.not_preloaded) = (90, 10);
                },
                Verdict::Fail,
                "stored before the run (8 error.other, 2 error.refused), so nothing was measured",
            ),
            (|s| s.inputs.data.foreign = Some(7), Verdict::Fail, "another run left behind: 7"),
            (|s| s.inputs.data.acknowledged_but_lost = Some(2), Verdict::Fail, "were lost: 2"),
            (|s| s.inputs.data.stale = Some(3), Verdict::Fail, "no late write explains: 3"),
            (
                |s| (s.inputs.data.stale, s.inputs.data.stale_by_late_write) = (Some(3), Some(3)),
                Verdict::Degraded,
                "its value was read: 3 times",
            ),
            (|s| s.inputs.faults[0].applied = None, Verdict::Vacuous, "`down` never began"),
        ];
        let summary = Story::default().tell(usual);
        for (edit, expected, reason) in rules {
            let mut summary = summary.clone();
            edit(&mut summary);
            let (verdict, reasons) = verdict(&summary, &[recovers()]);
            assert_eq!(verdict, expected, "{reasons}");
            assert!(reasons.contains(reason), "{reasons}");
        }
    }

    /// Catches an outage that passes, a fault that did nothing and passes, and errors before the
    /// fault that are blamed on it.
    #[test]
    fn each_story_gets_its_verdict() {
        let error = (Outcome::Error(ErrorClass::Timeout), 100_000);
        type Behave = Box<dyn Fn(u16, u64) -> (Outcome, u64)>;
        let stories: [(Behave, Verdict, &str); 7] = [
            (
                Box::new(move |n, ms| if n == 0 && ms >= FAULT_MS { error } else { usual(n, ms) }),
                Verdict::Fail,
                "it did not recover within 10.0 s",
            ),
            (
                Box::new(move |n, ms| {
                    if n == 0 && (HEAL_MS..HEAL_MS + 2500).contains(&ms) {
                        error
                    } else {
                        usual(n, ms)
                    }
                }),
                Verdict::Fail,
                "time_to_recover is 2.5s (at most 2s asked)",
            ),
            (Box::new(|_, _| (Outcome::Hit, 200)), Verdict::Vacuous, "touched 0 operations"),
            (
                Box::new(|n, ms| {
                    let missing = n == 0 && (FAULT_MS..HEAL_MS).contains(&ms);
                    (if missing { Outcome::Miss } else { Outcome::Hit }, 200)
                }),
                Verdict::Pass,
                "the objective held",
            ),
            (
                Box::new(
                    move |n, ms| if ms < FAULT_MS && ms % 100 == 0 { error } else { usual(n, ms) },
                ),
                Verdict::Invalid,
                "not steady",
            ),
            (
                Box::new(move |n, ms| {
                    if n == 1 && (FAULT_MS..FAULT_MS + 500).contains(&ms) {
                        error
                    } else {
                        usual(n, ms)
                    }
                }),
                Verdict::Degraded,
                "100 of 2000 operations on nodes without a fault failed",
            ),
            (
                Box::new(|n, ms| {
                    if n == 0 && ms == HEAL_MS + 500 { (Outcome::Stale, 200) } else { usual(n, ms) }
                }),
                Verdict::Fail,
                "no late write explains: 1",
            ),
        ];
        for (behave, expected, reason) in stories {
            let summary = Story::default().tell(behave);
            let (verdict, reasons) = verdict(&summary, &[recovers()]);
            assert_eq!(verdict, expected, "{reasons}");
            assert!(reasons.contains(reason), "{reasons}");
        }
    }

    /// A story with a stall of the machine from `from_ms` for `length_ms`.
    fn stalled(
        behave: impl Fn(u16, u64) -> (Outcome, u64),
        from_ms: u64,
        length_ms: u64,
    ) -> Summary {
        let mut summary = Story::default().tell(behave);
        let from = Offset::from_duration(Duration::from_millis(from_ms));
        let until = from.plus(Duration::from_millis(length_ms));
        summary.inputs.harness.stalls.add(Stall { from, until });
        summary
    }

    /// Catches a stall that fails a run, one that passes a bad run, and one too long to judge by.
    #[test]
    fn a_stall_is_accused_before_the_client() {
        let relapses = || [objective("relapses", Bound::AtMost(0.0))];
        let slow_for = |length: u64| {
            move |node, ms| {
                let slow = (HEAL_MS + 4000..HEAL_MS + 4000 + length).contains(&ms);
                if slow { (Outcome::Hit, 50_000) } else { usual(node, ms) }
            }
        };
        let (told, reasons) = verdict(&stalled(slow_for(80), HEAL_MS + 4000, 80), &relapses());
        assert_eq!(told, Verdict::Pass, "{reasons}");
        assert!(reasons.contains("stalled 1 times, longest for 80 ms at 15.00 s"), "{reasons}");
        let (told, reasons) = verdict(&stalled(slow_for(2500), HEAL_MS + 4000, 20), &relapses());
        assert_eq!(told, Verdict::Fail, "{reasons}");
        assert!(reasons.contains("nodes without a fault were bad, too"), "{reasons}");
        let (told, reasons) = verdict(&stalled(slow_for(2500), HEAL_MS + 4000, 2500), &relapses());
        assert_eq!(told, Verdict::Invalid, "{reasons}");
        assert!(reasons.contains("of the time after the heal is in doubt"), "{reasons}");
    }

    /// Catches an operation that is called too long although the machine stood still while it was under way, and a
    /// stall that excuses one that took far longer, or one at another time.
    #[test]
    fn a_long_operation_is_the_clients_as_far_as_no_stall_explains_it() {
        let bounded = [objective("operation_time_max", Bound::AtMost(500_000.0))];
        let long = |took_us: u64| {
            move |node, ms| match ms {
                14_000..14_020 => (Outcome::Hit, took_us),
                _ => usual(node, ms),
            }
        };
        for (took_us, from_ms, expected) in [
            (520_000, 14_100, Verdict::Invalid),
            (4_000_000, 14_100, Verdict::Fail),
            (520_000, 17_000, Verdict::Fail),
        ] {
            let (told, reasons) = verdict(&stalled(long(took_us), from_ms, 300), &bounded);
            assert_eq!(told, expected, "{took_us} {from_ms}: {reasons}");
        }
    }

    /// Catches hits that come back no sooner than the load can bring them, for which a client fails, and ones that
    /// come back late although every key was asked for.
    #[test]
    fn hits_are_back_no_sooner_than_they_are_asked_for() {
        let limit = [objective("hit_recovery", Bound::AtMost(3.0))];
        let cold_for = |ms: u64| {
            move |node, at| match node {
                0 if (HEAL_MS..HEAL_MS + ms).contains(&at) => (Outcome::Miss, 200),
                _ => usual(node, at),
            }
        };
        for (ms, preloaded, expected) in [
            (5000, 100, Verdict::Fail),
            (5000, 30_000, Verdict::Invalid),
            (0, 30_000, Verdict::Pass),
        ] {
            let mut summary = Story::default().tell(cold_for(ms));
            summary.inputs.load.preloaded = preloaded;
            let (told, reasons) = verdict(&summary, &limit);
            assert_eq!(told, expected, "{ms} {preloaded}: {reasons}");
        }
    }

    /// Catches failures of healthy nodes that are blamed on the fault although the machine stood
    /// still, and a stall that excuses those outside of it.
    #[test]
    fn what_only_a_stall_can_have_done_is_inconclusive() {
        let mut few = objective("error_ratio", Bound::AtMost(0.01));
        (few.phase, few.nodes) = (Some(Phase::Fault), NodeGroup::Healthy);
        let asked = [few, objective("collateral_index", Bound::AtMost(0.01))];
        let failing_for = |length: u64| {
            move |node, ms| {
                let failing = node > 0 && (FAULT_MS + 2000..FAULT_MS + 2000 + length).contains(&ms);
                if failing {
                    (Outcome::Error(ErrorClass::Timeout), 100_000)
                } else {
                    usual(node, ms)
                }
            }
        };
        let grades = |length, stall| {
            let summary = stalled(failing_for(length), FAULT_MS + 2000, stall);
            judge(&summary, &asked).grades.iter().map(|graded| graded.grade).collect::<Vec<_>>()
        };
        assert_eq!(grades(150, 150), [Grade::Inconclusive; 2]);
        assert_eq!(grades(1500, 150), [Grade::Fail; 2]);
        assert_eq!(grades(0, 150), [Grade::Pass; 2]);
    }

    /// Catches stale reads that are charged to the client although a stall made their write late, and
    /// a stall that excuses what a fault, or nothing, explains.
    #[test]
    fn a_write_that_a_stall_made_late_is_inconclusive() {
        let graded = |node: u16, write_ms: u64, (stall_from, stall_ms): (u64, u64)| {
            let stale = move |n, ms| {
                let read = n == node && ms == HEAL_MS + 4000;
                if read { (Outcome::Stale, 200) } else { usual(n, ms) }
            };
            let mut summary = stalled(stale, stall_from, stall_ms);
            let begun = Offset::from_duration(Duration::from_millis(write_ms));
            let late = LateWrite { node: NodeIndex(node), begun, reads: 1 };
            summary.inputs.data.late_writes = vec![late];
            summary.inputs.data.stale_by_late_write = Some(1);
            let objective = objective("stale_data", Bound::AtMost(0.0));
            judge(&summary, &[objective]).grades[0].grade
        };
        assert_eq!(graded(1, 4000, (4020, 120)), Grade::Inconclusive);
        assert_eq!(graded(1, 4000, (4020, 15)), Grade::Fail, "too short to make it late");
        assert_eq!(graded(1, 3500, (4020, 120)), Grade::Fail, "another time");
        assert_eq!(graded(1, 7000, (7020, 120)), Grade::Inconclusive, "another node's fault");
        assert_eq!(graded(0, 7000, (7020, 120)), Grade::Fail, "under a fault");
    }

    /// Catches too few samples graded as a pass.
    #[test]
    fn what_nobody_knows_is_no_pass() {
        let summary = Story::default().tell(usual);
        let mut few = objective("error_ratio", Bound::AtMost(0.5));
        few.min_samples = 1_000_000;
        let judgement = judge(&summary, &[few]);
        assert_eq!(judgement.grades[0].grade, Grade::Inconclusive);
        assert_eq!((judgement.verdict, judgement.exit_code), (Verdict::Invalid, 4));
        let mut breached = objective("breaker_opens", Bound::AtMost(0.0));
        breached.min_samples = 1_000_000;
        let judgement = judge(&summary, &[breached]);
        assert_eq!(judgement.grades[0].grade, Grade::Fail, "one breach is proof enough");
    }

    /// Catches a measure that the end of the run cut off and that fails as if it had been looked at to
    /// its bound, one that passes for that, and one that failed well before.
    #[test]
    fn what_the_end_cut_off_is_inconclusive() {
        let down = |node, ms| {
            if node == 0 && ms >= FAULT_MS { (Outcome::Shed, 5) } else { (Outcome::Hit, 200) }
        };
        let cold = |node, ms| {
            (if node == 0 && ms >= FAULT_MS { Outcome::Miss } else { Outcome::Hit }, 200)
        };
        type Behave = fn(u16, u64) -> (Outcome, u64);
        let cases: [(Behave, &str, f64); 6] = [
            (down, "time_to_recover", 10.0),
            (down, "first_success", 10.0),
            (cold, "hit_recovery", 10.0),
            (down, "breaker_open_after_fault", 5.0),
            (down, "detect", 5.0),
            (
                |node, ms| {
                    let stale = node == 0 && ms >= FAULT_MS;
                    (if stale { Outcome::Stale } else { Outcome::Hit }, 200)
                },
                "stale_tail",
                10.0,
            ),
        ];
        for (behave, measure, looked) in cases {
            let summary = Story { breaker: Vec::new(), ..Story::default() }.tell(behave);
            for (bound, expected) in [
                (Bound::AtMost(looked - 1.0), Grade::Fail),
                (Bound::AtMost(looked + 1.0), Grade::Inconclusive),
                (Bound::AtLeast(looked - 1.0), Grade::Pass),
                (Bound::AtLeast(looked + 1.0), Grade::Inconclusive),
            ] {
                let graded = &judge(&summary, &[objective(measure, bound)]).grades[0];
                assert_eq!(graded.grade, expected, "{bound:?}: {}", graded.why);
            }
        }
    }

    /// Catches a hit ratio that is asked for where there was none, and fails the run.
    #[test]
    fn a_load_without_reads_has_no_hits_to_return() {
        let summary = Story::default().tell(|node, ms| match usual(node, ms) {
            (Outcome::Hit, took) => (Outcome::Stored, took),
            other => other,
        });
        let hits = objective("hit_recovery", Bound::AtMost(1.0));
        assert_eq!(judge(&summary, &[hits]).grades[0].grade, Grade::Inconclusive);
    }

    /// Catches a breaker that never opened and passes "opens within a second".
    #[test]
    fn never_is_later_than_any_limit() {
        let story = Story { breaker: Vec::new(), ..Story::default() };
        let objective = objective("breaker_open_after_fault", Bound::AtMost(1.0));
        let (verdict, reasons) = verdict(&story.tell(usual), &[objective]);
        assert_eq!(verdict, Verdict::Fail, "{reasons}");
        assert!(reasons.contains("never opened"), "{reasons}");
    }

    /// Catches a self-test of the oracle that can never pass, one that passes beside wrong data and does
    /// not say why, and a waiver that waives too much.
    #[test]
    fn a_scenario_may_ask_for_wrong_data() {
        let mut summary = Story::default().tell(usual);
        summary.inputs.data.wrong = Some(5);
        let asked = objective("wrong_data", Bound::AtLeast(1.0));
        let (passed, reasons) = verdict(&summary, std::slice::from_ref(&asked));
        assert_eq!(passed, Verdict::Pass);
        assert!(reasons.contains("plants wrong data") && reasons.contains(": 5"), "{reasons}");
        summary.inputs.data.corrupt = Some(1);
        assert_eq!(verdict(&summary, &[asked]).0, Verdict::Fail);
        let mut summary = Story::default().tell(usual);
        summary.inputs.data.stale = Some(5);
        let asked = objective("stale_data", Bound::AtLeast(1.0));
        let (passed, reasons) = verdict(&summary, &[asked]);
        assert_eq!(passed, Verdict::Pass);
        assert!(reasons.contains("plants stale data"), "{reasons}");
    }

    /// Catches data that is proven to be wrong, lost or doubled and that a noisy machine excuses, whether
    /// a gate says it or an objective; and a time that was measured on that machine and is blamed on
    /// the client.
    #[test]
    fn noise_excuses_times_and_no_data() {
        type Edit = fn(&mut Summary);
        let noisy = || {
            let mut summary = Story::default().tell(usual);
            let delay = DelayUs { p50: None, p99: Some(31_000), max: Some(900_000) };
            summary.inputs.harness.timer_delay = Some(delay);
            summary
        };
        let proofs: [(Edit, &str); 10] = [
            (|s| s.inputs.data.wrong = Some(1), "wrong_data"),
            (|s| s.inputs.data.corrupt = Some(1), "corrupt_data"),
            (|s| s.inputs.data.stale = Some(1), "stale_unexplained"),
            (|s| s.inputs.data.acknowledged_but_lost = Some(1), "acknowledged_but_lost"),
            (|s| s.inputs.data.double_applied = Some(142), "double_applied"),
            (|s| s.inputs.data.counter_behind = Some(3), "counter_behind"),
            (|s| s.inputs.data.counter_ahead = Some(142), "counter_ahead"),
            (|s| s.inputs.data.contradictions = Some(1), "contradictions"),
            (|s| s.inputs.data.foreign = Some(1), "foreign_data"),
            (|s| s.inputs.data.false_misses = Some(9), "false_misses"),
        ];
        for (edit, measure) in proofs {
            let mut summary = noisy();
            edit(&mut summary);
            let none = objective(measure, Bound::AtMost(0.0));
            let (told, reasons) = verdict(&summary, &[none]);
            assert_eq!(told, Verdict::Fail, "{measure}: {reasons}");
            assert!(reasons.contains("31 ms late at p99"), "the noise is said all the same");
        }
        let slow = objective("response_time_p99", Bound::AtMost(1.0));
        let late = objective("stale_data", Bound::AtMost(0.0));
        let mut summary = noisy();
        (summary.inputs.data.stale, summary.inputs.data.stale_by_late_write) = (Some(3), Some(3));
        for times in [slow, late] {
            let judgement = judge(&summary, &[times]);
            assert_eq!(judgement.grades[0].grade, Grade::Fail);
            assert_eq!(judgement.verdict, Verdict::Invalid, "{:?}", judgement.reasons);
        }
    }

    /// Catches a node that loses its data while a run passes: no error, no slow operation, and no fault
    /// of that node. What its own statistics explain is none, and what a scenario plants is said.
    #[test]
    fn a_node_that_forgets_fails_the_run() {
        let mut summary = Story::default().tell(|n, ms| {
            let forgotten = n == 1 && ms >= 2000 && ms % 50 == 0;
            if forgotten { (Outcome::FalseMiss, 200) } else { usual(n, ms) }
        });
        let says = |summary: &mut Summary, count| {
            summary.inputs.data.false_misses = Some(count);
            summary.inputs.nodes[1].false_misses = Some(count);
        };
        says(&mut summary, 380);
        let (told, reasons) = verdict(&summary, &[recovers()]);
        assert_eq!(told, Verdict::Fail, "{reasons}");
        assert!(reasons.contains("although it had no fault: 380"), "{reasons}");
        let none = objective("false_misses", Bound::AtMost(0.0));
        assert_eq!(judge(&summary, std::slice::from_ref(&none)).grades[0].grade, Grade::Fail);
        let planted = objective("false_misses", Bound::AtLeast(1.0));
        let (told, reasons) = verdict(&summary, &[recovers(), planted]);
        assert_eq!(told, Verdict::Pass, "{reasons}");
        assert!(reasons.contains("plants false misses"), "{reasons}");
        says(&mut summary, 0);
        let (told, reasons) = verdict(&summary, &[recovers(), none]);
        assert_eq!(told, Verdict::Pass, "what it dropped explains all of them: {reasons}");
    }

    /// Catches a miss that is taken for none although the oracle did not look.
    #[test]
    fn misses_that_nobody_looked_for_are_no_pass() {
        let mut summary = Story::default().tell(usual);
        summary.inputs.data.false_misses = None;
        let none = objective("false_misses", Bound::AtMost(0.0));
        assert_eq!(judge(&summary, &[none]).grades[0].grade, Grade::Inconclusive);
    }

    /// Catches exit codes that say the wrong thing to a pipeline.
    #[test]
    fn exit_codes_follow_the_verdict() {
        let whole = Story::default().tell(usual);
        for (partial, story, expected) in [
            (None, whole.clone(), 0),
            (Some(Partial::Interrupted), whole.clone(), 0),
            (Some(Partial::Error), whole.clone(), 5),
        ] {
            let mut summary = story;
            summary.inputs.partial = partial;
            assert_eq!(judge(&summary, &[recovers()]).exit_code, expected);
        }
        let mut interrupted = whole;
        interrupted.inputs.partial = Some(Partial::Interrupted);
        interrupted.phases.truncate(2);
        interrupted.inputs.faults.clear();
        interrupted.inputs.load = LoadCounts {
            tickets_issued: interrupted.everything().offered(),
            tickets_closed: interrupted.everything().offered(),
            ..LoadCounts::default()
        };
        assert_eq!(judge(&interrupted, &[recovers()]).exit_code, 130);
    }
}
