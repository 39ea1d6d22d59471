//! `harness shrink`: what it takes for a run to fail, as the smallest scenario that still does.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::exit::Exit;
use super::interruptible::interruptible;
use super::session::exit_of;
use super::{output, values};
use crate::base::seed::Seed;
use crate::plan::{Library, Options, Plan, Shrink, Votes, plans};
use crate::record::journal::PLAN;
use crate::report::{Report, Stored};
use crate::run::{self, Ended, Environment, Reason, least_budget, possible};

/// How often one plan is run at most.
const RUNS_MAX: u32 = 100;

/// The name of the file that is written beside the run.
const SMALLEST: &str = "smallest.toml";

/// Where the runs of the search are stored, beside the run.
const RUNS: &str = "shrink";

/// Find the smallest scenario that fails like a stored run: fewer faults, nodes, operations and workers,
/// shorter faults. Each one is really run.
#[derive(Debug, clap::Args)]
#[command(after_help = "  harness shrink runs/latest\n  \
                        harness shrink runs/latest -objective no-lost-writes -times 3 -of 5 -budget 1h")]
pub(super) struct Arguments {
    /// The folder of a run that failed
    #[arg(value_name = "RUN")]
    folder: PathBuf,
    /// Only that this objective fails counts [default: any that failed]
    #[arg(long, value_name = "NAME")]
    objective: Option<String>,
    /// How often a plan must fail to count as one that does
    #[arg(long, value_name = "COUNT", default_value = "2", value_parser = values::count(1..=RUNS_MAX))]
    times: u32,
    /// Of so many runs at most [default: as -times]
    #[arg(long, value_name = "COUNT", value_parser = values::count(1..=RUNS_MAX))]
    of: Option<u32>,
    /// When no further run begins
    #[arg(long, value_name = "TIME", default_value = "15m", value_parser = values::time)]
    budget: Duration,
    /// Where the scenario goes [default: smallest.toml in the run's folder]
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
}

/// Searches, and writes what it found.
pub(super) fn main(arguments: &Arguments) -> Exit {
    match arguments.search() {
        Ok(search) => {
            let descriptors = search.plan.descriptors();
            interruptible(descriptors, |environment| search.go(environment))
        }
        Err(problem) => {
            output::complain(&problem);
            Exit::Usage
        }
    }
}

impl Arguments {
    /// What is searched for.
    ///
    /// # Errors
    /// When the folder is none of a run that failed, or its run cannot be repeated.
    fn search(&self) -> Result<Search, String> {
        let votes = Votes { wanted: self.times, of: self.of.unwrap_or(self.times) };
        if votes.wanted > votes.of {
            let (times, of) = (votes.wanted, votes.of);
            return Err(format!("-times {times} of -of {of} runs cannot be; write -of {times}"));
        }
        let folder = &self.folder;
        let report = Stored::read(folder)
            .map_err(|error| format!("{error}; name the folder of a run, such as runs/latest"))?;
        let report = report.report;
        let reason = self.reason(&report)?;
        if report.subject.as_ref().is_some_and(|it| it.command.is_some() || it.is_of_others()) {
            return Err(format!(
                "the run in {} is of a command or an application of yours, which is not stored; only \
                 runs with a load of the harness can be repeated",
                folder.display()
            ));
        }
        let path = folder.join(PLAN).to_string_lossy().into_owned();
        let options = Options { out: Some(folder.join(RUNS)), ..Options::default() };
        let plans = plans(&Library::new("."), &[path], &options, Seed::new(report.seed));
        let mut plans = plans.map_err(|error| error.to_string())?;
        let plan = plans.pop().ok_or("the run has no plan")?;
        let least = least_budget(&plan, votes);
        if self.budget < least {
            let show = humantime::format_duration;
            return Err(format!(
                "-budget {} is too short even to see it fail again; write \"{}\"",
                show(self.budget),
                show(Duration::from_secs(least.as_secs() + 1))
            ));
        }
        let to = self.to.clone().unwrap_or_else(|| folder.join(SMALLEST));
        Ok(Search { plan, reason, votes, budget: self.budget, folder: folder.clone(), to })
    }

    fn reason(&self, report: &Report) -> Result<Reason, String> {
        let reason = Reason::of(report).ok_or_else(|| {
            format!(
                "the run in {} came to `{}`, and only one that failed can be shrunk",
                self.folder.display(),
                report.verdict.name()
            )
        })?;
        let Some(objective) = &self.objective else { return Ok(reason) };
        reason.only(objective).ok_or_else(|| {
            let failed: Vec<&str> = reason.names().collect();
            format!("-objective {objective}: what failed is {}", failed.join(", "))
        })
    }
}

/// Everything that a search needs.
struct Search {
    plan: Plan,
    reason: Reason,
    votes: Votes,
    budget: Duration,
    folder: PathBuf,
    to: PathBuf,
}

impl Search {
    async fn go(self, environment: Environment) -> Exit {
        if let Err(error) = possible(&self.plan, &environment) {
            output::complain(&error);
            return exit_of(&error);
        }
        let Votes { wanted, of } = self.votes;
        output::remark(&format!(
            "looking for the smallest plan that fails {wanted} times of {of}: {}",
            self.what()
        ));
        let mut shrink = Shrink::new(self.plan.clone(), self.votes);
        let say = &mut |text: &str| output::remark(text);
        let ended = run::shrink(&mut shrink, &self.reason, self.budget, &environment, say).await;
        let ended = match ended {
            Ok(ended) => ended,
            Err(error) => {
                output::complain(&error);
                // What was found until then is no less true.
                self.keep(&shrink);
                return exit_of(&error);
            }
        };
        if shrink.is_confirmed() && !self.keep(&shrink) {
            return Exit::Usage;
        }
        match (ended, shrink.is_confirmed()) {
            (Ended::Interrupted, _) => Exit::Interrupted,
            (_, false) => {
                output::complain(
                    &"it did not fail so often again: nothing to shrink; try -times 1 -of 5",
                );
                Exit::Inconclusive
            }
            (Ended::Budget, true) => {
                output::remark("the budget is used up: a smaller one may exist; more with -budget");
                Exit::Pass
            }
            (Ended::Complete, true) => Exit::Pass,
        }
    }

    fn what(&self) -> String {
        self.reason.names().collect::<Vec<_>>().join(", ")
    }

    /// Writes the smallest that is known, and says how to run it; whether it could be written.
    fn keep(&self, shrink: &Shrink) -> bool {
        if !shrink.is_confirmed() {
            return true;
        }
        let text = format!("{}{}", self.header(), shrink.smallest().to_toml());
        if let Err(error) = std::fs::write(&self.to, text) {
            output::complain(&format_args!(
                "cannot write {}: {error}; name a file with -to",
                self.to.display()
            ));
            return false;
        }
        output::result(format!("harness -scenario {} -once\n", shown(&self.to)));
        true
    }

    /// Why the file exists.
    fn header(&self) -> String {
        let Votes { wanted, of } = self.votes;
        let (from, seed) = (self.folder.display().to_string(), self.plan.seed);
        let lines = [
            format!("The smallest plan found that fails like the run in {from} (seed {seed})."),
            format!("It failed {wanted} times of at most {of}: {}.", self.what()),
        ];
        // A name on one line, whatever is in it.
        lines.iter().map(|line| format!("# {}\n", line.replace(char::is_control, " "))).collect()
    }
}

/// As a scenario is named on the command line: a path has a slash or a dot in it.
fn shown(path: &Path) -> String {
    path.display().to_string()
}
