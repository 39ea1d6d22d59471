//! Runs plans one after the other, listens for Ctrl-C, and comes to one exit code.

use std::path::{Path, PathBuf};

use super::conclusion::conclude;
use super::exit::Exit;
use super::github::Github;
use super::index::Index;
use super::interruptible::{Standing, standing};
use super::output;
use super::screen::Screen;
use super::tally::Tally;
use super::telling::Telling;
use crate::base::scope::Scope;
use crate::base::seed::Seed;
use crate::base::time::RunClock;
use crate::judge::Verdict;
use crate::plan::Plan;
use crate::record::journal::{probe, probe_file, write_whole};
use crate::record::retention::Retained;
use crate::report::{Line, Skipped, Suites};
use crate::run::{Environment, Finished, Observer as _, RunError, possible, run};
use crate::view::Roster;

/// How a session goes.
#[derive(Debug)]
pub(super) struct Session {
    /// What to run, in this order.
    pub(super) plans: Vec<Plan>,
    /// What was asked for besides and cannot be had.
    pub(super) skipped: Vec<Skipped>,
    /// How often to begin after the last one; `None`: until Ctrl-C.
    pub(super) rounds: Option<u32>,
    /// How it is told of.
    pub(super) telling: Telling,
}

/// What is told of all runs when they are over.
#[derive(Debug)]
struct Told {
    screen: Screen,
    tally: Tally,
    /// What the session comes to, should it end at once.
    standing: Standing,
    suites: Option<Suites>,
    github: Github,
    index: Index,
    clock: RunClock,
    retained: Option<Retained>,
    soak: Option<PathBuf>,
}

impl Session {
    /// One run, of something that makes its calls itself.
    pub(super) fn of_one(plan: Plan, telling: Telling) -> Self {
        // What goes on until Ctrl-C ends with its verdict then.
        let continuous = plan.command.as_ref().is_some_and(|c| c.repeats && !c.is_started());
        let rounds = (!continuous).then_some(1);
        Self { plans: vec![plan], skipped: Vec::new(), rounds, telling }
    }

    /// Runs everything.
    pub(super) fn play(self) -> Exit {
        let descriptors = self.plans.iter().map(Plan::descriptors).max();
        standing(descriptors.unwrap_or_default(), |environment, it| self.all(environment, it))
    }

    pub(super) async fn all(mut self, environment: Environment, standing: Standing) -> Exit {
        if let Err(exit) = self.settle(&environment) {
            return exit;
        }
        let out = self.plans.first().map(|plan| plan.out.clone()).unwrap_or_default();
        let scope = Scope::current("screen");
        let mut told = Told::new(&self, out, standing.clone(), &scope);
        let served = match self.telling.metrics.serve(&environment.board).await {
            Ok(served) => served,
            Err(error) => {
                output::complain(&error);
                return Exit::LabDown;
            }
        };
        for skipped in &self.skipped {
            told.skip(skipped);
        }
        let exit = self.rounds(&environment, &mut told).await;
        standing.is(exit);
        told.end(&self.skipped, self.telling.junit.as_deref());
        let shown = async {
            told.screen.close().await;
            if let Some(served) = served {
                served.close().await;
            }
        };
        // Whoever interrupts now has the verdict, and does not want to wait for readers.
        let is_over = environment.interrupt.is_cancelled();
        tokio::select! {
            () = shown => {}
            () = environment.interrupt.cancelled(), if !is_over => {}
        }
        exit
    }

    /// What a view lists.
    fn roster(&self) -> Roster {
        let scenarios = self.plans.iter().map(|plan| plan.scenario.clone());
        let skipped = self.skipped.iter().map(|skipped| skipped.scenario.clone());
        Roster::new(scenarios, skipped, self.rounds != Some(1))
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
        if let Some(Err(error)) = self.telling.junit.as_deref().map(probe_file) {
            output::complain(&format_args!("{error}; choose another file with -junit"));
            return Err(Exit::Usage);
        }
        Ok(())
    }

    async fn rounds(&self, environment: &Environment, told: &mut Told) -> Exit {
        let continuous = self.rounds.is_none();
        for round in 0..self.rounds.map_or(u64::MAX, u64::from) {
            for plan in &self.plans {
                if environment.interrupt.is_cancelled() {
                    return told.tally.cut_short(continuous);
                }
                match self.attempts(in_round(plan, round), environment, told).await {
                    Ok(Some(finished)) => {
                        let collection = self.telling.collection.as_ref();
                        let (lines, exit) = conclude(environment, collection, &finished).await;
                        lines.iter().for_each(|line| told.screen.warn(line));
                        if let Some(exit) = exit {
                            return exit;
                        }
                        told.add(&finished);
                        told.standing.is(told.tally.exit_if_cut(continuous));
                    }
                    Ok(None) => {
                        // A session that left something out has not passed.
                        told.tally.cut_short(continuous);
                        told.screen
                            .put(&format!("{}: left before there was a verdict", plan.scenario));
                    }
                    Err(RunError::Interrupted) => return told.tally.cut_short(continuous),
                    Err(error) => {
                        told.screen.warn(&format!("error: {error}"));
                        return exit_of(&error);
                    }
                }
            }
        }
        told.tally.exit(continuous)
    }

