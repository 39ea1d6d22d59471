//! From words on the command line to plans.

use super::error::PlanError;
use super::files::{Folder, Library, is_path};
use super::model::Plan;
use super::options::Options;
use super::suite::{FULL, SUITES};
use super::{client, objective, scenario, workload};
use crate::base::family::unknown;
use crate::base::seed::Seed;

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
    chosen
        .iter()
        .map(|word| {
            let (name, source) = library.named_or_path(Folder::Scenarios, word)?;
            scenario::read(library, &source, &name, options, fresh)
        })
        .collect()
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
    let known: Vec<&str> = all
        .iter()
        .map(String::as_str)
        .chain(SUITES.iter().map(|suite| suite.name))
        .chain(["all"])
        .collect();
    Err(PlanError::Option(unknown("scenario", word, &known)))
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
    } else if has(&["arrival", "keys", "values", "mix"])? {
        source.read(|table| workload::read(table, &name))?;
        Ok("a workload")
    } else if has(&["measure", "at_most", "at_least"])? {
        source.read(|table| objective::read(table, Some(&name)))?;
        Ok("an objective")
    } else {
        source.read(client::read)?;
        Ok("a client profile")
    }
}
