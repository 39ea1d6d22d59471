//! From facts and opinions to the report.

use std::collections::BTreeMap;
use std::time::Duration;

use super::fleet::{FleetReport, MemberReport};
use super::model::{
    BreakerReport, DetectionReport, FastFail, FaultReport, Figures, HarnessReport, KeyFigures,
    NodeReport, ObjectiveReport, PhaseFigures, PhaseReport, RecoveryReport, Report, SCHEMA_VERSION,
    StallReport, StallsReport, TimerDelay, TransitionReport,
};
use super::{data, pieces, wire};
use crate::base::name::NodeIndex;
use crate::base::time::Offset;
use crate::event::Outcome;
use crate::judge::{Graded, Judgement, Recovered, Recovery, Strain};
use crate::record::{Counts, NodeGroup, NodeInput, PhaseSummary, Stall, Stalls, Summary, Tally};

/// What the report says about a run that neither the summary nor the judgement knows.
#[derive(Clone, Debug, PartialEq)]
pub struct Header {
    /// The version of the harness.
    pub version: String,
    /// The root of the seeds.
    pub seed: u64,
    /// The workload's name.
    pub workload: String,
    /// The client profile's name.
    pub client_profile: String,
    /// A hash over the resolved plan.
    pub plan_hash: String,
    /// Who did the faults of the network.
    pub network: String,
    /// What it ran on, where that is known.
    pub machine: Option<String>,
    /// How long it was to take, in seconds.
    pub planned_s: Option<f64>,
}

#[cfg(test)]
impl Report {
    /// That of a run that never happened.
    pub(super) fn synthetic() -> Self {
        let summary =
            crate::record::synthetic::Story::default().tell(crate::record::synthetic::usual);
        Self::new(Header::synthetic(), &summary, &crate::judge::judge(&summary, &[]))
    }
}

#[cfg(test)]
impl Header {
    /// That of a run that never happened.
    pub(super) fn synthetic() -> Self {
        Self {
            version: "0.1.0".to_owned(),
            seed: 42,
            workload: "mixed".to_owned(),
            client_profile: "default".to_owned(),
            plan_hash: "abc123".to_owned(),
            network: "user".to_owned(),
            machine: Some("Linux 6.1, 2 processors, 24 GB".to_owned()),
            planned_s: Some(20.5),
        }
    }
}

impl Report {
    /// Puts everything in its place.
    #[must_use]
    pub fn new(header: Header, summary: &Summary, judgement: &Judgement) -> Self {
        let analysis = &judgement.analysis;
        Self {
            schema_version: SCHEMA_VERSION,
            version: header.version,
            seed: header.seed,
            scenario: summary.config.scenario.clone(),
            workload: header.workload,
            client_profile: header.client_profile,
            subject: summary.inputs.subject.clone(),
            member: None,
            fleet: summary.fleet.as_ref().map(FleetReport::of),
            members: summary.fleet.as_ref().map(MemberReport::all).unwrap_or_default(),
            plan_hash: header.plan_hash,
            network: header.network,
            machine: header.machine,
            planned_s: header.planned_s,
            started_at: summary.started_at.rfc3339(),
            duration_s: summary.inputs.ended.as_secs_f64(),
            partial: summary.inputs.partial,
            verdict: judgement.verdict,
            reasons: judgement.reasons.clone(),
            exit_code: judgement.exit_code,
            phases: summary.phases.iter().map(|phase| phase_report(summary, phase)).collect(),
            nodes: nodes(summary, &analysis.false_opens),
            faults: faults(summary, &analysis.touched),
            recovery: recovery(&analysis.recovery),
            detection: detection(judgement),
            load: Strain {
                calm_collateral_index: None,
                healthy_throughput: None,
                ..analysis.strain.clone()
            },
            refills: summary.inputs.load.refills,
            data: data::data(summary),
            wire: wire::of(summary, &analysis.told),
            harness: harness(summary),
            objectives: judgement.grades.iter().map(objective).collect(),
            pieces: pieces::of(summary),
            histograms: histograms(summary),
        }
    }
}

fn phase_report(summary: &Summary, phase: &PhaseSummary) -> PhaseReport {
    let of = |group| {
        let tally = summary.tally(Some(phase.phase), group);
        (tally.counts.offered() > 0).then(|| figures(summary, phase, &tally))
    };
    PhaseReport {
        all: phase_figures(summary, phase, &summary.tally(Some(phase.phase), NodeGroup::All)),
        healthy_nodes: of(NodeGroup::Healthy),
        faulty_nodes: of(NodeGroup::Faulty),
    }
}

