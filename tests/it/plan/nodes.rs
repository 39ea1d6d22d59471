//! What a file and the command line say of the nodes.

use std::time::Duration;

use harness::lab::{Backend, NodeProgram, Nodes};
use harness::plan::Options;
use harness::secure::access::Access;

use super::{HEAD, plan_of};

const AUTH: Access = Access { tls: false, auth: true, sasl: false };

const ARGS: &str = "[nodes]\nargs = [\"-c\", \"64\", \"-o\", \"idle_timeout=5\"]\n";

fn nodes_of(lines: &str) -> Result<Nodes, String> {
    plan_of(&format!("{HEAD}{lines}"), &Options::default()).map(|plan| plan.nodes)
}

/// Catches a node that is started otherwise than its file says, and what a printed plan loses of it.
#[test]
fn nodes_are_started_as_the_file_says() {
    let one = "[[nodes.node]]\nname = \"n2\"\nbackend = \"embedded\"\nargs = [\"-m8\"]\n\
               [[nodes.node]]\nname = \"n3\"\nargs = []\nbinary = \"./own/memcached\"\n";
    let plan = plan_of(&format!("{HEAD}{ARGS}{one}"), &Options::default()).unwrap();
    let program = |node: u16| plan.nodes.of(harness::base::name::NodeIndex(node));
    assert_eq!(program(0).1.args, ["-c", "64", "-o", "idle_timeout=5"]);
    assert_eq!(
        (program(1).0, program(1).1.args.as_slice()),
        (&Backend::Embedded, &["-m8".to_owned()][..])
    );
    let NodeProgram { binary, args } = program(2).1;
    assert!(binary.as_ref().unwrap().is_absolute() && args.is_empty());
    assert!(binary.as_ref().unwrap().ends_with("own/memcached"));
    let again = plan_of(&plan.to_toml(), &Options::default()).unwrap();
    assert_eq!(again, plan);
}

/// Catches an argument that would break the lab, is not placed, or is refused without a reason.
#[test]
fn what_nodes_cannot_be_is_refused_at_its_place() {
    for (lines, refused) in [
        (
            "args = [\"-c\", \"64\", \"-p\", \"1\"]",
            "s.toml:6:21: `-p` is refused: the lab chooses where",
        ),
        ("args = [\"-m\", \"5\\u0000\"]", "s.toml:6:15: \"5\\0\" is no value of `-m`"),
        ("args = \"-c 64\"", "s.toml:6:8: `args`: expected a list"),
        ("binary = \"\"", "s.toml:6:10: `binary` is the path of a program"),
        (
            "backend = \"embedded\"\nargs = [\"-o\", \"x\"]",
            "s.toml:7:8: `-o` is unknown; a node takes -l -p -m -c -I and -U 0; an embedded node",
        ),
        ("backend = \"embedded\"\nbinary = \"x\"", "s.toml:7:10: an embedded node is no program"),
        ("servers = [\"127.0.0.1:1\"]\nargs = []", "s.toml:7:1: `args` and `servers` exclude"),
        ("[[nodes.node]]\nargs = []", "s.toml:6:1: `name` is missing"),
        ("[[nodes.node]]\nname = \"n4\"", "s.toml:7:8: there is no node `n4`; nodes are n1 to n3"),
        ("[[nodes.node]]\nname = \"n1\"\n[[nodes.node]]\nname = \"n1\"", "n1 is described twice"),
    ] {
        let error = nodes_of(&format!("[nodes]\n{lines}\n")).unwrap_err();
        assert!(error.contains(refused), "{lines}: {error}");
    }
    let file = format!("{HEAD}{ARGS}");
    for (backend, refused) in [
        (
            Backend::Servers(vec!["127.0.0.1:1".parse().unwrap()]),
            "-servers names nodes that run already",
        ),
        (Backend::Embedded, "-nodes embedded: `-o` is unknown"),
    ] {
        let options = Options { backend: Some(backend), ..Options::default() };
        let error = plan_of(&file, &options).unwrap_err();
        assert!(error.contains(refused), "{error}");
    }
}

