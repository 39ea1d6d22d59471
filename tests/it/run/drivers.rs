//! Runs of a client in a process of its own that misbehaves in one known way, and what is said of it.

use std::path::PathBuf;

use harness::event::Phase;
use harness::judge::Verdict;
use harness::report::{Line, Report};
use rustix::process::Signal;

use super::orphans::{assert_gone, descendants_of, handles_of};
use super::{Ended, Place, assert_sound};

/// Phases that are over soon. What keeps to the protocol is seen by any of them.
const SHORT: &str =
    "objectives = [\"no-wrong-data\"]\n[phases]\nwarmup = \"500ms\"\nsteady = \"2s\"\n";

/// The driver of `examples/driver.rs`, which was built with the tests.
fn example() -> PathBuf {
    let path = PathBuf::from(env!("CARGO_BIN_EXE_harness")).with_file_name("examples/driver");
    assert!(path.is_file(), "{} is missing: cargo build --example driver", path.display());
    path
}

/// Writes a client file whose driver runs this command, with these settings.
fn client(place: &Place, command: &str, settings: &str) {
    let text = format!(
        "[driver]\ncommand = [{command}]\ninstall = [\"make\", \"it\"]\nconcurrency = 8\n\
         timeout = \"200ms\"\n[driver.settings]\n{settings}\n"
    );
    std::fs::write(place.path("client.toml"), text).unwrap();
}

/// Plays a short run with the example, which misbehaves in this way after so many operations.
fn misbehaving(way: &str, after: u32) -> (Place, Ended) {
    let place = Place::new();
    place.scenario("short", SHORT);
    client(&place, &format!("{:?}", example()), &format!("misbehave = \"{way}\"\nafter = {after}"));
    let ended =
        place.play("-scenario short.toml -duration 3s -nodes embedded -client client.toml -out o");
    (place, ended)
}

fn count(report: &Report, outcome: &str) -> u64 {
    let phases = report.phases.iter();
    phases.filter_map(|phase| phase.all.figures.outcomes.get(outcome)).sum()
}

/// Enough operations for a run to have begun to measure.
const UNDER_WAY: u32 = 900;

/// Catches a driver that is refused although it does what it should, and a run with it that loses count.
#[test]
fn a_driver_that_behaves_is_judged_like_any_client() {
    let (_place, ended) = misbehaving("", 0);
    let report = ended.report();
    assert_sound(&report);
    assert_eq!(count(&report, "hung"), 0, "{:?}", report.reasons);
}

/// Catches an operation that a client is asked for although its file says not to, a report that does not
/// say so, and a word that is no operation and is passed over.
#[test]
fn what_a_file_leaves_out_is_not_asked_for() {
    let place = Place::new();
    place.scenario("short", SHORT);
    let file = |without: &str| {
        let text = format!("[driver]\ncommand = [{:?}]\nwithout = [{without}]\n", example());
        std::fs::write(place.path("client.toml"), text).unwrap();
    };
    let words = "-scenario short.toml -duration 3s -nodes embedded -client client.toml -out o";
    file("\"incr\", \"decrement\"");
    place.run(words).refused(2, &["client.toml", "decrement", "`decr`"]);
    file("\"incr\", \"decr\"");
    let report = place.play(words).report();
    assert_sound(&report);
    let left_out = &report.subject.as_ref().expect("there was a driver").left_out;
    assert!(left_out.iter().any(|it| it == "incr"), "{left_out:?}");
    assert_eq!(count(&report, "counted"), 0);
}

/// Catches a client whose process dies and whose run passes.
#[test]
fn a_driver_that_dies_fails_the_run() {
    let (_place, ended) = misbehaving("dies", UNDER_WAY);
    let report = ended.report();
    assert_eq!((report.verdict, ended.code), (Verdict::Fail, 1), "{:?}", report.reasons);
    let told = report.reasons.iter().any(|why| why.contains("the process of the client died"));
    assert!(told, "{:?}", report.reasons);
}

/// Catches a run that goes on with a driver that makes no sense, and one that does not show the line.
#[test]
fn a_driver_that_speaks_nonsense_is_quoted() {
    for (way, line) in
        [("babbles", "Traceback (most recent call last):"), ("repeats", "a second time")]
    {
        let (_place, ended) = misbehaving(way, UNDER_WAY);
        let report = ended.report();
        assert_eq!(ended.code, 4, "{way}: {:?}", report.reasons);
        let said = &ended.stdout;
        assert!(
            said.contains(line) && said.contains("in the line: "),
            "{way}: {:?}",
            report.reasons
        );
    }
}

