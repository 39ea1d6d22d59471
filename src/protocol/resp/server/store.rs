//! The items of a node: bounded in bytes, least recently used out first.
//!
//! No I/O and no clock: every call takes the moment. A command holds the lock from its first key to its
//! last, so that one of several keys is done at once, as by a server with one thread.

use parking_lot::{Mutex, MutexGuard};

use super::clock::Now;
use crate::protocol::node::hash::hash;
use crate::protocol::node::table::{Keyed, Slot, Table};
use crate::protocol::node::value::Value;

/// What an item weighs besides its key and its value.
const ITEM_BYTES: usize = 64;

/// A stored value.
#[derive(Debug)]
pub struct Item {
    key: Box<[u8]>,
    /// The value.
    pub value: Value,
    /// When it expires, in milliseconds since 1970; `None`: never.
    pub expires_ms: Option<i64>,
}

impl Keyed for Item {
    fn key(&self) -> &[u8] {
        &self.key
    }
}

impl Item {
    fn weight(&self) -> u64 {
        weight(&self.key, self.value.byte_count())
    }
}

const fn weight(key: &[u8], value_bytes: usize) -> u64 {
    (ITEM_BYTES + key.len() + value_bytes) as u64
}

/// What a node counts of its items.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Reads that found their item.
    pub hits: u64,
    /// Reads that did not.
    pub misses: u64,
    /// Items found to have expired.
    pub expired: u64,
    /// Items that were dropped to make room.
    pub evicted: u64,
    /// How often everything was removed.
    pub flushes: u64,
}

/// An item does not fit, however much is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

/// The items of a node.
#[derive(Debug)]
pub struct Store {
    contents: Mutex<Contents>,
    memory_bytes: u64,
}

#[derive(Debug, Default)]
struct Contents {
    table: Table<Item>,
    bytes: u64,
    counts: Counts,
}

/// The items, locked for one command at one moment.
#[derive(Debug)]
pub struct Data<'a> {
    contents: MutexGuard<'a, Contents>,
    memory_bytes: u64,
    now: Now,
}

impl Store {
    /// An empty store whose items may weigh so much together.
    #[must_use]
    pub fn new(memory_bytes: u64) -> Self {
        Self { contents: Mutex::default(), memory_bytes }
    }

    /// What they may weigh.
    #[must_use]
    pub const fn memory_bytes(&self) -> u64 {
        self.memory_bytes
    }

    /// Locks the items.
    pub fn lock(&self, now: Now) -> Data<'_> {
        Data { contents: self.contents.lock(), memory_bytes: self.memory_bytes, now }
    }
}

