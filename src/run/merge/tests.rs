//! What the runs of many machines come to together, by rule.

use std::sync::LazyLock;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::base::name::NodeIndex;
use crate::event::{DelayUs, Outcome, ViolationKind};
use crate::judge::{Objective, Verdict};
use crate::record::Partial;
use crate::record::journal::write_whole;
use crate::record::synthetic::{Story, usual};

/// A fleet on the disk.
struct OnDisk {
    folder: tempfile::TempDir,
    plan: Plan,
}

/// A plan with objectives that a story can be judged by.
fn plan() -> Plan {
    let word = "single-node-failure".to_owned();
    let library = Library::new(".");
    let plan = plans(&library, &[word], &Options::default(), Seed::new(7)).unwrap().remove(0);
    let asked = ["no-wrong-data", "breaker-opens-quickly", "recovers"];
    let is_asked = |objective: &Objective| asked.contains(&objective.name.as_str());
    let objectives = plan.objectives.iter().filter(|it| is_asked(it)).cloned().collect();
    Plan { objectives, ..plan }
}

fn member(index: u32, of: u32) -> Member {
    Member {
        index,
        of,
        run_id: "r1".to_owned(),
        host: format!("host{index}"),
        clock_offset_us: Some(0),
        clock_uncertainty_us: Some(if index == 0 { 0 } else { 900 }),
        late_s: None,
        without: Vec::new(),
    }
}

/// What one member of a fleet saw: its share of the load; only member 0 has the nodes.
fn share(index: u32, of: u32) -> Summary {
    let story = Story { share: (u64::from(index), u64::from(of)), ..Story::default() };
    let mut summary = story.tell(usual);
    summary.started_at = Wall::from(Duration::from_secs(1_700_000_000));
    if index > 0 {
        summary.inputs.wire.clear();
        summary.inputs.backends.clear();
    }
    summary
}

impl OnDisk {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), plan: plan() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Leaves what `summary` says as the run of this member.
    fn leave(&self, name: &str, member: &Member, summary: &Summary) {
        let folder = self.path(name);
        std::fs::create_dir_all(&folder).unwrap();
        write_whole(&folder.join(PLAN), self.plan.to_toml().as_bytes()).unwrap();
        let header = setup::header(&self.plan);
        let judgement = judge(summary, &self.plan.objectives);
        leave_facts(&folder, member, &header, summary, &judgement).unwrap();
    }

    /// All of a fleet, each member's facts as `edit` leaves them.
    fn whole(of: u32, mut edit: impl FnMut(&mut Member, &mut Summary)) -> Self {
        let disk = Self::new();
        for index in 0..of {
            let (mut member, mut summary) = (member(index, of), share(index, of));
            edit(&mut member, &mut summary);
            disk.leave(&format!("m{index:02}"), &member, &summary);
        }
        disk
    }

    fn merged(&self, missing: Missing) -> Report {
        merge(&[self.folder.path().to_owned()], missing).unwrap().report
    }

    fn refused(&self, names: &[&str]) -> String {
        let folders: Vec<PathBuf> = names.iter().map(|name| self.path(name)).collect();
        merge(&folders, Missing::Invalid).unwrap_err().to_string()
    }
}

/// A report without the words that say of how many it is made.
fn of_one(mut report: Report) -> Report {
    (report.fleet, report.machine, report.members) = (None, None, Vec::new());
    for change in report.nodes.iter_mut().filter_map(|node| node.breaker.as_mut()) {
        change.transitions.iter_mut().for_each(|change| change.member = None);
    }
    report
}

/// Catches a figure, a grade or a reason that merging changes by itself.
#[test]
fn the_merge_of_one_is_the_run_itself() {
    let disk = OnDisk::whole(1, |_, _| {});
    let summary = share(0, 1);
    let (objectives, _) = setup::objectives(&disk.plan);
    let own = Report::new(setup::header(&disk.plan), &summary, &judge(&summary, &objectives));
    let told = disk.merged(Missing::Invalid);
    assert_eq!(told.fleet.as_ref().map(|fleet| fleet.counted), Some(1));
    assert_eq!(told.verdict, Verdict::Pass, "{:?}", told.reasons);
    let mut told = of_one(told);
    let gone = told.harness.limits.iter().position(|limit| limit.starts_with("events of member 0"));
    told.harness.limits.remove(gone.expect("there is no journal in this test"));
    assert_eq!(told, of_one(own));
}

