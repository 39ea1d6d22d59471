//! `harness check`: are these files right? Nothing is started.

use super::exit::Exit;
use super::output;
use crate::plan::{Library, check};

/// Check scenario, workload, objective and client files without running anything.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The files
    #[arg(required = true, value_name = "FILE")]
    files: Vec<String>,
}

/// Checks every file, also after one that is wrong.
pub(super) fn main(arguments: &Arguments) -> Exit {
    let library = Library::new(".");
    let mut exit = Exit::Pass;
    for file in &arguments.files {
        match check(&library, file) {
            Ok(noun) => {
                let printed = output::result(format!("{file}: {noun}, fine\n"));
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
