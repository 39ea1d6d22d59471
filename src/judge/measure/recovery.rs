//! How long it took after the heal.

use std::time::Duration;

use super::{Facts, Measure, Reading};
use crate::base::family::Unit;
use crate::event::Phase;
use crate::judge::Recovered;
use crate::judge::recovery::has_faults;
use crate::judge::refilled::too_few_reads;
use crate::record::NodeGroup;

const NOTHING_SERVED: &str = "the node served nothing";

pub(crate) const TIME_TO_RECOVER: Measure = Measure {
    name: "time_to_recover",
    summary: "from the heal until every second stays as good as before the fault",
    unit: Unit::Seconds,
    counts_breaches: false,
    read: |facts| match &facts.analysis.recovery.recovered {
        Recovered::Yes(time) => {
            let earliest = facts.analysis.recovery.earliest.unwrap_or(*time);
            let samples = recovered_operations(facts);
            Reading::between(earliest.as_secs_f64(), time.as_secs_f64(), samples)
        }
        other => back(facts, other, "it did not recover"),
    },
};

pub(crate) const FIRST_SUCCESS: Measure = Measure {
    name: "first_success",
    summary: "from the heal until the faulty node served its first good operation",
    unit: Unit::Seconds,
    counts_breaches: false,
    read: |facts| match (facts.analysis.recovery.first_success, &facts.analysis.recovery.recovered)
    {
        (Some(time), _) => value(facts, time),
        (None, Recovered::Yes(_)) => never(facts, NOTHING_SERVED),
        (None, other) => back(facts, other, NOTHING_SERVED),
    },
};

pub(crate) const HIT_RECOVERY: Measure = Measure {
    name: "hit_recovery",
    summary: "from the heal until the hit ratio of the faulty nodes' keys is back",
    unit: Unit::Seconds,
    counts_breaches: false,
    read: |facts| {
        let hits = back(facts, &facts.analysis.recovery.hits, "the hit ratio did not return");
        let Reading::Value { value, samples } = hits else { return hits };
        let few = too_few_reads(facts.summary, Some(Duration::from_secs_f64(value)));
        match few {
            Some(doubt) => Reading::Between { least: 0.0, most: value, samples, doubt },
            None => hits,
        }
    },
};

pub(crate) const STALE_TAIL: Measure = Measure {
    name: "stale_tail",
    summary: "from the heal until the last stale read",
    unit: Unit::Seconds,
    counts_breaches: false,
    read: |facts| back(facts, &facts.analysis.recovery.fresh, "stale reads went on"),
};

pub(crate) const RELAPSES: Measure = Measure {
    name: "relapses",
    summary: "how often it got bad again after it had been good",
    unit: Unit::Count,
    counts_breaches: true,
    read: |facts| match facts.analysis.recovery.relapses {
        Some(relapses) => Reading::count(relapses, recovered_operations(facts)),
        None => not_asked(facts),
    },
};

/// One dimension of the recovery, or `what` never came about.
fn back(facts: &Facts<'_>, recovered: &Recovered, what: &str) -> Reading {
    match recovered {
        Recovered::Yes(time) => value(facts, *time),
        Recovered::No => never(facts, what),
        Recovered::NotBefore(time, why) => Reading::Never {
            what: format!("{what} within {:.1} s; later, {why}", time.as_secs_f64()),
            looked: time.as_secs_f64(),
            samples: recovered_operations(facts),
        },
        Recovered::Unknown(why) => Reading::Unknown(why.clone()),
        Recovered::NotAsked => not_asked(facts),
    }
}

fn value(facts: &Facts<'_>, time: Duration) -> Reading {
    Reading::Value { value: time.as_secs_f64(), samples: recovered_operations(facts) }
}

fn never(facts: &Facts<'_>, what: &str) -> Reading {
    let examined = facts.analysis.recovery.examined.as_secs_f64();
    let what = format!("{what} within {examined:.1} s");
    Reading::Never { what, looked: examined, samples: recovered_operations(facts) }
}

fn recovered_operations(facts: &Facts<'_>) -> u64 {
    let of_nodes = facts.summary.tells_nodes();
    let group = if of_nodes { NodeGroup::Faulty } else { NodeGroup::All };
    facts.summary.tally(Some(Phase::Recovery), group).counts.offered()
}

fn not_asked(facts: &Facts<'_>) -> Reading {
    let why = match has_faults(facts.summary) {
        false => "no fault was applied",
        true if facts.summary.phase(Phase::Recovery).is_none() => {
            "the run ended before the recovery phase"
        }
        true => "no node that the faults touch was asked before them",
    };
    Reading::Unknown(why.to_owned())
}
