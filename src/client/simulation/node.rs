//! A simulated node: the embedded one behind pipes, its moods, and what a hostile one does.
//!
//! A request is executed in the moment in which it is written, or never: whatever a client is told
//! about it comes later. So what a reader may see is known exactly.

use std::collections::BTreeMap;
use std::future::pending;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::BytesMut;
use parking_lot::Mutex;
use rand::RngExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use crate::base::scope::Scope;
use crate::base::seed::{Seed, Stream};
use crate::protocol::memcached::server::clock::Clock;
use crate::protocol::memcached::server::session::{Context, Session};
use crate::protocol::memcached::server::stats::Facts;
use crate::protocol::memcached::server::store::{Limits, Store};
use crate::protocol::node::output::Output;
use crate::protocol::node::serve::Step;

/// One way there.
const LATENCY: Duration = Duration::from_micros(100);

/// More than any request or answer of the tests, so that a write never waits.
const PIPE_BYTES: usize = 16 * 1024;

/// How a node behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mood {
    /// As it should.
    Well,
    /// Nobody listens, and what was open is cut.
    Refusing,
    /// Connections are taken, requests are thrown away.
    Mute,
    /// Nothing arrives: neither connections come about nor requests.
    Gone,
    /// Every answer comes this late.
    Slow(Duration),
    /// Every request is refused by an error line.
    Busy,
    /// Each answer is late, doubled, cut, replaced or among other lines, by chance.
    Hostile {
        /// The deadline, around which answers come late.
        around: Duration,
    },
}

/// A node. Clones are the same node.
#[derive(Clone, Debug)]
pub(super) struct SimulatedNode {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    mood: Mutex<Mood>,
    /// Counted up when every connection is cut.
    era: watch::Sender<u64>,
    store: Mutex<Arc<Store>>,
    clock: Clock,
    facts: Facts,
    /// How often each counter was changed.
    changes: Mutex<BTreeMap<String, u64>>,
    accepted: AtomicU64,
    seed: Seed,
    scope: Scope,
}

impl SimulatedNode {
    pub(super) fn new(seed: Seed, scope: Scope) -> Self {
        let shared = Shared {
            mood: Mutex::new(Mood::Well),
            era: watch::Sender::new(0),
            store: Mutex::new(Arc::new(empty())),
            clock: Clock::new(Instant::now(), 1_800_000_000),
            facts: Facts::default(),
            changes: Mutex::default(),
            accepted: AtomicU64::new(0),
            seed,
            scope,
        };
        Self { shared: Arc::new(shared) }
    }

    /// From now on.
    pub(super) fn set(&self, mood: Mood) {
        *self.shared.mood.lock() = mood;
        if mood == Mood::Refusing {
            self.cut();
        }
    }

    /// Ends every connection.
    pub(super) fn cut(&self) {
        self.shared.era.send_modify(|era| *era += 1);
    }

    /// Ends every connection and forgets every value.
    pub(super) fn restart(&self) {
        *self.shared.store.lock() = Arc::new(empty());
        self.cut();
    }

    /// How often the counter `key` was changed.
    pub(super) fn changes(&self, key: &str) -> u64 {
        self.shared.changes.lock().get(key).copied().unwrap_or_default()
    }

    /// The other end of a new connection.
    pub(super) async fn accept(&self) -> io::Result<DuplexStream> {
        sleep(2 * LATENCY).await;
        match *self.shared.mood.lock() {
            Mood::Refusing => return Err(io::ErrorKind::ConnectionRefused.into()),
            Mood::Gone => {}
            _ => return Ok(self.connection()),
        }
        pending().await
    }

    fn connection(&self) -> DuplexStream {
        let (near, far) = duplex(PIPE_BYTES);
        let number = self.shared.accepted.fetch_add(1, Ordering::Relaxed);
        let draws = self.shared.seed.fork("connection").index(number).stream();
        let (node, mut era) = (self.clone(), self.shared.era.subscribe());
        self.shared.scope.spawn("connection", async move {
            tokio::select! {
                biased;
                _ = era.changed() => {}
                () = node.serve(far, draws) => {}
            }
        });
        near
    }

