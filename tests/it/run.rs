//! The built program from the first socket to the exit code: short runs with fixed seeds, judged by
//! the facts that a busy machine cannot change.
//!
//! How fast anything was, and so whether a run passes, depends on who else uses the machine; that
//! every operation is accounted for, that no data is wrong, and what is said in which order does
//! not.

mod access;
mod drivers;
mod evidence;
mod exec;
mod foreign;
mod healing;
mod interrupt;
mod lists;
mod losses;
mod orphans;
mod pipeline;
mod refusals;
mod servers;
mod service;
mod stream;
mod traces;
mod witness;

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use harness::event::{EventKind, Phase};
use harness::report::{Line, Report};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// A few keys, so that storing them takes no time worth mentioning.
const WORKLOAD: &str = r#"
[workload]
name = "small"
summary = "reads and writes of a few hundred keys"
[workload.arrival]
constant = { rate = "400/s" }
[workload.keys]
uniform = { count = 200 }
[workload.values]
range = { min = "64B", max = "1KiB" }
[workload.mix]
get = 60
set = 30
delete = 5
incr = 5
"#;

/// A folder of its own in which the program runs.
pub(super) struct Place {
    folder: TempDir,
}

impl Place {
    pub(super) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a scenario called `name`: these lines on top, and the small workload.
    pub(super) fn scenario(&self, name: &str, text: &str) {
        let text = format!("summary = \"made for a test\"\nconcurrency = 8\n{text}\n{WORKLOAD}");
        std::fs::write(self.path(&format!("{name}.toml")), text).unwrap();
    }

    fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_harness"));
        command.current_dir(self.folder.path()).env_remove("RUST_LOG").stdin(Stdio::null());
        // Where these tests run is nothing to the program.
        command.env_remove("GITHUB_ACTIONS").env_remove("GITHUB_STEP_SUMMARY");
        command.args(line.split_whitespace());
        command
    }

    /// Runs any command line to its end.
    pub(super) fn run(&self, line: &str) -> Ended {
        Ended::of(&mut self.command(line))
    }

    /// Plays scenarios to their end, on ports of their own, with JSON on stdout.
    fn play(&self, line: &str) -> Ended {
        self.run(&format!("-json -listen 127.0.0.1:0 -api 127.0.0.1:0 -seed 7 {line}"))
    }

    /// The same, without waiting for the end.
    pub(super) fn start(&self, line: &str) -> Running {
        let line = format!("-json -listen 127.0.0.1:0 -api 127.0.0.1:0 -seed 7 {line}");
        Running::of(&mut self.command(&line), self.path("stderr"))
    }
}

/// How a program ended, and what it said.
pub(super) struct Ended {
    pub(super) code: i32,
    stdout: String,
    pub(super) stderr: String,
}

