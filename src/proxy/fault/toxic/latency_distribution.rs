//! `latency_distribution`: `latency` whose delays follow a distribution, and remember the last one.
//!
//! Networks are not even: most round trips are short, a few are long, and long ones come together.
//! tc-netem(8) has the same shapes. Its correlation averages with the last draw, which narrows the
//! distribution; here consecutive delays are the quantiles of a normal process (a Gaussian copula,
//! Nelsen, *An Introduction to Copulas*, 2006), so that they keep the asked distribution whatever the
//! correlation. Order is kept, as on every stream.

use std::f64::consts::SQRT_2;
use std::time::Duration;

use bytes::Bytes;
use rand_distr::{Distribution, StandardNormal};
use tokio::time::Instant;

use super::{Toxic, ToxicSpec};
use crate::base::family::{Kind, Setting, SettingError, Settings, Unit};
use crate::base::seed::Stream;
use crate::base::time::DurationText;
use crate::proxy::fault::outbox::Outbox;
use crate::proxy::fault::setting::{no_delay, share, time};

/// Points of a table: enough for per mille quantiles.
const TABLE_POINTS_MAX: usize = 1001;
/// The shape of the Pareto tail: 3 has a mean and a variance, and one delay in a thousand is 18 times
/// the mean of what lies above the least.
const PARETO_SHAPE: f64 = 3.0;
/// No delay is longer, however far out it was drawn.
const DELAY_MAX_S: f64 = 3600.0;

const SHAPES: &[&str] = &["uniform", "normal", "pareto", "table"];

pub(in crate::proxy::fault) const KIND: Kind<dyn ToxicSpec> = Kind {
    name: "latency_distribution",
    summary: "delay everything by draws from a distribution, order kept",
    settings: &[
        Setting {
            name: "distribution",
            unit: Unit::Choice(SHAPES),
            default: Some("normal"),
            summary: "uniform: latency give or take jitter; normal: mean latency, deviation jitter; \
                      pareto: latency at least, jitter more on average; table: from `table`",
        },
        Setting {
            name: "latency",
            unit: Unit::Milliseconds,
            default: Some("0ms"),
            summary: "the middle, or the least",
        },
        Setting {
            name: "jitter",
            unit: Unit::Milliseconds,
            default: Some("0ms"),
            summary: "how far delays spread",
        },
        Setting {
            name: "correlation",
            unit: Unit::Ratio,
            default: Some("0%"),
            summary: "how much a delay is like the one before",
        },
        Setting {
            name: "table",
            unit: Unit::Text,
            default: Some(""),
            summary: "rising delays, equally far apart in rank: \"0.2ms, 0.3ms, 9ms\" is least, median, most",
        },
    ],
    build: |settings| {
        Ok(Box::new(Spec { shape: shape(settings)?, correlation: share(settings, "correlation")? }))
    },
};

/// Which delay has which rank. In seconds.
#[derive(Clone, Debug)]
enum Shape {
    Uniform { middle: f64, spread: f64 },
    Normal { mean: f64, deviation: f64 },
    Pareto { least: f64, mean_excess: f64 },
    Table(Vec<f64>),
}

fn shape(settings: &Settings) -> Result<Shape, SettingError> {
    let seconds = |name| time(settings, name, Unit::Milliseconds).map(|time| time.as_secs_f64());
    let (latency, jitter) = (seconds("latency")?, seconds("jitter")?);
    Ok(match settings.text("distribution")? {
        "uniform" => Shape::Uniform { middle: latency, spread: jitter },
        "pareto" => Shape::Pareto { least: latency, mean_excess: jitter },
        "table" => Shape::Table(table(settings.text("table")?)?),
        _ => Shape::Normal { mean: latency, deviation: jitter },
    })
}

fn table(text: &str) -> Result<Vec<f64>, SettingError> {
    let wrong = |what: String| SettingError::at("table", format!("`table`: {what}"));
    let points: Result<Vec<f64>, _> = text
        .split(',')
        .map(|point| point.trim().parse::<DurationText>().map(|time| time.0.as_secs_f64()))
        .collect();
    let points = points.map_err(|error| wrong(error.to_string()))?;
    if points.len() > TABLE_POINTS_MAX {
        return Err(wrong(format!("at most {TABLE_POINTS_MAX} delays, not {}", points.len())));
    }
    if points.is_sorted() {
        Ok(points)
    } else {
        Err(wrong("the delays must rise, from the least to the longest".to_owned()))
    }
}

