//! The items of a node: sharded, bounded in bytes, least recently used out first.
//!
//! No I/O and no clock: every call takes the moment. It owns the locks, the bound and the flush
//! rule. What a command does to one item is decided by the command, through an [`Entry`].
//!
//! A lock is held for one key at a time. Room for new bytes is reserved before the lock is taken,
//! so evicting never needs a second lock, and the bytes held never exceed the limit.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

use parking_lot::Mutex;

use super::clock::Now;
use super::counts::{Count, Counts};
use super::entry::Entry;
use super::item::Item;
use crate::protocol::node::hash::hash;
use crate::protocol::node::table::Table;

/// How many locks the items are spread over.
const SHARDS: usize = 16;
const SHARD_SHIFT: u32 = u64::BITS - SHARDS.ilog2();

/// What bounds a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The most that all items may weigh together, in bytes.
    pub memory_bytes: u64,
    /// The most that one item may weigh, in bytes.
    pub item_bytes: usize,
}

/// The items of a node.
#[derive(Debug)]
pub struct Store {
    shards: Box<[Shard]>,
    bytes: AtomicU64,
    memory_bytes: AtomicU64,
    item_bytes: usize,
    last_cas: AtomicU64,
    /// Items used at or before this are gone, once this second has come; 0: never flushed.
    flushed_until: AtomicU32,
    /// Items with a cas unique below this are gone, under the same condition.
    flushed_cas: AtomicU64,
}

#[derive(Debug)]
pub(super) struct Shard {
    pub(super) contents: Mutex<Contents>,
    /// When its least recently used item was used, so that evicting need not lock every shard.
    oldest_stamp: AtomicU64,
}

#[derive(Debug, Default)]
pub(super) struct Contents {
    pub(super) table: Table<Item>,
    pub(super) counts: Counts,
}

/// Totals over a store.
#[derive(Clone, Debug)]
pub struct Totals {
    /// Everything counted since the last reset.
    pub counts: Counts,
    /// How many items there are, expired ones that nobody asked for included.
    pub items: u64,
    /// What they weigh.
    pub bytes: u64,
    /// What they may weigh.
    pub memory_bytes: u64,
}

/// Bytes that are reserved for an item; what is not used is given back.
#[derive(Debug)]
pub struct Room<'a> {
    store: &'a Store,
    bytes: u64,
}

impl Room<'_> {
    /// Turns the reservation into bytes held: `added` of them, instead of `freed` ones.
    pub(super) fn exchange(mut self, added: usize, freed: usize) {
        debug_assert!(added as u64 <= self.bytes + freed as u64, "an item outgrew its room");
        let given_back = (self.bytes + freed as u64).saturating_sub(added as u64);
        self.bytes = 0;
        self.store.release(given_back);
    }
}

impl Drop for Room<'_> {
    fn drop(&mut self) {
        self.store.release(self.bytes);
    }
}

impl Shard {
    pub(super) fn publish(&self, contents: &Contents) {
        self.oldest_stamp.store(contents.table.oldest_stamp(), Relaxed);
    }
}

