//! Writes of values by their owner: set, add, replace, delete, touch.

use std::time::Duration;

use super::{Done, Hands, source, write_failed};
use crate::client::{Failure, Store, Trace};
use crate::event::{Operation, Outcome};
use crate::load::keyspace::{Slot, Space};
use crate::load::oracle::{Effect, Lease, Oracle, WriteEnd};

/// How many other keys of its own an owner tries when a reader is storing one again. After that it
/// waits for the key; that time is part of the response time.
const OTHER_KEYS_TRIED: u32 = 8;

/// How long it then waits between two looks.
const LEASE_WAIT: Duration = Duration::from_millis(1);

impl Hands {
    pub(super) async fn store(&mut self, operation: Operation, slot: Slot) -> Done {
        let oracle = std::sync::Arc::clone(&self.oracle);
        let lease = self.lease(&oracle, slot, Effect::Store(self.ttl)).await;
        self.store_under(operation, lease).await
    }

    /// Stores a value under a lease that was taken.
    pub(super) async fn store_under(&mut self, operation: Operation, lease: Lease<'_>) -> Done {
        let slot = lease.slot();
        let (writer, length) = (self.drafter.seat().worker, self.drafter.draw_bytes());
        self.oracle.value(slot, writer, lease.sequence(), length, &mut self.buffer);
        let (key, expiry) = (self.oracle.keyspace().key(slot), self.expiry());
        let call = match operation {
            Operation::Add => self.client.add(key, &self.buffer, expiry).await,
            Operation::Replace => self.client.replace(key, &self.buffer, expiry).await,
            _ => self.client.set(key, &self.buffer, expiry).await,
        };
        lease.end(match call.result {
            Ok(Store::Stored) => acknowledged(&self.oracle, slot, &call.trace),
            Ok(Store::NotStored | Store::Exists | Store::NotFound) => WriteEnd::Refused,
            Err(failure) => failed(failure, &call.trace),
        });
        Done { outcome: stored(call.result), trace: call.trace }
    }

    pub(super) async fn delete(&mut self, slot: Slot) -> Done {
        let oracle = std::sync::Arc::clone(&self.oracle);
        let lease = self.lease(&oracle, slot, Effect::Delete).await;
        let slot = lease.slot();
        let call = self.client.delete(self.oracle.keyspace().key(slot)).await;
        let (end, outcome) = match call.result {
            Ok(true) => (acknowledged(&self.oracle, slot, &call.trace), Outcome::Deleted),
            // Absent is what a delete makes it.
            Ok(false) => (acknowledged(&self.oracle, slot, &call.trace), Outcome::NotFound),
            Err(failure) => (failed(failure, &call.trace), write_failed(failure)),
        };
        lease.end(end);
        Done { outcome, trace: call.trace }
    }

    /// A new expiry only ever lengthens a life here, so the record need not know.
    pub(super) async fn touch(&mut self, slot: Slot) -> Done {
        let expiry = self.expiry();
        let call = self.client.touch(self.oracle.keyspace().key(slot), expiry).await;
        let outcome = match call.result {
            Ok(true) => Outcome::Touched,
            Ok(false) => Outcome::NotFound,
            Err(failure) => write_failed(failure),
        };
        Done { outcome, trace: call.trace }
    }

    /// The right to write `slot`, or another key of this owner while a reader fills that one.
    async fn lease<'a>(&mut self, oracle: &'a Oracle, slot: Slot, effect: Effect) -> Lease<'a> {
        let mut wanted = slot;
        for _ in 0..OTHER_KEYS_TRIED {
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
