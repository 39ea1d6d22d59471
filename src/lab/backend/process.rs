//! A node that is a real `memcached`, Redis or Valkey, as a child process on a port of its own.

use std::io::{self, Read};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

use super::leash;
use crate::base::port::HeldPort;
use crate::base::scope::Scope;
use crate::lab::door::Door;
use crate::lab::error::LabError;
use crate::protocol::Protocol;
use crate::protocol::memcached::program::Settings;
use crate::protocol::resp;

/// How long a fresh one may take until it answers.
const START_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a running one may take to read a file again: it looks for a signal once a second.
const READ_TIMEOUT: Duration = Duration::from_secs(5);

/// The pause between two looks at whether a killed process is gone.
const REAP_PAUSE: Duration = Duration::from_millis(1);

/// What else may be wrong with one that is to ask by SASL: the mechanisms are a package of their own.
const SASL_HINT: &str =
    "; with -sasl its library, Cyrus SASL, needs the mechanism PLAIN (Debian: libsasl2-modules)";

/// Client connections that one node accepts, unless it is told; more than any pool of ours asks for.
pub const CONNECTIONS_MAX: u32 = 4096;

/// The one thread that starts children. It lives as long as the process: a child's leash breaks when
/// the thread that started it ends.
#[derive(Clone, Debug)]
pub struct Supervisor {
    orders: mpsc::Sender<Order>,
}

struct Order {
    command: Command,
    reply: oneshot::Sender<std::io::Result<Child>>,
}

impl Supervisor {
    /// Starts the thread; it ends when the last clone of the supervisor is dropped.
    ///
    /// # Errors
    /// When the operating system gives no thread.
    pub fn start(scope: &Scope) -> std::io::Result<Self> {
        let (orders, inbox) = mpsc::channel::<Order>();
        scope.thread("supervisor", move || {
            while let Ok(Order { mut command, reply }) = inbox.recv() {
                if let Err(Ok(mut orphan)) = reply.send(command.spawn()) {
                    // Whoever asked is gone, so nobody would ever end this child.
                    let _ = orphan.kill();
                    let _ = orphan.wait();
                }
            }
        })?;
        Ok(Self { orders })
    }

    async fn spawn(&self, command: Command) -> std::io::Result<Child> {
        let (reply, answer) = oneshot::channel();
        let gone = || std::io::Error::other("the supervisor of child processes has ended");
        self.orders.send(Order { command, reply }).map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }
}

/// How to start one.
#[derive(Clone, Debug)]
pub struct ProcessConfig {
    /// What it is called in reports.
    pub name: &'static str,
    /// What it speaks.
    pub protocol: Protocol,
    /// The program.
    pub program: PathBuf,
    /// The harness binary, which leashes the child.
    pub harness: PathBuf,
    /// Memory for items, in MiB.
    pub memory_mib: u32,
    /// Client connections that it takes, unless its arguments say otherwise.
    pub connections: u32,
    /// Arguments behind the lab's own; of each flag the last counts.
    pub args: Vec<String>,
    /// What it asks of who connects.
    pub(in crate::lab) door: Arc<Door>,
}

/// A running (or killed) server.
#[derive(Debug)]
pub struct ProcessNode {
    config: ProcessConfig,
    supervisor: Supervisor,
    version: String,
    child: Option<Child>,
    /// Its port: no other node may answer in its place while no process has it.
    port: HeldPort,
}

impl ProcessNode {
    /// Starts it on a free port and waits until it answers.
    ///
    /// # Errors
    /// When it cannot be started or does not answer in time; the error shows what it printed.
    pub async fn start(config: ProcessConfig, supervisor: Supervisor) -> Result<Self, LabError> {
        let port = HeldPort::free(Ipv4Addr::LOCALHOST.into());
        let port = port.map_err(|error| LabError::Process {
            program: config.program.display().to_string(),
            what: format!("no free port on 127.0.0.1: {error}"),
        })?;
        let mut node = Self { config, supervisor, version: String::new(), child: None, port };
        node.launch().await?;
        Ok(node)
    }

