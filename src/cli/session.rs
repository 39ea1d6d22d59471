//! Runs plans one after the other, listens for Ctrl-C, and comes to one exit code.

use std::collections::BTreeMap;

use super::exit::Exit;
use super::index::Index;
use super::interruptible::interruptible;
use super::output;
use super::screen::Screen;
use crate::base::seed::Seed;
use crate::judge::Verdict;
use crate::plan::Plan;
use crate::record::journal::probe;
use crate::report::{Line, Report, Skipped};
use crate::run::{Environment, Observer as _, RunError, possible, run};

/// How a session goes.
#[derive(Debug)]
pub(super) struct Session {
    /// What to run, in this order.
    pub(super) plans: Vec<Plan>,
    /// What was asked for besides and cannot be had.
    pub(super) skipped: Vec<Skipped>,
    /// How often to begin after the last one; `None`: until Ctrl-C.
    pub(super) rounds: Option<u32>,
    /// Whether stdout is for programs.
    pub(super) json: bool,
    /// Whether the output of a command is shown whatever it came to.
    pub(super) verbose: bool,
}

impl Session {
    /// One run, of something that makes its calls itself.
    pub(super) fn of_one(plan: Plan, json: bool, verbose: bool) -> Self {
        // What goes on until Ctrl-C ends with its verdict then.
        let continuous = plan.command.as_ref().is_some_and(|c| c.repeats && !c.is_started());
        let rounds = (!continuous).then_some(1);
        Self { plans: vec![plan], skipped: Vec::new(), rounds, json, verbose }
    }

    /// Runs everything.
    pub(super) fn play(self) -> Exit {
        let descriptors = self.plans.iter().map(Plan::descriptors).max();
        interruptible(descriptors.unwrap_or_default(), |environment| self.all(environment))
    }

    async fn all(mut self, environment: Environment) -> Exit {
        if let Err(exit) = self.settle(&environment) {
            return exit;
        }
        let mut screen = Screen::new(self.json, self.verbose);
        for skipped in &self.skipped {
            screen.line(&Line::Skipped(skipped.clone()));
        }
        let mut tally = VerdictCounts::default();
        let mut index = Index::default();
        let exit = self.rounds(&environment, &mut screen, &mut tally, &mut index).await;
        if tally.runs > 1 || !self.skipped.is_empty() {
            screen.overview(&tally.overview(&self.skipped));
        }
        if let Some(plan) = self.plans.first().filter(|_| tally.runs > 1) {
            match index.write(&plan.out) {
                Ok(path) => screen.note(&format!("all runs: {}", path.display())),
                Err(error) => screen.warn(&format!("lost: {error}")),
            }
        }
        exit
    }

    /// Finds out before anything starts what can be run here, and that its results can be stored.
    fn settle(&mut self, environment: &Environment) -> Result<(), Exit> {
        let mut first = None;
        for plan in std::mem::take(&mut self.plans) {
            match possible(&plan, environment) {
                Ok(()) => self.plans.push(plan),
                Err(error) => {
                    let reason = error.to_string();
                    self.skipped.push(Skipped { scenario: plan.scenario, reason });
                    first.get_or_insert(error);
                }
            }
        }
        // What is true of every scenario is said once.
        if let Some(error) = first.filter(|_| self.plans.is_empty()) {
            output::complain(&error);
            return Err(exit_of(&error));
        }
        for plan in &self.plans {
            if let Err(error) = probe(&plan.out, &plan.scenario) {
                output::complain(&format_args!("{error}; choose another folder with -out"));
                return Err(Exit::Usage);
            }
        }
        Ok(())
    }

    async fn rounds(
        &self,
        environment: &Environment,
        screen: &mut Screen,
        tally: &mut VerdictCounts,
        index: &mut Index,
    ) -> Exit {
        let continuous = self.rounds.is_none();
        for round in 0..self.rounds.map_or(u64::MAX, u64::from) {
            for plan in &self.plans {
                if environment.interrupt.is_cancelled() {
                    return tally.cut_short(continuous);
                }
                let plan = in_round(plan, round);
                match run(&plan, environment, screen).await {
                    Ok(finished) => {
                        screen.finished(&finished);
                        tally.add(&finished.report);
                        index.add(&finished, &plan.out);
                    }
                    Err(RunError::Interrupted) => return tally.cut_short(continuous),
                    Err(error) => {
                        output::complain(&error);
                        return exit_of(&error);
                    }
                }
            }
        }
        tally.exit(continuous)
    }
}

