//! The meter of one connection: looks at every byte that passes, once, and changes none.
//!
//! It counts for its connection alone. What needs more than one connection (latencies, what kind of
//! client this is, the server's version) it hands in batches to what the connections of a proxy
//! [`Shared`].

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use super::config::Direction;
use super::flight::Flight;
use super::rule::Reporter;
use super::tap::{LatencyView, TapSnapshot};
use crate::wire::command::Command;
use crate::wire::observe::{Observer, Opaque, Options, ReplyEvent, RequestEvent};
use crate::wire::request::Due;
use crate::wire::response::Status;
use crate::wire::version::ServerVersion;

/// Latencies that a connection keeps before it hands them over.
const BATCH: usize = 64;
/// Replies of one connection that a toxic holds and whose latency is still measured.
const UNDELIVERED_MAX: usize = 65_536;
/// Exchanges through a proxy, one at a time on each connection, after which its client is taken for
/// one that never sends a request before it has the reply to the last.
const STRICT_EXCHANGES: u64 = 100;

/// What the meters of a proxy's connections have in common.
#[derive(Debug, Default)]
pub(super) struct Shared {
    latency: Mutex<LatencyView>,
    exchanges: AtomicU64,
    pipelines: AtomicBool,
    version: Mutex<ServerVersion>,
    pub(super) reporter: Reporter,
}

impl Shared {
    pub(super) fn new(reporter: Reporter) -> Self {
        Self { reporter, ..Self::default() }
    }

    /// A meter for a new connection.
    pub(super) fn meter(&self) -> Meter {
        let version = *self.version.lock();
        Meter {
            observer: Observer::new(Options { version, ..Options::default() }),
            bytes: [0; 4],
            requests: [0; COMMANDS],
            quiet_reads: 0,
            replies: [0; STATUSES],
            opaque: None,
            dirty_reuse: 0,
            undelivered: VecDeque::new(),
            latencies: Vec::new(),
            flight: Flight::default(),
            version,
        }
    }

    /// What the connections from now on take the server for.
    pub(super) fn set_version(&self, version: ServerVersion) {
        *self.version.lock() = version;
    }

    pub(super) fn latency(&self) -> LatencyView {
        self.latency.lock().clone()
    }

    fn is_strict(&self) -> bool {
        !self.pipelines.load(Ordering::Relaxed)
            && self.exchanges.load(Ordering::Relaxed) >= STRICT_EXCHANGES
    }
}

const COMMANDS: usize = Command::ALL.len();
const STATUSES: usize = Status::ALL.len();

/// Where bytes were seen: the place of their count.
#[derive(Clone, Copy)]
enum Seen {
    FromClient,
    ToServer,
    FromServer,
    ToClient,
}

/// Counts what passes one connection.
#[derive(Debug)]
pub(super) struct Meter {
    observer: Observer<Instant>,
    bytes: [u64; 4],
    requests: [u64; COMMANDS],
    quiet_reads: u64,
    replies: [u64; STATUSES],
    opaque: Option<Opaque>,
    dirty_reuse: u64,
    /// When the requests arrived whose replies a toxic holds.
    undelivered: VecDeque<Instant>,
    latencies: Vec<Duration>,
    flight: Flight,
    /// The version that the other connections have been told.
    version: ServerVersion,
}

impl Meter {
    /// Bytes were read. Returns how many messages they begin (requests) or complete (replies), for
    /// the toxics; a stretch of a connection that is not understood counts as one.
    pub(super) fn arrived(
        &mut self,
        direction: Direction,
        now: Instant,
        data: &[u8],
        straight: bool,
        shared: &Shared,
    ) -> u32 {
        let messages = match direction {
            Direction::Up => self.requested(now, data, shared),
            Direction::Down => {
                self.bytes[Seen::FromServer as usize] += data.len() as u64;
                self.replied(now, data, straight, shared)
            }
        };
        if self.opaque.is_some() { 1 } else { messages }
    }

    /// A reply of our own leaves in the place of one that the server was never asked for. Returns
    /// how many messages it completes.
    pub(super) fn answered(&mut self, now: Instant, data: &[u8], shared: &Shared) -> u32 {
        self.replied(now, data, false, shared)
    }

    /// What the connection looks like from here on, for somebody who changes what passes.
    pub(super) fn observer(&self) -> Observer<Instant> {
        self.observer.clone()
    }

    fn requested(&mut self, now: Instant, data: &[u8], shared: &Shared) -> u32 {
        self.bytes[Seen::FromClient as usize] += data.len() as u64;
        let waiting = self.observer.is_certain() && self.outstanding() > 0;
        let Self { observer, requests, quiet_reads, opaque, flight, .. } = self;
        let (mut seen, mut answered) = (0, 0);
        observer.on_request(data, now, &mut |event| match event {
            RequestEvent::Request(request) => {
                let paired = request.paired;
                requests[paired.command.position()] += 1;
                let reads = paired.command.is_retrieval() || paired.command == Command::MetaGet;
                *quiet_reads += u64::from(reads && paired.due == Due::Maybe);
                flight.requested(now, paired.sequence, paired.command, request.keys());
                seen += 1;
                answered += u32::from(!request.is_noreply());
            }
            RequestEvent::Opaque(why) => *opaque = Some(why),
        });
        if answered > 1 {
            shared.pipelines.store(true, Ordering::Relaxed);
        } else if answered == 1 && waiting {
            if shared.is_strict() {
                self.dirty_reuse += 1;
            } else {
                shared.pipelines.store(true, Ordering::Relaxed);
            }
        }
        seen
    }

