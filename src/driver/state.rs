//! What is known of a driver: what it said, owes and costs. It waits for nothing.

use std::collections::VecDeque;
use std::time::Duration;

use hdrhistogram::Histogram;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::calls::Calls;
use super::speech::{self, Members, Nonsense, Ready, Said};

/// A pong that takes longer shows that the driver stood still: longer than any collection of garbage
/// that goes unnoticed.
const STALL: Duration = Duration::from_millis(250);

/// Lines of stderr that are kept, and bytes of each.
const STDERR_LINES_MAX: usize = 500;

/// Lines of them that an error shows.
const LAST_WORDS: usize = 5;

/// Pings that may wait for their pong. More are not sent: the driver does not answer.
pub(super) const PINGS_MAX: usize = 4;

/// A driver that died.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Crash {
    /// How.
    pub how: String,
    /// The last lines of its stderr.
    pub last_words: String,
}

/// What pipe and runtime cost: the time of a ping.
#[derive(Clone, Debug)]
pub struct Floor {
    /// In microseconds.
    pub round_trips_us: Histogram<u64>,
    /// Times that it stood still, and for how long.
    pub stalls: Vec<Duration>,
}

/// What is known of a driver at the end.
#[derive(Clone, Debug)]
pub struct Story {
    /// What it said of itself.
    pub ready: Ready,
    /// How often it died.
    pub crashes: Vec<Crash>,
    /// What it spoke that is not the protocol.
    pub nonsense: Option<String>,
    /// What pipe and runtime cost.
    pub floor: Floor,
    /// Its stderr, as far as it was kept.
    pub stderr: Vec<String>,
    /// Lines of stderr that were not kept.
    pub stderr_dropped: u64,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) calls: Calls,
    /// Lines to its stdin; `None`: it is not running.
    pub(super) outbox: Option<mpsc::Sender<Vec<u8>>>,
    pub(super) ready: Ready,
    pub(super) crashes: Vec<Crash>,
    pub(super) nonsense: Option<String>,
    pub(super) closing: bool,
    floor: Floor,
    pings: VecDeque<(u64, Instant)>,
    ping: u64,
    /// The lists that its client was told, and those that it has said to have taken.
    lists: (u64, u64),
    /// The list of nodes as it is now.
    pub(super) list: Vec<String>,
    stderr: VecDeque<String>,
    stderr_dropped: u64,
    pub(super) starting: Option<Starting>,
}

/// A process that has not said yet that it is ready.
#[derive(Debug)]
pub(super) struct Starting {
    /// Who waits for it.
    pub(super) told: oneshot::Sender<Result<(), Nonsense>>,
    /// Lines to its stdin.
    pub(super) outbox: mpsc::Sender<Vec<u8>>,
}

impl State {
    /// Nothing is known yet but the list of nodes that it will be greeted with.
    pub(super) fn new(list: Vec<String>) -> Self {
        let round_trips_us = Histogram::new(2).expect("two digits can be kept");
        Self {
            calls: Calls::default(),
            outbox: None,
            ready: Ready::default(),
            crashes: Vec::new(),
            nonsense: None,
            closing: false,
            floor: Floor { round_trips_us, stalls: Vec::new() },
            pings: VecDeque::new(),
            ping: 0,
            lists: (0, 0),
            list,
            stderr: VecDeque::new(),
            stderr_dropped: 0,
            starting: None,
        }
    }

    /// Whether it said that it can do what is called so.
    pub(super) fn lists(&self, verb: &str) -> bool {
        self.ready.operations.iter().any(|known| known == verb)
    }

    pub(super) fn last_words(&self) -> String {
        let skip = self.stderr.len().saturating_sub(LAST_WORDS);
        let words: Vec<&str> = self.stderr.iter().skip(skip).map(String::as_str).collect();
        words.join("\n  ")
    }