    /// Runs a plan, again where it proved nothing and another attempt is left; `None`: somebody went on to
    /// the next one before there was anything to judge.
    async fn attempts(
        &self,
        mut plan: Plan,
        environment: &Environment,
        told: &mut Told,
    ) -> Result<Option<Finished>, RunError> {
        loop {
            // Of this run alone: it can be left for the next one.
            let interrupt = environment.interrupt.child_token();
            told.screen.begin(&plan, &interrupt);
            let own = Environment { interrupt: interrupt.clone(), ..environment.clone() };
            let finished = run(&plan, &own, &mut told.screen).await;
            told.screen.end();
            let finished = match finished {
                Err(RunError::Interrupted) if !environment.interrupt.is_cancelled() => {
                    return Ok(None);
                }
                finished => finished?,
            };
            told.screen.finished(&finished);
            told.clear(&finished);
            let verdict = finished.report.verdict;
            let is_last = plan.attempt > self.telling.retries;
            if !verdict.proves_nothing() || is_last || interrupt.is_cancelled() {
                return Ok(Some(finished));
            }
            told.screen.note(&format!("{}: {}, run again", plan.scenario, verdict.name()));
            plan.attempt += 1;
        }
    }
}

impl Told {
    fn new(session: &Session, out: PathBuf, standing: Standing, scope: &Scope) -> Self {
        let telling = &session.telling;
        Self {
            screen: Screen::new(telling, session.roster(), scope),
            tally: Tally::new(telling.fail_on),
            standing,
            suites: telling.junit.is_some().then(Suites::default),
            github: Github::from_environment(),
            index: Index::new(out),
            clock: RunClock::start(),
            retained: telling.retention.map(Retained::new),
            soak: telling.soak.clone(),
        }
    }

    fn skip(&mut self, skipped: &Skipped) {
        self.screen.line(&Line::Skipped(skipped.clone()));
        if let Some(suites) = &mut self.suites {
            suites.skip(skipped);
        }
    }

    fn add(&mut self, finished: &Finished) {
        let report = &finished.report;
        self.tally.add(report, finished.folder.as_deref());
        if let Some(suites) = &mut self.suites {
            suites.add(report);
        }
        self.index.add(finished);
        if let Some(path) = &self.soak {
            let out = path.parent().unwrap_or(path);
            let soak = self.tally.soak(self.clock.started_at(), out);
            for (path, text) in
                [(path.clone(), soak.to_json()), (path.with_extension("html"), soak.to_html())]
            {
                if let Err(error) = write_whole(&path, text.as_bytes()) {
                    self.screen.warn(&format!("lost: {error}"));
                }
            }
        }
        if let Some(annotation) = self.github.annotation(report) {
            self.screen.put(&annotation);
        }
        if let Err(error) = self.github.add_run(report) {
            self.screen.warn(&format!("lost: the summary for GitHub: {error}"));
        }
    }

    /// Removes the runs that are too many now.
    fn clear(&mut self, finished: &Finished) {
        let (Some(retained), Some(folder)) = (&mut self.retained, &finished.folder) else { return };
        let passed = finished.report.verdict == Verdict::Pass;
        for gone in retained.add(folder.clone(), self.clock.now(), passed) {
            self.index.forget(&gone);
            if let Err(error) = std::fs::remove_dir_all(&gone) {
                self.screen.warn(&format!("cannot remove {}: {error}", gone.display()));
            }
        }
    }

    /// Says what all runs came to.
    fn end(&mut self, skipped: &[Skipped], junit: Option<&Path>) {
        if self.tally.runs() > 1 || !skipped.is_empty() {
            let table = self.tally.table(skipped);
            self.screen.overview(&table);
            if let Err(error) = self.github.add_table(&table) {
                self.screen.warn(&format!("lost: the summary for GitHub: {error}"));
            }
        }
        if self.tally.runs() > 1 {
            match self.index.write() {
                Ok(path) => self.screen.note(&format!("all runs: {}", path.display())),
                Err(error) => self.screen.warn(&format!("lost: {error}")),
            }
        }
        if let (Some(path), Some(suites)) = (junit, &self.suites)
            && let Err(error) = write_whole(path, suites.xml().as_bytes())
        {
            self.screen.warn(&format!("lost: {error}"));
        }
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
        | RunError::Fleet(_)
        | RunError::Command { .. } => Exit::LabDown,
        RunError::Interrupted => Exit::Interrupted,
        RunError::Client(_) | RunError::Load(_) => Exit::Usage,
        RunError::Internal(_) => Exit::Internal,
    }
}