    fn replied(&mut self, now: Instant, data: &[u8], straight: bool, shared: &Shared) -> u32 {
        let Self { observer, replies, opaque, undelivered, latencies, flight, .. } = self;
        let mut seen = 0;
        observer.on_reply(data, &mut |event| match event {
            ReplyEvent::Done(reply) => {
                replies[reply.status.position()] += 1;
                flight.replied(now, reply.request.sequence, reply.request.command, reply.status);
                seen += 1;
                if straight {
                    latencies.push(now - reply.request.stamp);
                } else if undelivered.len() < UNDELIVERED_MAX {
                    undelivered.push_back(reply.request.stamp);
                }
            }
            ReplyEvent::Opaque(why) => *opaque = Some(why),
            ReplyEvent::Unsolicited { .. } => flight.unsolicited(now),
            ReplyEvent::Part(_) | ReplyEvent::Unanswered { .. } => {}
        });
        self.hand_over(BATCH, shared);
        self.share_version(shared);
        if straight { 0 } else { seen }
    }

    /// Bytes were written, and with them the last bytes of this many messages that were held.
    pub(super) fn delivered(
        &mut self,
        direction: Direction,
        now: Instant,
        bytes: usize,
        messages: u32,
        shared: &Shared,
    ) {
        match direction {
            Direction::Up => self.bytes[Seen::ToServer as usize] += bytes as u64,
            Direction::Down => {
                self.bytes[Seen::ToClient as usize] += bytes as u64;
                let delivered = self.undelivered.len().min(messages as usize);
                self.latencies.extend(self.undelivered.drain(..delivered).map(|sent| now - sent));
                if self.undelivered.is_empty() && delivered > 0 {
                    self.undelivered = VecDeque::new();
                }
                self.hand_over(BATCH, shared);
            }
        }
    }

    /// Hands the latencies over when there are at least so many.
    fn hand_over(&mut self, at_least: usize, shared: &Shared) {
        if self.latencies.len() < at_least.max(1) {
            return;
        }
        shared.exchanges.fetch_add(self.latencies.len() as u64, Ordering::Relaxed);
        shared.latency.lock().record(self.latencies.drain(..));
    }

    /// Tells the coming connections what this one has learned, once.
    fn share_version(&mut self, shared: &Shared) {
        let learned = self.observer.version();
        if learned != self.version {
            self.version = learned;
            shared.set_version(learned);
        }
    }

    fn outstanding(&self) -> usize {
        self.observer.outstanding() + self.undelivered.len()
    }

    /// Adds what it counted to `snapshot`, and its latencies to what is shared.
    pub(super) fn add_to(&mut self, snapshot: &mut TapSnapshot, shared: &Shared) {
        self.hand_over(1, shared);
        let at = |seen: Seen| self.bytes[seen as usize];
        snapshot.bytes_from_clients += at(Seen::FromClient);
        snapshot.bytes_to_servers += at(Seen::ToServer);
        snapshot.bytes_from_servers += at(Seen::FromServer);
        snapshot.bytes_to_clients += at(Seen::ToClient);
        snapshot.opaque += u64::from(self.opaque.is_some());
        snapshot.dirty_reuse += self.dirty_reuse;
        snapshot.outstanding += self.outstanding() as u64;
        let requests = Command::ALL.iter().map(|command| command.name()).zip(self.requests);
        for (name, count) in requests.filter(|(_, count)| *count > 0) {
            *snapshot.requests_by_command.entry(name).or_default() += count;
        }
        snapshot.quiet_reads += self.quiet_reads;
        let replies = Status::ALL.iter().map(|status| status.name()).zip(self.replies);
        for (name, count) in replies.filter(|(_, count)| *count > 0) {
            *snapshot.replies_by_status.entry(name).or_default() += count;
        }
    }

    /// The client closed its side.
    pub(super) fn client_left(&mut self, now: Instant) {
        self.flight.client_left(now);
    }

    /// Its last messages.
    pub(super) const fn flight(&self) -> &Flight {
        &self.flight
    }

