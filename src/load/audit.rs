//! What can only be checked when nothing is under way any more: counters, registers and logs
//! against what was acknowledged.

use std::time::Duration;

use tokio::time::Instant;

use super::keyspace::{Slot, Space};
use super::oracle::{Oracle, Source};
use crate::base::time::RunClock;
use crate::client::Client;

/// How long an audit may take. A node that is still broken must not hold up the report; what was
/// not reached is counted as unaudited.
const AUDIT_TIME_MAX: Duration = Duration::from_secs(3);

/// How much was checked at the end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Audit {
    /// Keys that were read and checked.
    pub audited: u64,
    /// Keys that could not be read, or not in time. Nothing is known about them.
    pub unaudited: u64,
}

/// Reads every key that has something to be checked.
pub(super) async fn run(client: &Client, oracle: &Oracle, clock: RunClock) -> Audit {
    let deadline = Instant::now() + AUDIT_TIME_MAX;
    let mut audit = Audit::default();
    for space in [Space::Counters, Space::Registers, Space::Logs] {
        for slot in oracle.keyspace().slots(space) {
            if !oracle.is_auditable(space, slot) {
                continue;
            }
            let read = tokio::time::timeout_at(deadline, check(client, oracle, clock, space, slot));
            if read.await == Ok(true) {
                audit.audited += 1;
            } else {
                audit.unaudited += 1;
            }
        }
    }
    audit
}

/// Reads one key; `false` when there was no answer, or none from its home.
async fn check(
    client: &Client,
    oracle: &Oracle,
    clock: RunClock,
    space: Space,
    slot: Slot,
) -> bool {
    let call = client.get(oracle.keyspace().key(slot)).await;
    let source = Source { served_by: call.trace.served_by, connection: call.trace.connection };
    let Ok(item) = call.result else { return false };
    if !oracle.is_home(slot, source) {
        return false;
    }
    let (value, now) = (item.map(|item| item.value), clock.now());
    match (space, value) {
        (Space::Values, _) => {}
        (Space::Counters, None) => oracle.counter_missing(slot, source, now),
        (Space::Registers, None) => oracle.register_missing(slot, source, now),
        (Space::Logs, None) => oracle.log_missing(slot, source, now),
        (Space::Counters, Some(value)) => oracle.audit_counter(slot, &value, source, now),
        (Space::Registers, Some(value)) => oracle.audit_register(slot, &value, source, now),
        (Space::Logs, Some(value)) => oracle.audit_log(slot, &value, source, now),
    }
    true
}
