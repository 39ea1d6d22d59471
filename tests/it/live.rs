//! The live view in a terminal of its own: what is left of it when a session is over, however it ended.

use std::process::Command;

use serde_json::{Value, json};

/// A run that is long enough to look at.
const RUN: &str = "-scenario packet-loss -duration 8s -nodes embedded -seed 7";
/// What enters the other screen and leaves it, hides the cursor and shows it.
const ENTER: &str = "\u{1b}[?1049h";
const LEAVE: &str = "\u{1b}[?1049l";
const HIDE: &str = "\u{1b}[?25l";
const SHOW: &str = "\u{1b}[?25h";

/// What came of a session in a terminal.
struct Seen {
    /// All that the terminal was sent.
    text: String,
    exit: i64,
    modes_kept: bool,
    /// Whether everything that was waited for came.
    all_done: bool,
    /// Where it ran.
    folder: tempfile::TempDir,
}

impl Seen {
    /// What stays on the screen: what came after the view had it.
    fn after(&self) -> &str {
        self.text.rsplit(LEAVE).next().unwrap_or_default()
    }

    /// Asserts that nothing of the view is left behind.
    fn is_clean(&self) {
        let last = |sequence: &str| self.text.rfind(sequence);
        assert!(last(ENTER).is_some(), "there was a view: {:?}", self.text);
        assert!(last(LEAVE) > last(ENTER), "the other screen was left: {:?}", self.text);
        assert!(last(SHOW) > last(HIDE), "the cursor is there again: {:?}", self.text);
        assert!(self.modes_kept, "the terminal's modes are those of before");
    }
}

/// Runs the program with `line` in a terminal of this size.
fn watched(line: &str, variables: &[(&str, &str)], size: (u16, u16), steps: Value) -> Seen {
    started(line, variables, size, steps, false)
}

/// The same of a program that was told to outlive its terminal, where it `outlives` it.
fn started(
    line: &str,
    variables: &[(&str, &str)],
    (rows, columns): (u16, u16),
    steps: Value,
    outlives: bool,
) -> Seen {
    let folder = tempfile::tempdir().unwrap();
    let program = assert_cmd::cargo::cargo_bin("harness");
    let words = std::iter::once(program.to_string_lossy().into_owned())
        .chain(line.split_whitespace().map(str::to_owned));
    let mut environment = json!({
        "PATH": std::env::var("PATH").unwrap_or_default(),
        "TERM": "xterm-256color",
        "LANG": "C.UTF-8",
    });
    for (name, value) in variables {
        environment[*name] = (*value).into();
    }
    let count = steps.as_array().map_or(0, Vec::len);
    let given = json!({
        "program": words.collect::<Vec<_>>(),
        "rows": rows,
        "columns": columns,
        "environment": environment,
        "steps": steps,
        "outlives": outlives,
    });
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/live/terminal.py");
    let mut command = Command::new("python3");
    let output = command.arg(script).arg(given.to_string()).current_dir(&folder).output().unwrap();
    let told: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
    Seen {
        text: told["seen"].as_str().unwrap().to_owned(),
        exit: told["exit"].as_i64().expect("it ends"),
        modes_kept: told["modes_kept"].as_bool().unwrap(),
        all_done: told["done"].as_u64() == Some(count as u64),
        folder,
    }
}

/// Catches a terminal that is not given back after a run, a report that is lost with the view, and a view
/// that shows nothing of the run.
#[test]
#[cfg_attr(not(real_python3), ignore = "needs python3 on PATH")]
fn the_report_stays_when_the_view_is_gone() {
    let steps = json!([{"wait": "no wrong data so far"}, {"send": "?"}, {"wait": "Dots"}]);
    let seen = watched(RUN, &[], (24, 80), steps);
    assert!(seen.all_done, "{:?}", seen.text);
    seen.is_clean();
    assert!(
        seen.after().contains("packet-loss, ") && seen.after().contains("objectives"),
        "{}",
        seen.after()
    );
    assert!(seen.after().contains("page        runs/packet-loss/"), "{}", seen.after());
    assert!([0, 4].contains(&seen.exit), "{}", seen.exit);
}

/// Catches a `q` or a signal that ends a run otherwise than Ctrl-C does, or that leaves the terminal to itself.
#[test]
#[cfg_attr(not(real_python3), ignore = "needs python3 on PATH")]
fn whatever_ends_a_run_the_terminal_is_given_back() {
    let line = "-scenario packet-loss -duration 8s -nodes embedded";
    for end in [json!({"send": "q"}), json!({"send": "\u{3}"}), json!({"signal": "SIGTERM"})] {
        let seen = watched(line, &[], (24, 80), json!([{"wait": "applied"}, end]));
        seen.is_clean();
        assert!(seen.after().contains("interrupted"), "{end}: {}", seen.after());
        assert_eq!(seen.exit, 130, "{end}: {}", seen.after());
    }
    // And at once, where nobody wants to wait.
    let seen = watched(line, &[], (24, 80), json!([{"wait": "applied"}, {"send": "qq"}]));
    seen.is_clean();
    assert_eq!(seen.exit, 130, "{}", seen.after());
}

