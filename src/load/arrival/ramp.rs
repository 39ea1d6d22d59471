//! `ramp`: from one rate to another, then on at that rate.

use std::time::Duration;

use super::{ArrivalSpec, Formula, Pace};
use crate::base::family::{Kind, Setting, SettingError, Unit};
use crate::base::seed::Stream;
use crate::base::units::Rate;

pub(super) const KIND: Kind<dyn ArrivalSpec> = Kind {
    name: "ramp",
    summary: "from one rate to another in a given time, then on at that rate",
    settings: &[
        Setting {
            name: "from",
            unit: Unit::PerSecond,
            default: Some("200/s"),
            summary: "operations a second at the start",
        },
        Setting {
            name: "to",
            unit: Unit::PerSecond,
            default: Some("5000/s"),
            summary: "operations a second at the end and after it",
        },
        Setting {
            name: "over",
            unit: Unit::Milliseconds,
            default: Some("30s"),
            summary: "how long it takes to get there",
        },
    ],
    build: |settings| {
        let over = settings.duration("over", Unit::Milliseconds)?;
        if over.is_zero() {
            let what = "`over` must be above 0; for one rate write constant = { rate = \"...\" }";
            return Err(SettingError::at("over", what));
        }
        Ok(Box::new(Ramp { from: settings.rate("from")?, to: settings.rate("to")?, over }))
    },
};

#[derive(Clone, Copy, Debug)]
struct Ramp {
    from: Rate,
    to: Rate,
    over: Duration,
}

impl ArrivalSpec for Ramp {
    fn rate(&self) -> Option<Rate> {
        Some(if self.to > self.from { self.to } else { self.from })
    }

    /// The end of the ramp becomes `rate`; its start keeps its share of it.
    fn with_rate(&self, rate: Rate) -> Box<dyn ArrivalSpec> {
        let scale = rate.as_per_second() / self.to.as_per_second();
        let from = Rate::per_second(self.from.as_per_second() * scale).unwrap_or(rate);
        Box::new(Self { from, to: rate, over: self.over })
    }

    fn start(&self, _: Stream) -> Pace {
        let (from, to) = (self.from.as_per_second(), self.to.as_per_second());
        let over_s = self.over.as_secs_f64();
        let on_ramp = (from + to) / 2.0 * over_s;
        let slope = (to - from) / over_s;
        Formula::start(move |count| {
            if count >= on_ramp {
                return over_s + (count - on_ramp) / to;
            }
            // from t + slope t^2 / 2 = count, solved in the form that also holds for slope 0.
            2.0 * count / (from + (from * from + 2.0 * slope * count).sqrt())
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::load::arrival::tests::{dues_us, spec};

    /// Catches a ramp that is not linear, up or down, or that stops at its end.
    #[test]
    fn the_count_is_the_integral_of_the_rate() {
        let up = spec("ramp", &[("from", "10/s"), ("to", "30/s"), ("over", "1s")]);
        let dues = dues_us(&*up, 51);
        // 10 t + 10 t^2: 7.5 operations after half a second, 20 after one, then 30 a second.
        assert_eq!(dues[0], 0);
        assert!(dues[7] < 500_000 && dues[8] > 500_000, "{} {}", dues[7], dues[8]);
        assert_eq!((dues[20], dues[50]), (1_000_000, 2_000_000));

        let down = spec("ramp", &[("from", "30/s"), ("to", "10/s"), ("over", "1s")]);
        let dues = dues_us(&*down, 31);
        assert_eq!((dues[20], dues[30]), (1_000_000, 2_000_000));
        assert!(dues.is_sorted());
    }
}
