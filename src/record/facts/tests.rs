//! What of a member's facts comes back and adds up, and what is refused.

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::base::name::NodeIndex;
use crate::base::time::{Offset, RunClock, Wall};
use crate::event::{ErrorClass, EventKind, Extent, KeyCounts, Operation, Outcome, Phase, Sample};
use crate::record::fleet::{APART_MAX, Standing};
use crate::record::{Config, Inputs, LoadCounts, NodeGroup, PhaseClock, Recorder, Stall};

/// When the phases begin, in milliseconds.
const PHASES: [(Phase, u64); 4] =
    [(Phase::Warmup, 0), (Phase::Steady, 500), (Phase::Fault, 1000), (Phase::Recovery, 1500)];

fn ms(ms: u64) -> Offset {
    Offset::from_duration(Duration::from_millis(ms))
}

/// A recorder whose phases begin `later_ms` later than usual.
fn recorder(later_ms: u64) -> Recorder {
    let phases = PhaseClock::new();
    for (phase, start) in PHASES {
        phases.begin(phase, ms(start + later_ms));
    }
    let config = Config {
        scenario: "test".to_owned(),
        nodes: 3,
        open_loop: true,
        operation_timeout: Duration::from_millis(100),
    };
    Recorder::new(config, RunClock::start(), phases)
}

fn sample(node: u16, due: Offset, took_us: u64, outcome: Outcome) -> Sample {
    Sample {
        extent: Extent::Single,
        operation: Operation::Get,
        home: NodeIndex(node),
        served_by: Some(NodeIndex(node)),
        outcome,
        due,
        issued: due,
        taken: due,
        sent: Some(due),
        done: due.plus(Duration::from_micros(took_us)),
        connection_wait: Duration::from_micros(took_us % 7),
        attempts: 1,
        needed: 1,
        keys: KeyCounts::default(),
    }
}

/// The facts of these samples, by a clock that all begin with.
fn summary(samples: &[Sample]) -> Summary {
    let recorder = recorder(0);
    let shard = recorder.shard();
    samples.iter().for_each(|sample| shard.record(sample));
    finished(&recorder, samples.len())
}

fn finished(recorder: &Recorder, count: usize) -> Summary {
    let count = count as u64;
    let load = LoadCounts { tickets_issued: count, tickets_closed: count, ..LoadCounts::default() };
    let mut summary = recorder.finish(Inputs { ended: ms(2000), load, ..Inputs::default() });
    summary.started_at = Wall::from(Duration::from_secs(1_700_000_000));
    summary
}

fn merged(summaries: impl IntoIterator<Item = Summary>) -> Summary {
    let mut summaries = summaries.into_iter();
    let mut all = summaries.next().unwrap();
    summaries.for_each(|more| all.absorb(more, Shift::default()));
    all
}

fn text(summary: &Summary) -> String {
    serde_json::to_string(summary).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    /// Catches a percentile, a count or a piece of merged facts that is not that of all samples together,
    /// and any that depends on the order in which they were merged or on what was merged first.
    #[test]
    fn merged_facts_are_those_of_all_samples(
        told in prop::collection::vec(
            (0_u16..3, 0_u64..2000, 0_u64..90_000_000, 0_usize..27, 0_usize..3), 1..120),
    ) {
        let outcomes: Vec<Outcome> = Outcome::all().collect();
        let samples: Vec<(usize, Sample)> = told
            .iter()
            .map(|(node, due, took, outcome, member)| {
                (*member, sample(*node, ms(*due), *took, outcomes[*outcome]))
            })
            .collect();
        let of = |member: usize| {
            let own = samples.iter().filter(|(whose, _)| *whose == member);
            summary(&own.map(|(_, sample)| *sample).collect::<Vec<_>>())
        };
        let whole = summary(&samples.iter().map(|(_, sample)| *sample).collect::<Vec<_>>());
        let one = merged([of(0), of(1), of(2)]);
        prop_assert_eq!(text(&one), text(&whole));
        for &phase in Phase::ALL {
            for &group in NodeGroup::ALL {
                let of = |summary: &Summary| summary.tally(Some(phase), group).response.figures();
                prop_assert_eq!(of(&one), of(&whole));
            }
        }
        prop_assert_eq!(text(&merged([of(2), of(0), of(1)])), text(&whole));
        prop_assert_eq!(text(&merged([of(0), merged([of(1), of(2)])])), text(&whole));
    }
}

