//! Our proxy beside its peers, in one run: what matters are the ratios, not the figures.
//!
//! `cargo bench --bench proxy` starts a real memcached, our proxy in a process of its own and, where
//! it is installed, haproxy, and loads each in turn, round after round, so that whatever else the
//! machine does hits all of them. `HARNESS_BENCH_SECONDS` sets the length of one measurement,
//! `HARNESS_BENCH_ROUNDS` their number.

#![expect(clippy::unwrap_used, reason = "a bench that cannot start ends where it stands")]

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use harness::base::scope::Scope;
use harness::base::seed::Seed;
use harness::event::Events;
use harness::proxy::{Dial, ProxyConfig, ProxySet};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// Connections under load.
const CONNECTIONS: usize = 50;
/// Idle connections whose memory is measured.
const IDLE: usize = 1000;
/// Ticks of `/proc/<pid>/stat` in a second.
const TICKS: f64 = 100.0;
/// The argument that makes this program the proxy under test.
const SERVE: &str = "serve-proxy-for-bench";

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let Some(at) = arguments.iter().position(|argument| argument == SERVE) {
        return serve(&arguments[at + 1]);
    }
    let memcached = Server::memcached();
    let mut targets = vec![
        Target { name: "direct", address: memcached.address, server: None },
        Target::of("harness", Server::harness(memcached.address)),
    ];
    targets.extend(Server::haproxy(memcached.address).map(|server| Target::of("haproxy", server)));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for case in CASES {
        runtime.block_on(case.store(memcached.address));
        compare(&runtime, case, &targets);
    }
    runtime.block_on(idle(&targets));
}

/// One kind of load.
struct Case {
    name: &'static str,
    value_bytes: usize,
    pipeline: usize,
}

const CASES: &[Case] = &[
    Case { name: "100 B values, pipeline 1", value_bytes: 100, pipeline: 1 },
    Case { name: "100 B values, pipeline 16", value_bytes: 100, pipeline: 16 },
    Case { name: "64 KiB values, pipeline 1", value_bytes: 64 << 10, pipeline: 1 },
];

impl Case {
    async fn store(&self, memcached: SocketAddr) {
        let mut stream = TcpStream::connect(memcached).await.unwrap();
        let mut request = format!("set key 0 0 {}\r\n", self.value_bytes).into_bytes();
        request.resize(request.len() + self.value_bytes, b'x');
        request.extend_from_slice(b"\r\n");
        stream.write_all(&request).await.unwrap();
        let mut reply = [0; 8];
        stream.read_exact(&mut reply).await.unwrap();
        assert_eq!(&reply, b"STORED\r\n");
    }

    fn reply_bytes(&self) -> usize {
        let head = format!("VALUE key 0 {}\r\n", self.value_bytes);
        (head.len() + self.value_bytes + "\r\nEND\r\n".len()) * self.pipeline
    }
}

/// What is measured.
struct Target {
    name: &'static str,
    address: SocketAddr,
    server: Option<Server>,
}

impl Target {
    fn of(name: &'static str, server: Server) -> Self {
        Self { name, address: server.address, server: Some(server) }
    }
}

/// What one measurement of one target came to.
#[derive(Clone, Copy)]
struct Figure {
    per_second: f64,
    /// CPU seconds of the proxy for a million requests.
    cpu: f64,
}

fn compare(runtime: &tokio::runtime::Runtime, case: &Case, targets: &[Target]) {
    let mut figures: Vec<Vec<Figure>> = targets.iter().map(|_| Vec::new()).collect();
    for _ in 0..setting("HARNESS_BENCH_ROUNDS", 5) {
        for (target, figures) in targets.iter().zip(&mut figures) {
            figures.push(runtime.block_on(measure(case, target)));
        }
    }
    println!("\n{}, {CONNECTIONS} connections", case.name);
    let direct = median(&figures[0], |figure| figure.per_second);
    for (target, figures) in targets.iter().zip(&figures) {
        let per_second = median(figures, |figure| figure.per_second);
        print!("  {:8} {per_second:>9.0}/s  {:.2} x direct", target.name, per_second / direct);
        if target.server.is_some() {
            print!("  {:.1} s CPU / Mreq", median(figures, |figure| figure.cpu));
        }
        println!();
    }
}

