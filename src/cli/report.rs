//! `harness report`: shows a stored run again, without running anything.

use std::io;
use std::path::{Path, PathBuf};

use super::exit::Exit;
use super::output;
use crate::base::family::unknown;
use crate::report::{FORMATS, Format, ReadError, Stored};

/// Render the reports of stored runs again: every file in their folders, and a text on stdout.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The folders of runs, such as runs/packet-loss/20260131T120000Z-42 or runs/latest
    #[arg(required = true, value_name = "DIR")]
    folders: Vec<PathBuf>,
    /// Write no file; print this format: json, text, html, markdown, junit, ...
    #[arg(long, value_name = "NAME", value_parser = format)]
    format: Option<&'static Format>,
}

fn format(name: &str) -> Result<&'static Format, String> {
    let names: Vec<&str> = FORMATS.iter().map(|format| format.name).collect();
    Format::find(name).ok_or_else(|| unknown("format", name, &names))
}

/// Why a run is not shown.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error("cannot write {0}: {1}")]
    Write(PathBuf, io::Error),
}

/// Shows every run, also after one that cannot be shown.
pub(super) fn main(arguments: &Arguments) -> Exit {
    let mut exit = Exit::Pass;
    for folder in &arguments.folders {
        match show(folder, arguments.format) {
            Ok(text) => {
                let printed = output::result(text);
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

/// What to print about the run in `folder`.
fn show(folder: &Path, format: Option<&Format>) -> Result<String, Error> {
    let run = Stored::read(folder)?;
    if let Some(format) = format {
        return Ok((format.render)(&run));
    }
    for format in FORMATS {
        // The JSON report is what all others are made from: it is never written again.
        if let Some(file) = format.file.filter(|_| format.name != "json") {
            let path = folder.join(file);
            replace(&path, &(format.render)(&run)).map_err(|error| Error::Write(path, error))?;
        }
    }
    let text = Format::find("text").map(|format| (format.render)(&run));
    Ok(text.unwrap_or_default())
}

/// Puts a whole file in the place of another, so that nobody ever sees half of one.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    let whole = path.with_extension("new");
    std::fs::write(&whole, text)?;
    std::fs::rename(&whole, path)
}
