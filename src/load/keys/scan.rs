//! `scan`: runs of neighbouring keys from random places, as pages and batches read them.

use rand::RngExt;

use super::{COUNT, KeySpec, Keys, Seat, count};
use crate::base::family::{Kind, Setting, SettingError, Unit};
use crate::base::seed::Stream;

pub(super) const KIND: Kind<dyn KeySpec> = Kind {
    name: "scan",
    summary: "runs of neighbouring keys from random places",
    settings: &[
        COUNT,
        Setting {
            name: "length",
            unit: Unit::Count,
            default: Some("100"),
            summary: "how many keys a run has",
        },
    ],
    build: |settings| {
        let length = settings.count("length")?;
        if length == 0 {
            return Err(SettingError::at("length", "`length` must be 1 or more; write 100"));
        }
        Ok(Box::new(Scan { count: count(settings)?, length }))
    },
};

#[derive(Clone, Copy, Debug)]
struct Scan {
    count: u64,
    length: u64,
}

impl KeySpec for Scan {
    fn count(&self) -> u64 {
        self.count
    }

    fn start(&self, _: Seat, stream: Stream) -> Box<dyn Keys> {
        Box::new(Run { spec: *self, at: 0, left: 0, stream })
    }
}

#[derive(Debug)]
struct Run {
    spec: Scan,
    at: u64,
    left: u64,
    stream: Stream,
}

impl Keys for Run {
    fn next_rank(&mut self) -> u64 {
        if self.left == 0 {
            self.at = self.stream.random_range(0..self.spec.count);
            self.left = self.spec.length;
        } else {
            self.at = (self.at + 1) % self.spec.count;
        }
        self.left -= 1;
        self.at
    }
}

#[cfg(test)]
mod tests {
    use crate::base::family::Value;
    use crate::base::seed::Seed;
    use crate::load::keys::tests::{SEAT, spec};

    /// Catches a run of the wrong length, and one that leaves the keys at their end.
    #[test]
    fn runs_have_their_length_and_wrap() {
        let settings = [("count", Value::Integer(50)), ("length", Value::Integer(20))];
        let mut keys = spec("scan", &settings).start(SEAT, Seed::new(5).stream());
        let ranks: Vec<u64> = (0..2000).map(|_| keys.next_rank()).collect();
        for run in ranks.chunks(20) {
            assert!(run.windows(2).all(|pair| pair[1] == (pair[0] + 1) % 50), "{run:?}");
        }
    }
}