/// Catches a fleet that comes to another verdict than one machine with the same load, and percentiles
/// that are not those of all samples.
#[test]
fn sixteen_are_judged_as_one_that_does_the_work_of_all() {
    let one = OnDisk::whole(1, |_, _| {}).merged(Missing::Invalid);
    let all = OnDisk::whole(16, |_, summary| {
        // The breaker of each member's client opens as that of the one does.
        assert_eq!(summary.transitions.len(), 3);
    })
    .merged(Missing::Invalid);
    assert_eq!((all.verdict, all.exit_code), (one.verdict, one.exit_code), "{:?}", all.reasons);
    assert_eq!(all.histograms, one.histograms);
    assert_eq!(all.pieces, one.pieces);
    assert_eq!((&all.recovery, &all.detection), (&one.recovery, &one.detection));
    for (all, one) in all.phases.iter().zip(&one.phases) {
        assert_eq!(all, one);
    }
    let measured = |report: &Report| -> Vec<_> {
        report.objectives.iter().map(|graded| (graded.measured, graded.samples)).collect()
    };
    assert_eq!(measured(&all), measured(&one));
    let fleet = all.fleet.unwrap();
    assert_eq!((fleet.counted, fleet.moments_within_us), (16, 900));
    assert_eq!(all.members[3].host.as_deref(), Some("host3"));
}

/// Catches a member that is missing, late, of doubtful time, noisy or wrong and that nobody names; one
/// that turns proven wrong data into "cannot be judged"; and one whose load counts although it must not.
#[test]
fn each_member_that_does_not_count_is_named() {
    type Edit = fn(&mut Member, &mut Summary);
    let noisy: Edit = |_, summary| {
        let delay = DelayUs { p50: None, p99: Some(31_000), max: Some(40_000) };
        summary.inputs.harness.timer_delay = Some(delay);
    };
    let cases: [(Edit, &str); 7] = [
        (|member, _| member.clock_offset_us = None, "nobody measured how its clock"),
        (|member, _| member.clock_uncertainty_us = Some(50_001), "within 51 ms only"),
        (|member, _| member.late_s = Some(1.5), "its load began 1.500 s late"),
        (|member, _| member.clock_offset_us = Some(70_000), "began 70 ms from member 0's"),
        (|_, summary| summary.inputs.partial = Some(Partial::Interrupted), "it was interrupted"),
        (|_, summary| drop(summary.phases.pop()), "its phases are others"),
        (noisy, "10 ms timer woke 31 ms late"),
    ];
    for (edit, why) in cases {
        let disk = OnDisk::whole(4, |member, summary| {
            if member.index == 2 {
                edit(member, summary);
            }
        });
        let told = disk.merged(Missing::Invalid);
        assert_eq!((told.verdict, told.exit_code), (Verdict::Invalid, 4), "{why}");
        let reasons = told.reasons.join("\n");
        assert!(reasons.contains("member 2 (host2)") && reasons.contains(why), "{reasons}");
        let narrow = disk.merged(Missing::Narrow);
        let counts = |report: &Report| report.conservation().1;
        if edit as usize == noisy as usize {
            assert_eq!(narrow.verdict, Verdict::Invalid, "noise is no part that is missing");
            assert_eq!(counts(&narrow), 12_600);
        } else {
            assert_eq!(narrow.verdict, Verdict::Pass, "{why}: {:?}", narrow.reasons);
            assert!(narrow.reasons.join("\n").contains("narrower than planned"));
            assert_eq!(counts(&narrow), 9450, "{why}");
        }
        // What is wrong is wrong, whosever it is.
        let disk = OnDisk::whole(4, |member, summary| {
            if member.index == 2 {
                edit(member, summary);
                summary.inputs.data.wrong = Some(1);
            }
        });
        for missing in [Missing::Invalid, Missing::Narrow] {
            let told = disk.merged(missing);
            assert_eq!((told.verdict, told.exit_code), (Verdict::Fail, 1), "{why}");
            assert_eq!(told.data.totals.wrong, Some(1));
        }
    }
}

