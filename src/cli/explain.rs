//! `harness explain`: a scenario or a workload in words, from the resolved plan.

use std::fmt::{Display, Write};
use std::time::Duration;

use super::exit::Exit;
use super::output;
use crate::base::family::{Chosen, Family, Unit, Value, unknown};
use crate::base::seed::Seed;
use crate::base::time::DurationText;
use crate::event::Operation;
use crate::judge::{Bound, Measure, Objective};
use crate::lab::fault::FAULTS;
use crate::lab::timeline::FaultSpec;
use crate::load::arrival::ARRIVALS;
use crate::load::keys::KEYS;
use crate::load::values::VALUES;
use crate::load::{OriginSpec, RateWish, TraceReplay, Workload};
use crate::plan::{
    FaultPlan, Folder, Library, Options, Plan, PlanError, SUITES, check, life_words, plans,
    trace_words,
};
use crate::proxy::fault::TOXICS;
use crate::secure::access::Access;

/// The scenario that a workload is resolved with; nothing of it is shown.
const CARRIER: &str = "baseline-steady";

/// Say in words what a scenario, a suite or a workload does: what happens when, and what is judged.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// A scenario, a suite or a workload, by name or file
    #[arg(value_name = "NAME|FILE")]
    name: String,
}

/// Explains what is called so: a scenario, a workload, or one after the other.
pub(super) fn main(arguments: &Arguments) -> Exit {
    match explain(&Library::new("."), &arguments.name) {
        Ok(text) => output::result(text),
        Err(error) => {
            output::complain(&error);
            Exit::Usage
        }
    }
}

fn explain(library: &Library, name: &str) -> Result<String, PlanError> {
    let (scenario, workload) = if name.contains('/') || name.contains('.') {
        let noun = check(library, name)?.noun;
        (noun.ends_with("scenario"), noun.ends_with("workload"))
    } else {
        let has = |folder| library.names(folder).iter().any(|known| known == name);
        (has(Folder::Scenarios), has(Folder::Workloads))
    };
    if !scenario && !workload {
        return of_suite(library, name);
    }
    let resolve = |scenario: &str, options: Options| {
        let plans = plans(library, &[scenario.to_owned()], &options, Seed::new(0))?;
        Ok::<_, PlanError>(plans.into_iter().next())
    };
    let mut text = String::new();
    if scenario && let Some(plan) = resolve(name, Options::default())? {
        of_scenario(&mut text, &plan);
    }
    if workload {
        let options = Options { workload: Some(name.to_owned()), ..Options::default() };
        if let Some(plan) = resolve(CARRIER, options)? {
            say(&mut text, format_args!("workload {}: {}", name, plan.workload.summary));
            of_workload(&mut text, &plan.workload, None);
        }
    }
    Ok(text)
}

/// The scenarios of a suite, each in a line.
fn of_suite(library: &Library, name: &str) -> Result<String, PlanError> {
    let folders = [Folder::Scenarios, Folder::Workloads, Folder::Suites];
    let mut names: Vec<String> = folders.iter().flat_map(|it| library.names(*it)).collect();
    names.extend(SUITES.iter().map(|suite| suite.name.to_owned()));
    let is_file = name.contains('/') || name.contains('.');
    if !is_file && !names.iter().any(|known| known == name) {
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        return Err(PlanError::Option(unknown("scenario, suite or workload", name, &names)));
    }
    let plans = plans(library, &[name.to_owned()], &Options::default(), Seed::new(0))?;
    let all: Duration = plans.iter().map(|plan| plan.phases.total()).sum();
    let mut text = String::new();
    let (count, all) = (plans.len(), DurationText(all));
    say(&mut text, format_args!("suite {name}: {count} scenarios, {all} at their own lengths\n"));
    let width = plans.iter().map(|plan| plan.scenario.len()).max().unwrap_or_default();
    for plan in &plans {
        say(&mut text, format_args!("  {:width$}  {}", plan.scenario, plan.summary));
    }
    Ok(text)
}

fn say(text: &mut String, line: impl Display) {
    // Writing to a String cannot fail.
    let _ = writeln!(text, "{line}");
}

