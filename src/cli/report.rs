//! `harness report`: shows a stored run again, without running anything.

use std::path::{Path, PathBuf};

use super::exit::Exit;
use super::output;
use crate::base::family::unknown;
use crate::record::journal::{JournalError, PLAN, write_whole};
use crate::report::{FORMATS, Format, REPORT, ReadError, Stored};
use crate::run::{RebuildError, rebuild};

/// Render the reports of stored runs again: every file in their folders, and a text on stdout. A run that
/// was killed before its report gets one from its plan and its lines, as far as they tell.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The folders of runs, such as runs/packet-loss/20260131T120000Z-42 or runs/latest
    #[arg(required = true, value_name = "DIR")]
    folders: Vec<PathBuf>,
    /// Write no file; print this format: json, text, html, markdown, junit, ...
    #[arg(long, value_name = "NAME", value_parser = format)]
    format: Option<&'static Format>,
}

pub(super) fn format(name: &str) -> Result<&'static Format, String> {
    let names: Vec<&str> = FORMATS.iter().map(|format| format.name).collect();
    Format::find(name).ok_or_else(|| unknown("format", name, &names))
}

/// Why a run is not shown.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error("there is no report.json, and none can be rebuilt: {0}")]
    Rebuild(#[from] RebuildError),
}

/// Shows every run, also after one that cannot be shown; writes its files only then.
pub(super) fn main(arguments: &Arguments) -> Exit {
    let mut exit = Exit::Pass;
    let mut complain = |error: &dyn std::fmt::Display| {
        output::complain(error);
        exit = Exit::Usage;
    };
    for folder in &arguments.folders {
        let run = match read(folder) {
            Ok(run) => run,
            Err(error) => {
                complain(&error);
                continue;
            }
        };
        let format = arguments.format.or_else(|| Format::find("text"));
        let printed =
            output::result(format.map(|format| (format.render)(&run)).unwrap_or_default());
        if printed != Exit::Pass {
            return printed;
        }
        if arguments.format.is_none() {
            write(folder, &run).iter().for_each(|error| complain(error));
        }
    }
    exit
}

/// The run in `folder`, rebuilt when it left no report.
fn read(folder: &Path) -> Result<Stored, Error> {
    let is_whole = folder.join(REPORT).exists() || !folder.join(PLAN).exists();
    if is_whole { Ok(Stored::read(folder)?) } else { Ok(rebuild(folder)?) }
}

/// Writes every file of a run but the JSON report, which all others are made from: it is never written
/// again, and one that was rebuilt is not written at all, for the run may still go on. Returns those
/// that could not be written.
fn write(folder: &Path, run: &Stored) -> Vec<JournalError> {
    let files = FORMATS.iter().filter_map(|format| Some((format.file?, format)));
    files
        .filter(|(file, _)| *file != REPORT)
        .filter_map(|(file, format)| {
            write_whole(&folder.join(file), (format.render)(run).as_bytes()).err()
        })
        .collect()
}
