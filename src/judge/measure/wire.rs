//! What the proxies saw.

use super::{Facts, Measure, Reading};
use crate::base::family::Unit;
use crate::judge::strain;

/// Why a wire measure has no value.
const NOT_WATCHED: &str = "no proxy counted it";

/// Why nothing is known about attempts to connect.
const NOT_DIALLED: &str = "nobody counted the attempts to connect";

pub(super) const REQUEST_AMPLIFICATION: Measure = Measure {
    name: "request_amplification",
    summary: "requests on the wire over requests that the operations needed",
    unit: Unit::Number,
    counts_breaches: false,
    read: |facts| {
        let value = strain::amplification(facts.summary, facts.phase);
        Reading::known(
            value,
            facts.summary.tally(facts.phase, facts.nodes).needed_requests,
            NOT_WATCHED,
        )
    },
};

pub(super) const CONNECTS_PER_OPERATION: Measure = Measure {
    name: "connects_per_operation",
    summary: "attempts to connect, whether anybody took them or not, over operations",
    unit: Unit::Number,
    counts_breaches: false,
    read: |facts| {
        let value = strain::connects_per_operation(facts.summary, facts.phase);
        Reading::known(value, facts.offered(), NOT_DIALLED)
    },
};

pub(super) const CONNECT_PEAK: Measure = Measure {
    name: "connect_peak",
    summary: "the most connection attempts in a second",
    unit: Unit::PerSecond,
    counts_breaches: false,
    read: |facts| {
        Reading::known(facts.analysis.strain.connect_peak_per_s, facts.offered(), NOT_DIALLED)
    },
};

pub(super) const STORM_FACTOR: Measure = Measure {
    name: "storm_factor",
    summary: "the most connection attempts in a second after the heal, over the steady pool",
    unit: Unit::Number,
    counts_breaches: false,
    read: |facts| Reading::known(facts.analysis.strain.storm_factor, facts.offered(), NOT_DIALLED),
};

pub(super) const WIRE_COUNT_DIFFERENCE: Measure = Measure {
    name: "wire_count_difference",
    summary: "requests that the client wrote and the proxies did not see, or the reverse",
    unit: Unit::Count,
    counts_breaches: true,
    read: difference,
};

pub(super) const DIRTY_REUSE: Measure = Measure {
    name: "dirty_reuse",
    summary: "requests on a connection that still owed an earlier reply",
    unit: Unit::Count,
    counts_breaches: true,
    read: |facts| {
        let mut wire = facts.summary.wire(facts.phase).peekable();
        if wire.peek().is_none() {
            return Reading::Unknown(NOT_WATCHED.to_owned());
        }
        Reading::count(wire.map(|wire| wire.dirty_reuse).sum(), facts.offered())
    },
};

/// Over the whole run, the warm-up included: neither side counts from a later moment.
fn difference(facts: &Facts<'_>) -> Reading {
    let inputs = &facts.summary.inputs;
    let sent: Option<u64> = inputs.nodes.iter().map(|node| node.requests_sent).sum();
    let (Some(sent), false) = (sent, inputs.wire.is_empty() || inputs.nodes.is_empty()) else {
        return Reading::Unknown(NOT_WATCHED.to_owned());
    };
    let seen: u64 = inputs.wire.iter().map(|wire| wire.requests).sum();
    Reading::count(sent.abs_diff(seen), sent)
}
