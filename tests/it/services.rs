//! Workloads that ask a service, as files: what is read, printed and refused.

use std::path::Path;

use harness::base::seed::Seed;
use harness::plan::{Library, Options, Plan, check, plans};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

const SCENARIO: &str = "summary = \"x\"\n[phases]\nsteady = \"5s\"";

const HEAD: &str = "summary = \"x\"\n[arrival]\nconstant = { rate = \"10/s\" }\n";

/// The plan of a run with this workload, or the first line of the error.
fn plan_of(workload: &str, options: Options) -> Result<Plan, String> {
    let folder = tempfile::tempdir().expect("a directory");
    std::fs::write(folder.path().join("s.toml"), SCENARIO).expect("a file");
    std::fs::write(folder.path().join("w.toml"), workload).expect("a file");
    let options = Options { workload: Some("w.toml".into()), ..options };
    plans(&Library::new(folder.path()), &["s.toml".into()], &options, Seed::new(7))
        .map(|mut plans| plans.remove(0))
        .map_err(|error| error.to_string().lines().next().unwrap_or_default().to_owned())
}

/// The workload that a page shows.
fn shown(page: &str) -> String {
    let page = std::fs::read_to_string(Path::new(ROOT).join(page)).unwrap();
    let (_, rest) = page.split_once("```toml\n").expect("a workload");
    rest.split_once("```").expect("its end").0.to_owned()
}

/// Catches an example that is refused, and a plan of one that does not read back to itself.
#[test]
fn the_examples_resolve_and_read_back() {
    let library = Library::new(ROOT);
    assert_eq!(check(&library, "examples/service/shop.toml").unwrap().noun, "a workload");
    let example = std::fs::read_to_string(Path::new(ROOT).join("examples/service/shop.toml"));
    for workload in [example.unwrap(), shown("docs/services.md")] {
        let plan = plan_of(&workload, Options::default()).unwrap_or_else(|error| panic!("{error}"));
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("p.toml"), plan.to_toml()).unwrap();
        let library = Library::new(folder.path());
        let again = plans(&library, &["p.toml".into()], &Options::default(), Seed::new(1));
        let again = again.unwrap_or_else(|error| panic!("{error}\n{}", plan.to_toml())).remove(0);
        assert_eq!(again.workload, plan.workload);
        assert_eq!(again.hash(), plan.hash());
    }
}

/// Catches a mistake that is found when the service is asked, or never, or without a word on what to
/// write instead.
#[test]
fn every_mistake_is_shown_at_its_place() {
    let http = |rest: &str| format!("{HEAD}[http]\nbase = \"http://h:1\"\n{rest}");
    let request = |rest: &str| http(&format!("[[http.request]]\n{rest}"));
    let path = |rest: &str| request(&format!("path = \"/\"\n{rest}"));
    for (text, place, words) in [
        (format!("{HEAD}[http]\nbase = \"https://h\""), "5:8", "https is not spoken here"),
        (format!("{HEAD}[http]\nbase = \"h:1\""), "5:8", "`h:1` is no address"),
        (http(""), "4:", "[[http.request]]"),
        (http("tiemout = \"1s\""), "6:1", "did you mean `timeout`?"),
        (http("timeout = \"2m\""), "6:11", "between 1ms and 60s"),
        (http("ready = \"/health\""), "", "[[http.request]]"),
        (request(""), "6:", "`path` is missing"),
        (request("path = \"k\""), "7:8", "`k` is no path"),
        (request("path = \"/a b\""), "7:8", "`/a b` is no path"),
        (request("path = \"/{id}\""), "7:8", "there is no {id} to fill in"),
        (path("method = \"post\""), "8:10", "\"POST\""),
        (path("weight = 0"), "8:10", "weight"),
        (path("headers = { host = \"x\" }"), "8:13", "`host` is set by the harness itself"),
        (path("headers = { \"a b\" = \"x\" }"), "8:13", "is no header"),
        (path("expect = { status = \"2x\" }"), "8:21", "`2x` is no status"),
        (path("expect = { status = 200 }"), "8:21", "write a status as \"200\""),
        (path("expect = { status = [] }"), "8:21", "write \"2xx\""),
        (path("expect = { within = \"1s\" }"), "8:21", "below the `timeout` of http, which is 1s"),
        (format!("{}\n[mix]\nget = 1", path("")), "9:2", "`mix`"),
    ] {
        let error = plan_of(&text, Options::default()).unwrap_err();
        assert!(error.starts_with(&format!("w.toml:{place}")), "{error}\n{text}");
        assert!(error.contains(words), "{error}\n{text}");
    }
    let client = Options { client: Some("classic".into()), ..Options::default() };
    let error = plan_of(&path(""), client).unwrap_err();
    assert!(error.contains("leave -client out"), "{error}");
}
