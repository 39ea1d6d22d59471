//! Recorded traces that are replayed, and writes that are read back, on embedded nodes.

use harness::report::Report;

use super::{Place, assert_sound};

const PHASES: &str = "objectives = [\"no-wrong-data\", \"no-stale-data\", \"no-false-misses\"]\n\
                      [phases]\nwarmup = \"500ms\"\nsteady = \"1500ms\"\n[workload]\nsummary = \"made for a test\"\n";

/// Nothing was broken, and so nothing may be found, whatever else the machine does.
fn assert_clean(report: &Report) {
    let totals = &report.data.totals;
    let found =
        (totals.stale, totals.false_misses, totals.contradictions, totals.acknowledged_but_lost);
    assert_eq!(found, (Some(0), Some(0), Some(0), Some(0)), "{:?}", report.data.examples);
}

fn outcomes(report: &Report, name: &str) -> u64 {
    report.phases.iter().filter_map(|phase| phase.all.figures.outcomes.get(name)).sum()
}

/// Catches a replay that loses or repeats a request, asks for something else than was recorded, or is
/// accused of what the trace has no value for; and a key's writes that meet.
#[test]
fn a_trace_is_replayed_to_its_end() {
    let place = Place::new();
    // One hot key that every other request writes, in one second: many writes of it at a time.
    let mut lines: Vec<String> = Vec::new();
    for number in 0..200 {
        lines.push(format!("5,hot,3,400,1,set,0\n5,key-{},5,300,1,get,0", number % 20));
        lines.push("5,hot,3,400,1,get,0\n5,count,5,0,1,incr,0\n5,log,3,40,1,append,0".to_owned());
    }
    lines.push(
        "5,swap,4,90,1,cas,0\n5,gone,4,0,1,get,0\n5,hot,3,0,1,delete,0\n5,hot,3,9,1,quit,0"
            .to_owned(),
    );
    std::fs::write(place.path("requests.csv"), lines.join("\n")).unwrap();
    let text = format!(
        "summary = \"made for a test\"\nconcurrency = 8\n{PHASES}trace = {{ file = \"requests.csv\", repeat = false }}\n"
    );
    std::fs::write(place.path("replayed.toml"), text).unwrap();
    let ended = place.play("-scenario replayed.toml -once -nodes embedded -out o");
    let report = ended.report();
    assert_sound(&report);
    assert_clean(&report);
    assert_eq!(report.harness.tickets_issued, Some(1003));
    assert!(outcomes(&report, "hit") > 0, "what the trace finds at first was there before");
    let said = "not replayed of the trace: 1 `quit`";
    assert!(report.harness.limits.iter().any(|limit| limit == said), "{:?}", report.harness.limits);
}

/// Catches a write that is not read back, and a read of it that counts as nothing.
#[test]
fn writes_are_read_back() {
    let place = Place::new();
    let text = format!(
        "summary = \"made for a test\"\nconcurrency = 8\n{PHASES}\
         arrival = {{ constant = {{ rate = \"200/s\" }} }}\nkeys = {{ uniform = {{ count = 50 }} }}\n\
         values = {{ fixed = {{ size = \"100B\" }} }}\nmix = {{ set = 1 }}\n\
         options = {{ read_back = \"100%\", fill_after_miss = false }}\n"
    );
    std::fs::write(place.path("own.toml"), text).unwrap();
    let ended = place.play("-scenario own.toml -once -nodes embedded -out o");
    let report = ended.report();
    assert_sound(&report);
    assert_clean(&report);
    let (stored, hit) = (outcomes(&report, "stored"), outcomes(&report, "hit"));
    // How many come to an end is the machine's affair; nothing but what was stored is read.
    assert!(0 < hit && hit <= stored, "{stored} stored, {hit} read back");
}
