//! What a lab that cannot come up says, and with which code it ends.

use std::net::TcpListener;

use harness::report::Line;

use super::{Place, newest};

/// The default address of the first proxy.
const USUAL: &str = "127.0.0.1:21211";

const TINY: &str =
    "objectives = [\"no-wrong-data\"]\n[phases]\nwarmup = \"500ms\"\nsteady = \"500ms\"\n";

/// Nothing was begun, so nothing may be left: no folder of a run that never was.
fn assert_left_nothing(place: &Place) {
    assert!(!place.path("o").exists(), "a folder of runs was made");
}

/// Catches a port that was asked for, is taken, and is neither named nor blamed on its flag.
#[test]
fn a_taken_port_that_was_asked_for_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for (flag, other) in [("-listen", "-api"), ("-api", "-listen")] {
        let place = Place::new();
        place.scenario("tiny", TINY);
        let ended = place.run(&format!(
            "-json -scenario tiny.toml -duration 1s -nodes embedded -out o {flag} {address} \
             {other} 127.0.0.1:0"
        ));
        ended.refused(3, &["error: ", &address, flag]);
        assert_left_nothing(&place);
    }
}

/// Catches a run that gives up because somebody else has the usual port, or takes another one
/// without a word.
#[test]
fn the_usual_port_may_be_taken() {
    let place = Place::new();
    place.scenario("tiny", TINY);
    // When somebody else has it, it is taken too; but they may give it back at any moment.
    let ours = TcpListener::bind(USUAL);
    let ended = place.run("-json -seed 7 -scenario tiny.toml -duration 1s -nodes embedded -out o");
    ended.report();
    if ours.is_ok() {
        let lines = ended.lines();
        let Some(Line::Start(start)) = lines.first() else { panic!("no start") };
        let free = &start.nodes[0].proxy_address;
        assert_ne!(free, USUAL);
        let notice = format!("{USUAL} is taken: the proxy of n1 listens on {free} instead");
        assert!(ended.stderr.contains(&notice), "{}", ended.stderr);
    }
}

/// Catches a server that is not there, or silent, and an error without its address or without how
/// long it was waited for.
#[test]
fn a_dead_server_is_named() {
    let refusing = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    // It accepts connections, and nobody ever answers.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    for address in [refusing, silent.local_addr().unwrap()] {
        let place = Place::new();
        place.scenario("tiny", TINY);
        let ended =
            place.play(&format!("-scenario tiny.toml -duration 1s -servers {address} -out o"));
        ended.refused(3, &["error: ", &format!("server {address} of -servers"), "2s"]);
        assert_left_nothing(&place);
    }
}

/// Catches a run on other nodes than those that were asked for.
#[test]
fn real_nodes_need_a_memcached() {
    let place = Place::new();
    let line = "-json -scenario baseline-steady -duration 2s -nodes memcached -out o";
    let ended = super::Ended::of(place.command(line).env("PATH", ""));
    ended.refused(3, &["error: no memcached on PATH", "-nodes embedded"]);
    assert_left_nothing(&place);
}

/// Catches a run that does not fall back on embedded nodes, or does not say so.
#[test]
fn without_a_memcached_nodes_are_embedded() {
    let place = Place::new();
    place.scenario("tiny", TINY);
    let line = "-listen 127.0.0.1:0 -api 127.0.0.1:0 -scenario tiny.toml -duration 1s -out o";
    let ended = super::Ended::of(place.command(line).env("PATH", ""));
    assert!(ended.stdout.contains("embedded"), "{}", ended.stdout);
    let text = std::fs::read_to_string(newest(&place.path("o")).join("report.json")).unwrap();
    let Line::Report(report) = serde_json::from_str(&text).unwrap() else { panic!("no report") };
    assert_eq!(i32::from(report.exit_code), ended.code);
    assert!(report.nodes.iter().all(|node| node.backend.starts_with("embedded ")));
}

/// Catches words that are refused late, vaguely, or with another code.
#[test]
fn bad_words_are_refused_before_anything_starts() {
    let place = Place::new();
    place.scenario("typo", "[phases]\nsteady = \"1s\"\n[[faults]]\non = [\"n1\"]\nrefsue = {}\n");
    let table = [
        ("-duration 30 -out o", "write \"30s\""),
        ("-scenario single-node-failur -duration 5s -out o", "did you mean `single-node-failure`"),
        ("-scenario typo.toml -duration 5s -out o", "typo.toml:7:1: "),
        ("-scenario typo.toml -duration 5s -out o", "`refuse`"),
    ];
    for (line, expected) in table {
        place.run(line).refused(2, &["error: ", expected]);
        assert_left_nothing(&place);
    }
}

/// Catches a program that panics when its output is not read to the end.
#[test]
fn a_reader_that_leaves_early_is_no_error() {
    let place = Place::new();
    for line in ["-list", "-scenario latency -dry-run", "-help", "list toxics"] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = place.command(line).stdout(writer).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), stderr.as_str()), (Some(0), ""), "{line}");
    }
}
