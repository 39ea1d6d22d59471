//! What the proxies saw, phase by phase: differences between snapshots of their taps.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::base::name::NodeIndex;
use crate::base::time::{Offset, RunClock};
use crate::event::Phase;
use crate::lab::Lab;
use crate::proxy::{
    Asked, AskedCounts, LatencyView, PieceCounts, Reuse, TapSnapshot, TimelineView,
};
use crate::record::{
    ForeignTraffic, WireAsked, WireCounts, WireNode, WirePiece, WirePieces, WireTimes, WireTotals,
};

/// Clients of others that a report names.
const STRANGERS_NAMED_MAX: usize = 8;

/// Takes a snapshot at every boundary of a phase. A phase that comes again is added to what it was.
#[derive(Debug)]
pub(super) struct WireWatch {
    asked: Arc<Asked>,
    phase: Option<Phase>,
    taps: Vec<(TapSnapshot, AskedCounts)>,
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
    given_up: LatencyView,
    silent: LatencyView,
    connects: u64,
    malformed: u64,
    at_home: u64,
    elsewhere: u64,
}

impl Seen {
    fn add(&mut self, before: &TapSnapshot, now: &TapSnapshot) {
        self.requests += now.requests().saturating_sub(before.requests());
        self.beside += beside(now).saturating_sub(beside(before));
        self.overlaps += now.reuse.overlapping.saturating_sub(before.reuse.overlapping);
        self.unread += now.opaque.saturating_sub(before.opaque);
        self.delivered.add(&now.wire_latency.since(&before.wire_latency));
        self.answered_late.add(&now.answered_late.since(&before.answered_late));
        self.never_answered.add(&now.never_answered.since(&before.never_answered));
        self.given_up.add(&now.given_up.since(&before.given_up));
        self.silent.add(&now.silent.since(&before.silent));
        self.malformed += malformed(now).saturating_sub(malformed(before));
        self.connects += now.opened.saturating_sub(before.opened);
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
            malformed: (self.malformed > 0 || self.unread == 0).then_some(self.malformed),
            delivered: times(&self.delivered),
            answered_late: times(&self.answered_late),
            never_answered: times(&self.never_answered),
            given_up: times(&self.given_up),
            connects: self.connects,
        }
    }
}

impl WireWatch {
    /// Looks at the proxies of a lab from the beginning of a run on, for about so long.
    pub(super) fn start(lab: &Lab, clock: &RunClock, planned: Duration) -> Self {
        let asked = lab.proxies().watch(clock.started(), planned);
        Self { asked, phase: None, taps: Vec::new(), seen: BTreeMap::new() }
    }

    /// `phase` begins: what passed until now belongs to the one before.
    pub(super) fn begin(&mut self, phase: Phase, lab: &Lab) {
        if phase == Phase::Fault {
            self.asked.settle();
        }
        let taps = self.look(lab);
        self.close(&taps);
        self.phase = Some(phase);
        self.taps = taps;
    }

    fn look(&self, lab: &Lab) -> Vec<(TapSnapshot, AskedCounts)> {
        let asked = |node| self.asked.counts(NodeIndex(node));
        taps(lab).into_iter().zip((0..).map(asked)).collect()
    }

    /// What the proxies had seen when the phase began that goes on.
    pub(super) fn taps(&self) -> Vec<TapSnapshot> {
        self.taps.iter().map(|(tap, _)| tap.clone()).collect()
    }

    /// The run is over: all that was seen.
    pub(super) fn finish(mut self, lab: &Lab) -> Watched {
        let taps = self.look(lab);
        self.close(&taps);
        let timeline = |name: String| lab.proxies().timeline(&name).unwrap_or_default();
        let nodes = lab.info().iter().take(taps.len());
        let nodes =
            nodes.map(|info| self.node(info.node, timeline(info.node.to_string()))).collect();
        let taps: Vec<TapSnapshot> = taps.into_iter().map(|(tap, _)| tap).collect();
        let totals = (!taps.is_empty()).then(|| totals(&taps));
        let counts = |(&(phase, node), seen): (&(Phase, u16), &Seen)| seen.counts(phase, node);
        Watched { counts: self.seen.iter().map(counts).collect(), totals, nodes, taps }
    }

