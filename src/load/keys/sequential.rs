//! `sequential`: all workers together walk through the keys in order, again and again.

use super::{COUNT, KeySpec, Keys, Seat, count};
use crate::base::family::Kind;
use crate::base::seed::Stream;

pub(super) const KIND: Kind<dyn KeySpec> = Kind {
    name: "sequential",
    summary: "every key in its turn: the workers share out each round",
    settings: &[COUNT],
    build: |settings| Ok(Box::new(Sequential { count: count(settings)? })),
};

#[derive(Debug)]
struct Sequential {
    count: u64,
}

impl KeySpec for Sequential {
    fn count(&self) -> u64 {
        self.count
    }

    fn start(&self, seat: Seat, _: Stream) -> Box<dyn Keys> {
        let first = u64::from(seat.worker) % self.count;
        Box::new(Walk { count: self.count, first, step: u64::from(seat.workers), at: first })
    }
}

/// Worker w of W visits w, w + W, w + 2 W, ... and starts over behind the last key.
#[derive(Debug)]
struct Walk {
    count: u64,
    first: u64,
    step: u64,
    at: u64,
}

impl Keys for Walk {
    fn next_rank(&mut self) -> u64 {
        let rank = self.at;
        self.at += self.step;
        if self.at >= self.count {
            self.at = self.first;
        }
        rank
    }
}

#[cfg(test)]
mod tests {
    use crate::base::family::Value;
    use crate::base::seed::Seed;
    use crate::load::keys::Seat;
    use crate::load::keys::tests::spec;

    /// Catches a key that no worker visits in a round, and one that two visit.
    #[test]
    fn a_round_visits_every_key_once() {
        let spec = spec("sequential", &[("count", Value::Integer(10))]);
        let mut seen = Vec::new();
        for (worker, visits) in [(0, 4), (1, 3), (2, 3)] {
            let mut keys = spec.start(Seat { worker, workers: 3 }, Seed::new(1).stream());
            seen.extend((0..visits).map(|_| keys.next_rank()));
            assert_eq!(keys.next_rank(), u64::from(worker), "then it starts over");
        }
        seen.sort_unstable();
        assert_eq!(seen, (0..10).collect::<Vec<u64>>());
    }
}
