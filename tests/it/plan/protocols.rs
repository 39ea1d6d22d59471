//! What scenarios, nodes and the command line say of the protocol.

use harness::base::seed::Seed;
use harness::lab::Backend;
use harness::plan::{Folder, Options, choose};
use harness::protocol::Protocol;

use super::{HEAD, named, plan_of, shipped};

/// What a Redis has no words for, and the reason that is given.
const OF_MEMCACHED: &[(&str, &str)] = &[
    ("cas-exists", "memcached_exists"),
    ("certificate-expired", "only a memcached is asked for it"),
    ("client-error", "memcached_client_error"),
    ("item-too-large", "memcached_item_too_large"),
    ("key-limits", "keys at memcached's limits"),
    ("not-stored", "memcached_not_stored"),
    ("password-changed", "only a memcached is asked for it"),
    ("server-error-oom", "memcached_server_error"),
    ("server-idle-timeout", "speak memcached"),
    ("stray-bytes", "memcached_say"),
    ("swapped-replies", "memcached_swap"),
    ("tls-handshake-hangs", "only a memcached is asked for it"),
    ("trace-replay", "`append`"),
    ("wrong-key-reply", "memcached_wrong_key"),
];

const OF_REDIS: &[&str] = &[
    "auth-lost",
    "blocked-commands",
    "loading",
    "moved-loop",
    "nil-replies",
    "oom",
    "pubsub-mixed",
    "readonly-replica",
    "script-busy",
];

fn options(protocol: Protocol) -> Options {
    Options { protocol: Some(protocol), ..Options::default() }
}

/// Catches a scenario that could be had of Redis and is not, one that is half memcached's and runs all the same,
/// and one that is left out without a reason.
#[test]
fn every_scenario_is_planned_for_redis_or_refused_by_name() {
    let (_folder, library) = shipped();
    let choice = choose(&library, &[], &options(Protocol::Resp), Seed::new(1)).unwrap();
    let all = library.names(Folder::Scenarios).len();
    assert_eq!(choice.plans.len() + choice.skipped.len(), all);
    let refused: Vec<&str> = choice.skipped.iter().map(|(name, _)| name.as_str()).collect();
    let known: Vec<&str> = OF_MEMCACHED.iter().map(|(name, _)| *name).collect();
    assert_eq!(refused, known);
    for ((name, error), (_, reason)) in choice.skipped.iter().zip(OF_MEMCACHED) {
        assert!(error.to_string().contains(reason), "{name}: {error}");
    }
    for plan in choice.plans {
        assert_eq!(plan.nodes.protocol, Protocol::Resp, "{}", plan.scenario);
        let again = plan_of(&plan.to_toml(), &Options::default());
        assert_eq!(again.as_ref(), Ok(&plan), "{}", plan.scenario);
    }
}

/// Catches a scenario of Redis's own that needs more than its name, or is told to a memcached.
#[test]
fn what_is_of_redis_is_run_on_nothing_else() {
    let (_folder, library) = shipped();
    let servers =
        Backend::Servers(["127.0.0.1:1", "127.0.0.1:2"].map(|at| at.parse().unwrap()).into());
    let with = |backend| Options { backend: Some(backend), ..Options::default() };
    for (options, refused) in [
        (options(Protocol::Memcached), "-protocol: this scenario is of resp"),
        (with(Backend::Memcached), "-nodes: this scenario is of resp"),
        (with(servers.clone()), "write -protocol resp if these speak it"),
    ] {
        let choice = choose(&library, &[], &options, Seed::new(1)).unwrap();
        for name in OF_REDIS {
            assert_eq!(named(name, &Options::default()).nodes.protocol, Protocol::Resp, "{name}");
            let (_, error) = choice.skipped.iter().find(|(skipped, _)| skipped == name).unwrap();
            assert!(error.to_string().contains(refused), "{name}: {error}");
        }
    }
    let spoken = Options { backend: Some(servers), ..options(Protocol::Resp) };
    let plan = named("readonly-replica", &spoken);
    assert_eq!(plan_of(&plan.to_toml(), &Options::default()), Ok(plan));
}

/// Catches nodes of two protocols in one run, told by a file or by a file and an option.
#[test]
fn nodes_of_a_run_speak_alike() {
    let nodes = |lines: &str| format!("{HEAD}[nodes]\n{lines}\n");
    let of = |lines: &str| plan_of(&nodes(lines), &Options::default()).unwrap_err();
    let other = "[[nodes.node]]\nname = \"n2\"\nbackend = \"memcached\"\n";
    let error = of(&format!("protocol = \"resp\"\n{other}"));
    assert!(error.starts_with("s.toml:9:11: a node that is memcached speaks memcached"), "{error}");
    assert!(error.contains("leave `backend` out, or write `protocol = \"memcached\"`"), "{error}");
    let error = of("[[nodes.node]]\nname = \"n1\"\nbackend = \"valkey\"");
    assert!(error.contains("s.toml:8:11: ") && error.contains("`protocol = \"resp\"`"), "{error}");
    let error = plan_of(&nodes(other), &options(Protocol::Resp)).unwrap_err();
    assert!(error.contains("-protocol resp: n2 is memcached"), "{error}");
    let redis = "backend = \"redis\"\n[[nodes.node]]\nname = \"n3\"\nbackend = \"valkey\"";
    assert!(plan_of(&nodes(redis), &Options::default()).is_ok());
}
