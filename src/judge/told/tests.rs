//! Runs that never happened, piece by piece, in literal instants.

use super::*;
use crate::record::synthetic::{FAULT_MS, HEAL_MS, Story, usual, watched};
use crate::record::{WirePiece, WirePieces};

const PIECE_MS: u64 = 20;

fn at(ms: u64) -> Offset {
    Offset::from_duration(Duration::from_millis(ms))
}

/// What is told of the first node of a run in which this passed it in the piece that begins at these
/// milliseconds.
fn told_of(piece: impl Fn(u64) -> WirePiece, edit: impl Fn(&mut Summary)) -> ToldNode {
    let mut summary = Story::default().tell(usual);
    let all = (0..22_000 / PIECE_MS).map(|place| piece(place * PIECE_MS)).collect();
    let length = Duration::from_millis(PIECE_MS);
    let pieces = WirePieces { length, all, shut: Vec::new() };
    summary.inputs.wire_nodes = vec![WireNode { pieces, ..watched(WireTimes::default()) }];
    edit(&mut summary);
    told(&summary).remove(0)
}

/// Two requests and two replies.
const fn busy() -> WirePiece {
    WirePiece { connects: 0, requests: 2, replies: 2, closes: 0 }
}

const fn asked() -> WirePiece {
    WirePiece { connects: 1, requests: 1, replies: 0, closes: 0 }
}

fn quiet() -> WirePiece {
    WirePiece::default()
}

fn value(reading: &Reading) -> f64 {
    match reading {
        Reading::Value { value, .. } => *value,
        other => panic!("{other:?}"),
    }
}

fn is(reading: &Reading, expected: f64) {
    assert!((value(reading) - expected).abs() < 1e-6, "{reading:?}, not {expected}");
}

fn unknown(reading: &Reading, why: &str) {
    match reading {
        Reading::Unknown(said) => assert!(said.contains(why), "{said}"),
        other => panic!("{other:?}"),
    }
}

fn never(reading: &Reading, why: &str) {
    match reading {
        Reading::Never { what, looked, .. } => {
            assert!(what.contains(why), "{what}");
            assert!((looked - 10.0).abs() < 1e-6, "{looked}");
        }
        other => panic!("{other:?}"),
    }
}

/// Catches moments that are taken from another than the heal, a second in the middle of which the
/// rate is not back, and times and rates of a broken node that are those of a healthy one.
#[test]
fn a_client_that_probes_and_comes_back() {
    let node = told_of(
        |ms| match ms {
            FAULT_MS..HEAL_MS if ms.is_multiple_of(1000) => asked(),
            FAULT_MS..11_400 => quiet(),
            11_400..11_500 => asked(),
            11_500..13_000 => WirePiece { replies: 1, ..busy() },
            _ => busy(),
        },
        |_| {},
    );
    is(&node.first_request, 0.4);
    is(&node.first_reply, 0.5);
    // From 12.8 s on: 10 pieces with one reply and 40 with two are 90 of 100.
    is(&node.sustained, 1.8);
    is(&node.dead_time, 0.98);
    assert_eq!((node.dead_time_median, node.dead_time_cut), (Some(0.98), Some(true)));
    // At 7, 8, 9 and 10 s a connect and a request, in 4 s.
    is(&node.probe_rate, 2.0);
    is(&node.resends, 0.5);
    is(&node.resends_by_chance, 0.1);
    is(&node.keys_moved, 0.1);
    is(&node.connect_peak, 5.0);
    is(&node.steady_connect_peak, 0.0);
    unknown(&node.give_up, "no client closed");
}

/// Catches a recovery that is made up, or unknown, where it was looked for and did not come.
#[test]
fn what_never_came_is_never() {
    let unasked = told_of(|ms| if ms < FAULT_MS { busy() } else { quiet() }, |_| {});
    for reading in [&unasked.first_request, &unasked.first_reply, &unasked.sustained] {
        never(reading, "not asked again");
    }
    is(&unasked.dead_time, 5.0);
    assert_eq!(unasked.dead_time_cut, Some(true));
    is(&unasked.probe_rate, 0.0);
    let mute = told_of(|ms| if ms < FAULT_MS { busy() } else { asked() }, |_| {});
    is(&mute.first_request, 0.0);
    never(&mute.first_reply, "no reply came");
    never(&mute.sustained, "no reply came");
    is(&mute.dead_time, 0.0);
    let half = told_of(
        |ms| if ms < FAULT_MS { busy() } else { WirePiece { replies: 1, ..busy() } },
        |_| {},
    );
    never(&half.sustained, "not back to 90 % of 100 replies");
}

