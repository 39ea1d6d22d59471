//! `log_normal`: many small values and a few very large ones, as real caches hold them.

use rand_distr::{Distribution, LogNormal as Sampler};

use super::{ValueSpec, size};
use crate::base::family::{Kind, Setting, SettingError, Unit};
use crate::base::seed::Stream;

/// The widest spread: beyond it nearly every value is at a bound.
const SPREAD_MAX: f64 = 5.0;

pub(super) const KIND: Kind<dyn ValueSpec> = Kind {
    name: "log_normal",
    summary: "many small values, a few very large ones",
    settings: &[
        Setting {
            name: "median",
            unit: Unit::Bytes,
            default: Some("512B"),
            summary: "half of the values are smaller",
        },
        Setting {
            name: "spread",
            unit: Unit::Number,
            default: Some("1"),
            summary: "the deviation of the logarithm: 1 puts 95 % within a factor of 7",
        },
        Setting {
            name: "max",
            unit: Unit::Bytes,
            default: Some("64KiB"),
            summary: "larger draws are cut to this",
        },
    ],
    build: |settings| {
        let (median, max) = (size(settings, "median")?, size(settings, "max")?);
        if median == 0 || median > max {
            let what = "`median` must lie between 1 byte and `max`";
            return Err(SettingError::at("median", what));
        }
        let spread = settings.number("spread")?;
        if !(0.0..=SPREAD_MAX).contains(&spread) {
            return Err(SettingError::at("spread", "`spread` must lie between 0 and 5; write 1"));
        }
        let sampler = Sampler::new((median as f64).ln(), spread)
            .map_err(|error| SettingError::at("spread", format!("`spread`: {error}")))?;
        Ok(Box::new(LogNormal { sampler, max }))
    },
};

#[derive(Debug)]
struct LogNormal {
    sampler: Sampler<f64>,
    max: u64,
}

impl ValueSpec for LogNormal {
    fn draw_bytes(&self, stream: &mut Stream) -> u64 {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "positive, and the cast saturates before it is cut to the bound"
        )]
        let bytes = self.sampler.sample(stream).round() as u64;
        bytes.min(self.max)
    }
}

#[cfg(test)]
mod tests {
    use crate::base::family::Value;
    use crate::load::values::tests::sizes;

    /// Catches a median in the wrong place, a tail that is missing, and a bound that is passed.
    #[test]
    fn the_median_and_the_bound_hold() {
        let settings = [
            ("median", Value::Integer(500)),
            ("spread", Value::Float(1.0)),
            ("max", Value::Integer(4000)),
        ];
        let mut seen = sizes("log_normal", &settings, 20_001);
        seen.sort_unstable();
        assert!((480..520).contains(&seen[10_000]), "{}", seen[10_000]);
        // ln 4000 is 2.08 deviations above the median: 1.9 % are cut.
        let cut = seen.iter().filter(|size| **size == 4000).count();
        assert!((280..480).contains(&cut), "{cut}");
        assert_eq!(seen.last(), Some(&4000));
    }
}
