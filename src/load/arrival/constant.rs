//! `constant`: one operation every interval.

use super::{ArrivalSpec, Formula, Pace};
use crate::base::family::{Kind, Setting, Unit};
use crate::base::seed::Stream;
use crate::base::units::Rate;

pub(super) const KIND: Kind<dyn ArrivalSpec> = Kind {
    name: "constant",
    summary: "one operation every interval",
    settings: &[Setting {
        name: "rate",
        unit: Unit::PerSecond,
        default: Some("2000/s"),
        summary: "operations a second",
    }],
    build: |settings| Ok(Box::new(Constant { rate: settings.rate("rate")? })),
};

#[derive(Debug)]
struct Constant {
    rate: Rate,
}

impl ArrivalSpec for Constant {
    fn rate(&self) -> Option<Rate> {
        Some(self.rate)
    }

    fn with_rate(&self, rate: Rate) -> Box<dyn ArrivalSpec> {
        Box::new(Self { rate })
    }

    fn start(&self, _: Stream) -> Pace {
        let rate = self.rate.as_per_second();
        Formula::start(move |count| count / rate)
    }
}

#[cfg(test)]
mod tests {
    use crate::load::arrival::tests::{dues_us, spec};

    /// Catches a schedule that starts late, and one whose rounding adds up: 3 a second must be due
    /// at whole seconds for ever.
    #[test]
    fn due_times_are_exact() {
        assert_eq!(dues_us(&*spec("constant", &[("rate", "2000/s")]), 4), [0, 500, 1000, 1500]);
        let thirds = dues_us(&*spec("constant", &[("rate", "3/s")]), 300_001);
        assert_eq!(thirds[1], 333_333);
        assert_eq!(thirds[300_000], 100_000_000_000);
    }
}
