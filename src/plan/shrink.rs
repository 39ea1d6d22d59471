//! The smallest plan that still fails: which one to try next, given what came of those before. Whoever
//! runs them tells what came of each; nothing here knows why a run failed.

mod bisect;

use std::time::Duration;

use self::bisect::{Chunks, Number};
use super::model::{FaultPlan, Plan};
use crate::base::name::NodeIndex;
use crate::base::units::Rate;
use crate::lab::timeline::After;
use crate::load::RateWish;

/// The shortest that a fault becomes: a shorter one ends before most clients notice it.
const LENGTH_MIN_MS: u64 = 100;

/// What came of one run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It failed for the same reason.
    Same,
    /// It passed, or failed for another reason.
    Other,
    /// Nothing can be said: the machine was too busy, say.
    Unknown,
}

/// How often a plan must fail to count as one that does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Votes {
    /// So often.
    pub wanted: u32,
    /// Of so many runs at most.
    pub of: u32,
}

/// The search.
#[derive(Debug)]
pub struct Shrink {
    votes: Votes,
    smallest: Plan,
    stage: Stage,
    trial: Option<Trial>,
    /// Whether the plan that it began with failed again.
    confirmed: bool,
}

/// What is being made smaller.
#[derive(Clone, Debug)]
enum Stage {
    /// Nothing yet: does it fail at all?
    Whole,
    Faults(Chunks),
    /// The targets of the fault at this place.
    Nodes(usize, Chunks),
    /// The length of the fault at this place, in milliseconds.
    Length(usize, Number),
    /// Operations a second.
    Rate(Number),
    Workers(Number),
    Done,
}

/// A plan that is being tried.
#[derive(Debug)]
struct Trial {
    plan: Plan,
    same: u32,
    other: u32,
    unknown: u32,
}

impl Trial {
    /// Whether it fails as wanted, once that is settled.
    const fn settled(&self, votes: Votes) -> Option<bool> {
        if self.same >= votes.wanted {
            Some(true)
        } else if self.other + votes.wanted > votes.of || self.unknown > 1 {
            // What cannot be told twice is left as it was.
            Some(false)
        } else {
            None
        }
    }
}

impl Shrink {
    /// A search that begins with `plan`.
    #[must_use]
    pub fn new(plan: Plan, votes: Votes) -> Self {
        let trial = Trial { plan: plan.clone(), same: 0, other: 0, unknown: 0 };
        Self { votes, smallest: plan, stage: Stage::Whole, trial: Some(trial), confirmed: false }
    }

    /// The plan to run next; `None`: there is nothing left to try.
    #[must_use]
    pub fn candidate(&self) -> Option<&Plan> {
        self.trial.as_ref().map(|trial| &trial.plan)
    }

    /// The smallest plan that failed so far.
    #[must_use]
    pub const fn smallest(&self) -> &Plan {
        &self.smallest
    }

    /// Whether the plan that it began with failed again; before that nothing is known.
    #[must_use]
    pub const fn is_confirmed(&self) -> bool {
        self.confirmed
    }

    /// What is tried now, in words.
    #[must_use]
    pub fn trying(&self) -> String {
        let Some(Trial { plan, .. }) = &self.trial else { return "nothing".to_owned() };
        let fault = |place: &usize| &plan.faults[*place].spec;
        match &self.stage {
            Stage::Whole | Stage::Done => "the same again".to_owned(),
            Stage::Faults(_) => {
                let names: Vec<&str> = plan.faults.iter().map(|it| it.spec.name.as_str()).collect();
                match names.as_slice() {
                    [] => "no fault".to_owned(),
                    names => format!(
                        "{} of {} faults: {}",
                        names.len(),
                        self.smallest.faults.len(),
                        names.join(", ")
                    ),
                }
            }
            Stage::Nodes(place, _) => {
                let nodes: Vec<String> =
                    fault(place).nodes.iter().map(NodeIndex::to_string).collect();
                format!("{} on {}", fault(place).name, nodes.join(", "))
            }
            Stage::Length(place, _) => {
                format!(
                    "{} for {}",
                    fault(place).name,
                    humantime::format_duration(fault(place).length)
                )
            }
            Stage::Rate(number) => format!("{}/s", number.tried()),
            Stage::Workers(number) => format!("{} workers", number.tried()),
        }
    }

    /// Takes what came of the plan that was to be run.
    pub fn tell(&mut self, outcome: Outcome) {
        let Some(trial) = &mut self.trial else { return };
        match outcome {
            Outcome::Same => trial.same += 1,
            Outcome::Other => trial.other += 1,
            Outcome::Unknown => trial.unknown += 1,
        }
        let Some(fails) = trial.settled(self.votes) else { return };
        let Some(Trial { plan, .. }) = self.trial.take() else { return };
        if fails {
            self.smallest = plan;
        }
        self.stage.tell(fails, &self.smallest);
        if let Stage::Whole = self.stage {
            self.confirmed = fails;
            self.stage = if fails {
                Stage::Faults(Chunks::all(self.smallest.faults.len()))
            } else {
                Stage::Done
            };
        }
        self.trial = self.propose().map(|plan| Trial { plan, same: 0, other: 0, unknown: 0 });
    }

