//! What stays known when the list of nodes changes, and with it where keys live.
//!
//! A value that is older than the last acknowledged write is stale wherever it comes from: that needs no home.
//! What the new home of a key holds is not known, be it nothing or what it kept from before, so that a miss is
//! none too many, and what counters, logs and tokens show is not added up across nodes.

use std::sync::atomic::Ordering;

use super::{Oracle, Source};
use crate::base::name::NodeIndex;
use crate::load::keyspace::{Slot, Space};
use crate::protocol::memcached::frame::key::Key;

impl Oracle {
    /// Lists of nodes differ, from client to client or from now on: a node that is not the home of a key may be
    /// asked for it, and know nothing of it.
    pub fn roam(&self) {
        self.roams.store(true, Ordering::Relaxed);
    }

    /// Whether keys may be asked for elsewhere than at home.
    #[must_use]
    pub fn roams(&self) -> bool {
        self.roams.load(Ordering::Relaxed)
    }

    /// Whether an answer says anything about what the home holds.
    pub(super) fn may_know(&self, slot: Slot, source: Source) -> bool {
        !self.roams() || self.is_home(slot, source)
    }

    /// Every key lives where `home` says, or nobody knows where: to be called before the client has its new
    /// list, so that no read finds a key moved and the oracle at its old place.
    pub fn relocate(&self, home: Option<&dyn Fn(&Key) -> NodeIndex>) {
        self.roam();
        for space in Space::ALL {
            let first = self.keyspace.first(space);
            for slot in self.keyspace.slots(space) {
                let moves = |home: &dyn Fn(&Key) -> NodeIndex| {
                    self.keyspace.move_to(slot, home(self.keyspace.key(slot)))
                };
                if !home.is_none_or(moves) {
                    continue;
                }
                let place = slot.position() - first;
                match space {
                    Space::Values => self.records[slot.position()].lock().moved(),
                    Space::Counters => self.counters[place].lock().moved(),
                    Space::Registers => self.registers[place].lock().moved(),
                    Space::Logs => self.journals[place].lock().moved(),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::time::Offset;
    use crate::event::Events;
    use crate::load::keyspace::Keyspace;
    use crate::load::life::Life;
    use crate::load::oracle::{Content, Effect, OracleConfig, Verdict, WriteEnd};

    const ACKNOWLEDGED: WriteEnd = WriteEnd::Acknowledged { at_home: true };

    fn oracle() -> Oracle {
        let keyspace = Keyspace::new([2, 2, 0, 0], |_| NodeIndex(0));
        let config = OracleConfig { run: 1, checks: true, nodes: 2, flags: false };
        Oracle::new(keyspace, config, Events::ignore())
    }

    fn by(node: u16) -> Source {
        Source { served_by: Some(NodeIndex(node)), ..Source::default() }
    }

    /// Stores a value; returns the bytes.
    fn stored(oracle: &Oracle, slot: Slot, end: WriteEnd) -> Vec<u8> {
        let lease = oracle.lease(slot, Effect::Store(Life::Forever), Offset(1)).unwrap();
        let mut bytes = Vec::new();
        oracle.value(slot, 0, lease.sequence(), 100, &mut bytes);
        lease.end(end);
        bytes
    }

    /// Catches a miss at the new home of a key that is held against a client which did what it was told, and
    /// one of a key that stayed and is forgiven.
    #[test]
    fn a_key_that_moved_may_be_absent() {
        let oracle = oracle();
        let slots: Vec<Slot> = oracle.keyspace().slots(Space::Values).collect();
        slots.iter().for_each(|slot| drop(stored(&oracle, *slot, ACKNOWLEDGED)));
        let before: Vec<_> = slots.iter().map(|slot| oracle.look(*slot)).collect();
        let moves = |key: &Key| NodeIndex(u16::from(key.as_str() == "k:1"));
        oracle.relocate(Some(&moves));
        let judge = |place: usize, node| {
            oracle.judge(slots[place], &before[place], None, by(node), Offset(9))
        };
        assert_eq!(judge(1, 1), Verdict::Miss, "it moved while the read was under way");
        assert_eq!(judge(0, 0), Verdict::FalseMiss, "it stayed");
        assert_eq!(judge(0, 1), Verdict::Miss, "asked of a node that is not its home");
        assert_eq!(oracle.keyspace().home(slots[1]), NodeIndex(1));
    }

    /// Catches old data that is not seen when a node which kept it is back in the list.
    #[test]
    fn what_a_node_kept_while_it_was_out_is_stale() {
        let oracle = oracle();
        let slot = oracle.keyspace().any(Space::Values, 0);
        let old = stored(&oracle, slot, ACKNOWLEDGED);
        oracle.relocate(Some(&|_| NodeIndex(1)));
        stored(&oracle, slot, ACKNOWLEDGED);
        oracle.relocate(Some(&|_| NodeIndex(0)));
        let (before, content) = (oracle.look(slot), Content { value: &old, flags: 0 });
        let verdict = oracle.judge(slot, &before, Some(content), by(0), Offset(9));
        assert_eq!(verdict, Verdict::Stale);
    }

    /// Catches a counter that a node kept from before and that is called ahead or behind.
    #[test]
    fn an_old_counter_accuses_nobody_until_it_is_stored_anew() {
        let oracle = oracle();
        let slot = oracle.keyspace().any(Space::Counters, 0);
        let start = oracle.counter_start(slot);
        let count = |value| {
            oracle.count_begun(slot, 1);
            oracle.counted(slot, 1, value, by(0), Offset(9))
        };
        oracle.counter_stored(slot, by(0), Offset(1));
        assert_eq!(count(start + 1), None);
        oracle.relocate(None);
        assert_eq!(count(start + 7), None, "nobody knows where it comes from");
        oracle.counter_stored(slot, by(0), Offset(9));
        assert!(count(start + 7).is_some());
    }
}
