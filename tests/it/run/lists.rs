//! Lists of nodes that change under a run, and lists that differ: what clients read then, and what is said of it.

use harness::judge::{Grade, Verdict};
use harness::report::Report;

use super::Place;

const PHASES: &str =
    "[phases]\nwarmup = \"500ms\"\nsteady = \"2s\"\nfault = \"3s\"\nrecovery = \"2s\"\n";

/// A run of the built-in client with these faults; what there is to judge it by comes first.
fn played(objectives: &str, rest: &str) -> Report {
    let place = Place::new();
    place.scenario("lists", &format!("objectives = [{objectives}]\n{PHASES}{rest}"));
    place.play("-scenario lists.toml -nodes embedded -once -out o").report()
}

fn grade(report: &Report, name: &str) -> Grade {
    let objective = report.objectives.iter().find(|objective| objective.name == name);
    objective.unwrap_or_else(|| panic!("no {name}")).grade
}

fn keys_moved(report: &Report) -> Option<f64> {
    report.subject.as_ref().unwrap().list_keys_moved_ratio
}

/// Catches old data that a node gives out when it is back in the list and that nobody notices, or that is
/// held against anything else.
#[test]
fn a_node_that_comes_back_with_its_data_is_found_out() {
    let report = played(
        "\"no-stale-data\", \"no-false-misses\", \"no-contradictions\", \"no-wrong-data\"",
        "[[faults]]\nname = \"out\"\non = [\"n2\"]\nleave = {}\n",
    );
    assert_eq!(report.verdict, Verdict::Fail, "{:?}", report.reasons);
    assert_eq!(grade(&report, "no-stale-data"), Grade::Fail);
    for other in ["no-false-misses", "no-contradictions", "no-wrong-data"] {
        assert_eq!(grade(&report, other), Grade::Pass, "{other}: {:?}", report.reasons);
    }
    let moved = keys_moved(&report).unwrap();
    assert!((0.2..0.5).contains(&moved), "a third of the keys moves: {moved}");
    assert!(report.faults[0].operations_touched > Some(100), "{:?}", report.faults[0]);
}

/// Catches keys that move to a node which joins and are called lost, a node that is asked before it joins, or
/// that leaves again.
#[test]
fn a_node_that_joins_has_its_keys_from_then_on() {
    let report = played(
        "\"no-stale-data\", \"no-false-misses\", \"no-contradictions\", \"no-wrong-data\"",
        "[nodes]\ncount = 4\n[[faults]]\nname = \"more\"\non = [\"n4\"]\njoin = {}\n",
    );
    for objective in &report.objectives {
        assert_eq!(objective.grade, Grade::Pass, "{}: {:?}", objective.name, report.reasons);
    }
    let moved = keys_moved(&report).unwrap();
    assert!((0.1..0.4).contains(&moved), "a quarter of the keys moves: {moved}");
}

/// Catches two lists that cannot go well and are not found out, and a group whose list is another's.
#[test]
fn who_has_another_list_reads_what_others_have_overwritten() {
    let report = played(
        "\"no-false-misses\", \"no-contradictions\", \"no-wrong-data\"",
        "[[groups]]\nname = \"a\"\nsees = [\"n1\", \"n2\", \"n3\"]\n\
         [[groups]]\nname = \"b\"\nsees = [\"n1\", \"n2\"]\n\
         [[faults]]\nname = \"agree\"\non = [\"n3\"]\ngroup = \"b\"\nat = \"2s\"\njoin = {}\n\
         [[objective]]\nname = \"split\"\nsummary = \"stale\"\nmeasure = \"stale_unexplained\"\nat_least = 1\n",
    );
    for objective in &report.objectives {
        assert_eq!(objective.grade, Grade::Pass, "{}: {:?}", objective.name, report.reasons);
    }
}

/// Catches a list without anybody in it that is found out when it is too late, and groups of who has no client
/// of ours.
#[test]
fn what_no_list_can_be_is_refused_before_anything_starts() {
    let place = Place::new();
    let of = |rest: &str| format!("{PHASES}{rest}");
    let leave =
        |node: &str| format!("[[faults]]\nname = \"{node}\"\non = [\"{node}\"]\nleave = {{}}\n");
    let all = ["n1", "n2", "n3"].map(leave).concat();
    place.scenario("empty", &of(&all));
    let said = place.run("-scenario empty.toml -nodes embedded");
    said.refused(3, &["n3 is the last one in the list"]);
    place.scenario("nobody", &of("[[faults]]\non = \"all\"\njoin = {}\n"));
    let said = place.run("-scenario nobody.toml -nodes embedded");
    said.refused(3, &["nobody is in the list at first"]);
    place.scenario("groups", &of("[[groups]]\nname = \"a\"\nsees = [\"n1\"]\n"));
    let said = place.run("exec -scenario groups.toml -nodes embedded -- true");
    said.refused(3, &["[[groups]]", "there is one list for it"]);
}

/// Catches a command that is not told of a list that changes, or only of the new one.
#[test]
fn a_command_reads_the_list_from_its_file() {
    let place = Place::new();
    place.scenario(
        "file",
        &format!("objectives = []\n{PHASES}[[faults]]\non = [\"n1\"]\nleave = {{}}\n"),
    );
    let script = "while sleep 0.1; do wc -l < \"$MEMCACHED_SERVERS_FILE\"; done > seen";
    std::fs::write(place.path("watch.sh"), script).unwrap();
    place.run(
        "exec -scenario file.toml -nodes embedded -json -listen 127.0.0.1:0 -api 127.0.0.1:0 -duration 6s -- \
         sh watch.sh",
    );
    let seen = std::fs::read_to_string(place.path("seen")).unwrap();
    let mut counts: Vec<&str> = seen.lines().map(str::trim).collect();
    counts.dedup();
    assert_eq!(counts, ["3", "2", "3"]);
}
