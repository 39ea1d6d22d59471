//! A run to look at, and what it looks like.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use ratatui::style::Modifier;

use super::*;
use crate::event::{BreakerState, Connections, Event, EventKind, Phase, ViolationKind};
use crate::judge::Verdict;
use crate::record::{Interval, IntervalNode, LatencyUs};
use crate::report::{Start, StartNode};

const LOOK: Look = Look { colour: true, unicode: true };
const SMALL: (u16, u16) = (80, 24);
const LARGE: (u16, u16) = (200, 60);

fn time(p99: u64) -> LatencyUs {
    let some = |value| Some(value);
    LatencyUs {
        p50: some(p99 / 8),
        p95: some(p99 / 2),
        p99: some(p99),
        p999: some(p99),
        max: some(p99),
        mean: some(p99 / 8),
        count: 1_000,
    }
}

/// Half a second: operations a second, share of errors, p99 in microseconds.
pub(super) fn interval(phase: Phase, at_s: f64, (rate, errors, p99): (f64, f64, u64)) -> Interval {
    Interval {
        scenario: "packet-loss".to_owned(),
        phase,
        at_s,
        at: String::new(),
        length_s: 0.5,
        offered: 1_000,
        operations: 1_000,
        throughput_per_s: Some(rate),
        error_ratio: Some(errors),
        outcomes: BTreeMap::new(),
        response_time_us: Some(time(p99)),
        nodes: Vec::new(),
    }
}

pub(super) fn outline() -> Outline {
    let loss = PlannedFault {
        name: "loss".to_owned(),
        nodes: vec![NodeIndex(0), NodeIndex(1), NodeIndex(2)],
        at_s: Some(0.0),
        length_s: 8.0,
    };
    Outline {
        scenario: "packet-loss".to_owned(),
        told: "mixed workload, default client, seed 7".to_owned(),
        phases: vec![
            (Phase::Warmup, 2.0),
            (Phase::Steady, 4.0),
            (Phase::Fault, 8.0),
            (Phase::Recovery, 6.0),
        ],
        faults: vec![loss],
        touchable: true,
        ..Outline::default()
    }
}

pub(super) fn started() -> Line {
    let node = |number: u16| StartNode {
        name: NodeIndex(number),
        backend: "embedded 1.6.18".to_owned(),
        address: format!("127.0.0.1:4000{number}"),
        proxy_address: format!("127.0.0.1:2121{}", number + 1),
        version: None,
    };
    Line::Start(Start {
        schema_version: 1,
        version: "0.1.0".to_owned(),
        seed: 7,
        scenario: "packet-loss".to_owned(),
        workload: "mixed".to_owned(),
        duration_s: 20.0,
        plan_hash: String::new(),
        network: "user".to_owned(),
        nodes: (0..3).map(node).collect(),
        api_address: Some("127.0.0.1:8474".to_owned()),
    })
}

pub(super) fn event(at_s: f64, phase: Phase, kind: EventKind) -> Line {
    Line::Event(Event { at_s, at: String::new(), phase, member: None, kind })
}

