//! `two_sizes`: one size, and another that a share of the values has.

use rand::RngExt;

use super::{ValueSpec, size};
use crate::base::family::{Kind, Setting, Unit};
use crate::base::seed::Stream;

pub(super) const KIND: Kind<dyn ValueSpec> = Kind {
    name: "two_sizes",
    summary: "one size, and another that a share of the values has",
    settings: &[
        Setting {
            name: "usual",
            unit: Unit::Bytes,
            default: Some("200B"),
            summary: "the size of most values",
        },
        Setting {
            name: "other",
            unit: Unit::Bytes,
            default: Some("1100KB"),
            summary: "the size of the others, by default more than memcached takes",
        },
        Setting {
            name: "share",
            unit: Unit::Ratio,
            default: Some("5%"),
            summary: "how many are of the other size",
        },
    ],
    build: |settings| {
        let (usual, other) = (size(settings, "usual")?, size(settings, "other")?);
        Ok(Box::new(TwoSizes { usual, other, share: settings.ratio("share")?.value() }))
    },
};

#[derive(Debug)]
struct TwoSizes {
    usual: u64,
    other: u64,
    share: f64,
}

impl ValueSpec for TwoSizes {
    fn draw_bytes(&self, stream: &mut Stream) -> u64 {
        if stream.random_bool(self.share) { self.other } else { self.usual }
    }
}

#[cfg(test)]
mod tests {
    use crate::base::family::Value;
    use crate::load::values::tests::sizes;

    /// Catches a share that is that of the other size, and a size that is neither.
    #[test]
    fn both_sizes_come_by_their_share() {
        let settings = [("usual", Value::Integer(100)), ("other", Value::Integer(2000))];
        let seen = sizes("two_sizes", &settings, 10_000);
        let others = seen.iter().filter(|size| **size == 2000).count();
        assert!((350..650).contains(&others), "{others} of 10000 where 5 % are wanted");
        assert!(seen.iter().all(|size| [100, 2000].contains(size)));
    }
}
