//! Every metric of a run, in the order of its page.

use super::family::{Family, Kind};

/// What the series of operations are told apart by, but for their outcome.
const OF_OPERATIONS: &[&str] = &["scenario", "subject", "phase", "node"];
const NODE: &[&str] = &["node"];
const SCENARIO: &[&str] = &["scenario"];
const SHARE: &[&str] = &["share"];

macro_rules! families {
    ($($row:ident $name:literal $kind:ident $labels:expr, $help:literal;)*) => {
        $(pub(super) const $row: &Family =
            &Family { name: $name, kind: Kind::$kind, labels: $labels, help: $help };)*

        /// Every metric there is.
        pub const FAMILIES: &[&Family] = &[$($row),*];
    };
}

families! {
    BUILD "harness_build_info" Info &["version"],
        "The harness.";
    RUN "harness_run_info" Info &["scenario", "subject", "workload", "client_profile", "network"],
        "The run that goes on, or the last one.";
    ACTIVE "harness_run_active" Gauge &[],
        "1 while a run goes on, 0 between runs and after the last.";
    STARTED "harness_run_start_time_seconds" Gauge &[],
        "When the run began, in seconds since 1970.";
    PLANNED "harness_run_planned_seconds" Gauge &[],
        "How long it is to take.";
    SEED "harness_run_seed" Gauge &[],
        "Its seed.";
    PHASE "harness_phase" Gauge &["phase"],
        "1 for the phase that goes on, 0 for the others.";
    OPERATIONS "harness_operations_total" Counter &["scenario", "subject", "phase", "node", "outcome"],
        "Intended operations by what they came to, each once.";
    RESPONSE "harness_response_time_seconds" Histogram OF_OPERATIONS,
        "From the intended start to the end; absent in a closed loop.";
    SERVICE "harness_service_time_seconds" Histogram OF_OPERATIONS,
        "From writing the request to the end.";
    BREAKER "harness_breaker_state" Gauge &["node", "state"],
        "1 for the state of the client's circuit breaker; absent where it tells of none.";
    BREAKER_CHANGES "harness_breaker_changes_total" Counter &["node", "to"],
        "Changes of a circuit breaker, by the state that followed.";
    FAULT "harness_fault_active" Gauge &["fault", "kind", "node"],
        "1 for a fault of the plan that is active on a node.";
    APPLIED "harness_faults_applied_total" Counter &["kind"],
        "Faults that were applied and acknowledged.";
    HEALED "harness_faults_healed_total" Counter &["kind"],
        "Faults that were taken back, and that was acknowledged.";
    CLIENT_CONNECTIONS "harness_client_connections" Gauge &["node", "state"],
        "The client's connections, as it tells itself once an interval.";
    CLIENT_CONNECTS "harness_client_connects_total" Counter NODE,
        "The client's attempts to connect, whether anybody took them or not.";
    CLIENT_CLOSED "harness_client_connections_closed_total" Counter NODE,
        "Connections that the client closed or lost.";
    CLIENT_POISONED "harness_client_connections_poisoned_total" Counter NODE,
        "Those that it closed because what they would deliver next was in doubt.";
    WIRE_CONNECTIONS "harness_wire_connections" Gauge NODE,
        "Connections that are open through the node's proxy.";
    WIRE_CONNECTS "harness_wire_connects_total" Counter NODE,
        "Connections that the node's proxy accepted.";
    WIRE_CLOSED "harness_wire_connections_closed_total" Counter &["node", "by", "how"],
        "Connections through the proxy that ended, by who sent the first FIN or reset.";
    WIRE_REFUSED "harness_wire_connections_refused_total" Counter NODE,
        "Connections that were reset before a node was reached; absent once the entrance was shut.";
    WIRE_REQUESTS "harness_wire_requests_total" Counter NODE,
        "Requests that passed the proxy.";
    WIRE_ABANDONED "harness_wire_abandoned_requests_total" Counter &["node", "fate"],
        "Requests whose client left before the reply, by what became of it.";
    WIRE_GIVEN_UP "harness_wire_given_up_connections_total" Counter NODE,
        "Connections that the client closed while a reply was due.";
    TIMER_DELAY "harness_timer_delay_seconds" Gauge SHARE,
        "How late a 10 ms timer of the harness woke after the warm-up; share 1 is the latest.";
    STALLS "harness_stalls" Gauge &[],
        "Times after the warm-up in which the machine stood still for 10 ms or longer.";
    CPU_PRESSURE "harness_cpu_pressure_ratio" Gauge &[],
        "The share of time after the warm-up in which some task waited for a processor.";
    NOISE "harness_noise_events_total" Counter &[],
        "Times that the timer woke 100 ms late or later.";
    ISSUE_DELAY "harness_issue_delay_seconds" Gauge SHARE,
        "How late the load was issued; share 1 is the latest. At the end of a run.";
    INTENDED "harness_operations_intended" Gauge &[],
        "Operations that were intended. At the end of a run.";
    VERDICT "harness_verdict" Gauge &["scenario", "verdict"],
        "1 for the verdict of the run. At its end.";
    EXIT_CODE "harness_run_exit_code" Gauge &[],
        "What a process that ran only this exits with. At its end.";
    DURATION "harness_run_duration_seconds" Gauge &[],
        "How long the run took. At its end.";
    GRADE "harness_objective_grade" Gauge &["objective", "grade"],
        "1 for the grade of an objective: held, failed, not_judged. At the end of a run.";
    MEASURED "harness_objective_measured" Gauge &["objective", "measure", "unit"],
        "What was measured for an objective, in the unit that the label says. At the end of a run.";
    BOUND "harness_objective_bound" Gauge &["objective", "measure", "unit", "at"],
        "What was asked, at most or at least. At the end of a run.";
    VIOLATIONS "harness_data_violations" Gauge &["kind"],
        "Wrong data, settled with what the nodes did; absent where nobody looked. At the end of a run.";
    RECOVERY "harness_recovery_seconds" Gauge &["until"],
        "From the heal until all was well again. At the end of a run.";
    RECOVERED "harness_recovered" Gauge &[],
        "1: it recovered within the run, 0: it did not; absent: not asked, or nobody can say.";
    RELAPSES "harness_relapses" Gauge &[],
        "How often it got bad again after it had recovered. At the end of a run.";
    RUNS "harness_runs_total" Counter &["scenario", "verdict"],
        "Runs of this process, every attempt one.";
    RUNS_VIOLATIONS "harness_runs_violations_total" Counter &["kind"],
        "Wrong data of all runs of this process; absent while none of them has looked.";
    RUNS_UNRECOVERED "harness_runs_unrecovered_total" Counter SCENARIO,
        "Runs of this process that did not recover.";
    RUNS_RELAPSED "harness_runs_relapsed_total" Counter SCENARIO,
        "Runs of this process that got bad again after they had recovered.";
    RUNS_FAILED "harness_runs_objective_failures_total" Counter &["objective"],
        "Objectives that failed in runs of this process.";
}