/// Catches a client that cannot even store its keys on healthy nodes and is not the one that is blamed, a run that
/// does not say in whose words, and data that nobody read and that is said to be right.
#[test]
fn a_client_that_cannot_store_is_told_by_its_own_words() {
    let (_place, ended) = misbehaving("raises", 100);
    let report = ended.report();
    assert_eq!((report.verdict, ended.code), (Verdict::Fail, 1), "{:?}", report.reasons);
    let [reason] = report.reasons.as_slice() else { panic!("{:?}", report.reasons) };
    for part in ["could not be stored before the run", " error.other)", "TypeError: not a function"]
    {
        assert!(reason.contains(part), "{reason}");
    }
    assert_eq!((report.data.totals.wrong, report.data.totals.acknowledged_but_lost), (None, None));
    assert!(
        ended.stdout.contains("not every key could be stored before the run"),
        "{}",
        ended.stdout
    );
}

/// Catches a driver that dies the moment it was ready, and a node that is blamed for what nobody asked it.
#[test]
fn a_driver_that_dies_at_once_is_the_one_that_is_blamed() {
    let place = Place::new();
    place.scenario("short", SHORT);
    let ready = "{'ready':1,'client':'x','version':'1','operations':['get','set']}";
    let script = format!("read hello; echo '{}'; exit 3", ready.replace('\'', "\""));
    client(&place, &format!("\"sh\", \"-c\", {script:?}"), "");
    let ended =
        place.play("-scenario short.toml -duration 3s -nodes embedded -client client.toml -out o");
    let report = ended.report();
    assert_eq!((report.verdict, ended.code), (Verdict::Fail, 1), "{:?}", report.reasons);
    let died = |reason: &String| reason.contains("the process of the client died");
    assert!(report.reasons.iter().any(died), "{:?}", report.reasons);
}

/// Catches values of nobody that pass.
#[test]
fn a_driver_that_lies_is_found_out() {
    let (_place, ended) = misbehaving("lies", UNDER_WAY);
    let report = ended.report();
    assert_eq!((report.verdict, ended.code), (Verdict::Fail, 1), "{:?}", report.reasons);
    assert!(report.data.totals.corrupt > Some(0), "{:?}", report.reasons);
}

/// Catches a client that gives out one wrong key among many, or hides one, as long as the others are right.
#[test]
fn one_key_among_many_is_found_out() {
    let place = Place::new();
    let workload = "summary = \"x\"\narrival = { constant = { rate = \"100/s\" } }\n\
                    keys = { uniform = { count = 300 } }\nvalues = { fixed = { size = \"100B\" } }\n\
                    mix = { multi_get = 1 }\noptions = { multi_get_keys = 30 }\n";
    place.scenario("short", SHORT);
    std::fs::write(place.path("keys.toml"), workload).unwrap();
    for way in ["mixes", "hides"] {
        let settings = format!("misbehave = \"{way}\"\nafter = 310");
        client(&place, &format!("{:?}", example()), &settings);
        let ended = place.play(
            "-scenario short.toml -workload keys.toml -duration 3s -nodes embedded \
             -client client.toml -out o",
        );
        let report = ended.report();
        // Nobody asks this scenario for misses: what it shows is that they are seen.
        let is_told = if way == "mixes" {
            report.verdict == Verdict::Fail
        } else {
            report.verdict != Verdict::Pass
        };
        assert!(is_told, "{way}: {:?}: {:?}", report.verdict, report.reasons);
        let keys = report.phase(Phase::Steady).unwrap().all.figures.keys.unwrap();
        let caught = if way == "mixes" { keys.wrong } else { keys.false_miss };
        assert!(caught > 30 && keys.hit > 10 * caught, "{way}: {keys:?}");
        let ends = keys.hit + keys.miss + keys.false_miss + keys.failed + keys.wrong + keys.unknown;
        assert_eq!(ends, keys.asked, "{keys:?}");
    }
}

