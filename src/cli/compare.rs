//! `harness compare`: stored runs of several clients, side by side.

use std::path::PathBuf;

use super::exit::Exit;
use super::output;
use crate::report::{Report, Stored, compare, compare_html, compare_markdown, compare_text};

/// Compare stored runs: one row for each scenario and client, medians over its runs. An invalid run is in
/// no figure.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The folders of runs, such as runs/single-node-failure/*
    #[arg(required = true, value_name = "DIR")]
    folders: Vec<PathBuf>,
    /// How to print it
    #[arg(long, value_name = "NAME", value_enum, default_value_t)]
    format: Format,
}

/// How a table or a card is printed.
#[derive(Clone, Copy, Debug, Default, clap::ValueEnum)]
pub(super) enum Format {
    #[default]
    Text,
    Markdown,
    /// A page whose links begin in the folder where the command is run
    Html,
    Json,
}

pub(super) fn main(arguments: &Arguments) -> Exit {
    let mut reports: Vec<(PathBuf, Report)> = Vec::new();
    for folder in &arguments.folders {
        match Stored::read(folder) {
            Ok(run) => reports.push((folder.clone(), run.report)),
            Err(error) => {
                output::complain(&error);
                return Exit::Usage;
            }
        }
    }
    let rows = compare(&reports);
    output::result(match arguments.format {
        Format::Text => compare_text(&rows),
        Format::Markdown => compare_markdown(&rows),
        Format::Html => compare_html(&rows),
        Format::Json => {
            let text = serde_json::to_string_pretty(&rows).expect("rows are plain JSON");
            text + "\n"
        }
    })
}
