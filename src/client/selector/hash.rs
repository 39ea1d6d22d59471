//! Key hashes, bit for bit as libmemcached and twemproxy have them.

use md5::{Digest, Md5};

/// How a key becomes a number.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    Hash,
    serde::Serialize,
    serde::Deserialize,
    strum::IntoStaticStr,
    strum::VariantArray,
    strum::VariantNames,
)]
#[strum(serialize_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum KeyHash {
    /// The first four bytes of the MD5, least significant first. The best balance.
    #[default]
    Md5,
    /// twemproxy's `fnv1a_64`: 64-bit constants in 32-bit arithmetic. Balances badly.
    #[serde(rename = "fnv1a_64")]
    #[strum(serialize = "fnv1a_64")]
    Fnv1a64,
    /// Jenkins' one-at-a-time hash, libmemcached's default.
    OneAtATime,
    /// libmemcached's and twemproxy's `crc32`: 15 bits of it. On a ring, one node gets every key.
    Crc32,
}

impl KeyHash {
    /// Every hash.
    pub const ALL: &'static [Self] = <Self as strum::VariantArray>::VARIANTS;
    /// The name of each.
    pub const NAMES: &'static [&'static str] = <Self as strum::VariantNames>::VARIANTS;

    /// The name on the command line and in files.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// The hash called `name`.
    #[must_use]
    pub fn find(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|hash| hash.name() == name)
    }

    /// What to know before it is used on a ring of our own, if anything.
    #[must_use]
    pub const fn warning(self) -> Option<&'static str> {
        match self {
            Self::Md5 | Self::OneAtATime => None,
            Self::Fnv1a64 => Some("fnv1a_64 balances badly; use it to match an existing fleet"),
            Self::Crc32 => Some(
                "crc32 puts every key of a ring on one node; use it to match an \
                                 existing fleet that does not use a ring",
            ),
        }
    }

    /// The number of a key.
    #[must_use]
    pub fn of(self, key: &[u8]) -> u32 {
        match self {
            Self::Md5 => {
                let digest = Md5::digest(key);
                u32::from_le_bytes([digest[0], digest[1], digest[2], digest[3]])
            }
            Self::Fnv1a64 => key.iter().fold(FNV_64_OFFSET_LOW, |hash, &byte| {
                (hash ^ widened(byte)).wrapping_mul(FNV_64_PRIME_LOW)
            }),
            Self::OneAtATime => one_at_a_time(key),
            Self::Crc32 => (crc32fast::hash(key) >> 16) & 0x7fff,
        }
    }
}

/// The low halves of the 64-bit FNV constants: what is left of them in 32-bit arithmetic.
const FNV_64_OFFSET_LOW: u32 = 0x8422_2325;
const FNV_64_PRIME_LOW: u32 = 0x0000_01b3;

/// A byte as C's signed `char` turns it into an unsigned number on x86 and on the ring of every
/// fleet there: only bytes above 0x7f differ.
#[expect(clippy::cast_possible_wrap, clippy::cast_sign_loss, reason = "that is the point")]
const fn widened(byte: u8) -> u32 {
    byte as i8 as i32 as u32
}

fn one_at_a_time(key: &[u8]) -> u32 {
    let mut hash = key.iter().fold(0_u32, |hash, &byte| {
        let mixed = hash.wrapping_add(widened(byte));
        let mixed = mixed.wrapping_add(mixed << 10);
        mixed ^ (mixed >> 6)
    });
    hash = hash.wrapping_add(hash << 3);
    hash ^= hash >> 11;
    hash.wrapping_add(hash << 15)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Catches a slip in a hash. md5 and crc32 are RFC 1321's and the CRC catalogue's check values,
    /// one-at-a-time is the example of its author; fnv is worked out by hand for one byte.
    #[test]
    fn known_values() {
        assert_eq!(KeyHash::Md5.of(b"abc"), u32::from_le_bytes([0x90, 0x01, 0x50, 0x98]));
        assert_eq!(KeyHash::Crc32.of(b"123456789"), (0xcbf4_3926 >> 16) & 0x7fff);
        assert_eq!(KeyHash::OneAtATime.of(b"a"), 0xca2e_9442);
        assert_eq!(
            KeyHash::OneAtATime.of(b"The quick brown fox jumps over the lazy dog"),
            0x519e_91f5
        );
        let by_hand = (u64::from(0x8422_2325_u32 ^ u32::from(b'a')) * 0x1b3) & 0xffff_ffff;
        assert_eq!(u64::from(KeyHash::Fnv1a64.of(b"a")), by_hand);
    }

    /// Catches a name that cannot be found again.
    #[test]
    fn names_are_found() {
        for hash in KeyHash::ALL {
            assert_eq!(KeyHash::find(hash.name()), Some(*hash));
        }
    }
}