fn of_scenario(text: &mut String, plan: &Plan) {
    say(text, format_args!("scenario {}: {}", plan.scenario, plan.summary));
    say(text, "\nwhat happens when");
    for (at, what) in moments(plan) {
        say(text, format_args!("  {:>10}  {what}", DurationText(at).to_string()));
    }
    if plan.chaos.is_some() {
        let seed = plan.seed;
        say(
            text,
            format_args!("  the faults are drawn: these with seed {seed}, others with another"),
        );
    }
    let Plan { nodes, concurrency, client_profile, workload, .. } = plan;
    say(
        text,
        format_args!(
            "\nwho takes part\n  {} nodes, each behind a proxy; {concurrency} workers; client \
             settings `{client_profile}`",
            nodes.count
        ),
    );
    if !nodes.access.is_open() {
        let asked = match nodes.access {
            Access { tls: true, auth: false, sasl: false } => "TLS",
            Access { tls: true, sasl: false, .. } => "TLS, and a password in it",
            Access { tls: true, .. } => "TLS, and a password in it by SASL",
            Access { sasl: true, .. } => "a password by SASL",
            Access { .. } => "a password",
        };
        say(text, format_args!("  each node asks who connects for {asked}"));
    }
    if nodes.discovery {
        say(text, "  each node answers `config get cluster` with the list of nodes as it is then");
    }
    for group in &plan.groups {
        let sees: Vec<String> = group.list.sees.iter().map(ToString::to_string).collect();
        let (name, share, sees) = (&group.list.name, group.share, sees.join(", "));
        say(
            text,
            format_args!(
                "  group {name}: {share} of the workers, with a client that is told of {sees}"
            ),
        );
    }
    say(text, format_args!("\nworkload {}: {}", workload.name, workload.summary));
    of_workload(text, workload, plan.rate);
    say(text, "\nwhat must hold");
    for objective in &plan.objectives {
        say(text, format_args!("  {}: {}", objective.summary, bound(objective)));
    }
}

/// Everything that begins or ends at a time of its own, in order.
fn moments(plan: &Plan) -> Vec<(Duration, String)> {
    let phases = plan.phases;
    let fault = phases.warmup + phases.steady;
    let mut moments = vec![(
        Duration::ZERO,
        "warm-up: every key is stored, then the load begins; nothing is judged".to_owned(),
    )];
    let mut add = |at, length: Duration, what: &str| {
        if !length.is_zero() {
            moments.push((at, what.to_owned()));
        }
    };
    add(
        phases.warmup,
        phases.steady,
        "steady: nothing is broken; what is measured is the baseline",
    );
    add(fault, phases.fault, "fault phase:");
    let mut steps: Vec<(Duration, String)> = plan.faults.iter().flat_map(of_fault).collect();
    steps.sort_by_key(|(at, _)| *at);
    moments.extend(steps.into_iter().map(|(at, what)| (fault + at, format!("  {what}"))));
    let recovery = fault + phases.fault;
    if !phases.recovery.is_zero() {
        let what = "recovery: every fault is healed; the client must come back".to_owned();
        moments.push((recovery, what));
    }
    let end = "end: what is under way may finish, then the run is judged".to_owned();
    moments.push((phases.total(), end));
    moments
}

fn of_fault(planned: &FaultPlan) -> Vec<(Duration, String)> {
    let spec = &planned.spec;
    let nodes: Vec<String> = spec.nodes.iter().map(ToString::to_string).collect();
    let nodes = nodes.join(", ");
    let (what, network) = match FAULTS.find(&spec.fault.kind) {
        Some(_) => (kind_of(&spec.fault, &FAULTS), String::new()),
        None => of_toxic(spec),
    };
    let share = match spec.toxicity {
        all if all >= 1.0 => String::new(),
        share => format!(", on {}% of connections", share * 100.0),
    };
    let group = spec.group.as_ref().map(|group| format!(", for group {group}")).unwrap_or_default();
    let begins = format!("begins on {nodes}{network}{share}{group}");
    let until =
        spec.until_touched.map(|touched| format!(" or until it has touched {touched} operations"));
    let until = until.unwrap_or_default();
    if let Some(after) = &spec.after {
        let (name, length) = (&spec.name, DurationText(spec.length));
        let waits =
            format!("{name} waits until {after}; then it {begins}, for {length}{until}; {what}");
        return vec![(spec.at, waits)];
    }
    let begin = format!("{} {begins}{until}; {what}", spec.name);
    let latest = if until.is_empty() { "" } else { " at the latest" };
    let end = format!("{} ends on {nodes}{latest}", spec.name);
    vec![(spec.at, begin), (spec.at + spec.length, end)]
}

