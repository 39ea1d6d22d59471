//! Writes of values by their owner: set, add, replace, delete, touch.

use std::time::Duration;

use super::{Done, Hands, over, source, write_failed};
use crate::client::{Failure, Keep, Store, Trace};
use crate::event::{Operation, Outcome};
use crate::load::keyspace::{Slot, Space};
use crate::load::life::Life;
use crate::load::oracle::{Effect, Lease, Oracle, WriteEnd};

/// How many other keys of its own an owner tries when a reader is storing one again. After that it
/// waits for the key; that time is part of the response time.
const OTHER_KEYS_TRIED: u32 = 8;

/// How long it then waits between two looks.
const LEASE_WAIT: Duration = Duration::from_millis(1);

impl Hands {
    pub(super) async fn store(&mut self, operation: Operation, slot: Slot) -> Done {
        let oracle = std::sync::Arc::clone(&self.oracle);
        let effect = Effect::Store(self.draw_life());
        let lease = self.lease(&oracle, slot, effect).await;
        self.store_under(operation, lease).await
    }

    /// Stores a value under a lease that was taken.
    pub(super) async fn store_under(&mut self, operation: Operation, lease: Lease<'_>) -> Done {
        let slot = lease.slot();
        let (writer, length) = (self.drafter.seat().worker, self.drafter.draw_bytes());
        self.oracle.value(slot, writer, lease.sequence(), length, &mut self.buffer);
        let key = self.oracle.keyspace().key(slot);
        let ttl = self.expiry(lease.life());
        let keep = Keep { ttl, flags: self.oracle.flags(slot, lease.sequence()) };
        let call = match operation {
            Operation::Add => self.cache.add(key, &self.buffer, keep).await,
            Operation::Replace => self.cache.replace(key, &self.buffer, keep).await,
            _ => self.cache.set(key, &self.buffer, keep).await,
        };
        let first = call.trace.attempts == 1;
        let (from, now) = (source(&call.trace), over(&call.trace, &self.clock));
        let impossible = match (operation, call.result) {
            (Operation::Add, Ok(Store::Stored)) => {
                Some((false, "an add that was done although there was a value"))
            }
            (Operation::Add, Ok(Store::NotStored)) => {
                Some((true, "an add that was refused although the key had been deleted"))
            }
            (Operation::Replace, Ok(Store::Stored)) => {
                Some((true, "a replace that was done although the key had been deleted"))
            }
            (Operation::Replace, Ok(Store::NotStored)) => {
                Some((false, "a replace that was refused although there was a value"))
            }
            _ => None,
        };
        let impossible = impossible.filter(|_| first).is_some_and(|(was_there, detail)| {
            self.oracle.contradicts(&lease, was_there, detail, from, now)
        });
        if matches!(call.result, Ok(Store::Stored)) {
            self.written = Some(slot);
            if first {
                lease.lives(now);
            }
        }
        lease.end(match call.result {
            Ok(Store::Stored) => acknowledged(&self.oracle, slot, &call.trace),
            // A second attempt may be refused for what the first has stored.
            Ok(_) if !first => WriteEnd::InDoubt,
            Ok(Store::NotStored | Store::Exists | Store::NotFound) => WriteEnd::Refused,
            Err(failure) => failed(failure, &call.trace),
        });
        let outcome = if impossible { Outcome::Contradiction } else { stored(call.result) };
        Done { outcome, trace: call.trace }
    }

    pub(super) async fn delete(&mut self, slot: Slot) -> Done {
        let oracle = std::sync::Arc::clone(&self.oracle);
        let lease = self.lease(&oracle, slot, Effect::Delete).await;
        let slot = lease.slot();
        let call = self.cache.delete(self.oracle.keyspace().key(slot)).await;
        let (from, now) = (source(&call.trace), over(&call.trace, &self.clock));
        let impossible = call.trace.attempts == 1
            && call.result.is_ok_and(|was_there| {
                let detail = if was_there {
                    "a delete that was done although the key had been deleted"
                } else {
                    "a delete that found nothing although there was a value"
                };
                self.oracle.contradicts(&lease, was_there, detail, from, now)
            });
        let (end, outcome) = match call.result {
            Ok(_) if impossible => {
                (acknowledged(&self.oracle, slot, &call.trace), Outcome::Contradiction)
            }
            Ok(true) => (acknowledged(&self.oracle, slot, &call.trace), Outcome::Deleted),
            // Absent is what a delete makes it.
            Ok(false) => (acknowledged(&self.oracle, slot, &call.trace), Outcome::NotFound),
            Err(failure) => (failed(failure, &call.trace), write_failed(failure)),
        };
        lease.end(end);
        self.written = call.result.is_ok().then_some(slot);
        Done { outcome, trace: call.trace }
    }

