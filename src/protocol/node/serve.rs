//! A node's sockets: accepts, reads, writes, pauses and stops. What is said is up to its service.
//!
//! Pausing is what SIGSTOP does to a server: the kernel goes on taking connections and bytes, and
//! nothing is answered. Stopping is what SIGKILL does: every connection is closed, as a reset where
//! bytes were unread, and the items are gone.

use std::future::Future;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::{BufMut, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::gate::Gate;
use super::output::Output;
use crate::base::scope::{Closed, Scope};
use crate::secure::stream::Stream;

/// How much is read at once.
const READ_BYTES: usize = 16 * 1024;
/// A buffer that grew above this is given back once it is empty.
const KEPT_BYTES_MAX: usize = 256 * 1024;
/// How long accepting rests after an error, such as too many open files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);
/// How long stopping waits for connections; each ends at its next wait.
const STOP_GRACE: Duration = Duration::from_secs(5);

/// What a conversation needs next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// More input.
    Input,
    /// Its output written, then to be run again.
    Output,
    /// Its output written, then the connection closed.
    Close,
}

/// What a node does: its data, and what it answers. It acts on nothing but these.
pub trait Service: std::fmt::Debug + Send + Sync + 'static {
    /// The state of one connection between two pieces of input.
    type Conversation: Send;

    /// A connection is there; `Err`: what it is told before it is closed.
    ///
    /// # Errors
    /// When there are too many.
    fn admit(&self) -> Result<Self::Conversation, String>;

    /// An admitted connection is gone.
    fn left(&self);

    /// Executes what is complete in `input` and appends the replies to `out`.
    fn run(
        &self,
        conversation: &mut Self::Conversation,
        input: &mut BytesMut,
        out: &mut Output,
    ) -> Step;

    /// The buffer of a value that is not complete, and how many bytes it still needs: they may be read
    /// into it directly.
    fn pending(conversation: &mut Self::Conversation) -> Option<(&mut Vec<u8>, usize)>;

    /// So many bytes were read and written.
    fn passed(&self, read: usize, written: usize);

    /// Forgets everything.
    fn flush(&self);

    /// Sets the clock so many seconds ahead of what it is then, or back.
    fn set_ahead(&self, seconds: i64);
}

/// A running node. Dropping it stops it.
#[derive(Debug)]
pub struct Node<S> {
    address: SocketAddr,
    service: Arc<S>,
    life: watch::Sender<Life>,
    scope: Scope,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Life {
    Running,
    Paused,
    Stopped,
}

impl<S: Service> Node<S> {
    /// Serves on `listener` in a scope below `scope`, with TLS while `gate` shows something.
    ///
    /// # Errors
    /// When the listener has no address.
    pub fn serve(
        listener: TcpListener,
        service: S,
        gate: Arc<Gate>,
        scope: &Scope,
    ) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let service = Arc::new(service);
        let life = watch::Sender::new(Life::Running);
        let scope = scope.child(format!("node[{address}]"));
        let server = Server {
            service: Arc::clone(&service),
            gate,
            life: life.subscribe(),
            scope: scope.clone(),
        };
        let (cancelled, stop) = (scope.cancelled(), life.clone());
        scope.spawn("accept", async move {
            tokio::select! {
                () = server.accept(listener) => {}
                () = cancelled => {}
            }
            stop.send_replace(Life::Stopped);
        });
        Ok(Self { address, service, life, scope })
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

    /// Forgets every item.
    pub fn flush(&self) {
        self.service.flush();
    }

    /// Sets the clock so many seconds ahead of what it is then, or back.
    pub fn set_ahead(&self, seconds: i64) {
        self.service.set_ahead(seconds);
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

impl<S> Drop for Node<S> {
    fn drop(&mut self) {
        self.life.send_replace(Life::Stopped);
        self.scope.cancel();
    }
}

/// The accepting side.
struct Server<S> {
    service: Arc<S>,
    gate: Arc<Gate>,
    life: watch::Receiver<Life>,
    scope: Scope,
}

impl<S: Service> Server<S> {
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
        let conversation = match self.service.admit() {
            Ok(conversation) => conversation,
            Err(refusal) => {
                // A new socket has room for a line; a client that is gone already needs none.
                let _ = stream.write_all(refusal.as_bytes()).await;
                return;
            }
        };
        let place = Place(Arc::clone(&self.service));
        let life = self.life.clone();
        let identity = self.gate.identity.lock().clone();
        self.scope.spawn("connection", async move {
            let mut watched = life.clone();
            // A failed setting, handshake, read or write is the client's leaving.
            if stream.set_nodelay(true).is_err() {
                return;
            }
            let stream = match identity {
                None => Stream::Plain(stream),
                Some(identity) => {
                    match while_running(&mut watched, identity.accept(stream)).await {
                        Ok(stream) => stream,
                        Err(_) => return,
                    }
                }
            };
            let (input, output) = Default::default();
            let connection =
                Connection { stream, life, watched, place, conversation, input, output };
            connection.serve().await;
        });
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

/// The place of an admitted connection, free again with it.
struct Place<S: Service>(Arc<S>);

impl<S: Service> Drop for Place<S> {
    fn drop(&mut self) {
        self.0.left();
    }
}

struct Connection<S: Service> {
    stream: Stream<TcpStream>,
    life: watch::Receiver<Life>,
    watched: watch::Receiver<Life>,
    place: Place<S>,
    conversation: S::Conversation,
    input: BytesMut,
    output: Output,
}

impl<S: Service> Connection<S> {
    /// Until either side closes.
    async fn serve(mut self) {
        let _ = self.converse().await;
    }

    async fn converse(&mut self) -> io::Result<()> {
        while runs(&mut self.life).await {
            let Self { place, conversation, input, output, .. } = self;
            let step = place.0.run(conversation, input, output);
            self.write().await?;
            match step {
                Step::Output => {}
                Step::Close => return Ok(()),
                Step::Input => {
                    if self.read().await? == 0 {
                        return Ok(());
                    }
                }
            }
        }
        Ok(())
    }

    /// Reads once: into the value that is waited for, else into the input buffer.
    async fn read(&mut self) -> io::Result<usize> {
        let count = match S::pending(&mut self.conversation) {
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
        self.place.0.passed(count, 0);
        Ok(count)
    }

    /// Writes all output.
    async fn write(&mut self) -> io::Result<()> {
        let bytes = self.output.byte_count();
        if bytes == 0 {
            return Ok(());
        }
        let Self { stream, output, .. } = self;
        let write = async {
            write_pieces(stream, output).await?;
            // Below TLS something may be left of it.
            stream.flush().await
        };
        until_stopped(&mut self.watched, write).await?;
        self.place.0.passed(0, bytes);
        self.output.clear(KEPT_BYTES_MAX);
        Ok(())
    }
}

async fn write_pieces(stream: &mut Stream<TcpStream>, output: &Output) -> io::Result<()> {
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

/// Runs `action`, which stands still while the node is paused, but ends with an error when it is stopped.
async fn while_running<T>(
    life: &mut watch::Receiver<Life>,
    action: impl Future<Output = io::Result<T>>,
) -> io::Result<T> {
    let mut action = pin!(action);
    while runs(life).await {
        tokio::select! {
            biased;
            _ = life.changed() => {}
            done = &mut action => return done,
        }
    }
    Err(io::ErrorKind::ConnectionAborted.into())
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
