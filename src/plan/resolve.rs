//! From words on the command line to plans.

use std::time::Duration;

use super::error::PlanError;
use super::files::{Folder, Library, is_path};
use super::model::Plan;
use super::options::Options;
use super::source::FileText;
use super::suite::{self, FULL, SUITES};
use super::{client, head, objective, scenario, trace, workload};
use crate::base::family::{meant, unknown};
use crate::base::seed::Seed;
use crate::driver::DriverConfig;

/// One plan for each scenario that `words` name, in their order; none named means all.
///
/// A word is a scenario, a suite, `all`, or the path of a file. `fresh` is the seed when neither
/// the options nor the file give one.
///
/// # Errors
/// For the first word, file or option that is wrong.
pub fn plans(
    library: &Library,
    words: &[String],
    options: &Options,
    fresh: Seed,
) -> Result<Vec<Plan>, PlanError> {
    jobs(library, words)?.iter().map(|job| job.plan(library, options, fresh)).collect()
}

/// The plan of the one scenario that `word` names, for whoever makes the calls in the load's place.
///
/// # Errors
/// For a word, file or option that is wrong, and for a suite.
pub fn scenario_of(library: &Library, word: &str, options: &Options) -> Result<Plan, PlanError> {
    let jobs = jobs(library, &[word.to_owned()])?;
    let [job] = &jobs[..] else {
        let count = jobs.len();
        return Err(PlanError::Option(format!("`{word}` is {count} scenarios; name one of them")));
    };
    let plan = job.plan(library, options, Seed::from_system())?;
    if plan.direct {
        return Err(PlanError::Option(format!(
            "`{word}` leaves the proxies out, and only they see what an application does"
        )));
    }
    Ok(plan)
}

/// Something that is run: a scenario's file, or the run at a place of a suite's.
#[derive(Debug)]
struct Job {
    name: String,
    source: FileText,
    run: Option<usize>,
}

impl Job {
    fn plan(&self, library: &Library, options: &Options, fresh: Seed) -> Result<Plan, PlanError> {
        let Self { name, source, run } = self;
        let plan = match run {
            None => scenario::read(library, source, name, options, fresh),
            Some(place) => scenario::read_run(library, source, *place, options, fresh),
        }?;
        plan.can_wait().map_err(|(fault, why)| {
            PlanError::Option(format!("the fault `{}` never begins: {why}", fault.spec.name))
        })?;
        Ok(plan)
    }

    /// What a file is there for.
    fn of(name: String, source: &FileText) -> Result<Vec<Self>, PlanError> {
        let job = |run| Self { name: name.clone(), source: source.clone(), run };
        Ok(match suite::runs(source)? {
            None => vec![job(None)],
            Some(count) => (0..count).map(|place| job(Some(place))).collect(),
        })
    }
}

/// What `words` name, each once.
fn jobs(library: &Library, words: &[String]) -> Result<Vec<Job>, PlanError> {
    let everything = [FULL.to_owned()];
    let words = if words.is_empty() { &everything } else { words };
    let mut jobs: Vec<Job> = Vec::new();
    for word in words {
        for job in named(library, word.trim())? {
            let is_same =
                |other: &Job| other.source.name() == job.source.name() && other.run == job.run;
            if !jobs.iter().any(is_same) {
                jobs.push(job);
            }
        }
    }
    Ok(jobs)
}

/// The scenarios that `words` name, as far as they can be had with the options.
#[derive(Debug)]
pub struct Choice {
    /// One plan for each, in their order.
    pub plans: Vec<Plan>,
    /// The others, and why: their files are fine, but not with these options.
    pub skipped: Vec<(String, PlanError)>,
}

/// As [`plans`], but a scenario that is fine by itself and cannot be had with the options is left out
/// while there are others: a fault on a node that `-servers` does not list, say.
///
/// # Errors
/// For the first word or file that is wrong, and when nothing is left.
pub fn choose(
    library: &Library,
    words: &[String],
    options: &Options,
    fresh: Seed,
) -> Result<Choice, PlanError> {
    let mut choice = Choice { plans: Vec::new(), skipped: Vec::new() };
    for job in jobs(library, words)? {
        match job.plan(library, options, fresh) {
            Ok(plan) => choice.plans.push(plan),
            Err(error) => {
                let fine = job.plan(library, &Options::default(), fresh)?;
                choice.skipped.push((fine.scenario, error));
            }
        }
    }
    if choice.plans.is_empty() && !choice.skipped.is_empty() {
        return Err(choice.skipped.swap_remove(0).1);
    }
    Ok(choice)
}

/// The plan of a scenario that is no file of the library.
///
/// # Errors
/// For what is wrong in it or in the options.
pub fn plan_of(
    library: &Library,
    source: &FileText,
    name: &str,
    options: &Options,
    fresh: Seed,
) -> Result<Plan, PlanError> {
    scenario::read(library, source, name, options, fresh)
}

