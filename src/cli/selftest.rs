//! `harness selftest`: does the harness notice what is known to be broken?

use std::fmt::Write;
use std::path::PathBuf;

use super::exit::Exit;
use super::interruptible::interruptible;
use super::session::exit_of;
use super::{output, values};
use crate::base::seed::Seed;
use crate::run::Environment;
use crate::run::selftest::{
    Expected, NodeOwner, ROWS, RowOutcome, Selftest, SelftestError, Size, Told,
};

/// Run nodes that lie and clients that are broken, each in one known way, and say who noticed; takes a
/// few minutes. Ends with 1 when something went unnoticed, or a healthy run failed.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Only what has this in its name; may be repeated
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
    /// Fewer operations and more lies: a quarter of the time and of the load
    #[arg(long)]
    quick: bool,
    /// How many runs go at a time
    #[arg(long, value_name = "COUNT", default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=4))]
    lanes: u8,
    /// One JSON object a line on stdout, and nothing else there
    #[arg(long)]
    json: bool,
    /// Where the runs leave their reports
    #[arg(long, value_name = "DIR", default_value = "runs/selftest")]
    out: PathBuf,
    /// Same seed, same decisions
    #[arg(long, value_name = "NUMBER", default_value_t = 1, value_parser = values::seed)]
    seed: u64,
}

/// Descriptors that four runs at a time may need: a few dozen connections through three proxies each.
const DESCRIPTORS: u64 = 2000;

/// Runs the matrix.
pub(super) fn main(arguments: &Arguments) -> Exit {
    interruptible(DESCRIPTORS, |environment| play(arguments, environment))
}

async fn play(arguments: &Arguments, environment: Environment) -> Exit {
    let wanted = |name: &str| {
        arguments.only.is_empty() || arguments.only.iter().any(|part| name.contains(part.as_str()))
    };
    let mut tasks = Selftest::tasks();
    tasks.retain(|(row, _)| wanted(row.name));
    if tasks.is_empty() {
        let names: Vec<&str> = ROWS.iter().map(|row| row.name).collect();
        output::complain(&format_args!(
            "-only: nothing is called so; there are {}",
            names.join(", ")
        ));
        return Exit::Usage;
    }
    let selftest = Selftest {
        size: if arguments.quick { Size::QUICK } else { Size::FULL },
        lanes: arguments.lanes.into(),
        out: arguments.out.clone(),
        seed: Seed::new(arguments.seed),
    };
    let (mut done, count) = (0, tasks.len());
    let told = |told: &Told| {
        done += 1;
        if arguments.json {
            // What is told is plain data, so that writing it cannot fail.
            let line = serde_json::to_string(told).unwrap_or_default();
            output::result(format!("{line}\n"));
        } else {
            output::remark(&format!("{done:3}/{count} {}", line_of(told)));
        }
    };
    match selftest.play(&tasks, &environment, told).await {
        Ok(_) if environment.interrupt.is_cancelled() => Exit::Interrupted,
        Ok(all) => finish(arguments, &all),
        Err(error) => {
            output::complain(&error);
            match error {
                SelftestError::Run { source, .. } => exit_of(&source),
                SelftestError::Plan { .. } => Exit::Internal,
                SelftestError::Node { .. } => Exit::LabDown,
            }
        }
    }
}

fn finish(arguments: &Arguments, all: &[Told]) -> Exit {
    if !arguments.json {
        let printed = output::result(table(all));
        if printed != Exit::Pass {
            return printed;
        }
    }
    let any = |outcome: RowOutcome| all.iter().any(|told| told.outcome == outcome);
    if any(RowOutcome::Missed) || any(RowOutcome::FalseAlarm) {
        return Exit::ObjectiveFailed;
    }
    if any(RowOutcome::Unjudged) {
        output::remark("the machine was too busy to judge some of it: end what else runs on it");
        return Exit::Inconclusive;
    }
    Exit::Pass
}

/// The rows in the order of the matrix, each with what noticed it.
fn table(all: &[Told]) -> String {
    let mut text =
        format!("{:26} {:8} {:12} {:9} what noticed it\n", "broken", "nodes", "", "verdict");
    for row in ROWS {
        for told in all.iter().filter(|told| told.name == row.name) {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{}", line_of(told));
            if let (Expected::Unknowable(why), true) = (row.expected, told.noticed_by.is_empty()) {
                let _ = writeln!(text, "{:57} nobody can know: {why}", "");
            }
            if matches!(
                told.outcome,
                RowOutcome::Missed | RowOutcome::FalseAlarm | RowOutcome::Unjudged
            ) {
                if let Expected::NoticedBy(names) = row.expected {
                    let _ = writeln!(text, "{:57} asked for: {}", "", names.join(" or "));
                }
                for reason in &told.reasons {
                    let _ = writeln!(text, "{:57} {reason}", "");
                }
                if let Some(folder) = &told.folder {
                    let _ = writeln!(text, "{:57} {}", "", folder.display());
                }
            }
        }
    }
    text
}

fn line_of(told: &Told) -> String {
    let nodes = match told.nodes {
        NodeOwner::Own => "own",
        NodeOwner::Servers => "-servers",
    };
    let outcome = match told.outcome {
        RowOutcome::Noticed => "noticed",
        RowOutcome::Quiet => "quiet",
        RowOutcome::Unknowable => "unknowable",
        RowOutcome::Unjudged => "not judged",
        RowOutcome::Missed => "MISSED",
        RowOutcome::FalseAlarm => "FALSE ALARM",
    };
    let by = told.noticed_by.join(", ");
    let line = format!("{:26} {nodes:8} {outcome:12} {:9} {by}", told.name, told.verdict.name());
    line.trim_end().to_owned()
}
