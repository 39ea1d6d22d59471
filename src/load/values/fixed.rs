//! `fixed`: every value has the same size.

use super::{ValueSpec, size};
use crate::base::family::{Kind, Setting, Unit};
use crate::base::seed::Stream;

pub(super) const KIND: Kind<dyn ValueSpec> = Kind {
    name: "fixed",
    summary: "every value has the same size",
    settings: &[Setting {
        name: "size",
        unit: Unit::Bytes,
        default: Some("256B"),
        summary: "the size of a value",
    }],
    build: |settings| Ok(Box::new(Fixed { bytes: size(settings, "size")? })),
};

#[derive(Debug)]
struct Fixed {
    bytes: u64,
}

impl ValueSpec for Fixed {
    fn draw_bytes(&self, _: &mut Stream) -> u64 {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use crate::base::family::Value;
    use crate::load::values::tests::sizes;

    /// Catches a size other than the one asked for.
    #[test]
    fn every_value_has_the_size() {
        assert_eq!(sizes("fixed", &[("size", Value::Integer(100))], 3), [100, 100, 100]);
    }
}
