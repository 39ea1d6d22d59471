//! A child that cannot outlive us, without a line of unsafe code.
//!
//! The kernel can signal a process when its parent dies (`PR_SET_PDEATHSIG`), but asking for that in
//! the child between fork and exec needs `unsafe`. So the harness starts *itself* as the child, asks
//! for the signal there, checks that the parent is still the one that started it, and becomes the
//! real program by exec, which keeps the setting. One trap remains (prctl(2)): the signal fires when
//! the *thread* that started the child ends, so only a thread that lives as long as the process may
//! start one: see [`super::process::Supervisor`].

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// The first argument that makes the binary a leash instead of a harness.
pub const VERB: &str = "leash-to-parent";

/// Builds the command that runs `program` leashed to this process: `harness leash-to-parent PID
/// PROGRAM ARGS...`.
#[must_use]
pub fn command(harness: &std::path::Path, program: &std::path::Path) -> Command {
    let mut command = Command::new(harness);
    command.arg(VERB).arg(std::process::id().to_string()).arg(program);
    command
}

/// Becomes the program named by `arguments` (what follows [`VERB`]). Returns only when that failed.
#[must_use]
pub fn become_program(mut arguments: impl Iterator<Item = OsString>) -> String {
    let parent = arguments.next().and_then(|pid| pid.to_str()?.parse::<i32>().ok());
    let (Some(parent), Some(program)) = (parent, arguments.next()) else {
        return format!("usage: harness {VERB} PARENT_PID PROGRAM [ARGUMENT...]");
    };
    if let Err(problem) = leash(parent) {
        return problem;
    }
    let error = Command::new(&program).args(arguments).exec();
    format!("cannot run {}: {error}", program.display())
}

#[cfg(target_os = "linux")]
fn leash(parent: i32) -> Result<(), String> {
    use rustix::process::{Signal, getppid, set_parent_process_death_signal};
    set_parent_process_death_signal(Some(Signal::KILL))
        .map_err(|error| format!("cannot ask for the parent's death signal: {error}"))?;
    // The parent may have died before we asked; then nobody will ever tell us.
    let now = getppid().map(|pid| pid.as_raw_nonzero().get());
    if now == Some(parent) { Ok(()) } else { Err("the harness died before its child began".into()) }
}

/// Elsewhere a child ends with an orderly exit of the harness, not with its `kill -9`.
#[cfg(not(target_os = "linux"))]
fn leash(_parent: i32) -> Result<(), String> {
    Ok(())
}
