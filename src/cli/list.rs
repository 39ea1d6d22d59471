//! `harness list` and `-list`: everything that has a name, one line each.

use std::fmt::Write;

use super::exit::Exit;
use super::output;
use crate::base::family::unknown;
use crate::plan::{Library, Section, sections};

/// List what can be named: scenarios, workloads, faults, client profiles, and so on.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Only this, such as toxics
    what: Option<String>,
}

/// Prints one section, or all.
pub(super) fn main(arguments: &Arguments) -> Exit {
    let Some(what) = &arguments.what else {
        return all();
    };
    print(|section| section.title.replace(' ', "-") == *what, Some(what))
}

/// Prints every section.
pub(super) fn all() -> Exit {
    print(|_| true, None)
}

fn print(wanted: impl Fn(&Section) -> bool, name: Option<&str>) -> Exit {
    let sections = match sections(&Library::new(".")) {
        Ok(sections) => sections,
        Err(error) => {
            output::complain(&error);
            return Exit::Usage;
        }
    };
    let texts: Vec<String> = sections.iter().filter(|section| wanted(section)).map(text).collect();
    if let (Some(name), true) = (name, texts.is_empty()) {
        let titles: Vec<String> =
            sections.iter().map(|section| section.title.replace(' ', "-")).collect();
        let titles: Vec<&str> = titles.iter().map(String::as_str).collect();
        output::complain(&unknown("list", name, &titles));
        return Exit::Usage;
    }
    output::result(texts.join("\n"))
}

fn text(section: &Section) -> String {
    let width = section.rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let note = section.note.map_or_else(String::new, |note| format!(" ({note})"));
    let group = section.group.map_or_else(String::new, |group| format!(": {group}"));
    let mut text = format!("{}{group}{note}\n", section.title);
    for (name, summary) in &section.rows {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "  {name:width$}  {summary}");
    }
    text
}
