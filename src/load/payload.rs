//! What a value of ours looks like: a header that names its key, and a filler that shows any flip.
//!
//! ```text
//! 0      4     8     16       20       24         32      36
//! magic  run   key   writer   length   sequence   crc32   filler ...      (big-endian)
//! ```
//! The checksum covers the header before it and the filler behind it. It never holds anything that
//! the run did not write itself, and it knows nothing of what a read may return: the oracle does.

/// The bytes of a header: the shortest value. A smaller wish is raised to it.
pub const HEADER_BYTES: usize = 36;

const MAGIC: [u8; 4] = *b"hkv1";
const CHECKSUM_AT: usize = 32;

/// Who wrote a value, where and when: the header without its technical parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// The run: data that another run left on a shared server is not ours.
    pub run: u32,
    /// The key, as its position in the key space.
    pub key: u64,
    /// The worker that wrote it.
    pub writer: u32,
    /// Which write of this key it was, from 1.
    pub sequence: u64,
}

/// Why some bytes are no whole value of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Damage {
    /// Shorter than a header.
    Short,
    /// It does not begin as our values do.
    Foreign,
    /// Shorter or longer than its header says.
    Length {
        /// What the header says.
        stated: u32,
    },
    /// The checksum is not that of the bytes.
    Checksum,
}

impl Stamp {
    /// Writes a whole value of `length` bytes (at least [`HEADER_BYTES`]) over `buffer`.
    pub fn write(&self, length: usize, buffer: &mut Vec<u8>) {
        let length = length.max(HEADER_BYTES);
        buffer.clear();
        buffer.extend_from_slice(&MAGIC);
        buffer.extend_from_slice(&self.run.to_be_bytes());
        buffer.extend_from_slice(&self.key.to_be_bytes());
        buffer.extend_from_slice(&self.writer.to_be_bytes());
        let stated = u32::try_from(length).expect("VALUE_BYTES_MAX fits");
        buffer.extend_from_slice(&stated.to_be_bytes());
        buffer.extend_from_slice(&self.sequence.to_be_bytes());
        buffer.resize(length, 0);
        self.fill(&mut buffer[HEADER_BYTES..]);
        let checksum = checksum(buffer);
        buffer[CHECKSUM_AT..HEADER_BYTES].copy_from_slice(&checksum.to_be_bytes());
    }

    /// The client flags that belong to this value, so that a value under the flags of another is seen.
    #[must_use]
    pub fn flags(&self) -> u32 {
        flags(self.run, self.key, self.sequence)
    }

    /// Filler that differs from write to write: a mixture of two values has a wrong checksum.
    fn fill(&self, filler: &mut [u8]) {
        let mut state = self.key.rotate_left(32) ^ self.sequence;
        let mut word = || {
            // A Weyl step and one multiplication: cheap, and no two words are alike.
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            (state ^ (state >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9).to_be_bytes()
        };
        let mut words = filler.chunks_exact_mut(8);
        for eight in &mut words {
            eight.copy_from_slice(&word());
        }
        let rest = words.into_remainder();
        let length = rest.len();
        rest.copy_from_slice(&word()[..length]);
    }

    /// Reads one whole value and nothing else.
    ///
    /// # Errors
    /// When the bytes are not exactly one value as it was written.
    pub fn read(bytes: &[u8]) -> Result<Self, Damage> {
        let (stamp, rest) = Self::read_first(bytes)?;
        if rest.is_empty() { Ok(stamp) } else { Err(Damage::Length { stated: stated(bytes) }) }
    }

    /// Reads the first of several values that were put one behind the other, and returns the rest.
    ///
    /// # Errors
    /// When the bytes do not begin with a value as it was written.
    pub fn read_first(bytes: &[u8]) -> Result<(Self, &[u8]), Damage> {
        if bytes.len() < HEADER_BYTES {
            return Err(Damage::Short);
        }
        if bytes[..4] != MAGIC {
            return Err(Damage::Foreign);
        }
        let stated = stated(bytes);
        let length = usize::try_from(stated).unwrap_or(usize::MAX);
        if length < HEADER_BYTES || length > bytes.len() {
            return Err(Damage::Length { stated });
        }
        let (value, rest) = bytes.split_at(length);
        if checksum(value) != u32::from_be_bytes(field(value, CHECKSUM_AT)) {
            return Err(Damage::Checksum);
        }
        let stamp = Self {
            run: u32::from_be_bytes(field(value, 4)),
            key: u64::from_be_bytes(field(value, 8)),
            writer: u32::from_be_bytes(field(value, 16)),
            sequence: u64::from_be_bytes(field(value, 24)),
        };
        Ok((stamp, rest))
    }
}

/// Flags that differ from key to key and from write to write, and are never 0.
#[must_use]
pub fn flags(run: u32, key: u64, sequence: u64) -> u32 {
    let mixed = (u64::from(run) ^ key.rotate_left(20) ^ sequence.rotate_left(40))
        .wrapping_mul(0x9e37_79b9_7f4a_7c15);
    u32::try_from(mixed >> 32).unwrap_or_default() | 1
}

fn stated(bytes: &[u8]) -> u32 {
    u32::from_be_bytes(field(bytes, 20))
}

fn field<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    bytes[at..at + N].try_into().expect("a slice of N bytes is an array of N bytes")
}

fn checksum(value: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&value[..CHECKSUM_AT]);
    hasher.update(&value[HEADER_BYTES..]);
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const STAMP: Stamp = Stamp { run: 7, key: 12, writer: 3, sequence: 99 };

    fn value(length: usize) -> Vec<u8> {
        let mut buffer = vec![1, 2, 3];
        STAMP.write(length, &mut buffer);
        buffer
    }

    /// Catches a value that is longer or shorter than asked for, and a wish below the header that
    /// is taken literally.
    #[test]
    fn lengths_are_kept_and_small_ones_raised() {
        for (wish, length) in [(0, 36), (36, 36), (37, 37), (64, 64), (1000, 1000)] {
            let value = value(wish);
            assert_eq!(value.len(), length);
            assert_eq!(Stamp::read(&value), Ok(STAMP));
        }
    }

    /// Catches a truncated or prolonged value that passes.
    #[test]
    fn a_wrong_length_is_damage() {
        let whole = value(100);
        assert_eq!(Stamp::read(&whole[..20]), Err(Damage::Short));
        assert_eq!(Stamp::read(&whole[..99]), Err(Damage::Length { stated: 100 }));
        let mut long = whole.clone();
        long.push(0);
        assert_eq!(Stamp::read(&long), Err(Damage::Length { stated: 100 }));
        assert_eq!(Stamp::read(&[b'x'; 50]), Err(Damage::Foreign));
    }

    /// Catches records in one value that are not told apart.
    #[test]
    fn several_values_are_read_one_by_one() {
        let both = [value(40), value(50)].concat();
        let (_, rest) = Stamp::read_first(&both).unwrap();
        assert_eq!(Stamp::read(rest), Ok(STAMP));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        /// Catches a single flipped bit, anywhere, that is not seen.
        #[test]
        fn every_flip_is_damage(
            length in 36_usize..300,
            at in any::<proptest::sample::Index>(),
            bit in 0..8,
        ) {
            let mut bytes = value(length);
            let at = at.index(bytes.len());
            bytes[at] ^= 1_u8 << bit;
            prop_assert!(Stamp::read(&bytes).is_err());
        }
    }
}
