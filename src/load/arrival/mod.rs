//! When operations are meant to start: pure schedules, one file each.
//!
//! A schedule answers one question: how long after the start is the next operation due? It never
//! looks at a clock and never waits; the pacer does. `closed_loop` has no intended starts at all.

mod burst;
mod closed_loop;
mod constant;
mod dealt;
mod poisson;
mod ramp;
mod replay;
mod sine;

use std::fmt;
use std::time::Duration;

pub use self::dealt::dealt;
use crate::base::family::Family;
use crate::base::seed::Stream;
use crate::base::units::Rate;

/// The shapes of offered load, in the order in which people should read them.
pub static ARRIVALS: Family<dyn ArrivalSpec> = Family {
    noun: "arrival",
    kinds: &[
        constant::KIND,
        poisson::KIND,
        burst::KIND,
        ramp::KIND,
        sine::KIND,
        replay::KIND,
        closed_loop::KIND,
    ],
};

/// A shape of offered load, checked: many schedules can be started from it.
pub trait ArrivalSpec: fmt::Debug + Send + Sync {
    /// The highest rate that the shape holds for a while, by which a backlog is sized; `None`: it
    /// has no intended starts.
    fn rate(&self) -> Option<Rate>;

    /// The same shape at another rate: `-rate` on the command line. Each file says which of its
    /// rates that is.
    fn with_rate(&self, rate: Rate) -> Box<dyn ArrivalSpec>;

    /// Starts a schedule at zero. Only random shapes draw from `stream`.
    fn start(&self, stream: Stream) -> Pace;
}

/// How operations start.
#[derive(Debug)]
pub enum Pace {
    /// At intended times, whatever the system under test does.
    Open(Box<dyn Arrival>),
    /// As soon as a worker is done with the one before.
    Closed,
}

/// A running schedule.
pub trait Arrival: fmt::Debug + Send {
    /// When the next operation is due, since the start. Never earlier than the one before; `None`:
    /// the schedule has ended.
    fn next_due(&mut self) -> Option<Duration>;
}

/// A schedule that is a formula: the due time of the n-th operation, from 0.
struct Formula<F> {
    count: u64,
    due_s: F,
}

impl<F> fmt::Debug for Formula<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Formula").field("count", &self.count).finish_non_exhaustive()
    }
}

impl<F: Fn(f64) -> f64 + Send + 'static> Formula<F> {
    /// Starts at operation 0. Computing each due time from its number adds up no rounding errors.
    fn start(due_s: F) -> Pace {
        Pace::Open(Box::new(Self { count: 0, due_s }))
    }
}

impl<F: Fn(f64) -> f64 + Send> Arrival for Formula<F> {
    fn next_due(&mut self) -> Option<Duration> {
        #[expect(clippy::cast_precision_loss, reason = "a run issues far fewer than 2^53")]
        let due_s = (self.due_s)(self.count as f64);
        self.count += 1;
        // Past any time that can be counted, the schedule has ended.
        Duration::try_from_secs_f64(due_s).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::family::{Chosen, Settings};
    use crate::base::seed::Seed;

    /// A spec from text settings, as a workload file would give them.
    pub(super) fn spec(kind: &str, settings: &[(&str, &str)]) -> Box<dyn ArrivalSpec> {
        let table = ARRIVALS.find(kind).unwrap();
        let mut given = Settings::default();
        for (name, text) in settings {
            let unit = table.setting(name).unwrap().unit;
            given.insert(*name, unit.parse(name, text).unwrap());
        }
        ARRIVALS.make(&Chosen { kind: kind.to_owned(), settings: given }).unwrap()
    }

    /// The first `count` due times in microseconds.
    pub(super) fn dues_us(spec: &dyn ArrivalSpec, count: usize) -> Vec<u128> {
        let Pace::Open(mut arrival) = spec.start(Seed::new(7).stream()) else {
            panic!("this shape has intended starts");
        };
        (0..count).map_while(|_| arrival.next_due()).map(|due| due.as_micros()).collect()
    }

    /// Catches a schedule that steps back, which would break the order of tickets, and one whose
    /// rate is not what it says after `-rate`.
    #[test]
    fn every_shape_is_monotonic_and_follows_the_rate() {
        let rate = Rate::per_second(1000.0).unwrap();
        for kind in ["constant", "poisson", "burst", "sine"] {
            let spec = spec(kind, &[]).with_rate(rate);
            let dues = dues_us(spec.as_ref(), 20_001);
            assert!(dues.is_sorted(), "{kind}");
            let seconds = dues[20_000] as f64 / 1e6;
            assert!((19.0..21.0).contains(&seconds), "{kind}: 20,000 took {seconds} s");
        }
    }
}