/// Catches a member that left nothing and is not missed, and requests of members that are not counted
/// held against the calls of those that are.
#[test]
fn a_member_that_left_nothing_is_missed() {
    let disk = OnDisk::whole(4, |member, _| {
        if member.index == 0 {
            member.without = vec![1];
        }
    });
    std::fs::remove_file(disk.path("m01").join(FACTS)).unwrap();
    let told = disk.merged(Missing::Invalid);
    assert_eq!(told.verdict, Verdict::Invalid);
    assert!(told.reasons[0].contains("1 of 4 members does not count: member 1: it left no facts"));
    assert!(told.harness.limits.iter().any(|limit| limit.contains("m01 has no facts.ndjson")));
    assert!(told.load.request_amplification.is_none(), "nothing was needed in the fault phase");
    let narrow = disk.merged(Missing::Narrow);
    assert_eq!(narrow.verdict, Verdict::Pass, "{:?}", narrow.reasons);
    std::fs::remove_file(disk.path("m02").join(FACTS)).unwrap();
    let lines = disk.merged(Missing::Narrow).reasons.join("\n");
    assert!(lines.contains("member 1: it left no facts; member 2: it left no facts"), "{lines}");
}

/// Catches operations of a member that do not add up, and that another one's make up for.
#[test]
fn what_does_not_add_up_in_one_is_not_made_up_for_by_another() {
    let disk = OnDisk::whole(2, |member, summary| {
        let load = &mut summary.inputs.load;
        let more = if member.index == 0 { 1 } else { u64::MAX };
        load.tickets_issued = load.tickets_issued.wrapping_add(more);
        load.tickets_closed = load.tickets_issued;
    });
    let told = disk.merged(Missing::Invalid);
    assert_eq!(told.verdict, Verdict::Fail);
    let expected = "operations are not accounted for by member 0 (host0), member 1 (host1)";
    assert!(told.reasons.contains(&expected.to_owned()), "{:?}", told.reasons);
}

/// Catches the slowest client of a fleet that is hidden by the fastest.
#[test]
fn the_slowest_client_counts() {
    let slower = |by_ms: u64| {
        OnDisk::whole(2, |member, summary| {
            if member.index == 1 {
                let by = Duration::from_millis(by_ms);
                summary.transitions.iter_mut().for_each(|change| change.at = change.at.plus(by));
            }
        })
        .merged(Missing::Invalid)
    };
    let (alike, later) = (slower(0), slower(300));
    let open = |report: &Report| report.detection.breaker_open_after_fault_s;
    assert_eq!((open(&alike), open(&later)), (Some(0.05), Some(0.35)));
    let floor = |report: &Report| report.recovery.probe_floor_s;
    assert_eq!((floor(&alike), floor(&later)), (Some(0.2), Some(0.5)));
    let breaker = later.nodes[0].breaker.as_ref().unwrap();
    assert_eq!((breaker.opens, breaker.transitions.len()), (2, 6));
    assert!((breaker.open_s - 2.0 * 5.15).abs() < 1e-9, "{}", breaker.open_s);
}

/// Catches runs that do not belong together and that become one all the same.
#[test]
fn what_does_not_belong_together_is_refused() {
    let disk = OnDisk::whole(3, |_, _| {});
    let stranger = Member { run_id: "r2".to_owned(), ..member(1, 3) };
    disk.leave("stranger", &stranger, &share(1, 3));
    disk.leave("again", &member(1, 3), &share(1, 3));
    disk.leave("of4", &member(3, 4), &share(3, 4));
    let mut others = share(2, 3);
    others.config.nodes = 2;
    disk.leave("nodes", &member(2, 3), &others);
    for (names, expected) in [
        (&["m00", "stranger"][..], "stranger: its run-id is r2, and that of "),
        (&["m00", "of4"], "of4: its number of members is 4, and that of "),
        (&["m00", "nodes"], "nodes: its setting is Config"),
        (&["m00", "m01", "again"], "are both member 1; name one of them"),
        (&["m00", "m00"], "are both member 0; name one of them"),
        (&["m01", "m02"], "member 0 is not among the 2 runs of r1"),
        (&["nowhere"], "cannot read "),
    ] {
        let told = disk.refused(names);
        assert!(told.contains(expected), "{expected}: {told}");
    }
    let empty = tempfile::tempdir().unwrap();
    let told = merge(&[empty.path().to_owned()], Missing::Invalid).unwrap_err().to_string();
    assert!(told.contains("has no facts.ndjson"), "{told}");
    let path = disk.path("m00").join(PLAN);
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replacen("concurrency = ", "concurrency = 1", 1)).unwrap();
    assert!(disk.refused(&["m00", "m01"]).contains("this is not the plan that the members ran"));
}

