//! Servers to try the client on: a real memcached, and one that follows a script.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
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

    /// Answers every `get` with a value that names the key, until the client closes.
    pub(super) async fn serve_gets(&mut self) {
        while let Some(line) = self.line().await {
            let key = line.strip_prefix("get ").unwrap_or("?").to_owned();
            self.send(&value_of(&key)).await;
        }
    }
}

/// The reply that [`Peer::serve_gets`] gives for `key`.
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
