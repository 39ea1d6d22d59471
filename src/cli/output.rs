//! Results to stdout, what went wrong to stderr, and nothing on either that a terminal would obey.

use std::fmt::Display;
use std::io::{self, ErrorKind, Write};

use super::exit::Exit;
use crate::base::terminal::Text;

/// Prints a result. A reader that has seen enough (`harness -list | head`) is no error.
pub(super) fn result(text: impl Into<Text>) -> Exit {
    match show(&text.into()) {
        Ok(()) => Exit::Pass,
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Exit::Pass,
        Err(error) => {
            complain(&format_args!("cannot write to stdout: {error}"));
            Exit::Internal
        }
    }
}

/// Writes to stdout.
pub(super) fn show(text: &Text) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_str().as_bytes())?;
    stdout.flush()
}

/// Says what went wrong, in the form in which clap does.
pub(super) fn complain(what: &dyn Display) {
    remark(&format!("error: {what}"));
}

/// Says something that people may want to know, where stdout is for programs.
pub(super) fn remark(text: &str) {
    // Nobody is left to tell when stderr is gone.
    let _ = io::stderr().write_all(remarked(text).as_str().as_bytes());
}

/// The line of a remark.
pub(super) fn remarked(text: &str) -> Text {
    let mut line = Text::message(text);
    line.own("\n");
    line
}
