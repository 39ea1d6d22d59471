//! From words on the command line to plans.

use super::error::PlanError;
use super::files::{Folder, Library, is_path};
use super::model::Plan;
use super::options::Options;
use super::source::FileText;
use super::suite::{FULL, SUITES};
use super::{client, objective, scenario, workload};
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
    chosen(library, words)?.iter().map(|word| plan(library, word, options, fresh)).collect()
}

/// The plan of the one scenario that `word` names, for whoever makes the calls in the load's place.
///
/// # Errors
/// For a word, file or option that is wrong, and for a suite.
pub fn scenario_of(library: &Library, word: &str, options: &Options) -> Result<Plan, PlanError> {
    let mut plans = plans(library, &[word.to_owned()], options, Seed::from_system())?;
    match (plans.len(), plans.pop()) {
        (1, Some(plan)) => Ok(plan),
        (count, _) => {
            Err(PlanError::Option(format!("`{word}` is {count} scenarios; name one of them")))
        }
    }
}

fn plan(library: &Library, word: &str, options: &Options, fresh: Seed) -> Result<Plan, PlanError> {
    let (name, source) = library.named_or_path(Folder::Scenarios, word)?;
    scenario::read(library, &source, &name, options, fresh)
}

/// The scenarios that `words` name, each once.
fn chosen(library: &Library, words: &[String]) -> Result<Vec<String>, PlanError> {
    let everything = [FULL.to_owned()];
    let words = if words.is_empty() { &everything } else { words };
    let mut chosen: Vec<String> = Vec::new();
    for word in words {
        for name in names(library, word.trim())? {
            if !chosen.contains(&name) {
                chosen.push(name);
            }
        }
    }
    Ok(chosen)
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
    for word in chosen(library, words)? {
        match plan(library, &word, options, fresh) {
            Ok(plan) => choice.plans.push(plan),
            Err(error) => {
                let fine = plan(library, &word, &Options::default(), fresh)?;
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

/// The scenarios that one word means.
fn names(library: &Library, word: &str) -> Result<Vec<String>, PlanError> {
    if is_path(word) {
        return Ok(vec![word.to_owned()]);
    }
    let all = library.names(Folder::Scenarios);
    if all.iter().any(|name| name == word) {
        return Ok(vec![word.to_owned()]);
    }
    if SUITES.iter().any(|suite| suite.name == word) {
        return members(library, word);
    }
    if word == "all" {
        return Ok(all);
    }
    let known = known(library);
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    Err(PlanError::Option(unknown("scenario", word, &known)))
}

/// Everything that can be run by its name.
fn known(library: &Library) -> Vec<String> {
    let mut known = library.names(Folder::Scenarios);
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
        let head = scenario::head(&library.find(Folder::Scenarios, &name)?)?;
        if head.suites.iter().any(|member| member.name == suite) {
            members.push(name);
        }
    }
    Ok(members)
}

/// Checks one file and says what it is. What it holds decides, not where it lies.
///
/// # Errors
/// For the first mistake in it.
pub fn check(library: &Library, path: &str) -> Result<&'static str, PlanError> {
    let source = library.open(path)?;
    let name = super::files::stem(path);
    let has = |keys: &[&str]| {
        source.read(|table| Ok::<_, PlanError>(keys.iter().any(|key| table.get(key).is_some())))
    };
    if has(&["phases", "faults", "objectives", "objective"])? {
        scenario::read(library, &source, &name, &Options::default(), Seed::new(0))?;
        Ok("a scenario")
    } else if has(&["arrival", "keys", "values", "mix", "http"])? {
        let read = source.read(|table| workload::read(table, &name))?;
        workload::check_parts(&read, None, scenario::DEFAULT_CONCURRENCY)?;
        Ok("a workload")
    } else if has(&["measure", "at_most", "at_least"])? {
        source.read(|table| objective::read(table, Some(&name)))?;
        Ok("an objective")
    } else {
        let folder = library.folder(path);
        source.read(|table| client::read(table, &folder))?;
        Ok("a client profile")
    }
}
