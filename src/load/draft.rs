//! What the next operation is: drawn from the mix and the keys, before anybody is asked.

use std::sync::Arc;

use rand::RngExt;

use super::keys::{Keys, Seat};
use super::keyspace::{Slot, Space, space_of};
use super::life::Life;
use super::oracle::Oracle;
use super::recorded::Given;
use super::workload::Parts;
use crate::base::name::NodeIndex;
use crate::base::seed::{Seed, Stream};
use crate::event::Operation;

/// One operation, drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Draft {
    pub(super) operation: Operation,
    pub(super) slot: Slot,
    pub(super) home: NodeIndex,
    /// What its value is like; `None`: that is drawn.
    pub(super) given: Option<Given>,
}

impl Draft {
    /// Whether no other write of its key may be under way. A register is everybody's: its swaps see to
    /// that themselves.
    pub(super) fn writes_alone(&self) -> bool {
        !self.operation.is_read() && space_of(self.operation) != Space::Registers
    }
}

/// Draws the operations of one worker.
pub(super) struct Drafter {
    parts: Arc<Parts>,
    oracle: Arc<Oracle>,
    seat: Seat,
    keys: Box<dyn Keys>,
    choices: Stream,
    sizes: Stream,
    cancels: Stream,
    lives: Stream,
    borders: Stream,
    read_backs: Stream,
    /// What the value of the operation at hand is like; `None`: that is drawn.
    given: Option<Given>,
}

impl Drafter {
    /// The drafter of one worker: `seed` is the worker's own.
    pub(super) fn new(parts: Arc<Parts>, oracle: Arc<Oracle>, seat: Seat, seed: Seed) -> Self {
        let keys = parts.keys.start(seat, seed.fork("keys").stream());
        let (choices, sizes) = (seed.fork("mix").stream(), seed.fork("values").stream());
        let (cancels, lives) = (seed.fork("cancel").stream(), seed.fork("lives").stream());
        let borders = seed.fork("border").stream();
        let read_backs = seed.fork("read_back").stream();
        let given = None;
        Self {
            parts,
            oracle,
            seat,
            keys,
            choices,
            sizes,
            cancels,
            lives,
            borders,
            read_backs,
            given,
        }
    }

    /// Draws the operation with this number. Writes go to keys that the worker owns; a register is
    /// everybody's. A trace says what it is, and there any worker writes any key.
    pub(super) fn draw(&mut self, number: u64) -> Draft {
        if let Some(replay) = &self.parts.replay {
            let request = replay.request(number);
            let (operation, given) = (request.operation, Some(request.given()));
            let keyspace = self.oracle.keyspace();
            let slot = keyspace.any(space_of(operation), request.key.into());
            return Draft { operation, slot, home: keyspace.home(slot), given };
        }
        let operation = self.parts.mix.draw(&mut self.choices);
        let rank = self.parts.rank(self.keys.next_rank());
        let keyspace = self.oracle.keyspace();
        let space = space_of(operation);
        let slot = if operation.is_read() || space == Space::Registers {
            keyspace.any(space, rank)
        } else {
            keyspace.own(space, rank, self.seat)
        };
        Draft { operation, slot, home: keyspace.home(slot), given: None }
    }

    /// Whether what is done is recorded, and not drawn.
    pub(super) fn is_recorded(&self) -> bool {
        self.parts.replay.is_some()
    }

    /// The values that follow are like this.
    pub(super) const fn begin(&mut self, given: Option<Given>) {
        self.given = given;
    }

    /// The value that follows is one that is stored where no operation says what it is like.
    pub(super) fn begin_fill(&mut self, slot: Slot) {
        self.given = self.parts.replay.as_ref().map(|replay| {
            let place = self.oracle.keyspace().place(Space::Values, slot);
            Given { bytes: replay.recording.bytes_of(place), life: Life::Forever }
        });
    }

    /// Draws one more key to read, for a multi-get.
    pub(super) fn draw_value_slot(&mut self) -> Slot {
        let rank = self.parts.rank(self.keys.next_rank());
        self.oracle.keyspace().any(Space::Values, rank)
    }

    /// Draws the size of a value.
    pub(super) fn draw_bytes(&mut self) -> u64 {
        match self.given {
            Some(given) => given.bytes,
            None => self.parts.values.draw_bytes(&mut self.sizes),
        }
    }

    /// Draws one of these lives.
    pub(super) fn draw_life(&mut self, lives: &[Life]) -> Life {
        if let Some(given) = self.given {
            return given.life;
        }
        match lives {
            [] => Life::Forever,
            [only] => *only,
            several => several[self.lives.random_range(0..several.len())],
        }
    }

    /// Draws a number below `end`.
    pub(super) fn draw_below(&mut self, end: u32) -> u32 {
        self.choices.random_range(0..end.max(1))
    }

    /// Draws whether the caller of the next operation abandons it.
    pub(super) fn draw_cancel(&mut self, share: f64) -> bool {
        self.cancels.random_bool(share)
    }

    /// Draws whether a write is read back.
    pub(super) fn draw_read_back(&mut self, share: f64) -> bool {
        self.read_backs.random_bool(share)
    }

    /// Draws whether the next get or set is of a key at the border.
    pub(super) fn draw_border(&mut self, share: f64) -> bool {
        self.borders.random_bool(share)
    }

    /// Draws which of so many.
    pub(super) fn draw_kind(&mut self, kinds: usize) -> usize {
        self.borders.random_range(0..kinds.max(1))
    }

    pub(super) const fn seat(&self) -> Seat {
        self.seat
    }
}

impl std::fmt::Debug for Drafter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Drafter").field("seat", &self.seat).finish_non_exhaustive()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::base::family::Value;
    use crate::base::name::NodeIndex;
    use crate::event::Events;
    use crate::load::keyspace::Keyspace;
    use crate::load::oracle::OracleConfig;
    use crate::load::workload::Workload;

    /// A drafter for the default workload.
    pub(in crate::load) fn drafter(worker: u32, workers: u32, seed: u64) -> Drafter {
        let mut workload = Workload::default();
        workload.keys.settings.insert("count", Value::Integer(500));
        let parts = Arc::new(workload.parts(None, workers).unwrap());
        let keyspace = Keyspace::new(parts.counts(workers), |_| NodeIndex(0));
        let config = OracleConfig { run: 1, checks: true, nodes: 1, flags: true };
        let oracle = Arc::new(Oracle::new(keyspace, config, Events::ignore()));
        Drafter::new(parts, oracle, Seat { worker, workers }, Seed::new(seed))
    }

    /// Catches a write to another worker's key, and a worker that reads its own keys only.
    #[test]
    fn writes_stay_with_the_owner_and_reads_do_not() {
        let mut drafter = drafter(3, 100, 1);
        let mut foreign_reads = 0;
        for _ in 0..10_000 {
            let draft = drafter.draw(0);
            let owner = drafter.oracle.keyspace().owner(draft.slot, 100);
            if draft.operation.is_read() {
                foreign_reads += u32::from(owner != 3);
            } else {
                assert_eq!(owner, 3, "{draft:?}");
            }
        }
        assert!(foreign_reads > 5000);
    }

    /// Catches draws that are not a function of the seed.
    #[test]
    fn the_same_seed_draws_the_same_operations() {
        let draws = |seed| {
            let mut drafter = drafter(0, 10, seed);
            (0..100).map(|number| drafter.draw(number)).collect::<Vec<Draft>>()
        };
        assert_eq!(draws(5), draws(5));
        assert_ne!(draws(5), draws(6));
    }
}
