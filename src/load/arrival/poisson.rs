//! `poisson`: independent arrivals, as many users make them.

use std::time::Duration;

use rand_distr::{Distribution, Exp1};

use super::{Arrival, ArrivalSpec, Pace};
use crate::base::family::{Kind, Setting, Unit};
use crate::base::seed::Stream;
use crate::base::units::Rate;

pub(super) const KIND: Kind<dyn ArrivalSpec> = Kind {
    name: "poisson",
    summary: "independent arrivals: exponential gaps with a mean rate",
    settings: &[Setting {
        name: "rate",
        unit: Unit::PerSecond,
        default: Some("2000/s"),
        summary: "operations a second in the mean",
    }],
    build: |settings| Ok(Box::new(Poisson { rate: settings.rate("rate")? })),
};

#[derive(Debug)]
struct Poisson {
    rate: Rate,
}

impl ArrivalSpec for Poisson {
    fn rate(&self) -> Option<Rate> {
        Some(self.rate)
    }

    fn with_rate(&self, rate: Rate) -> Box<dyn ArrivalSpec> {
        Box::new(Self { rate })
    }

    fn start(&self, stream: Stream) -> Pace {
        let gap_s = 1.0 / self.rate.as_per_second();
        Pace::Open(Box::new(Gaps { at_s: 0.0, gap_s, stream }))
    }
}

#[derive(Debug)]
struct Gaps {
    at_s: f64,
    gap_s: f64,
    stream: Stream,
}

impl Arrival for Gaps {
    fn next_due(&mut self) -> Option<Duration> {
        let gap: f64 = Exp1.sample(&mut self.stream);
        self.at_s += gap * self.gap_s;
        Duration::try_from_secs_f64(self.at_s).ok()
    }
}

#[cfg(test)]
mod tests {
    use crate::load::arrival::tests::{dues_us, spec};

    /// Catches gaps that are not exponential: their standard deviation must equal their mean.
    #[test]
    fn gaps_vary_as_much_as_their_mean() {
        let dues = dues_us(&*spec("poisson", &[("rate", "1000/s")]), 50_001);
        let gaps: Vec<f64> = dues.windows(2).map(|pair| (pair[1] - pair[0]) as f64).collect();
        let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
        let variance = gaps.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>() / gaps.len() as f64;
        assert!((980.0..1020.0).contains(&mean), "mean {mean}");
        assert!((0.97..1.03).contains(&(variance.sqrt() / mean)), "deviation {}", variance.sqrt());
    }

    /// Catches a schedule that is not a function of its seed.
    #[test]
    fn the_same_seed_makes_the_same_schedule() {
        let spec = spec("poisson", &[]);
        assert_eq!(dues_us(&*spec, 100), dues_us(&*spec, 100));
    }
}