    /// A touch takes the right to write, so that it is known what it touches. A new expiry only ever
    /// lengthens a life here.
    pub(super) async fn touch(&mut self, slot: Slot) -> Done {
        let oracle = std::sync::Arc::clone(&self.oracle);
        let life = Life::longest(&self.lives);
        let lease = self.lease(&oracle, slot, Effect::Store(life)).await;
        let slot = lease.slot();
        oracle.touching(slot);
        let expiry = self.expiry(life);
        let call = self.cache.touch(oracle.keyspace().key(slot), expiry).await;
        let (from, now) = (source(&call.trace), over(&call.trace, &self.clock));
        let impossible = call.trace.attempts == 1
            && call.result.is_ok_and(|was_there| {
                let detail = if was_there {
                    "a touch that was done although the key had been deleted"
                } else {
                    "a touch that found nothing although there was a value"
                };
                oracle.contradicts(&lease, was_there, detail, from, now)
            });
        if !may_still_come(&call.result, &call.trace) {
            oracle.touched(slot);
        }
        let (end, outcome) = match call.result {
            Ok(true) => {
                (WriteEnd::Touched { at_home: oracle.is_home(slot, from) }, Outcome::Touched)
            }
            Ok(false) => (WriteEnd::NothingThere, Outcome::NotFound),
            // It changes no value, whatever becomes of it.
            Err(failure) => (WriteEnd::NothingThere, write_failed(failure)),
        };
        lease.end(end);
        let outcome = if impossible { Outcome::Contradiction } else { outcome };
        Done { outcome, trace: call.trace }
    }

    /// The right to write `slot`, or another key of this owner while a reader fills that one.
    async fn lease<'a>(&mut self, oracle: &'a Oracle, slot: Slot, effect: Effect) -> Lease<'a> {
        let mut wanted = slot;
        // A recorded write is of its own key and no other.
        let others = if self.drafter.is_recorded() { 0 } else { OTHER_KEYS_TRIED };
        for _ in 0..others {
            if let Some(lease) = oracle.lease(wanted, effect, self.clock.now()) {
                return lease;
            }
            let rank = self.drafter.draw_value_slot().number();
            wanted = oracle.keyspace().own(Space::Values, rank, self.drafter.seat());
        }
        loop {
            if let Some(lease) = oracle.lease(slot, effect, self.clock.now()) {
                return lease;
            }
            tokio::time::sleep(LEASE_WAIT).await;
        }
    }
}

/// Whether a request without an answer may be executed late.
pub(super) fn may_still_come<T>(result: &Result<T, Failure>, trace: &Trace) -> bool {
    result.is_err() && trace.sent.is_some()
}

fn acknowledged(oracle: &Oracle, slot: Slot, trace: &Trace) -> WriteEnd {
    WriteEnd::Acknowledged { at_home: oracle.is_home(slot, source(trace)) }
}

const fn failed(failure: Failure, trace: &Trace) -> WriteEnd {
    match failure {
        Failure::Indeterminate(_) => WriteEnd::InDoubt,
        Failure::Error(_) if trace.sent.is_some() => WriteEnd::Failed,
        Failure::Shed | Failure::Error(_) => WriteEnd::Unsent,
    }
}

/// The outcome of a store.
pub(super) const fn stored(result: Result<Store, Failure>) -> Outcome {
    match result {
        Ok(Store::Stored) => Outcome::Stored,
        Ok(Store::NotStored) => Outcome::NotStored,
        Ok(Store::Exists) => Outcome::Exists,
        Ok(Store::NotFound) => Outcome::NotFound,
        Err(failure) => write_failed(failure),
    }
}
