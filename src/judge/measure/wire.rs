//! What the proxies saw.

use super::{Facts, Measure, Reading};
use crate::base::family::Unit;
use crate::judge::strain;
use crate::record::WireCounts;

/// Why a wire measure has no value.
const NOT_WATCHED: &str = "no proxy counted it";
const NOT_OURS: &str = "the proxies saw the load of members that are not counted, too";
const NOT_READ: &str = "some connections could not be read as memcached's";

/// Why nothing is known about attempts to connect.
const NOT_DIALLED: &str = "nobody counted the attempts to connect";

pub(crate) const REQUEST_AMPLIFICATION: Measure = Measure {
    name: "request_amplification",
    summary: "requests on the wire over requests that the operations needed",
    unit: Unit::Number,
    counts_breaches: false,
    read: |facts| {
        let value = strain::amplification(facts.summary, facts.phase);
        Reading::known(
            value,
            facts.summary.tally(facts.phase, facts.nodes).needed_requests,
            if facts.summary.wire_is_of_these_calls() { NOT_WATCHED } else { NOT_OURS },
        )
    },
};

pub(crate) const CONNECTS_PER_OPERATION: Measure = Measure {
    name: "connects_per_operation",
    summary: "attempts to connect, whether anybody took them or not, over operations",
    unit: Unit::Number,
    counts_breaches: false,
    read: |facts| {
        let value = strain::connects_per_operation(facts.summary, facts.phase);
        Reading::known(value, facts.offered(), NOT_DIALLED)
    },
};

pub(crate) const CONNECT_PEAK: Measure = Measure {
    name: "connect_peak",
    summary: "the most connection attempts in a second",
    unit: Unit::PerSecond,
    counts_breaches: false,
    read: |facts| {
        Reading::known(facts.analysis.strain.connect_peak_per_s, facts.offered(), NOT_DIALLED)
    },
};

pub(crate) const STORM_FACTOR: Measure = Measure {
    name: "storm_factor",
    summary: "the most connection attempts in a second after the heal, over the steady pool",
    unit: Unit::Number,
    counts_breaches: false,
    read: |facts| Reading::known(facts.analysis.strain.storm_factor, facts.offered(), NOT_DIALLED),
};

pub(crate) const WIRE_COUNT_DIFFERENCE: Measure = Measure {
    name: "wire_count_difference",
    summary: "requests that only the client or only the proxies counted, beyond those never answered",
    unit: Unit::Count,
    counts_breaches: true,
    read: difference,
};

/// Why nobody can say whether a connection was used too early.
pub(crate) const MAY_PIPELINE: &str = "a client may send a request before it has the reply to the last on purpose, and the wire does not \
     tell; say `pipelines = false` in its file where it never does";

pub(crate) const DIRTY_REUSE: Measure = Measure {
    name: "dirty_reuse",
    summary: "requests on a connection that still owed an earlier reply",
    unit: Unit::Count,
    counts_breaches: true,
    read: |facts| {
        let may_pipeline = facts.summary.may_pipeline().then_some(MAY_PIPELINE);
        counted(facts, may_pipeline, |wire| wire.dirty_reuse)
    },
};

pub(crate) const MALFORMED_REQUESTS: Measure = Measure {
    name: "malformed_requests",
    summary: "requests that a node answered as unknown or malformed: ERROR and CLIENT_ERROR",
    unit: Unit::Count,
    counts_breaches: true,
    read: |facts| counted(facts, None, |wire| wire.malformed),
};

/// What the proxies counted, unless something keeps anybody from telling.
fn counted(
    facts: &Facts<'_>,
    untold: Option<&str>,
    read: fn(&WireCounts) -> Option<u64>,
) -> Reading {
    let mut wire = facts.summary.wire(facts.phase).peekable();
    if wire.peek().is_none() {
        return Reading::Unknown(NOT_WATCHED.to_owned());
    }
    if let Some(why) = untold {
        return Reading::Unknown(why.to_owned());
    }
    match wire.map(read).sum::<Option<u64>>() {
        Some(count) => Reading::count(count, facts.offered()),
        None => Reading::Unknown(NOT_READ.to_owned()),
    }
}

pub(crate) const LIST_KEYS_MOVED: Measure = Measure {
    name: "list_keys_moved_ratio",
    summary: "of all keys, the largest share that a change of the list of nodes has moved to another one",
    unit: Unit::Ratio,
    counts_breaches: false,
    read: |facts| {
        let subject = facts.summary.inputs.subject.as_ref();
        let moved = subject.and_then(|subject| subject.list_keys_moved_ratio);
        Reading::known(moved, facts.offered(), "no list changed, or nobody knows where keys are")
    },
};

