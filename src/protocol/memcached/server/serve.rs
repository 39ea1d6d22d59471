//! A node's sockets: accepts, reads, writes, pauses and stops. What is said is up to the sessions.
//!
//! Pausing is what SIGSTOP does to a server: the kernel goes on taking connections and bytes, and
//! nothing is answered. Stopping is what SIGKILL does: every connection is closed, as a reset where
//! bytes were unread, and the items are gone.

use std::future::Future;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use bytes::{BufMut, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::Instant;

use super::clock::{Clock, Now};
use super::config::NodeConfig;
use super::lie::{Conversation, Liar};
use super::output::Output;
use super::reply::TOO_MANY_CONNECTIONS;
use super::session::{Context, Step};
use super::stats::Facts;
use super::store::{Limits, Store};
use crate::base::scope::{Closed, Scope};
use crate::base::time::Wall;

/// How much is read at once.
const READ_BYTES: usize = 16 * 1024;
/// A buffer that grew above this is given back once it is empty.
const KEPT_BYTES_MAX: usize = 256 * 1024;
/// How long accepting rests after an error, such as too many open files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);
/// How long stopping waits for connections; each ends at its next wait.
const STOP_GRACE: Duration = Duration::from_secs(5);

/// A running node. Dropping it stops it.
#[derive(Debug)]
pub struct Node {
    address: SocketAddr,
    shared: Arc<Shared>,
    life: watch::Sender<Life>,
    scope: Scope,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Life {
    Running,
    Paused,
    Stopped,
}

#[derive(Debug)]
struct Shared {
    store: Store,
    clock: Clock,
    /// How many seconds that clock was set ahead; below zero, behind.
    ahead: AtomicI64,
    facts: Facts,
    liar: Option<Arc<Liar>>,
}

impl Shared {
    fn now(&self) -> Now {
        self.clock.at(Instant::now()).ahead(self.ahead.load(Relaxed))
    }
}

impl Node {
    /// Listens, and serves in a scope below `scope`.
    ///
    /// # Errors
    /// When the address cannot be listened on.
    pub async fn start(config: &NodeConfig, scope: &Scope) -> io::Result<Self> {
        let listener = TcpListener::bind(&config.listen).await?;
        let address = listener.local_addr()?;
        let item_bytes = usize::try_from(config.max_item.0).unwrap_or(usize::MAX);
        let shared = Arc::new(Shared {
            store: Store::new(Limits { memory_bytes: config.memory.0, item_bytes }),
            clock: Clock::new(Instant::now(), Wall::now().unix_seconds()),
            ahead: AtomicI64::new(0),
            facts: Facts {
                port: address.port(),
                address: address.ip().to_string(),
                max_connections: u64::from(config.max_connections),
                threads: tokio::runtime::Handle::current().metrics().num_workers() as u64,
                ..Facts::default()
            },
            liar: Liar::new(&config.lies, config.seed).map(Arc::new),
        });
        let life = watch::Sender::new(Life::Running);
        let scope = scope.child(format!("node[{address}]"));
        let server =
            Server { shared: Arc::clone(&shared), life: life.subscribe(), scope: scope.clone() };
        let (cancelled, stop) = (scope.cancelled(), life.clone());
        scope.spawn("accept", async move {
            tokio::select! {
                () = server.accept(listener) => {}
                () = cancelled => {}
            }
            stop.send_replace(Life::Stopped);
        });
        Ok(Self { address, shared, life, scope })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops answering and accepting, but keeps every connection.
    pub fn pause(&self) {
        self.change(Life::Running, Life::Paused);
    }

    /// Goes on after [`Node::pause`].
    pub fn resume(&self) {
        self.change(Life::Paused, Life::Running);
    }

    /// Forgets every item, as `flush_all` does.
    pub fn flush(&self) {
        self.shared.store.flush(None, self.shared.now());
    }

    /// Sets the clock so many seconds ahead of what it is then, or back.
    pub fn set_ahead(&self, seconds: i64) {
        self.shared.ahead.fetch_add(seconds, Relaxed);
    }

    /// Closes the listener and every connection. Returns when that is done; whoever was cut short
    /// may ask again.
    pub async fn stop(&self) -> Closed {
        self.life.send_replace(Life::Stopped);
        self.scope.close(STOP_GRACE).await
    }

    fn change(&self, from: Life, to: Life) {
        self.life.send_if_modified(|life| {
            let changes = *life == from;
            if changes {
                *life = to;
            }
            changes
        });
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.life.send_replace(Life::Stopped);
        self.scope.cancel();
    }
}

/// The accepting side.
struct Server {
    shared: Arc<Shared>,
    life: watch::Receiver<Life>,
    scope: Scope,
}

impl Server {
    async fn accept(mut self, listener: TcpListener) {
        while runs(&mut self.life).await {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                _ = self.life.changed() => continue,
            };
            match accepted {
                Ok((stream, _)) => self.admit(stream).await,
                Err(error) => {
                    tracing::warn!(%error, "a node could not accept");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    async fn admit(&self, mut stream: TcpStream) {
        let facts = &self.shared.facts;
        if facts.connections.load(Relaxed) >= facts.max_connections {
            facts.connections_rejected.fetch_add(1, Relaxed);
            let refusal = format!("{TOO_MANY_CONNECTIONS}\r\n");
            // A new socket has room for a line; a client that is gone already needs none.
            let _ = stream.write_all(refusal.as_bytes()).await;
            return;
        }
        facts.connections.fetch_add(1, Relaxed);
        facts.connections_total.fetch_add(1, Relaxed);
        let connection = Connection {
            stream,
            life: self.life.clone(),
            watched: self.life.clone(),
            shared: Arc::clone(&self.shared),
            input: BytesMut::new(),
            output: Output::default(),
        };
        self.scope.spawn("connection", connection.serve());
    }
}

/// Waits while the node is paused. `false`: it was stopped.
async fn runs(life: &mut watch::Receiver<Life>) -> bool {
    let now = *life.borrow();
    if now == Life::Running {
        return true;
    }
    // The sender may be gone only when the node is.
    let state = life.wait_for(|life| *life != Life::Paused).await;
    state.is_ok_and(|life| *life == Life::Running)
}

struct Connection {
    stream: TcpStream,
    life: watch::Receiver<Life>,
    watched: watch::Receiver<Life>,
    shared: Arc<Shared>,
    input: BytesMut,
    output: Output,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.shared.facts.connections.fetch_sub(1, Relaxed);
    }
}

impl Connection {
    /// Until either side closes. A failed read or write is the client's leaving.
    async fn serve(mut self) {
        if self.stream.set_nodelay(true).is_ok() {
            let _ = self.converse().await;
        }
    }

    async fn converse(&mut self) -> io::Result<()> {
        let mut conversation = Conversation::new(self.shared.liar.as_ref());
        while runs(&mut self.life).await {
            let step = {
                let Shared { store, clock, facts, .. } = &*self.shared;
                let context = Context { store, clock, now: self.shared.now(), facts };
                conversation.run(&mut self.input, &mut self.output, &context)
            };
            self.write().await?;
            match step {
                Step::Output => {}
                Step::Close => return Ok(()),
                Step::Input => {
                    if self.read(&mut conversation).await? == 0 {
                        return Ok(());
                    }
                }
            }
        }
        Ok(())
    }

    /// Reads once: into the block that is waited for, else into the input buffer.
    async fn read(&mut self, conversation: &mut Conversation) -> io::Result<usize> {
        let count = match conversation.pending() {
            Some((block, needed)) => {
                let mut block = block.limit(needed);
                until_stopped(&mut self.watched, self.stream.read_buf(&mut block)).await?
            }
            None => {
                if self.input.is_empty() && self.input.capacity() > KEPT_BYTES_MAX {
                    self.input = BytesMut::new();
                }
                self.input.reserve(READ_BYTES);
                until_stopped(&mut self.watched, self.stream.read_buf(&mut self.input)).await?
            }
        };
        self.shared.facts.read_bytes.fetch_add(count as u64, Relaxed);
        Ok(count)
    }

    /// Writes all output.
    async fn write(&mut self) -> io::Result<()> {
        let bytes = self.output.byte_count();
        if bytes == 0 {
            return Ok(());
        }
        let write = write_pieces(&mut self.stream, &self.output);
        until_stopped(&mut self.watched, write).await?;
        self.shared.facts.written_bytes.fetch_add(bytes as u64, Relaxed);
        self.output.clear(KEPT_BYTES_MAX);
        Ok(())
    }
}

async fn write_pieces(stream: &mut TcpStream, output: &Output) -> io::Result<()> {
    let mut pieces = output.pieces();
    let (first, second) = (pieces.next().unwrap_or_default(), pieces.next());
    // Nearly every reply is one piece of text.
    let Some(second) = second else { return stream.write_all(first).await };
    let mut slices: Vec<_> = [first, second].into_iter().chain(pieces).map(IoSlice::new).collect();
    let mut left = &mut slices[..];
    while !left.is_empty() {
        let written = stream.write_vectored(left).await?;
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        IoSlice::advance_slices(&mut left, written);
    }
    Ok(())
}

/// Runs `action`, but ends with an error when the node is stopped meanwhile.
async fn until_stopped<T>(
    life: &mut watch::Receiver<Life>,
    action: impl Future<Output = io::Result<T>>,
) -> io::Result<T> {
    let mut action = pin!(action);
    tokio::select! {
        biased;
        done = &mut action => done,
        _ = life.wait_for(|life| *life == Life::Stopped) => {
            Err(io::ErrorKind::ConnectionAborted.into())
        }
    }
}
