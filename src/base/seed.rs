//! A tree of random streams: one seed a run, a child for every consumer.
//!
//! A stream is named by its path (`worker[3]/keys`), so adding a consumer moves no other stream.
//! The generator is pinned (xoshiro256++, Blackman and Vigna 2018; seeded through SplitMix64): the
//! same seed makes the same decisions next year. It fixes decisions, not thread interleavings.

use std::fmt;

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::SeedableRng;

/// The generator behind every draw.
pub type Stream = Xoshiro256PlusPlus;

/// A node of the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seed(u64);

impl Seed {
    /// The root, as given by `-seed` or drawn once from the operating system.
    #[must_use]
    pub const fn new(root: u64) -> Self {
        Self(root)
    }

    /// A root that nobody chose: drawn from the hash keys the operating system gave this process.
    #[must_use]
    pub fn from_system() -> Self {
        use std::hash::{BuildHasher, Hasher, RandomState};
        // JSON numbers above 2^53 are rounded by many readers; a seed must survive them.
        Self(RandomState::new().build_hasher().finish() >> 11)
    }

    /// The child with this label.
    #[must_use]
    pub fn fork(self, label: &str) -> Self {
        // FNV-1a over the label, so that a path is read from left to right.
        let hash = label.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        Self(mix(self.0 ^ hash))
    }

    /// The child with this index.
    #[must_use]
    pub const fn index(self, index: u64) -> Self {
        Self(mix(self.0.wrapping_add(index.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15))))
    }

    /// The stream of draws at this node.
    #[must_use]
    pub fn stream(self) -> Stream {
        Stream::seed_from_u64(self.0)
    }

    /// The number that makes this node again with [`Seed::new`].
    #[must_use]
    pub const fn value(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The finaliser of SplitMix64 (Steele, Lea and Flood 2014): every input bit reaches every output bit.
const fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use rand::Rng;

    use super::*;

    /// Catches a change of generator, of seeding or of path hashing: old seeds would lie.
    #[test]
    fn first_draws_are_pinned() {
        let keys = Seed::new(42).fork("worker").index(3).fork("keys");
        assert_eq!(keys.stream().next_u64(), PINNED);
    }

    const PINNED: u64 = 4_628_145_972_155_049_567;

    /// Catches two consumers that share a stream.
    #[test]
    fn labels_and_indices_do_not_collide() {
        let root = Seed::new(1);
        let mut seen = std::collections::BTreeSet::new();
        for label in ["a", "b", "ab", "ba", "worker", "proxy"] {
            assert!(seen.insert(root.fork(label).value()));
            for index in 0..1000 {
                assert!(seen.insert(root.fork(label).index(index).value()));
            }
        }
    }
}