    /// Why the connection is not understood, if it is not.
    pub(super) const fn opaque(&self) -> Option<Opaque> {
        self.opaque
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GET: &[u8] = b"get k\r\n";
    const HIT: &[u8] = b"VALUE k 0 1\r\nx\r\nEND\r\n";

    fn exchanges(meter: &mut Meter, count: u64, shared: &Shared) {
        let now = Instant::now();
        for _ in 0..count {
            assert_eq!(meter.arrived(Direction::Up, now, GET, true, shared), 1);
            meter.arrived(Direction::Down, now, HIT, true, shared);
        }
    }

    /// Catches a batch that counts as one request for each of its keys, where a client that asks for
    /// them in one line would count one.
    #[test]
    fn the_quiet_reads_of_a_batch_are_told_apart() {
        let shared = Shared::default();
        let mut meter = shared.meter();
        let batch = b"mg a v q\r\nmg b v q\r\nmn\r\nms c 1 q\r\nx\r\nmg d v\r\nget e f\r\n";
        assert_eq!(meter.arrived(Direction::Up, Instant::now(), batch, true, &shared), 6);
        let snapshot = snapshot(&mut meter, &shared);
        assert_eq!((snapshot.requests(), snapshot.quiet_reads), (6, 2));
    }

    fn snapshot(meter: &mut Meter, shared: &Shared) -> TapSnapshot {
        let mut snapshot = TapSnapshot::default();
        meter.add_to(&mut snapshot, shared);
        snapshot
    }

    /// Catches requests and replies that are not counted, or twice, under any cutting.
    #[test]
    fn requests_and_replies_are_counted_once() {
        let shared = Shared::default();
        let mut meter = shared.meter();
        let now = Instant::now();
        for byte in [GET, b"set k 0 0 1 noreply\r\nx\r\ndelete k\r\n"].concat() {
            meter.arrived(Direction::Up, now, &[byte], true, &shared);
        }
        for byte in [HIT, b"NOT_FOUND\r\n"].concat() {
            meter.arrived(Direction::Down, now, &[byte], true, &shared);
        }
        let snapshot = snapshot(&mut meter, &shared);
        assert_eq!(snapshot.requests_by_command, [("delete", 1), ("get", 1), ("set", 1)].into());
        assert_eq!(snapshot.replies_by_status, [("hit", 1), ("not_found", 1)].into());
        assert_eq!((snapshot.outstanding, snapshot.opaque), (0, 0));
        assert_eq!(shared.latency().count(), 2);
    }

    /// Catches a latency that is taken when a reply is read although a toxic holds it.
    #[test]
    fn latency_ends_when_the_reply_is_written() {
        let shared = Shared::default();
        let mut meter = shared.meter();
        let now = Instant::now();
        meter.arrived(Direction::Up, now, GET, false, &shared);
        let read = now + Duration::from_millis(1);
        assert_eq!(meter.arrived(Direction::Down, read, HIT, false, &shared), 1);
        assert_eq!(snapshot(&mut meter, &shared).outstanding, 1);
        let written = now + Duration::from_millis(500);
        meter.delivered(Direction::Down, written, HIT.len(), 1, &shared);
        assert_eq!(snapshot(&mut meter, &shared).outstanding, 0);
        let latency = shared.latency().quantile(0.5).as_millis();
        assert!((495..=505).contains(&latency), "{latency} ms");
    }

    /// Catches a late reply that goes to the next request unseen, and a pipelining client that is
    /// blamed for it.
    #[test]
    fn dirty_reuse_is_seen_with_strict_clients_only() {
        for (history, dirty) in [(0, 0), (STRICT_EXCHANGES, 1)] {
            let shared = Shared::default();
            let mut meter = shared.meter();
            exchanges(&mut meter, history, &shared);
            snapshot(&mut meter, &shared);
            let now = Instant::now();
            meter.arrived(Direction::Up, now, GET, true, &shared);
            meter.arrived(Direction::Up, now, GET, true, &shared);
            assert_eq!(snapshot(&mut meter, &shared).dirty_reuse, dirty, "history {history}");
        }
    }

    /// Catches requests and latencies of another protocol that are counted as memcached's.
    #[test]
    fn another_protocol_has_no_requests() {
        for (sent, said) in [
            (&b"*1\r\n$4\r\nPING\r\n"[..], &b"+PONG\r\n"[..]),
            (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n"),
            (b"\x16\x03\x01\x02\n\n", b"\x16\x03\x03\n"),
        ] {
            let shared = Shared::default();
            let mut meter = shared.meter();
            let now = Instant::now();
            for _ in 0..3 {
                meter.arrived(Direction::Up, now, sent, true, &shared);
                meter.arrived(Direction::Down, now, said, true, &shared);
            }
            let snapshot = snapshot(&mut meter, &shared);
            assert_eq!((snapshot.requests(), snapshot.replies(), snapshot.opaque), (0, 0, 1));
            assert_eq!((snapshot.outstanding, shared.latency().count()), (0, 0));
            assert_eq!(meter.opaque(), Some(Opaque::NotMemcached));
        }
    }

    /// Catches a connection that is no memcached and counts as none of anything.
    #[test]
    fn what_is_not_understood_is_said_once() {
        let shared = Shared::default();
        let mut meter = shared.meter();
        let now = Instant::now();
        let endless = vec![b'x'; 100_000];
        assert_eq!(meter.arrived(Direction::Up, now, &endless, false, &shared), 1);
        assert_eq!(meter.arrived(Direction::Up, now, b"more", false, &shared), 1);
        assert_eq!(snapshot(&mut meter, &shared).opaque, 1);
    }
}