    async fn serve(&self, mut pipe: DuplexStream, mut draws: Stream) {
        let (mut session, mut input, mut out) = <(Session, BytesMut, Output)>::default();
        loop {
            // Room for all that a client writes at once: a request must not come in two parts.
            input.reserve(PIPE_BYTES);
            if !pipe.read_buf(&mut input).await.is_ok_and(|read| read > 0) {
                return;
            }
            let mood = *self.shared.mood.lock();
            let whim = match mood {
                Mood::Mute | Mood::Gone => {
                    input.clear();
                    continue;
                }
                Mood::Busy => {
                    input.clear();
                    Whim { before: "SERVER_ERROR busy\r\n", ..Whim::NONE }
                }
                Mood::Well | Mood::Refusing => Whim::NONE,
                Mood::Slow(delay) => Whim { delay, ..Whim::NONE },
                Mood::Hostile { around } => Whim::draw(&mut draws, around),
            };
            if whim.then == Then::Unread {
                return;
            }
            let answer = self.execute(&mut session, &mut input, &mut out);
            sleep(2 * LATENCY + whim.delay).await;
            // What a client that is gone sent after this request is never executed.
            let is_gone = pipe.write_all(&whim.said(&answer)).await.is_err();
            if is_gone || whim.ends() {
                return;
            }
        }
    }

    fn execute(&self, session: &mut Session, input: &mut BytesMut, out: &mut Output) -> Vec<u8> {
        let counter = counter_of(input);
        let store = Arc::clone(&self.shared.store.lock());
        let now = self.shared.clock.at(Instant::now());
        let (clock, facts) = (&self.shared.clock, &self.shared.facts);
        let context = Context { store: &store, clock, now, facts };
        let mut answer = Vec::new();
        loop {
            let step = session.run(input, out, &context);
            answer.extend(out.pieces().flatten());
            out.clear(0);
            if step != Step::Output {
                break;
            }
        }
        if let Some(key) = counter.filter(|_| answer.starts_with(b"VA ")) {
            *self.shared.changes.lock().entry(key).or_default() += 1;
        }
        answer
    }
}

fn empty() -> Store {
    Store::new(Limits { memory_bytes: 8 << 20, item_bytes: 1 << 20 })
}

/// The key of an `ma`.
fn counter_of(input: &[u8]) -> Option<String> {
    let key = input.strip_prefix(b"ma ")?.split(|&byte| byte == b' ').next()?;
    Some(String::from_utf8_lossy(key).into_owned())
}

/// What becomes of an answer.
#[derive(Clone, Copy, Debug)]
struct Whim {
    delay: Duration,
    before: &'static str,
    then: Then,
    after: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    /// The answer.
    Answer,
    /// The answer, once more.
    Twice,
    /// Half of it, and the end.
    Half,
    /// The end instead of it.
    End,
    /// The end before the request is even read.
    Unread,
    /// A line that is no answer to anything we ask.
    Instead(&'static str),
}

/// Lines that any request takes for its own answer.
const ERRORS: &[&str] = &["SERVER_ERROR stray\r\n", "CLIENT_ERROR stray\r\n", "ERROR\r\n"];

/// Lines that a request of ours may take for its answer without coming to a wrong value, and lines
/// that none takes.
const OTHERS: &[&str] = &[
    "END\r\n",
    "EN\r\n",
    "HD\r\n",
    "17\r\n",
    "TOUCHED\r\n",
    "HD kr0 O0\r\n",
    "VALUE stray 0 5\r\nstray\r\nEND\r\n",
    "VALUE stray 0 5\r\nstray\r\n",
    "VA 5 kr0 f1 O0\r\nstray\r\n",
    "HELLO\r\n",
    "\r\n",
];

impl Whim {
    const NONE: Self = Self { delay: Duration::ZERO, before: "", then: Then::Answer, after: "" };

    fn draw(draws: &mut Stream, around: Duration) -> Self {
        let stray = |draws: &mut Stream| match draws.random_range(0..40) {
            0 => ERRORS[draws.random_range(0..ERRORS.len())],
            1 => OTHERS[draws.random_range(0..OTHERS.len())],
            2 => "SERVER_ERROR one\r\nSERVER_ERROR two\r\n",
            _ => "",
        };
        let delay = match draws.random_range(0..5) {
            0 => around.mul_f64(draws.random_range(0.0..2.0)),
            _ => Duration::ZERO,
        };
        let then = match draws.random_range(0..40) {
            0 => Then::Half,
            1 => Then::End,
            2 => Then::Unread,
            3 | 4 => Then::Twice,
            5 => Then::Instead(OTHERS[draws.random_range(0..OTHERS.len())]),
            _ => Then::Answer,
        };
        Self { delay, before: stray(draws), then, after: stray(draws) }
    }

    fn said(self, answer: &[u8]) -> Vec<u8> {
        let part: &[&[u8]] = match self.then {
            Then::Answer => &[answer],
            Then::Twice => &[answer, answer],
            Then::Half => &[&answer[..answer.len() / 2]],
            Then::End | Then::Unread => &[],
            Then::Instead(line) => &[line.as_bytes()],
        };
        let after: &[u8] = if self.ends() { b"" } else { self.after.as_bytes() };
        [self.before.as_bytes(), &part.concat(), after].concat()
    }

    const fn ends(self) -> bool {
        matches!(self.then, Then::Half | Then::End | Then::Unread)
    }
}
