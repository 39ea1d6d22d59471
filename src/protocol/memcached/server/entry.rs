//! One key of the store, locked: what commands read and change.

use parking_lot::MutexGuard;

use super::clock::Now;
use super::counts::Count;
use super::item::{Item, Marks, PIECE_BYTES_MAX, weight};
use super::number;
use super::store::{Contents, Room, Shard, Store};
use crate::protocol::node::table::Slot;
use crate::protocol::node::value::Value;

/// The most digits of a counter.
pub const COUNTER_BYTES_MAX: usize = 20;

/// A value on its way into the store.
#[derive(Debug)]
pub enum Incoming<'a> {
    /// Still in the input buffer.
    Borrowed(&'a [u8]),
    /// Read into a buffer of its own.
    Owned(Vec<u8>),
}

impl Incoming<'_> {
    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Borrowed(bytes) => bytes,
            Self::Owned(bytes) => bytes,
        }
    }
}

/// What is stored with a value.
#[derive(Clone, Copy, Debug, Default)]
pub struct Attributes {
    /// The client's flags.
    pub flags: u32,
    /// When it expires, in node seconds.
    pub deadline: u32,
    /// The marks to begin with.
    pub marks: Marks,
}

/// What a change of a counter came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delta {
    /// Changed.
    Done {
        /// The new number.
        number: u64,
        /// The new number has more digits than the old value had bytes.
        grown: bool,
    },
    /// There is no item.
    NotFound,
    /// The cas unique is another.
    Exists,
    /// The value is no number.
    NotNumber,
    /// No room for the longer number.
    NoMemory,
}

/// A locked key.
#[derive(Debug)]
pub struct Entry<'a> {
    store: &'a Store,
    shard: &'a Shard,
    contents: MutexGuard<'a, Contents>,
    hash: u64,
    key: &'a [u8],
    slot: Option<Slot>,
    now: Now,
}

impl Drop for Entry<'_> {
    fn drop(&mut self) {
        self.shard.publish(&self.contents);
    }
}

impl<'a> Entry<'a> {
    pub(super) fn lock(
        store: &'a Store,
        shard: &'a Shard,
        hash: u64,
        key: &'a [u8],
        now: Now,
    ) -> Self {
        let contents = shard.contents.lock();
        let slot = contents.table.find(hash, key);
        let mut entry = Self { store, shard, contents, hash, key, slot, now };
        entry.bury();
        entry
    }

    /// Removes the item when it is dead.
    fn bury(&mut self) {
        let Some(item) = self.item() else { return };
        let (unfetched, expired) = (!item.marks.fetched, item.is_expired(self.now));
        if self.store.is_flushed(item, self.now) {
            self.count(Count::GetFlushed);
        } else if expired {
            self.count(Count::GetExpired);
        } else {
            return;
        }
        if unfetched {
            self.count(Count::ExpiredUnfetched);
        }
        self.remove();
    }

    /// Counts something about this key.
    pub fn count(&mut self, count: Count) {
        self.contents.counts.add(count);
    }

    /// The item, when there is a live one.
    #[must_use]
    pub fn item(&self) -> Option<&Item> {
        self.slot.map(|slot| self.contents.table.item(slot))
    }

    /// The item, to change what does not change its weight.
    pub fn edit(&mut self) -> Option<&mut Item> {
        self.slot.map(|slot| self.contents.table.item_mut(slot))
    }

    /// Notes a read.
    pub fn bump(&mut self) {
        let now = self.now;
        if let Some(slot) = self.slot {
            self.contents.table.item_mut(slot).bump(now);
            self.contents.table.touch(slot, now.stamp);
        }
    }

    /// Notes a use that is no read: an `add` that found an item.
    pub fn use_without_reading(&mut self) {
        let now = self.now;
        if let Some(slot) = self.slot {
            self.contents.table.item_mut(slot).used = now.seconds;
            self.contents.table.touch(slot, now.stamp);
        }
    }

    /// Removes the item, when there is one.
    pub fn remove(&mut self) {
        if let Some(slot) = self.slot.take() {
            let item = self.contents.table.remove(slot);
            self.store.release(item.weight() as u64);
        }
    }

