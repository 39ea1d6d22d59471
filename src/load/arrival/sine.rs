//! `sine`: the swing of a day, in a minute.

use std::f64::consts::TAU;
use std::time::Duration;

use super::{ArrivalSpec, Formula, Pace};
use crate::base::family::{Kind, Setting, SettingError, Unit};
use crate::base::seed::Stream;
use crate::base::units::{Rate, Ratio};

/// Halvings of a period that find a due time: a period of a minute is then right to 15 ns.
const HALVINGS: u32 = 32;

pub(super) const KIND: Kind<dyn ArrivalSpec> = Kind {
    name: "sine",
    summary: "a mean rate that swings up and down",
    settings: &[
        Setting {
            name: "mean",
            unit: Unit::PerSecond,
            default: Some("2000/s"),
            summary: "operations a second in the mean",
        },
        Setting {
            name: "swing",
            unit: Unit::Ratio,
            default: Some("50%"),
            summary: "how far it goes up and down, as a share of the mean",
        },
        Setting {
            name: "period",
            unit: Unit::Milliseconds,
            default: Some("20s"),
            summary: "the time of one swing",
        },
    ],
    build: |settings| {
        let period = settings.duration("period", Unit::Milliseconds)?;
        if period.is_zero() {
            return Err(SettingError::at("period", "`period` must be above 0, such as \"20s\""));
        }
        let (mean, swing) = (settings.rate("mean")?, settings.ratio("swing")?);
        Ok(Box::new(Sine { mean, swing, period }))
    },
};

#[derive(Clone, Copy, Debug)]
struct Sine {
    mean: Rate,
    swing: Ratio,
    period: Duration,
}

impl ArrivalSpec for Sine {
    fn rate(&self) -> Option<Rate> {
        let top = self.mean.as_per_second() * (1.0 + self.swing.value());
        Rate::per_second(top).or(Some(self.mean))
    }

    /// The mean becomes `rate`; the swing keeps its share of it.
    fn with_rate(&self, rate: Rate) -> Box<dyn ArrivalSpec> {
        Box::new(Self { mean: rate, ..*self })
    }

    fn start(&self, _: Stream) -> Pace {
        let (mean, swing) = (self.mean.as_per_second(), self.swing.value());
        let period_s = self.period.as_secs_f64();
        // The integral of the rate, in operations since the start of a period.
        let count_at =
            move |t: f64| mean * (t + swing * period_s / TAU * (1.0 - (TAU * t / period_s).cos()));
        Formula::start(move |count| {
            let periods = (count / (mean * period_s)).floor();
            let rest = count - periods * mean * period_s;
            let (mut low, mut high) = (0.0, period_s);
            for _ in 0..HALVINGS {
                let middle = f64::midpoint(low, high);
                if count_at(middle) < rest { low = middle } else { high = middle }
            }
            periods * period_s + high
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::load::arrival::tests::{dues_us, spec};

    /// Catches a swing that changes the mean, and a crest in the wrong place.
    #[test]
    fn more_in_the_first_half_and_the_mean_over_a_period() {
        let sine = spec("sine", &[("mean", "1000/s"), ("swing", "50%"), ("period", "2s")]);
        let dues = dues_us(&*sine, 4001);
        let half = dues.iter().filter(|due| **due < 1_000_000).count();
        // 1000 (1 + 0.5 * 2 / pi) in the first half.
        assert!((1316..=1320).contains(&half), "{half}");
        assert!((1_999_900..=2_000_100).contains(&dues[2000]), "{}", dues[2000]);
        assert!((3_999_900..=4_000_100).contains(&dues[4000]), "{}", dues[4000]);
        assert!(dues.is_sorted());
    }
}