impl Shape {
    /// The delay of a rank between 0 and 1, given with its normal quantile.
    fn delay(&self, rank: f64, normal: f64) -> f64 {
        match self {
            Self::Uniform { middle, spread } => middle + spread * (2.0 * rank - 1.0),
            Self::Normal { mean, deviation } => mean + deviation * normal,
            Self::Pareto { least, mean_excess } => {
                // Lomax: the excess over the least, whose mean is scale / (shape - 1).
                let scale = mean_excess * (PARETO_SHAPE - 1.0);
                let rest = (1.0 - rank).max(f64::MIN_POSITIVE);
                least + scale * (rest.powf(-1.0 / PARETO_SHAPE) - 1.0)
            }
            Self::Table(points) => interpolated(points, rank),
        }
    }
}

fn interpolated(points: &[f64], rank: f64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "at most a thousand points")]
    let place = rank.clamp(0.0, 1.0) * points.len().saturating_sub(1) as f64;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 0 and the number of points"
    )]
    let below = place as usize;
    let at = |index: usize| points.get(index).or_else(|| points.last()).copied().unwrap_or(0.0);
    at(below) + (at(below + 1) - at(below)) * place.fract()
}

#[derive(Clone, Debug)]
struct Spec {
    shape: Shape,
    correlation: f64,
}

impl ToxicSpec for Spec {
    fn start(&self, _: Instant, draws: Stream) -> Box<dyn Toxic> {
        Box::new(Drawn { spec: self.clone(), draws, last: None })
    }

    fn idle(&self) -> Option<SettingError> {
        let (setting, most) = match &self.shape {
            Shape::Uniform { middle: least, spread }
            | Shape::Normal { mean: least, deviation: spread }
            | Shape::Pareto { least, mean_excess: spread } => ("latency", least + spread),
            Shape::Table(points) => ("table", points.last().copied().unwrap_or(0.0)),
        };
        (most <= 0.0).then(|| no_delay(setting))
    }
}

#[derive(Debug)]
struct Drawn {
    spec: Spec,
    draws: Stream,
    /// The normal quantile of the last delay.
    last: Option<f64>,
}

impl Drawn {
    fn delay(&mut self) -> Duration {
        let fresh: f64 = StandardNormal.sample(&mut self.draws);
        let share = self.spec.correlation;
        let normal =
            self.last.map_or(fresh, |last| share * last + (1.0 - share * share).sqrt() * fresh);
        self.last = Some(normal);
        let seconds = self.spec.shape.delay(rank(normal), normal);
        Duration::from_secs_f64(seconds.clamp(0.0, DELAY_MAX_S))
    }
}

impl Toxic for Drawn {
    fn on_data(&mut self, _: Instant, data: Bytes, out: &mut Outbox) {
        let delay = self.delay();
        out.data_after(delay, data);
    }

    fn on_end(&mut self, _: Instant, out: &mut Outbox) {
        let delay = self.delay();
        out.end_after(delay);
    }
}

