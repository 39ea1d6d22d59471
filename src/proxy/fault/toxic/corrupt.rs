//! `corrupt`: now and then a byte is changed. TCP never does this; a broken middlebox or a bug does.

use bytes::{Bytes, BytesMut};
use rand::RngExt;
use tokio::time::Instant;

use super::{Toxic, ToxicSpec};
use crate::base::family::{Kind, Setting, SettingError, Unit};
use crate::base::seed::Stream;
use crate::proxy::fault::outbox::Outbox;
use crate::proxy::fault::setting::{never, share, size};

pub(in crate::proxy::fault) const KIND: Kind<dyn ToxicSpec> = Kind {
    name: "corrupt",
    summary: "change bytes, keep the length",
    settings: &[
        Setting {
            name: "probability",
            unit: Unit::Ratio,
            default: Some("1%"),
            summary: "how often: for each stretch of bytes that arrives together",
        },
        Setting {
            name: "bytes",
            unit: Unit::Count,
            default: Some("1"),
            summary: "how many bytes of it are changed",
        },
        Setting {
            name: "skip",
            unit: Unit::Bytes,
            default: Some("0B"),
            summary: "how many bytes at its start are spared",
        },
    ],
    build: |settings| {
        let count =
            |name| size(settings, name).map(|size| usize::try_from(size).unwrap_or(usize::MAX));
        Ok(Box::new(Spec {
            probability: share(settings, "probability")?,
            bytes: count("bytes")?,
            skip: count("skip")?,
        }))
    },
};

#[derive(Clone, Copy, Debug)]
struct Spec {
    probability: f64,
    bytes: usize,
    skip: usize,
}

impl ToxicSpec for Spec {
    fn start(&self, _: Instant, draws: Stream) -> Box<dyn Toxic> {
        Box::new(Corrupt { spec: *self, draws })
    }

    fn idle(&self) -> Option<SettingError> {
        if self.probability <= 0.0 {
            return Some(never("probability"));
        }
        let what = "with 0 `bytes` nothing is changed; write at least 1";
        (self.bytes == 0).then(|| SettingError::at("bytes", what))
    }
}

#[derive(Debug)]
struct Corrupt {
    spec: Spec,
    draws: Stream,
}

impl Toxic for Corrupt {
    fn on_data(&mut self, _: Instant, data: Bytes, out: &mut Outbox) {
        let room = data.len().saturating_sub(self.spec.skip);
        if room == 0 || self.draws.random::<f64>() >= self.spec.probability {
            out.data(data);
            return;
        }
        let mut changed = BytesMut::from(&data[..]);
        for _ in 0..self.spec.bytes.min(room) {
            let at = self.spec.skip + self.draws.random_range(0..room);
            // Zero would leave the byte as it is.
            changed[at] ^= self.draws.random_range(1..=u8::MAX);
        }
        out.touch();
        out.data(changed.freeze());
    }
}

#[cfg(test)]
mod tests {
    use crate::proxy::fault::toxic::testing::{Bench, settings};

    /// Catches a change of length, of spared bytes, or none at all.
    #[test]
    fn bytes_change_and_the_length_stays() {
        let chosen = settings(&[("probability", 1.0), ("skip", 4.0)]);
        let mut bench = Bench::new(&super::KIND, &chosen);
        bench.data_at(0, b"VALUx");
        let data = bench.bytes();
        assert_eq!((data.len(), &data[..4]), (5, &b"VALU"[..]));
        assert_ne!(data[4], b'x');
        let mut bench = Bench::new(&super::KIND, &settings(&[("probability", 0.0)]));
        bench.data_at(0, b"VALUx");
        assert_eq!(bench.bytes(), b"VALUx");
    }
}
