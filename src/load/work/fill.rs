//! Stores what is absent and should be there: before the run, and after a miss.
//!
//! A fill is part of no ticket: the operation that found the key absent has its outcome already. It
//! keeps its worker busy, as it would keep an application's thread, and it is counted.

use super::{Hands, source};
use crate::client::{Failure, Keep, Store, Ttl};
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
    /// It could not be stored, for this reason.
    No(Outcome),
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
        self.drafter.begin_fill(slot);
        let effect = Effect::Store(self.draw_life());
        let Some(lease) = oracle.lease(slot, effect, self.clock.now()) else {
            return Filled::Needless;
        };
        let done = self.store_under(Operation::Set, lease).await;
        self.filling += done.trace.needed;
        match done.outcome {
            Outcome::Stored => Filled::Yes,
            outcome => Filled::No(outcome),
        }
    }

    /// An absent counter is added, not set: an `add` that is executed late finds the counter and
    /// does nothing, while a late `set` would take back what was counted since. And only an `add`
    /// that succeeds shows that it was gone indeed, whatever a reply has said before.
    async fn fill_counter(&mut self, slot: Slot, fresh: bool) -> Filled {
        let begun = self.clock.now();
        let start = self.oracle.counter_start(slot).to_string();
        let flags = self.oracle.key_flags(slot);
        if !fresh {
            self.oracle.counter_add_begun(slot);
        }
        let (put, from) = self.put(slot, start.as_bytes(), flags, fresh).await;
        if !fresh && !matches!(put, Put::InDoubt(_)) {
            self.oracle.counter_add_ended(slot);
        }
        // A late change may have made it.
        if !fresh && put == Put::There && !self.cache.makes_counters() {
            self.oracle.counter_was_there(slot, from, self.clock.now());
        }
        let filled = put.filled();
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
        let flags = self.oracle.flags(slot, base);
        let (put, from) = self.put(slot, &value, flags, fresh).await;
        self.buffer = value;
        let filled = put.filled();
        if filled == Filled::Yes {
            if !fresh {
                self.oracle.register_missing(slot, from, self.clock.now());
            }
            self.oracle.register_stored(slot, base, from, begun);
        }
        filled
    }

    async fn put(&mut self, slot: Slot, value: &[u8], flags: u32, fresh: bool) -> (Put, Source) {
        let key = self.oracle.keyspace().key(slot);
        let keep = Keep { ttl: Ttl::Never, flags };
        let call = if fresh {
            self.cache.set(key, value, keep).await
        } else {
            self.cache.add(key, value, keep).await
        };
        self.filling += call.trace.needed;
        let put = match call.result {
            Ok(Store::Stored) => Put::Done,
            // A second attempt may meet what the first has stored.
            Ok(_) if call.trace.attempts > 1 => Put::InDoubt(Outcome::NotStored),
            Ok(_) => Put::There,
            Err(Failure::Indeterminate(class)) => Put::InDoubt(Outcome::Indeterminate(class)),
            Err(Failure::Error(class)) => Put::No(Outcome::Error(class)),
            Err(Failure::Shed) => Put::No(Outcome::Shed),
        };
        (put, source(&call.trace))
    }
}

/// What storing something that was absent came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Put {
    Done,
    /// There was something, at the first attempt.
    There,
    /// It may be executed late.
    InDoubt(Outcome),
    No(Outcome),
}

impl Put {
    const fn filled(self) -> Filled {
        match self {
            Self::Done => Filled::Yes,
            Self::There => Filled::Needless,
            Self::InDoubt(outcome) | Self::No(outcome) => Filled::No(outcome),
        }
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
