//! `rendezvous`: the highest score wins, as in pymemcache's hash client (murmur3 of `node-key`).

use super::hash::KeyHash;
use super::strategy::{Candidates, Member, Selector, Strategy};
use crate::base::family::Kind;
use crate::base::name::NodeIndex;

pub(super) const KIND: Kind<dyn Strategy> = Kind {
    name: "rendezvous",
    summary: "highest random weight with murmur3, as pymemcache's HashClient places keys",
    settings: &[],
    build: |_| Ok(Box::new(Rendezvous)),
};

#[derive(Debug)]
struct Rendezvous;

/// The members with the start of what is hashed for each, `host:port-`.
#[derive(Debug)]
struct Scores {
    members: Vec<Scored>,
    weighted: bool,
}

#[derive(Debug)]
struct Scored {
    node: NodeIndex,
    label: Vec<u8>,
    weight: f64,
}

impl Strategy for Rendezvous {
    /// The hash is the strategy's own; `_hash` has no say.
    fn place(&self, members: &[Member<'_>], _hash: KeyHash) -> Box<dyn Selector> {
        let weighted =
            members.windows(2).any(|pair| pair[0].server.weight != pair[1].server.weight);
        let members = members
            .iter()
            .map(|member| Scored {
                node: member.index,
                label: format!("{}-", member.server.address).into_bytes(),
                weight: f64::from(member.server.weight),
            })
            .collect();
        Box::new(Scores { members, weighted })
    }
}

impl Scores {
    /// With equal weights the plain hash decides, as in pymemcache. Else the hash becomes a draw
    /// between 0 and 1, and the score is weight over its negative logarithm, which gives each member
    /// keys in proportion to its weight.
    fn score(&self, member: &Scored, key: &[u8]) -> f64 {
        let hash = f64::from(murmur3_32(&member.label, key));
        if self.weighted {
            let draw = (hash + 0.5) / (f64::from(u32::MAX) + 1.0);
            return member.weight / -draw.ln();
        }
        hash
    }
}

impl Selector for Scores {
    fn home(&self, key: &[u8]) -> NodeIndex {
        let mut best = (&self.members[0], self.score(&self.members[0], key));
        for member in &self.members[1..] {
            let score = self.score(member, key);
            // On a tie pymemcache takes the larger name.
            if (score, &member.label) > (best.1, &best.0.label) {
                best = (member, score);
            }
        }
        best.0.node
    }

    fn candidates<'a>(&'a self, key: &[u8]) -> Candidates<'a> {
        let mut scored: Vec<(f64, &Scored)> =
            self.members.iter().map(|member| (self.score(member, key), member)).collect();
        scored.sort_by(|one, two| {
            two.0.total_cmp(&one.0).then_with(|| two.1.label.cmp(&one.1.label))
        });
        Box::new(scored.into_iter().map(|(_, member)| member.node))
    }
}

/// `MurmurHash3_x86_32` (Appleby, public domain) with seed 0 over `label` followed by `key`.
fn murmur3_32(label: &[u8], key: &[u8]) -> u32 {
    let mut hash = 0_u32;
    let mut block = [0_u8; 4];
    let mut filled = 0;
    for &byte in label.iter().chain(key) {
        block[filled] = byte;
        filled += 1;
        if filled == 4 {
            hash = (hash ^ scrambled(u32::from_le_bytes(block))).rotate_left(13);
            hash = hash.wrapping_mul(5).wrapping_add(0xe654_6b64);
            filled = 0;
        }
    }
    block[filled..].fill(0);
    hash ^= scrambled(u32::from_le_bytes(block));
    #[expect(clippy::cast_possible_truncation, reason = "keys and labels are far below 4 GiB")]
    let length = (label.len() + key.len()) as u32;
    finished(hash ^ length)
}

const fn scrambled(block: u32) -> u32 {
    block.wrapping_mul(0xcc9e_2d51).rotate_left(15).wrapping_mul(0x1b87_3593)
}

const fn finished(mut hash: u32) -> u32 {
    hash ^= hash >> 16;
    hash = hash.wrapping_mul(0x85eb_ca6b);
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(0xc2b2_ae35);
    hash ^ (hash >> 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Catches a slip in the hash; the values are the published test vectors for seed 0.
    #[test]
    fn murmur3_known_values() {
        assert_eq!(murmur3_32(b"", b""), 0);
        assert_eq!(murmur3_32(b"", b"test"), 0xba6b_d213);
        assert_eq!(murmur3_32(b"Hello, ", b"world!"), 0xc036_3e43);
        let fox = b"The quick brown fox jumps over the lazy dog";
        assert_eq!(murmur3_32(&fox[..7], &fox[7..]), 0x2e4f_f723);
    }
}
