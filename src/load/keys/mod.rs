//! Which key is asked for: distributions over popularity ranks, one file each.
//!
//! Rank 0 is the most popular key. A distribution draws ranks and nothing else; whose key a rank is
//! and what it is called is decided in `keyspace`.

mod hot_set;
mod scan;
mod sequential;
mod uniform;
mod zipf;

use std::fmt;

use crate::base::family::{Family, Setting, SettingError, Settings, Unit};
use crate::base::seed::Stream;

/// The distributions, in the order in which people should read them.
pub static KEYS: Family<dyn KeySpec> = Family {
    noun: "key distribution",
    kinds: &[uniform::KIND, zipf::KIND, hot_set::KIND, scan::KIND, sequential::KIND],
};

/// The most keys that a workload may have: the oracle keeps about 150 bytes for each.
pub const KEY_COUNT_MAX: u64 = 1_000_000;

/// A distribution, checked.
pub trait KeySpec: fmt::Debug + Send + Sync {
    /// How many keys there are.
    fn count(&self) -> u64;

    /// Starts the draws of one seat. Tables are shared by all seats of a spec.
    fn start(&self, seat: Seat, stream: Stream) -> Box<dyn Keys>;
}

/// Which of the workers draws.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seat {
    /// The worker, from 0.
    pub worker: u32,
    /// How many there are.
    pub workers: u32,
}

/// The draws of one worker.
pub trait Keys: fmt::Debug + Send {
    /// The rank of the next key: below the count of the spec.
    fn next_rank(&mut self) -> u64;
}

/// The setting that every distribution has.
const COUNT: Setting = Setting {
    name: "count",
    unit: Unit::Count,
    default: Some("10000"),
    summary: "how many keys there are",
};

/// Reads [`COUNT`].
fn count(settings: &Settings) -> Result<u64, SettingError> {
    let count = settings.count(COUNT.name)?;
    if (1..=KEY_COUNT_MAX).contains(&count) {
        Ok(count)
    } else {
        let what = format!("`count` is {count}; write a number from 1 to {KEY_COUNT_MAX}");
        Err(SettingError::at(COUNT.name, what))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::family::Value;
    use crate::base::seed::Seed;

    pub(super) const SEAT: Seat = Seat { worker: 0, workers: 1 };

    /// How often each rank was drawn.
    pub(super) fn drawn(spec: &dyn KeySpec, draws: u64) -> Vec<u64> {
        let mut keys = spec.start(SEAT, Seed::new(3).stream());
        let mut counts = vec![0; usize::try_from(spec.count()).unwrap()];
        for _ in 0..draws {
            counts[usize::try_from(keys.next_rank()).unwrap()] += 1;
        }
        counts
    }

    pub(super) fn spec(kind: &str, settings: &[(&str, Value)]) -> Box<dyn KeySpec> {
        let mut given = Settings::default();
        for (name, value) in settings {
            given.insert(*name, value.clone());
        }
        KEYS.find(kind).unwrap().make(&given).unwrap()
    }

    /// Catches a distribution that draws outside its keys, for the counts at the edges.
    #[test]
    fn every_rank_is_below_the_count() {
        for kind in KEYS.kinds {
            for count in [1, 2, 100, 101] {
                let mut given = Settings::default();
                given.insert("count", Value::Integer(count));
                if kind.name == "hot_set" {
                    given.insert("hot", Value::Integer(1));
                }
                let spec = kind.make(&given).unwrap();
                for worker in [0, 6] {
                    let seat = Seat { worker, workers: 7 };
                    let mut keys = spec.start(seat, Seed::new(1).stream());
                    assert!((0..5000).all(|_| keys.next_rank() < spec.count()), "{}", kind.name);
                }
            }
        }
    }

    /// Catches a count that would exhaust memory or leave nothing to draw.
    #[test]
    fn a_senseless_count_is_refused_with_the_range() {
        for count in [0, 1_000_001] {
            let mut given = Settings::default();
            given.insert("count", Value::Integer(count));
            let error = KEYS.find("uniform").unwrap().make(&given).unwrap_err();
            assert!(error.to_string().contains("from 1 to 1000000"), "{error}");
        }
    }
}
