//! A child with everything that it starts, none of which outlives us: a process group and a watcher.
//!
//! The harness starts *itself* as the first process of a new group; that one starts the program, waits
//! for it, and looks whether the harness is still there. When it is not, however it ended, the watcher
//! kills the group.

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::ExitStatus;
use std::time::Duration;

use rustix::process::{Pid, Signal, getppid, kill_process_group};
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{Instant, timeout_at};

/// The first argument that makes the binary a watcher instead of a harness.
pub const VERB: &str = "watch-group";

/// How often the watcher looks.
const LOOK: Duration = Duration::from_millis(20);

/// What a shell adds to the number of a signal that ended a program.
const SIGNALLED: i32 = 128;

/// A command that runs `program` in a group of its own, to be given arguments and streams.
#[must_use]
pub fn command(harness: &Path, program: &OsStr) -> Command {
    let mut command = Command::new(harness);
    command.arg(VERB).arg(std::process::id().to_string()).arg(program);
    command.process_group(0).kill_on_drop(true);
    command
}

/// A running group.
#[derive(Debug)]
pub struct Group {
    child: Child,
    id: Option<Pid>,
}

impl Group {
    /// The group of a child that [`command`] started.
    #[must_use]
    pub fn of(child: Child) -> Self {
        let id = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        Self { child, id }
    }

    /// The child, for its streams.
    pub const fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// The number of its process group, while it runs.
    #[must_use]
    pub fn id(&self) -> Option<i32> {
        self.id.map(Pid::as_raw_pid)
    }

    /// Waits until the program has ended, and ends what it left behind; says how it ended.
    ///
    /// # Errors
    /// When the operating system does not tell.
    pub async fn ended(&mut self) -> std::io::Result<Ended> {
        let status = self.child.wait().await?;
        self.signal(Signal::KILL);
        self.id = None;
        Ok(Ended::of(status))
    }

    /// How it ended, if it has.
    pub fn try_ended(&mut self) -> Option<Ended> {
        self.child.try_wait().ok().flatten().map(Ended::of)
    }

    /// Asks the group to end, and ends it when it has not after `grace`.
    pub async fn end(mut self, grace: Duration) -> Option<Ended> {
        if self.try_ended().is_none() {
            self.signal(Signal::TERM);
        }
        let until = Instant::now() + grace;
        let ended = timeout_at(until, self.child.wait()).await;
        self.signal(Signal::KILL);
        match ended {
            Ok(status) => status.ok().map(Ended::of),
            Err(_) => self.child.wait().await.ok().map(Ended::of),
        }
    }

    fn signal(&self, signal: Signal) {
        if let Some(id) = self.id {
            // Gone already: then there is nothing to end.
            let _ = kill_process_group(id, signal);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
    }
}

/// How a program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// With this exit code.
    Code(i32),
    /// By this signal.
    Signal(i32),
}

impl Ended {
    fn of(status: ExitStatus) -> Self {
        use std::os::unix::process::ExitStatusExt;
        match (status.code(), status.signal()) {
            (Some(code), _) if code > SIGNALLED => Self::Signal(code - SIGNALLED),
            (Some(code), _) => Self::Code(code),
            (None, signal) => Self::Signal(signal.unwrap_or_default()),
        }
    }
}

/// Signals that end programs, as people know them.
const NAMES: [(Signal, &str); 9] = [
    (Signal::HUP, "SIGHUP"),
    (Signal::INT, "SIGINT"),
    (Signal::QUIT, "SIGQUIT"),
    (Signal::ILL, "SIGILL"),
    (Signal::ABORT, "SIGABRT"),
    (Signal::FPE, "SIGFPE"),
    (Signal::KILL, "SIGKILL"),
    (Signal::SEGV, "SIGSEGV"),
    (Signal::TERM, "SIGTERM"),
];

impl std::fmt::Display for Ended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exit code {code}"),
            Self::Signal(signal) => match NAMES.iter().find(|(known, _)| known.as_raw() == *signal)
            {
                Some((_, name)) => write!(f, "signal {signal} ({name})"),
                None => write!(f, "signal {signal}"),
            },
        }
    }
}

/// A group is asked to end as a whole, and the watcher is one of it: would it end first, nobody would
/// wait for a program that puts things in order before it goes. The program does not inherit this.
fn outlast_the_request() -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let _inside = runtime.enter();
    // Once listened for, it is never again what ends this process.
    signal(SignalKind::terminate()).map(drop)
}

#[expect(clippy::disallowed_methods, reason = "the watcher has one thread and nothing else to do")]
fn wait(time: Duration) {
    std::thread::sleep(time);
}

/// Runs the program named by `arguments` (what follows [`VERB`]) and kills the group when the harness
/// is gone; returns the program's exit code, as a shell would.
///
/// # Errors
/// When the program cannot be started.
pub fn watch(mut arguments: impl Iterator<Item = OsString>) -> Result<u8, String> {
    let parent = arguments.next().and_then(|pid| pid.to_str()?.parse::<i32>().ok());
    let (Some(parent), Some(program)) = (parent, arguments.next()) else {
        return Err(format!("usage: harness {VERB} PARENT_PID PROGRAM [ARGUMENT...]"));
    };
    outlast_the_request().map_err(|error| format!("cannot listen for signals: {error}"))?;
    let mut child = std::process::Command::new(&program)
        .args(arguments)
        .spawn()
        .map_err(|error| format!("cannot run {}: {error}", program.display()))?;
    loop {
        let status = child.try_wait().map_err(|error| format!("cannot wait: {error}"))?;
        if status.is_some() {
            // One whose input ended with the harness is over a moment before we are told of that.
            wait(LOOK);
        }
        if getppid().map(Pid::as_raw_pid) != Some(parent) {
            // This process is one of the group.
            let _ = kill_process_group(rustix::process::getpgrp(), Signal::KILL);
        }
        if let Some(status) = status {
            let code = match Ended::of(status) {
                Ended::Code(code) => code,
                Ended::Signal(signal) => SIGNALLED + signal,
            };
            return Ok(u8::try_from(code).unwrap_or(u8::MAX));
        }
        wait(LOOK);
    }
}