/// Catches a node that is said to be back, or never back, when nobody could see it: the heal was the end,
/// never came, or came after the last piece.
#[test]
fn what_nobody_could_see_is_unknown() {
    let busy = |_| busy();
    let heal_at = |heal: Option<u64>| {
        told_of(busy, move |summary| summary.inputs.faults[0].healed = heal.map(at))
    };
    unknown(&heal_at(Some(21_000)).first_request, "the run ended with the heal");
    unknown(&heal_at(None).sustained, "not healed");
    let late = heal_at(Some(20_500));
    is(&late.first_reply, 0.0);
    unknown(&late.sustained, "within a second");
    let short = told_of(busy, |summary| {
        summary.inputs.wire_nodes[0].pieces.all.truncate(400);
    });
    unknown(&short.first_request, NOT_LOOKED);
    unknown(&short.dead_time, NOT_LOOKED);
    unknown(&short.connect_peak, NOT_LOOKED);
    let shut = told_of(busy, |summary| {
        summary.inputs.wire_nodes[0].pieces.shut = vec![(at(FAULT_MS), Some(at(HEAL_MS)))];
    });
    unknown(&shut.dead_time, SHUT);
    unknown(&shut.probe_rate, SHUT);
    is(&shut.first_reply, 0.0);
    let slow = told_of(
        |ms| if ms.is_multiple_of(200) { WirePiece { replies: 1, ..asked() } } else { quiet() },
        |_| {},
    );
    unknown(&slow.sustained, "fewer than 20 replies");
    is(&slow.dead_time, 0.0);
    let idle = told_of(|ms| if ms < HEAL_MS { quiet() } else { asked() }, |_| {});
    unknown(&idle.dead_time, "nobody asked it in the steady phase");
}

/// Catches a time between two faults that counts as broken, two that overlap and count twice, and a
/// recovery from the first of them.
#[test]
fn two_faults_are_two_times() {
    let busy = |ms| match ms {
        6000..7000 | 9000..11_000 => quiet(),
        _ => busy(),
    };
    let node = told_of(busy, |summary| {
        let faults = &mut summary.inputs.faults;
        let mut second = faults[0].clone();
        faults[0].healed = Some(at(7000));
        (second.applied, second.healed) = (Some(at(9000)), Some(at(10_500)));
        let third =
            FaultRecord { applied: Some(at(10_000)), healed: Some(at(11_000)), ..second.clone() };
        faults.extend([second, third]);
    });
    is(&node.dead_time, 2.0);
    assert_eq!(node.dead_time_median, Some(2.0));
    is(&node.probe_rate, 0.0);
    is(&node.first_request, 0.0);
}

/// Catches a node that flaps and is taken for broken in between, by what is told of each time.
#[test]
fn a_fault_that_comes_again_is_each_of_its_times() {
    let event = |at_s, kind| crate::event::Event {
        at_s,
        at: String::new(),
        phase: Phase::Fault,
        member: None,
        kind,
    };
    let fault = "down".to_owned();
    let applied = |at_s| {
        let (kind, nodes) = (String::new(), Vec::new());
        event(at_s, EventKind::FaultApplied { fault: fault.clone(), kind, nodes })
    };
    let healed = |at_s| {
        let (kind, nodes) = (String::new(), Vec::new());
        event(at_s, EventKind::FaultHealed { fault: fault.clone(), kind, nodes })
    };
    let node = told_of(
        |ms| match ms {
            6000..6500 | 8000..8500 => quiet(),
            _ => busy(),
        },
        |summary| {
            let times = [applied(6.0), healed(6.5), applied(8.0), healed(8.5)];
            summary.events.extend(times);
        },
    );
    is(&node.dead_time, 0.5);
    assert_eq!(node.dead_time_cut, Some(true));
    unknown(&node.probe_rate, "less than 1.5 s");
    is(&node.sustained, 0.0);
    match told_of(|_| busy(), |_| {}).give_up {
        Reading::Unknown(_) => {}
        other => panic!("{other:?}"),
    }
}

/// Catches a client that goes on making connections for ever and is taken for settled; and one that is
/// accused because it comes back slowly, opens a connection for each call, or does the same everywhere.
#[test]
fn only_connects_that_never_end_count() {
    let connects = |connects| WirePiece { connects, ..busy() };
    let second = |ms: u64| ms >= HEAL_MS && ms.is_multiple_of(1000);
    // A sixth of the time after the heal is 1.66 s of whole pieces: one connect or two are in each.
    let cases: [(&dyn Fn(u64) -> WirePiece, f64); 5] = [
        (&|ms| if second(ms) { connects(4) } else { busy() }, 4.0 / 1.66),
        (&|ms| if second(ms) && ms < 18_000 { connects(4) } else { busy() }, 0.0),
        (&|ms| if ms == 17_000 { connects(99) } else { busy() }, 0.0),
        (&|ms| if ms < HEAL_MS { connects(2) } else { connects(3) }, 0.0),
        (&|ms| if ms < HEAL_MS { busy() } else { connects(1) }, 50.0),
    ];
    for (behave, expected) in cases {
        let alone = value(&told_of(behave, |_| {}).reconnects);
        assert!((alone - expected).abs() <= expected * 0.05, "{alone}, not {expected}");
        let everywhere = told_of(behave, |summary| {
            let other = WireNode { node: NodeIndex(1), ..summary.inputs.wire_nodes[0].clone() };
            summary.inputs.wire_nodes.push(other);
        });
        is(&everywhere.reconnects, 0.0);
    }
    let ended = told_of(|_| busy(), |summary| summary.inputs.faults[0].healed = Some(at(18_000)));
    unknown(&ended.reconnects, "less than 3.6s after the heal");
}