/// What a toxic does with its settings, and in which direction, where that matters.
fn of_toxic(spec: &FaultSpec) -> (String, String) {
    let Ok(fault) = TOXICS.make(&spec.fault) else {
        return (kind_of(&spec.fault, &TOXICS), String::new());
    };
    let what = match fault.words(spec.direction.name().parse().unwrap_or_default()) {
        Some(words) => format!("{}: {words}", spec.fault.kind),
        None => kind_of(&spec.fault, &TOXICS),
    };
    let network = match fault.has_directions() {
        true => format!(", {}", spec.direction.name()),
        false => String::new(),
    };
    (what, network)
}

fn of_workload(text: &mut String, workload: &Workload, rate: Option<RateWish>) {
    if let Some(replay) = &workload.replay {
        return of_replay(text, workload, replay);
    }
    let arrival = match rate {
        None => kind_of(&workload.arrival, &ARRIVALS),
        Some(RateWish::PerSecond(rate)) => {
            format!("{rate} instead of its own rate; {}", kind_of(&workload.arrival, &ARRIVALS))
        }
        Some(RateWish::Max) => "as soon as a worker is free: a closed loop".to_owned(),
    };
    say(text, format_args!("  operations start  {arrival}"));
    say(text, format_args!("  on keys           {}", kind_of(&workload.keys, &KEYS)));
    say(text, format_args!("  with values       {}", kind_of(&workload.values, &VALUES)));
    let mix = workload.mix.iter().map(|(operation, weight)| (*operation, u64::from(*weight)));
    say(text, format_args!("  the operations    {}", shares(mix)));
    say(text, format_args!("  values            {}", life_words(&workload.ttl)));
    if let Some(share) = workload.border_keys {
        let share = share * 100.0;
        let what = "of the gets and sets are of keys that are the longest, too long, or illegal";
        say(text, format_args!("  other keys        {share:.0} % {what}"));
    }
    if let Some(share) = workload.read_back {
        let share = share * 100.0;
        let what = "of the acknowledged stores and deletes are read by their worker at once";
        say(text, format_args!("  reads of its own  {share:.0} % {what}"));
    }
    say(text, format_args!("  after a miss      {}", after_a_miss(workload)));
}

/// A workload that replays a trace: what is asked is recorded.
fn of_replay(text: &mut String, workload: &Workload, replay: &TraceReplay) {
    let facts = replay.recording.facts();
    let starts = match replay.repeat {
        true => "when they were recorded, again and again",
        false => "when they were recorded, once",
    };
    say(
        text,
        format_args!(
            "  operations start  {starts}; within a second of a trace in whole seconds, evenly"
        ),
    );
    say(text, format_args!("  the trace         {}", trace_words(replay)));
    say(text, format_args!("  the operations    {}", shares(facts.operations.iter().copied())));
    say(
        text,
        "  on keys           as recorded; those that its first request finds are stored before",
    );
    say(text, "  values            ours, as long as recorded, with the times to live of the trace");
    say(text, format_args!("  after a miss      {}", after_a_miss(workload)));
}

/// Operations with their shares.
fn shares(counts: impl Iterator<Item = (Operation, u64)> + Clone) -> String {
    let total: u64 = counts.clone().map(|(_, count)| count).sum();
    let share = |(operation, count): (Operation, u64)| {
        #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
        let share = count as f64 * 100.0 / total.max(1) as f64;
        format!("{share:.3} % {}", operation.name()).replace(".000", "")
    };
    counts.map(share).collect::<Vec<_>>().join(", ")
}

fn after_a_miss(workload: &Workload) -> String {
    match workload.origin {
        _ if !workload.fill_after_miss && workload.replay.is_some() => {
            "nothing but what the trace stores then".to_owned()
        }
        _ if !workload.fill_after_miss => "nothing: the key stays absent".to_owned(),
        None => "the reader stores the key again".to_owned(),
        Some(OriginSpec { latency, capacity, queue }) => format!(
            "the reader loads the value from an origin and stores it; a load takes {}, {capacity} \
             may start, {queue} may wait, and the rest is refused",
            DurationText(latency)
        ),
    }
}

