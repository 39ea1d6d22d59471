//! `[chaos]`: what is drawn, and what is refused.

use std::time::Duration;

use harness::lab::Backend;
use harness::plan::{FaultPlan, Options, Plan};

use super::{plan_of, toxiproxy};

/// A scenario whose end is `rest`.
fn scenario(rest: &str) -> String {
    let phases =
        "[phases]\nwarmup = \"3s\"\nsteady = \"5s\"\nfault = \"30s\"\nrecovery = \"10s\"\n";
    format!("summary = \"x\"\n{phases}{rest}")
}

fn kinds(plan: &Plan) -> Vec<&str> {
    plan.faults.iter().map(|fault| fault.spec.fault.kind.as_str()).collect()
}

/// Catches a draw that its seed does not repeat, or that another seed does not change, and a printed
/// plan that draws anew.
#[test]
fn the_seed_draws() {
    let text = scenario("[chaos]\nfrom = \"safe\"\n");
    let seeded = |seed| Options { seed: Some(seed), ..Options::default() };
    let plan = plan_of(&text, &seeded(1)).unwrap();
    assert!(plan.faults.len() > 3, "{:?}", plan.faults);
    assert_eq!(plan, plan_of(&text, &seeded(1)).unwrap());
    let other = plan_of(&text, &seeded(2)).unwrap();
    assert_ne!(plan.faults, other.faults);
    assert_eq!(plan.with_seed(other.seed), other);
    let again = plan_of(&plan.to_toml(), &seeded(2)).unwrap();
    assert_eq!(again.faults, plan.faults);
}

/// Catches a fault that is drawn although the lab cannot do it, and one that nobody named.
#[test]
fn only_what_can_be_had_is_drawn() {
    let safe = scenario("[chaos]\nfrom = \"safe\"\n");
    let servers = ["10.0.0.1:1", "10.0.0.2:1"].map(|it| it.parse().unwrap()).to_vec();
    for seed in 0..20 {
        let options = Options {
            seed: Some(seed),
            backend: Some(Backend::Servers(servers.clone())),
            ..Options::default()
        };
        let plan = plan_of(&safe, &options).unwrap();
        assert!(!kinds(&plan).iter().any(|kind| ["kill", "pause", "flush"].contains(kind)));
        let options = Options { elsewhere: Some(toxiproxy()), ..options };
        plan_of(&safe, &options).unwrap();
    }
    let named = scenario("[chaos]\nfaults = [\"latency\", \"corrupt_value\"]\n");
    let plan = plan_of(&named, &Options::default()).unwrap();
    assert!(kinds(&plan).iter().all(|kind| ["latency", "corrupt_value"].contains(kind)));
}

/// Catches a length that scales what a fault's own length means, or that leaves a run without one.
#[test]
fn any_length_is_filled() {
    let text = scenario("[chaos]\nfrom = \"safe\"\n");
    let long = |secs| Options { duration: Some(Duration::from_secs(secs)), ..Options::default() };
    for secs in [8, 20, 600, 86_400, 31_000_000] {
        let plan = plan_of(&text, &long(secs)).unwrap();
        assert!(!plan.faults.is_empty(), "{secs}");
        for FaultPlan { spec, .. } in &plan.faults {
            assert!(spec.at + spec.length <= plan.phases.fault, "{secs}: {spec:?}");
            assert!(spec.length <= Duration::from_secs(5), "{secs}: {spec:?}");
        }
    }
    let refused = plan_of(&text, &long(1)).unwrap_err();
    assert!(refused.contains("-duration 1s is too short to judge"), "{refused}");
}

/// Catches a mistake in what is drawn that is guessed at, or refused without a correction.
#[test]
fn mistakes_are_refused_at_their_place() {
    for (rest, why) in [
        ("[chaos]\n", "what is drawn from? write from = \"safe\", or faults ="),
        ("[chaos]\nfrom = \"all\"\n", "unknown choice `all`"),
        ("[chaos]\nfrom = \"safe\"\nfaults = [\"latency\"]\n", "`from` and `faults`: write"),
        ("[chaos]\nfaults = [\"latncy\"]\n", "did you mean `latency`"),
        ("[chaos]\nfaults = []\n", "there is nothing to draw"),
        ("[chaos]\nfaults = [\"kill\", \"kill\"]\n", "`kill` is listed twice"),
        (
            "[chaos]\nfrom = \"safe\"\nnodes_at_most = 4\n",
            "`nodes_at_most` must lie between 1 and 3",
        ),
        (
            "[chaos]\nfrom = \"safe\"\nlength = { min = \"1ms\", max = \"1s\" }\n",
            "write \"100ms\" or more",
        ),
        (
            "[chaos]\nfrom = \"safe\"\ngap = { min = \"2s\", max = \"1s\" }\n",
            "`max` is below `min`",
        ),
        ("[chaos]\nfrom = \"safe\"\ngap = { min = \"2s\" }\n", "`max` is missing"),
        ("[chaos]\nfrom = \"safe\"\ngaps = 1\n", "did you mean `gap`"),
        (
            "[chaos]\nfrom = \"safe\"\n[[faults]]\non = \"all\"\nrefuse = {}\n",
            "write either [chaos] or [[faults]]",
        ),
    ] {
        let refused = plan_of(&scenario(rest), &Options::default()).unwrap_err();
        assert!(refused.contains(why), "{rest}: {refused}");
    }
    let steady = "summary = \"x\"\n[phases]\nsteady = \"5s\"\n[chaos]\nfrom = \"safe\"\n";
    let refused = plan_of(steady, &Options::default()).unwrap_err();
    assert!(refused.contains("there is no fault phase"), "{refused}");
}
