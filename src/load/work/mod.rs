//! What a worker does with a ticket: ask the client, ask the oracle, say what it came to.
//!
//! Nothing here waits for anything but the client.

mod border;
mod change;
mod fill;
mod read;
mod request;
mod worker;
mod write;

pub(super) use fill::{Fill, Filled};
use std::sync::Arc;
pub(super) use worker::{Worker, hung_after};

use super::draft::{Draft, Drafter};
use super::keyspace::Slot;
use super::oracle::{Oracle, Source};
use crate::base::name::NodeIndex;
use crate::base::time::{Offset, RunClock};
use crate::client::{Failure, Trace, Ttl};
use crate::event::{KeyCounts, Operation, Outcome};
use crate::load::border::BorderKeys;
use crate::load::cache::Cache;
use crate::load::life::Life;
use crate::load::workload::Cancel;
use crate::protocol::memcached::frame::key::Key;

/// What a worker works with.
pub(super) struct Hands {
    pub(super) cache: Cache,
    pub(super) oracle: Arc<Oracle>,
    pub(super) clock: RunClock,
    /// When the operation at hand was due.
    pub(super) due: Offset,
    pub(super) drafter: Drafter,
    /// What a value's life is drawn from.
    pub(super) lives: Vec<Life>,
    /// Which calls their caller abandons.
    pub(super) cancel: Option<Cancel>,
    /// The share of gets and sets that are of keys at the border of what memcached takes.
    pub(super) border_share: Option<f64>,
    /// This worker's keys there, once it has used one.
    pub(super) border: Option<BorderKeys>,
    /// The share of acknowledged writes of values that are read back.
    pub(super) read_back: Option<f64>,
    /// The key of the write that was just acknowledged.
    pub(super) written: Option<Slot>,
    /// Whether the operation at hand reads what was just written, and no other key.
    pub(super) reads_back: bool,
    pub(super) multi_get_keys: u32,
    /// Whether values that a read did not find are stored again.
    pub(super) fill_after_miss: bool,
    /// What was found to be absent and should be there: stored again after the ticket.
    pub(super) absent: Vec<Fill>,
    /// Requests that storing it again needed, whatever came of them.
    pub(super) filling: u32,
    /// What each node had to do with the last multi-get.
    pub(super) parts: Vec<Part>,
    /// How many keys each node has of the multi-get under way.
    pub(super) under_way: Vec<(NodeIndex, usize)>,
    pub(super) buffer: Vec<u8>,
    /// Swaps that were done: every few of them, the used token is tried once more.
    pub(super) swaps: u32,
}

/// What a ticket came to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Done {
    pub(super) outcome: Outcome,
    pub(super) trace: Trace,
}

/// What one node had to do with a multi-get.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part {
    pub(super) done: Done,
    pub(super) keys: KeyCounts<u16>,
}

impl Hands {
    /// Does what the draft says and judges the answer.
    pub(super) async fn perform(&mut self, draft: Draft) -> Done {
        let slot = draft.slot;
        if let Cache::Service(service) = &self.cache {
            let service = service.clone();
            return self.request(&service, slot).await;
        }
        if !self.reads_back && self.draws_border(draft.operation) {
            return self.at_the_border(draft.operation).await;
        }
        match draft.operation {
            Operation::Get => self.get(slot).await,
            Operation::Gat => self.gat(slot).await,
            Operation::MultiGet => self.multi_get(slot).await,
            Operation::Set | Operation::Add | Operation::Replace => {
                self.store(draft.operation, slot).await
            }
            Operation::Delete => self.delete(slot).await,
            Operation::Touch => self.touch(slot).await,
            Operation::Incr => self.count(slot, 1).await,
            Operation::Decr => self.count(slot, -1).await,
            Operation::Cas => self.swap(slot).await,
            Operation::Append => self.record(slot, true).await,
            Operation::Prepend => self.record(slot, false).await,
        }
    }

    fn key(&self, slot: Slot) -> Key {
        self.oracle.keyspace().key(slot).clone()
    }

    fn home(&self, slot: Slot) -> NodeIndex {
        self.oracle.keyspace().home(slot)
    }

    /// How long the next value is to live.
    fn draw_life(&mut self) -> Life {
        self.drafter.draw_life(&self.lives)
    }

    /// How a client is told this life now.
    fn expiry(&self, life: Life) -> Ttl {
        life.ttl(self.clock.started_at().after(self.clock.now().as_duration()))
    }
}

impl std::fmt::Debug for Hands {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hands").field("drafter", &self.drafter).finish_non_exhaustive()
    }
}

/// The outcome of a read that got no answer: nothing can be in doubt.
const fn read_failed(failure: Failure) -> Outcome {
    match failure {
        Failure::Shed => Outcome::Shed,
        Failure::Error(class) | Failure::Indeterminate(class) => Outcome::Error(class),
    }
}

/// The outcome of a write that got no answer.
const fn write_failed(failure: Failure) -> Outcome {
    match failure {
        Failure::Shed => Outcome::Shed,
        Failure::Error(class) => Outcome::Error(class),
        Failure::Indeterminate(class) => Outcome::Indeterminate(class),
    }
}

/// When a call was over.
fn over(trace: &Trace, clock: &RunClock) -> Offset {
    trace.answered.map_or_else(|| clock.now(), |answered| clock.offset(answered))
}

fn source(trace: &Trace) -> Source {
    Source { served_by: trace.served_by, connection: trace.connection, asked: None }
}

/// The same, with when it was asked.
fn asked(trace: &Trace, clock: &RunClock) -> Source {
    Source { asked: trace.sent.map(|sent| clock.offset(sent)), ..source(trace) }
}

/// Adds a further call of the same ticket: times add up, the last answer counts.
fn join(total: &mut Trace, part: &Trace) {
    total.served_by = part.served_by.or(total.served_by);
    total.sent = total.sent.or(part.sent);
    total.answered = part.answered;
    total.connection_wait += part.connection_wait;
    total.attempts += part.attempts;
    total.requests += part.requests;
    total.needed += part.needed;
    total.connection = part.connection.or(total.connection);
}
