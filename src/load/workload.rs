//! A workload as plain data, and the checked parts that it is made into.

use std::time::Duration;

use super::arrival::{ARRIVALS, ArrivalSpec};
use super::keys::{KEYS, KeySpec};
use super::keyspace::{AUDITED_KEYS_MAX, Names, Space, names, space_of};
use super::life::Life;
use super::mix::{Mix, MixError};
use super::origin::OriginSpec;
use super::recorded::TraceReplay;
use super::values::{VALUES, ValueSpec};
use crate::base::family::{Chosen, SettingError, Settings, Value};
use crate::base::share::Share;
use crate::base::units::Rate;
use crate::event::Operation;
use crate::http::HttpSpec;

/// The most keys of one multi-get: what became of them is counted in 16 bits.
pub const MULTI_GET_KEYS_MAX: u32 = 65_535;

/// What is asked of the cache, and when: plain data that a plan stores, prints and hashes.
#[derive(Clone, Debug, PartialEq)]
pub struct Workload {
    /// Its name, such as `mixed`.
    pub name: String,
    /// What it is, in one line.
    pub summary: String,
    /// A kind of [`ARRIVALS`].
    pub arrival: Chosen,
    /// A kind of [`KEYS`].
    pub keys: Chosen,
    /// A kind of [`VALUES`].
    pub values: Chosen,
    /// The weight of each operation; one that is not listed has none.
    pub mix: Vec<(Operation, u32)>,
    /// How many keys a multi-get asks for.
    pub multi_get_keys: u32,
    /// How long values live: each is drawn one of these; none: for ever.
    pub ttl: Vec<Life>,
    /// The share of gets and sets that are of keys at the border of what memcached takes, instead.
    pub border_keys: Option<f64>,
    /// The share of acknowledged writes of values that their worker reads back at once.
    pub read_back: Option<f64>,
    /// Whether a miss is followed by a store of the key, as an application in front of a database
    /// would do it.
    pub fill_after_miss: bool,
    /// Where the value of such a store comes from; `None`: it is at hand.
    pub origin: Option<OriginSpec>,
    /// Which calls are abandoned; `None`: none.
    pub cancel: Option<Cancel>,
    /// What is asked of a service, in the place of the mix and its values; `None`: a cache is asked.
    pub http: Option<HttpSpec>,
    /// A recorded trace that says when what is asked, in the place of arrival, keys, values and mix;
    /// `None`: these do.
    pub replay: Option<TraceReplay>,
}

/// Calls that their caller abandons, as one does whose own deadline has passed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cancel {
    /// How long the caller waits, from when the operation was taken up.
    pub after: Duration,
    /// The share of operations that have such a caller.
    pub share: f64,
}

/// The rate that the command line asks for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum RateWish {
    /// Operations a second; each arrival says which of its rates that is.
    PerSecond(Rate),
    /// As fast as the workers get answers: a closed loop.
    Max,
}

/// Why a workload cannot be run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WorkloadError {
    /// The arrival is unknown or its settings are refused.
    #[error("arrival: {0}")]
    Arrival(SettingError),
    /// The key distribution is unknown or its settings are refused.
    #[error("keys: {0}")]
    Keys(SettingError),
    /// The value sizes are unknown or their settings are refused.
    #[error("values: {0}")]
    Values(SettingError),
    /// Nothing to choose from.
    #[error("mix: {0}")]
    Mix(#[from] MixError),
    /// A multi-get without a key, or with too many.
    #[error("multi_get_keys is {keys}; write a number from 1 to 65535")]
    MultiGetKeys {
        /// The number given.
        keys: u32,
    },
    /// A trace has its own arrival times.
    #[error(
        "a trace has arrival times of its own: leave -rate (`rate` in a file) out, and write `speed` \
         beside its file to replay it faster or slower"
    )]
    RateOfTrace,
    /// No worker at all, or too many.
    #[error("{workers} workers; there must be 1 to 10000: set -concurrency")]
    Workers {
        /// The number given.
        workers: u32,
    },
    /// Each worker needs a key of its own to write.
    #[error(
        "{count} keys for {workers} workers, and each worker writes keys of its own; \
         set `count` to {workers} or more, or -concurrency to {count} or less"
    )]
    FewKeys {
        /// How many keys there are.
        count: u64,
        /// How many workers there are.
        workers: u32,
    },
}

