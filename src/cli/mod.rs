//! The command line: the one place that reads arguments, prints, and picks an exit code.
//!
//! One file for each command, and one line for it in `arguments.rs`. Nothing here decides anything
//! about a run; it reads words, calls the library, and says what came of it.

mod arguments;
mod argv;
mod called;
mod check;
mod compare;
mod completions;
mod conclusion;
mod ctl;
mod doctor;
mod dry_run;
mod examine;
mod exec;
mod exit;
mod explain;
mod fleet;
mod github;
mod healthcheck;
mod index;
mod interruptible;
mod list;
mod log;
mod man;
mod merge;
mod metrics;
mod node;
mod outlet;
mod output;
mod placed;
mod proxy;
mod report;
mod route;
mod run;
mod runtime;
mod screen;
mod selftest;
mod session;
mod shrink;
mod signals;
mod tally;
mod telling;
mod up;
mod values;
mod watch;

use std::ffi::OsString;
use std::process::ExitCode;

use arguments::{Arguments, Command};
use clap::error::{ContextKind, ContextValue, ErrorKind};
use ctl::Program;
pub use exit::Exit;

use crate::base::terminal::Text;
use crate::base::{descriptors, group};
use crate::lab::backend::leash;

/// What a shell says of a program that it cannot run.
const CANNOT_RUN: u8 = 127;

/// Does what the command line of this process asks for.
#[must_use]
pub fn main() -> ExitCode {
    let mut words = std::env::args_os();
    let name = words.next().unwrap_or_default();
    let words: Vec<OsString> = words.collect();
    if words.first().is_some_and(|word| word == leash::VERB) {
        return leash(words.into_iter().skip(1));
    }
    if words.first().is_some_and(|word| word == group::VERB) {
        return watch(words.into_iter().skip(1));
    }
    descriptors::raise_limit();
    if let Some(exit) = called::other_program(&name, &words) {
        return exit;
    }
    let command = Arguments::command_built();
    match Arguments::read(argv::normalise(&command, arguments::DEFAULT, words)) {
        Ok(arguments) => dispatch(&arguments.command),
        Err(error) => refused(&error).into(),
    }
}

/// Says what clap says. Help and version are errors of its own too: they go to stdout and end with 0.
fn refused(error: &clap::Error) -> Exit {
    if let Some(cure) = stray_word(error).and_then(run::meant_by) {
        output::complain(&cure);
        return Exit::Usage;
    }
    let plain = error.render().to_string();
    // With its colours only when there is nothing else in it that a terminal would obey.
    if Text::from(plain.as_str()).as_str() == plain {
        // Nobody is left to tell when the output is gone (`harness -help | head`).
        let _ = error.print();
    } else {
        output::remark(&plain);
    }
    if error.use_stderr() { Exit::Usage } else { Exit::Pass }
}

/// The word that stands where a command or an option belongs.
fn stray_word(error: &clap::Error) -> Option<&str> {
    let place = match error.kind() {
        ErrorKind::InvalidSubcommand => ContextKind::InvalidSubcommand,
        ErrorKind::UnknownArgument => ContextKind::InvalidArg,
        _ => return None,
    };
    match error.get(place) {
        Some(ContextValue::String(word)) if !word.starts_with('-') => Some(word),
        _ => None,
    }
}

/// The harness as the child that becomes a node; not a command for people.
fn leash(words: impl Iterator<Item = OsString>) -> ExitCode {
    let problem = leash::become_program(words);
    output::complain(&problem);
    Exit::LabDown.into()
}

/// The harness as the watcher of a child's process group; not a command for people.
fn watch(words: impl Iterator<Item = OsString>) -> ExitCode {
    match group::watch(words) {
        Ok(code) => code.into(),
        Err(problem) => {
            output::complain(&problem);
            CANNOT_RUN.into()
        }
    }
}

fn dispatch(command: &Command) -> ExitCode {
    match command {
        Command::Run(arguments) => run::main(arguments).into(),
        Command::Examine(arguments) => examine::main(arguments).into(),
        Command::Exec(arguments) => exec::main(arguments).into(),
        Command::Report(arguments) => report::main(arguments).into(),
        Command::Compare(arguments) => compare::main(arguments).into(),
        Command::Merge(arguments) => merge::main(arguments).into(),
        Command::Shrink(arguments) => shrink::main(arguments).into(),
        Command::Check(arguments) => check::main(arguments).into(),
        Command::Up(arguments) => up::main(arguments).into(),
        Command::Node(arguments) => node::main(arguments).into(),
        Command::List(arguments) => list::main(arguments).into(),
        Command::Explain(arguments) => explain::main(arguments).into(),
        Command::Doctor(arguments) => doctor::main(arguments).into(),
        Command::Selftest(arguments) => selftest::main(arguments).into(),
        Command::Route(arguments) => route::main(arguments).into(),
        Command::Proxy(arguments) => proxy::main(arguments),
        Command::Ctl(arguments) => ctl::main(arguments, &Program::harness()),
        Command::Completions(arguments) => completions::main(arguments).into(),
        Command::Man(arguments) => man::main(arguments).into(),
    }
}
