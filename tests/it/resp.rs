//! RESP through a proxy, to a real Redis: what passes untouched, and what message faults do.

use std::time::Duration;

use harness::base::family::{Settings, Value};
use harness::base::scope::Scope;
use harness::base::seed::Seed;
use harness::event::Events;
use harness::proxy::{Dial, Protocol, ProxyConfig, ProxySet, Stream, TapSnapshot, ToxicConfig};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::redis::Redis;

mod faults;
mod transparency;

/// How long any answer may take before a test fails rather than hangs.
const PATIENCE: Duration = Duration::from_secs(20);

/// A proxy in front of a Redis.
struct Proxied {
    redis: Redis,
    proxies: ProxySet,
    address: String,
    scope: Scope,
}

impl Proxied {
    async fn new(protocol: Option<Protocol>) -> Self {
        let redis = Redis::start();
        let scope = Scope::current("test");
        let proxies = ProxySet::new(Seed::new(1), Events::ignore(), &scope);
        let config = ProxyConfig {
            name: "p".into(),
            listen: "127.0.0.1:0".into(),
            upstream: redis.upstream(),
            enabled: true,
            dial: Dial::Eager,
            protocol,
            node: None,
            toxics: Vec::new(),
        };
        let address = proxies.create(config).await.unwrap().listen;
        Self { redis, proxies, address, scope }
    }

    async fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(&self.address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        stream
    }

    /// What passed, once every connection was counted as closed.
    async fn tap(&self) -> TapSnapshot {
        let closed = async {
            while self.proxies.tap("p").unwrap().open > 0 {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, closed).await.expect("a connection is still open");
        self.proxies.tap("p").unwrap()
    }

    async fn end(self) {
        self.scope.close(PATIENCE).await;
    }
}

/// A command as a client sends it.
fn command(words: &[&[u8]]) -> Vec<u8> {
    let mut out = Vec::new();
    harness::protocol::resp::frame::command::write_command(&mut out, words);
    out
}

/// A line of words as a command.
fn said(line: &str) -> Vec<u8> {
    command(&line.split(' ').map(str::as_bytes).collect::<Vec<_>>())
}

/// Sends pieces one by one while it reads, until `end` has come or the server closes.
async fn talk(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    pieces: Vec<Vec<u8>>,
    end: &[u8],
) -> Vec<u8> {
    let (mut read, mut write) = tokio::io::split(stream);
    let send = async {
        for piece in pieces {
            if write.write_all(&piece).await.is_err() {
                break;
            }
            tokio::task::yield_now().await;
        }
        std::future::pending::<()>().await;
    };
    let mut heard = Vec::new();
    let hear = async {
        while !heard.ends_with(end) {
            if read.read_buf(&mut heard).await.unwrap_or(0) == 0 {
                break;
            }
        }
    };
    let both = async {
        tokio::select! {
            () = hear => {}
            () = send => unreachable!("it never ends by itself"),
        }
    };
    let in_time = tokio::time::timeout(PATIENCE, both).await.is_ok();
    assert!(in_time, "no `{}` behind `{}`", end.escape_ascii(), heard.escape_ascii());
    heard
}
