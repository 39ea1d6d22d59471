//! A network namespace with a thread of ours in it: runs commands there and makes sockets.

use std::fs::File;
use std::io::Write;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;

use rustix::thread::{LinkNameSpaceType, gettid, move_into_link_name_space};
use socket2::{Domain, Socket, Type};
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::COMMAND_TIMEOUT;
use crate::base::scope::Scope;
use crate::proxy::Sockets;

/// Where `ip netns add` puts the names.
const NAMES: &str = "/run/netns";
/// How a namespace of ours is called until its thread has entered: this, our process, a number.
const PREFIX: &str = "harness-";
/// Labs of one process that are built at the same time.
const NAME_ATTEMPTS: u32 = 16;

/// The handle of the thread. It lives until [`Space::end`], or until the handle is dropped.
#[derive(Debug)]
pub(super) struct Space {
    orders: mpsc::Sender<Order>,
    thread: i32,
}

#[derive(Debug)]
enum Order {
    Run { command: Box<Command>, input: String, reply: oneshot::Sender<Result<String, String>> },
    Socket { domain: Domain, reply: oneshot::Sender<std::io::Result<Socket>> },
    Forward { reply: oneshot::Sender<Result<(), String>> },
    End,
}

impl Space {
    /// A thread in the network of this process.
    pub(super) fn here(scope: &Scope) -> Result<Self, String> {
        let (orders, inbox) = mpsc::channel();
        scope.thread("network", move || serve(&inbox)).map_err(no_thread)?;
        Ok(Self { orders, thread: 0 })
    }

    /// A thread in a new network, with nothing but an interface of its own that is down.
    pub(super) async fn apart(scope: &Scope, ip: &Path, role: &str) -> Result<Self, String> {
        let (orders, inbox) = mpsc::channel();
        let (entered, answer) = oneshot::channel();
        let program = ip.to_owned();
        let work = move || {
            let result = enter_new(&program);
            let inside = result.is_ok();
            if entered.send(result).is_ok() && inside {
                serve(&inbox);
            }
        };
        scope.thread(format!("network {role}"), work).map_err(no_thread)?;
        let thread = answer.await.map_err(|_| gone())??;
        Ok(Self { orders, thread })
    }

    /// The thread's number, by which others name its network.
    pub(super) const fn thread(&self) -> i32 {
        self.thread
    }

    /// Runs a program in the network and returns what it printed.
    pub(super) async fn run(
        &self,
        program: &Path,
        arguments: &[&str],
        input: String,
    ) -> Result<String, String> {
        let (reply, answer) = oneshot::channel();
        let mut command = Command::new(program);
        command.args(arguments);
        self.orders
            .send(Order::Run { command: Box::new(command), input, reply })
            .map_err(|_| gone())?;
        let slow = |_| format!("`{}` did not end within {COMMAND_TIMEOUT:?}", program.display());
        timeout(COMMAND_TIMEOUT, answer).await.map_err(slow)?.map_err(|_| gone())?
    }

    /// Lets the network pass packets on.
    pub(super) async fn forward(&self) -> Result<(), String> {
        let (reply, answer) = oneshot::channel();
        self.orders.send(Order::Forward { reply }).map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }

    /// Makes sockets in the network, also for those who outlive this handle.
    pub(super) fn sockets(&self) -> Sockets {
        let orders = self.orders.clone();
        Sockets::made_by(move |domain, reply| {
            // Without a thread the reply is dropped, and whoever asked is told.
            let _ = orders.send(Order::Socket { domain, reply });
        })
    }

    /// Ends the thread.
    pub(super) fn end(self) {
        drop(self);
    }
}

impl Drop for Space {
    fn drop(&mut self) {
        // Said in words: those who make sockets hold the channel open.
        let _ = self.orders.send(Order::End);
    }
}

fn gone() -> String {
    "the thread of the network has ended".to_owned()
}

fn no_thread(error: std::io::Error) -> String {
    format!("cannot start a thread: {error}")
}

fn serve(inbox: &mpsc::Receiver<Order>) {
    while let Ok(order) = inbox.recv() {
        // A reply that nobody waits for any more is nobody's loss.
        match order {
            Order::Run { command, input, reply } => drop(reply.send(execute(*command, &input))),
            Order::Socket { domain, reply } => {
                drop(reply.send(Socket::new(domain, Type::STREAM, None)));
            }
            Order::Forward { reply } => drop(reply.send(forward())),
            Order::End => return,
        }
    }
}

/// `/proc/sys/net` is that of the network of whoever opens it.
fn forward() -> Result<(), String> {
    let path = "/proc/sys/net/ipv4/ip_forward";
    std::fs::write(path, "1").map_err(|error| format!("cannot write {path}: {error}"))
}

fn execute(mut command: Command, input: &str) -> Result<String, String> {
    let shown = shown(&command);
    let broken = |error: std::io::Error| format!("`{shown}`: {error}");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(broken)?;
    if let Some(mut stdin) = child.stdin.take() {
        // Whoever does not want to read says why on stderr.
        let _ = stdin.write_all(input.as_bytes());
    }
    let output = child.wait_with_output().map_err(broken)?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let printed = String::from_utf8_lossy(&output.stderr);
    let said = printed.lines().find(|line| !line.trim().is_empty()).unwrap_or("it failed");
    Err(format!("`{shown}`: {}", said.trim()))
}

fn shown(command: &Command) -> String {
    let name = Path::new(command.get_program()).file_name().unwrap_or_default();
    let words = command.get_args().map(|word| word.to_string_lossy());
    std::iter::once(name.to_string_lossy()).chain(words).collect::<Vec<_>>().join(" ")
}

/// Moves this thread into a new network and returns the thread's number.
fn enter_new(ip: &Path) -> Result<i32, String> {
    let netns = |verb: &str, name: &str| {
        let mut command = Command::new(ip);
        command.args(["netns", verb, name]);
        execute(command, "").map(drop)
    };
    let named = |number: u32| format!("{PREFIX}{}-{number}", std::process::id());
    let mut result = Err(String::new());
    let name = (0..NAME_ATTEMPTS).map(named).find(|name| {
        result = netns("add", name);
        result.as_ref().err().is_none_or(|problem| !problem.contains("File exists"))
    });
    result?;
    let name = name.ok_or("there are too many namespaces of this process")?;
    let entered = enter(&PathBuf::from(NAMES).join(&name));
    netns("del", &name)?;
    entered.map_err(|error| format!("cannot enter a network namespace: {error}"))?;
    Ok(gettid().as_raw_nonzero().get())
}

fn enter(path: &Path) -> std::io::Result<()> {
    let namespace = File::open(path)?;
    Ok(move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))?)
}

/// Removes the names that a process left which was killed before its threads had entered.
pub(super) async fn sweep(home: &Space, ip: &Path) -> Result<(), String> {
    let listed = home.run(ip, &["netns", "list"], String::new()).await?;
    for name in listed.lines().filter_map(|line| line.split(' ').next()) {
        let owner = name.strip_prefix(PREFIX).and_then(|rest| rest.split('-').next());
        let Some(owner) = owner.and_then(|pid| pid.parse::<u32>().ok()) else { continue };
        if !Path::new(&format!("/proc/{owner}")).exists() {
            // Another start may have been quicker.
            let _ = home.run(ip, &["netns", "del", name], String::new()).await;
        }
    }
    Ok(())
}