    /// The next smaller plan, stage after stage.
    fn propose(&mut self) -> Option<Plan> {
        loop {
            if let Some(plan) = self.stage.smaller(&self.smallest) {
                return Some(plan);
            }
            self.stage = self.stage.following(&self.smallest)?;
        }
    }
}

impl Stage {
    fn tell(&mut self, fails: bool, smallest: &Plan) {
        match self {
            Self::Whole | Self::Done => {}
            Self::Faults(chunks) => chunks.tell(fails, smallest.faults.len()),
            Self::Nodes(place, chunks) => {
                chunks.tell(fails, smallest.faults[*place].spec.nodes.len());
            }
            Self::Length(_, number) | Self::Rate(number) | Self::Workers(number) => {
                number.tell(fails);
            }
        }
    }

    /// The plan with the next thing taken away; `None`: this stage is through.
    fn smaller(&self, plan: &Plan) -> Option<Plan> {
        let mut plan = plan.clone();
        match self {
            Self::Whole | Self::Done => return None,
            Self::Faults(chunks) => drop(plan.faults.drain(chunks.next()?)),
            Self::Nodes(place, chunks) => {
                drop(plan.faults[*place].spec.nodes.drain(chunks.next()?))
            }
            Self::Length(place, number) => {
                plan.faults[*place].spec.length = Duration::from_millis(number.next()?);
            }
            Self::Rate(number) => {
                #[expect(clippy::cast_precision_loss, reason = "rates are far below 2^53")]
                let rate = Rate::per_second(number.next()? as f64)?;
                plan.rate = Some(RateWish::PerSecond(rate));
            }
            Self::Workers(number) => {
                plan.concurrency = u32::try_from(number.next()?).unwrap_or(u32::MAX);
            }
        }
        without_orphans(&mut plan.faults);
        // What was drawn once is now written.
        plan.chaos = None;
        Some(plan)
    }

    /// What is made smaller after this.
    fn following(&self, plan: &Plan) -> Option<Self> {
        let faults = plan.faults.len();
        Some(match self {
            Self::Faults(_) if faults > 0 => Self::nodes(0, plan),
            Self::Nodes(place, _) if place + 1 < faults => Self::nodes(place + 1, plan),
            Self::Nodes(..) => Self::length(0, plan),
            Self::Length(place, _) if place + 1 < faults => Self::length(place + 1, plan),
            Self::Faults(_) | Self::Length(..) => Self::Rate(Number::new(rate_of(plan), 1)),
            Self::Rate(_) => Self::Workers(Number::new(plan.concurrency.into(), 1)),
            Self::Whole | Self::Workers(_) | Self::Done => return None,
        })
    }

    fn nodes(place: usize, plan: &Plan) -> Self {
        Self::Nodes(place, Chunks::some(plan.faults[place].spec.nodes.len()))
    }

    fn length(place: usize, plan: &Plan) -> Self {
        let millis = plan.faults[place].spec.length.as_millis();
        let millis = u64::try_from(millis).unwrap_or(u64::MAX);
        Self::Length(place, Number::new(millis, LENGTH_MIN_MS))
    }
}

/// A fault that waits for one that is gone would never begin.
fn without_orphans(faults: &mut Vec<FaultPlan>) {
    loop {
        let names: Vec<String> = faults.iter().map(|it| it.spec.name.clone()).collect();
        faults.retain(|it| match &it.spec.after {
            Some(After::Healed(name)) => names.contains(name),
            _ => true,
        });
        if faults.len() == names.len() {
            return;
        }
    }
}

