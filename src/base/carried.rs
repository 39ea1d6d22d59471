//! Which node was asked for which key: a table that whoever sees the requests writes and whoever needs
//! to know where a key lives reads, without a lock between them.
//!
//! A client that places its keys by itself tells nobody where. Who looks at the wire knows.

use std::hash::{DefaultHasher, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};

use super::name::NodeIndex;

/// Entries for each key: with a table this empty a search of [`PROBES_MAX`] finds room.
const ENTRIES_PER_KEY: usize = 4;

/// Entries that are looked at for one key. A key that finds them taken by others is not followed.
const PROBES_MAX: usize = 16;

/// The last node that is followed.
pub const NODE_MAX: u16 = 253;

/// A key as the table knows it: its hash, never 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark(u64);

impl Mark {
    /// The mark of the key whose parts follow each other.
    #[must_use]
    pub fn of(parts: &[&[u8]]) -> Self {
        let mut hasher = DefaultHasher::new();
        parts.iter().for_each(|part| hasher.write(part));
        Self(hasher.finish().max(1))
    }

    /// Its bits, for another table.
    #[must_use]
    pub const fn bits(self) -> u64 {
        self.0
    }
}

/// What was seen of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Sighting {
    /// The node that was asked for it first.
    pub first: Option<NodeIndex>,
    /// The node that was asked for it last.
    pub last: Option<NodeIndex>,
    /// Requests that named it, modulo 2^16.
    pub requests: u16,
    /// Those of them whose reply was waited for, since there must be one.
    pub due: u16,
    /// Replies to those, a request with several keys counting for each.
    pub replies: u16,
}

/// The table.
pub struct Carried(Box<[Entry]>);

#[derive(Default)]
struct Entry {
    /// The key's mark; 0: free. Once set it stays.
    mark: AtomicU64,
    /// A [`Sighting`], packed.
    seen: AtomicU64,
}

impl Carried {
    /// A table for this many keys.
    #[must_use]
    pub fn of(keys: usize) -> Self {
        let entries = (keys.max(1) * ENTRIES_PER_KEY).next_power_of_two();
        Self((0..entries).map(|_| Entry::default()).collect())
    }

    /// `node` was asked for the key; `due`: its reply is waited for. A node beyond
    /// [`NODE_MAX`] is not followed.
    pub fn requested(&self, mark: Mark, node: NodeIndex, due: bool) {
        let Some(entry) = self.entry(mark, node.0 <= NODE_MAX) else { return };
        entry.change(|seen| {
            let node = Some(node);
            Sighting {
                first: seen.first.or(node),
                last: node,
                requests: seen.requests.wrapping_add(1),
                due: seen.due.wrapping_add(due.into()),
                replies: seen.replies,
            }
        });
    }

    /// A request for the key whose reply was waited for is answered.
    pub fn replied(&self, mark: Mark) {
        if let Some(entry) = self.entry(mark, false) {
            entry.change(|seen| Sighting { replies: seen.replies.wrapping_add(1), ..seen });
        }
    }

    /// What was seen of the key until now.
    #[must_use]
    pub fn look(&self, mark: Mark) -> Sighting {
        self.entry(mark, false).map_or_else(Sighting::default, |entry| {
            Sighting::unpack(entry.seen.load(Ordering::Relaxed))
        })
    }

    fn entry(&self, mark: Mark, claim: bool) -> Option<&Entry> {
        let entries = self.0.len();
        let start = usize::try_from(mark.0 >> 20).unwrap_or_default();
        let probes = (0..PROBES_MAX.min(entries)).map(|step| &self.0[(start + step) % entries]);
        for entry in probes {
            let mut known = entry.mark.load(Ordering::Relaxed);
            if known == 0 && claim {
                let claimed =
                    entry.mark.compare_exchange(0, mark.0, Ordering::Relaxed, Ordering::Relaxed);
                known = claimed.map_or_else(|other| other, |_| mark.0);
            }
            if known == mark.0 {
                return Some(entry);
            }
            if known == 0 {
                return None;
            }
        }
        None
    }
}

impl Entry {
    fn change(&self, change: impl Fn(Sighting) -> Sighting) {
        let update = |seen| Some(change(Sighting::unpack(seen)).pack());
        // The closure always has a next value.
        let _ = self.seen.fetch_update(Ordering::Relaxed, Ordering::Relaxed, update);
    }
}

impl Sighting {
    /// Nodes plus one in 8 bits each, counts in 16.
    fn pack(self) -> u64 {
        let node = |node: Option<NodeIndex>| node.map_or(0, |node| u64::from(node.0) + 1) & 0xff;
        node(self.first) << 56
            | node(self.last) << 48
            | u64::from(self.requests) << 32
            | u64::from(self.due) << 16
            | u64::from(self.replies)
    }

    fn unpack(packed: u64) -> Self {
        let part = |shift: u32, bits| u16::try_from(packed >> shift & bits).unwrap_or_default();
        let node = |shift| part(shift, 0xff).checked_sub(1).map(NodeIndex);
        let count = |shift| part(shift, 0xffff);
        Self {
            first: node(56),
            last: node(48),
            requests: count(32),
            due: count(16),
            replies: count(0),
        }
    }
}

impl std::fmt::Debug for Carried {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Carried").field("entries", &self.0.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Catches a key whose first node is forgotten when another node is asked, and counts of one key
    /// that are another's.
    #[test]
    fn the_first_node_stays_and_the_last_one_changes() {
        let table = Carried::of(2);
        let (a, b) = (Mark::of(&[b"run:", b"a"]), Mark::of(&[b"run:b"]));
        assert_eq!(a, Mark::of(&[b"run:a"]), "however it is cut");
        assert_eq!(table.look(a), Sighting::default());
        table.replied(a);
        assert_eq!(table.look(a), Sighting::default(), "a reply alone says nothing");
        table.requested(a, NodeIndex(2), true);
        table.requested(a, NodeIndex(0), false);
        table.replied(a);
        table.requested(b, NodeIndex(1), true);
        let seen = Sighting {
            first: Some(NodeIndex(2)),
            last: Some(NodeIndex(0)),
            requests: 2,
            due: 1,
            replies: 1,
        };
        assert_eq!(table.look(a), seen);
        assert_eq!((table.look(b).first, table.look(b).requests), (Some(NodeIndex(1)), 1));
    }

    /// Catches keys that find no room in a table that was made for them.
    #[test]
    fn as_many_keys_as_promised_find_room() {
        let keys = 10_000;
        let table = Carried::of(keys);
        let marks: Vec<Mark> =
            (0..keys).map(|key| Mark::of(&[key.to_string().as_bytes()])).collect();
        marks.iter().for_each(|mark| table.requested(*mark, NodeIndex(7), true));
        assert!(marks.iter().all(|mark| table.look(*mark).first == Some(NodeIndex(7))));
    }
}
