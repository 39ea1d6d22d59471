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
    label: String,
    /// The hash of the label so far; a lookup only adds the key.
    start: Murmur3,
    weight: f64,
}

impl Strategy for Rendezvous {
    /// The hash is the strategy's own; `_hash` has no say.
    fn place(&self, members: &[Member<'_>], _hash: KeyHash) -> Box<dyn Selector> {
        let weighted =
            members.windows(2).any(|pair| pair[0].server.weight != pair[1].server.weight);
        let members = members
            .iter()
            .map(|member| {
                let label = format!("{}-", member.server.address);
                let start = Murmur3::default().with(label.as_bytes());
                let weight = f64::from(member.server.weight);
                Scored { node: member.index, label, start, weight }
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
        let hash = f64::from(member.start.with(key).finish());
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
            if (score, member.label.as_str()) > (best.1, best.0.label.as_str()) {
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

/// `MurmurHash3_x86_32` (Appleby, public domain) with seed 0, over bytes that come in parts.
#[derive(Clone, Copy, Debug, Default)]
struct Murmur3 {
    hash: u32,
    block: [u8; 4],
    length: u32,
}

impl Murmur3 {
    fn with(mut self, bytes: &[u8]) -> Self {
        for &byte in bytes {
            let place = (self.length % 4) as usize;
            self.block[place] = byte;
            self.length = self.length.wrapping_add(1);
            if place == 3 {
                let mixed = self.hash ^ scrambled(u32::from_le_bytes(self.block));
                self.hash = mixed.rotate_left(13).wrapping_mul(5).wrapping_add(0xe654_6b64);
                self.block = [0; 4];
            }
        }
        self
    }

    const fn finish(self) -> u32 {
        finished(self.hash ^ scrambled(u32::from_le_bytes(self.block)) ^ self.length)
    }
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
        let hash = |one: &[u8], two: &[u8]| Murmur3::default().with(one).with(two).finish();
        assert_eq!(hash(b"", b""), 0);
        assert_eq!(hash(b"", b"test"), 0xba6b_d213);
        assert_eq!(hash(b"Hello, ", b"world!"), 0xc036_3e43);
        let fox = b"The quick brown fox jumps over the lazy dog";
        assert_eq!(hash(&fox[..7], &fox[7..]), 0x2e4f_f723);
    }
}
