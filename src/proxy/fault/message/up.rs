//! The request side of an exchange: what becomes of the bytes of each request.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use crate::protocol::observe::LINE_BYTES_MAX;
use crate::proxy::fault::outbox::{Due, Outbox};
use crate::proxy::kept::keep;

/// How long an unfinished head is kept for a rule that may mean it. Requests come whole but for the
/// loss of a packet; what does not is perhaps no request.
pub(super) const HEAD_WAIT: Duration = Duration::from_millis(100);

/// What becomes of the bytes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// They go on.
    Pass,
    /// They go on at this time, and what follows them not before; the first `after_bytes` at once.
    Late { due: Due, after_bytes: u64 },
    /// The server never sees them.
    Swallow,
}

/// The bytes of the client between their arrival and the server. An unfinished head stays here until
/// it is known whose it is; what is longer than any line passes without being asked about.
#[derive(Debug)]
pub(super) struct Up {
    pub(super) out: Outbox,
    /// The bytes of an unfinished head.
    tail: Vec<u8>,
    /// Since when they are kept.
    since: Option<Instant>,
    /// The offset of the first byte that is still here.
    at: u64,
    fate: Fate,
    /// Up to where the fate of bytes is known.
    until: u64,
}

/// Bytes that just arrived, behind those that stayed.
#[derive(Debug)]
pub(super) struct Chunk {
    bytes: Bytes,
    /// The stretch that passes and was not put out yet: positions in `bytes`.
    run: (usize, usize),
}

impl Up {
    /// From offset `at` on; what is under way there has already passed in part.
    pub(super) const fn new(now: Instant, at: u64, at_boundary: bool) -> Self {
        let until = if at_boundary { at } else { u64::MAX };
        Self { out: Outbox::new(now), tail: Vec::new(), since: None, at, fate: Fate::Pass, until }
    }

    /// The offset of the first byte whose fate can still be chosen.
    pub(super) const fn at(&self) -> u64 {
        self.at
    }

    /// Bytes that are kept back, with the cost of their pieces.
    pub(super) fn held(&self) -> usize {
        self.out.cost() + self.tail.len()
    }

    /// What waits goes on now, and so does the rest of the request under way, however late it was to be.
    pub(super) fn hasten(&mut self, now: Instant) {
        self.out.hasten(Due::At(now));
        if matches!(self.fate, Fate::Late { .. }) {
            self.fate = Fate::Pass;
        }
    }

    /// Whether nothing is held or under way that the server does not get as it is.
    pub(super) fn is_idle(&self) -> bool {
        self.tail.is_empty() && self.fate == Fate::Pass && self.out.len() == 0
    }

    /// Whether bytes of a request whose head was seen are still to come.
    pub(super) const fn is_under_way(&self) -> bool {
        self.until > self.at
    }

    /// Lets a chunk by of which nothing is to be kept, changed or delayed; the last request that
    /// begins in it ends at `last`. `false`: it has to be taken in.
    pub(super) fn lets_by(&mut self, length: usize, last: Option<u64>) -> bool {
        let end = self.at + length as u64;
        let known = last.unwrap_or(self.until);
        let passes = self.fate == Fate::Pass || !self.is_under_way();
        if !passes || known < end || !self.tail.is_empty() || self.out.len() > 0 {
            return false;
        }
        (self.at, self.until, self.fate) = (end, known, Fate::Pass);
        true
    }

    /// Takes in bytes in which the first new request starts at `first`.
    pub(super) fn begin(&mut self, data: &[u8], first: Option<u64>) -> Chunk {
        if let Some(first) = first {
            self.until = self.until.min(first.max(self.at));
        }
        let bytes = if self.tail.is_empty() {
            keep(data)
        } else {
            self.tail.extend_from_slice(data);
            Bytes::from(std::mem::take(&mut self.tail))
        };
        let mut chunk = Chunk { bytes, run: (0, 0) };
        self.walk(&mut chunk, 0);
        chunk
    }

