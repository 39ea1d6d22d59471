//! `ketama`: the weighted ring of libmemcached, pylibmc, PHP and twemproxy, key for key.

use md5::{Digest, Md5};

use super::hash::KeyHash;
use super::strategy::{Candidates, Member, Round, Selector, Strategy};
use crate::base::family::Kind;
use crate::base::name::NodeIndex;

pub(super) const KIND: Kind<dyn Strategy> = Kind {
    name: "ketama",
    summary: "libmemcached's weighted ring (also pylibmc, PHP, twemproxy, npm memcached)",
    settings: &[],
    build: |_| Ok(Box::new(Ketama)),
};

/// The points that each of several equal servers would have if arithmetic were exact.
const POINTS_PER_SERVER: f32 = 160.0;

/// The points that one digest gives.
const POINTS_PER_DIGEST: f32 = 4.0;

#[derive(Debug)]
struct Ketama;

/// Points in rising order; the node of each stands at the same place in `nodes`. Kept apart, so
/// that the search touches as few cache lines as possible.
#[derive(Debug)]
struct Ring {
    points: Vec<u32>,
    nodes: Vec<NodeIndex>,
    hash: KeyHash,
}

impl Strategy for Ketama {
    fn place(&self, members: &[Member<'_>], hash: KeyHash) -> Box<dyn Selector> {
        let total: u64 = members.iter().map(|member| u64::from(member.server.weight)).sum();
        let mut ring: Vec<(u32, NodeIndex)> = Vec::with_capacity(members.len() * 160);
        for member in members {
            let label = member.server.label();
            for number in 0..digests(member.server.weight, total, members.len()) {
                let digest = Md5::digest(format!("{label}-{number}"));
                for part in digest.chunks_exact(4) {
                    let point = u32::from_le_bytes([part[0], part[1], part[2], part[3]]);
                    ring.push((point, member.index));
                }
            }
        }
        ring.sort_unstable();
        let (points, nodes) = ring.into_iter().unzip();
        Box::new(Ring { points, nodes, hash })
    }
}

/// How many digests, of four points each, a server gets. libmemcached counts in single precision,
/// in this order; double precision would give 25 equal servers 160 points where they have 156.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the rounding is the rule that every other client follows"
)]
fn digests(weight: u32, total: u64, servers: usize) -> u32 {
    let share = weight as f32 / total as f32;
    let exact = share * POINTS_PER_SERVER / POINTS_PER_DIGEST * servers as f32;
    (f64::from(exact) + 1e-10).floor() as u32
}

impl Ring {
    /// Where the search for `key` ends: the first point at or above its hash, else the first.
    fn place_of(&self, key: &[u8]) -> usize {
        let hash = self.hash.of(key);
        let place = self.points.partition_point(|&point| point < hash);
        if place == self.points.len() { 0 } else { place }
    }
}

impl Selector for Ring {
    fn home(&self, key: &[u8]) -> NodeIndex {
        // A weight far below the others' can leave a server without points, never all of them.
        self.nodes[self.place_of(key)]
    }

    fn candidates<'a>(&'a self, key: &[u8]) -> Candidates<'a> {
        Box::new(Round::from(&self.nodes, self.place_of(key)))
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::client::server::Server;

    fn golden(name: &str) -> Vec<u8> {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/ring-vectors");
        std::fs::read(folder.join(name)).unwrap()
    }

    fn ring(servers: &[Server]) -> Box<dyn Selector> {
        let members: Vec<Member<'_>> = servers
            .iter()
            .enumerate()
            .map(|(index, server)| Member { index: NodeIndex(index as u16), server })
            .collect();
        Ketama.place(&members, KeyHash::Md5)
    }

    /// Catches a single key that libmemcached would put on another server: every set, every key.
    #[test]
    fn agrees_with_libmemcached_on_every_key() {
        let keys = golden("keys.txt");
        let keys: Vec<&[u8]> = keys.trim_ascii_end().split(|&byte| byte == b'\n').collect();
        for naming in ["ports", "names"] {
            for set in ["3-equal", "3-weighted", "5-equal", "5-weighted"] {
                let name = format!("ketama-md5-160.{naming}-{set}.json");
                let vector: serde_json::Value = serde_json::from_slice(&golden(&name)).unwrap();
                let list = |field: &str| vector[field].as_array().unwrap().clone();
                let servers: Vec<Server> = list("servers")
                    .iter()
                    .zip(list("weights"))
                    .map(|(address, weight)| Server {
                        address: address.as_str().unwrap().to_owned(),
                        weight: weight.as_u64().unwrap() as u32,
                    })
                    .collect();
                let ring = ring(&servers);
                let map = list("map");
                assert_eq!((keys.len(), map.len()), (2000, 2000));
                for (key, expected) in keys.iter().zip(&map) {
                    let node = ring.home(key).position() as u64;
                    assert_eq!(Some(node), expected.as_u64(), "{name}");
                }
            }
        }
    }

    /// Catches double precision in the point count: the sets that tell it apart are known.
    #[test]
    fn points_are_counted_in_single_precision() {
        for servers in [25, 47, 50, 55, 61, 71, 94, 100] {
            assert_eq!(digests(1, servers as u64, servers), 39, "{servers} equal servers");
        }
        for servers in [1, 2, 3, 10, 24] {
            assert_eq!(digests(1, servers as u64, servers), 40, "{servers} equal servers");
        }
    }

    /// Catches an empty ring: a lookup on it would panic.
    #[test]
    fn some_server_always_has_points() {
        let weights = [1, u32::MAX, 7];
        let servers: Vec<Server> = (1..)
            .zip(weights)
            .map(|(port, weight)| Server { address: format!("a:{port}"), weight })
            .collect();
        assert_eq!(ring(&servers).home(b"any"), NodeIndex(1));
    }
}
