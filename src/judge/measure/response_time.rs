//! From the intended start to the end, and how fast a rejection is.

use super::{Facts, Measure, Reading};
use crate::base::family::Unit;
use crate::judge::stall;
use crate::record::Latency;

pub(crate) const P50: Measure = Measure {
    name: "response_time_p50",
    summary: "the median, from the intended start",
    unit: Unit::Microseconds,
    counts_breaches: false,
    read: |facts| quantile(facts, 0.5),
};

pub(crate) const P95: Measure = Measure {
    name: "response_time_p95",
    summary: "95 % took at most this long, from the intended start",
    unit: Unit::Microseconds,
    counts_breaches: false,
    read: |facts| quantile(facts, 0.95),
};

pub(crate) const P99: Measure = Measure {
    name: "response_time_p99",
    summary: "99 % took at most this long, from the intended start",
    unit: Unit::Microseconds,
    counts_breaches: false,
    read: |facts| quantile(facts, 0.99),
};

pub(crate) const MAX: Measure = Measure {
    name: "response_time_max",
    summary: "the longest, from the intended start",
    unit: Unit::Microseconds,
    counts_breaches: true,
    read: |facts| match measured(facts, longest) {
        Reading::Value { value, samples } => without_stalls(facts, value, samples),
        unknown => unknown,
    },
};

/// What a bound on every operation needs is known in a closed loop as well: when it was issued.
pub(crate) const OPERATION_MAX: Measure = Measure {
    name: "operation_time_max",
    summary: "the longest, from the intended start, in a closed loop from when it was issued",
    unit: Unit::Microseconds,
    counts_breaches: true,
    read: |facts| {
        let response = facts.tally().response;
        match longest(&response) {
            Some(value) => without_stalls(facts, value, response.count()),
            None => Reading::share(None, 0),
        }
    },
};

pub(crate) const FAST_FAIL_P99: Measure = Measure {
    name: "fast_fail_p99",
    summary: "99 % of the shed operations were rejected within this time",
    unit: Unit::Microseconds,
    counts_breaches: false,
    read: |facts| {
        let shed = facts.tally().fast_fail;
        Reading::known(micros(shed.quantile_us(0.99)), shed.count(), "nothing was shed")
    },
};

/// The longest, `value`, and how long it was at least, whatever the machine did.
fn without_stalls(facts: &Facts<'_>, value: f64, samples: u64) -> Reading {
    let wanted = |node| facts.summary.is_in(node, facts.nodes);
    let least = stall::longest_without(facts.summary, facts.phase, wanted);
    Reading::between(least.unwrap_or(value), value, samples)
}

fn quantile(facts: &Facts<'_>, quantile: f64) -> Reading {
    measured(facts, |response| micros(response.quantile_us(quantile)))
}

fn longest(latency: &Latency) -> Option<f64> {
    latency.max().map(|max| max.as_secs_f64() * 1e6)
}

fn measured(facts: &Facts<'_>, value: impl Fn(&Latency) -> Option<f64>) -> Reading {
    if !facts.summary.config.open_loop {
        let why = "a closed loop has no intended starts, hence no response times";
        return Reading::Unknown(why.to_owned());
    }
    let response = facts.tally().response;
    Reading::share(value(&response), response.count())
}

#[expect(clippy::cast_precision_loss, reason = "latencies are far below 2^53 us")]
fn micros(us: Option<u64>) -> Option<f64> {
    us.map(|us| us as f64)
}
