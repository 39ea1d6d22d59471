//! What operations came to.

use super::{Facts, Measure, Reading};
use crate::base::family::Unit;
use crate::event::Outcome;
use crate::judge::stall;
use crate::record::ratio;

pub(crate) const ERROR_RATIO: Measure = Measure {
    name: "error_ratio",
    summary: "failed, shed, indeterminate, hung and lost operations over offered ones",
    unit: Unit::Ratio,
    counts_breaches: false,
    read: |facts| {
        let counts = facts.tally().counts;
        let calm = stall::calm_counts(facts.summary, facts.phase, |node| {
            facts.summary.is_in(node, facts.nodes)
        });
        let calm = calm.and_then(|calm| calm.error_ratio());
        Reading::share_between(calm, counts.error_ratio(), counts.offered())
    },
};

pub(crate) const AVAILABILITY: Measure = Measure {
    name: "availability",
    summary: "good operations over offered ones",
    unit: Unit::Ratio,
    counts_breaches: false,
    read: |facts| {
        let counts = facts.tally().counts;
        Reading::share(counts.availability_ratio(), counts.offered())
    },
};

pub(crate) const SHED_RATIO: Measure = Measure {
    name: "shed_ratio",
    summary: "operations rejected at once over offered ones",
    unit: Unit::Ratio,
    counts_breaches: false,
    read: |facts| {
        let counts = facts.tally().counts;
        Reading::share(ratio(counts.of(Outcome::Shed), counts.offered()), counts.offered())
    },
};

pub(crate) const HIT_RATIO: Measure = Measure {
    name: "hit_ratio",
    summary: "reads that found their value over reads that said hit or miss",
    unit: Unit::Ratio,
    counts_breaches: false,
    read: |facts| {
        let counts = facts.tally().counts;
        Reading::share(counts.hit_ratio(), counts.reads())
    },
};

pub(crate) const KEYS_SERVED_RATIO: Measure = Measure {
    name: "keys_served_ratio",
    summary: "keys of multi-gets that were found or truly absent, over those asked for; each at its own node",
    unit: Unit::Ratio,
    counts_breaches: false,
    read: |facts| {
        let keys = facts.tally().keys;
        let share = |served| ratio(served, keys.asked());
        match share(keys.served()).zip(share(keys.served() + keys.unknown)) {
            // What the client does not tell may be either.
            Some((least, most)) => Reading::between(least, most, keys.asked()),
            None => Reading::Unknown("no keys were asked for together".to_owned()),
        }
    },
};

pub(crate) const LOST_SLOTS: Measure = Measure {
    name: "lost_slots",
    summary: "operations that were due and never issued, because no worker was free",
    unit: Unit::Count,
    counts_breaches: true,
    read: |facts| count(facts, Outcome::LostSlot),
};

pub(crate) const HUNG: Measure = Measure {
    name: "hung",
    summary: "operations that did not end within three times their deadline",
    unit: Unit::Count,
    counts_breaches: true,
    read: |facts| count(facts, Outcome::Hung),
};

pub(crate) const ATTEMPTS_PER_OPERATION: Measure = Measure {
    name: "attempts_per_operation",
    summary: "how often operations were tried, in the mean; each read and store of a cas counts",
    unit: Unit::Number,
    counts_breaches: false,
    read: |facts| {
        let tally = facts.tally();
        let operations = tally.counts.operations();
        Reading::share(ratio(tally.attempts, operations), operations)
    },
};

fn count(facts: &Facts<'_>, outcome: Outcome) -> Reading {
    let counts = facts.tally().counts;
    Reading::count(counts.of(outcome), counts.offered())
}
