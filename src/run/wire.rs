//! What the proxies saw, phase by phase: differences between snapshots of their taps.

use std::collections::BTreeMap;

use crate::base::name::NodeIndex;
use crate::event::Phase;
use crate::lab::Lab;
use crate::proxy::{LatencyView, Reuse, TapSnapshot};
use crate::record::{ForeignTraffic, WireCounts, WireTimes, WireTotals};

/// Clients of others that a report names.
const STRANGERS_NAMED_MAX: usize = 8;

/// Takes a snapshot at every boundary of a phase. A phase that comes again is added to what it was.
#[derive(Debug, Default)]
pub(super) struct WireWatch {
    phase: Option<Phase>,
    taps: Vec<TapSnapshot>,
    seen: BTreeMap<(Phase, u16), Seen>,
}

/// What one proxy saw in one phase.
#[derive(Debug, Default)]
struct Seen {
    requests: u64,
    beside: u64,
    overlaps: u64,
    unread: u64,
    delivered: LatencyView,
    answered_late: LatencyView,
    never_answered: LatencyView,
}

impl Seen {
    fn add(&mut self, before: &TapSnapshot, now: &TapSnapshot) {
        // A tap starts again from zero when somebody replaces its proxy through the API.
        self.requests += now.requests().saturating_sub(before.requests());
        self.beside += beside(now).saturating_sub(beside(before));
        self.overlaps += now.reuse.overlapping.saturating_sub(before.reuse.overlapping);
        self.unread += now.opaque.saturating_sub(before.opaque);
        self.delivered.add(&now.wire_latency.since(&before.wire_latency));
        self.answered_late.add(&now.answered_late.since(&before.answered_late));
        self.never_answered.add(&now.never_answered.since(&before.never_answered));
    }

    fn counts(&self, phase: Phase, node: u16) -> WireCounts {
        WireCounts {
            phase,
            node: NodeIndex(node),
            requests: self.requests,
            operation_requests: self.requests.saturating_sub(self.beside),
            connect_peak: None,
            // The client of a run sends one request at a time and waits: every overlap is one.
            dirty_reuse: (self.overlaps > 0 || self.unread == 0).then_some(self.overlaps),
            delivered: times(&self.delivered),
            answered_late: times(&self.answered_late),
            never_answered: times(&self.never_answered),
        }
    }
}

impl WireWatch {
    /// `phase` begins: what passed until now belongs to the one before.
    pub(super) fn begin(&mut self, phase: Phase, lab: &Lab) {
        let taps = taps(lab);
        self.close(&taps);
        self.phase = Some(phase);
        self.taps = taps;
    }

    /// The run is over: every phase of every node, and what was seen over all of it, if anything looked.
    pub(super) fn finish(mut self, lab: &Lab) -> (Vec<WireCounts>, Option<WireTotals>) {
        let taps = taps(lab);
        self.close(&taps);
        let totals = (!taps.is_empty()).then(|| totals(&taps));
        let counts = |(&(phase, node), seen): (&(Phase, u16), &Seen)| seen.counts(phase, node);
        (self.seen.iter().map(counts).collect(), totals)
    }

    fn close(&mut self, now: &[TapSnapshot]) {
        let Some(phase) = self.phase else { return };
        for (node, (before, now)) in (0_u16..).zip(self.taps.iter().zip(now)) {
            self.seen.entry((phase, node)).or_default().add(before, now);
        }
    }
}

/// Requests that each proxy has had until now.
pub(super) fn requests(lab: &Lab) -> Vec<u64> {
    taps(lab).iter().map(TapSnapshot::requests).collect()
}

fn taps(lab: &Lab) -> Vec<TapSnapshot> {
    if !lab.has_taps() {
        return Vec::new();
    }
    // A proxy that somebody deleted through the API counts nothing any more.
    let tap = |name: String| lab.proxies().tap(&name).unwrap_or_default();
    lab.info().iter().map(|info| tap(info.node.to_string())).collect()
}

/// Requests that are part of no operation, or that belong to a batch and are counted with its end.
fn beside(tap: &TapSnapshot) -> u64 {
    tap.pings + tap.quiet_reads
}

fn times(view: &LatencyView) -> WireTimes {
    let us = |share| {
        let latency = view.quantile(share).as_micros();
        (view.count() > 0).then(|| u64::try_from(latency).unwrap_or(u64::MAX))
    };
    WireTimes { count: view.count(), p50: us(0.5), p95: us(0.95), p99: us(0.99), max: us(1.0) }
}

fn totals(taps: &[TapSnapshot]) -> WireTotals {
    let mut reuse = Reuse::default();
    taps.iter().for_each(|tap| reuse.add(tap.reuse));
    let told = reuse.overlaps_after_silence();
    WireTotals {
        overlaps: reuse.overlaps(),
        overlaps_after_silence: told.ok(),
        overlaps_after_silence_reason: told.err().map(str::to_owned),
        pipelining: reuse.pipelining().map(|how| how.name().to_owned()),
        refused: taps.iter().map(|tap| tap.refused).sum(),
        foreign: taps.iter().filter_map(|tap| tap.foreign.as_ref()).fold(None, |all, one| {
            let mut all: ForeignTraffic = all.unwrap_or_default();
            all.connections += one.connections;
            all.requests += one.requests;
            let room = STRANGERS_NAMED_MAX.saturating_sub(all.clients.len());
            all.clients.extend(one.clients.iter().take(room).map(ToString::to_string));
            Some(all)
        }),
    }
}