fn phase_figures(summary: &Summary, phase: &PhaseSummary, tally: &Tally) -> PhaseFigures {
    PhaseFigures {
        name: phase.phase,
        start_s: phase.start.as_secs_f64(),
        end_s: phase.end.as_secs_f64(),
        figures: figures(summary, phase, tally),
    }
}

fn figures(summary: &Summary, phase: &PhaseSummary, tally: &Tally) -> Figures {
    Figures {
        response_time_us: summary.config.open_loop.then(|| tally.response.figures()),
        service_time_us: tally.service.figures(),
        wait_for_connection_us: tally.wait.figures(),
        keys: KeyFigures::of(&tally.keys),
        ..counted(&tally.counts, phase.length())
    }
}

/// The figures that are counts, and what follows from them.
pub(super) fn counted(counts: &Counts, length: Duration) -> Figures {
    let seconds = length.as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
    let operations = counts.operations() as f64;
    Figures {
        offered: counts.offered(),
        operations: counts.operations(),
        lost_slots: counts.of(Outcome::LostSlot),
        throughput_per_s: (seconds > 0.0).then(|| operations / seconds),
        error_ratio: counts.error_ratio(),
        availability_ratio: counts.availability_ratio(),
        outcomes: counts.by_name(),
        hit_ratio: counts.hit_ratio(),
        ..Figures::default()
    }
}

fn nodes(summary: &Summary, false_opens: &[u64]) -> Vec<NodeReport> {
    (0_u16..)
        .map(NodeIndex)
        .take(summary.config.nodes)
        .map(|node| {
            let input = summary.inputs.nodes.get(node.position());
            let false_opens = false_opens.get(node.position()).copied().unwrap_or(0);
            NodeReport {
                name: node,
                phases: summary
                    .phases
                    .iter()
                    .filter(|_| summary.tells_nodes())
                    .filter_map(|phase| {
                        let tally = phase.nodes.get(node.position())?.figures();
                        Some(phase_figures(summary, phase, &tally))
                    })
                    .collect(),
                breaker: input.map(|input| breaker(summary, node, input, false_opens)),
                backend: summary.inputs.backends.get(node.position()).cloned().unwrap_or_default(),
                connections: input.map(|input| input.connections.clone()),
            }
        })
        .collect()
}

fn breaker(
    summary: &Summary,
    node: NodeIndex,
    input: &NodeInput,
    false_opens: u64,
) -> BreakerReport {
    let (opens, open) = summary.opened(node);
    let changes = summary.transitions.iter().filter(|change| change.node == node);
    let is_fleet = summary.fleet.is_some();
    BreakerReport {
        opens: input.breaker_opens.unwrap_or(opens),
        false_opens,
        open_s: input.open_time.unwrap_or(open).as_secs_f64(),
        transitions: changes
            .map(|change| TransitionReport {
                at_s: change.at.as_secs_f64(),
                member: is_fleet.then_some(change.member),
                from: change.from,
                to: change.to,
                cause: change.cause.clone(),
            })
            .collect(),
    }
}

fn faults(summary: &Summary, touched: &[Option<u64>]) -> Vec<FaultReport> {
    summary
        .inputs
        .faults
        .iter()
        .zip(touched)
        .map(|(fault, &operations_touched)| FaultReport {
            name: fault.name.clone(),
            kind: fault.kind.clone(),
            nodes: fault.nodes.clone(),
            parameters: fault.parameters.clone(),
            applied_at_s: fault.applied.map(Offset::as_secs_f64),
            healed_at_s: fault.healed.map(Offset::as_secs_f64),
            operations_touched,
        })
        .collect()
}

fn seconds(time: Option<Duration>) -> Option<f64> {
    time.map(|time| time.as_secs_f64())
}

fn time_of(recovered: &Recovered) -> Option<f64> {
    match recovered {
        Recovered::Yes(time) => Some(time.as_secs_f64()),
        Recovered::NotAsked | Recovered::No | Recovered::NotBefore(..) | Recovered::Unknown(_) => {
            None
        }
    }
}