    /// Stores a value, in place of the old item when there is one. Returns its cas unique.
    pub fn put(&mut self, value: Incoming<'_>, attributes: Attributes, room: Room<'_>) -> u64 {
        let cas = self.store.next_cas();
        let Attributes { flags, deadline, marks } = attributes;
        let used = self.now.seconds;
        let added = weight(self.key.len(), flags, value.as_bytes().len());
        let freed = self.item().map_or(0, Item::weight);
        if let Some(slot) = self.slot {
            let item = self.contents.table.item_mut(slot);
            match value {
                Incoming::Borrowed(bytes) => item.value.copy_from(bytes),
                Incoming::Owned(bytes) => item.value = Value::new(bytes),
            }
            (item.flags, item.deadline, item.marks) = (flags, deadline, marks);
            (item.cas, item.used) = (cas, used);
            self.contents.table.touch(slot, self.now.stamp);
        } else {
            let value = Value::new(match value {
                Incoming::Borrowed(bytes) => bytes.to_vec(),
                Incoming::Owned(bytes) => bytes,
            });
            let item = Item { key: self.key.into(), value, flags, deadline, cas, used, marks };
            self.slot = Some(self.contents.table.insert(self.hash, item, self.now.stamp));
        }
        room.exchange(added, freed);
        self.count(Count::Stored);
        cas
    }

    /// Puts an item back as it was, where there is none now.
    pub(super) fn put_back(&mut self, item: Item, room: Room<'_>) {
        room.exchange(item.weight(), 0);
        self.slot = Some(self.contents.table.insert(self.hash, item, self.now.stamp));
    }

    /// Puts bytes before or behind the value, as a new item with the old flags and expiry.
    pub fn extend(&mut self, added: &[u8], before: bool, room: Room<'_>) -> Option<u64> {
        let (slot, now) = (self.slot?, self.now);
        let item = self.contents.table.item_mut(slot);
        item.value.edit(|value| {
            value.reserve_exact(added.len());
            if before {
                value.splice(0..0, added.iter().copied());
            } else {
                value.extend_from_slice(added);
            }
        });
        item.cas = self.store.next_cas();
        (item.used, item.marks) = (now.seconds, Marks::default());
        let cas = item.cas;
        self.contents.table.touch(slot, now.stamp);
        room.exchange(added.len(), 0);
        self.count(Count::Stored);
        Some(cas)
    }

    /// Adds to the number in the value, modulo 2^64, or takes from it, down to 0. A number that is
    /// shorter than the value is padded with blanks, as memcached does.
    pub fn delta(&mut self, up: bool, by: u64, cas: u64, room: Option<Room<'_>>) -> Delta {
        let now = self.now;
        let Some(slot) = self.slot else { return Delta::NotFound };
        let item = self.contents.table.item_mut(slot);
        if item.value.byte_count() == 0 || item.weight() > PIECE_BYTES_MAX {
            return Delta::NotNumber;
        }
        if cas != 0 && item.cas != cas {
            return Delta::Exists;
        }
        let Some(old) = number::unsigned(item.value.as_bytes()) else { return Delta::NotNumber };
        let number = if up { old.wrapping_add(by) } else { old.saturating_sub(by) };
        let mut digits = [0; COUNTER_BYTES_MAX];
        let digits = number::format(number, &mut digits);
        let before = item.value.byte_count();
        let grown = digits.len() > before;
        if grown {
            let Some(room) = room else { return Delta::NoMemory };
            item.value = Value::new(digits.to_vec());
            item.marks = Marks::default();
            room.exchange(digits.len(), before);
        } else {
            item.value.edit(|value| {
                value[..digits.len()].copy_from_slice(digits);
                value[digits.len()..].fill(b' ');
            });
        }
        item.cas = self.store.next_cas();
        item.used = now.seconds;
        self.contents.table.touch(slot, now.stamp);
        self.count(if up { Count::IncrHit } else { Count::DecrHit });
        if grown {
            self.count(Count::Stored);
        }
        Delta::Done { number, grown }
    }

    /// Marks the item as invalid but kept, with a new cas unique, and a new expiry when given.
    pub fn invalidate(&mut self, deadline: Option<u32>) {
        let cas = self.store.next_cas();
        if let Some(item) = self.edit() {
            item.deadline = deadline.unwrap_or(item.deadline);
            item.cas = cas;
            (item.marks.stale, item.marks.token_sent) = (true, false);
        }
    }
}
