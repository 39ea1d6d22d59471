//! The servers under test, each in a process of its own.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};

use crate::words::Words;

/// The argument that makes this program the proxy under test.
pub(crate) const SERVE: &str = "serve-proxy-for-bench";
/// The path of a Toxiproxy server to measure beside the others.
const TOXIPROXY: &str = "HARNESS_BENCH_TOXIPROXY";
/// Connections that every server is told to be ready for; twice as many descriptors are what most
/// machines give to anybody.
const CONNECTIONS_MAX: &str = "9970";

/// Starts a proxy in front of an address, when it is there.
pub(crate) type Start = fn(SocketAddr, Words) -> Option<Server>;

/// Our proxy's name.
pub(crate) const OURS: &str = "harness";

/// Everything that is measured, by name.
pub(crate) const PEERS: &[(&str, Start)] = &[
    (OURS, |upstream, _| Some(Server::harness(upstream))),
    (super::BLIND, |upstream, _| Some(Server::harness(upstream))),
    ("haproxy", |upstream, _| Server::haproxy(upstream)),
    ("nutcracker", Server::nutcracker),
    ("toxiproxy", |upstream, _| Server::toxiproxy(upstream)),
];

/// A child process that listens.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: SocketAddr,
    /// Its control API, for those that have one.
    pub(crate) control: Option<Control>,
    /// Its configuration file, kept while it runs.
    _folder: Option<tempfile::TempDir>,
}

impl Server {
    pub(crate) fn memcached() -> Self {
        let address = free_address();
        let port = address.port().to_string();
        let mut command = Command::new("memcached");
        command.args(["-l", "127.0.0.1", "-p", &port, "-U", "0", "-m", "64"]);
        // Started by root it wants to know whom to run as; elsewhere the user is ignored.
        command.args(["-c", CONNECTIONS_MAX, "-u", "root"]);
        Self::spawn(command, address, None)
    }

    /// One that keeps nothing, if it is there.
    pub(crate) fn redis() -> Option<Self> {
        is_on_path("redis-server").then(|| {
            let address = free_address();
            let port = address.port().to_string();
            let mut command = Command::new("redis-server");
            command.args(["--port", &port, "--save", "", "--maxclients", CONNECTIONS_MAX]);
            Self::spawn(command, address, None)
        })
    }

