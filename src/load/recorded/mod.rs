//! A recorded trace of requests, and its replay: which operation is due when, on which key, with how many
//! bytes, and for how long these are to live.
//!
//! What is asked and when is the trace's; the values are ours, as long as recorded, so that every read is
//! checked. Each kind of data has keys of its own here, as everywhere ([`Space`]): a key that is stored
//! and counted is two keys.

mod format;
mod line;
mod memcached;
mod reader;
mod replay;
mod twitter;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

pub use format::TraceFormat;
use reader::peak;
pub use reader::{RecordingError, read};
pub use replay::TraceReplay;

use super::keyspace::{Space, space_of};
use super::life::Life;
use crate::event::Operation;
use crate::protocol::memcached::frame::key::Key;

/// The most requests of a trace that a run may replay: 24 bytes each, 240 MB. A longer piece is an error.
pub const RECORDED_REQUESTS_MAX: usize = 10_000_000;

/// The longest recorded key that is told as it is: with what the keys of a run begin with, and the letter
/// of its kind, it stays below memcached's 250 bytes. A longer one is told by its hash.
pub const RECORDED_KEY_BYTES_MAX: usize = 100;

/// A time to live that had passed when the value was stored.
const EXPIRED: u32 = u32::MAX;

/// A recorded request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Request {
    /// When it came, since the first one.
    due_us: u64,
    /// Its key, within the range of its operation.
    pub(super) key: u32,
    /// How long its value was; of a read, as far as the trace says it.
    bytes: u32,
    /// How many seconds its value was to live; 0: for ever.
    life_s: u32,
    pub(super) operation: Operation,
}

impl Request {
    /// What its value is like.
    pub(super) fn given(&self) -> Given {
        let life = match self.life_s {
            0 => Life::Forever,
            EXPIRED => Life::Expired,
            seconds => Life::For(Duration::from_secs(seconds.into())),
        };
        Given { bytes: self.bytes.into(), life }
    }
}

/// What a recorded value is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Given {
    pub(super) bytes: u64,
    pub(super) life: Life,
}

/// What is known of a key that values are stored under.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stored {
    /// The first length that the trace tells; 0: none.
    bytes: u32,
    /// Whether the first request found it, so that it had been there before.
    was_there: bool,
}

/// The piece of a trace that a run replays: at least one request.
#[derive(Clone, PartialEq, Eq)]
pub struct Recording {
    requests: Vec<Request>,
    /// In the order of [`Space::ALL`].
    names: [Vec<Key>; Space::ALL.len()],
    stored: Vec<Stored>,
    /// From the first request to where a repetition starts.
    length: Duration,
    facts: RecordingFacts,
}

/// What a trace is, and what of it is not replayed as it was.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecordingFacts {
    /// Requests of each operation that occurs.
    pub operations: Vec<(Operation, u64)>,
    /// The most requests of one second.
    pub peak: u64,
    /// Whether the run ends before the trace does.
    pub cut: bool,
    /// Keys that are told by a hash: they are too long, or no key for every client.
    pub hashed_keys: u64,
    /// Counters, registers and logs beyond the most that are checked at the end: they share keys.
    pub sharing_keys: u64,
    /// Stores of values that are shorter than what a read is checked by.
    pub raised_values: u64,
    /// Lines that are no request of ours, by what they are; the rest of the kinds in one.
    pub left_out: Vec<(String, u64)>,
    /// Lines that whoever wrote the trace has lost, as it says itself.
    pub lost: u64,
}

impl Recording {
    /// What it is, and what of it is not replayed as it was.
    #[must_use]
    pub const fn facts(&self) -> &RecordingFacts {
        &self.facts
    }

    /// How many requests there are.
    #[must_use]
    pub fn requests(&self) -> usize {
        self.requests.len()
    }

    /// How many keys there are, of all kinds.
    #[must_use]
    pub fn keys(&self) -> usize {
        self.names.iter().map(Vec::len).sum()
    }

    /// From the first request to where a repetition starts.
    #[must_use]
    pub const fn length(&self) -> Duration {
        self.length
    }

    /// The keys of each range, in the order of [`Space::ALL`].
    pub(super) const fn names(&self) -> &[Vec<Key>; Space::ALL.len()] {
        &self.names
    }

    /// Whether this key of the values had been stored before the trace began.
    pub(super) fn was_there(&self, key: usize) -> bool {
        self.stored.get(key).is_some_and(|stored| stored.was_there)
    }

    /// The length of what is stored under this key of the values where no request says it.
    pub(super) fn bytes_of(&self, key: usize) -> u64 {
        self.stored.get(key).map_or(0, |stored| stored.bytes.into())
    }

    /// The same with those operations only, and the keys that these are asked with; it may have no request then.
    fn only(&self, can: impl Fn(Operation) -> bool) -> Self {
        let mut requests = Vec::new();
        let mut names: [Vec<Key>; Space::ALL.len()] = Default::default();
        let mut stored = Vec::new();
        let mut places: [BTreeMap<u32, u32>; Space::ALL.len()] = Default::default();
        for request in self.requests.iter().filter(|request| can(request.operation)) {
            let space = space_of(request.operation);
            let (names, before) = (&mut names[space as usize], request.key as usize);
            let fresh = u32::try_from(names.len()).expect("no more than there were");
            let key = *places[space as usize].entry(request.key).or_insert(fresh);
            if key == fresh {
                names.push(self.names[space as usize][before].clone());
                if space == Space::Values {
                    stored.push(self.stored[before]);
                }
            }
            requests.push(Request { key, ..*request });
        }
        let mut facts = self.facts.clone();
        facts.operations.retain(|(operation, _)| can(*operation));
        facts.peak = peak(&requests);
        Self { requests, names, stored, length: self.length, facts }
    }
}

impl std::fmt::Debug for Recording {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (requests, keys) = (self.requests(), self.keys());
        f.debug_struct("Recording")
            .field("requests", &requests)
            .field("keys", &keys)
            .finish_non_exhaustive()
    }
}
