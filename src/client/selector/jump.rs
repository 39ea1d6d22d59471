//! `jump`: Lamping and Veach's jump consistent hash. Adding a server at the end moves only the keys
//! that it takes; removing one from the middle moves more.

use super::hash::KeyHash;
use super::strategy::{Candidates, Member, Round, Selector, Strategy, buckets};
use crate::base::family::Kind;
use crate::base::name::NodeIndex;

pub(super) const KIND: Kind<dyn Strategy> = Kind {
    name: "jump",
    summary: "jump consistent hash (Lamping, Veach 2014): no memory, best for growing at the end",
    settings: &[],
    build: |_| Ok(Box::new(Jump)),
};

#[derive(Debug)]
struct Jump;

#[derive(Debug)]
struct Buckets {
    nodes: Vec<NodeIndex>,
    hash: KeyHash,
}

impl Strategy for Jump {
    fn place(&self, members: &[Member<'_>], hash: KeyHash) -> Box<dyn Selector> {
        Box::new(Buckets { nodes: buckets(members), hash })
    }
}

/// The bucket of `key` among `buckets`, as in the paper.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the paper computes with doubles and truncates"
)]
fn jump(mut key: u64, buckets: usize) -> usize {
    let (mut bucket, mut next) = (0_u64, 0_u64);
    while next < buckets as u64 {
        bucket = next;
        key = key.wrapping_mul(2_862_933_555_777_941_757).wrapping_add(1);
        let draw = ((key >> 33) + 1) as f64;
        next = ((bucket + 1) as f64 * ((1_u64 << 31) as f64 / draw)) as u64;
    }
    bucket as usize
}

impl Buckets {
    fn place_of(&self, key: &[u8]) -> usize {
        jump(u64::from(self.hash.of(key)), self.nodes.len())
    }
}

impl Selector for Buckets {
    fn home(&self, key: &[u8]) -> NodeIndex {
        self.nodes[self.place_of(key)]
    }

    fn candidates<'a>(&'a self, key: &[u8]) -> Candidates<'a> {
        Box::new(Round::from(&self.nodes, self.place_of(key)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Catches a slip in the arithmetic: growing moves keys to the new bucket only, and its share.
    #[test]
    fn growing_moves_keys_to_the_new_bucket_only() {
        for buckets in 1..40 {
            let mut moved = 0;
            for key in 0..2000_u64 {
                let key = key.wrapping_mul(0x9e37_79b9_7f4a_7c15);
                let (before, after) = (jump(key, buckets), jump(key, buckets + 1));
                if before != after {
                    assert_eq!(after, buckets);
                    moved += 1;
                }
            }
            let expected = 2000 / (buckets + 1);
            assert!((expected / 2..=expected * 2).contains(&moved), "{buckets}: {moved}");
        }
    }
}