/// The driver of a client: a folder of `clients/`, or a file.
///
/// # Errors
/// When there is none, its file is wrong, or the client has no driver.
pub fn driver(library: &Library, word: &str) -> Result<DriverConfig, PlanError> {
    let (name, client) = client::named(library, word)?;
    client.driver.ok_or_else(|| {
        PlanError::Option(format!(
            "{name} has no driver: it is this program's own client; name a client of clients/ or a \
             file with a [driver] table"
        ))
    })
}

/// What one word means.
fn named(library: &Library, word: &str) -> Result<Vec<Job>, PlanError> {
    if is_path(word) {
        let (name, source) = library.named_or_path(Folder::Scenarios, word)?;
        return Job::of(name, &source);
    }
    let has = |folder: Folder| library.names(folder).iter().any(|name| name == word);
    if let Some(folder) = [Folder::Scenarios, Folder::Suites].into_iter().find(|it| has(*it)) {
        return Job::of(word.to_owned(), &library.find(folder, word)?);
    }
    let names = if SUITES.iter().any(|suite| suite.name == word) {
        members(library, word)?
    } else if word == "all" {
        library.names(Folder::Scenarios)
    } else {
        return Err(unknown_word(library, word));
    };
    let mut jobs = Vec::new();
    for name in names {
        jobs.extend(Job::of(name.clone(), &library.find(Folder::Scenarios, &name)?)?);
    }
    Ok(jobs)
}

fn unknown_word(library: &Library, word: &str) -> PlanError {
    let known = known(library);
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    PlanError::Option(unknown("scenario", word, &known))
}

/// Everything that can be run by its name.
fn known(library: &Library) -> Vec<String> {
    let mut known = library.names(Folder::Scenarios);
    known.extend(library.names(Folder::Suites));
    known.extend(SUITES.iter().map(|suite| suite.name.to_owned()));
    known.push("all".to_owned());
    known
}

/// What can be run and is meant by a word that may be misspelt: names, the nearest first, or a file.
#[must_use]
pub fn runnable(library: &Library, word: &str) -> Vec<String> {
    let known = known(library);
    if known.iter().any(|name| name == word) || (is_path(word) && library.open(word).is_ok()) {
        return vec![word.to_owned()];
    }
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    meant(word, &known).into_iter().map(str::to_owned).collect()
}

/// The scenarios of a suite.
pub(super) fn members(library: &Library, suite: &str) -> Result<Vec<String>, PlanError> {
    let mut members = Vec::new();
    for name in library.names(Folder::Scenarios) {
        let head = head::read(&library.find(Folder::Scenarios, &name)?)?;
        if head.suites.iter().any(|member| member.name == suite) {
            members.push(name);
        }
    }
    Ok(members)
}

/// How much of a trace is read where a workload is checked that no run has a length for.
const CHECKED_LENGTH: Duration = Duration::from_secs(60);

/// What a file is that is right.
#[derive(Clone, Debug, PartialEq)]
pub struct Checked {
    /// What it is, in words.
    pub noun: &'static str,
    /// What it does not forbid to run it, and what whoever wrote it should know.
    pub remarks: Vec<String>,
    /// What it would run.
    pub plans: Vec<Plan>,
}

/// Checks one file and says what it is. What it holds decides, not where it lies.
///
/// # Errors
/// For the first mistake in it.
pub fn check(library: &Library, path: &str) -> Result<Checked, PlanError> {
    let source = library.open(path)?;
    let name = super::files::stem(path);
    let has = |keys: &[&str]| {
        source.read(|table| Ok::<_, PlanError>(keys.iter().any(|key| table.get(key).is_some())))
    };
    let fine = |noun| Ok(Checked { noun, remarks: Vec::new(), plans: Vec::new() });
    if has(&[suite::RUN, "phases", "faults", "objectives", "objective"])? {
        let jobs = Job::of(name, &source)?;
        let noun = if jobs.iter().any(|job| job.run.is_some()) { "a suite" } else { "a scenario" };
        let (mut remarks, mut plans) = (Vec::new(), Vec::new());
        for job in &jobs {
            let plan = job.plan(library, &Options::default(), Seed::new(0))?;
            let of = |what| format!("{}: {what}", plan.scenario);
            remarks.extend(plan.remarks().into_iter().map(of));
            plans.push(plan);
        }
        Ok(Checked { noun, remarks, plans })
    } else if has(&["arrival", "keys", "values", "mix", "http", "trace"])? {
        let read = source.read(|table| workload::read(table, &name, CHECKED_LENGTH))?;
        workload::check_parts(&read, None, scenario::DEFAULT_CONCURRENCY)?;
        let remarks = read.replay.iter().flat_map(|replay| trace::remarks(replay, None)).collect();
        Ok(Checked { noun: "a workload", remarks, plans: Vec::new() })
    } else if has(&["measure", "at_most", "at_least"])? {
        source.read(|table| objective::read(table, Some(&name)))?;
        fine("an objective")
    } else {
        let folder = library.folder(path);
        source.read(|table| client::read(table, &folder))?;
        fine("a client profile")
    }
}
