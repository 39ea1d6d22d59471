//! `hot_set`: a few keys take a given share of all draws.

use rand::RngExt;

use super::{COUNT, KeySpec, Keys, Seat, count};
use crate::base::family::{Kind, Setting, SettingError, Unit};
use crate::base::seed::Stream;

pub(super) const KIND: Kind<dyn KeySpec> = Kind {
    name: "hot_set",
    summary: "a few hot keys take a given share; the rest is uniform",
    settings: &[
        COUNT,
        Setting {
            name: "hot",
            unit: Unit::Count,
            default: Some("100"),
            summary: "how many of the keys are hot",
        },
        Setting {
            name: "share",
            unit: Unit::Ratio,
            default: Some("80%"),
            summary: "the share of draws that the hot keys get",
        },
    ],
    build: |settings| {
        let (count, hot) = (count(settings)?, settings.count("hot")?);
        if hot == 0 || hot > count {
            let what = format!("`hot` is {hot}; write a number from 1 to `count`, here {count}");
            return Err(SettingError::at("hot", what));
        }
        Ok(Box::new(HotSet { count, hot, share: settings.ratio("share")?.value() }))
    },
};

#[derive(Clone, Copy, Debug)]
struct HotSet {
    count: u64,
    hot: u64,
    share: f64,
}

impl KeySpec for HotSet {
    fn count(&self) -> u64 {
        self.count
    }

    fn start(&self, _: Seat, stream: Stream) -> Box<dyn Keys> {
        Box::new(Draws { spec: *self, stream })
    }
}

#[derive(Debug)]
struct Draws {
    spec: HotSet,
    stream: Stream,
}

impl Keys for Draws {
    fn next_rank(&mut self) -> u64 {
        let HotSet { count, hot, share } = self.spec;
        if hot == count || self.stream.random_bool(share) {
            self.stream.random_range(0..hot)
        } else {
            self.stream.random_range(hot..count)
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::base::family::Value;
    use crate::load::keys::tests::{drawn, spec};

    /// Catches a share that goes to the wrong keys.
    #[test]
    fn the_hot_keys_get_their_share() {
        let settings = [
            ("count", Value::Integer(1000)),
            ("hot", Value::Integer(10)),
            ("share", Value::Float(0.3)),
        ];
        let counts = drawn(&*spec("hot_set", &settings), 100_000);
        let hot: u64 = counts[..10].iter().sum();
        assert!((29_000..31_000).contains(&hot), "{hot}");
        assert!(counts[..10].iter().all(|count| (2600..3400).contains(count)), "{counts:?}");
    }
}
