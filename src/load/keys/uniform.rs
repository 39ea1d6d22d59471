//! `uniform`: every key as often as any other.

use rand::RngExt;

use super::{COUNT, KeySpec, Keys, Seat, count};
use crate::base::family::Kind;
use crate::base::seed::Stream;

pub(super) const KIND: Kind<dyn KeySpec> = Kind {
    name: "uniform",
    summary: "every key as often as any other",
    settings: &[COUNT],
    build: |settings| Ok(Box::new(Uniform { count: count(settings)? })),
};

#[derive(Debug)]
struct Uniform {
    count: u64,
}

impl KeySpec for Uniform {
    fn count(&self) -> u64 {
        self.count
    }

    fn start(&self, _: Seat, stream: Stream) -> Box<dyn Keys> {
        Box::new(Draws { count: self.count, stream })
    }
}

#[derive(Debug)]
struct Draws {
    count: u64,
    stream: Stream,
}

impl Keys for Draws {
    fn next_rank(&mut self) -> u64 {
        self.stream.random_range(0..self.count)
    }
}

#[cfg(test)]
mod tests {
    use crate::base::family::Value;
    use crate::load::keys::tests::{drawn, spec};

    /// Catches a skew: 100 keys, 100,000 draws, each within six deviations of 1,000.
    #[test]
    fn no_key_is_preferred() {
        let counts = drawn(&*spec("uniform", &[("count", Value::Integer(100))]), 100_000);
        assert!(counts.iter().all(|count| (810..1190).contains(count)), "{counts:?}");
    }
}
