//! What a strategy is: it makes selectors from sets of nodes.

use std::fmt;

use super::hash::KeyHash;
use crate::base::name::NodeIndex;
use crate::client::server::Server;

/// Nodes in the order in which they should be asked for one key, each once.
pub type Candidates<'a> = Box<dyn Iterator<Item = NodeIndex> + Send + 'a>;

/// Places keys on one fixed set of nodes.
pub trait Selector: fmt::Debug + Send + Sync {
    /// The node that owns `key`: the first of its candidates.
    fn home(&self, key: &[u8]) -> NodeIndex;

    /// The owner of `key`, then the node that would own it if that one were not there, and so on.
    fn candidates<'a>(&'a self, key: &[u8]) -> Candidates<'a>;
}

/// A node of a set, with the index that it has in the full set.
#[derive(Clone, Copy, Debug)]
pub struct Member<'a> {
    /// Its index in the full set.
    pub index: NodeIndex,
    /// Its address and weight.
    pub server: &'a Server,
}

/// A way to place keys.
pub trait Strategy: fmt::Debug + Send + Sync {
    /// Places keys on `members`, which are not empty, in the order of their indices.
    fn place(&self, members: &[Member<'_>], hash: KeyHash) -> Box<dyn Selector>;
}

/// Each member once for each unit of its weight, as strategies without weights of their own have it.
pub(super) fn buckets(members: &[Member<'_>]) -> Vec<NodeIndex> {
    members
        .iter()
        .flat_map(|member| {
            std::iter::repeat_n(member.index, member.server.weight.min(WEIGHT_MAX) as usize)
        })
        .collect()
}

/// A larger weight counts as this one where it is turned into that many buckets.
const WEIGHT_MAX: u32 = 1024;

/// The nodes of a circle of places, from `start` once round, each at its first appearance.
#[derive(Debug)]
pub(super) struct Round<'a> {
    places: &'a [NodeIndex],
    start: usize,
    walked: usize,
    seen: Vec<NodeIndex>,
}

impl<'a> Round<'a> {
    pub(super) const fn from(places: &'a [NodeIndex], start: usize) -> Self {
        Self { places, start, walked: 0, seen: Vec::new() }
    }
}

impl Iterator for Round<'_> {
    type Item = NodeIndex;

    fn next(&mut self) -> Option<NodeIndex> {
        while self.walked < self.places.len() {
            let node = self.places[(self.start + self.walked) % self.places.len()];
            self.walked += 1;
            if !self.seen.contains(&node) {
                self.seen.push(node);
                return Some(node);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;
    use crate::base::family::{Chosen, Settings};
    use crate::client::selector::SELECTORS;

    fn servers(weights: &[u32]) -> Vec<Server> {
        let address = |port| format!("127.0.0.1:{}", 22001 + port);
        weights
            .iter()
            .enumerate()
            .map(|(port, &weight)| Server { address: address(port), weight })
            .collect()
    }

    fn place(kind: &str, servers: &[Server], without: Option<usize>) -> Box<dyn Selector> {
        place_by(kind, KeyHash::Md5, servers, without)
    }

    fn place_by(
        kind: &str,
        hash: KeyHash,
        servers: &[Server],
        without: Option<usize>,
    ) -> Box<dyn Selector> {
        let members: Vec<Member<'_>> = servers
            .iter()
            .enumerate()
            .filter(|(index, _)| Some(*index) != without)
            .map(|(index, server)| Member { index: NodeIndex(index as u16), server })
            .collect();
        let chosen = Chosen { kind: kind.to_owned(), settings: Settings::default() };
        SELECTORS.make(&chosen).unwrap().place(&members, hash)
    }

    /// Catches a key that pymemcache or libmemcached would put on another server.
    #[test]
    fn agrees_with_other_clients_on_every_key() {
        let golden = std::path::PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
        let keys = std::fs::read(golden.join("ring-vectors/keys.txt")).unwrap();
        let keys: Vec<&[u8]> = keys
            .split(|&byte| byte == b'\n')
            .filter(|key| !key.is_empty() && key.iter().all(|byte| (0x21..=0x7e).contains(byte)))
            .take(400)
            .collect();
        for file in
            ["rendezvous", "modulo-md5", "modulo-one_at_a_time", "modulo-crc32", "modulo-fnv1a_64"]
        {
            let text =
                std::fs::read(golden.join(format!("placement-vectors/{file}.json"))).unwrap();
            let vector: serde_json::Value = serde_json::from_slice(&text).unwrap();
            let hash = KeyHash::find(vector["hash"].as_str().unwrap()).unwrap();
            for set in vector["sets"].as_array().unwrap() {
                let servers: Vec<Server> = set["servers"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|address| Server::new(address.as_str().unwrap()).unwrap())
                    .collect();
                let kind = vector["strategy"].as_str().unwrap();
                let selector = place_by(kind, hash, &servers, None);
                let map = set["map"].as_array().unwrap();
                assert_eq!((keys.len(), map.len()), (400, 400));
                for (key, expected) in keys.iter().zip(map) {
                    let node = selector.home(key).position() as u64;
                    assert_eq!(Some(node), expected.as_u64(), "{file}, {} servers", servers.len());
                }
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// Catches a strategy that forgets a node, names one twice, or whose first candidate is not
        /// the owner.
        #[test]
        fn candidates_are_every_node_once_owner_first(
            key in proptest::collection::vec(any::<u8>(), 1..40),
            weights in proptest::collection::vec(1_u32..4, 1..8),
        ) {
            let servers = servers(&weights);
            for kind in SELECTORS.kinds {
                let selector = place(kind.name, &servers, None);
                let nodes: Vec<NodeIndex> = selector.candidates(&key).collect();
                let distinct: BTreeSet<NodeIndex> = nodes.iter().copied().collect();
                prop_assert_eq!(nodes.len(), servers.len(), "{}", kind.name);
                prop_assert_eq!(distinct.len(), servers.len(), "{}", kind.name);
                prop_assert_eq!(nodes[0], selector.home(&key), "{}", kind.name);
            }
        }
    }

    /// Catches an ejection that moves keys of healthy nodes where the strategy promises not to.
    #[test]
    fn with_equal_weights_only_the_dead_nodes_keys_move() {
        let servers = servers(&[1, 1, 1, 1]);
        for kind in ["ketama", "rendezvous"] {
            let (full, rest) = (place(kind, &servers, None), place(kind, &servers, Some(1)));
            for number in 0..2000 {
                let key = format!("key-{number}");
                let (before, after) = (full.home(key.as_bytes()), rest.home(key.as_bytes()));
                assert_ne!(after, NodeIndex(1), "{kind}");
                if before == NodeIndex(1) {
                    assert_eq!(Some(after), full.candidates(key.as_bytes()).nth(1), "{kind}");
                } else {
                    assert_eq!(after, before, "{kind}");
                }
            }
        }
    }

    /// Catches a weight that is ignored or turned upside down.
    #[test]
    fn keys_follow_the_weights() {
        let servers = servers(&[1, 3]);
        for kind in SELECTORS.kinds {
            let selector = place(kind.name, &servers, None);
            let heavy = (0..4000)
                .filter(|number| selector.home(format!("key-{number}").as_bytes()) == NodeIndex(1))
                .count();
            assert!((2600..=3400).contains(&heavy), "{}: {heavy} of 4000", kind.name);
        }
    }
}