/// Operations a second, in whole ones; 0: the load has no rate.
fn rate_of(plan: &Plan) -> u64 {
    let parts = plan.workload.parts(plan.rate, plan.concurrency);
    let rate = parts.ok().and_then(|parts| parts.arrival.rate());
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "rates lie between zero and ten millions"
    )]
    rate.map_or(0, |rate| rate.as_per_second() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::seed::Seed;
    use crate::plan::{Library, Options, plans};

    const TWICE: Votes = Votes { wanted: 2, of: 2 };

    fn plan(scenario: &str) -> Plan {
        let library = Library::new(env!("CARGO_MANIFEST_DIR"));
        plans(&library, &[scenario.to_owned()], &Options::default(), Seed::new(5))
            .unwrap()
            .remove(0)
    }

    /// Shrinks with an oracle that is told how often it was asked before; how many runs it took.
    fn shrunk(
        plan: Plan,
        votes: Votes,
        mut oracle: impl FnMut(&Plan, u32) -> Outcome,
    ) -> (Shrink, u32) {
        let mut shrink = Shrink::new(plan, votes);
        let mut runs = 0;
        while let Some(plan) = shrink.candidate() {
            let outcome = oracle(plan, runs);
            assert!(!shrink.trying().is_empty());
            shrink.tell(outcome);
            runs += 1;
            assert!(runs < 1000, "no end");
        }
        (shrink, runs)
    }

    fn fails(is: bool) -> Outcome {
        if is { Outcome::Same } else { Outcome::Other }
    }

    fn named<'a>(plan: &'a Plan, name: &str) -> Option<&'a FaultPlan> {
        plan.faults.iter().find(|fault| fault.spec.name == name)
    }

    /// Catches a search that keeps what is not needed, or loses what is: one fault, its rate.
    #[test]
    fn what_is_needed_stays_and_nothing_else() {
        let (shrink, runs) = shrunk(plan("flapping-node"), TWICE, |plan, _| {
            fails(named(plan, "down-4").is_some() && rate_of(plan) >= 100)
        });
        let small = shrink.smallest();
        assert!(shrink.is_confirmed());
        assert_eq!(small.faults.len(), 1);
        assert_eq!(small.faults[0].spec.name, "down-4");
        assert!((100..=115).contains(&rate_of(small)), "{}", rate_of(small));
        assert_eq!(small.concurrency, 1);
        assert!(small.faults[0].spec.length <= Duration::from_millis(115));
        assert!(runs < 80, "{runs}");
    }

    /// Catches two faults that are only needed together and are searched for one by one, targets that
    /// stay, and a length that is cut below what it takes.
    #[test]
    fn faults_that_need_each_other_stay_together() {
        let second = Duration::from_secs(1);
        let (shrink, _) = shrunk(plan("rolling-failures"), TWICE, |plan, _| {
            let long = |name| named(plan, name).is_some_and(|it| it.spec.length >= second);
            fails(long("first") && long("third") && plan.concurrency >= 7)
        });
        let names: Vec<&str> =
            shrink.smallest().faults.iter().map(|it| it.spec.name.as_str()).collect();
        assert_eq!(names, ["first", "third"]);
        for fault in &shrink.smallest().faults {
            assert!((second..=second * 9 / 8).contains(&fault.spec.length), "{:?}", fault.spec);
        }
        assert_eq!(shrink.smallest().concurrency, 7);
        let (shrink, _) = shrunk(plan("complete-failure"), TWICE, |plan, _| {
            fails(plan.faults.iter().any(|it| it.spec.nodes.contains(&NodeIndex(1))))
        });
        assert_eq!(shrink.smallest().faults[0].spec.nodes, [NodeIndex(1)]);
    }

    /// Catches faults that are kept although it fails without any.
    #[test]
    fn a_plan_that_fails_without_faults_has_none() {
        let (shrink, _) = shrunk(plan("chaos"), TWICE, |_, _| Outcome::Same);
        assert!(shrink.smallest().faults.is_empty() && shrink.smallest().chaos.is_none());
    }

    /// Catches a plan that is called the smallest although the one that it began with passes.
    #[test]
    fn what_does_not_fail_again_is_not_shrunk() {
        let begun = plan("latency");
        let (shrink, runs) = shrunk(begun.clone(), TWICE, |_, _| Outcome::Other);
        assert!(!shrink.is_confirmed() && runs == 1);
        assert_eq!(shrink.smallest(), &begun);
    }

    /// Catches an invalid run that counts as a pass or a failure, and one that is tried for ever.
    #[test]
    fn what_cannot_be_told_is_tried_once_again() {
        let oracle = |plan: &Plan| fails(named(plan, "down-2").is_some());
        let (steady, runs) = shrunk(plan("flapping-node"), TWICE, |plan, _| oracle(plan));
        let mut last = None;
        let (noisy, more) = shrunk(plan("flapping-node"), TWICE, |plan, _| {
            // The first run of every plan.
            match last.replace(plan.to_toml()) == last {
                true => oracle(plan),
                false => Outcome::Unknown,
            }
        });
        assert_eq!(noisy.smallest(), steady.smallest());
        assert!(more > runs);
        let (blind, runs) = shrunk(plan("flapping-node"), TWICE, |_, _| Outcome::Unknown);
        assert!(!blind.is_confirmed() && runs == 2);
    }

    /// Catches a failure that comes and goes and is lost to one run that passed.
    #[test]
    fn so_often_of_so_many_is_enough() {
        let (shrink, _) =
            shrunk(plan("flapping-node"), Votes { wanted: 1, of: 3 }, |plan, runs| {
                fails(named(plan, "down-3").is_some() && runs % 3 == 2)
            });
        assert_eq!(shrink.smallest().faults.len(), 1);
    }
}
