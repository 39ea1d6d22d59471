//! A hash table whose entries are also a list from the least to the most recently used.
//!
//! It is never iterated in hash order, so its behaviour does not depend on the hash.

/// The end of a chain or list.
const NONE: u32 = u32::MAX;
/// How many buckets an empty table has.
const BUCKETS_MIN: usize = 64;

/// What a table holds.
pub trait Keyed {
    /// The key, which never changes.
    fn key(&self) -> &[u8];
}

/// Where an item is, until it is removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot(u32);

#[derive(Debug)]
struct Entry<T> {
    hash: u64,
    /// When it was last used.
    stamp: u64,
    /// The next entry of the same bucket; of a free entry: the next free one.
    next: u32,
    newer: u32,
    older: u32,
    /// `None`: the entry is free.
    item: Option<T>,
}

/// Items by key, and by age of last use.
#[derive(Debug)]
pub struct Table<T> {
    /// The first entry of each bucket; a power of two of them.
    buckets: Vec<u32>,
    entries: Vec<Entry<T>>,
    free: u32,
    newest: u32,
    oldest: u32,
    length: usize,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self {
            buckets: vec![NONE; BUCKETS_MIN],
            entries: Vec::new(),
            free: NONE,
            newest: NONE,
            oldest: NONE,
            length: 0,
        }
    }
}

impl<T: Keyed> Table<T> {
    /// How many items there are.
    #[must_use]
    pub const fn item_count(&self) -> usize {
        self.length
    }

    /// Finds the item with this key, whose hash is `hash`.
    #[must_use]
    pub fn find(&self, hash: u64, key: &[u8]) -> Option<Slot> {
        let mut at = self.buckets[self.bucket(hash)];
        while at != NONE {
            let entry = self.entry(at);
            if entry.hash == hash && entry.item.as_ref().is_some_and(|item| item.key() == key) {
                return Some(Slot(at));
            }
            at = entry.next;
        }
        None
    }

    /// The item in `slot`.
    ///
    /// # Panics
    /// When the slot was removed.
    #[must_use]
    pub fn item(&self, slot: Slot) -> &T {
        self.entry(slot.0).item.as_ref().expect("a slot is used only until it is removed")
    }

    /// The item in `slot`, to be changed; its key must stay.
    ///
    /// # Panics
    /// When the slot was removed.
    pub fn item_mut(&mut self, slot: Slot) -> &mut T {
        self.entry_mut(slot.0).item.as_mut().expect("a slot is used only until it is removed")
    }

    /// Adds an item whose key is not in the table, as the most recently used one.
    pub fn insert(&mut self, hash: u64, item: T, stamp: u64) -> Slot {
        if self.length >= self.buckets.len() {
            self.grow();
        }
        let bucket = self.bucket(hash);
        let next = self.buckets[bucket];
        let entry = Entry { hash, stamp, next, newer: NONE, older: NONE, item: Some(item) };
        let at = if self.free == NONE {
            self.entries.push(entry);
            u32::try_from(self.entries.len() - 1).expect("memory ends before 2^32 items")
        } else {
            let at = self.free;
            self.free = std::mem::replace(self.entry_mut(at), entry).next;
            at
        };
        self.buckets[bucket] = at;
        self.link(at);
        self.length += 1;
        Slot(at)
    }

    /// Takes an item out.
    ///
    /// # Panics
    /// When the slot was removed already.
    pub fn remove(&mut self, slot: Slot) -> T {
        let at = slot.0;
        self.unlink(at);
        let (hash, next) = (self.entry(at).hash, self.entry(at).next);
        let bucket = self.bucket(hash);
        if self.buckets[bucket] == at {
            self.buckets[bucket] = next;
        } else {
            let mut before = self.buckets[bucket];
            while self.entry(before).next != at {
                before = self.entry(before).next;
            }
            self.entry_mut(before).next = next;
        }
        let free = self.free;
        self.free = at;
        self.length -= 1;
        let entry = self.entry_mut(at);
        entry.next = free;
        entry.item.take().expect("a slot is used only until it is removed")
    }

    /// Makes an item the most recently used one.
    pub fn touch(&mut self, slot: Slot, stamp: u64) {
        self.entry_mut(slot.0).stamp = stamp;
        if self.newest != slot.0 {
            self.unlink(slot.0);
            self.link(slot.0);
        }
    }

