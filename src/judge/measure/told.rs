//! What the wire tells of the nodes that were broken, whoever the client is. Of several nodes the worst.

use super::{Facts, Measure, Reading};
use crate::base::family::Unit;
use crate::judge::ToldNode;

const NOBODY: &str = "no proxy looked at a node that was broken";

/// The worst of all nodes: what never came is worse than anything, and what is not known of one of them is
/// not known.
fn worst(facts: &Facts<'_>, of: impl Fn(&ToldNode) -> &Reading) -> Reading {
    let rank = |reading: &Reading| match reading {
        Reading::Never { .. } => 2,
        Reading::Unknown(_) => 1,
        _ => 0,
    };
    let told = all(facts, of);
    told.max_by(|a, b| rank(a).cmp(&rank(b)).then(value(a).total_cmp(&value(b))))
        .unwrap_or_else(nobody)
}

/// The largest of all nodes of which it is known: it is the client's own, and any node shows it.
fn largest(facts: &Facts<'_>, of: impl Fn(&ToldNode) -> &Reading) -> Reading {
    all(facts, of).max_by(|a, b| value(a).total_cmp(&value(b))).unwrap_or_else(nobody)
}

fn all(facts: &Facts<'_>, of: impl Fn(&ToldNode) -> &Reading) -> impl Iterator<Item = Reading> {
    let told = facts.analysis.told.iter();
    told.filter(|told| facts.summary.is_in(told.node, facts.nodes))
        .map(move |told| of(told).clone())
}

const fn value(reading: &Reading) -> f64 {
    match reading {
        Reading::Value { value, .. } => *value,
        _ => -1.0,
    }
}

fn nobody() -> Reading {
    Reading::Unknown(NOBODY.to_owned())
}

pub(crate) const GIVE_UP: Measure = Measure {
    name: "wire_give_up",
    summary: "how long the client waits for a reply before it closes the connection, as the wire shows it",
    unit: Unit::Seconds,
    counts_breaches: false,
    read: |facts| largest(facts, |told| &told.give_up),
};

pub(crate) const CONNECT_GIVE_UP: Measure = Measure {
    name: "wire_connect_give_up",
    summary: "how long the client keeps a connection on which it never says a word",
    unit: Unit::Seconds,
    counts_breaches: false,
    read: |facts| largest(facts, |told| &told.connect_give_up),
};

pub(crate) const DEAD_TIME: Measure = Measure {
    name: "wire_dead_time",
    summary: "the longest time for which the client leaves a broken node alone",
    unit: Unit::Seconds,
    counts_breaches: false,
    read: |facts| worst(facts, |told| &told.dead_time),
};

pub(crate) const PROBE_RATE: Measure = Measure {
    name: "wire_probe_rate",
    summary: "connects and requests a second to a broken node, after its first second",
    unit: Unit::PerSecond,
    counts_breaches: false,
    read: |facts| worst(facts, |told| &told.probe_rate),
};

pub(crate) const RESENDS: Measure = Measure {
    name: "wire_resend_ratio",
    summary: "the share of requests without an answer that come again, on whatever connection",
    unit: Unit::Ratio,
    counts_breaches: false,
    read: |facts| largest(facts, |told| &told.resends),
};

pub(crate) const KEYS_MOVED: Measure = Measure {
    name: "wire_keys_moved_ratio",
    summary: "the share of requests for a faulty node's keys that another node is asked for",
    unit: Unit::Ratio,
    counts_breaches: false,
    read: |facts| worst(facts, |told| &told.keys_moved),
};

pub(crate) const FIRST_REQUEST: Measure = Measure {
    name: "wire_first_request",
    summary: "from the heal until the node is asked again",
    unit: Unit::Seconds,
    counts_breaches: false,
    read: |facts| worst(facts, |told| &told.first_request),
};

pub(crate) const FIRST_REPLY: Measure = Measure {
    name: "wire_first_reply",
    summary: "from the heal until the client has a reply of the node again",
    unit: Unit::Seconds,
    counts_breaches: false,
    read: |facts| worst(facts, |told| &told.first_reply),
};

pub(crate) const SUSTAINED: Measure = Measure {
    name: "wire_sustained",
    summary: "from the heal to the first second with 90% of the node's steady replies",
    unit: Unit::Seconds,
    counts_breaches: false,
    read: |facts| worst(facts, |told| &told.sustained),
};

pub(crate) const CONNECT_PEAK: Measure = Measure {
    name: "wire_connect_peak",
    summary: "the most connects to a faulty node in a second, from the fault on",
    unit: Unit::PerSecond,
    counts_breaches: false,
    read: |facts| worst(facts, |told| &told.connect_peak),
};

pub(crate) const RECONNECTS: Measure = Measure {
    name: "wire_reconnects_after_return",
    summary: "connects a second that go on long after the heal, beyond twice the usual",
    unit: Unit::PerSecond,
    counts_breaches: false,
    read: |facts| worst(facts, |told| &told.reconnects),
};

/// All of them.
pub(crate) static ALL: [&Measure; 11] = [
    &GIVE_UP,
    &CONNECT_GIVE_UP,
    &DEAD_TIME,
    &PROBE_RATE,
    &RESENDS,
    &KEYS_MOVED,
    &FIRST_REQUEST,
    &FIRST_REPLY,
    &SUSTAINED,
    &CONNECT_PEAK,
    &RECONNECTS,
];
