//! What a node counts: one array of plain numbers a shard, added up when somebody asks.

/// Something that is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    /// A read that found its item.
    GetHit,
    /// A read that did not.
    GetMiss,
    /// An item found to have expired.
    GetExpired,
    /// An item found to have been flushed.
    GetFlushed,
    /// A storage command whose block arrived.
    Set,
    /// A `flush_all`.
    Flush,
    /// A `me`.
    Meta,
    /// A touch that found its item.
    TouchHit,
    /// A touch that did not.
    TouchMiss,
    /// A delete that found its item.
    DeleteHit,
    /// A delete that did not, or whose cas unique was not the item's.
    DeleteMiss,
    /// An increment that found its item.
    IncrHit,
    /// An increment that did not.
    IncrMiss,
    /// A decrement that found its item.
    DecrHit,
    /// A decrement that did not.
    DecrMiss,
    /// A cas that stored.
    CasHit,
    /// A cas that found no item.
    CasMiss,
    /// A cas that found a changed item.
    CasBadValue,
    /// A value above the item limit.
    TooLarge,
    /// A value for which no room could be made.
    NoMemory,
    /// An item stored.
    Stored,
    /// An item that expired without having been read.
    ExpiredUnfetched,
    /// A live item that was dropped to make room.
    Evicted,
    /// One that had never been read.
    EvictedUnfetched,
    /// One that had been read more than once.
    EvictedActive,
    /// An expired item that was dropped to make room.
    Reclaimed,
}

/// How many counters there are.
const COUNTS: usize = Count::Reclaimed as usize + 1;

/// A number for each [`Count`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts([u64; COUNTS]);

impl Counts {
    /// Counts one.
    pub const fn add(&mut self, count: Count) {
        self.0[count as usize] += 1;
    }

    /// How many there were.
    #[must_use]
    pub const fn get(&self, count: Count) -> u64 {
        self.0[count as usize]
    }

    /// Adds all of `other`.
    pub fn merge(&mut self, other: &Self) {
        for (sum, number) in self.0.iter_mut().zip(other.0) {
            *sum += number;
        }
    }
}
