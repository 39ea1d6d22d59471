//! `modulo`: the hash modulo the number of servers. A lost server moves almost every key.

use super::hash::KeyHash;
use super::strategy::{Candidates, Member, Round, Selector, Strategy, buckets};
use crate::base::family::Kind;
use crate::base::name::NodeIndex;

pub(super) const KIND: Kind<dyn Strategy> = Kind {
    name: "modulo",
    summary: "hash modulo servers (memjs, twemproxy's modula): a lost server moves most keys",
    settings: &[],
    build: |_| Ok(Box::new(Modulo)),
};

#[derive(Debug)]
struct Modulo;

#[derive(Debug)]
struct Buckets {
    nodes: Vec<NodeIndex>,
    hash: KeyHash,
}

impl Strategy for Modulo {
    fn place(&self, members: &[Member<'_>], hash: KeyHash) -> Box<dyn Selector> {
        Box::new(Buckets { nodes: buckets(members), hash })
    }
}

impl Buckets {
    fn place_of(&self, key: &[u8]) -> usize {
        self.hash.of(key) as usize % self.nodes.len()
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