/// Catches a run without proxies that something of it needs.
#[test]
fn what_needs_a_proxy_is_refused_without_one() {
    let direct = Options { direct: true, ..Options::default() };
    let plan = plan_of(HEAD, &direct).unwrap();
    assert!(plan.direct && plan_of(&plan.to_toml(), &Options::default()).unwrap().direct);
    let of = |fault: &str| format!("{HEAD}[[faults]]\non = \"all\"\n{fault} = {{}}\n");
    assert!(plan_of(&of("kill"), &direct).is_ok());
    assert!(
        plan_of(&of("refuse"), &direct).unwrap_err().starts_with(
            "-direct leaves the proxies out, and the fault `refuse` (refuse) is done by"
        )
    );
    let toxiproxy = Options { elsewhere: Some(super::toxiproxy()), ..direct.clone() };
    assert!(
        plan_of(HEAD, &toxiproxy).unwrap_err().contains("-toxiproxy asks for some; leave it out")
    );
}

/// Catches a long run of which the warm-up takes minutes.
#[test]
fn a_long_run_is_broken_for_most_of_it() {
    let options = Options { duration: Some(Duration::from_secs(3600)), ..Options::default() };
    let phases = super::named("single-node-failure", &options).phases;
    assert_eq!(phases.total().as_secs(), 3600);
    assert!(phases.warmup.as_secs() <= 15 && phases.fault.as_secs() > 3000, "{phases:?}");
}

/// Catches nodes that answer who asks for the list although nobody wanted it, or do not although it was wanted,
/// also of a printed plan and of nodes that run already.
#[test]
fn nodes_tell_the_list_where_that_is_asked_for() {
    let with = |lines: &str| format!("{HEAD}[nodes]\ndiscovery = true\n{lines}");
    let plan = plan_of(&with("count = 4\n"), &Options::default()).unwrap();
    assert!(plan.nodes.discovery && !nodes_of("").unwrap().discovery);
    let given = "servers = [\"127.0.0.1:1\"]\n";
    for plan in [plan, plan_of(&with(given), &Options::default()).unwrap()] {
        assert!(plan.nodes.discovery);
        assert_eq!(plan_of(&plan.to_toml(), &Options::default()).unwrap(), plan);
    }
    let refused = nodes_of("[nodes]\ndiscovery = \"yes\"\n").unwrap_err();
    assert!(refused.contains("s.toml:6:13"), "{refused}");
}

/// Catches nodes that are asked for less than the file and the command line say together, and a printed plan
/// that loses it.
#[test]
fn what_nodes_ask_of_who_connects_reads_back() {
    let given = Options { access: AUTH, ..Options::default() };
    let text = format!("{HEAD}[nodes]\ntls = true\n");
    let plan = plan_of(&text, &given).unwrap();
    assert!(plan.nodes.access.tls && plan.nodes.access.auth);
    assert_eq!(plan_of(&plan.to_toml(), &Options::default()).unwrap(), plan);
    let sasl = Access { sasl: true, ..Access::default() };
    let asked = |text: &str, access: Access| {
        let given = Options { access, ..Options::default() };
        plan_of(&format!("{HEAD}[nodes]\n{text} = true\n"), &given).unwrap().nodes.access
    };
    assert_eq!(asked("auth", sasl), sasl);
    assert_eq!(asked("sasl", AUTH), AUTH);
    assert_eq!(
        asked("sasl", Access { tls: true, ..Access::default() }),
        Access { tls: true, ..sasl }
    );
    let plan = plan_of(&format!("{HEAD}[nodes]\nsasl = true\n"), &Options::default()).unwrap();
    assert_eq!(plan_of(&plan.to_toml(), &Options::default()).unwrap(), plan);
    let client = "[client.driver]\ncommand = [\"x\"]\ntls = true\n[nodes]\ntls = true\ncount = 1\n";
    let plan = plan_of(&format!("{HEAD}{client}"), &Options::default()).unwrap();
    assert_eq!(plan_of(&plan.to_toml(), &Options::default()).unwrap(), plan);
    let refused = plan_of(&format!("{HEAD}{client}"), &given).unwrap_err();
    assert!(refused.contains("write `auth = true`"), "{refused}");
}
