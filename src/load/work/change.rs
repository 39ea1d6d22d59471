//! Changes of what is there: counters, compare-and-swap, logs.

use super::write::{may_still_come, stored};
use super::{Done, Fill, Hands, join, over, read_failed, source, write_failed};
use crate::base::time::Offset;
use crate::client::{Call, Failure, Item, Keep, Store, Trace, Ttl};
use crate::event::{ErrorClass, Outcome, ViolationKind};
use crate::load::keyspace::Slot;
use crate::load::oracle::{Content, Oracle, Register};

/// How often a swap is tried when another worker was faster. A hot register must not bind a worker
/// for ever; after this the ticket ends as `exists`.
pub(super) const SWAP_ATTEMPTS_MAX: u32 = 5;

/// Every so many swaps that were done, their token is tried once more: often enough to find a node that
/// takes one in some hundred, seldom enough to leave the load what it is.
const USED_TOKEN_EVERY: u32 = 8;

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
            self.cache.incr(key, change.unsigned_abs()).await
        } else {
            self.cache.decr(key, change.unsigned_abs()).await
        };
        let (from, now) = (source(&call.trace), over(&call.trace, &self.clock));
        let makes = self.cache.makes_counters();
        let mut trace = call.trace;
        let outcome = match call.result {
            Ok(Some(value)) if !(makes && Oracle::began_anew(value)) => {
                match self.oracle.counted(slot, change, value, from, now) {
                    Some(ViolationKind::Wrong) => Outcome::Wrong,
                    Some(ViolationKind::Foreign) => Outcome::Foreign,
                    _ => Outcome::Counted,
                }
            }
            Ok(_) => {
                self.oracle.count_failed(slot, change);
                if makes {
                    self.take_away(slot, &mut trace).await;
                }
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
        Done { outcome, trace }
    }

    /// Removes a counter that a change has made where there was none: it is stored at its start again.
    async fn take_away(&mut self, slot: Slot, trace: &mut Trace) {
        let call = self.cache.delete(self.oracle.keyspace().key(slot)).await;
        join(trace, &call.trace);
        if may_still_come(&call.result, &call.trace) {
            self.oracle.counter_may_vanish(slot);
        }
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
        let read = self.cache.gets(self.oracle.keyspace().key(slot)).await;
        join(trace, &read.trace);
        let (from, now) = (source(&read.trace), over(&read.trace, &self.clock));
        let (item, unique) = match read.result {
            Err(failure) => return Step::End(read_failed(failure)),
            Ok(None) => return self.register_absent(slot),
            Ok(Some(item @ Item { cas: Some(unique), .. })) => (item, unique),
            Ok(Some(_)) => return Step::End(Outcome::Error(ErrorClass::Protocol)),
        };
        let content = Content { value: &item.value, flags: item.flags };
        let seen = (content, Some(unique));
        let sequence = match self.oracle.read_register(slot, floor, seen, from, now) {
            Register::At(sequence) => sequence + 1,
            Register::Stale => return Step::End(Outcome::Stale),
            Register::Corrupt => return Step::End(Outcome::Corrupt),
            Register::Contradiction => return Step::End(Outcome::Contradiction),
            Register::Foreign => return Step::End(Outcome::Foreign),
            Register::Wrong => return Step::End(Outcome::Wrong),
        };
        let (writer, length) = (self.drafter.seat().worker, self.drafter.draw_bytes());
        self.oracle.swap_attempted(slot, sequence, writer);
        self.oracle.value(slot, writer, sequence, length, &mut self.buffer);
        let swap = self.try_swap(slot, sequence, unique).await;
        join(trace, &swap.trace);
        let (from, now) = (source(&swap.trace), over(&swap.trace, &self.clock));
        match swap.result {
            Ok(Store::Exists) => {
                self.oracle.swap_refused(slot, sequence, writer, from);
                Step::Again
            }
            Ok(Store::NotFound) => self.register_absent(slot),
            Ok(Store::Stored) => {
                self.oracle.swapped(slot, sequence, from, now);
                self.swaps = self.swaps.wrapping_add(1);
                if self.swaps.is_multiple_of(USED_TOKEN_EVERY) {
                    self.try_used_token(slot, sequence + 1, (unique, now), trace).await;
                }
                Step::End(Outcome::Stored)
            }
            other => Step::End(stored(other)),
        }
    }

    /// Stores what is in the buffer, if the register still has this unique number.
    async fn try_swap(&mut self, slot: Slot, sequence: u64, unique: u64) -> Call<Store> {
        let key = self.oracle.keyspace().key(slot);
        let keep = Keep { ttl: Ttl::Never, flags: self.oracle.flags(slot, sequence) };
        self.cache.cas(key, &self.buffer, keep, unique).await
    }

    /// Tries a swap that must be refused: its token was used up at `used`, by ourselves. Workers alone
    /// meet too seldom to show a node that takes any token.
    async fn try_used_token(
        &mut self,
        slot: Slot,
        sequence: u64,
        (unique, used): (u64, Offset),
        trace: &mut Trace,
    ) {
        let (writer, length) = (self.drafter.seat().worker, self.drafter.draw_bytes());
        self.oracle.swap_attempted(slot, sequence, writer);
        self.oracle.value(slot, writer, sequence, length, &mut self.buffer);
        let swap = self.try_swap(slot, sequence, unique).await;
        join(trace, &swap.trace);
        if matches!(swap.result, Ok(Store::Stored)) {
            let (from, now) = (source(&swap.trace), over(&swap.trace, &self.clock));
            self.oracle.swapped_with_a_used_token(slot, used, from, now);
            self.oracle.swapped(slot, sequence, from, now);
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
            self.cache.append(key, &self.buffer, Ttl::Never).await
        } else {
            self.cache.prepend(key, &self.buffer, Ttl::Never).await
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
        let keep = Keep { ttl: Ttl::Never, flags: self.oracle.key_flags(slot) };
        let call = self.cache.add(key, &self.buffer, keep).await;
        join(trace, &call.trace);
        let (from, now) = (source(&call.trace), over(&call.trace, &self.clock));
        match call.result {
            Ok(Store::Stored) => {
                self.oracle.log_replaced(slot, record, from, begun, now);
            }
            Err(Failure::Indeterminate(_)) => {}
            Ok(_) => {
                self.oracle.log_not_started(slot);
                if call.trace.attempts == 1 {
                    self.oracle.log_was_there(slot, from, now);
                }
            }
            Err(_) => self.oracle.log_not_started(slot),
        }
        stored(call.result)
    }

    /// Starts a log with its first record; what went wrong, if anything did.
    async fn start_log(&mut self, slot: Slot, trace: &mut Trace) -> Option<Outcome> {
        let record = self.write_record(slot);
        let begun = self.clock.now();
        self.oracle.log_starting(slot);
        let key = self.oracle.keyspace().key(slot);
        let keep = Keep { ttl: Ttl::Never, flags: self.oracle.key_flags(slot) };
        let call = self.cache.set(key, &self.buffer, keep).await;
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
