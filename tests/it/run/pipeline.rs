//! What a pipeline is given of a session: one JUnit file, the summary and annotations of GitHub, an exit
//! code as strict as it is wanted, and another attempt where nothing was proven.

use super::{Ended, Place};

const PLAY: &str = "-listen 127.0.0.1:0 -api 127.0.0.1:0 -seed 7 -nodes embedded -once";

/// Wrong data, which no noise excuses.
const LIAR: &str = r#"
objectives = ["no-wrong-data"]
[nodes]
backend = "embedded"
lies = ["wrong-key:1/5"]
[phases]
warmup = "300ms"
steady = "700ms"
fault = "300ms"
recovery = "300ms"
"#;

/// A fault that waits for what never comes, so that nothing is proven on any machine.
const NOTHING: &str = r#"
objectives = ["no-wrong-data"]
[phases]
warmup = "300ms"
steady = "700ms"
fault = "300ms"
recovery = "300ms"
[[faults]]
name = "slow"
on = "all"
after = { event = "never" }
latency = { latency = "5ms" }
"#;

/// Catches a run or a skipped scenario that is missing in the file or the table, a failure without an
/// annotation, a summary without the reasons, live lines although only verdicts are wanted, and an attempt
/// that nobody is told of.
#[test]
fn a_pipeline_is_told_of_every_run() {
    let place = Place::new();
    place.scenario("liar", LIAR);
    place.scenario("nothing", NOTHING);
    let words = format!(
        "{PLAY} -quiet -retry-invalid 1 -junit all.xml -scenario liar.toml,nothing.toml,server-idle-timeout"
    );
    let summary = place.path("summary.md");
    let mut command = place.command(&words);
    command.env("GITHUB_ACTIONS", "true").env("GITHUB_STEP_SUMMARY", &summary);
    let ended = Ended::of(&mut command);
    assert_eq!(ended.code, 1, "{}", ended.stderr);
    let has = |text: &str, words: &[&str]| {
        for word in words {
            assert!(text.contains(word), "no {word:?} in: {text}");
        }
    };
    let said = &ended.stdout;
    has(said, &["FAIL  liar", "  - wrong values", "2 runs in"]);
    for (name, verdict) in
        [("liar ", " fail "), ("nothing ", ""), ("server-idle-timeout ", " skipped ")]
    {
        let mut rows = said.lines().filter(|line| line.starts_with(name));
        assert!(rows.any(|line| line.contains(verdict)), "{name} {verdict}: {said}");
    }
    has(said, &["::error title=liar%3A fail::", "::warning title=nothing%3A "]);
    assert_eq!(said.matches("  nothing, ").count(), 2, "an attempt each: {said}");
    assert!(!said.contains("p50") && !said.contains("draining"), "{said}");
    assert!(
        said.lines().all(|line| line.chars().count() <= 80 || line.starts_with("::")),
        "{said}"
    );
    let junit = std::fs::read_to_string(place.path("all.xml")).unwrap();
    has(&junit, &["<testsuite name=\"liar\"", "<testsuite name=\"nothing\"", "<skipped message="]);
    has(
        &junit,
        &["<property name=\"seed\" value=\"7\"/>", "attempt 2: those before it proved nothing"],
    );
    assert_eq!(junit.matches("<testsuites>").count(), 1);
    let summary = std::fs::read_to_string(summary).unwrap();
    has(&summary, &["# liar: fail", "- wrong values", "skipped"]);
}

/// Catches a word that is none, and is passed over.
#[test]
fn only_verdicts_can_be_failed_on() {
    let ended = Place::new().run(&format!("{PLAY} -fail-on sometimes -scenario latency"));
    ended.refused(2, &["sometimes", "degraded"]);
}

/// Catches a file of results that cannot be written and is found when everything has run.
#[test]
fn a_file_that_cannot_be_written_is_refused_before_anything_starts() {
    let ended = Place::new().run(&format!("{PLAY} -junit nowhere/all.xml -scenario latency"));
    ended.refused(2, &["nowhere/all.xml", "-junit"]);
}
