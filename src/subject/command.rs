//! A command that makes its calls itself: a test suite, a job, a server with a load of its own. Or an
//! application of somebody who was told where the proxies are: then there is nothing to start or end.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::io::AsyncRead;
use tokio::net::unix::pipe::Receiver;
use tokio::sync::{oneshot, watch};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::{LossListener, Output, Relisted, Subject};
use crate::base::group::{self, Ended, Group};
use crate::base::lines::{Lines, TooLong};
use crate::base::scope::Scope;
use crate::client::NodeSnapshot;
use crate::event::{CommandFacts, SubjectFacts};
use crate::load::{LoadTotals, Preloaded, Progress};

/// How long a command may take to end when it was asked to.
const END_GRACE: Duration = Duration::from_secs(3);

/// How long its output is waited for when it has ended: a process that left its group may hold it open.
const OUTPUT_GRACE: Duration = Duration::from_millis(500);

/// What is kept of one line of its output.
const LINE_BYTES_MAX: usize = 8 << 10;

/// What is kept of its output, the last of it.
const OUTPUT_BYTES_MAX: usize = 1 << 20;

/// The last lines of its output that a report has.
const LAST_LINES: usize = 20;

/// The file of a run that has its output.
const LOG: &str = "command.log";

/// What it is started with.
#[derive(Debug)]
pub(crate) struct Settings {
    /// What starts it in its place, with its words behind; `None`: nothing does.
    pub(crate) launcher: Option<[OsString; 2]>,
    /// `None`: an application that somebody else starts, and that lasts as long as the run.
    pub(crate) program: Option<OsString>,
    pub(crate) arguments: Vec<OsString>,
    pub(crate) environment: Vec<(String, String)>,
    /// This binary.
    pub(crate) harness: PathBuf,
}

/// A command that runs, or has.
#[derive(Debug)]
pub(crate) struct Command {
    kind: &'static str,
    line: String,
    output: Arc<Mutex<Kept>>,
    /// Asks it to end.
    stop: CancellationToken,
    end: watch::Receiver<Option<End>>,
}

/// How it came to its end.
#[derive(Clone, Copy, Debug)]
struct End {
    /// `None`: the operating system does not tell.
    how: Option<Ended>,
    by_harness: bool,
}

/// The last of its output.
#[derive(Debug, Default)]
struct Kept {
    lines: VecDeque<String>,
    bytes: usize,
    dropped: u64,
}

impl Kept {
    fn add(&mut self, line: String) {
        self.bytes += line.len() + 1;
        self.lines.push_back(line);
        while self.bytes > OUTPUT_BYTES_MAX
            && let Some(oldest) = self.lines.pop_front()
        {
            self.bytes -= oldest.len() + 1;
            self.dropped += 1;
        }
    }
}

/// Starts it; its calls may begin at once.
///
/// # Errors
/// What the operating system says.
pub(crate) fn start(given: Settings, scope: &Scope) -> std::io::Result<Command> {
    let Settings { launcher, program, arguments, environment, harness } = given;
    let Some(program) = program else { return Ok(of_others(scope)) };
    let words = std::iter::once(&program).chain(&arguments);
    let line = words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ");
    // One pipe for both: what came first stands first.
    let (reader, writer) = std::io::pipe()?;
    let words = launcher.into_iter().flatten().chain([program]).chain(arguments);
    let words: Vec<OsString> = words.collect();
    let mut command = group::command(&harness, &words[0]);
    command
        .args(&words[1..])
        .envs(environment)
        .stdin(Stdio::null())
        .stdout(writer.try_clone()?)
        .stderr(writer);
    let group = Group::of(command.spawn()?);
    // It holds the pipe open.
    drop(command);
    let output = Arc::<Mutex<Kept>>::default();
    let (stop, heard) = (CancellationToken::new(), CancellationToken::new());
    let (ended, end) = watch::channel(None);
    let (said_all, silence) = oneshot::channel();
    let reader = Receiver::from_owned_fd(OwnedFd::from(reader))?;
    scope.spawn("command-output", {
        let (output, heard) = (Arc::clone(&output), heard.clone());
        async move {
            heard.run_until_cancelled(keep(reader, &output)).await;
            let _ = said_all.send(());
        }
    });
    scope.spawn("command", {
        let (stop, scope) = (stop.clone(), scope.clone());
        async move {
            let end = until_its_end(group, &stop, &scope).await;
            let _ = timeout(OUTPUT_GRACE, silence).await;
            heard.cancel();
            ended.send_replace(Some(end));
        }
    });
    Ok(Command { kind: "command", line, output, stop, end })
}