    /// The next request: its bytes, up to `end`, have this fate.
    pub(super) fn next(&mut self, chunk: &mut Chunk, fate: Fate, end: u64) {
        let from = chunk.run.1;
        (self.fate, self.until) = (fate, end);
        self.walk(chunk, from);
    }

    /// Gives the bytes that are here and whose fate is known what they are due.
    fn walk(&mut self, chunk: &mut Chunk, from: usize) {
        let left = usize::try_from(self.until - self.at).unwrap_or(usize::MAX);
        let to = from + left.min(chunk.bytes.len() - from);
        self.at += (to - from) as u64;
        match self.fate {
            Fate::Pass => chunk.run.1 = to,
            Fate::Late { due, after_bytes } => {
                let first = usize::try_from(after_bytes).unwrap_or(usize::MAX).min(to - from);
                chunk.run.1 = from + first;
                self.flush(chunk);
                self.out.data_at(due, chunk.bytes.slice(from + first..to));
                self.fate = Fate::Late { due, after_bytes: after_bytes - first as u64 };
                chunk.run = (to, to);
            }
            Fate::Swallow => {
                self.flush(chunk);
                chunk.run = (to, to);
            }
        }
    }

    fn flush(&mut self, chunk: &mut Chunk) {
        let (from, to) = chunk.run;
        self.out.data(chunk.bytes.slice(from..to));
        chunk.run = (to, to);
    }

    /// Sends something of ours behind what may go on.
    pub(super) fn insert(&mut self, chunk: &mut Chunk, bytes: Vec<u8>) {
        self.flush(chunk);
        self.out.data(bytes.into());
    }

    /// Keeps the unfinished head that a chunk ends with, if `may_match` says that somebody might be
    /// interested in a request that begins so.
    pub(super) fn finish(
        &mut self,
        now: Instant,
        mut chunk: Chunk,
        may_match: impl FnOnce(&[u8]) -> bool,
    ) {
        let from = chunk.run.1;
        let tail = &chunk.bytes[from..];
        let passes = self.until == u64::MAX;
        if passes || tail.len() > LINE_BYTES_MAX || !tail.is_empty() && !may_match(tail) {
            (self.fate, self.until, self.since) = (Fate::Pass, u64::MAX, None);
            self.walk(&mut chunk, from);
        } else {
            self.since = match tail.is_empty() {
                true => None,
                false if from == 0 => self.since.or(Some(now)),
                false => Some(now),
            };
            self.tail = tail.to_vec();
        }
        self.flush(&mut chunk);
    }

    /// When an unfinished head is kept no longer.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.since.map(|since| since + HEAD_WAIT)
    }

    /// The bytes of the unfinished head that is kept.
    pub(super) fn kept(&self) -> &[u8] {
        &self.tail
    }

    /// Lets an unfinished head go on; the request has then passed in part.
    pub(super) fn pass_kept(&mut self, now: Instant) {
        self.since = None;
        if !self.tail.is_empty() {
            let tail = std::mem::take(&mut self.tail);
            self.at += tail.len() as u64;
            (self.fate, self.until) = (Fate::Pass, u64::MAX);
            self.out.begin(now);
            self.out.data(tail.into());
        }
    }

    /// Nothing of a chunk goes on but what already may, and nothing ever will.
    pub(super) fn stop(&mut self, mut chunk: Chunk) {
        self.flush(&mut chunk);
    }

    /// Whatever still comes passes: the server closes, or nobody can tell requests apart.
    pub(super) const fn open(&mut self) {
        (self.fate, self.until) = (Fate::Pass, u64::MAX);
    }

    /// The client has ended its stream: the server gets the unfinished rest, and drops it itself.
    pub(super) fn end(&mut self) {
        let rest = std::mem::take(&mut self.tail);
        self.since = None;
        self.out.data(rest.into());
        self.out.end();
    }
}
