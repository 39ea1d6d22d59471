//! The process of a driver: started, listened to, started once more when it dies, ended.

use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::io::AsyncWriteExt;
use tokio::process::{ChildStderr, ChildStdin, ChildStdout};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep, timeout};

use super::config::DriverConfig;
use super::speech::{self, Hello, LINE_BYTES_MAX, Nonsense};
use super::state::{Crash, PINGS_MAX, Starting, State};
use crate::base::group::{self, Ended, Group};
use crate::base::lines::{Lines, TooLong};
use crate::base::scope::Scope;
use crate::event::{EventKind, Events};
use crate::http::NotReady;
use crate::protocol::Protocol;
use crate::secure::access::Invitation;

/// How long a driver may take until it is ready: a virtual machine that starts, a package that compiles.
pub(super) const READY_TIMEOUT: Duration = Duration::from_secs(30);

/// How long it may take to end when it was asked to.
const END_GRACE: Duration = Duration::from_secs(2);

/// How often the floor is measured, all through a run.
const PING_PERIOD: Duration = Duration::from_millis(50);

pub(super) const STDERR_LINE_BYTES_MAX: usize = 4096;

/// Times that a driver which died is started again.
const RESTARTS_MAX: usize = 1;

/// Why a driver cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The program cannot be started, or ended before it was ready.
    #[error("the driver {command} ended before it was ready ({how}){last_words}{install}")]
    Ended {
        /// Its command line.
        command: String,
        /// How it ended.
        how: String,
        /// What it said on stderr.
        last_words: String,
        /// How to install the client.
        install: String,
    },
    /// It said nothing in time.
    #[error("the driver {command} was not ready after {} s{last_words}", READY_TIMEOUT.as_secs())]
    Silent {
        /// Its command line.
        command: String,
        /// What it said on stderr.
        last_words: String,
    },
    /// It said something else.
    #[error(
        "the driver {command} does not speak the driver protocol: {nonsense}; docs/drivers.md has it"
    )]
    Nonsense {
        /// Its command line.
        command: String,
        /// What it said.
        nonsense: Nonsense,
    },
    /// It is to be reached by HTTP, and is not.
    #[error(transparent)]
    Web(#[from] NotReady),
    /// The operating system starts no process.
    #[error("cannot start the driver {command}: {error}")]
    System {
        /// Its command line.
        command: String,
        /// What it says.
        error: std::io::Error,
    },
}

impl StartError {
    /// It ended before it was ready.
    pub(super) fn ended(config: &DriverConfig, how: Option<Ended>, last_words: &str) -> Self {
        let install = &config.install;
        Self::Ended {
            command: command_line(config),
            how: how.map_or_else(|| "nobody knows how".to_owned(), |how| how.to_string()),
            last_words: shown(last_words),
            install: if install.is_empty() {
                String::new()
            } else {
                let folder = config.folder.display();
                format!("\n  to install its client: (cd {folder} && {})", install.join(" "))
            },
        }
    }

    /// It said nothing in time.
    pub(super) fn silent(config: &DriverConfig, last_words: &str) -> Self {
        Self::Silent { command: command_line(config), last_words: shown(last_words) }
    }

    /// It said something else.
    pub(super) fn nonsense(config: &DriverConfig, nonsense: Nonsense) -> Self {
        Self::Nonsense { command: command_line(config), nonsense }
    }
}

fn command_line(config: &DriverConfig) -> String {
    format!("`{}`", config.command.join(" "))
}

fn shown(last_words: &str) -> String {
    if last_words.is_empty() { String::new() } else { format!("; its last words:\n  {last_words}") }
}

/// A process that was just started, and its streams.
pub(super) struct Started {
    pub(super) group: Group,
    pub(super) stdin: ChildStdin,
    pub(super) stdout: ChildStdout,
    pub(super) stderr: ChildStderr,
}