/// Catches a client that makes a legal key of an illegal one, whose values then meet under one name, and one
/// that is accused although it refuses what it must.
#[test]
fn a_key_that_is_changed_is_found_out() {
    let place = Place::new();
    let workload = "summary = \"x\"\narrival = { constant = { rate = \"1000/s\" } }\n\
                    keys = { uniform = { count = 300 } }\nvalues = { fixed = { size = \"100B\" } }\n\
                    mix = { get = 1, set = 1 }\noptions = { border_keys = \"60%\" }\n";
    place.scenario("short", SHORT);
    std::fs::write(place.path("keys.toml"), workload).unwrap();
    let play = |way: &str| {
        let settings = format!("misbehave = \"{way}\"\nafter = 0");
        client(&place, &format!("{:?}", example()), &settings);
        let line = "-scenario short.toml -workload keys.toml -duration 3s -nodes embedded \
                    -client client.toml -out o";
        place.play(line).report()
    };
    let honest = play("");
    assert_sound(&honest);
    assert_eq!(honest.data.totals.illegal_keys, Some(0), "{:?}", honest.data.examples);
    assert!(count(&honest, "refused") > 300, "{:?}", honest.phases);
    let liar = play("underscores");
    assert_eq!(liar.verdict, Verdict::Fail, "{:?}", liar.reasons);
    assert!(liar.data.totals.wrong > Some(0), "{:?}", liar.data);
    assert!(liar.data.totals.illegal_keys > Some(0), "{:?}", liar.data);
}

/// Catches a driver that is held up by its own warnings, and warnings that are kept without bound.
#[test]
fn a_driver_that_floods_its_stderr_loses_nothing() {
    let (place, ended) = misbehaving("floods", 0);
    let report = ended.report();
    assert_sound(&report);
    assert_eq!(count(&report, "hung"), 0, "{:?}", report.reasons);
    let kept = super::newest(&place.path("o")).join("driver.stderr.log");
    let length = std::fs::metadata(&kept).unwrap().len();
    assert!((1..=1 << 20).contains(&length), "{length} bytes in {}", kept.display());
}

/// Catches a harness that waits for ever for a driver all of whose calls hang: in the middle of a run, and
/// before it has begun.
#[test]
fn a_driver_that_hangs_does_not_hang_the_run() {
    let (_place, ended) = misbehaving("hangs", UNDER_WAY);
    let report = ended.report();
    assert!(count(&report, "hung") > 0, "{:?}", report.reasons);
    let (_place, ended) = misbehaving("hangs", 20);
    let report = ended.report();
    assert_eq!(ended.code, 1, "it is the client that hangs: {:?}", report.reasons);
    assert!(report.reasons[0].contains(" hung)"), "{:?}", report.reasons);
}

/// Catches a driver that cannot be started and a message that does not help to install it.
#[test]
fn a_driver_that_is_not_there_says_how_to_install_it() {
    for (command, words) in [
        ("\"no-such-program\"", ["cannot run no-such-program", "make it"]),
        ("\"sh\", \"-c\", \"echo no module >&2; exit 1\"", ["no module", "make it"]),
        ("\"echo\", \"hello\"", ["does not speak the driver protocol", "in the line: hello"]),
    ] {
        let place = Place::new();
        place.scenario("short", SHORT);
        client(&place, command, "");
        let ended = place.run(
            "-scenario short.toml -duration 3s -nodes embedded -client client.toml -listen 127.0.0.1:0 \
             -api 127.0.0.1:0",
        );
        assert_eq!(ended.code, 3, "{command}: {}", ended.stderr);
        for word in words {
            assert!(ended.stderr.contains(word), "{command}: no {word:?} in: {}", ended.stderr);
        }
    }
}

/// Catches a driver, or a process that it started, that outlives a harness which had no chance to end it.
#[test]
#[cfg(target_os = "linux")]
fn a_killed_harness_leaves_no_driver() {
    let place = Place::new();
    place.scenario("long", "[phases]\nwarmup = \"500ms\"\nsteady = \"5m\"\n");
    client(&place, &format!("\"sh\", \"-c\", \"sleep 600 & exec '{}'\"", example().display()), "");
    let mut running =
        place.start("-scenario long.toml -duration 5m -nodes embedded -client client.toml -out o");
    running.until(|line| matches!(line, Line::Event(_)));
    // The watcher, the driver, and what the driver started.
    let all = descendants_of(running.pid());
    assert!(all.len() >= 3, "{all:?}");
    let handles = handles_of(all);
    running.signal(Signal::KILL);
    assert_gone(&handles);
}
