//! Servers to try the client on: a real memcached, and one that follows a script.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// A real memcached, ended with its handle.
pub(super) struct Memcached {
    child: Child,
    pub(super) address: String,
}

impl Memcached {
    /// Starts one on a free port and waits until it answers.
    pub(super) async fn start() -> Self {
        // The port is free when memcached takes it unless another process is faster: try again.
        for _ in 0..10 {
            let probe = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let port = probe.local_addr().unwrap().port();
            drop(probe);
            if let Some(server) = Self::on(port).await {
                return server;
            }
        }
        panic!("memcached took none of ten free ports");
    }

    /// Starts one on `port`; `None` when it ends instead of answering.
    pub(super) async fn on(port: u16) -> Option<Self> {
        let mut child = Command::new("memcached")
            .args(["-u", "root", "-U", "0", "-l", "127.0.0.1", "-p", &port.to_string()])
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let address = format!("127.0.0.1:{port}");
        loop {
            if let Ok(stream) = TcpStream::connect(&address).await {
                let mut lines = BufReader::new(stream);
                lines.write_all(b"version\r\n").await.unwrap();
                let mut line = String::new();
                if lines.read_line(&mut line).await.is_ok() && line.starts_with("VERSION") {
                    return Some(Self { child, address });
                }
            }
            if child.try_wait().unwrap().is_some() {
                return None;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    pub(super) fn port(&self) -> u16 {
        self.address.parse::<SocketAddr>().unwrap().port()
    }
}

impl Drop for Memcached {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a scripted server does with a connection.
type Script = dyn Fn(Peer) -> Pin<Box<dyn Future<Output = Peer> + Send>> + Send + Sync;

/// The server's end of one connection.
pub(super) struct Peer {
    pub(super) stream: BufReader<TcpStream>,
    /// Which connection of this server it is, from 1.
    pub(super) number: u64,
}

impl Peer {
    /// The next request line without its end; `None` when the client closed.
    pub(super) async fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        match self.stream.read_line(&mut line).await {
            Ok(1..) => Some(line.trim_end().to_owned()),
            Ok(0) | Err(_) => None,
        }
    }

    /// Sends bytes; a client that is gone is no error.
    pub(super) async fn send(&mut self, bytes: &str) {
        let _ = self.stream.write_all(bytes.as_bytes()).await;
    }

    /// The next request line, its data block read and thrown away.
    pub(super) async fn request(&mut self) -> Option<String> {
        let line = self.line().await?;
        let place = match line.split(' ').next() {
            Some("set" | "add") => Some(4),
            Some("ms") => Some(2),
            _ => None,
        };
        if let Some(bytes) = place.and_then(|place| line.split(' ').nth(place)) {
            let mut block = vec![0; bytes.parse::<usize>().unwrap() + 2];
            self.stream.read_exact(&mut block).await.ok()?;
        }
        Some(line)
    }

    /// Answers every request rightly, until the client closes.
    pub(super) async fn serve(&mut self) {
        while let Some(line) = self.request().await {
            self.send(&right_answer(&line)).await;
        }
    }
}

/// Keys that begin so are not there.
pub(super) const ABSENT: &str = "absent";

/// Keys that begin so cannot be stored.
pub(super) const FULL: &str = "full";

/// The number that the counter `key` comes to, whatever is added.
pub(super) fn number_of(key: &str) -> u64 {
    key.bytes().fold(7, |number, byte| number * 31 % 1_000_003 + u64::from(byte))
}

/// What a memcached answers in which every key but the absent ones holds `of KEY`.
pub(super) fn right_answer(line: &str) -> String {
    let words: Vec<&str> = line.split(' ').collect();
    let key = words.get(1).copied().unwrap_or_default();
    let is_there = !key.starts_with(ABSENT);
    let choose = |yes: &str, no: &str| format!("{}\r\n", if is_there { yes } else { no });
    match words[0] {
        "get" if is_there => value_of(key),
        "get" => "END\r\n".to_owned(),
        "set" | "add" | "ms" if key.starts_with(FULL) => {
            "SERVER_ERROR out of memory\r\n".to_owned()
        }
        "set" | "add" => "STORED\r\n".to_owned(),
        "delete" => choose("DELETED", "NOT_FOUND"),
        "version" => "VERSION 1.6.0\r\n".to_owned(),
        "flush_all" => "OK\r\n".to_owned(),
        "stats" => "STAT pid 1\r\nEND\r\n".to_owned(),
        "mn" => "MN\r\n".to_owned(),
        "mg" | "ms" | "md" | "ma" => meta_answer(&words, key, is_there),
        _ => "ERROR\r\n".to_owned(),
    }
}

fn meta_answer(words: &[&str], key: &str, is_there: bool) -> String {
    let flags = &words[if words[0] == "ms" { 3 } else { 2 }..];
    let quiet = flags.contains(&"q");
    let value = match words[0] {
        "mg" => format!("of {key}"),
        _ => number_of(key).to_string(),
    };
    let with_value = is_there && flags.contains(&"v");
    let mut answer = match (words[0], is_there) {
        ("mg", false) if quiet => return String::new(),
        ("mg", false) => "EN".to_owned(),
        ("md" | "ma", false) => "NF".to_owned(),
        _ if with_value => format!("VA {}", value.len()),
        _ => "HD".to_owned(),
    };
    for flag in flags {
        match flag.as_bytes()[0] {
            b'k' => answer += &format!(" k{key}"),
            b'O' => answer += &format!(" {flag}"),
            b'f' | b'c' if is_there => answer += &format!(" {flag}1"),
            _ => {}
        }
    }
    answer += "\r\n";
    if with_value {
        answer += &format!("{value}\r\n");
    }
    answer
}

/// The answer to a `get` of `key`.
pub(super) fn value_of(key: &str) -> String {
    format!("VALUE {key} 0 {}\r\nof {key}\r\nEND\r\n", key.len() + 3)
}

/// A server that follows a script on each connection and closes it at the end.
pub(super) struct Scripted {
    pub(super) address: String,
    accepted: Arc<AtomicU64>,
    task: tokio::task::JoinHandle<()>,
}

impl Scripted {
    /// Starts one; `script` is run for each connection.
    pub(super) async fn start<F, R>(script: F) -> Self
    where
        F: Fn(Peer) -> R + Send + Sync + 'static,
        R: Future<Output = Peer> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let accepted = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&accepted);
        let script: Arc<Script> = Arc::new(move |peer| Box::pin(script(peer)));
        #[expect(clippy::disallowed_methods, reason = "a test's own server, ended by its handle")]
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                stream.set_nodelay(true).unwrap();
                let number = count.fetch_add(1, Ordering::SeqCst) + 1;
                let script = Arc::clone(&script);
                connections.spawn(async move {
                    let _ = script(Peer { stream: BufReader::new(stream), number }).await;
                });
            }
        });
        Self { address, accepted, task }
    }

    /// How many connections it took so far.
    pub(super) fn accepted(&self) -> u64 {
        self.accepted.load(Ordering::SeqCst)
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.task.abort();
    }
}