fn at(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

fn node(number: u16, faults: &[&str], breaker: BreakerState, p99: u64) -> IntervalNode {
    IntervalNode {
        name: NodeIndex(number),
        operations: 333,
        error_ratio: Some(if faults.is_empty() { 0.0 } else { 0.097 }),
        response_time_us: Some(time(p99)),
        connections: Some(Connections { open: 34, ..Connections::default() }),
        wire: None,
        breaker: Some(breaker),
        active_faults: faults.iter().map(|&name| name.to_owned()).collect(),
    }
}

/// A view of a run until its warm-up.
fn beginning(roster: Roster) -> View {
    let mut view = View::new(roster);
    view.begin(outline(), Duration::ZERO);
    view.fold(&started(), Duration::ZERO);
    view.fold(&event(0.0, Phase::Warmup, EventKind::PhaseStarted), Duration::ZERO);
    view.note("preloading: 4000 keys stored");
    view
}

/// The same until its ninth second, in which a fault is under way and data was wrong.
fn broken(roster: Roster) -> View {
    let mut view = beginning(roster);
    let mut tell = |line: &Line, at_s: f64| view.fold(line, at(at_s));
    tell(&event(1.2, Phase::Warmup, EventKind::Preloaded { stored: 10_000, failed: 0 }), 1.2);
    tell(&event(2.0, Phase::Steady, EventKind::PhaseStarted), 2.0);
    for step in 1..=18_u32 {
        let at_s = f64::from(step) * 0.5;
        if step == 13 {
            tell(&event(6.0, Phase::Fault, EventKind::PhaseStarted), 6.0);
            let (fault, kind) = ("loss".to_owned(), "packet_loss".to_owned());
            let nodes = vec![NodeIndex(0), NodeIndex(1), NodeIndex(2)];
            tell(&event(6.0, Phase::Fault, EventKind::FaultApplied { fault, kind, nodes }), 6.0);
        }
        let is_broken = step > 12;
        let phase = match step {
            1..=4 => Phase::Warmup,
            5..=12 => Phase::Steady,
            _ => Phase::Fault,
        };
        let figures = if is_broken { (1_700.0, 0.097, 104_000) } else { (2_001.0, 0.0, 6_800) };
        let mut one = interval(phase, at_s, figures);
        let faults: &[&str] = if is_broken { &["loss"] } else { &[] };
        one.nodes =
            (0..3).map(|number| node(number, faults, BreakerState::Closed, figures.2)).collect();
        if step == 17 {
            one.nodes[1].breaker = Some(BreakerState::Open);
            one.outcomes.insert("wrong".to_owned(), 3);
            one.outcomes.insert("stale".to_owned(), 12);
            let (from, to) = (BreakerState::Closed, BreakerState::Open);
            let (node, cause) = (NodeIndex(1), "5 of 5 failed within 1s".to_owned());
            tell(&event(8.1, phase, EventKind::BreakerChanged { node, from, to, cause }), 8.1);
            let (kind, key) = (ViolationKind::Wrong, "k:34".to_owned());
            let detail = "k:34: the value of k:71".to_owned();
            let kind =
                EventKind::Violation { kind, node, key, detail, wire: None, write_begun_s: None };
            tell(&event(8.2, phase, kind), 8.2);
        }
        tell(&Line::Interval(one), at_s);
    }
    view
}

fn suite() -> Roster {
    let names = ["baseline", "latency", "packet-loss", "flapping-node", "single-node-failure"];
    let mut roster = Roster::new(names.map(str::to_owned), ["names-moved".to_owned()], false);
    for (name, verdict) in [("baseline", Verdict::Pass), ("latency", Verdict::Fail)] {
        roster.begin(name);
        roster.end(verdict, 20.4);
    }
    roster
}

fn drawn(view: &View, now_s: f64, (width, height): (u16, u16), look: Look) -> Buffer {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| draw(view, at(now_s), look, frame.buffer_mut())).unwrap();
    terminal.backend().buffer().clone()
}