/// Catches a moment of another clock that is kept as if it were ours, in any list.
#[test]
fn moments_lie_where_member_0_saw_them() {
    let ours = summary(&[]);
    let other = recorder(0);
    let failed = sample(0, ms(1200), 3000, Outcome::Error(ErrorClass::Timeout));
    other.shard().record(&failed);
    other.event_at(ms(1300), EventKind::NodeEjected { node: NodeIndex(0), cause: "x".to_owned() });
    let mut theirs = finished(&other, 1);
    // It began 2 s after ours by its own clock, which is 2.01 s ahead.
    theirs.started_at = ours.started_at.after(Duration::from_secs(2));
    theirs.inputs.harness.stalls.add(Stall { from: ms(1400), until: ms(1420) });
    let shift = Shift::between(&ours, &theirs, -2_010_000);
    assert_eq!(
        ours.standing_of(&theirs, shift),
        (Standing::Counted, Some(Duration::from_millis(10)))
    );
    let mut all = ours;
    all.absorb(theirs, shift);
    let pieces = all.bins(Phase::Fault, |_| true);
    let errors: Vec<Offset> = pieces.iter().filter_map(|piece| piece.bin.first_error).collect();
    assert_eq!(errors, [ms(1193)]);
    assert_eq!(
        pieces.last().map(|piece| piece.start),
        Some(ms(1200)),
        "the same piece of the phase"
    );
    assert_eq!(all.events[0].at_s, 1.29);
    assert_eq!(all.events[0].at, "2023-11-14T22:13:21.290Z");
    let stall = Stall { from: ms(1390), until: ms(1410) };
    assert_eq!(all.inputs.harness.stalls.iter().next(), Some(&stall));
}

/// Catches a member whose phases are others, or lie elsewhere, and whose operations are added to phases
/// that they do not belong to.
#[test]
fn only_what_lies_in_the_same_phases_is_added() {
    let ours = summary(&[]);
    let beyond = APART_MAX + Duration::from_millis(1);
    for (later_ms, expected) in [(50, Standing::Counted), (51, Standing::PhasesApart(beyond))] {
        let theirs = finished(&recorder(later_ms), 0);
        assert_eq!(ours.standing_of(&theirs, Shift::default()).0, expected);
    }
    let mut fewer = summary(&[]);
    fewer.phases.pop();
    assert_eq!(ours.standing_of(&fewer, Shift::default()).0, Standing::OtherPhases);
    let mut ended = summary(&[]);
    ended.inputs.partial = Some(crate::record::Partial::Interrupted);
    let expected = Standing::Ended(crate::record::Partial::Interrupted);
    assert_eq!(ours.standing_of(&ended, Shift::default()).0, expected);
}

/// Catches operations of a long run that are lost where pieces of different lengths meet.
#[test]
fn coarse_and_fine_pieces_keep_every_operation() {
    let of = |seconds: u64| {
        let samples: Vec<Sample> = (0..seconds)
            .map(|second| sample(0, ms(2000 + second * 1000), 100, Outcome::Hit))
            .collect();
        summary(&samples)
    };
    for (one, other) in [(100, 5000), (5000, 100), (5000, 1500)] {
        let all = merged([of(one), of(other)]);
        let pieces = all.bins(Phase::Recovery, |_| true);
        let counted: u64 = pieces.iter().map(|piece| piece.bin.counts.offered()).sum();
        assert_eq!(counted, one + other);
        assert_eq!(all.everything().offered(), one + other);
    }
}

/// Catches "nobody looked" that becomes "there was nothing", and a finding that is lost because somebody
/// else did not look.
#[test]
fn what_nobody_looked_for_is_not_zero() {
    let of = |wrong: Option<u64>| {
        let mut summary = summary(&[]);
        summary.inputs.data.wrong = wrong;
        summary
    };
    let together = |all: &[Option<u64>]| merged(all.iter().map(|it| of(*it))).inputs.data.wrong;
    assert_eq!(together(&[Some(0), Some(0)]), Some(0));
    assert_eq!(together(&[Some(0), None]), None);
    assert_eq!(together(&[None, Some(2), Some(0)]), Some(2));
    assert_eq!(together(&[Some(0), None, Some(1), None]), Some(1));
    // Of whom nothing is counted, only what is proven is.
    for (theirs, expected) in [(None, Some(0)), (Some(0), Some(0)), (Some(3), Some(3))] {
        let mut ours = of(Some(0));
        ours.absorb_proof(of(theirs), Shift::default());
        assert_eq!(ours.inputs.data.wrong, expected);
    }
}