    pub(crate) fn harness(upstream: SocketAddr) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .arg(SERVE)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let control = Control(line.trim().parse().unwrap());
        let address = control.create("p", upstream);
        Self { child, address, control: Some(control), _folder: None }
    }

    fn toxiproxy(upstream: SocketAddr) -> Option<Self> {
        let address = free_address();
        let port = address.port().to_string();
        let mut command = Command::new(std::env::var_os(TOXIPROXY)?);
        command.args(["-host", "127.0.0.1", "-port", &port]).env("LOG_LEVEL", "error");
        let mut server = Self::spawn(command, address, None);
        let control = Control(address);
        server.address = control.create("p", upstream);
        server.control = Some(control);
        Some(server)
    }

    pub(crate) fn haproxy(upstream: SocketAddr) -> Option<Self> {
        let address = free_address();
        let text = format!(
            "global\n  maxconn {CONNECTIONS_MAX}\ndefaults\n  mode tcp\n  timeout connect 5s\n  \
             timeout client 1h\n  timeout server 1h\nlisten m\n  bind {address}\n  \
             server s {upstream}\n"
        );
        Self::configured("haproxy", &["-f"], &text, address)
    }

    fn nutcracker(upstream: SocketAddr, words: Words) -> Option<Self> {
        let address = free_address();
        let text = format!(
            "m:\n  listen: {address}\n  hash: fnv1a_64\n  distribution: ketama\n  \
             preconnect: true\n  redis: {}\n  servers:\n   - {upstream}:1\n",
            words == Words::Redis
        );
        let stats = free_address().port().to_string();
        Self::configured("nutcracker", &["-s", &stats, "-c"], &text, address)
    }

    /// A program from PATH, with the name of a file of this text behind `arguments`.
    fn configured(
        program: &str,
        arguments: &[&str],
        text: &str,
        address: SocketAddr,
    ) -> Option<Self> {
        if !is_on_path(program) {
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config");
        std::fs::write(&file, text).unwrap();
        let mut command = Command::new(program);
        command.args(arguments).arg(&file).stderr(Stdio::null());
        Some(Self::spawn(command, address, Some(folder)))
    }

    fn spawn(mut command: Command, address: SocketAddr, folder: Option<tempfile::TempDir>) -> Self {
        let mut child = command.stdout(Stdio::null()).spawn().unwrap();
        while TcpStream::connect(address).is_err() {
            assert_eq!(child.try_wait().unwrap(), None, "{command:?} ended");
            std::thread::yield_now();
        }
        Self { child, address, control: None, _folder: folder }
    }

    /// To the nanosecond, where the ticks of `/proc/<pid>/stat` are as long as a short slice.
    pub(crate) fn cpu_seconds(&self) -> f64 {
        let threads = std::fs::read_dir(format!("/proc/{}/task", self.child.id())).unwrap();
        let nanos = threads.filter_map(|thread| {
            // One that has ended meanwhile has nothing to tell any more.
            let text = std::fs::read_to_string(thread.ok()?.path().join("schedstat")).ok()?;
            text.split_whitespace().next()?.parse::<f64>().ok()
        });
        nanos.sum::<f64>() / 1e9
    }

    pub(crate) fn resident_kib(&self) -> f64 {
        let path = format!("/proc/{}/status", self.child.id());
        let text = std::fs::read_to_string(path).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A control API in Toxiproxy's words.
#[derive(Clone, Copy)]
pub(crate) struct Control(SocketAddr);

impl Control {
    /// Creates a proxy; returns where it listens.
    pub(crate) fn create(self, name: &str, upstream: SocketAddr) -> SocketAddr {
        let body = serde_json::json!({
            "name": name, "listen": "127.0.0.1:0", "upstream": upstream.to_string(),
            "enabled": true, "dial": "eager",
        });
        let answer = self.send("POST", "/proxies", &body.to_string());
        let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
        answer["listen"].as_str().unwrap().parse().unwrap()
    }

    /// Adds a toxic called `t` to the replies of a proxy.
    pub(crate) fn add(self, proxy: &str, kind: &str, attributes: &serde_json::Value) {
        self.install(proxy, "t", kind, attributes);
    }

    /// Adds a toxic to the replies of a proxy.
    pub(crate) fn install(
        self,
        proxy: &str,
        name: &str,
        kind: &str,
        attributes: &serde_json::Value,
    ) {
        let body = serde_json::json!({
            "name": name, "type": kind, "stream": "downstream", "attributes": attributes,
        });
        self.send("POST", &format!("/proxies/{proxy}/toxics"), &body.to_string());
    }

    /// Removes the toxic called `t`.
    pub(crate) fn remove(self, proxy: &str) {
        self.delete(proxy, "t");
    }

    /// Removes a toxic.
    pub(crate) fn delete(self, proxy: &str, name: &str) {
        self.send("DELETE", &format!("/proxies/{proxy}/toxics/{name}"), "");
    }

    /// Removes every toxic.
    pub(crate) fn reset(self) {
        self.send("POST", "/reset", "");
    }

    fn send(self, method: &str, target: &str, body: &str) -> String {
        let mut stream = TcpStream::connect(self.0).unwrap();
        stream.set_nodelay(true).unwrap();
        let request = format!(
            "{method} {target} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Length: \
             {}\r\n\r\n{body}",
            self.0,
            body.len()
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 20"), "{method} {target}: {answer}");
        body.to_owned()
    }
}

fn is_on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}
