//! Results to stdout, what went wrong to stderr.

use std::fmt::Display;
use std::io::{ErrorKind, Write};

use super::exit::Exit;

/// Prints a result. A reader that has seen enough (`harness -list | head`) is no error.
pub(super) fn result(text: &str) -> Exit {
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Ok(()) => Exit::Pass,
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Exit::Pass,
        Err(error) => {
            complain(&format_args!("cannot write to stdout: {error}"));
            Exit::Internal
        }
    }
}

/// Says what went wrong, in the form in which clap does.
pub(super) fn complain(what: &dyn Display) {
    // Nobody is left to tell when stderr is gone.
    let _ = writeln!(std::io::stderr(), "error: {what}");
}

/// Says something that people may want to know, where stdout is for programs.
pub(super) fn remark(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}