    /// What was seen of one node between the warm-up and the drain, and when.
    fn node(&self, node: NodeIndex, timeline: TimelineView) -> WireNode {
        let judged = |phase| !matches!(phase, Phase::Warmup | Phase::Drain);
        let seen = self.seen.iter().filter(|((phase, of), _)| judged(*phase) && *of == node.0);
        let (mut given_up, mut silent) = (LatencyView::default(), LatencyView::default());
        for (_, seen) in seen {
            given_up.add(&seen.given_up);
            silent.add(&seen.silent);
        }
        let AskedCounts { unanswered, unanswered_again, answered, answered_again, .. } =
            self.asked.counts(node);
        let fault = self.seen.get(&(Phase::Fault, node.0));
        WireNode {
            node,
            given_up: times(&given_up),
            silent: times(&silent),
            asked: WireAsked {
                at_home: fault.map_or(0, |seen| seen.at_home),
                elsewhere: fault.map_or(0, |seen| seen.elsewhere),
                unanswered,
                unanswered_again,
                answered,
                answered_again,
            },
            pieces: pieces(timeline),
        }
    }

    fn close(&mut self, now: &[(TapSnapshot, AskedCounts)]) {
        let Some(phase) = self.phase else { return };
        for (node, (before, now)) in (0_u16..).zip(self.taps.iter().zip(now)) {
            let seen = self.seen.entry((phase, node)).or_default();
            seen.add(&before.0, &now.0);
            seen.at_home += now.1.at_home - before.1.at_home;
            seen.elsewhere += now.1.elsewhere - before.1.elsewhere;
        }
    }
}

/// All that the proxies of a run have seen.
pub(super) struct Watched {
    /// Every phase of every node.
    pub(super) counts: Vec<WireCounts>,
    /// Over the whole run; `None`: no proxy counted.
    pub(super) totals: Option<WireTotals>,
    /// Every node.
    pub(super) nodes: Vec<WireNode>,
    /// What each proxy had seen when it was over; empty: none counted.
    pub(super) taps: Vec<TapSnapshot>,
}

fn pieces(TimelineView { piece: length, pieces, turns }: TimelineView) -> WirePieces {
    let piece = |it: PieceCounts| WirePiece {
        connects: it.connects,
        requests: it.requests,
        replies: it.replies,
        closes: it.closes,
    };
    let mut shut: Vec<(Offset, Option<Offset>)> = Vec::new();
    for (at, is_shut) in turns {
        let at = Offset::from_duration(at);
        if is_shut {
            shut.push((at, None));
        } else if let Some((_, end)) = shut.last_mut() {
            *end = Some(at);
        }
    }
    WirePieces { length, all: pieces.into_iter().map(piece).collect(), shut }
}

/// Requests that each proxy has had until now.
pub(super) fn requests(lab: &Lab) -> Vec<u64> {
    taps(lab).iter().map(TapSnapshot::requests).collect()
}

fn taps(lab: &Lab) -> Vec<TapSnapshot> {
    if !lab.has_taps() {
        return Vec::new();
    }
    let tap = |name: String| lab.proxies().tap(&name).unwrap_or_default();
    lab.info().iter().map(|info| tap(info.node.to_string())).collect()
}

/// Requests that are part of no operation, or that belong to a batch and are counted with its end.
fn beside(tap: &TapSnapshot) -> u64 {
    tap.pings + tap.quiet_reads
}

/// Replies that say that a request is none.
fn malformed(tap: &TapSnapshot) -> u64 {
    let of = |status| tap.replies_by_status.get(status).copied().unwrap_or_default();
    of("error") + of("client_error")
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
