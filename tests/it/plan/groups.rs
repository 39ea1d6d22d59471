//! `[[groups]]`, and faults of the lists that they are told.

use harness::plan::Options;

use super::{HEAD, plan_of};

const TWO: &str = "[[groups]]\nname = \"a\"\nsees = [\"n3\", \"n1\"]\nshare = \"30%\"\n\
                   [[groups]]\nname = \"b\"\nsees = [\"n1\", \"n2\", \"n3\"]\n";

fn fault(rest: &str) -> String {
    let phases = "[phases]\nwarmup = \"1s\"\nsteady = \"3s\"\nfault = \"4s\"\nrecovery = \"3s\"\n";
    format!("{phases}[[faults]]\non = [\"n2\"]\n{rest}\n")
}

/// Catches a group that is lost, or has another list or share, on the way through a printed plan.
#[test]
fn groups_are_read_and_printed() {
    let file = format!("summary = \"x\"\n{TWO}{}", fault("group = \"a\"\njoin = {}"));
    let plan = plan_of(&file, &Options::default()).unwrap();
    let told: Vec<String> = plan
        .groups
        .iter()
        .map(|it| format!("{} {:?} {}", it.list.name, it.list.sees, it.share))
        .collect();
    assert_eq!(
        told,
        ["a [NodeIndex(2), NodeIndex(0)] 30%", "b [NodeIndex(0), NodeIndex(1), NodeIndex(2)] 70%"]
    );
    assert_eq!(plan.faults[0].spec.group.as_deref(), Some("a"));
    let again = plan_of(&plan.to_toml(), &Options::default()).unwrap();
    assert_eq!(again, plan);
    assert_eq!(again.hash(), plan.hash());
}

/// Catches a group that nobody could be in, or that sees nobody, and a word that is not told where it is wrong.
#[test]
fn what_is_no_group_is_refused_at_its_place() {
    for (lines, why) in [
        ("[[groups]]\nsees = [\"n1\"]", "`name` is missing"),
        ("[[groups]]\nname = \"a\"", "`sees` is missing"),
        ("[[groups]]\nname = \"a\"\nsees = []", "the group sees no node"),
        ("[[groups]]\nname = \"a\"\nsees = [\"n4\"]", "there is no node `n4`"),
        ("[[groups]]\nname = \"a\"\nsees = [\"n1\", \"n1\"]", "`n1` is listed twice"),
        ("[[groups]]\nname = \"a\"\nsees = [\"n1\"]\nshare = \"0%\"", "a group of nobody"),
        ("[[groups]]\nname = \"a\"\nsees = [\"n1\"]\nshare = \"50%\"", "together they are 100%"),
        ("[[groups]]\nname = \"a\"\nsee = [\"n1\"]", "did you mean `sees`"),
    ] {
        let refused = plan_of(&format!("{HEAD}{lines}\n"), &Options::default()).unwrap_err();
        assert!(refused.contains(why) && refused.contains("s.toml:"), "{lines}: {refused}");
    }
    for (rest, why) in [
        ("group = \"a\"\nkill = {}", "`group` is for faults of the list"),
        ("group = \"c\"\nleave = {}", "unknown group `c`"),
    ] {
        let file = format!("summary = \"x\"\n{TWO}{}", fault(rest));
        let refused = plan_of(&file, &Options::default()).unwrap_err();
        assert!(refused.contains(why), "{rest}: {refused}");
    }
    let without = format!("summary = \"x\"\n{}", fault("group = \"a\"\nleave = {}"));
    let refused = plan_of(&without, &Options::default()).unwrap_err();
    assert!(refused.contains("there are no [[groups]] here"), "{refused}");
}
