//! Groups of clients with lists of nodes of their own, and what becomes of keys when a list changes.

use std::sync::Arc;

use parking_lot::Mutex;

use super::cache::Cache;
use super::oracle::Oracle;
use crate::base::name::NodeIndex;
use crate::protocol::memcached::frame::key::Key;

/// The client of each group, with the share of the workers that are in it; shares come to 1.
#[derive(Clone, Debug)]
pub struct Split {
    first: Arc<Cache>,
    all: Arc<[(Cache, f64)]>,
}

impl Split {
    /// The clients of some groups; `None`: there are none.
    #[must_use]
    pub fn new(groups: Vec<(Cache, f64)>) -> Option<Self> {
        let (first, _) = groups.first()?;
        Some(Self { first: Arc::new(first.clone()), all: groups.into() })
    }

    /// All clients, in the order of the groups.
    pub(super) fn all(&self) -> impl Iterator<Item = &Cache> {
        self.all.iter().map(|(cache, _)| cache)
    }

    /// The client of the first group.
    pub(super) fn first(&self) -> &Cache {
        &self.first
    }

    /// The client of a worker.
    pub(super) fn of(&self, worker: u32, workers: u32) -> &Cache {
        let shares: Vec<f64> = self.all.iter().map(|(_, share)| *share).collect();
        &self.all[group_of(&shares, worker, workers)].0
    }
}

/// The group of a worker: they are dealt in a row, each group as many as its share.
fn group_of(shares: &[f64], worker: u32, workers: u32) -> usize {
    let place = (f64::from(worker) + 0.5) / f64::from(workers.max(1));
    let mut end = 0.0;
    let is_within = |share: &f64| {
        end += share;
        place < end
    };
    shares.iter().position(is_within).unwrap_or_else(|| shares.len().saturating_sub(1))
}

/// The lists that clients were told, and which keys that moved.
#[derive(Debug)]
pub(super) struct Lists(Mutex<Moved>);

#[derive(Debug, Default)]
struct Moved {
    /// The largest share so far.
    most: Option<f64>,
    /// Of a driver whose list changed: where each key was asked for before.
    before: Vec<(usize, Before)>,
}

/// Where each key was asked for last, and how often it was until then.
type Before = Vec<(Option<NodeIndex>, u16)>;

impl Lists {
    /// Of clients that were told their first lists. Those of several groups may differ from the beginning.
    pub(super) fn of(cache: &Cache, oracle: &Oracle) -> Self {
        if matches!(cache, Cache::Split(_)) {
            oracle.roam();
        }
        Self(Mutex::default())
    }

    /// The client of a group is told another list. Where it says where keys live, the oracle follows: keys
    /// have their homes by the list of the first group. Returns whether it took the list.
    pub(super) fn change(
        &self,
        cache: &Cache,
        oracle: &Oracle,
        group: usize,
        list: &[NodeIndex],
    ) -> bool {
        let keys = || oracle.keyspace().keys();
        match cache.each().get(group) {
            Some(Cache::Own(client)) => {
                let Some(placed) = client.placed_among(list) else { return false };
                let home = |key: &Key| placed.home(key.as_bytes());
                let moved = keys().filter(|key| home(key) != client.home(key)).count() as u64;
                self.0.lock().note(moved, oracle.keyspace().len() as u64);
                if group == 0 {
                    oracle.relocate(Some(&home));
                } else {
                    oracle.roam();
                }
                client.set_list(list)
            }
            Some(Cache::Driver(driver)) => {
                let mut moved = self.0.lock();
                moved.settle(cache, oracle);
                moved.before.push((group, keys().map(|key| driver.asked_last(key)).collect()));
                oracle.relocate(None);
                driver.set_list(list)
            }
            _ => false,
        }
    }

    /// The largest share of the keys that a change has moved, of those of which it is known.
    pub(super) fn keys_moved_ratio(&self, cache: &Cache, oracle: &Oracle) -> Option<f64> {
        let mut moved = self.0.lock();
        moved.settle(cache, oracle);
        moved.most
    }
}

impl Moved {
    /// So many of so many keys have moved.
    fn note(&mut self, moved: u64, keys: u64) {
        #[expect(clippy::cast_precision_loss, reason = "keys are far below 2^53")]
        let share = (keys > 0).then(|| moved as f64 / keys as f64);
        self.most = self.most.into_iter().chain(share).reduce(f64::max);
    }

    /// Where drivers' clients have asked for keys since their lists changed: those that were asked for
    /// before and since.
    fn settle(&mut self, cache: &Cache, oracle: &Oracle) {
        for (group, before) in std::mem::take(&mut self.before) {
            let each = cache.each();
            let Some(Cache::Driver(driver)) = each.get(group) else { continue };
            let (mut moved, mut keys) = (0, 0);
            for (key, (node, count)) in oracle.keyspace().keys().zip(before) {
                let (now, asked) = driver.asked_last(key);
                if node.is_some() && asked != count {
                    keys += 1;
                    moved += u64::from(now != node);
                }
            }
            self.note(moved, keys);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Catches a group without workers, and workers without a group.
    #[test]
    fn workers_are_dealt_by_share() {
        let dealt = |shares: &[f64], workers| {
            let mut counts = vec![0; shares.len()];
            (0..workers).for_each(|worker| counts[group_of(shares, worker, workers)] += 1);
            counts
        };
        assert_eq!(dealt(&[0.5, 0.5], 100), [50, 50]);
        assert_eq!(dealt(&[0.1, 0.2, 0.7], 10), [1, 2, 7]);
        assert_eq!(dealt(&[0.3333, 0.3333, 0.3333], 3), [1, 1, 1]);
        assert_eq!(dealt(&[1.0], 1), [1]);
    }

    /// Catches a change that is not counted, and one that hides a larger one.
    #[test]
    fn the_largest_share_counts() {
        let mut moved = Moved::default();
        moved.note(0, 0);
        assert_eq!(moved.most, None);
        moved.note(3, 10);
        moved.note(1, 10);
        assert_eq!(moved.most, Some(0.3));
    }
}