pub(crate) const MISSES_UNANSWERED: Measure = Measure {
    name: "misses_unanswered",
    summary: "misses that no node has answered: errors that the client tells as misses",
    unit: Unit::Count,
    counts_breaches: true,
    read: |facts| {
        let subject = facts.summary.inputs.subject.as_ref();
        match subject.and_then(|subject| subject.misses_unanswered) {
            Some(count) => Reading::count(count, facts.offered()),
            None => Reading::Unknown("nobody looked whether a node was asked".to_owned()),
        }
    },
};

/// Over the whole run, the warm-up included: neither side counts from a later moment. What was written
/// to a connection that ended unanswered may have been lost on the way; nothing else may differ.
fn difference(facts: &Facts<'_>) -> Reading {
    let inputs = &facts.summary.inputs;
    let sent: Option<u64> = inputs.nodes.iter().map(|node| node.requests_sent).sum();
    let (Some(sent), false) = (sent, inputs.wire.is_empty() || inputs.nodes.is_empty()) else {
        return Reading::Unknown(NOT_WATCHED.to_owned());
    };
    if !facts.summary.wire_is_of_these_calls() {
        return Reading::Unknown(NOT_OURS.to_owned());
    }
    let differences = inputs.nodes.iter().enumerate().map(|(position, node)| {
        let of_node = inputs.wire.iter().filter(|wire| wire.node.position() == position);
        let seen: u64 = of_node.map(|wire| wire.requests).sum();
        let sent = node.requests_sent.unwrap_or(0);
        let lost = sent.saturating_sub(seen);
        seen.saturating_sub(sent) + lost.saturating_sub(node.requests_unanswered)
    });
    Reading::count(differences.sum(), sent)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::SubjectFacts;
    use crate::judge::Analysis;
    use crate::record::NodeGroup;
    use crate::record::synthetic::{Story, usual};

    /// What a run differs by in which the client wrote so much more to two of the nodes than their
    /// proxies saw (or less), and so much of it was never answered.
    fn differs_by(written_more: [i64; 2], unanswered: [u64; 2]) -> Reading {
        let mut summary = Story::default().tell(usual);
        for (position, more) in written_more.into_iter().enumerate() {
            let node = &mut summary.inputs.nodes[position];
            node.requests_sent = node.requests_sent.map(|sent| sent.saturating_add_signed(more));
            node.requests_unanswered = unanswered[position];
        }
        let analysis = Analysis::of(&summary);
        let (phase, nodes) = (None, NodeGroup::All);
        difference(&Facts { summary: &summary, analysis: &analysis, phase, nodes })
    }

    /// Catches requests that were written to closing sockets and are taken for a fault of the harness,
    /// and a difference that they hide: the reverse of theirs, another node's, or more than they are.
    #[test]
    fn only_what_was_never_answered_may_be_missing() {
        let cases = [
            ([0, 0], [0, 0], 0),
            ([177, 0], [177, 0], 0),
            ([170, 0], [177, 0], 0),
            ([180, 0], [177, 0], 3),
            ([-5, 0], [177, 0], 5),
            ([0, 12], [177, 0], 12),
            ([-5, 5], [0, 0], 10),
        ];
        for (written_more, unanswered, expected) in cases {
            match differs_by(written_more, unanswered) {
                Reading::Value { value, .. } => {
                    assert!(
                        (value - f64::from(expected)).abs() < 1e-9,
                        "{written_more:?}: {value}"
                    );
                }
                other => panic!("{other:?}"),
            }
        }
    }

    /// Catches a client that pipelines and is blamed for it, one that waits for each reply and is not looked
    /// at, and a report that has a number where nobody can tell.
    #[test]
    fn who_may_pipeline_is_not_blamed() {
        for (kind, pipelines, told) in [
            ("builtin", None, true),
            ("driver", Some(false), true),
            ("driver", Some(true), false),
            ("driver", None, false),
            ("command", None, false),
        ] {
            let mut summary = Story::default().tell(usual);
            let kind = kind.to_owned();
            summary.inputs.subject =
                Some(SubjectFacts { kind, pipelines, ..SubjectFacts::default() });
            summary.inputs.wire[0].dirty_reuse = Some(1);
            let analysis = Analysis::of(&summary);
            let facts = Facts {
                summary: &summary,
                analysis: &analysis,
                phase: None,
                nodes: NodeGroup::All,
            };
            let reading = (DIRTY_REUSE.read)(&facts);
            assert_eq!(matches!(reading, Reading::Value { value: 1.0, .. }), told, "{reading:?}");
            let remarks = crate::judge::judge(&summary, &[]).reasons.join("\n");
            let blamed = remarks.contains("owed a reply");
            assert_eq!(blamed, told, "{remarks}");
        }
    }
}
