//! `burst`: a quiet base rate, and again and again a crowd.

use std::time::Duration;

use super::{ArrivalSpec, Formula, Pace};
use crate::base::family::{Kind, Setting, SettingError, Unit};
use crate::base::seed::Stream;
use crate::base::units::Rate;

pub(super) const KIND: Kind<dyn ArrivalSpec> = Kind {
    name: "burst",
    summary: "a base rate with regular bursts",
    settings: &[
        Setting {
            name: "base",
            unit: Unit::PerSecond,
            default: Some("1000/s"),
            summary: "operations a second between bursts",
        },
        Setting {
            name: "burst",
            unit: Unit::PerSecond,
            default: Some("6000/s"),
            summary: "operations a second during a burst",
        },
        Setting {
            name: "every",
            unit: Unit::Milliseconds,
            default: Some("1s"),
            summary: "the time from one burst to the next",
        },
        Setting {
            name: "length",
            unit: Unit::Milliseconds,
            default: Some("200ms"),
            summary: "how long a burst lasts; each period begins with it",
        },
    ],
    build: |settings| {
        let every = settings.duration("every", Unit::Milliseconds)?;
        let length = settings.duration("length", Unit::Milliseconds)?;
        if length.is_zero() || length >= every {
            let what = "`length` must be above 0 and shorter than `every`";
            return Err(SettingError::at("length", what));
        }
        let (base, burst) = (settings.rate("base")?, settings.rate("burst")?);
        Ok(Box::new(Burst { base, burst, every, length }))
    },
};

#[derive(Clone, Copy, Debug)]
struct Burst {
    base: Rate,
    burst: Rate,
    every: Duration,
    length: Duration,
}

impl Burst {
    /// Operations in a burst, and in a whole period.
    fn counts(&self) -> (f64, f64) {
        let in_burst = self.burst.as_per_second() * self.length.as_secs_f64();
        let quiet = self.base.as_per_second() * (self.every - self.length).as_secs_f64();
        (in_burst, in_burst + quiet)
    }
}

impl ArrivalSpec for Burst {
    fn rate(&self) -> Option<Rate> {
        Some(self.burst)
    }

    /// The mean over a period becomes `rate`; base and burst keep their ratio.
    fn with_rate(&self, rate: Rate) -> Box<dyn ArrivalSpec> {
        let mean = self.counts().1 / self.every.as_secs_f64();
        let scale = |old: Rate| {
            Rate::per_second(old.as_per_second() * rate.as_per_second() / mean).unwrap_or(rate)
        };
        Box::new(Self { base: scale(self.base), burst: scale(self.burst), ..*self })
    }

    fn start(&self, _: Stream) -> Pace {
        let spec = *self;
        let (in_burst, in_period) = spec.counts();
        Formula::start(move |count| {
            let periods = (count / in_period).floor();
            let rest = count - periods * in_period;
            let within = if rest < in_burst {
                rest / spec.burst.as_per_second()
            } else {
                spec.length.as_secs_f64() + (rest - in_burst) / spec.base.as_per_second()
            };
            periods * spec.every.as_secs_f64() + within
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::load::arrival::ARRIVALS;
    use crate::load::arrival::tests::{dues_us, spec};

    /// Catches a burst of the wrong length, and a period that drifts.
    #[test]
    fn a_period_is_a_burst_and_then_the_base_rate() {
        let settings = [("base", "10/s"), ("burst", "100/s"), ("every", "1s"), ("length", "100ms")];
        let dues = dues_us(&*spec("burst", &settings), 39);
        // Ten in the first 100 ms, nine in the other 900 ms, then the next burst.
        assert_eq!(dues[..3], [0, 10_000, 20_000]);
        assert_eq!(dues[9..12], [90_000, 100_000, 200_000]);
        assert_eq!(dues[18..21], [900_000, 1_000_000, 1_010_000]);
        assert_eq!(dues[38], 2_000_000);
    }

    /// Catches a burst that never ends and so is no burst.
    #[test]
    fn a_burst_must_be_shorter_than_its_period() {
        let kind = ARRIVALS.find("burst").unwrap();
        let mut settings = crate::base::family::Settings::default();
        settings.insert("length", crate::base::family::Value::Integer(1000));
        let error = kind.make(&settings).unwrap_err();
        assert_eq!(error.setting.as_deref(), Some("length"));
    }
}
