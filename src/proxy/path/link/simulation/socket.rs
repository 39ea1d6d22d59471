//! A socket in memory: one end for the link, the other for a peer of the simulation.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::{Buf, Bytes, BytesMut};
use parking_lot::Mutex;
use rand::RngExt;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::base::seed::Stream;
use crate::proxy::path::upstream::Peer;

/// What the system holds of a connection in each direction.
#[derive(Debug)]
struct State {
    /// Sent by the peer, not yet read by the link.
    sent: VecDeque<Bytes>,
    sent_bytes: usize,
    /// The peer has ended its stream.
    ended: bool,
    /// The peer has reset the connection.
    reset: bool,
    /// Written by the link, not yet taken by the peer.
    arrived: BytesMut,
    /// The link has ended its stream, or has closed the socket.
    link_ended: bool,
    /// How many bytes fit in each direction.
    capacity: usize,
    /// The most that one read or write moves; drawn between 1 and this.
    piece_max: usize,
    draws: Stream,
    reader: Option<Waker>,
    writer: Option<Waker>,
    /// Bytes that the link has read and written.
    moved: u64,
    /// How often it has asked to.
    calls: u32,
}

impl State {
    fn piece(&mut self, most: usize) -> usize {
        let most = most.min(self.piece_max);
        if most <= 1 { most } else { self.draws.random_range(most.div_ceil(8)..=most) }
    }
}

/// The end that the link has.
#[derive(Debug)]
pub(super) struct Socket(Arc<Mutex<State>>);

/// The end that the peer has.
#[derive(Clone, Debug)]
pub(super) struct Far(Arc<Mutex<State>>);

/// Two ends of a connection.
pub(super) fn pair(capacity: usize, piece_max: usize, draws: Stream) -> (Socket, Far) {
    let state = Arc::new(Mutex::new(State {
        sent: VecDeque::new(),
        sent_bytes: 0,
        ended: false,
        reset: false,
        arrived: BytesMut::new(),
        link_ended: false,
        capacity,
        piece_max,
        draws,
        reader: None,
        writer: None,
        moved: 0,
        calls: 0,
    }));
    (Socket(Arc::clone(&state)), Far(state))
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.0.lock().link_ended = true;
    }
}

impl Peer for Socket {}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut state = self.0.lock();
        state.calls += 1;
        if state.reset {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        let most = state.piece(buffer.remaining());
        let Some(first) = state.sent.front_mut() else {
            if state.ended {
                return Poll::Ready(Ok(()));
            }
            state.reader = Some(cx.waker().clone());
            return Poll::Pending;
        };
        let count = most.min(first.len());
        buffer.put_slice(&first[..count]);
        first.advance(count);
        if first.is_empty() {
            state.sent.pop_front();
        }
        state.sent_bytes -= count;
        state.moved += count as u64;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut state = self.0.lock();
        state.calls += 1;
        if state.reset {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        let room = state.capacity.saturating_sub(state.arrived.len());
        if room == 0 {
            state.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let count = state.piece(data.len().min(room));
        state.arrived.extend_from_slice(&data[..count]);
        state.moved += count as u64;
        Poll::Ready(Ok(count))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.lock().link_ended = true;
        Poll::Ready(Ok(()))
    }
}

impl Far {
    /// Sends as much as there is room for.
    pub(super) fn send(&self, data: &mut Bytes) {
        let mut state = self.0.lock();
        let room = state.capacity.saturating_sub(state.sent_bytes).min(data.len());
        if room == 0 || state.reset || state.ended {
            return;
        }
        state.sent_bytes += room;
        state.sent.push_back(data.split_to(room));
        wake(&mut state.reader);
    }

    /// Takes up to `most` bytes of what has arrived.
    pub(super) fn take(&self, most: usize) -> Bytes {
        let mut state = self.0.lock();
        let count = most.min(state.arrived.len());
        if count > 0 {
            wake(&mut state.writer);
        }
        state.arrived.split_to(count).freeze()
    }

    /// Ends the peer's stream.
    pub(super) fn end(&self) {
        let mut state = self.0.lock();
        state.ended = true;
        wake(&mut state.reader);
    }

    /// Resets the connection: what is under way is lost.
    pub(super) fn reset(&self) {
        let mut state = self.0.lock();
        state.reset = true;
        state.sent.clear();
        state.sent_bytes = 0;
        wake(&mut state.reader);
        wake(&mut state.writer);
    }

    /// Whether the link has ended its stream and everything before that was taken.
    pub(super) fn is_ended(&self) -> bool {
        let state = self.0.lock();
        state.link_ended && state.arrived.is_empty()
    }

    /// Whether the peer can still say something.
    pub(super) fn is_open(&self) -> bool {
        let state = self.0.lock();
        !state.ended && !state.reset
    }

    /// Bytes that the link has read and written.
    pub(super) fn moved(&self) -> u64 {
        self.0.lock().moved
    }

    /// How often the link has asked to read or write.
    pub(super) fn calls(&self) -> u32 {
        self.0.lock().calls
    }
}

fn wake(waker: &mut Option<Waker>) {
    if let Some(waker) = waker.take() {
        waker.wake();
    }
}
