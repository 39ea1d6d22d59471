//! Whose key is whose: ranges of keys, their names, their home nodes and their owners.
//!
//! Every kind of data has a range of its own, so that the checks of one never meet the writes of
//! another:
//!
//! | range | keys | written by | read by |
//! |---|---|---|---|
//! | values | `k:0`, `k:1`, ... | the owner: set, add, replace, delete, touch | everyone |
//! | counters | `c:0`, ... | the owner: incr, decr | the audit at the end |
//! | registers | `x:0`, ... | everyone, by cas | everyone |
//! | logs | `a:0`, ... | the owner: append, prepend | the audit at the end |
//!
//! Worker w of W owns the keys whose index is w modulo W. A write draws a popularity rank and takes
//! the owner's key in the same block of W ranks: regular writers never meet, and a write is as
//! popular as its block. Before that, in a fleet, member m of M takes of every M ranks its own: its
//! keys are called `k:m`, `k:m+M`, ..., so that members meet nowhere.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use super::keys::Seat;
use crate::base::name::NodeIndex;
use crate::base::share::Share;
use crate::event::Operation;
use crate::protocol::memcached::frame::key::Key;

/// The most keys of the ranges that are not values: each is audited at the end of the run.
pub const AUDITED_KEYS_MAX: u64 = 1000;

/// A range of keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Space {
    /// Values that are stored and read.
    Values,
    /// Counters.
    Counters,
    /// Registers that are changed by compare-and-swap.
    Registers,
    /// Values that are appended to.
    Logs,
}

impl Space {
    /// Every range, in the order of their slots.
    pub const ALL: [Self; 4] = [Self::Values, Self::Counters, Self::Registers, Self::Logs];

    pub(super) const fn prefix(self) -> char {
        match self {
            Self::Values => 'k',
            Self::Counters => 'c',
            Self::Registers => 'x',
            Self::Logs => 'a',
        }
    }
}

/// The range of keys that an operation works on.
#[must_use]
pub const fn space_of(operation: Operation) -> Space {
    match operation {
        Operation::Incr | Operation::Decr => Space::Counters,
        Operation::Cas => Space::Registers,
        Operation::Append | Operation::Prepend => Space::Logs,
        Operation::Get
        | Operation::MultiGet
        | Operation::Gat
        | Operation::Set
        | Operation::Add
        | Operation::Replace
        | Operation::Delete
        | Operation::Touch => Space::Values,
    }
}

/// The position of a key among all keys of the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Slot(u32);

impl Slot {
    /// The position as an index.
    #[must_use]
    pub const fn position(self) -> usize {
        self.0 as usize
    }

    /// The number that a value carries as its key.
    #[must_use]
    pub fn number(self) -> u64 {
        u64::from(self.0)
    }
}

/// The names of the keys of each range, in the order of [`Space::ALL`].
pub(super) type Names = [Vec<Key>; Space::ALL.len()];

/// So many names for each range: those of one member among all.
pub(super) fn names(counts: [u64; Space::ALL.len()], share: Share) -> Names {
    Space::ALL.map(|space| {
        let name = |place| format!("{}:{}", space.prefix(), share.number(place));
        let key = |index| Key::new(name(index)).expect("a short ASCII name");
        (0..counts[space as usize]).map(key).collect()
    })
}

/// Where a key lives, as far as somebody has seen it asked for.
pub(super) type Seen = Arc<dyn Fn(&Key) -> Option<NodeIndex> + Send + Sync>;

/// Where keys live.
enum Homes {
    /// Their client says so: the number of the node of each.
    Known(Vec<AtomicU16>),
    /// It is learned from what passes.
    Learned(Seen),
}

/// Every key of a run.
pub struct Keyspace {
    keys: Vec<Key>,
    homes: Homes,
    /// First slot and number of keys of each range, in the order of [`Space::ALL`].
    ranges: [(u32, u32); Space::ALL.len()],
}

impl Keyspace {
    /// Names every key and looks up its home. `counts` are in the order of [`Space::ALL`], each at
    /// most [`super::keys::KEY_COUNT_MAX`].
    pub fn new(counts: [u64; Space::ALL.len()], home: impl Fn(&Key) -> NodeIndex) -> Self {
        Self::of(names(counts, Share::ALL), home)
    }

    /// Of keys that have names, each range in the order of [`Space::ALL`], and no name twice; looks up
    /// their homes.
    pub(super) fn of(names: Names, home: impl Fn(&Key) -> NodeIndex) -> Self {
        let named = Self::named(names);
        let homes = named.keys.iter().map(|key| AtomicU16::new(home(key).0));
        let homes = Homes::Known(homes.collect());
        Self { homes, ..named }
    }

    /// Of such keys; where one lives, `seen` knows when it was asked for.
    pub(super) fn learning(names: Names, seen: Seen) -> Self {
        Self { homes: Homes::Learned(seen), ..Self::named(names) }
    }

    fn named(names: Names) -> Self {
        let mut keys = Vec::new();
        let mut ranges = [(0, 0); Space::ALL.len()];
        for (space, names) in Space::ALL.into_iter().zip(names) {
            let first = u32::try_from(keys.len()).expect("four times KEY_COUNT_MAX fits");
            let count = u32::try_from(names.len()).expect("KEY_COUNT_MAX fits");
            ranges[space as usize] = (first, count);
            keys.extend(names);
        }
        Self { keys, homes: Homes::Known(Vec::new()), ranges }
    }

