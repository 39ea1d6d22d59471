//! Workloads that replay a recorded trace: what is read, what is refused and where, what is said of it.

use std::time::Duration;

use harness::base::seed::Seed;
use harness::plan::{Library, Options, RateWish, check, plans, sections};

/// A scenario that takes eleven seconds, with this workload.
fn scenario(workload: &str) -> String {
    format!(
        "summary = \"x\"\nobjectives = [\"no-wrong-data\"]\n[phases]\nwarmup = \"1s\"\nsteady = \"10s\"\n\
         [workload]\nsummary = \"y\"\n{workload}"
    )
}

/// A folder with a trace of four seconds, and this scenario.
fn place(workload: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("team")).unwrap();
    let lines = [
        "0,a,1,50,7,get,0",
        "0,b,1,60,7,set,9",
        "1,a,1,0,7,delete,0",
        "3,c,1,0,7,flush,0",
        "3,b,1,60,7,get,0",
    ];
    std::fs::write(folder.path().join("team/requests.csv"), lines.join("\n")).unwrap();
    std::fs::write(folder.path().join("team/broken.csv"), format!("{}\nx", lines[0])).unwrap();
    std::fs::write(folder.path().join("team/packed.csv"), b"\x1f\x8b\x08\0").unwrap();
    // As the program is run: from the folder that everything is in, which a test cannot go to.
    let here = folder.path().join("team");
    let workload = workload.replace("HERE", &here.to_string_lossy());
    std::fs::write(folder.path().join("team/s.toml"), scenario(&workload)).unwrap();
    folder
}

fn error(workload: &str, options: &Options) -> String {
    let folder = place(workload);
    let words = ["team/s.toml".to_owned()];
    let error = plans(&Library::new(folder.path()), &words, options, Seed::new(7)).unwrap_err();
    error.to_string().lines().next().unwrap().replace(&*folder.path().to_string_lossy(), "/here")
}

/// Catches a mistake that is run all the same, and one that is told without its place, its cause or what to
/// write instead.
#[test]
fn mistakes_say_what_to_write() {
    for (workload, told) in [
        (
            "trace = \"HERE/none.csv\"",
            "s.toml:8:9: cannot read the trace /here/team/none.csv: No such file",
        ),
        (
            "trace = \"shp\"",
            "s.toml:8:9: unknown trace `shp`; did you mean `shop`? (built in; a file's path",
        ),
        ("trace = \"HERE/broken.csv\"", "/broken.csv: line 2 has no seven columns: time, key"),
        ("trace = \"HERE/packed.csv\"", "/packed.csv: it is compressed by gzip; `gzip -dk`"),
        ("trace = \"HERE/../team\"", "it is a folder; name a regular file"),
        ("trace = 5", "s.toml:8:9: `trace`: expected a text, found a whole number"),
        ("trace = {}", "`file` is missing: the trace, from where this file lies"),
        ("trace = { fil = \"x\" }", "unknown setting of trace `fil`; did you mean `file`?"),
        (
            "trace = { file = \"HERE/requests.csv\", format = \"twiter\" }",
            "unknown format `twiter`; did you mean `twitter`?",
        ),
        (
            "trace = { file = \"HERE/requests.csv\", format = \"memcached\" }",
            "/requests.csv: line 1 has no time such as ts=1616516140.157366; take it out, or name the other",
        ),
        (
            "trace = { file = \"HERE/requests.csv\", speed = 0 }",
            "`speed` must lie between 0.05 and 1000",
        ),
        ("trace = { file = \"HERE/requests.csv\", speed = \"fast\" }", "`speed`: "),
        ("trace = \"HERE/requests.csv\"\nmix = { get = 1 }", "unknown key beside `trace` `mix`"),
        (
            "trace = \"HERE/requests.csv\"\noptions = { ttl = \"1s\" }",
            "unknown option beside `trace` `ttl`; there are `fill_after_miss`",
        ),
    ] {
        let said = error(workload, &Options::default());
        assert!(said.contains(told), "{workload}: {said}");
    }
    let options = Options { rate: Some(RateWish::Max), ..Options::default() };
    let said = error("trace = \"HERE/requests.csv\"", &options);
    assert!(said.contains("a trace has arrival times of its own: leave -rate"), "{said}");
}

/// Catches a trace that is printed so that it is not found
/// again, and what is not replayed as it was and nobody is told of.
#[test]
fn a_trace_is_found_printed_and_told() {
    let folder = place("trace = { file = \"HERE/requests.csv\", speed = 2.0, repeat = false }");
    let library = Library::new(folder.path());
    let read = |word: &str| {
        plans(&library, &[word.to_owned()], &Options::default(), Seed::new(7)).unwrap().remove(0)
    };
    let plan = read("team/s.toml");
    let replay = plan.workload.replay.clone().unwrap();
    assert_eq!((replay.recording.requests(), replay.length()), (4, Duration::from_secs(2)));
    assert!(plan.is_open_loop() && !plan.workload.fill_after_miss);
    std::fs::write(folder.path().join("printed.toml"), plan.to_toml()).unwrap();
    assert_eq!(read("printed.toml"), plan);
    let said = check(&library, "team/s.toml").unwrap().remarks;
    let told = [
        "s: the trace is over after 2s, before the run of 11s is; nothing is asked from then on",
        "s: not replayed of the trace: 1 `flush`",
    ];
    assert_eq!(said, told);
}

/// Catches a shipped trace that is in no list, or that says something that is not replayed.
#[test]
fn the_shipped_trace_is_replayed_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let library = Library::new(folder.path());
    let words = ["trace-replay".to_owned()];
    let plan = plans(&library, &words, &Options::default(), Seed::new(7)).unwrap().remove(0);
    assert_eq!(plan.trace_remarks(), Vec::<String>::new());
    let sections = sections(&library).unwrap();
    let traces = sections.iter().find(|section| section.title == "traces").unwrap();
    assert_eq!(traces.rows[0].0, "shop");
    let longer = Options { duration: Some(Duration::from_secs(60)), ..Options::default() };
    let plan = plans(&library, &words, &longer, Seed::new(7)).unwrap().remove(0);
    let said = ["the trace is over after 25s, before the run of 1m is; it starts over"];
    assert_eq!(plan.trace_remarks(), said);
}