/// Starts the process, in a group that ends with us.
pub(super) fn spawn(config: &DriverConfig, harness: &Path) -> Result<Started, StartError> {
    let (program, arguments) = config.command.split_first().expect("checked when read");
    let mut command = group::command(harness, program.as_ref());
    command
        .args(arguments)
        .current_dir(&config.folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let child = command
        .spawn()
        .map_err(|error| StartError::System { command: command_line(config), error })?;
    let mut group = Group::of(child);
    let child = group.child();
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let (Some(stdin), Some(stdout), Some(stderr)) = (stdin, stdout, stderr) else {
        unreachable!("all three were asked for")
    };
    Ok(Started { group, stdin, stdout, stderr })
}

/// The first line that a driver is told.
pub(super) fn greeting(
    config: &DriverConfig,
    servers: &[String],
    invitation: &Invitation,
) -> Vec<u8> {
    let authority = invitation.authority.as_ref().map(|file| file.to_string_lossy());
    let account = invitation.account.as_ref();
    speech::line(&Hello {
        hello: speech::VERSION,
        servers,
        concurrency: config.concurrency,
        timeout_ms: u64::try_from(config.timeout.as_millis()).unwrap_or(u64::MAX),
        protocol: (config.protocol != Protocol::Memcached).then(|| config.protocol.name()),
        tls_ca: authority.as_deref(),
        username: account.map(|account| account.user.as_str()),
        password: account.map(|account| account.password.as_str()),
        sasl: invitation.sasl,
        settings: &config.settings,
    })
}

/// A start under way.
type StartUnderWay<'a> = Pin<Box<dyn Future<Output = Result<(), StartError>> + Send + 'a>>;

/// Everything that a running driver needs to be started (again).
#[derive(Debug)]
pub(super) struct Recipe {
    pub(super) config: DriverConfig,
    /// Every node, in the order of their numbers.
    pub(super) servers: Vec<String>,
    /// What they ask of who connects.
    pub(super) invitation: Invitation,
    pub(super) harness: PathBuf,
    pub(super) events: Events,
    pub(super) scope: Scope,
}

/// What the tasks of a driver share with whoever calls it.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) recipe: Recipe,
    pub(super) state: Mutex<State>,
}