    /// The least recently used item.
    #[must_use]
    pub fn oldest(&self) -> Option<Slot> {
        (self.oldest != NONE).then_some(Slot(self.oldest))
    }

    /// When the least recently used item was used; the highest number when there is none.
    #[must_use]
    pub fn oldest_stamp(&self) -> u64 {
        if self.oldest == NONE { u64::MAX } else { self.entry(self.oldest).stamp }
    }

    fn entry(&self, at: u32) -> &Entry<T> {
        &self.entries[at as usize]
    }

    fn entry_mut(&mut self, at: u32) -> &mut Entry<T> {
        &mut self.entries[at as usize]
    }

    fn bucket(&self, hash: u64) -> usize {
        // The upper bits choose the shard, so the lower ones choose the bucket.
        #[expect(clippy::cast_possible_truncation, reason = "only the lower bits are used")]
        let low = hash as usize;
        low & (self.buckets.len() - 1)
    }

    fn link(&mut self, at: u32) {
        let older = std::mem::replace(&mut self.newest, at);
        let entry = self.entry_mut(at);
        (entry.older, entry.newer) = (older, NONE);
        match older {
            NONE => self.oldest = at,
            older => self.entry_mut(older).newer = at,
        }
    }

    fn unlink(&mut self, at: u32) {
        let (newer, older) = (self.entry(at).newer, self.entry(at).older);
        match newer {
            NONE => self.newest = older,
            newer => self.entry_mut(newer).older = older,
        }
        match older {
            NONE => self.oldest = newer,
            older => self.entry_mut(older).newer = newer,
        }
    }

    fn grow(&mut self) {
        self.buckets = vec![NONE; self.buckets.len() * 2];
        for at in 0..self.entries.len() {
            if self.entries[at].item.is_some() {
                let bucket = self.bucket(self.entries[at].hash);
                #[expect(clippy::cast_possible_truncation, reason = "insert checked the length")]
                let first = std::mem::replace(&mut self.buckets[bucket], at as u32);
                self.entries[at].next = first;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    impl Keyed for [u8; 1] {
        fn key(&self) -> &[u8] {
            self
        }
    }

    #[derive(Clone, Debug)]
    enum Step {
        Insert(u8),
        Remove(u8),
        Touch(u8),
        RemoveOldest,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            4 => any::<u8>().prop_map(Step::Insert),
            1 => any::<u8>().prop_map(Step::Remove),
            2 => any::<u8>().prop_map(Step::Touch),
            1 => Just(Step::RemoveOldest),
        ];
        prop::collection::vec(step, 0..600)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// Catches a broken chain, list or free list, also when every key has the same hash.
        #[test]
        fn it_is_a_map_and_a_list(steps in steps(), mask in prop_oneof![Just(0_u64), Just(u64::MAX)]) {
            let mut table = Table::<[u8; 1]>::default();
            let mut model: Vec<u8> = Vec::new();
            for (stamp, step) in steps.into_iter().enumerate() {
                let stamp = stamp as u64;
                let hash = |key: u8| (u64::from(key) * 0x9e37) & mask;
                match step {
                    Step::Insert(key) | Step::Touch(key) => {
                        match table.find(hash(key), &[key]) {
                            Some(slot) => {
                                table.touch(slot, stamp);
                                model.retain(|other| *other != key);
                                model.push(key);
                            }
                            None if matches!(step, Step::Insert(_)) => {
                                table.insert(hash(key), [key], stamp);
                                model.push(key);
                            }
                            None => prop_assert!(!model.contains(&key)),
                        }
                    }
                    Step::Remove(key) => {
                        let removed = table.find(hash(key), &[key]).map(|slot| table.remove(slot));
                        prop_assert_eq!(removed.is_some(), model.contains(&key));
                        model.retain(|other| *other != key);
                    }
                    Step::RemoveOldest => {
                        let removed = table.oldest().map(|slot| table.remove(slot)[0]);
                        prop_assert_eq!(removed, model.first().copied());
                        model = model.split_off(model.len().min(1));
                    }
                }
                prop_assert_eq!(table.item_count(), model.len());
            }
            for key in model {
                prop_assert_eq!(table.oldest().map(|slot| table.remove(slot)[0]), Some(key));
            }
        }
    }
}