impl Ended {
    fn of(command: &mut Command) -> Self {
        let output = command.output().unwrap();
        Self {
            code: output.status.code().expect("no signal ended it"),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    fn lines(&self) -> Vec<Line> {
        self.stdout.lines().map(line).collect()
    }

    /// The report of the one run there was; the program must have ended as it says.
    fn report(&self) -> Report {
        let lines = self.lines();
        let Some(Line::Report(report)) = lines.last() else {
            panic!("the last line is no report; stderr: {}", self.stderr);
        };
        assert_eq!(i32::from(report.exit_code), self.code, "{:?}", report.reasons);
        (**report).clone()
    }

    /// Nothing was run: nothing on stdout, this code, and all of this on stderr.
    fn refused(&self, code: i32, words: &[&str]) {
        assert_eq!((self.code, self.stdout.as_str()), (code, ""), "{}", self.stderr);
        for word in words {
            assert!(self.stderr.contains(word), "no {word:?} in: {}", self.stderr);
        }
    }
}

/// A program that runs. It is ended when this is dropped.
pub(super) struct Running {
    child: Child,
    /// `None` when nobody listens any more.
    stdout: Option<BufReader<ChildStdout>>,
    stderr: PathBuf,
}

impl Running {
    /// Starts it, with its errors in a file.
    fn of(command: &mut Command, stderr: PathBuf) -> Self {
        let errors = File::create(&stderr).unwrap();
        let mut child = command.stdout(Stdio::piped()).stderr(errors).spawn().unwrap();
        let stdout = child.stdout.take().map(BufReader::new);
        Self { child, stdout, stderr }
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).unwrap();
    }

    /// What it says next; `None` when it has ended.
    fn next(&mut self) -> Option<Line> {
        let mut text = String::new();
        let read = self.stdout.as_mut()?.read_line(&mut text).unwrap();
        (read > 0).then(|| line(text.trim_end()))
    }

    /// Waits until it says this.
    pub(super) fn until(&mut self, mut wanted: impl FnMut(&Line) -> bool) -> Line {
        loop {
            match self.next() {
                Some(line) if wanted(&line) => return line,
                Some(_) => {}
                None => panic!("it ended early: {}", self.stderr()),
            }
        }
    }

    /// Everything that it still says, and its exit code.
    pub(super) fn rest(&mut self) -> (Vec<Line>, i32) {
        let lines = std::iter::from_fn(|| self.next()).collect();
        (lines, self.child.wait().unwrap().code().expect("no signal ended it"))
    }

    /// Its exit code, after closing the pipe that it writes to.
    fn unheard(&mut self) -> i32 {
        self.stdout = None;
        self.child.wait().unwrap().code().expect("no signal ended it")
    }

    pub(super) fn stderr(&self) -> String {
        std::fs::read_to_string(&self.stderr).unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already, which is all that is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads one line of the stream, strictly: a field that the types do not know would be one that the
/// schema does not know either.
fn line(text: &str) -> Line {
    let value: serde_json::Value = serde_json::from_str(text)
        .unwrap_or_else(|error| panic!("{error} in a line of stdout: {text:?}"));
    assert!(value.is_object(), "{text}");
    let line: Line = serde_json::from_value(value.clone())
        .unwrap_or_else(|error| panic!("{error} in a line of stdout: {text}"));
    assert_eq!(serde_json::to_value(&line).unwrap(), value, "a field that nobody knows: {text}");
    line
}

/// Every operation is accounted for, and no data is wrong.
fn assert_sound(report: &Report) {
    let reasons = &report.reasons;
    for phase in &report.phases {
        let figures = &phase.all.figures;
        let outcomes: u64 = figures.outcomes.values().sum();
        assert_eq!(outcomes, figures.offered, "{}: {reasons:?}", phase.all.name);
        assert_eq!(figures.offered, figures.operations + figures.lost_slots, "{reasons:?}");
    }
    let (issued, outcomes) = report.conservation();
    assert_eq!(issued, Some(outcomes), "{reasons:?}");
    assert_eq!(issued, report.harness.tickets_closed, "{reasons:?}");
    assert!(outcomes > 0, "{reasons:?}");
    assert_eq!(
        (report.data.totals.wrong, report.data.totals.corrupt),
        (Some(0), Some(0)),
        "{:?}",
        report.data.examples
    );
}

/// The places at which the lines of the stream say that a phase began.
fn phases(lines: &[Line]) -> Vec<Phase> {
    let phase = |line: &Line| match line {
        Line::Event(event) if event.kind == EventKind::PhaseStarted => Some(event.phase),
        _ => None,
    };
    lines.iter().filter_map(phase).collect()
}

/// Where the first event of this kind is.
fn position(lines: &[Line], wanted: impl Fn(&EventKind) -> bool) -> Option<usize> {
    lines.iter().position(|line| matches!(line, Line::Event(event) if wanted(&event.kind)))
}

fn is_applied(kind: &EventKind) -> bool {
    matches!(kind, EventKind::FaultApplied { .. })
}

fn is_healed(kind: &EventKind) -> bool {
    matches!(kind, EventKind::FaultHealed { .. })
}

/// The folder of the newest run below `out`.
fn newest(out: &Path) -> PathBuf {
    std::fs::canonicalize(out.join("latest")).unwrap()
}