/// The most workers: each is a task with a stream and a buffer of its own.
pub const WORKERS_MAX: u32 = 10_000;

/// A workload whose every part has been checked.
#[derive(Debug)]
pub struct Parts {
    /// When operations start.
    pub arrival: Box<dyn ArrivalSpec>,
    /// Which key.
    pub keys: Box<dyn KeySpec>,
    /// How long a value.
    pub values: Box<dyn ValueSpec>,
    /// Which operation.
    pub mix: Mix,
    /// Which operation on which key, instead.
    pub replay: Option<TraceReplay>,
    /// Which of the keys and starts are this machine's.
    pub share: Share,
}

impl Workload {
    /// Checks every part.
    ///
    /// # Errors
    /// For the first part that makes no sense, with what to write instead.
    pub fn parts(&self, rate: Option<RateWish>, workers: u32) -> Result<Parts, WorkloadError> {
        let arrival = match &self.replay {
            Some(_) if rate.is_some() => return Err(WorkloadError::RateOfTrace),
            Some(replay) => Box::new(replay.clone()),
            None => ARRIVALS.make(&self.arrival).map_err(WorkloadError::Arrival)?,
        };
        let arrival = match rate {
            None => arrival,
            Some(RateWish::PerSecond(rate)) => arrival.with_rate(rate),
            Some(RateWish::Max) => ARRIVALS.make(&closed_loop()).map_err(WorkloadError::Arrival)?,
        };
        let keys = KEYS.make(&self.keys).map_err(WorkloadError::Keys)?;
        let values = VALUES.make(&self.values).map_err(WorkloadError::Values)?;
        let mix = Mix::new(&self.mix)?;
        if !(1..=MULTI_GET_KEYS_MAX).contains(&self.multi_get_keys) {
            return Err(WorkloadError::MultiGetKeys { keys: self.multi_get_keys });
        }
        if !(1..=WORKERS_MAX).contains(&workers) {
            return Err(WorkloadError::Workers { workers });
        }
        if self.replay.is_none() && keys.count() < u64::from(workers) {
            return Err(WorkloadError::FewKeys { count: keys.count(), workers });
        }
        let (replay, share) = (self.replay.clone(), Share::ALL);
        Ok(Parts { arrival, keys, values, mix, replay, share })
    }

    /// Leaves out the operations that a client cannot do; one that is left with none is refused by
    /// [`Workload::parts`].
    pub fn only(&mut self, can: impl Fn(Operation) -> bool) {
        self.mix.retain(|(operation, _)| can(*operation));
        if let Some(replay) = &mut self.replay {
            replay.only(can);
        }
    }
}

impl Parts {
    /// How many keys each range has here, in the order of [`Space::ALL`]. A range that no operation
    /// needs has none; an audited one has [`AUDITED_KEYS_MAX`] at most in all, unless there are more
    /// workers in all.
    #[must_use]
    pub fn counts(&self, workers: u32) -> [u64; Space::ALL.len()] {
        if let Some(replay) = &self.replay {
            return replay.recording.names().each_ref().map(|names| names.len() as u64);
        }
        let count = self.keys.count();
        let audited = count.min(AUDITED_KEYS_MAX.max(u64::from(workers)));
        Space::ALL.map(|space| {
            let needed = Operation::ALL
                .iter()
                .any(|operation| self.mix.has(*operation) && space_of(*operation) == space);
            match space {
                Space::Values => self.share.count(count),
                _ if needed => self.share.count(audited),
                _ => 0,
            }
        })
    }

    /// The rank, among this machine's keys, of a key of the distribution.
    pub(super) fn rank(&self, of_all: u64) -> u64 {
        self.share.stand_in(of_all, self.keys.count())
    }

