//! Which node a call goes to: the owner of its key among those in the list or, with failover, the owner among
//! those of them that live.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

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
    Ok(strategy.place(&members(servers), config.hash))
}

/// Which node a call goes to.
#[derive(Debug)]
pub(super) struct Placement {
    servers: Vec<Server>,
    strategy: Box<dyn Strategy>,
    hash: KeyHash,
    /// Of the list that the client began with.
    full: Box<dyn Selector>,
    /// Whether it has another list by now. While it has not, calls ask no lock for it.
    is_relisted: AtomicBool,
    listed: RwLock<Option<Arc<dyn Selector>>>,
    failover: bool,
    /// How many nodes are out. While none is, calls ask the full placement and no lock.
    out: AtomicUsize,
    /// Who is in the list, and out; held while they are placed anew.
    membership: Mutex<Membership>,
    living: RwLock<Option<Arc<dyn Selector>>>,
}

#[derive(Debug)]
struct Membership {
    /// The nodes in the list, in its order.
    list: Vec<NodeIndex>,
    /// Of every node, whether it is out.
    out: Vec<bool>,
}

impl Placement {
    pub(super) fn new(servers: &[Server], config: &ClientConfig) -> Result<Self, ConfigError> {
        let strategy = SELECTORS.make(&config.selector)?;
        let full = strategy.place(&members(servers), config.hash);
        Ok(Self {
            servers: servers.to_vec(),
            strategy,
            hash: config.hash,
            full,
            is_relisted: AtomicBool::new(false),
            listed: RwLock::new(None),
            failover: config.failover,
            out: AtomicUsize::new(0),
            membership: Mutex::new(Membership {
                list: (0..).map(NodeIndex).take(servers.len()).collect(),
                out: vec![false; servers.len()],
            }),
            living: RwLock::new(None),
        })
    }

    /// The node that owns `key` while every node in the list lives.
    pub(super) fn home(&self, key: &[u8]) -> NodeIndex {
        if self.is_relisted.load(Ordering::Acquire)
            && let Some(listed) = self.listed.read().as_deref()
        {
            return listed.home(key);
        }
        self.full.home(key)
    }

    /// Where every key would go with this list; nodes that there are none of are left out. `None`: nobody is
    /// left.
    pub(super) fn among(&self, list: &[NodeIndex]) -> Option<Box<dyn Selector>> {
        let members = self.members(list, |_| true);
        (!members.is_empty()).then(|| self.strategy.place(&members, self.hash))
    }

    /// From now on these nodes are in the list, in this order. One without anybody is refused: `false`.
    pub(super) fn set_list(&self, list: &[NodeIndex]) -> bool {
        let mut membership = self.membership.lock();
        let Some(selector) = self.among(list) else { return false };
        membership.list = list.to_vec();
        *self.listed.write() = Some(Arc::from(selector));
        self.is_relisted.store(true, Ordering::Release);
        self.place_living(&membership);
        true
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
        let mut membership = self.membership.lock();
        membership.out[node.position()] = is_out;
        self.place_living(&membership);
    }

    fn place_living(&self, Membership { list, out }: &Membership) {
        let count = out.iter().filter(|out| **out).count();
        let living = self.members(list, |position| !out[position]);
        // With nobody left, calls go to their owners and are shed there.
        let selector = (count > 0 && !living.is_empty())
            .then(|| Arc::from(self.strategy.place(&living, self.hash)));
        *self.living.write() = selector;
        self.out.store(count, Ordering::Release);
    }

    fn members(&self, list: &[NodeIndex], wanted: impl Fn(usize) -> bool) -> Vec<Member<'_>> {
        let member = |index: &NodeIndex| {
            let server = self.servers.get(index.position())?;
            wanted(index.position()).then_some(Member { index: *index, server })
        };
        list.iter().filter_map(member).collect()
    }
}

/// All servers, in their order.
fn members(servers: &[Server]) -> Vec<Member<'_>> {
    let member = |(index, server)| Member { index: NodeIndex(index), server };
    (0_u16..).zip(servers).map(member).collect()
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

    /// Catches a list that moves keys of nodes which are in both, loses the order, is taken although nobody is
    /// in it, or brings back a node that is out.
    #[test]
    fn another_list_moves_what_it_must() {
        let placement = placement(true);
        let before = targets(&placement);
        assert!(!placement.set_list(&[]) && !placement.set_list(&[NodeIndex(7)]));
        assert_eq!(targets(&placement), before);
        assert!(placement.set_list(&[NodeIndex(0), NodeIndex(1)]));
        for ((old, _), (new, target)) in before.iter().zip(targets(&placement)) {
            assert_eq!(*old == NodeIndex(2), *old != new);
            assert_eq!(new, target);
        }
        placement.set_out(NodeIndex(1), true);
        assert!(targets(&placement).iter().all(|(_, target)| *target == NodeIndex(0)));
        placement.set_out(NodeIndex(1), false);
        assert!(placement.set_list(&[NodeIndex(0), NodeIndex(1), NodeIndex(2)]));
        assert_eq!(targets(&placement), before);
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