/// Catches a merged run that is no run for those who read runs, and violations that are lost on the way.
#[test]
fn the_merged_run_is_a_run() {
    let disk = OnDisk::whole(2, |member, summary| {
        let violation = EventKind::Violation {
            kind: ViolationKind::Stale,
            node: NodeIndex(0),
            key: "k".to_owned(),
            detail: "sequence 4 < 7".to_owned(),
            wire: None,
            write_begun_s: None,
        };
        let event = Event {
            at_s: 7.5,
            at: String::new(),
            phase: Phase::Fault,
            member: None,
            kind: violation,
        };
        summary.events.extend((member.index == 1).then_some(event));
    });
    let merged = merge(&[disk.folder.path().to_owned()], Missing::Invalid).unwrap();
    let (report, out) = (merged.report.clone(), disk.path("out"));
    let (folder, losses) = merged.leave(&out).unwrap();
    assert_eq!(losses, [""; 0]);
    let stored = Stored::read(&folder).unwrap();
    assert_eq!(stored.report, report);
    assert_eq!(stored.report.data.examples.len(), 1);
    let seen = stored.events.iter().find(|event| matches!(event.kind, EventKind::Violation { .. }));
    assert_eq!(seen.and_then(|event| event.member), Some(1));
    assert_eq!(stored.events.len(), 4, "the violation, and what the breaker of member 1 did");
    let text = std::fs::read_to_string(folder.join(PLAN)).unwrap();
    assert_eq!(text, disk.plan.to_toml());
    for file in ["report.html", "report.md", "junit.xml", "histograms.hlog"] {
        assert!(folder.join(file).exists(), "{file}");
    }
    let html = std::fs::read_to_string(folder.join("report.html")).unwrap();
    assert!(html.contains("Members of the fleet") && html.contains("host1"));
    let blocked = disk.path("file");
    std::fs::write(&blocked, "").unwrap();
    let merged = merge(&[disk.folder.path().to_owned()], Missing::Invalid).unwrap();
    assert!(merged.leave(&blocked).unwrap_err().to_string().contains("cannot write"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Catches facts that somebody has changed, with a checksum that is right, and that end the program.
    #[test]
    fn no_facts_end_the_program(
        place in any::<prop::sample::Index>(),
        with in prop_oneof![
            Just("9999999999999999"), Just("-1"), Just("null"), Just("\"\""), Just("0"),
        ],
    ) {
        let disk = OnDisk::new();
        let (head, body) = FACTS_OF_ONE.split_once('\n').unwrap();
        // One of its numbers becomes something else.
        let numbers: Vec<(usize, &str)> = body.match_indices(is_digit).collect();
        let start = numbers[place.index(numbers.len())].0;
        let end = body[start..].find(|c| !is_digit(c)).map_or(body.len(), |it| start + it);
        let body = format!("{}{with}{}", &body[..start], &body[end..]);
        let mut head: serde_json::Value = serde_json::from_str(head).unwrap();
        head["bytes"] = body.len().into();
        head["crc32"] = crc32fast::hash(body.as_bytes()).into();
        std::fs::create_dir(disk.path("m00")).unwrap();
        std::fs::write(disk.path("m00").join(PLAN), disk.plan.to_toml()).unwrap();
        std::fs::write(disk.path("m00").join(FACTS), format!("{head}\n{body}")).unwrap();
        let _ = merge(&[disk.folder.path().to_owned()], Missing::Invalid).map(|it| it.report);
    }
}

/// The file of a fleet of one.
static FACTS_OF_ONE: LazyLock<String> = LazyLock::new(|| {
    let disk = OnDisk::whole(1, |_, _| {});
    std::fs::read_to_string(disk.path("m00").join(FACTS)).unwrap()
});

fn is_digit(c: char) -> bool {
    c.is_ascii_digit()
}

/// Catches a member whose clients saw other outcomes than the rest and that vanish in the sum.
#[test]
fn outcomes_of_all_members_are_counted() {
    let disk = OnDisk::whole(2, |member, summary| {
        if member.index == 1 {
            let story = Story { share: (1, 2), ..Story::default() };
            let started = summary.started_at;
            *summary = story.tell(|_, _| (Outcome::Miss, 300));
            summary.started_at = started;
        }
    });
    let steady = &disk.merged(Missing::Invalid).phases[1].all.figures;
    assert_eq!(steady.outcomes["miss"], 1500);
    assert_eq!(steady.outcomes["hit"], 1500);
}
