//! Stores what is absent and should be there: before the run, and after a miss.
//!
//! A fill is part of no ticket: the operation that found the key absent has its outcome already. It
//! keeps its worker busy, as it would keep an application's thread, and it is counted.

use super::{Hands, source};
use crate::client::{Store, Ttl};
use crate::event::{Operation, Outcome};
use crate::load::keyspace::{Slot, Space};
use crate::load::oracle::{Effect, Source};

/// What is to be stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::load) enum Fill {
    /// A value that a read did not find.
    Value(Slot),
    /// A counter that is not there.
    Counter(Slot),
    /// A register that is not there.
    Register(Slot),
}

/// What a fill came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::load) enum Filled {
    /// It is there now.
    Yes,
    /// Somebody else was faster, or is writing it: nothing was to be done.
    Needless,
    /// It could not be stored.
    No,
}

impl Hands {
    /// Stores what is absent. `fresh` (before the run) replaces whatever another run has left.
    pub(in crate::load) async fn fill(&mut self, fill: Fill, fresh: bool) -> Filled {
        match fill {
            Fill::Value(slot) => self.fill_value(slot).await,
            Fill::Counter(slot) => self.fill_counter(slot, fresh).await,
            Fill::Register(slot) => self.fill_register(slot, fresh).await,
        }
    }

    async fn fill_value(&mut self, slot: Slot) -> Filled {
        let oracle = std::sync::Arc::clone(&self.oracle);
        let Some(lease) = oracle.lease(slot, Effect::Store(self.ttl), self.clock.now()) else {
            return Filled::Needless;
        };
        match self.store_under(Operation::Set, lease).await.outcome {
            Outcome::Stored => Filled::Yes,
            _ => Filled::No,
        }
    }

    /// An absent counter is added, not set: an `add` that is executed late finds the counter and
    /// does nothing, while a late `set` would take back what was counted since. And only an `add`
    /// that succeeds shows that it was gone indeed, whatever a reply has said before.
    async fn fill_counter(&mut self, slot: Slot, fresh: bool) -> Filled {
        let begun = self.clock.now();
        let start = self.oracle.counter_start(slot).to_string();
        let (filled, from) = self.put(slot, start.as_bytes(), fresh).await;
        if filled == Filled::Yes {
            if !fresh {
                self.oracle.counter_missing(slot, from, self.clock.now());
            }
            self.oracle.counter_stored(slot, from, begun);
        }
        filled
    }

    async fn fill_register(&mut self, slot: Slot, fresh: bool) -> Filled {
        let begun = self.clock.now();
        let base = self.oracle.register_base(slot);
        let (writer, length) = (self.drafter.seat().worker, self.drafter.draw_bytes());
        let mut value = std::mem::take(&mut self.buffer);
        self.oracle.value(slot, writer, base, length, &mut value);
        let (filled, from) = self.put(slot, &value, fresh).await;
        self.buffer = value;
        if filled == Filled::Yes {
            if !fresh {
                self.oracle.register_missing(slot, from, self.clock.now());
            }
            self.oracle.register_stored(slot, base, from, begun);
        }
        filled
    }

    async fn put(&mut self, slot: Slot, value: &[u8], fresh: bool) -> (Filled, Source) {
        let key = self.oracle.keyspace().key(slot);
        let call = if fresh {
            self.client.set(key, value, Ttl::Never).await
        } else {
            self.client.add(key, value, Ttl::Never).await
        };
        let filled = match call.result {
            Ok(Store::Stored) => Filled::Yes,
            Ok(_) => Filled::Needless,
            Err(_) => Filled::No,
        };
        (filled, source(&call.trace))
    }
}

impl Fill {
    /// The key.
    pub(in crate::load) const fn slot(self) -> Slot {
        match self {
            Self::Value(slot) | Self::Counter(slot) | Self::Register(slot) => slot,
        }
    }

    /// What stores a key before the run; a log is started by its first record.
    pub(in crate::load) const fn of(space: Space, slot: Slot) -> Option<Self> {
        match space {
            Space::Values => Some(Self::Value(slot)),
            Space::Counters => Some(Self::Counter(slot)),
            Space::Registers => Some(Self::Register(slot)),
            Space::Logs => None,
        }
    }
}