    /// The name of every key of each range.
    pub(super) fn names(&self, workers: u32) -> Names {
        match &self.replay {
            Some(replay) => replay.recording.names().clone(),
            None => names(self.counts(workers), self.share),
        }
    }

    /// Whether a key is stored before anything is measured: of a trace's values, those that its first
    /// request finds.
    pub(super) fn stores_first(&self, space: Space, place: usize) -> bool {
        let replay = self.replay.as_ref().filter(|_| space == Space::Values);
        replay.is_none_or(|replay| replay.recording.was_there(place))
    }
}

fn closed_loop() -> Chosen {
    Chosen { kind: "closed_loop".to_owned(), settings: Settings::default() }
}

impl Default for Workload {
    /// `mixed`, as `workloads/mixed.toml` has it.
    fn default() -> Self {
        let chosen = |kind: &str, given: &[(&str, Value)]| {
            let mut settings = Settings::default();
            for (name, value) in given {
                settings.insert(*name, value.clone());
            }
            Chosen { kind: kind.to_owned(), settings }
        };
        Self {
            name: "mixed".to_owned(),
            summary: "60 % get, 30 % set, 5 % delete, 5 % incr, hot keys".to_owned(),
            arrival: chosen("constant", &[("rate", Value::Integer(2000))]),
            keys: chosen("zipf", &[("count", Value::Integer(10_000))]),
            values: chosen("range", &[]),
            mix: vec![
                (Operation::Get, 60),
                (Operation::Set, 30),
                (Operation::Delete, 5),
                (Operation::Incr, 5),
            ],
            multi_get_keys: 8,
            ttl: Vec::new(),
            border_keys: None,
            read_back: None,
            fill_after_miss: true,
            origin: None,
            cancel: None,
            http: None,
            replay: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Catches a workload that would panic or starve when it is run, instead of an error that says
    /// what to write.
    #[test]
    fn what_cannot_run_says_what_to_write() {
        let mixed = Workload::default();
        assert!(mixed.parts(None, 100).is_ok());
        let error = mixed.parts(None, 10_000 - 1).map(|_| ());
        assert_eq!(error, Ok(()));
        let mut few = mixed.clone();
        few.keys.settings.insert("count", Value::Integer(50));
        assert_eq!(
            few.parts(None, 100).unwrap_err().to_string(),
            "50 keys for 100 workers, and each worker writes keys of its own; \
             set `count` to 100 or more, or -concurrency to 50 or less"
        );
        let none = mixed.parts(None, 0).unwrap_err();
        assert_eq!(none, WorkloadError::Workers { workers: 0 });
        let wide = Workload { multi_get_keys: 0, ..mixed.clone() };
        assert!(wide.parts(None, 1).unwrap_err().to_string().contains("from 1 to 65535"));
        let mut typo = mixed;
        typo.arrival.kind = "constnat".to_owned();
        let error = typo.parts(None, 1).unwrap_err().to_string();
        assert_eq!(error, "arrival: unknown arrival `constnat`; did you mean `constant`?");
    }

    /// Catches a `-rate` that does not reach the arrival.
    #[test]
    fn the_wish_overrides_the_rate() {
        let mixed = Workload::default();
        let rate = |wish| mixed.parts(wish, 1).unwrap().arrival.rate().map(Rate::as_per_second);
        assert_eq!(rate(None), Some(2000.0));
        let wish = RateWish::PerSecond(Rate::per_second(50.0).unwrap());
        assert_eq!(rate(Some(wish)), Some(50.0));
        assert_eq!(rate(Some(RateWish::Max)), None);
    }

    /// Catches keys that nobody uses and yet would be preloaded.
    #[test]
    fn ranges_are_as_large_as_needed() {
        let parts = Workload::default().parts(None, 100).unwrap();
        assert_eq!(parts.counts(100), [10_000, 1000, 0, 0]);
        assert_eq!(parts.counts(2000), [10_000, 2000, 0, 0]);
    }
}
