//! Everything that has a name, for `-list`: read from the tables and the files themselves.

use super::error::PlanError;
use super::fault::Breaks;
use super::files::{Folder, Library};
use super::head;
use super::resolve::members;
use super::suite::SUITES;
use crate::base::family::Family;
use crate::client::selector::{KeyHash, SELECTORS};
use crate::client::{Broken, PROFILES};
use crate::judge::MEASURES;
use crate::lab::LIES;
use crate::lab::fault::FAULTS;
use crate::load::arrival::ARRIVALS;
use crate::load::keys::KEYS;
use crate::load::values::VALUES;
use crate::protocol::Protocol;
use crate::proxy::fault::TOXICS;

/// What a list of measures points to.
const GLOSSARY: &str =
    "what each means, where it comes from and when there is none: docs/measures.md";

/// What scenarios are called whose nodes speak RESP by name.
const OF_REDIS: &str = "a server fails as Redis does";

/// Names of one sort, each with a line about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// What they are.
    pub title: &'static str,
    /// What else there is to know about them, where it is more than a line each.
    pub note: Option<&'static str>,
    /// Which of them, where they are in groups.
    pub group: Option<&'static str>,
    /// Name and summary.
    pub rows: Vec<(String, String)>,
}

/// Everything that can be named on the command line and in files.
///
/// # Errors
/// When a file in the working directory is wrong.
pub fn sections(library: &Library) -> Result<Vec<Section>, PlanError> {
    let text = |folder: Folder| {
        move |name: &str| {
            let source = library.find(folder, name)?;
            Ok(source.read(|table| {
                table.need("summary", "one line about it")?.text().map(str::to_owned)
            })?)
        }
    };
    let mut sections = scenarios(library)?;
    sections.extend([
        suites(library)?,
        files(library, "workloads", Folder::Workloads, text(Folder::Workloads))?,
        family("toxics", &TOXICS),
        family("node faults", &FAULTS),
        family("lies", &LIES),
        Section { title: "hash strategies", note: None, group: None, rows: hash_strategies() },
        rows("client profiles", PROFILES, |profile| (profile.name, profile.summary)),
        rows("broken clients", Broken::ALL, |broken| (broken.name(), broken.summary())),
        files(library, "objectives", Folder::Objectives, text(Folder::Objectives))?,
        Section {
            note: Some(GLOSSARY),
            ..rows("measures", MEASURES, |measure| (measure.name, measure.summary))
        },
        traces(),
        family("arrivals", &ARRIVALS),
        family("key distributions", &KEYS),
        family("value sizes", &VALUES),
    ]);
    Ok(sections)
}

/// The scenarios: those of one protocol alone, then by what they break first.
fn scenarios(library: &Library) -> Result<Vec<Section>, PlanError> {
    const GROUPS: [(&str, Option<Breaks>); 6] = [
        ("nothing is broken", None),
        ("nodes fail", Some(Breaks::Node)),
        ("the network fails", Some(Breaks::Network)),
        ("replies are wrong, late or missing", Some(Breaks::Message)),
        ("anything fails, as drawn", Some(Breaks::Any)),
        (OF_REDIS, None),
    ];
    let mut sections = GROUPS.map(|(group, _)| Section {
        title: "scenarios",
        note: None,
        group: Some(group),
        rows: Vec::new(),
    });
    for name in library.names(Folder::Scenarios) {
        let head = head::read(&library.find(Folder::Scenarios, &name)?)?;
        let is_of = |(group, breaks): &(&str, _)| match head.protocol {
            Some(Protocol::Resp) => *group == OF_REDIS,
            _ => *breaks == head.breaks,
        };
        let place = GROUPS.iter().position(is_of).unwrap_or(0);
        sections[place].rows.push((name, head.summary));
    }
    Ok(sections.into_iter().filter(|section| !section.rows.is_empty()).collect())
}

fn files(
    library: &Library,
    title: &'static str,
    folder: Folder,
    summary: impl Fn(&str) -> Result<String, PlanError>,
) -> Result<Section, PlanError> {
    let rows: Result<_, PlanError> = library
        .names(folder)
        .into_iter()
        .map(|name| summary(&name).map(|summary| (name, summary)))
        .collect();
    Ok(Section { title, note: None, group: None, rows: rows? })
}

fn suites(library: &Library) -> Result<Section, PlanError> {
    let mut rows = Vec::new();
    for suite in SUITES {
        let count = members(library, suite.name)?.len();
        rows.push((suite.name.to_owned(), format!("{} ({count} scenarios)", suite.summary)));
    }
    for name in library.names(Folder::Suites) {
        let source = library.find(Folder::Suites, &name)?;
        let summary = source
            .read(|table| table.need("summary", "one line about it")?.text().map(str::to_owned))?;
        let count = super::suite::runs(&source)?.unwrap_or_default();
        rows.push((name, format!("{summary} ({count} runs)")));
    }
    Ok(Section { title: "suites", note: None, group: None, rows })
}

/// The traces that are built in: a line of one is a request.
fn traces() -> Section {
    let rows = Library::traces().iter().map(|(name, text)| {
        let requests = text.lines().count();
        ((*name).to_owned(), format!("{requests} requests, for `trace = \"{name}\"` in a workload"))
    });
    Section { title: "traces", note: None, group: None, rows: rows.collect() }
}

fn hash_strategies() -> Vec<(String, String)> {
    let mut rows = family("", &SELECTORS).rows;
    rows.extend(KeyHash::ALL.iter().map(|hash| {
        let warning = hash.warning().unwrap_or("balances well");
        (hash.name().to_owned(), format!("a key hash: {warning}"))
    }));
    rows
}

fn family<T: ?Sized>(title: &'static str, family: &Family<T>) -> Section {
    rows(title, family.kinds, |kind| (kind.name, kind.summary))
}

fn rows<T>(
    title: &'static str,
    items: &[T],
    row: fn(&T) -> (&'static str, &'static str),
) -> Section {
    let rows = items.iter().map(row).map(|(name, summary)| (name.to_owned(), summary.to_owned()));
    Section { title, note: None, group: None, rows: rows.collect() }
}
