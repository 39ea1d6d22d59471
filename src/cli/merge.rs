//! `harness merge`: many machines' runs are one run.

use std::path::PathBuf;

use super::exit::Exit;
use super::output;
use crate::record::Missing;
use crate::report::{Format, Stored};
use crate::run::{MergeError, merge};

/// Merge the runs of a fleet's members into one, exactly, and judge it: the same judge, objectives and formats
/// as for one machine. Its folder is one that report, compare and ci read.
#[derive(Debug, clap::Args)]
#[command(after_help = "  harness merge collected/\n  \
                        harness merge runs/packet-loss/20260131T120000Z-42 members/* -missing narrow\n\n\
                        Exit codes: those of a run; 2 when nothing can be merged.")]
pub(super) struct Arguments {
    /// The folders of the members' runs, or folders that hold them
    #[arg(required = true, value_name = "DIR")]
    folders: Vec<PathBuf>,
    /// What becomes of it when a member is missing, late, or of doubtful time: it cannot be judged, or
    /// it is judged by the load of the others
    #[arg(long, value_name = "HOW", value_enum, default_value_t)]
    missing: Wish,
    /// Where the merged run goes
    #[arg(long, value_name = "DIR", default_value = "runs")]
    out: PathBuf,
    /// What is printed: text, json, markdown, junit, ...
    #[arg(long, value_name = "NAME", value_parser = super::report::format, default_value = "text")]
    format: &'static Format,
}

/// The word for [`Missing`].
#[derive(Clone, Copy, Debug, Default, clap::ValueEnum)]
enum Wish {
    #[default]
    Invalid,
    Narrow,
}

/// Shows the run before anything is written: no disk can take the verdict away.
pub(super) fn main(arguments: &Arguments) -> Exit {
    let missing = match arguments.missing {
        Wish::Invalid => Missing::Invalid,
        Wish::Narrow => Missing::Narrow,
    };
    let merged = match merge(&arguments.folders, missing) {
        Ok(merged) => merged,
        Err(error) => return refused(&error),
    };
    let exit = Exit::from_code(merged.report.exit_code);
    let shown = Stored::of(merged.report.clone());
    let printed = output::result((arguments.format.render)(&shown));
    if printed != Exit::Pass {
        return printed;
    }
    match merged.leave(&arguments.out) {
        Ok((folder, losses)) => {
            losses.iter().for_each(|loss| output::complain(&format_args!("lost: {loss}")));
            output::remark(&format!("merged into {}", folder.display()));
            if losses.is_empty() { exit } else { lost(exit) }
        }
        Err(error) => {
            output::complain(&format_args!("{error}; choose another folder with -out"));
            lost(exit)
        }
    }
}

/// A verdict that stands goes on to do so; a pass that left nothing is none.
const fn lost(exit: Exit) -> Exit {
    match exit {
        Exit::Pass => Exit::Internal,
        other => other,
    }
}

fn refused(error: &MergeError) -> Exit {
    output::complain(error);
    Exit::Usage
}
