//! `harness check`: are these files right, without starting anything; and does a driver speak its
//! protocol?

use std::fmt::Write as _;
use std::path::PathBuf;

use serde::Serialize;

use super::exit::Exit;
use super::interruptible::interruptible;
use super::{dry_run, output, values};
use crate::check::{Finding, Outcome, Summary};
use crate::driver::DriverConfig;
use crate::lab::Backend;
use crate::plan::{Checked, Library, check, driver};
use crate::run::Environment;

/// Check scenario, workload, objective and client files without running anything; with -driver, start the
/// driver of a client, or ask the service at its url, and go through its protocol.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The files; with -driver, client files or names of clients/
    #[arg(required_unless_present = "command", value_name = "FILE")]
    files: Vec<String>,
    /// Start the driver, with nodes of its own, and hold every line that it says against docs/drivers.md
    #[arg(long)]
    driver: bool,
    /// What the nodes are; auto takes a real memcached from PATH when there is one [default: auto]
    #[arg(long, requires = "driver", value_name = "KIND", value_parser = values::word(&Backend::WORDS))]
    nodes: Option<Backend>,
    /// How many calls the driver of a command may have under way
    #[arg(long, value_name = "COUNT", requires = "command", value_parser = values::count(1..=1000))]
    concurrency: Option<u32>,
    /// One JSON object for each check and a summary, and nothing else on stdout
    #[arg(long, requires = "driver")]
    json: bool,
    /// The command of a driver that has no client file
    #[arg(last = true, requires = "driver", conflicts_with = "files", value_name = "COMMAND")]
    command: Vec<String>,
}

/// Descriptors that a driver's connections through three proxies may need.
const DESCRIPTORS: u64 = 1000;

/// How wide a line for people is.
const WIDTH: usize = 80;

/// Checks every file, also after one that is wrong.
pub(super) fn main(arguments: &Arguments) -> Exit {
    let library = Library::new(".");
    if arguments.driver {
        return drivers(arguments, &library);
    }
    let mut exit = Exit::Pass;
    for file in &arguments.files {
        match check(&library, file) {
            Ok(Checked { noun, remarks, plans }) => {
                let runs = dry_run::would_end(&plans).is_none();
                let is = if runs { "fine" } else { "and no run of it as it stands" };
                remarks.iter().for_each(|remark| output::remark(&format!("{file}: {remark}")));
                let printed = output::result(format!("{file}: {noun}, {is}\n"));
                if printed != Exit::Pass {
                    return printed;
                }
            }
            Err(error) => {
                output::complain(&error);
                exit = Exit::Usage;
            }
        }
    }
    exit
}

fn drivers(arguments: &Arguments, library: &Library) -> Exit {
    let mut configs = Vec::new();
    for file in &arguments.files {
        match driver(library, file) {
            Ok(config) => configs.push(config),
            Err(error) => {
                output::complain(&error);
                return Exit::Usage;
            }
        }
    }
    if !arguments.command.is_empty() {
        configs.push(DriverConfig {
            concurrency: arguments.concurrency.unwrap_or(DriverConfig::CONCURRENCY),
            ..DriverConfig::of(arguments.command.clone(), PathBuf::from("."))
        });
    }
    interruptible(DESCRIPTORS, |environment| async move {
        let mut exit = Exit::Pass;
        for config in &configs {
            let interrupt = environment.interrupt.clone();
            let one = tokio::select! {
                exit = one(config, arguments, &environment) => exit,
                () = interrupt.cancelled() => return Exit::Interrupted,
            };
            exit = exit.worse(one);
        }
        exit
    })
}

async fn one(config: &DriverConfig, arguments: &Arguments, environment: &Environment) -> Exit {
    let json = arguments.json;
    let backend = arguments.nodes.clone().unwrap_or(Backend::Auto);
    let mut printed = Exit::Pass;
    let mut told = |finding: &Finding| {
        let text = if json { object(&Line::Check(finding)) } else { line_of(finding) };
        printed = printed.worse(output::result(text));
    };
    let done = crate::check::check(config, backend, &environment.programs, &mut told).await;
    match done {
        Ok(summary) => {
            let text = if json { object(&Line::Summary(&summary)) } else { ending(&summary) };
            let exit = if summary.failed > 0 { Exit::ObjectiveFailed } else { Exit::Pass };
            exit.worse(printed).worse(output::result(text))
        }
        Err(error) => {
            output::complain(&error);
            Exit::LabDown
        }
    }
}

/// A line for programs.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Line<'a> {
    Check(&'a Finding),
    Summary(&'a Summary),
}

fn object(line: &Line<'_>) -> String {
    // What is told is plain data, so that writing it cannot fail.
    format!("{}\n", serde_json::to_string(line).unwrap_or_default())
}

/// A check for people: a line, and below it what there is to say, none of them wider than a terminal.
fn line_of(finding: &Finding) -> String {
    let outcome = match finding.outcome {
        Outcome::Ok => "ok",
        Outcome::Differs => "differs",
        Outcome::Skipped => "skipped",
        Outcome::Failed => "FAILED",
    };
    let mut text = format!("{outcome:8} {}", finding.name);
    let Finding { note, expected, came, line, .. } = finding;
    if let Some(note) = note {
        let beside = format!("{outcome:8} {:25} {note}", finding.name);
        if beside.chars().count() <= WIDTH {
            text = beside;
        } else {
            wrap(&mut text, "", note);
        }
    }
    for (label, part) in [("expected", expected), ("came", came), ("line", line)] {
        if let Some(part) = part {
            wrap(&mut text, label, part);
        }
    }
    text.push('\n');
    text
}

/// Adds `part` below, indented.
fn wrap(text: &mut String, label: &str, part: &str) {
    const INDENT: usize = 18;
    let mut row = String::new();
    let mut label = label;
    let mut flush = |row: &mut String| {
        // Writing to a String cannot fail.
        let _ = write!(text, "\n         {label:8} {row}");
        label = "";
        row.clear();
    };
    for word in part.split_whitespace() {
        let mut word: Vec<char> = word.chars().collect();
        while !word.is_empty() {
            let used = row.chars().count();
            let room = (WIDTH - INDENT).saturating_sub(used + usize::from(used > 0));
            if word.len() > room && used > 0 {
                flush(&mut row);
                continue;
            }
            if used > 0 {
                row.push(' ');
            }
            row.extend(word.drain(..word.len().min(room)));
        }
    }
    flush(&mut row);
}

fn ending(summary: &Summary) -> String {
    let Summary { client, version, runtime, nodes, ok, differs, skipped, failed } = summary;
    // A service says neither its version nor what runs it.
    let client =
        if version.is_empty() { client } else { &format!("{client} {version} ({runtime})") };
    format!(
        "{client}, with {nodes}:\n\
         {ok} ok, {differs} differ, {skipped} skipped, {failed} failed\n"
    )
}
