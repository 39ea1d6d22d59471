//! Which node a call goes to: the owner of its key or, with failover, the owner among the living.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::{Mutex, RwLock};

use super::config::{ClientConfig, ConfigError};
use super::selector::{KeyHash, Member, SELECTORS, Selector, Strategy};
use super::server::Server;
use crate::base::name::NodeIndex;

/// Where every key goes while all of `servers` live, as a client with `config` has it.
///
/// # Errors
/// When the servers or the settings cannot be used.
pub fn place(servers: &[Server], config: &ClientConfig) -> Result<Box<dyn Selector>, ConfigError> {
    config.check(servers)?;
    let strategy = SELECTORS.make(&config.selector)?;
    Ok(strategy.place(&members(servers, |_| true), config.hash))
}

/// Which node a call goes to.
#[derive(Debug)]
pub(super) struct Placement {
    servers: Vec<Server>,
    strategy: Box<dyn Strategy>,
    hash: KeyHash,
    full: Box<dyn Selector>,
    failover: bool,
    /// How many nodes are out. While none is, calls ask the full placement and no lock.
    out: AtomicUsize,
    /// Which nodes are out; held while the living are placed anew.
    membership: Mutex<Vec<bool>>,
    living: RwLock<Option<Arc<dyn Selector>>>,
}

impl Placement {
    pub(super) fn new(servers: &[Server], config: &ClientConfig) -> Result<Self, ConfigError> {
        let strategy = SELECTORS.make(&config.selector)?;
        let full = strategy.place(&members(servers, |_| true), config.hash);
        Ok(Self {
            servers: servers.to_vec(),
            strategy,
            hash: config.hash,
            full,
            failover: config.failover,
            out: AtomicUsize::new(0),
            membership: Mutex::new(vec![false; servers.len()]),
            living: RwLock::new(None),
        })
    }

    /// The node that owns `key` on the full ring.
    pub(super) fn home(&self, key: &[u8]) -> NodeIndex {
        self.full.home(key)
    }

    /// The node that a call on `key`, whose owner is `home`, goes to now.
    pub(super) fn target(&self, key: &[u8], home: NodeIndex) -> NodeIndex {
        if !self.failover || self.out.load(Ordering::Acquire) == 0 {
            return home;
        }
        let living = self.living.read().clone();
        living.map_or(home, |selector| selector.home(key))
    }

    /// A node is out (`true`) or back. Without failover its keys stay its own.
    pub(super) fn set_out(&self, node: NodeIndex, is_out: bool) {
        if !self.failover {
            return;
        }
        let mut out = self.membership.lock();
        out[node.position()] = is_out;
        let count = out.iter().filter(|out| **out).count();
        let living = members(&self.servers, |position| !out[position]);
        // With nobody left, calls go to their owners and are shed there.
        let selector = (count > 0 && !living.is_empty())
            .then(|| Arc::from(self.strategy.place(&living, self.hash)));
        *self.living.write() = selector;
        self.out.store(count, Ordering::Release);
    }
}

fn members(servers: &[Server], living: impl Fn(usize) -> bool) -> Vec<Member<'_>> {
    (0_u16..)
        .zip(servers)
        .filter(|(index, _)| living(usize::from(*index)))
        .map(|(index, server)| Member { index: NodeIndex(index), server })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn placement(failover: bool) -> Placement {
        let servers: Vec<Server> =
            (1..=3).map(|port| Server::new(format!("127.0.0.1:{port}")).unwrap()).collect();
        Placement::new(&servers, &ClientConfig { failover, ..ClientConfig::default() }).unwrap()
    }

    fn targets(placement: &Placement) -> Vec<(NodeIndex, NodeIndex)> {
        (0..300)
            .map(|number| {
                let key = format!("key-{number}").into_bytes();
                let home = placement.home(&key);
                (home, placement.target(&key, home))
            })
            .collect()
    }

    /// Catches a key that moves although its node lives, one that stays on a node that is out, and
    /// one that does not come home.
    #[test]
    fn failover_moves_the_lost_nodes_keys_and_only_them() {
        let placement = placement(true);
        placement.set_out(NodeIndex(1), true);
        for (home, target) in targets(&placement) {
            assert_eq!(home == NodeIndex(1), home != target);
            assert_ne!(target, NodeIndex(1));
        }
        placement.set_out(NodeIndex(1), false);
        assert!(targets(&placement).iter().all(|(home, target)| home == target));
    }

    /// Catches keys that move without failover, and a panic when every node is out.
    #[test]
    fn without_failover_or_anyone_left_keys_stay_home() {
        for failover in [false, true] {
            let placement = placement(failover);
            for node in 0..3 {
                placement.set_out(NodeIndex(node), true);
            }
            assert!(targets(&placement).iter().all(|(home, target)| home == target));
        }
    }
}