    /// A line of its stderr.
    pub(super) fn keep_stderr(&mut self, line: String) {
        if self.stderr.len() >= STDERR_LINES_MAX {
            self.stderr.pop_front();
            self.stderr_dropped += 1;
        }
        self.stderr.push_back(line);
    }

    /// A new process begins: what the last one owed will not come.
    pub(super) fn begin(&mut self, starting: Starting) {
        self.starting = Some(starting);
        self.pings.clear();
        self.lists = (0, 0);
    }

    /// Measures the floor once more, unless the driver still owes several pongs.
    pub(super) fn ping(&mut self) {
        let Some(outbox) = &self.outbox else { return };
        if self.pings.len() < PINGS_MAX {
            let number = self.ping + 1;
            if outbox.try_send(speech::control("ping", number)).is_ok() {
                self.ping = number;
                self.pings.push_back((number, Instant::now()));
            }
        }
    }

    /// Hands over another list of nodes; `false`: it cannot take one, or does not read. One that is started
    /// again is greeted with it.
    pub(super) fn tell_members(&mut self, servers: &[&str]) -> bool {
        self.list = servers.iter().copied().map(str::to_owned).collect();
        let Some(outbox) = self.outbox.as_ref().filter(|_| self.ready.members) else {
            return false;
        };
        let number = self.lists.0 + 1;
        let told = outbox.try_send(speech::line(&Members { members: number, servers })).is_ok();
        self.lists.0 += u64::from(told);
        told
    }

    pub(super) fn story(&self) -> Story {
        Story {
            ready: self.ready.clone(),
            crashes: self.crashes.clone(),
            nonsense: self.nonsense.clone(),
            floor: self.floor.clone(),
            stderr: self.stderr.iter().cloned().collect(),
            stderr_dropped: self.stderr_dropped,
        }
    }

    /// One line of its stdout.
    pub(super) fn hear(&mut self, line: &[u8], now: Instant) {
        let said = match speech::read(line) {
            Ok(said) => said,
            Err(nonsense) => return self.refuse(nonsense),
        };
        match said {
            // It runs from here on: one that dies the next moment has died.
            Said::Ready(ready) => match self.starting.take() {
                Some(Starting { told, outbox }) => {
                    (self.ready, self.outbox) = (ready, Some(outbox));
                    drop(told.send(Ok(())));
                }
                None => self.refuse(Nonsense::new(line, "it was ready already")),
            },
            Said::Answer(id, answer) => {
                if let Err(what) = self.calls.answered(id, answer, now) {
                    self.refuse(Nonsense::new(line, what));
                }
            }
            Said::Pong(number) => {
                let sent = self.pings.iter().position(|(ping, _)| *ping == number);
                match sent.and_then(|position| self.pings.remove(position)) {
                    Some((_, sent)) => self.pong(now - sent),
                    None => self.refuse(Nonsense::new(line, "nobody sent this ping")),
                }
            }
            Said::Listed(number) if (self.lists.1 + 1..=self.lists.0).contains(&number) => {
                self.lists.1 = number;
            }
            Said::Listed(_) => self.refuse(Nonsense::new(line, "nobody told it this list")),
            Said::Complaint(what) => {
                self.refuse(Nonsense::new(
                    line,
                    format!("it could not read a line of ours: {what}"),
                ));
            }
            Said::Bye if self.closing => {}
            Said::Bye => self.refuse(Nonsense::new(line, "it says `bye` and was not told to")),
        }
    }

    fn pong(&mut self, after: Duration) {
        let micros = u64::try_from(after.as_micros()).unwrap_or(u64::MAX);
        let _ = self.floor.round_trips_us.record(micros);
        if after >= STALL {
            self.floor.stalls.push(after);
        }
    }

    pub(super) fn refuse(&mut self, nonsense: Nonsense) {
        if let Some(starting) = self.starting.take() {
            let _ = starting.told.send(Err(nonsense.clone()));
        }
        self.nonsense.get_or_insert_with(|| nonsense.to_string());
    }
}