/// Catches a run that goes on, unseen, when its terminal is closed, one that ends although `nohup` started it,
/// and a report that is lost with the terminal.
#[test]
#[cfg_attr(not(real_python3), ignore = "needs python3 on PATH")]
fn a_run_whose_terminal_is_closed_leaves_its_report() {
    for (outlives, ends) in [(false, &[130][..]), (true, &[0, 4])] {
        let steps = json!([{"wait": "applied"}, {"hangup": true}]);
        let seen = started(RUN, &[], (24, 80), steps, outlives);
        assert!(seen.all_done, "{:?}", seen.text);
        assert!(ends.contains(&seen.exit), "outlives: {outlives}: {}", seen.exit);
        let report = seen.folder.path().join("runs/latest/report.json");
        let report: Value = serde_json::from_slice(&std::fs::read(report).unwrap()).unwrap();
        assert_eq!(report["partial"], if outlives { Value::Null } else { json!("interrupted") });
    }
}

/// Catches a shell that is left with the view's screen at Ctrl-Z, and a view that does not come back.
#[test]
#[cfg_attr(not(real_python3), ignore = "needs python3 on PATH")]
fn a_stopped_session_gives_the_terminal_back_until_it_goes_on() {
    let steps = json!([
        {"wait": "ops/s"}, {"send": "\u{1a}"}, {"stopped": true}, {"continue": true},
        {"wait": ENTER}, {"wait": "no wrong data so far"}, {"send": "q"}
    ]);
    let seen = watched("-scenario packet-loss -duration 60s -nodes embedded", &[], (24, 80), steps);
    assert!(seen.all_done, "{:?}", seen.text);
    let (before, _) = seen.text.split_once("<stopped>").unwrap();
    assert!(
        before.rfind(LEAVE) > before.rfind(ENTER) && before.rfind(SHOW) > before.rfind(HIDE),
        "{before:?}"
    );
    seen.is_clean();
    assert_eq!(seen.exit, 130);
}

/// Catches a view that needs more room than there is, and one that does not follow its terminal.
#[test]
#[cfg_attr(not(real_python3), ignore = "needs python3 on PATH")]
fn a_view_follows_the_size_of_its_terminal() {
    let steps = json!([
        {"wait": "events"}, {"resize": [5, 20]}, {"wait": "✓ no wrong data so "},
        {"resize": [60, 200]}, {"wait": "events"}
    ]);
    let seen = watched(RUN, &[], (24, 80), steps);
    assert!(seen.all_done, "{:?}", seen.text);
    seen.is_clean();
}

/// Catches escapes in a log, a view where somebody said that lines are wanted, and one on a terminal that
/// can show none.
#[test]
#[cfg_attr(not(real_python3), ignore = "needs python3 on PATH")]
fn lines_are_shown_where_they_are_wanted() {
    let line = "-scenario baseline-steady -duration 2s -nodes embedded";
    let quiet = format!("{line} -quiet");
    let no_tui = format!("{line} -no-tui");
    let table: [(&str, &[(&str, &str)]); 4] =
        [(line, &[("TERM", "dumb")]), (line, &[("CI", "1")]), (&no_tui, &[]), (&quiet, &[])];
    for (line, variables) in table {
        let seen = watched(line, variables, (24, 80), json!([]));
        assert!(!seen.text.contains(ENTER), "{line} {variables:?}: {:?}", seen.text);
        assert!(seen.text.contains("baseline-steady, "), "{line} {variables:?}: {:?}", seen.text);
        let has_rows = seen.text.contains("time phase");
        assert_eq!(has_rows, !line.contains("quiet"), "{line} {variables:?}: {:?}", seen.text);
    }
    let plain =
        watched(RUN, &[("NO_COLOR", "1"), ("LANG", "C")], (24, 80), json!([{"wait": "ops/s"}]));
    plain.is_clean();
    let view = plain.text.rsplit_once(LEAVE).unwrap().0.rsplit_once(ENTER).unwrap().1;
    assert!(view.is_ascii() && !view.contains("\u{1b}[38;"), "{view:?}");
}

/// Catches a fault by hand that goes past the journal, and a report that is silent about it.
#[test]
#[cfg_attr(not(real_python3), ignore = "needs python3 on PATH")]
fn what_is_broken_by_hand_is_in_the_report() {
    let steps = json!([
        {"wait": "inject"}, {"send": "i"}, {"wait": "Escape"}, {"send": "\r"},
        {"wait": "touched by hand"}, {"send": "h"}, {"wait": "healed by hand"}
    ]);
    let seen =
        watched("-scenario baseline-steady -duration 8s -nodes embedded", &[], (24, 80), steps);
    assert!(seen.all_done, "{:?}", seen.text);
    seen.is_clean();
    let after = seen.after().split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(after.contains("changes made through the control API while it ran: 2"), "{after}");
}

/// Catches a next scenario that ends the session, and a session that has passed although one was left out.
#[test]
#[cfg_attr(not(real_python3), ignore = "needs python3 on PATH")]
fn the_next_scenario_follows_where_it_is_asked_for() {
    let steps = json!([
        {"wait": "1 of 2"}, {"send": "n"}, {"wait": LEAVE}, {"wait": "2 of 2"}, {"send": "q"}
    ]);
    let line = "-scenario baseline-steady,latency -duration 60s -nodes embedded";
    let seen = watched(line, &[], (24, 80), steps);
    assert!(seen.all_done, "{:?}", seen.text);
    seen.is_clean();
    assert_eq!(seen.exit, 130, "{}", seen.after());
}