/// A kind with its settings and what it does: `constant (rate 2000/s): a fixed rate`.
fn kind_of<T: ?Sized>(chosen: &Chosen, family: &Family<T>) -> String {
    let Some(kind) = family.find(&chosen.kind) else { return chosen.kind.clone() };
    // A plan keeps what was given; what is not said is the default.
    let complete = kind.complete(&chosen.settings);
    let settings: Vec<String> = complete
        .iter()
        .flat_map(crate::base::family::Settings::iter)
        .map(|(name, value)| {
            let unit = kind.setting(name).map_or(Unit::Text, |setting| setting.unit);
            format!("{name} {}", readable(unit, value))
        })
        .collect();
    match settings.is_empty() {
        true => format!("{}: {}", kind.name, kind.summary),
        false => format!("{} ({}): {}", kind.name, settings.join(", "), kind.summary),
    }
}

fn bound(objective: &Objective) -> String {
    let Measure { name, unit, .. } = *objective.measure;
    let (word, limit) = match objective.bound {
        Bound::AtMost(limit) => ("at most", limit),
        Bound::AtLeast(limit) => ("at least", limit),
    };
    let phase = objective.phase.map_or_else(String::new, |phase| format!(" in {}", phase.name()));
    format!("{name} {word} {}{phase}", readable(unit, &Value::Float(limit)))
}

/// A value as people say it: 500ms rather than 500000us.
fn readable(unit: Unit, value: &Value) -> String {
    let text = unit.format(value);
    let text = text.trim_matches('"');
    text.parse::<DurationText>().map_or_else(|_| text.to_owned(), |time| time.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Catches a file in the catalogue that cannot be explained, and words that are not said.
    #[test]
    fn everything_shipped_can_be_explained() {
        let library = Library::new(env!("CARGO_MANIFEST_DIR"));
        for name in library.names(Folder::Scenarios) {
            let text = explain(&library, &name).unwrap();
            assert!(text.contains("warm-up") && text.contains("what must hold"), "{text}");
        }
        for name in library.names(Folder::Workloads) {
            let text = explain(&library, &name).unwrap();
            assert!(text.contains("operations start") && text.contains("after a miss"), "{text}");
        }
    }

    /// Catches a fault that is explained by what its kind does with other settings.
    #[test]
    fn a_fault_is_explained_by_its_settings() {
        let library = Library::new(env!("CARGO_MANIFEST_DIR"));
        for (scenario, words) in [
            ("half-open", "connections that were open pass nothing; new ones work; those"),
            ("connection-timeout", "no SYN is answered; open connections work"),
            (
                "asymmetric-upstream",
                "upstream; blackhole: nothing passes and nothing is closed; conn",
            ),
            (
                "unsolicited-reply",
                "all `get,gets,mg,mget` requests, at most 1 on each connection: answered `unsol",
            ),
            ("single-node-failure", "begins on n1; refuse: refuse new connections"),
            ("endpoint-change", "begins on n1; move (old refuses): give the name"),
            ("name-service-failure", "dns (answer servfail, delay 0s): fail the questions"),
            ("wrong-key-reply", "20% of `get,gets,gat,gats,mg` requests: the value comes under"),
        ] {
            let text = explain(&library, scenario).unwrap();
            assert!(text.contains(words), "{text}");
        }
    }

    /// Catches moments that are counted from the start of a phase instead of the run, or told in
    /// another order than they come.
    #[test]
    fn moments_are_told_in_their_order() {
        let library = Library::new(env!("CARGO_MANIFEST_DIR"));
        let text = explain(&library, "single-node-failure").unwrap();
        let down = text.lines().find(|line| line.contains("down begins on n1")).unwrap();
        assert!(down.trim_start().starts_with("8s"), "{down}");
        assert!(text.contains("operation_time_max at most 500ms\n"), "{text}");
        let plan = plans(&library, &["flapping-node".into()], &Options::default(), Seed::new(0));
        let times: Vec<Duration> = moments(&plan.unwrap()[0]).iter().map(|(at, _)| *at).collect();
        assert!(times.is_sorted(), "{times:?}");
    }

    /// Catches a workload's origin that nobody is told of, and a name that gets no suggestion.
    #[test]
    fn origins_and_mistakes_are_named() {
        let library = Library::new(env!("CARGO_MANIFEST_DIR"));
        let text = explain(&library, "cache-aside").unwrap();
        assert!(text.contains("a load takes 20ms, 200/s may start, 50 may wait"), "{text}");
        let error = explain(&library, "stampde").unwrap_err().to_string();
        assert!(error.contains("did you mean `stampede`"), "{error}");
    }
}