    /// Every key.
    pub(super) fn keys(&self) -> impl Iterator<Item = &Key> {
        self.keys.iter()
    }

    /// How many keys there are in all.
    #[must_use]
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there is no key at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The place of a key within its range.
    pub(super) fn place(&self, space: Space, slot: Slot) -> usize {
        slot.position() - self.first(space)
    }

    /// The position of the first slot of a range.
    #[must_use]
    pub fn first(&self, space: Space) -> usize {
        self.ranges[space as usize].0 as usize
    }

    /// Every slot of a range.
    pub fn slots(&self, space: Space) -> impl Iterator<Item = Slot> + use<> {
        let (first, count) = self.ranges[space as usize];
        (first..first + count).map(Slot)
    }

    /// The key of a rank, whoever owns it.
    ///
    /// # Panics
    /// When the range has no keys: the workload has no operation for it.
    #[must_use]
    pub fn any(&self, space: Space, rank: u64) -> Slot {
        let (first, count) = self.ranges[space as usize];
        Slot(first + u32::try_from(rank % u64::from(count)).expect("below a u32"))
    }

    /// The key that `seat` owns in the block of a rank. There are as many keys as workers at least.
    ///
    /// # Panics
    /// When the range has fewer keys than there are workers, which starting a load refuses.
    #[must_use]
    pub fn own(&self, space: Space, rank: u64, seat: Seat) -> Slot {
        let (first, count) = self.ranges[space as usize];
        let workers = seat.workers;
        assert!(count >= workers, "checked when the load is started");
        let rank = u32::try_from(rank % u64::from(count)).expect("below a u32");
        let index = rank / workers * workers + seat.worker;
        // The last block may be cut short; its owners then write into the one before.
        Slot(first + if index < count { index } else { index - workers })
    }

    /// The worker that owns a key.
    #[must_use]
    pub fn owner(&self, slot: Slot, workers: u32) -> u32 {
        let range = self.ranges.iter().rev().find(|(first, count)| *count > 0 && *first <= slot.0);
        range.map_or(0, |(first, _)| (slot.0 - first) % workers)
    }

    /// The first value, which every workload has.
    #[must_use]
    pub(super) const fn first_value(&self) -> Slot {
        Slot(self.ranges[Space::Values as usize].0)
    }

    /// The key itself.
    #[must_use]
    pub fn key(&self, slot: Slot) -> &Key {
        &self.keys[slot.position()]
    }

    /// The name of the key with this number; `None`: there is none.
    pub(super) fn name_of(&self, number: u64) -> Option<&str> {
        self.keys.get(usize::try_from(number).ok()?).map(Key::as_str)
    }

    /// The node that owns the key on the full ring; the first, as long as nobody knows.
    #[must_use]
    pub fn home(&self, slot: Slot) -> NodeIndex {
        self.known_home(slot).unwrap_or(NodeIndex(0))
    }

    /// The key lives there from now on; whether it lived elsewhere.
    pub(super) fn move_to(&self, slot: Slot, node: NodeIndex) -> bool {
        match &self.homes {
            Homes::Known(homes) => homes[slot.position()].swap(node.0, Ordering::Relaxed) != node.0,
            Homes::Learned(_) => false,
        }
    }

    /// Whether the client says where its keys live, and at which node it was.
    pub(super) const fn knows_homes(&self) -> bool {
        matches!(self.homes, Homes::Known(_))
    }

    /// The node that owns the key on the full ring; `None`: nobody knows yet.
    pub(super) fn known_home(&self, slot: Slot) -> Option<NodeIndex> {
        match &self.homes {
            Homes::Known(homes) => Some(NodeIndex(homes[slot.position()].load(Ordering::Relaxed))),
            Homes::Learned(seen) => seen(self.key(slot)),
        }
    }
}

impl fmt::Debug for Keyspace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keyspace").field("ranges", &self.ranges).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn keyspace(counts: [u64; 4]) -> Keyspace {
        Keyspace::new(counts, |_| NodeIndex(0))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]
        /// Catches two workers that write the same key, a key outside the range, and a write that
        /// leaves its block of ranks.
        #[test]
        fn one_writer_a_key(workers in 1_u32..200, extra in 0_u64..500, rank in 0_u64..2000) {
            let count = u64::from(workers) + extra;
            let keyspace = keyspace([7, count, 0, 0]);
            for worker in 0..workers {
                let slot = keyspace.own(Space::Counters, rank, Seat { worker, workers });
                let index = slot.number() - 7;
                prop_assert!(index < count);
                prop_assert_eq!(index % u64::from(workers), u64::from(worker));
                prop_assert_eq!(keyspace.owner(slot, workers), worker);
                let block = rank % count / u64::from(workers);
                let moved = block - index / u64::from(workers);
                prop_assert!(moved <= 1, "only out of a last block that is cut short");
            }
        }
    }

    /// Catches ranges that share a key or a name.
    #[test]
    fn ranges_are_apart() {
        let keyspace = keyspace([2, 0, 3, 1]);
        let names: Vec<&str> = Space::ALL
            .into_iter()
            .flat_map(|space| keyspace.slots(space))
            .map(|slot| keyspace.key(slot).as_str())
            .collect();
        assert_eq!(names, ["k:0", "k:1", "x:0", "x:1", "x:2", "a:0"]);
        assert_eq!(keyspace.key(keyspace.any(Space::Registers, 4)).as_str(), "x:1");
    }
}