    /// Where it listens: the same after every restart.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.port.address()
    }

    /// What it is called in reports.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.config.name
    }

    /// What it speaks.
    #[must_use]
    pub const fn protocol(&self) -> Protocol {
        self.config.protocol
    }

    /// Its version.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    pub(in crate::lab) fn door(&self) -> &Door {
        &self.config.door
    }

    /// Has it read its certificate again; one that is down reads it when it starts.
    ///
    /// # Errors
    /// When it does not, or not in time.
    pub(in crate::lab) async fn read_certificate(&self) -> Result<(), String> {
        if self.child.is_none() {
            return Ok(());
        }
        let at = self.door().at(self.address());
        let read = timeout(READ_TIMEOUT, self.config.protocol.refresh_certificates(&at)).await;
        read.unwrap_or_else(|_| {
            Err(format!(
                "{} did not answer to refresh_certs within {READ_TIMEOUT:?}",
                self.address()
            ))
        })
    }

    /// Has it read again who is let in (SIGHUP), and waits until it has; one that is down reads it when it
    /// starts.
    ///
    /// # Errors
    /// When it does not, or not in time.
    pub(in crate::lab) async fn read_accounts(&mut self) -> Result<(), String> {
        if self.child.is_none() || self.door().asks_by_sasl() {
            return Ok(());
        }
        self.signal(Signal::HUP).map_err(|error| error.to_string())?;
        let at = self.config.door.at(self.address());
        let protocol = self.config.protocol;
        protocol.answers(&at, READ_TIMEOUT, || !self.died()).await.map(drop)
    }

    /// Whether the process ended without being told to.
    pub fn died(&mut self) -> bool {
        self.child.as_mut().is_some_and(|child| matches!(child.try_wait(), Ok(Some(_))))
    }

    /// Kills it (SIGKILL) and waits until it is gone. All its data is lost.
    pub async fn kill(&mut self) {
        let Some(child) = &mut self.child else { return };
        let _ = child.kill();
        // A killed process is gone within milliseconds; it only has to be reaped. It stays ours
        // until then: who is cut short here must wait for its port again.
        while matches!(child.try_wait(), Ok(None)) {
            sleep(REAP_PAUSE).await;
        }
        self.child = None;
    }

    /// Starts it again on the same port, empty.
    ///
    /// # Errors
    /// When it cannot be started or does not answer in time.
    pub async fn restart(&mut self) -> Result<(), LabError> {
        self.kill().await;
        self.launch().await
    }

    /// Stops it (SIGSTOP): the kernel still accepts connections and data, nothing is answered.
    ///
    /// # Errors
    /// When the process is not there any more.
    pub fn pause(&self) -> Result<(), LabError> {
        self.signal(Signal::STOP)
    }

    /// Lets it go on (SIGCONT).
    ///
    /// # Errors
    /// When the process is not there any more.
    pub fn resume(&self) -> Result<(), LabError> {
        self.signal(Signal::CONT)
    }

    fn signal(&self, signal: Signal) -> Result<(), LabError> {
        let pid =
            self.child.as_ref().and_then(|child| Pid::from_raw(i32::try_from(child.id()).ok()?));
        let error = |what: String| LabError::Process { program: self.program(), what };
        let pid = pid.ok_or_else(|| error("the process is not running".into()))?;
        kill_process(pid, signal).map_err(|errno| error(format!("cannot signal it: {errno}")))
    }

    fn program(&self) -> String {
        self.config.program.display().to_string()
    }

    async fn launch(&mut self) -> Result<(), LabError> {
        let command = self.command();
        let cannot = |error: io::Error| LabError::Process {
            program: self.config.program.display().to_string(),
            what: format!("cannot start: {error}"),
        };
        self.port.lend().map_err(cannot)?;
        let child = self.supervisor.spawn(command).await.map_err(cannot)?;
        // Ours from here on: whoever gives up waiting for the answer still ends it.
        let child = self.child.insert(child);
        let alive = || matches!(child.try_wait(), Ok(None));
        let at = self.config.door.at(self.port.address());
        match self.config.protocol.answers(&at, START_TIMEOUT, alive).await {
            Ok(version) => {
                self.version = version;
                self.port.keep().map_err(cannot)
            }
            Err(problem) => {
                let mut child = self.child.take().expect("it was put there above");
                let was_mute = matches!(child.try_wait(), Ok(None));
                // All of its group: what it started holds its stderr open.
                if let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
                    let _ = kill_process_group(group, Signal::KILL);
                }
                let _ = child.kill();
                let printed = tokio::task::spawn_blocking(move || last_words(&mut child)).await;
                let is_hinted = was_mute && self.config.door.asks_by_sasl();
                let hint = if is_hinted { SASL_HINT } else { "" };
                let what = format!("{problem}{}{hint}", printed.unwrap_or_default());
                Err(LabError::Process { program: self.program(), what })
            }
        }
    }

    fn command(&self) -> Command {
        use std::os::unix::process::CommandExt;
        let mut command = leash::command(&self.config.harness, &self.config.program);
        let door = self.door().arguments();
        command.args(self.arguments()).args(door).args(&self.config.args);
        command.envs(self.door().variable());
        // A process group of its own: Ctrl-C is for the harness, which drains before it ends a node.
        command.process_group(0).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        command
    }

    fn arguments(&self) -> Vec<String> {
        let ProcessConfig { protocol, memory_mib, connections, .. } = self.config;
        let port = self.port.address().port();
        match protocol {
            Protocol::Memcached => {
                // Any other user would mean a change of credentials, which takes the leash off (prctl(2)).
                let stays_root = rustix::process::geteuid().is_root();
                Settings { port, memory_mib, connections, stays_root }.arguments()
            }
            Protocol::Resp => resp::program::arguments(port, memory_mib, connections),
        }
    }
}

impl Drop for ProcessNode {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// The first line that the child printed, to put behind an error.
fn last_words(child: &mut Child) -> String {
    let _ = child.wait();
    let mut printed = Vec::new();
    if let Some(stderr) = child.stderr.take() {
        let _ = stderr.take(4096).read_to_end(&mut printed);
    }
    let printed = String::from_utf8_lossy(&printed);
    printed.lines().next().map_or_else(String::new, |line| format!("; it printed: {line}"))
}

/// The program called `name` on `path` (the value of PATH), when there is one.
#[must_use]
pub fn find_program(name: &str, path: &std::ffi::OsStr) -> Option<PathBuf> {
    std::env::split_paths(path).map(|folder| folder.join(name)).find(|file| is_program(file))
}

/// Whether a file can be run.
#[must_use]
pub fn is_program(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    file.metadata().is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Catches a search that takes a folder or a plain file for a program.
    #[test]
    fn only_programs_are_found() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("plain"), "").unwrap();
        std::fs::create_dir(folder.path().join("folder")).unwrap();
        assert_eq!(find_program("plain", folder.path().as_os_str()), None);
        assert_eq!(find_program("folder", folder.path().as_os_str()), None);
        assert_eq!(find_program("absent", folder.path().as_os_str()), None);
    }
}