impl Shared {
    /// Starts the process and waits until it is ready. Boxed: the task that listens to a driver which
    /// dies starts the next.
    pub(super) fn start(self: &Arc<Self>) -> StartUnderWay<'_> {
        Box::pin(self.start_one())
    }

    async fn start_one(self: &Arc<Self>) -> Result<(), StartError> {
        let recipe = &self.recipe;
        let Started { group, stdin, stdout, stderr } = spawn(&recipe.config, &recipe.harness)?;
        let lines = 2 * recipe.config.concurrency as usize + 2 * PINGS_MAX;
        let (outbox, inbox) = mpsc::channel(lines);
        let (told, greeted) = oneshot::channel();
        // There is room: nobody else has the queue yet.
        let list = self.state.lock().list.clone();
        let _ = outbox.try_send(greeting(&recipe.config, &list, &recipe.invitation));
        self.state.lock().begin(Starting { told, outbox });
        let (ended, over) = oneshot::channel();
        let scope = &recipe.scope;
        scope.spawn("driver-stdin", write(stdin, inbox));
        scope.spawn("driver-stderr", Arc::clone(self).keep_stderr(stderr));
        scope.spawn("driver", Arc::clone(self).watch(group, stdout, ended));
        match timeout(READY_TIMEOUT, greeted).await {
            Ok(Ok(Ok(()))) => Ok(()),
            Ok(Ok(Err(nonsense))) => Err(StartError::nonsense(&recipe.config, nonsense)),
            Ok(Err(_)) => {
                let how = over.await.ok().flatten();
                Err(StartError::ended(&recipe.config, how, &self.last_words()))
            }
            Err(_) => {
                // Its input ends, and with it whoever reads that.
                self.state.lock().starting = None;
                Err(StartError::silent(&recipe.config, &self.last_words()))
            }
        }
    }

    fn last_words(&self) -> String {
        self.state.lock().last_words()
    }

    /// Listens to the driver until it ends, and begins again.
    async fn watch(
        self: Arc<Self>,
        mut group: Group,
        stdout: ChildStdout,
        ended: oneshot::Sender<Option<Ended>>,
    ) {
        let scope = self.recipe.scope.clone();
        tokio::select! {
            () = self.listen(stdout) => {}
            () = self.ping() => {}
            () = scope.cancelled() => {}
        }
        let (was_ready, closing) = {
            let mut state = self.state.lock();
            state.starting = None;
            (state.outbox.take().is_some(), state.closing || scope.is_cancelled())
        };
        // What it said is over; so is it, or will be.
        let how = match timeout(END_GRACE, group.ended()).await {
            Ok(how) => how.ok(),
            Err(_) => group.end(Duration::ZERO).await,
        };
        self.state.lock().calls.abandon();
        let _ = ended.send(how);
        if closing || !was_ready {
            return;
        }
        self.died(how).await;
    }

    /// Tells that the driver died, and starts it again.
    async fn died(self: &Arc<Self>, how: Option<Ended>) {
        let how = how.map_or_else(|| "nobody knows how".to_owned(), |how| how.to_string());
        let (crash, again) = {
            let mut state = self.state.lock();
            // It was ended for what it said; that is told already.
            if state.nonsense.is_some() {
                return;
            }
            let crash = Crash { how, last_words: state.last_words() };
            state.crashes.push(crash.clone());
            (crash, state.crashes.len() <= RESTARTS_MAX)
        };
        let Crash { how, last_words } = crash;
        self.recipe.events.emit(EventKind::ClientCrashed { how, last_words });
        if again && let Err(error) = self.start().await {
            self.recipe.events.emit(EventKind::Trouble { detail: error.to_string() });
        }
    }

    async fn listen(&self, stdout: ChildStdout) {
        let mut lines = Lines::of(stdout, LINE_BYTES_MAX);
        while let Some(line) = lines.next().await {
            let now = Instant::now();
            let mut state = self.state.lock();
            match line {
                Ok(line) => state.hear(line, now),
                Err(TooLong) => {
                    let what = format!("a line is longer than {LINE_BYTES_MAX} bytes");
                    state.refuse(Nonsense::new(b"", what));
                }
            }
            if state.nonsense.is_some() {
                return;
            }
        }
    }

    /// Measures the floor for as long as the driver is there.
    async fn ping(&self) {
        loop {
            sleep(PING_PERIOD).await;
            self.state.lock().ping();
        }
    }

    async fn keep_stderr(self: Arc<Self>, stderr: ChildStderr) {
        let mut lines = Lines::of(stderr, STDERR_LINE_BYTES_MAX);
        while let Some(line) = lines.next().await {
            let line = line.map_or_else(
                |TooLong| format!("(a line of more than {STDERR_LINE_BYTES_MAX} bytes)"),
                |line| String::from_utf8_lossy(line).into_owned(),
            );
            self.state.lock().keep_stderr(line);
        }
    }

    /// Asks the driver to end, and waits until it has, at most [`END_GRACE`] longer than it likes.
    pub(super) async fn close(&self) {
        let outbox = {
            let mut state = self.state.lock();
            state.closing = true;
            state.outbox.take()
        };
        if let Some(outbox) = outbox {
            let _ = outbox.try_send(speech::control("bye", 1));
        }
    }
}

/// Hands over lines, as many at a time as there are. When the last sender is gone, so is stdin.
pub(super) async fn write(mut stdin: ChildStdin, mut inbox: mpsc::Receiver<Vec<u8>>) {
    let mut lines = Vec::new();
    const AT_A_TIME: usize = 64;
    while inbox.recv_many(&mut lines, AT_A_TIME).await > 0 {
        let bytes: Vec<u8> = lines.drain(..).flatten().collect();
        // It reads no more: its end tells why.
        if stdin.write_all(&bytes).await.is_err() {
            return;
        }
    }
}