/// An application that somebody else starts and ends.
fn of_others(scope: &Scope) -> Command {
    let stop = CancellationToken::new();
    let (ended, end) = watch::channel(None);
    let (asked, whole) = (stop.clone(), scope.clone());
    scope.spawn("application", async move {
        tokio::select! {
            () = asked.cancelled() => {}
            () = whole.cancelled() => {}
        }
        ended.send_replace(Some(End { how: None, by_harness: true }));
    });
    let line = "an application of yours".to_owned();
    Command { kind: SubjectFacts::APPLICATION, line, output: Arc::default(), stop, end }
}

async fn until_its_end(mut group: Group, stop: &CancellationToken, scope: &Scope) -> End {
    tokio::select! {
        how = group.ended() => return End { how: how.ok(), by_harness: false },
        () = stop.cancelled() => {}
        () = scope.cancelled() => {}
    }
    End { how: group.end(END_GRACE).await, by_harness: true }
}

async fn keep(output: impl AsyncRead + Unpin, kept: &Mutex<Kept>) {
    let mut lines = Lines::of(output, LINE_BYTES_MAX);
    while let Some(line) = lines.next().await {
        let line = line.map_or_else(
            |TooLong| format!("(a line of more than {LINE_BYTES_MAX} bytes)"),
            |line| String::from_utf8_lossy(line).into_owned(),
        );
        kept.lock().add(line);
    }
}

impl Command {
    fn how_it_ended(&self) -> Option<End> {
        *self.end.borrow()
    }

    async fn until_ended(&self) {
        // The task that tells is gone only with the whole run.
        let _ = self.end.clone().wait_for(Option::is_some).await;
    }
}

impl Subject for Command {
    fn facts(&self) -> SubjectFacts {
        let end = self.how_it_ended();
        let how = end.and_then(|end| end.how);
        let kept = self.output.lock();
        let last = kept.lines.iter().skip(kept.lines.len().saturating_sub(LAST_LINES));
        let command = CommandFacts {
            ended: how.map(|how| how.to_string()),
            exit_code: how.and_then(|how| match how {
                Ended::Code(code) => Some(code),
                Ended::Signal(_) => None,
            }),
            signal: how.and_then(|how| match how {
                Ended::Signal(signal) => Some(signal),
                Ended::Code(_) => None,
            }),
            ended_by_harness: end.is_some_and(|end| end.by_harness),
            rounds: 0,
            last_lines: last.cloned().collect(),
        };
        SubjectFacts {
            kind: self.kind.to_owned(),
            name: self.line.clone(),
            command: Some(command),
            ..SubjectFacts::default()
        }
    }

    fn makes_the_load(&self) -> bool {
        true
    }

    fn output(&self) -> Option<Output> {
        (self.kind != SubjectFacts::APPLICATION).then(|| {
            let kept = self.output.lock();
            let lines = kept.lines.iter().cloned().collect();
            Output { file: LOG, lines, dropped: kept.dropped }
        })
    }

    fn planted(&self) -> Option<String> {
        None
    }

    fn trouble(&self) -> Option<String> {
        None
    }

    fn loss_listener(&self) -> LossListener {
        // Nobody here remembers what the nodes hold.
        Arc::new(|_| {})
    }

    fn on_relisted(&self) -> Relisted {
        // It reads the list by itself, or does not.
        Box::new(|_, _| None)
    }

    async fn preload(&self) -> Preloaded {
        Preloaded::default()
    }

    fn begin(&self) {}

    fn progress(&self) -> Progress {
        Progress::default()
    }

    fn snapshot(&self) -> Option<Vec<NodeSnapshot>> {
        None
    }

    async fn ended(&self) {
        self.until_ended().await;
    }

    fn stop(&self) {
        self.stop.cancel();
    }

    async fn drain(&mut self) -> Option<LoadTotals> {
        self.until_ended().await;
        None
    }

    async fn close(self) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Catches output that grows without bound, and the last words that are lost for it.
    #[test]
    fn the_last_of_the_output_is_kept() {
        let mut kept = Kept::default();
        for number in 0..200_000 {
            kept.add(format!("line {number}"));
        }
        assert!(kept.bytes <= OUTPUT_BYTES_MAX);
        assert_eq!(kept.lines.len() as u64 + kept.dropped, 200_000);
        assert_eq!(kept.lines.back().map(String::as_str), Some("line 199999"));
    }
}
