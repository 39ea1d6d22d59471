//! `range`: sizes between two bounds, each as often as any other.

use rand::RngExt;

use super::{ValueSpec, size};
use crate::base::family::{Kind, Setting, SettingError, Unit};
use crate::base::seed::Stream;

pub(super) const KIND: Kind<dyn ValueSpec> = Kind {
    name: "range",
    summary: "sizes between two bounds, each as often as any other",
    settings: &[
        Setting {
            name: "min",
            unit: Unit::Bytes,
            default: Some("64B"),
            summary: "the smallest size",
        },
        Setting {
            name: "max",
            unit: Unit::Bytes,
            default: Some("1KiB"),
            summary: "the largest size",
        },
    ],
    build: |settings| {
        let (min, max) = (size(settings, "min")?, size(settings, "max")?);
        if min > max {
            return Err(SettingError::at("min", "`min` must not be above `max`"));
        }
        Ok(Box::new(Range { min, max }))
    },
};

#[derive(Debug)]
struct Range {
    min: u64,
    max: u64,
}

impl ValueSpec for Range {
    fn draw_bytes(&self, stream: &mut Stream) -> u64 {
        stream.random_range(self.min..=self.max)
    }
}

#[cfg(test)]
mod tests {
    use crate::base::family::Value;
    use crate::load::values::tests::sizes;

    /// Catches a bound that is never reached or passed.
    #[test]
    fn both_bounds_are_drawn_and_nothing_beyond() {
        let bounds = [("min", Value::Integer(10)), ("max", Value::Integer(13))];
        let mut seen = sizes("range", &bounds, 1000);
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen, [10, 11, 12, 13]);
    }
}