/// The share of a standard normal below `z`: half of erfc(-z / sqrt 2), which is approximated to
/// 1.5e-7 by formula 7.1.26 of Abramowitz and Stegun (1964).
fn rank(z: f64) -> f64 {
    let x = z.abs() / SQRT_2;
    let t = 1.0 / (1.0 + 0.327_591_1 * x);
    let coefficients =
        [1.061_405_429, -1.453_152_027, 1.421_413_741, -0.284_496_736, 0.254_829_592];
    let sum = coefficients.iter().fold(0.0, |sum, coefficient| sum * t + coefficient);
    let tail = 0.5 * sum * t * (-x * x).exp();
    if z < 0.0 { tail } else { 1.0 - tail }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::family::Value;
    use crate::base::seed::Seed;

    const DRAWS: usize = 20_000;

    fn given(shape: &str, correlation: f64, table: &str) -> Settings {
        let mut settings = Settings::default();
        for (name, value) in [
            ("distribution", Value::Text(shape.to_owned())),
            ("latency", Value::Float(10.0)),
            ("jitter", Value::Float(2.0)),
            ("correlation", Value::Float(correlation)),
            ("table", Value::Text(table.to_owned())),
        ] {
            settings.insert(name, value);
        }
        settings
    }

    /// Milliseconds, in the order of the draws.
    fn delays(shape: &str, correlation: f64, table: &str) -> Vec<f64> {
        let settings = given(shape, correlation, table);
        let spec = Spec { shape: super::shape(&settings).unwrap(), correlation };
        let mut drawn = Drawn { spec, draws: Seed::new(7).stream(), last: None };
        (0..DRAWS).map(|_| drawn.delay().as_secs_f64() * 1e3).collect()
    }

    fn mean(of: &[f64]) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "a count of draws")]
        let count = of.len() as f64;
        of.iter().sum::<f64>() / count
    }

    fn quantile(of: &[f64], hundredth: usize) -> f64 {
        let mut sorted = of.to_vec();
        sorted.sort_by(f64::total_cmp);
        sorted[sorted.len() * hundredth / 100]
    }

    fn near(measured: f64, expected: f64, tolerance: f64) {
        assert!((measured - expected).abs() < tolerance, "{measured}, not {expected}");
    }

    /// Catches a distribution with another middle, spread or tail than the settings say, and one that
    /// a correlation narrows, as netem's does.
    #[test]
    fn each_shape_has_the_quantiles_it_names() {
        for correlation in [0.0, 0.5] {
            let uniform = delays("uniform", correlation, "");
            near(quantile(&uniform, 50), 10.0, 0.1);
            near(quantile(&uniform, 5), 8.2, 0.1);
            near(quantile(&uniform, 95), 11.8, 0.1);
            let normal = delays("normal", correlation, "");
            near(mean(&normal), 10.0, 0.1);
            near(quantile(&normal, 95), 10.0 + 1.645 * 2.0, 0.15);
            let pareto = delays("pareto", correlation, "");
            assert!(pareto.iter().all(|delay| *delay >= 10.0 - 1e-6));
            near(mean(&pareto), 12.0, 0.2);
            near(quantile(&pareto, 99), 10.0 + 4.0 * (100_f64.cbrt() - 1.0), 1.5);
            let table = delays("table", correlation, "1ms, 2ms, 10ms");
            near(quantile(&table, 25), 1.5, 0.1);
            near(quantile(&table, 75), 6.0, 0.3);
        }
    }

    /// Catches a correlation that does nothing, or that has another strength than asked.
    #[test]
    fn neighbours_are_as_alike_as_asked() {
        for correlation in [0.0, 0.8] {
            let normal = delays("normal", correlation, "");
            let middle = mean(&normal);
            let product = |lag: usize| {
                let pairs = normal.iter().zip(&normal[lag..]);
                let all: Vec<f64> = pairs.map(|(a, b)| (a - middle) * (b - middle)).collect();
                mean(&all)
            };
            near(product(1) / product(0), correlation, 0.03);
        }
    }

    /// Catches a delay of another length for a rank, and a normal quantile that is read wrong.
    #[test]
    fn ranks_are_those_of_the_normal_distribution() {
        for (z, share) in [(0.0, 0.5), (1.0, 0.841_345), (-1.959_964, 0.025), (3.0, 0.998_650)] {
            near(rank(z), share, 1e-6);
        }
        assert_eq!(interpolated(&[0.001], 0.7), 0.001);
        assert_eq!(Shape::Table(vec![1.0, 3.0]).delay(1.0, 9.0), 3.0);
    }

    /// Catches a table that is taken although it cannot be one.
    #[test]
    fn a_bad_table_is_named() {
        for (text, words) in [
            ("", "\"\""),
            ("1ms, 2", "\"2\""),
            ("2ms, 1ms", "must rise"),
            (&"1ms,".repeat(2000), ""),
        ] {
            let error = super::shape(&given("table", 0.0, text)).unwrap_err();
            assert_eq!(error.setting.as_deref(), Some("table"));
            assert!(error.what.contains(words), "{}", error.what);
        }
    }
}
