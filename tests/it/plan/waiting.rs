//! `after`, `then` and `until`: what a fault may wait for, what is refused, and what is printed.

use harness::plan::{Options, Plan};

use super::plan_of;

fn read(faults: &str, options: &Options) -> Result<Plan, String> {
    let phases =
        "[phases]\nwarmup = \"3s\"\nsteady = \"5s\"\nfault = \"30s\"\nrecovery = \"10s\"\n";
    plan_of(&format!("summary = \"x\"\n{phases}{faults}"), options)
}

fn fault(rest: &str) -> String {
    format!("[[faults]]\non = [\"n1\"]\nrefuse = {{}}\n{rest}\n")
}

/// Catches something to wait for that is lost on the way through a printed plan, and a fault that
/// waits with a time of its own.
#[test]
fn what_is_waited_for_is_kept() {
    let faults = [
        fault("name = \"a\"\nafter = { requests = 1000 }\nfor = \"2s\""),
        fault("name = \"b\"\nthen = \"a\"\nfor = \"2s\""),
        fault("name = \"c\"\nafter = { event = \"deploy\" }"),
        fault("name = \"d\"\nafter = { breaker = \"open\" }"),
        fault(
            "name = \"e\"\nafter = { command = \"set,ms\", key = \"*k:7\" }\nuntil = { touched = 40 }",
        ),
        fault("name = \"f\"\nafter = { key = \"*k:7\", requests = 3 }"),
    ];
    let plan = read(&faults.concat(), &Options::default()).unwrap();
    let waits: Vec<String> =
        plan.faults.iter().filter_map(|it| Some(it.spec.after.as_ref()?.to_string())).collect();
    assert_eq!(
        waits,
        [
            "its nodes have had 1000 requests",
            "`a` was healed",
            "the event `deploy` comes",
            "the breaker of one of its nodes is open",
            "its nodes have had 1 `set,ms` request for `*k:7`",
            "its nodes have had 3 requests for `*k:7`",
        ]
    );
    assert_eq!(plan.faults[4].spec.until_touched, Some(40));
    assert_eq!(plan_of(&plan.to_toml(), &Options::default()).unwrap().faults, plan.faults);
}

/// Catches a fault that would never begin and that nobody is told of before the run.
#[test]
fn what_never_comes_is_refused() {
    let none = Options::default();
    for (rest, why) in [
        ("after = {}", "a fault waits for one thing: { requests = 1000 }"),
        ("after = { requests = 0 }", "`requests` must lie between 1 and"),
        ("after = { request = 1 }", "did you mean `requests`"),
        ("after = { command = \"sett\" }", "unknown command `sett`; did you mean `set`"),
        ("after = { command = \"set\", breaker = \"open\" }", "a fault waits for one thing"),
        ("after = { key = \"\" }", "no request has an empty key; leave `key` out"),
        ("until = { touched = 0 }", "`touched` must lie between 1 and"),
        ("until = {}", "how many operations"),
        ("until = { hits = 1 }", "unknown end of a fault `hits`"),
        ("after = { breaker = \"shut\" }", "unknown state of a breaker `shut`"),
        ("after = { requests = 1, event = \"x\" }", "a fault waits for one thing"),
        ("after = { requests = 1 }\nthen = \"x\"", "`after` and `then`"),
        ("after = { requests = 1 }\nat = \"1s\"", "`at` is for a fault with a time of its own"),
        ("then = \"x\"", "unknown fault `x`"),
        ("then = \"refuse\"", "`refuse` follows itself"),
    ] {
        let refused = read(&fault(rest), &none).unwrap_err();
        assert!(refused.contains(why), "{rest}: {refused}");
    }
    let of_node = "[[faults]]\non = [\"n1\"]\nkill = {}\nuntil = { touched = 3 }\n";
    let refused = read(of_node, &none).unwrap_err();
    assert!(refused.contains("nobody counts what `kill` touches while it lasts"), "{refused}");
    let twice = fault("name = \"a\"\nat = \"1s\"\nfor = \"1s\"\ntimes = 2\nevery = \"2s\"");
    let follows = fault("name = \"b\"\nthen = \"a\"");
    let refused = read(&(twice + &follows), &none).unwrap_err();
    assert!(refused.contains("`a` is repeated; say which is followed, such as `a-2`"), "{refused}");
    let circle = fault("name = \"a\"\nthen = \"b\"") + &fault("name = \"b\"\nthen = \"a\"");
    let refused = read(&circle, &none).unwrap_err();
    assert!(refused.contains("`b` follows itself and would never begin"), "{refused}");
}

/// Catches something to wait for that nobody sees in the run that was asked for.
#[test]
fn what_nobody_sees_is_refused() {
    let node = |rest: &str| format!("[[faults]]\non = [\"n1\"]\nkill = {{}}\n{rest}\n");
    let direct = Options { direct: true, ..Options::default() };
    let remote = Options { elsewhere: Some(super::toxiproxy()), ..Options::default() };
    for (rest, options, why) in [
        ("after = { requests = 1 }", &direct, "-direct leaves out the proxies that count them"),
        ("after = { requests = 1 }", &remote, "proxies elsewhere do not tell how many"),
        ("after = { event = \"x\" }", &remote, "events come through our own control API"),
    ] {
        let refused = read(&node(rest), options).unwrap_err();
        assert!(refused.contains("the fault `kill` never begins: it waits until"), "{refused}");
        assert!(refused.contains(why), "{rest}: {refused}");
    }
    let slow =
        "[[faults]]\non = [\"n1\"]\nlatency = { latency = \"50ms\" }\nuntil = { touched = 3 }\n";
    let refused = read(slow, &remote).unwrap_err();
    assert!(
        refused.contains("until it has touched 3 operations, and proxies elsewhere"),
        "{refused}"
    );
    assert!(read(&node("after = { breaker = \"open\" }"), &direct).is_ok());
    assert!(read(&node("after = { event = \"x\" }"), &direct).is_ok());
}
