//! Whose turn it is to write a key, where any worker may: in a recorded trace a key has no owner.
//!
//! Two writes of one key are never under way at once, because nobody could say then which value is the
//! last. The second waits here, without a worker, and whoever made the first makes it next; its response
//! time runs meanwhile. So a hot key of a node that does not answer holds one worker and no more.

use std::collections::{BTreeMap, VecDeque};

use parking_lot::Mutex;

use super::draft::Draft;
use super::keyspace::Slot;
use super::ticket::Ticket;

/// The most operations that wait for their turn; the next one is a lost slot, as with a full backlog.
const WAITING_MAX: usize = 200_000;

/// An operation that somebody is to perform.
pub(super) type Turn = (Ticket, Draft);

/// Every key that is being written, with what waits for it.
#[derive(Debug, Default)]
pub(super) struct Turns(Mutex<Waiting>);

#[derive(Debug, Default)]
struct Waiting {
    keys: BTreeMap<Slot, VecDeque<Turn>>,
    count: usize,
    /// How many ever waited.
    waited: u64,
}

impl Turns {
    /// The write back, when nobody writes its key; else it waits.
    pub(super) fn take(&self, turn: Turn) -> Option<Turn> {
        let mut waiting = self.0.lock();
        let Waiting { keys, count, waited } = &mut *waiting;
        let Some(others) = keys.get_mut(&turn.1.slot) else {
            keys.insert(turn.1.slot, VecDeque::new());
            return Some(turn);
        };
        if *count < WAITING_MAX {
            *count += 1;
            *waited += 1;
            others.push_back(turn);
        } else {
            // Dropping it records it as lost, which asks for other locks.
            drop(waiting);
            drop(turn);
        }
        None
    }

    /// The write of this key is over: the next one that waits for it.
    pub(super) fn pass(&self, slot: Slot) -> Option<Turn> {
        let mut waiting = self.0.lock();
        let next = waiting.keys.get_mut(&slot).and_then(VecDeque::pop_front);
        match next {
            Some(_) => waiting.count -= 1,
            None => drop(waiting.keys.remove(&slot)),
        }
        next
    }

    /// How many writes ever waited for their turn.
    pub(super) fn waited(&self) -> u64 {
        self.0.lock().waited
    }

    /// Takes out everything that waits.
    pub(super) fn give_up(&self) -> Vec<Turn> {
        let mut waiting = self.0.lock();
        waiting.count = 0;
        std::mem::take(&mut waiting.keys).into_values().flatten().collect()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::base::name::NodeIndex;
    use crate::base::time::{Offset, RunClock};
    use crate::event::Operation;
    use crate::load::draft::tests::drafter;
    use crate::load::keyspace::{Keyspace, Space};
    use crate::load::ticket::TicketCounts;

    /// Catches two writes of one key at once, one that is overtaken or forgotten, and another key that
    /// has to wait for it.
    #[test]
    fn writes_of_a_key_come_one_after_the_other() {
        let ledger = TicketCounts::new(RunClock::start(), Box::new(|_| {}), drafter(0, 10, 1));
        let keyspace = Keyspace::new([2, 0, 0, 0], |_| NodeIndex(0));
        let slots: Vec<Slot> = keyspace.slots(Space::Values).collect();
        let turn = |ledger: &Arc<TicketCounts>, slot, due| {
            let draft = Draft { operation: Operation::Set, slot, home: NodeIndex(0), given: None };
            (ledger.issue(Offset(due), Offset(due)), draft)
        };
        let due = |turn: Option<Turn>| turn.map(|(ticket, _)| ticket.due().0);
        let turns = Turns::default();
        assert_eq!(due(turns.take(turn(&ledger, slots[0], 1))), Some(1));
        assert_eq!(due(turns.take(turn(&ledger, slots[0], 2))), None);
        assert_eq!(due(turns.take(turn(&ledger, slots[0], 3))), None);
        assert_eq!(due(turns.take(turn(&ledger, slots[1], 4))), Some(4), "another key");
        assert_eq!(due(turns.pass(slots[0])), Some(2));
        assert_eq!(due(turns.pass(slots[0])), Some(3));
        assert_eq!(due(turns.pass(slots[0])), None);
        assert_eq!(due(turns.take(turn(&ledger, slots[0], 5))), Some(5), "free again");
        assert!(turns.take(turn(&ledger, slots[1], 6)).is_none());
        assert_eq!(turns.waited(), 3, "a trace that is slow by its own writes says so");
        drop(turns.give_up());
        assert_eq!(ledger.issued(), ledger.outcomes().iter().sum::<u64>(), "none is forgotten");
    }
}
