//! Which fault of a proxy it is, whatever it acts on: its name and directions, where it draws from, and
//! what it came to.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::base::seed::{Seed, Stream as Draws};
use crate::proxy::config::{Direction, FaultCounts, Stream};

/// One fault of a proxy.
#[derive(Debug)]
pub(in crate::proxy) struct Identity {
    /// Tells it from every other fault that this proxy ever had.
    pub(in crate::proxy) id: u64,
    /// Counts its updates.
    pub(in crate::proxy) generation: u64,
    pub(in crate::proxy) name: String,
    pub(in crate::proxy) stream: Stream,
    counts: Arc<Counts>,
}

/// What a fault came to; survives updates.
#[derive(Debug, Default)]
struct Counts {
    /// Operations and connections that it touched.
    touched: AtomicU64,
    /// Messages that it meant, and of whose place nobody could be certain.
    uncertain: AtomicU64,
    /// Messages that it meant, and that had nothing that could be done to them.
    could_not_fire: AtomicU64,
}

impl Identity {
    pub(super) fn new(id: u64, name: String, stream: Stream) -> Self {
        Self { id, generation: 0, name, stream, counts: Arc::default() }
    }

    /// The same with other settings.
    pub(super) fn updated(&self) -> Self {
        let Self { id, generation, name, stream, counts } = self;
        let (generation, counts) = (generation + 1, Arc::clone(counts));
        Self { id: *id, generation, name: name.clone(), stream: *stream, counts }
    }

    /// Whether it is this one, with the settings that it has there.
    pub(super) const fn is_same(&self, other: &Self) -> bool {
        self.id == other.id && self.generation == other.generation
    }

    /// The draws of what acts on this connection as a whole: a message fault, a slow connect.
    pub(super) fn whole_draws(&self, place: &Place) -> Draws {
        self.draws(Direction::Down, place)
    }

    /// The draws of what acts on one direction of this connection.
    pub(super) fn draws(&self, direction: Direction, place: &Place) -> Draws {
        self.seed(direction, place).index(self.generation).stream()
    }

    /// What it draws from there, whatever its settings.
    pub(super) fn seed(&self, direction: Direction, place: &Place) -> Seed {
        let label = match direction {
            Direction::Up => "up",
            Direction::Down => "down",
        };
        place.seed.fork(&self.name).fork(label)
    }

    pub(in crate::proxy) fn touch(&self, operations: u32) {
        self.counts.touched.fetch_add(operations.into(), Ordering::Relaxed);
    }

    pub(super) fn uncertain(&self) {
        self.counts.uncertain.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn could_not_fire(&self) {
        self.counts.could_not_fire.fetch_add(1, Ordering::Relaxed);
    }

    /// Operations and connections that it touched.
    pub(in crate::proxy) fn touched(&self) -> u64 {
        self.counts.touched.load(Ordering::Relaxed)
    }

    pub(super) fn counts(&self) -> FaultCounts {
        let Counts { uncertain, could_not_fire, .. } = &*self.counts;
        FaultCounts {
            fired: self.touched(),
            passed_as_uncertain: uncertain.load(Ordering::Relaxed),
            could_not_fire: could_not_fire.load(Ordering::Relaxed),
        }
    }
}

/// Which connection of which proxy: where its draws come from.
#[derive(Clone, Copy, Debug)]
pub(in crate::proxy) struct Place {
    /// The seed of the connection: `proxy[name]/conn[i]`.
    pub(in crate::proxy) seed: Seed,
    /// Counts the connections of the proxy.
    pub(in crate::proxy) connection: u64,
}