impl Store {
    /// An empty store.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        let shard = || Shard { contents: Mutex::default(), oldest_stamp: AtomicU64::new(u64::MAX) };
        Self {
            shards: std::iter::repeat_with(shard).take(SHARDS).collect(),
            bytes: AtomicU64::new(0),
            memory_bytes: AtomicU64::new(limits.memory_bytes),
            item_bytes: limits.item_bytes,
            last_cas: AtomicU64::new(0),
            flushed_until: AtomicU32::new(0),
            flushed_cas: AtomicU64::new(0),
        }
    }

    /// Locks a key: a dead item under it is removed first.
    pub fn entry<'a>(&'a self, key: &'a [u8], now: Now) -> Entry<'a> {
        let hash = hash(key);
        let shard = &self.shards[usize::try_from(hash >> SHARD_SHIFT).unwrap_or_default()];
        Entry::lock(self, shard, hash, key, now)
    }

    /// Whether an item of this weight may be stored at all.
    #[must_use]
    pub const fn fits(&self, weight: usize) -> bool {
        weight <= self.item_bytes
    }

    /// The most that one item may weigh.
    #[must_use]
    pub const fn item_bytes(&self) -> usize {
        self.item_bytes
    }

    /// Reserves `bytes`, evicting what was used least recently. `None`: they cannot be had.
    pub fn room(&self, bytes: usize, now: Now) -> Option<Room<'_>> {
        let bytes = bytes as u64;
        loop {
            let limit = self.memory_bytes.load(Relaxed);
            let reserve = |held: u64| (held + bytes <= limit).then_some(held + bytes);
            if self.bytes.fetch_update(Relaxed, Relaxed, reserve).is_ok() {
                return Some(Room { store: self, bytes });
            }
            if !self.evict_one(now) {
                return None;
            }
        }
    }

    /// A cas unique that no item has had.
    pub fn next_cas(&self) -> u64 {
        self.last_cas.fetch_add(1, Relaxed) + 1
    }

    /// Makes every item that is older than `until` (node seconds) disappear when that second
    /// comes; a value that is not in the future acts on everything stored before this call.
    pub fn flush(&self, until: Option<u32>, now: Now) {
        let until = until.unwrap_or(now.seconds).saturating_sub(1);
        self.flushed_until.store(until, Relaxed);
        if until <= now.seconds {
            self.flushed_cas.store(self.next_cas(), Relaxed);
        }
        self.count(Count::Flush);
    }

    /// Drops every item at once and counts nothing: what a planted loss does.
    pub(super) fn clear(&self) {
        for shard in &self.shards {
            let mut contents = shard.contents.lock();
            while let Some(slot) = contents.table.oldest() {
                let item = contents.table.remove(slot);
                self.release(item.weight() as u64);
            }
            shard.publish(&contents);
        }
    }

    /// Lets cas uniques be given out again.
    pub(super) fn restart_cas(&self) {
        self.last_cas.store(0, Relaxed);
    }

    pub(super) fn is_flushed(&self, item: &Item, now: Now) -> bool {
        let until = self.flushed_until.load(Relaxed);
        if until == 0 || until > now.seconds {
            return false;
        }
        let cas = self.flushed_cas.load(Relaxed);
        item.used <= until || item.cas < cas
    }

    /// Counts something that belongs to no key.
    pub fn count(&self, count: Count) {
        self.shards[0].contents.lock().counts.add(count);
    }

    /// Changes the limit, and evicts what is above it.
    pub fn set_memory_bytes(&self, memory_bytes: u64, now: Now) {
        self.memory_bytes.store(memory_bytes, Relaxed);
        while self.bytes.load(Relaxed) > memory_bytes && self.evict_one(now) {}
    }

    /// Everything counted.
    #[must_use]
    pub fn totals(&self) -> Totals {
        let mut totals = Totals {
            counts: Counts::default(),
            items: 0,
            bytes: self.bytes.load(Relaxed),
            memory_bytes: self.memory_bytes.load(Relaxed),
        };
        for shard in &self.shards {
            let contents = shard.contents.lock();
            totals.counts.merge(&contents.counts);
            totals.items += contents.table.item_count() as u64;
        }
        totals
    }

    /// Starts every counter again from zero.
    pub fn reset_counts(&self) {
        for shard in &self.shards {
            shard.contents.lock().counts = Counts::default();
        }
    }

    pub(super) fn release(&self, bytes: u64) {
        if bytes > 0 {
            self.bytes.fetch_sub(bytes, Relaxed);
        }
    }

    /// Drops the least recently used item. `false`: there is none.
    fn evict_one(&self, now: Now) -> bool {
        let stamp = |shard: &&Shard| shard.oldest_stamp.load(Relaxed);
        let Some(shard) = self.shards.iter().min_by_key(stamp) else { return false };
        if stamp(&shard) == u64::MAX {
            return false;
        }
        let mut contents = shard.contents.lock();
        if let Some(slot) = contents.table.oldest() {
            let item = contents.table.remove(slot);
            self.release(item.weight() as u64);
            count_evicted(
                &mut contents.counts,
                &item,
                item.is_expired(now) || self.is_flushed(&item, now),
            );
        }
        shard.publish(&contents);
        true
    }
}

fn count_evicted(counts: &mut Counts, item: &Item, dead: bool) {
    if dead {
        counts.add(Count::Reclaimed);
        return;
    }
    counts.add(Count::Evicted);
    if !item.marks.fetched {
        counts.add(Count::EvictedUnfetched);
    } else if item.marks.active {
        counts.add(Count::EvictedActive);
    }
}