fn member() -> Member {
    Member {
        index: 0,
        of: 1,
        run_id: "r1".to_owned(),
        host: "a".to_owned(),
        clock_offset_us: Some(0),
        clock_uncertainty_us: Some(0),
        late_s: None,
        without: Vec::new(),
    }
}

fn identity() -> Identity {
    Identity {
        version: "0.1.0".to_owned(),
        seed: 42,
        workload: "mixed".to_owned(),
        client_profile: "default".to_owned(),
        plan_hash: "abc".to_owned(),
        network: "user".to_owned(),
        machine: None,
        planned_s: None,
    }
}

/// Catches a fact that is lost on its way through the file.
#[test]
fn what_is_written_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let mut whole =
        crate::record::synthetic::Story::default().tell(crate::record::synthetic::usual);
    whole.inputs.data.late_writes =
        vec![crate::event::LateWrite { node: NodeIndex(1), begun: ms(3), reads: 2 }];
    whole.inputs.data.not_judged = vec![NotJudged { measure: "a".into(), reason: "b".into() }];
    write(folder.path(), &member(), &identity(), "pass", &whole).unwrap();
    let head = read_head(folder.path()).unwrap();
    assert_eq!((&head.member, &head.identity), (&member(), &identity()));
    let told = read(folder.path(), &head).unwrap();
    assert_eq!(told.inputs, whole.inputs);
    assert_eq!(text(&told), text(&whole));
}

/// Catches facts that are cut short, changed, foreign, without an end or no file, and that are believed,
/// waited for or end the program.
#[test]
fn what_are_no_facts_is_refused_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(FACTS);
    let refused = || match read_head(folder.path()).map(|head| read(folder.path(), &head)) {
        Err(error) | Ok(Err(error)) => error.to_string(),
        Ok(Ok(_)) => "nothing".to_owned(),
    };
    assert!(refused().contains("has no facts.ndjson: it is no part of a fleet"));
    write(folder.path(), &member(), &identity(), "pass", &summary(&[])).unwrap();
    let whole = std::fs::read_to_string(&path).unwrap();
    let other = whole.replacen("\"outcomes\":[\"hit\"", "\"outcomes\":[\"hits\"", 1);
    let beyond = whole.replacen("\"index\":0", "\"index\":7", 1);
    let huge =
        whole.replacen("\"bytes\":", "\"bytes\":9", 1).replacen(",\"crc32", "0000000,\"crc32", 1);
    for (content, expected) in [
        ("", "facts.ndjson:1: these are no facts of a run: EOF"),
        ("{\"a\":1}\n", "facts.ndjson:1: these are no facts of a run: missing field"),
        (&whole[..whole.len() - 20], "facts.ndjson:2: this line is not what its first line says"),
        (&whole.replacen("\"ended\":2", "\"ended\":3", 1), "facts.ndjson:2: this line is not"),
        (&(whole.clone() + "{}"), "facts.ndjson:2: this line is not"),
        (&other, "facts.ndjson:1: it was written by another build of the harness (0.1.0)"),
        (&beyond, "facts.ndjson:1: member 7 of 1; the last one is 0"),
        (&huge, "facts of 9"),
        (&"x".repeat(1 << 20), "facts.ndjson:1: these are no facts of a run"),
    ] {
        std::fs::write(&path, content).unwrap();
        let told = refused();
        assert!(told.contains(expected), "{expected}: {told}");
    }
    std::fs::write(&path, &whole).unwrap();
    let head = read_head(folder.path()).unwrap();
    write(folder.path(), &member(), &identity(), "fail", &summary(&[])).unwrap();
    let told = read(folder.path(), &head).unwrap_err().to_string();
    assert!(told.contains("written anew while it was read"), "{told}");
    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    assert!(refused().contains("it is a folder; name a regular file"));
}
