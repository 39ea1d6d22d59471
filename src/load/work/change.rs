//! Changes of what is there: counters, compare-and-swap, logs.

use super::write::stored;
use super::{Done, Fill, Hands, join, over, read_failed, source, write_failed};
use crate::client::{Failure, Item, Store, Trace, Ttl};
use crate::event::{ErrorClass, Outcome, ViolationKind};
use crate::load::keyspace::Slot;
use crate::load::oracle::Register;

/// How often a swap is tried when another worker was faster. A hot register must not bind a worker
/// for ever; after this the ticket ends as `exists`.
pub(super) const SWAP_ATTEMPTS_MAX: u32 = 5;

/// The longest record of a log: a whole log stays far below the item size of a node.
const RECORD_BYTES_MAX: u64 = 256;

/// A step of a swap that did not end the ticket, or the outcome that did.
enum Step {
    Again,
    End(Outcome),
}

impl Hands {
    pub(super) async fn count(&mut self, slot: Slot, change: i64) -> Done {
        self.oracle.count_begun(slot, change);
        let key = self.oracle.keyspace().key(slot);
        let call = if change > 0 {
            self.client.incr(key, change.unsigned_abs()).await
        } else {
            self.client.decr(key, change.unsigned_abs()).await
        };
        let (from, now) = (source(&call.trace), over(&call.trace, &self.clock));
        let outcome = match call.result {
            Ok(Some(value)) => match self.oracle.counted(slot, change, value, from, now) {
                Some(ViolationKind::Wrong) => Outcome::Wrong,
                Some(ViolationKind::Foreign) => Outcome::Foreign,
                _ => Outcome::Counted,
            },
            Ok(None) => {
                self.oracle.count_failed(slot, change);
                self.absent.push(Fill::Counter(slot));
                Outcome::NotFound
            }
            Err(failure) => {
                if !matches!(failure, Failure::Indeterminate(_)) {
                    self.oracle.count_failed(slot, change);
                }
                write_failed(failure)
            }
        };
        Done { outcome, trace: call.trace }
    }

    /// Reads a register and stores its successor, if nobody was faster.
    pub(super) async fn swap(&mut self, slot: Slot) -> Done {
        let mut trace = Trace::new(self.home(slot));
        for _ in 0..SWAP_ATTEMPTS_MAX {
            if let Step::End(outcome) = self.swap_once(slot, &mut trace).await {
                return Done { outcome, trace };
            }
        }
        Done { outcome: Outcome::Exists, trace }
    }

    async fn swap_once(&mut self, slot: Slot, trace: &mut Trace) -> Step {
        let floor = self.oracle.register_floor(slot);
        let read = self.client.gets(self.oracle.keyspace().key(slot)).await;
        join(trace, &read.trace);
        let (from, now) = (source(&read.trace), over(&read.trace, &self.clock));
        let (value, unique) = match read.result {
            Err(failure) => return Step::End(read_failed(failure)),
            Ok(None) => return self.register_absent(slot),
            Ok(Some(Item { value, cas: Some(unique), .. })) => (value, unique),
            Ok(Some(_)) => return Step::End(Outcome::Error(ErrorClass::Protocol)),
        };
        let sequence = match self.oracle.read_register(slot, floor, &value, from, now) {
            Register::At(sequence) => sequence + 1,
            Register::Stale => return Step::End(Outcome::Stale),
            Register::Corrupt => return Step::End(Outcome::Corrupt),
            Register::Foreign => return Step::End(Outcome::Foreign),
            Register::Wrong => return Step::End(Outcome::Wrong),
        };
        self.oracle.swap_attempted(slot, sequence);
        let (writer, length) = (self.drafter.seat().worker, self.drafter.draw_bytes());
        self.oracle.value(slot, writer, sequence, length, &mut self.buffer);
        let key = self.oracle.keyspace().key(slot);
        let swap = self.client.cas(key, &self.buffer, Ttl::Never, unique).await;
        join(trace, &swap.trace);
        match swap.result {
            Ok(Store::Exists) => Step::Again,
            Ok(Store::NotFound) => self.register_absent(slot),
            Ok(Store::Stored) => {
                self.oracle.swapped(slot, sequence, source(&swap.trace));
                Step::End(Outcome::Stored)
            }
            other => Step::End(stored(other)),
        }
    }

    fn register_absent(&mut self, slot: Slot) -> Step {
        self.absent.push(Fill::Register(slot));
        Step::End(Outcome::NotFound)
    }

    /// Adds one record to a log, behind it or before it.
    pub(super) async fn record(&mut self, slot: Slot, behind: bool) -> Done {
        let mut trace = Trace::new(self.home(slot));
        if self.oracle.log_must_start(slot)
            && let Some(outcome) = self.start_log(slot, &mut trace).await
        {
            return Done { outcome, trace };
        }
        let record = self.write_record(slot);
        let key = self.oracle.keyspace().key(slot);
        let call = if behind {
            self.client.append(key, &self.buffer, Ttl::Never).await
        } else {
            self.client.prepend(key, &self.buffer, Ttl::Never).await
        };
        join(&mut trace, &call.trace);
        let outcome = match call.result {
            Ok(Store::Stored) => {
                self.oracle.recorded(slot, record, source(&call.trace));
                Outcome::Stored
            }
            Ok(_) => self.replace_log(slot, &mut trace).await,
            result => stored(result),
        };
        Done { outcome, trace }
    }

    /// Adds a log that an append did not find. Whether it is gone shows here: a node, or a fault,
    /// that says so of a log which is there refuses the `add` as well, and nothing is overwritten.
    async fn replace_log(&mut self, slot: Slot, trace: &mut Trace) -> Outcome {
        let record = self.write_record(slot);
        let begun = self.clock.now();
        self.oracle.log_replacing(slot);
        let key = self.oracle.keyspace().key(slot);
        let call = self.client.add(key, &self.buffer, Ttl::Never).await;
        join(trace, &call.trace);
        match call.result {
            Ok(Store::Stored) => {
                let (from, now) = (source(&call.trace), over(&call.trace, &self.clock));
                self.oracle.log_replaced(slot, record, from, begun, now);
            }
            Err(Failure::Indeterminate(_)) => {}
            Ok(_) | Err(_) => self.oracle.log_not_started(slot),
        }
        stored(call.result)
    }

    /// Starts a log with its first record; what went wrong, if anything did.
    async fn start_log(&mut self, slot: Slot, trace: &mut Trace) -> Option<Outcome> {
        let record = self.write_record(slot);
        let begun = self.clock.now();
        self.oracle.log_starting(slot);
        let key = self.oracle.keyspace().key(slot);
        let call = self.client.set(key, &self.buffer, Ttl::Never).await;
        join(trace, &call.trace);
        match call.result {
            Ok(Store::Stored) => {
                self.oracle.log_started(slot, record, source(&call.trace), begun);
                return None;
            }
            Err(Failure::Indeterminate(_)) => {}
            Ok(_) | Err(_) => self.oracle.log_not_started(slot),
        }
        Some(stored(call.result))
    }

    /// Writes the next record of a log into the buffer.
    fn write_record(&mut self, slot: Slot) -> u64 {
        let record = self.oracle.next_record(slot);
        let length = self.drafter.draw_bytes().min(RECORD_BYTES_MAX);
        self.oracle.value(slot, self.drafter.seat().worker, record, length, &mut self.buffer);
        record
    }
}