impl Data<'_> {
    /// The moment.
    #[must_use]
    pub const fn now(&self) -> Now {
        self.now
    }

    /// Everything counted.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.contents.counts
    }

    /// How many items there are, expired ones that nobody asked for included.
    #[must_use]
    pub fn item_count(&self) -> usize {
        self.contents.table.item_count()
    }

    /// What they weigh.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.contents.bytes
    }

    /// Where the live item is; an expired one is removed.
    fn find(&mut self, key: &[u8]) -> Option<Slot> {
        let slot = self.contents.table.find(hash(key), key)?;
        let expires = self.contents.table.item(slot).expires_ms;
        if expires.is_some_and(|expires| expires < self.now.ms) {
            self.take_out(slot);
            self.contents.counts.expired += 1;
            return None;
        }
        Some(slot)
    }

    fn take_out(&mut self, slot: Slot) {
        let item = self.contents.table.remove(slot);
        self.contents.bytes -= item.weight();
    }

    /// The item, to be read: counted, and used now.
    pub fn read(&mut self, key: &[u8]) -> Option<&Item> {
        let Some(slot) = self.find(key) else {
            self.contents.counts.misses += 1;
            return None;
        };
        self.contents.counts.hits += 1;
        self.contents.table.touch(slot, self.now.stamp);
        Some(self.contents.table.item(slot))
    }

    /// The item, to be changed.
    pub fn look(&mut self, key: &[u8]) -> Option<&Item> {
        self.find(key).map(|slot| self.contents.table.item(slot))
    }

    /// Stores a value, in place of the old one if there is one.
    ///
    /// # Errors
    /// When there is no room for it. The old one is left then.
    pub fn put(&mut self, key: &[u8], value: Value, expires_ms: Option<i64>) -> Result<(), Full> {
        let added = weight(key, value.byte_count());
        if added > self.memory_bytes {
            return Err(Full);
        }
        let slot = self.find(key);
        if let Some(slot) = slot {
            // Last in the order of those that are dropped for it.
            self.contents.table.touch(slot, self.now.stamp);
            self.contents.bytes -= self.contents.table.item(slot).weight();
        }
        self.make_room(added, slot);
        self.contents.bytes += added;
        match slot {
            Some(slot) => {
                let item = self.contents.table.item_mut(slot);
                (item.value, item.expires_ms) = (value, expires_ms);
            }
            None => {
                let item = Item { key: key.into(), value, expires_ms };
                self.contents.table.insert(hash(key), item, self.now.stamp);
            }
        }
        Ok(())
    }

    /// Drops what was used least recently until so much fits. The item at `kept`, whose weight is not
    /// counted now, stays.
    fn make_room(&mut self, added: u64, kept: Option<Slot>) {
        while self.contents.bytes + added > self.memory_bytes {
            let oldest = self.contents.table.oldest().filter(|oldest| Some(*oldest) != kept);
            let Some(oldest) = oldest else { return };
            self.take_out(oldest);
            self.contents.counts.evicted += 1;
        }
    }

    /// Sets or takes away an expiry; `false`: there is no item.
    pub fn expire(&mut self, key: &[u8], expires_ms: Option<i64>) -> bool {
        let Some(slot) = self.find(key) else { return false };
        self.contents.table.item_mut(slot).expires_ms = expires_ms;
        true
    }

    /// Removes an item; `false`: there was none.
    pub fn remove(&mut self, key: &[u8]) -> bool {
        let slot = self.find(key);
        if let Some(slot) = slot {
            self.take_out(slot);
        }
        slot.is_some()
    }

    /// Removes every item.
    pub fn flush(&mut self) {
        let counts = self.contents.counts;
        let counts = Counts { flushes: counts.flushes + 1, ..counts };
        *self.contents = Contents { counts, ..Contents::default() };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(stamp: u64) -> Now {
        Now { ms: 1000, stamp }
    }

    fn put(store: &Store, stamp: u64, key: &str, bytes: usize) -> Result<(), Full> {
        store.lock(at(stamp)).put(key.as_bytes(), Value::new(vec![b'v'; bytes]), None)
    }

    fn held(store: &Store) -> String {
        let mut data = store.lock(at(0));
        ["a", "b", "c"].into_iter().filter(|key| data.look(key.as_bytes()).is_some()).collect()
    }

    /// Catches a bound that is not kept, the wrong item that is dropped for it, and a value that drops
    /// everything else although it never fits, or itself.
    #[test]
    fn what_was_used_least_recently_goes_first() {
        let store = Store::new(3 * (64 + 1 + 10));
        for (stamp, key) in [(1, "a"), (2, "b"), (3, "c")] {
            assert_eq!(put(&store, stamp, key, 10), Ok(()));
        }
        assert!(store.lock(at(4)).read(b"a").is_some());
        assert_eq!(put(&store, 5, "c", 20), Ok(()), "it makes room for itself");
        assert_eq!((held(&store).as_str(), store.lock(at(6)).bytes()), ("ac", 160));
        assert_eq!(put(&store, 7, "a", 161), Err(Full));
        assert_eq!(held(&store), "ac");
        assert_eq!(put(&store, 8, "a", 160), Ok(()));
        assert_eq!((held(&store).as_str(), store.lock(at(9)).bytes()), ("a", 225));
        let evicted = store.lock(at(9)).counts().evicted;
        assert_eq!(evicted, 2);
    }

    /// Catches an item that outlives its expiry, or dies in the millisecond of it.
    #[test]
    fn an_expired_item_is_gone() {
        let store = Store::new(1 << 20);
        let mut data = store.lock(Now { ms: 1000, stamp: 1 });
        data.put(b"a", Value::new(Vec::new()), Some(1500)).unwrap();
        drop(data);
        assert!(store.lock(Now { ms: 1500, stamp: 2 }).read(b"a").is_some());
        let mut data = store.lock(Now { ms: 1501, stamp: 3 });
        assert!(data.read(b"a").is_none());
        assert_eq!((data.item_count(), data.bytes(), data.counts().expired), (0, 0, 1));
    }
}