fn median(figures: &[Figure], of: impl Fn(&Figure) -> f64) -> f64 {
    let mut values: Vec<f64> = figures.iter().map(of).collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

async fn measure(case: &Case, target: &Target) -> Figure {
    let length = Duration::from_secs(setting("HARNESS_BENCH_SECONDS", 2));
    let cpu = || target.server.as_ref().map_or(0.0, Server::cpu_seconds);
    let mut clients = JoinSet::new();
    let (began, cpu_before) = (Instant::now(), cpu());
    for _ in 0..CONNECTIONS {
        clients.spawn(client(
            target.address,
            b"get key\r\n".repeat(case.pipeline),
            case.reply_bytes(),
            began + length,
        ));
    }
    let batches: u64 = clients.join_all().await.into_iter().sum();
    let requests = (batches * case.pipeline as u64) as f64;
    Figure {
        per_second: requests / began.elapsed().as_secs_f64(),
        cpu: (cpu() - cpu_before) / requests * 1e6,
    }
}

/// Sends a batch, reads its replies, and so on; returns how many batches it was.
async fn client(to: SocketAddr, batch: Vec<u8>, reply_bytes: usize, until: Instant) -> u64 {
    let mut stream = TcpStream::connect(to).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let mut buffer = vec![0; reply_bytes.min(64 << 10)];
    let mut batches = 0;
    while Instant::now() < until {
        stream.write_all(&batch).await.unwrap();
        let mut left = reply_bytes;
        while left > 0 {
            let room = left.min(buffer.len());
            let read = stream.read(&mut buffer[..room]).await.unwrap();
            assert_ne!(read, 0, "the connection was closed");
            left -= read;
        }
        batches += 1;
    }
    batches
}

async fn idle(targets: &[Target]) {
    println!("\n{IDLE} idle connections that have each had one request");
    for target in targets {
        let Some(server) = &target.server else { continue };
        let before = server.resident_kib();
        let mut streams = Vec::new();
        for _ in 0..IDLE {
            let mut stream = TcpStream::connect(target.address).await.unwrap();
            stream.write_all(b"version\r\n").await.unwrap();
            let mut reply = [0; 64];
            assert_ne!(stream.read(&mut reply).await.unwrap(), 0);
            streams.push(stream);
        }
        let each = (server.resident_kib() - before) / IDLE as f64;
        println!("  {:8} {each:.1} KiB each", target.name);
    }
}

/// A child process that listens.
struct Server {
    child: Child,
    address: SocketAddr,
    /// Its configuration file, kept while it runs.
    _folder: Option<tempfile::TempDir>,
}

impl Server {
    fn memcached() -> Self {
        let address = free_address();
        let port = address.port().to_string();
        let mut command = Command::new("memcached");
        command.args(["-l", "127.0.0.1", "-p", &port, "-U", "0", "-m", "64", "-c", "4096"]);
        // Started by root it wants to know whom to run as; elsewhere the user is ignored.
        command.args(["-u", "root"]);
        Self::spawn(command, address, None)
    }

    fn harness(upstream: SocketAddr) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([SERVE, &upstream.to_string()])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Self { child, address: line.trim().parse().unwrap(), _folder: None }
    }

    fn haproxy(upstream: SocketAddr) -> Option<Self> {
        let path = std::env::var_os("PATH")?;
        std::env::split_paths(&path).find(|folder| is_program(&folder.join("haproxy")))?;
        let address = free_address();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("haproxy.cfg");
        let text = format!(
            "global\n  maxconn 4096\ndefaults\n  mode tcp\n  timeout connect 5s\n  \
             timeout client 1h\n  timeout server 1h\nlisten m\n  bind {address}\n  \
             server s {upstream}\n"
        );
        std::fs::write(&file, text).unwrap();
        let mut command = Command::new("haproxy");
        command.arg("-f").arg(&file).stderr(Stdio::null());
        Some(Self::spawn(command, address, Some(folder)))
    }

    fn spawn(mut command: Command, address: SocketAddr, folder: Option<tempfile::TempDir>) -> Self {
        let mut child = command.stdout(Stdio::null()).spawn().unwrap();
        while std::net::TcpStream::connect(address).is_err() {
            assert_eq!(child.try_wait().unwrap(), None, "{command:?} ended");
            std::thread::yield_now();
        }
        Self { child, address, _folder: folder }
    }

    fn cpu_seconds(&self) -> f64 {
        let text = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        let fields: Vec<&str> = text.rsplit(')').next().unwrap().split_whitespace().collect();
        let ticks: f64 = fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap();
        ticks / TICKS
    }

    fn resident_kib(&self) -> f64 {
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

fn is_program(path: &Path) -> bool {
    path.is_file()
}

fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// The proxy under test, until it is killed.
fn serve(upstream: &str) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let scope = Scope::current("bench");
        let proxies = ProxySet::new(Seed::new(1), Events::ignore(), &scope);
        let view = proxies
            .create(ProxyConfig {
                name: "p".into(),
                listen: "127.0.0.1:0".into(),
                upstream: upstream.into(),
                enabled: true,
                dial: Dial::Eager,
                node: None,
                toxics: Vec::new(),
            })
            .await
            .unwrap();
        println!("{}", view.listen);
        std::io::stdout().flush().unwrap();
        std::future::pending::<()>().await;
    });
}