fn text(buffer: &Buffer) -> String {
    let mut text = String::new();
    for row in buffer.content.chunks(usize::from(buffer.area.width)) {
        let line: String = row.iter().map(ratatui::buffer::Cell::symbol).collect();
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text
}

fn press(view: &mut View, keys: &[u8]) -> Vec<Act> {
    super::keys(keys).into_iter().filter_map(|key| view.press(key, at(9.2))).collect()
}

/// Catches a part that is missing, covers another, or stands in the wrong place, in each state a person meets.
#[test]
fn a_run_looks_as_it_is() {
    insta::with_settings!({ snapshot_path => "snapshots", prepend_module_to_snapshot => false }, {
        for (size, name) in [(SMALL, "80x24"), (LARGE, "200x60")] {
            let view = beginning(Roster::default());
            insta::assert_snapshot!(format!("warmup-{name}"), text(&drawn(&view, 0.9, size, LOOK)));
            let view = broken(Roster::default());
            insta::assert_snapshot!(format!("broken-{name}"), text(&drawn(&view, 9.2, size, LOOK)));
            let mut view = broken(suite());
            insta::assert_snapshot!(format!("suite-{name}"), text(&drawn(&view, 9.2, size, LOOK)));
            press(&mut view, b"?");
            insta::assert_snapshot!(format!("help-{name}"), text(&drawn(&view, 9.2, size, LOOK)));
        }
        let mut view = broken(Roster::default());
        press(&mut view, b"i\x1b[B\x1b[C");
        insta::assert_snapshot!("menu-80x24", text(&drawn(&view, 9.2, SMALL, LOOK)));
        let view = broken(Roster::default());
        insta::assert_snapshot!("small-40x6", text(&drawn(&view, 9.2, (40, 6), LOOK)));
        let ascii = Look { colour: false, unicode: false };
        insta::assert_snapshot!("ascii-80x24", text(&drawn(&view, 9.2, SMALL, ascii)));
    });
}

/// Catches wrong data that somebody can overlook, with colours or without, frozen or not, in the smallest
/// terminal too, and an alarm where there is nothing.
#[test]
fn wrong_data_stands_out() {
    let alarm = |buffer: &Buffer| {
        let text = text(buffer);
        let row = text.lines().position(|line| line.contains("WRONG DATA: 3 wrong; 12 stale"))?;
        let cell = &buffer[(2, u16::try_from(row).ok()?)];
        Some((cell.modifier.contains(Modifier::REVERSED), cell.fg))
    };
    let mut view = broken(Roster::default());
    for size in [SMALL, LARGE, (40, 6), (60, 16)] {
        for colour in [true, false] {
            let look = Look { colour, unicode: colour };
            let (is_reversed, fg) = alarm(&drawn(&view, 9.2, size, look)).expect("it is told");
            assert!(
                is_reversed && (fg == ratatui::style::Color::Red) == colour,
                "{size:?} {colour}"
            );
        }
    }
    assert!(alarm(&drawn(&beginning(Roster::default()), 0.9, SMALL, LOOK)).is_none());
    press(&mut view, b"p");
    assert!(alarm(&drawn(&view, 12.0, SMALL, LOOK)).is_some());
}

/// Catches a panic at some size, and a sign that is not ASCII where the terminal knows no other.
#[test]
fn every_size_can_be_drawn() {
    let mut view = broken(suite());
    for overlay in [&b""[..], b"?", b"?i"] {
        press(&mut view, overlay);
        for width in [1, 2, 7, 20, 59, 60, 80, 119, 120, 200] {
            for height in [1, 2, 5, 15, 16, 24, 60, 100] {
                let ascii = Look { colour: false, unicode: false };
                let buffer = drawn(&view, 9.2, (width, height), ascii);
                assert!(text(&buffer).is_ascii(), "{width} x {height}");
                drawn(&view, 1e9, (width, height), LOOK);
            }
        }
    }
}

/// Catches a name that a terminal obeys.
#[test]
fn nothing_that_is_shown_is_obeyed() {
    let mut view = beginning(Roster::default());
    view.warn("lost: \u{1b}[2J\u{202e}evil");
    let shown = text(&drawn(&view, 0.9, SMALL, LOOK));
    assert!(!shown.contains('\u{1b}') && !shown.contains('\u{202e}'), "{shown}");
    assert!(shown.contains("\\u001b[2J\\u202eevil"), "{shown}");
}

/// Catches a frozen view that moves, one that hides that the run goes on, and a run that stands still because
/// somebody looks closer.
#[test]
fn a_frozen_view_stands_and_the_run_goes_on() {
    let mut view = broken(Roster::default());
    assert_eq!(press(&mut view, b"p"), []);
    view.fold(&Line::Interval(interval(Phase::Fault, 9.5, (77.0, 0.0, 1_000))), at(9.5));
    let shown = text(&drawn(&view, 12.0, SMALL, LOOK));
    assert!(shown.contains("VIEW FROZEN, the run goes on: fault, 9.2 s"), "{shown}");
    assert!(!shown.contains("77 ops/s"), "{shown}");
    press(&mut view, b"p");
    assert!(text(&drawn(&view, 12.0, SMALL, LOOK)).contains("77 ops/s"));
}

/// Catches a key that does something else than it says, and one that does something where there is nothing.
#[test]
fn keys_ask_for_what_they_say() {
    let mut view = broken(suite());
    assert_eq!(press(&mut view, b"q"), [Act::Quit]);
    assert_eq!(press(&mut view, b"?"), []);
    assert_eq!(press(&mut view, b"x"), [], "any key closes the help");
    assert_eq!(press(&mut view, b"n"), [Act::Next]);
    assert_eq!(press(&mut view, b"h"), [], "nothing was broken by hand");
    let touch = Touch { node: NodeIndex(2), choice: 1 };
    assert_eq!(press(&mut view, b"i\x1b[B\x1b[D\r"), [Act::Inject(touch)]);
    assert_eq!(press(&mut view, b"i\x1b"), [], "Escape breaks nothing");
    view.injected(touch, at(9.2));
    let shown = text(&drawn(&view, 9.4, SMALL, LOOK));
    assert!(shown.contains("touched by hand") && shown.contains("h heal"), "{shown}");
    assert_eq!(press(&mut view, b"h"), [Act::Heal(vec![touch])]);
    view.healed(touch, at(9.4));
    assert_eq!(press(&mut view, b"h"), []);

    let mut view = broken(Roster::default());
    assert_eq!(press(&mut view, b"n"), [], "there is no next one");
    view.begin(Outline { touchable: false, ..outline() }, at(20.0));
    assert_eq!(press(&mut view, b"i\r"), [], "no proxy of ours is in between");
}
