//! The command line: the one place that reads arguments, prints, and picks an exit code.
//!
//! One file for each command, and one line for it in `arguments.rs`. Nothing here decides anything
//! about a run; it reads words, calls the library, and says what came of it.

mod arguments;
mod argv;
mod check;
mod ctl;
mod doctor;
mod exit;
mod explain;
mod list;
mod log;
mod node;
mod output;
mod proxy;
mod report;
mod route;
mod run;
mod screen;
mod session;
mod up;
mod values;

use std::ffi::OsString;
use std::process::ExitCode;

use arguments::{Arguments, Command};
pub use exit::Exit;

use crate::base::descriptors;
use crate::lab::backend::leash;

/// Does what the command line of this process asks for.
#[must_use]
pub fn main() -> ExitCode {
    let mut words = std::env::args_os().skip(1);
    if words.next().is_some_and(|word| word == leash::VERB) {
        return leash(words);
    }
    descriptors::raise_limit();
    let command = Arguments::command_built();
    let words = argv::normalise(&command, arguments::DEFAULT, std::env::args_os().skip(1));
    match Arguments::read(words) {
        Ok(arguments) => dispatch(&arguments.command),
        Err(error) => {
            // Nobody is left to tell when the output is gone (`harness -help | head`).
            let _ = error.print();
            // Help and version are errors of clap's too: they go to stdout and end with 0.
            if error.use_stderr() { Exit::Usage.into() } else { Exit::Pass.into() }
        }
    }
}

/// The harness as the child that becomes a node; not a command for people.
fn leash(words: impl Iterator<Item = OsString>) -> ExitCode {
    let problem = leash::become_program(words);
    output::complain(&problem);
    Exit::LabDown.into()
}

fn dispatch(command: &Command) -> ExitCode {
    match command {
        Command::Run(arguments) => run::main(arguments).into(),
        Command::Report(arguments) => report::main(arguments).into(),
        Command::Check(arguments) => check::main(arguments).into(),
        Command::Up(arguments) => up::main(arguments).into(),
        Command::Node(arguments) => node::main(arguments).into(),
        Command::List(arguments) => list::main(arguments).into(),
        Command::Explain(arguments) => explain::main(arguments).into(),
        Command::Doctor(arguments) => doctor::main(arguments).into(),
        Command::Route(arguments) => route::main(arguments).into(),
        Command::Proxy(arguments) => proxy::main(arguments).into(),
        Command::Ctl(arguments) => ctl::main(arguments),
    }
}