fn recovery(recovery: &Recovery) -> RecoveryReport {
    let (recovered, sustained) = match recovery.recovered {
        Recovered::Yes(time) => (Some(true), Some(time)),
        Recovered::No => (Some(false), None),
        Recovered::NotAsked | Recovered::NotBefore(..) | Recovered::Unknown(_) => (None, None),
    };
    RecoveryReport {
        recovered,
        first_success_s: seconds(recovery.first_success),
        sustained_s: seconds(sustained),
        hit_ratio_s: time_of(&recovery.hits),
        fresh_s: time_of(&recovery.fresh),
        relapses: recovery.relapses,
        disturbed_windows: (recovery.seconds.all > 0).then_some(recovery.seconds.disturbed),
        own_s: seconds(recovery.own()),
        probe_floor_s: seconds(recovery.probe_floor),
    }
}

fn detection(judgement: &Judgement) -> DetectionReport {
    let detection = &judgement.analysis.detection;
    DetectionReport {
        first_impact_s: seconds(detection.first_impact),
        detect_s: seconds(detection.detected),
        breaker_open_after_fault_s: seconds(detection.breaker_open),
        breaker_open_after_first_failure_s: seconds(detection.breaker_open_after_first_failure),
        exposure_operations: detection.exposure,
        fast_fail_us: FastFail { p50: detection.fast_fail.p50, p99: detection.fast_fail.p99 },
    }
}

fn harness(summary: &Summary) -> HarnessReport {
    let inputs = &summary.inputs;
    // Nobody issues tickets where a command makes its calls itself.
    let ours = |count: u64| summary.command().is_none().then_some(count);
    let timer = inputs.harness.timer_delay.unwrap_or_default();
    HarnessReport {
        issue_delay_us: inputs.load.issue_delay.unwrap_or_default(),
        timer_delay_us: TimerDelay { p99: timer.p99, max: timer.max },
        cpu_pressure: inputs.harness.cpu_pressure,
        stalls: stalls(&inputs.harness.stalls, inputs.harness.timer_delay.is_some()),
        calibration: inputs.harness.calibration.clone(),
        shed_tickets: ours(inputs.load.shed_tickets),
        tickets_issued: ours(inputs.load.tickets_issued),
        tickets_closed: ours(inputs.load.tickets_closed),
        limits: limits(summary),
    }
}

fn stalls(stalls: &Stalls, watched: bool) -> StallsReport {
    let us = |stall: &Stall| u64::try_from(stall.length().as_micros()).unwrap_or(u64::MAX);
    let report =
        |stall: &Stall| StallReport { at_s: stall.from.as_secs_f64(), length_us: us(stall) };
    StallsReport {
        count: watched.then_some(stalls.count()),
        longest_us: stalls.longest().as_ref().map(us),
        first: stalls.iter().map(report).collect(),
    }
}

/// Every bound that was reached: what the harness says, and what the recorder noticed.
fn limits(summary: &Summary) -> Vec<String> {
    let mut limits = summary.inputs.harness.limits.clone();
    let nodes = summary.phases.iter().flat_map(|phase| &phase.nodes);
    let clamped: u64 = nodes.map(|node| node.figures().clamped()).sum();
    if clamped > 0 {
        limits.push(format!("{clamped} latencies above 60 s count as 60 s in the histograms"));
    }
    if summary.dropped_events > 0 {
        limits.push(format!("{} events are in the journal only", summary.dropped_events));
    }
    limits
}

pub(super) fn objective(graded: &Graded) -> ObjectiveReport {
    let objective = &graded.objective;
    ObjectiveReport {
        name: objective.name.clone(),
        measure: objective.measure.name.to_owned(),
        phase: objective.phase,
        nodes: objective.nodes.name().to_owned(),
        bound: objective.bound_text(),
        measured: graded.measured,
        samples: graded.samples,
        grade: graded.grade,
        why: graded.why.clone(),
    }
}

fn histograms(summary: &Summary) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    for phase in &summary.phases {
        let tally = summary.tally(Some(phase.phase), NodeGroup::All);
        for (class, latency) in [
            ("response_time", Some(&tally.response).filter(|_| summary.config.open_loop)),
            ("service_time", Some(&tally.service)),
            ("wait_for_connection", Some(&tally.wait)),
            ("fast_fail", Some(&tally.fast_fail)),
        ] {
            if let Some(text) = latency.and_then(crate::record::Latency::to_base64) {
                all.insert(format!("{}.{class}", phase.phase), text);
            }
        }
    }
    all
}
