//! The hash of a key: it places items and is never seen from outside.
//!
//! Multiply-and-fold over 8-byte words, unkeyed: a node belongs to one test run, so nobody has a
//! reason to attack its table, and equal runs should behave equally.

const MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;
const START: u64 = 0x2545_f491_4f6c_dd1d;

/// Hashes a key; every bit of it reaches the upper and the lower bits.
#[must_use]
pub fn hash(key: &[u8]) -> u64 {
    let (words, rest) = key.as_chunks::<8>();
    let mut state = START ^ key.len() as u64;
    for word in words {
        state = fold(state ^ u64::from_le_bytes(*word));
    }
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    fold(fold(state ^ u64::from_le_bytes(last)))
}

fn fold(state: u64) -> u64 {
    let product = u128::from(state ^ START) * u128::from(MULTIPLIER);
    #[expect(clippy::cast_possible_truncation, reason = "both halves are used")]
    let (low, high) = (product as u64, (product >> 64) as u64);
    low ^ high
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Catches a hash that crowds the keys that people really use into a few shards or buckets.
    #[test]
    fn numbered_keys_spread_over_shards_and_buckets() {
        let mut shards = [0_u32; 16];
        let mut buckets = [0_u32; 64];
        for number in 0..16_000 {
            let hash = hash(format!("user:{number}").as_bytes());
            shards[(hash >> 60) as usize] += 1;
            buckets[(hash & 63) as usize] += 1;
        }
        assert!(shards.iter().all(|count| (900..1100).contains(count)), "{shards:?}");
        assert!(buckets.iter().all(|count| (180..320).contains(count)), "{buckets:?}");
    }
}