/// The first round has the seed that was given; each later one a seed of its own, so that a soak
/// does not repeat itself.
fn in_round(plan: &Plan, round: u64) -> Plan {
    if round == 0 {
        return plan.clone();
    }
    // Within what JSON readers keep exactly.
    plan.with_seed(Seed::new(plan.seed.fork("round").index(round).value() >> 11))
}

/// How the program ends when there is no report.
pub(super) const fn exit_of(error: &RunError) -> Exit {
    match error {
        RunError::Lab(_)
        | RunError::Driver(_)
        | RunError::Service(_)
        | RunError::Command { .. } => Exit::LabDown,
        RunError::Interrupted => Exit::Interrupted,
        RunError::Client(_) | RunError::Load(_) => Exit::Usage,
        RunError::Internal(_) => Exit::Internal,
    }
}

/// What the runs of a session came to. It holds a count for each scenario and verdict: a session may
/// go on for weeks.
#[derive(Debug, Default)]
struct VerdictCounts {
    worst: Option<Exit>,
    interrupted: bool,
    runs: u64,
    verdicts: BTreeMap<String, BTreeMap<Verdict, u64>>,
}

impl VerdictCounts {
    fn add(&mut self, report: &Report) {
        self.runs += 1;
        let scenario = self.verdicts.entry(report.scenario.clone()).or_default();
        *scenario.entry(report.verdict).or_default() += 1;
        let exit = Exit::from_code(report.exit_code);
        if exit == Exit::Interrupted {
            self.interrupted = true;
        } else {
            self.worst = Some(self.worst.map_or(exit, |worst| worst.worse(exit)));
        }
    }

    /// Each scenario, and how often it came to which verdict; then those that were not judged.
    fn overview<'a>(&'a self, skipped: &'a [Skipped]) -> Vec<(&'a str, String)> {
        let counted = |(verdict, count): (&Verdict, &u64)| match count {
            1 => verdict.name().to_owned(),
            _ => format!("{} {count}", verdict.name()),
        };
        let told = self.verdicts.iter().map(|(scenario, verdicts)| {
            let verdicts: Vec<String> = verdicts.iter().map(counted).collect();
            (scenario.as_str(), verdicts.join(", "))
        });
        let skipped =
            skipped.iter().map(|one| (one.scenario.as_str(), format!("skipped: {}", one.reason)));
        told.chain(skipped).collect()
    }

    /// The exit code when there was more to run.
    fn cut_short(&mut self, continuous: bool) -> Exit {
        self.interrupted = true;
        self.exit(continuous)
    }

    /// Ctrl-C is the normal end of a continuous session, whose exit code is then its verdict; a
    /// session that was to end by itself has none when it was cut short.
    fn exit(&self, continuous: bool) -> Exit {
        match self.worst {
            Some(worst) if continuous || !self.interrupted => worst,
            Some(worst @ (Exit::ObjectiveFailed | Exit::Internal)) => worst,
            _ => Exit::Interrupted,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Catches a session that was cut short between two runs and claims to have passed, and a
    /// continuous one that loses its verdict.
    #[test]
    fn what_was_cut_short_did_not_pass() {
        let tally = |worst: Option<Exit>| VerdictCounts { worst, ..VerdictCounts::default() };
        assert_eq!(tally(Some(Exit::Pass)).exit(false), Exit::Pass);
        assert_eq!(tally(Some(Exit::Pass)).cut_short(false), Exit::Interrupted);
        assert_eq!(tally(Some(Exit::Pass)).cut_short(true), Exit::Pass);
        assert_eq!(tally(Some(Exit::ObjectiveFailed)).cut_short(false), Exit::ObjectiveFailed);
        assert_eq!(tally(None).cut_short(true), Exit::Interrupted);
    }

    /// Catches an overview that grows with every run, and one that loses a verdict.
    #[test]
    fn an_overview_counts() {
        let mut tally = VerdictCounts::default();
        for (scenario, verdict) in [
            ("loss", Verdict::Pass),
            ("loss", Verdict::Invalid),
            ("down", Verdict::Pass),
            ("loss", Verdict::Pass),
        ] {
            *tally.verdicts.entry(scenario.to_owned()).or_default().entry(verdict).or_default() +=
                1;
        }
        let skipped = [Skipped { scenario: "kill".to_owned(), reason: "no process".to_owned() }];
        let expected =
            [("down", "pass"), ("loss", "pass 2, invalid"), ("kill", "skipped: no process")];
        assert_eq!(tally.overview(&skipped), expected.map(|(name, said)| (name, said.to_owned())));
    }
}
