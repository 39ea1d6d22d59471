//! Figures of runs for Prometheus: what is served, what documents, rules and dashboards say of it, and what a
//! real Prometheus makes of it.

mod documents;
mod prometheus;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};

use harness::event::Phase;
use harness::metrics::FAMILIES;
use harness::report::{Line, Report};

use crate::run::{Place, Running};

/// A node that resets connections for a while: breakers open, connections are refused, and it recovers.
const SCENARIO: &str = r#"
objectives = ["no-wrong-data", "no-corrupt-data", "recovers", "bounded-operations", "steady-fast"]
[phases]
warmup = "1s"
steady = "2s"
fault = "2s"
recovery = "2s"
[[faults]]
name = "refused"
on = ["n1"]
at = "0s"
for = "1s"
refuse = {}
[[faults]]
name = "silent"
on = ["n2"]
at = "0s"
for = "1s"
blackhole = { mode = "hold" }
"#;

/// A run of that scenario, with the place that it has to itself.
struct Run {
    running: Running,
    _place: Place,
}

impl Run {
    fn start(line: &str) -> Self {
        let place = Place::new();
        place.scenario("broken", SCENARIO);
        let running = place.start(&format!(
            "-scenario broken.toml -once -nodes embedded -out o -metrics-interval 200ms \
             -metrics-addr 127.0.0.1:0 {line}"
        ));
        Self { running, _place: place }
    }

    /// The lines up to one that is wanted.
    fn until(&mut self, wanted: impl Fn(&Line) -> bool) -> Line {
        self.running.until(wanted)
    }

    fn report(&mut self) -> Report {
        match self.until(|line| matches!(line, Line::Report(_))) {
            Line::Report(report) => *report,
            _ => unreachable!("what was wanted"),
        }
    }

    fn stderr(&self) -> String {
        self.running.stderr()
    }

    /// Where it serves its figures, as it says before anything starts.
    fn address(&mut self) -> String {
        let line = self.until(|line| matches!(line, Line::Start(_)));
        assert!(matches!(line, Line::Start(_)));
        let said = self.stderr();
        let address = said.split("metrics on http://").nth(1).unwrap_or_else(|| panic!("{said}"));
        address.split("/metrics").next().unwrap().to_owned()
    }

    fn end(mut self) -> i32 {
        self.running.rest().1
    }
}

/// Asks as a scraper does; the status, the head and the body of the answer.
fn get(address: &str, target: &str, accept: &str) -> (u16, String, Vec<u8>) {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(
        stream,
        "GET {target} HTTP/1.0\r\nHost: {address}\r\nAccept: {accept}\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    let head = String::from_utf8(answer[..end].to_vec()).unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, head, answer[end + 4..].to_vec())
}

/// What a page says: series by name and labels.
struct Scraped(BTreeMap<(String, BTreeMap<String, String>), f64>);

impl Scraped {
    fn from(address: &str) -> Self {
        let (status, head, body) = get(address, "/metrics", "*/*");
        assert!(status == 200 && head.contains("text/plain; version=0.0.4"), "{head}");
        Self::read(&String::from_utf8(body).unwrap())
    }

    fn read(text: &str) -> Self {
        let series = text.lines().filter(|line| !line.starts_with('#')).map(|line| {
            let (series, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("{line}"));
            let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
            let labels = labels.trim_end_matches('}').split("\",").filter(|it| !it.is_empty());
            let labels = labels.map(|pair| {
                let (label, value) = pair.split_once("=\"").unwrap_or_else(|| panic!("{line}"));
                (label.to_owned(), value.trim_end_matches('"').to_owned())
            });
            ((name.to_owned(), labels.collect()), value.parse().unwrap())
        });
        Self(series.collect())
    }

    /// All series of this name that have these labels.
    fn all(&self, name: &str, labels: &[(&str, &str)]) -> Vec<f64> {
        let has = |known: &BTreeMap<String, String>| {
            labels.iter().all(|(label, text)| known.get(*label).is_some_and(|it| it == text))
        };
        let series = self.0.iter().filter(|((known, its), _)| known == name && has(its));
        series.map(|(_, value)| *value).collect()
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "counts")]
    fn sum(&self, name: &str, labels: &[(&str, &str)]) -> u64 {
        self.all(name, labels).iter().sum::<f64>() as u64
    }

    /// The one series of this name with these labels.
    fn one(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let all = self.all(name, labels);
        assert!(all.len() < 2, "{name} {labels:?}: {all:?}");
        all.first().copied()
    }

    fn names(&self) -> BTreeSet<&str> {
        self.0.keys().map(|(name, _)| name.as_str()).collect()
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts")]
fn level(count: u64) -> f64 {
    count as f64
}

/// Every figure that the report has as well.
fn assert_same(page: &Scraped, report: &Report) {
    for phase in &report.phases {
        let (name, figures) = (phase.all.name.name(), &phase.all.figures);
        let all = page.sum("harness_operations_total", &[("phase", name)]);
        assert_eq!(all, figures.offered, "{name}");
        for (outcome, count) in &figures.outcomes {
            let labels = [("phase", name), ("outcome", outcome.as_str())];
            assert_eq!(page.sum("harness_operations_total", &labels), *count, "{labels:?}");
        }
        let response = figures.response_time_us.as_ref().unwrap().count;
        for (family, count) in [
            ("harness_response_time_seconds", response),
            ("harness_service_time_seconds", figures.service_time_us.count),
        ] {
            assert_eq!(page.sum(&format!("{family}_count"), &[("phase", name)]), count, "{name}");
            let labels = [("phase", name), ("le", "+Inf")];
            assert_eq!(page.sum(&format!("{family}_bucket"), &labels), count, "{name}");
        }
    }
    let scenario = ("scenario", report.scenario.as_str());
    let verdict = [scenario, ("verdict", report.verdict.name())];
    assert_eq!(page.one("harness_verdict", &verdict), Some(1.0));
    assert_eq!(page.all("harness_verdict", &[]).len(), 1);
    assert_eq!(page.one("harness_runs_total", &verdict), Some(1.0));
    assert_eq!(page.sum("harness_runs_total", &[]), 1);
    assert_eq!(page.one("harness_run_seed", &[]), Some(level(report.seed)));
    assert_eq!(page.one("harness_run_duration_seconds", &[]), Some(report.duration_s));
    let intended = report.harness.tickets_issued.map(level);
    assert_eq!(page.one("harness_operations_intended", &[]), intended);
    assert_eq!(page.one("harness_run_active", &[]), Some(0.0));
    assert_eq!(page.sum("harness_phase", &[]), 0);
    assert_ending(page, report);
    assert_wire(page, report);
}

/// Whether the report has a measure in microseconds, which are seconds for Prometheus.
fn is_in_microseconds(measure: &str) -> bool {
    let begins = ["response_time", "operation_time", "issue_delay", "fast_fail"];
    begins.iter().any(|it| measure.starts_with(it))
}

/// What was judged, and what the machine did.
fn assert_ending(page: &Scraped, report: &Report) {
    assert!(!report.objectives.is_empty());
    for objective in &report.objectives {
        let grade = match objective.grade.to_string().as_str() {
            "pass" => "held",
            "fail" => "failed",
            _ => "not_judged",
        };
        let name = ("objective", objective.name.as_str());
        assert_eq!(page.one("harness_objective_grade", &[name, ("grade", grade)]), Some(1.0));
        let measured = page.one("harness_objective_measured", &[name]);
        let unit = if is_in_microseconds(&objective.measure) { 1e6 } else { 1.0 };
        assert_eq!(measured, objective.measured.map(|value| value / unit), "{}", objective.name);
        assert!(page.one("harness_objective_bound", &[name]).is_some());
    }
    let data = serde_json::to_value(&report.data.totals).unwrap();
    for (kind, count) in data.as_object().unwrap() {
        let kind = [("kind", kind.as_str())];
        assert_eq!(page.one("harness_data_violations", &kind), count.as_f64(), "{kind:?}");
        let sum = page.sum("harness_runs_violations_total", &kind);
        assert_eq!(sum, count.as_u64().unwrap_or_default(), "{kind:?}");
    }
    let found = &report.recovery;
    for (until, seconds) in
        [("first_success", found.first_success_s), ("sustained", found.sustained_s)]
    {
        assert_eq!(page.one("harness_recovery_seconds", &[("until", until)]), seconds, "{until}");
    }
    assert_eq!(page.one("harness_relapses", &[]), found.relapses.map(level));
    let late = |us: Option<u64>| us.map(|us| level(us) / 1e6);
    let harness = &report.harness;
    let latest = [("share", "1")];
    assert_eq!(page.one("harness_issue_delay_seconds", &latest), late(harness.issue_delay_us.max));
    assert_eq!(page.one("harness_timer_delay_seconds", &latest), late(harness.timer_delay_us.max));
    assert_eq!(page.one("harness_cpu_pressure_ratio", &[]), harness.cpu_pressure);
    assert_eq!(page.one("harness_stalls", &[]), harness.stalls.count.map(level));
}

/// What the proxies saw, and what the client tells.
fn assert_wire(page: &Scraped, report: &Report) {
    let wire = report.wire.as_ref().unwrap();
    for node in &report.nodes {
        let name = node.name.to_string();
        let of = [("node", name.as_str())];
        let phases = || wire.phases.iter().filter(|phase| phase.node == node.name);
        let requests: u64 = phases().map(|phase| phase.requests).sum();
        assert_eq!(page.sum("harness_wire_requests_total", &of), requests, "{name}");
        let connects: u64 = phases().filter_map(|phase| phase.connects).sum();
        assert_eq!(page.sum("harness_wire_connects_total", &of), connects, "{name}");
        let never: u64 = phases().map(|phase| phase.never_answered_us.count).sum();
        let fate = [of[0], ("fate", "never_answered")];
        assert_eq!(page.sum("harness_wire_abandoned_requests_total", &fate), never, "{name}");
        let given_up: u64 = phases().map(|phase| phase.given_up_us.count).sum();
        assert_eq!(page.sum("harness_wire_given_up_connections_total", &of), given_up, "{name}");
        let poisoned = node.connections.as_ref().unwrap().poisoned;
        let told = page.sum("harness_client_connections_poisoned_total", &of);
        assert_eq!(told, poisoned, "{name}");
        let changes = node.breaker.as_ref().unwrap().transitions.len() as u64;
        assert_eq!(page.sum("harness_breaker_changes_total", &of), changes, "{name}");
        assert_eq!(page.sum("harness_breaker_state", &of), 1, "{name}: it is in one state");
    }
}

/// Catches figures that are not those of the report, that are missing while the run goes on, that go back, a
/// metric that no run has, and an address that is gone before the last scrape.
#[test]
fn what_is_scraped_is_what_is_reported() {
    let mut run = Run::start("-linger 1m");
    let address = run.address();
    run.until(|line| matches!(line, Line::Interval(it) if it.phase == Phase::Steady));
    let during = Scraped::from(&address);
    let so_far = during.sum("harness_operations_total", &[]);
    assert!(so_far > 0);
    assert_eq!(during.one("harness_run_active", &[]), Some(1.0));
    assert_eq!(during.sum("harness_phase", &[]), 1);
    assert!(during.all("harness_verdict", &[]).is_empty(), "nobody knows it yet");
    let report = run.report();
    let after = Scraped::from(&address);
    assert_same(&after, &report);
    assert!(after.sum("harness_operations_total", &[]) > so_far);
    let names: BTreeSet<&str> = after.names().into_iter().chain(during.names()).collect();
    // A kernel may not tell of pressure, a door that was shut does not count, and of a busy machine nobody can
    // say when a run recovered: these have tests of their own.
    let may_be_missing = [
        "harness_cpu_pressure_ratio",
        "harness_fault_active",
        "harness_recovered",
        "harness_recovery_seconds",
        "harness_relapses",
        "harness_wire_connections_refused_total",
    ];
    for family in FAMILIES.iter().filter(|family| !may_be_missing.contains(&family.name)) {
        let name = family.name;
        let is_there = names.contains(name) || names.contains(&*format!("{name}_count"));
        assert!(is_there, "{name} is in no page");
    }
    assert_eq!(run.end(), i32::from(report.exit_code), "it ends when it was scraped");
}

/// Catches a form that is not what its name says, a path that answers to anything, and a control API without
/// the figures of its run.
#[test]
fn the_same_is_served_in_every_form() {
    let mut run = Run::start("");
    let start = run.until(|line| matches!(line, Line::Start(_)));
    let Line::Start(start) = start else { unreachable!("what was wanted") };
    let said = run.stderr();
    let address = said.split("metrics on http://").nth(1).unwrap().split('/').next().unwrap();
    run.until(|line| matches!(line, Line::Interval(it) if it.phase == Phase::Steady));
    let (status, head, body) = get(address, "/metrics", "application/openmetrics-text");
    let text = String::from_utf8(body).unwrap();
    assert!(
        status == 200 && head.contains("application/openmetrics-text; version=1.0.0"),
        "{head}"
    );
    assert!(
        text.ends_with("# EOF\n") && text.contains("# UNIT harness_service_time_seconds seconds")
    );
    let protobuf = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily";
    let (status, head, body) = get(address, "/metrics", protobuf);
    assert!(status == 200 && head.contains("io.prometheus.client.MetricFamily"), "{head}");
    let name = b"harness_service_time_seconds";
    assert!(body.windows(name.len()).any(|text| text == name) && !body.starts_with(b"#"));
    assert_eq!(get(address, "/", "*/*").0, 404);
    let api = start.api_address.unwrap();
    let page = String::from_utf8(get(&api, "/metrics", "*/*").2).unwrap();
    assert!(page.contains("toxiproxy_proxy_received_bytes_total{"), "{page}");
    let page = Scraped::read(&page);
    assert!(page.sum("harness_operations_total", &[]) > 0);
    assert!(page.sum("harness_proxy_connections_total", &[]) > 0);
}

/// Catches a scraper that says nothing or reads nothing and holds up a run, or its end; and one more that is
/// kept waiting for ever.
#[test]
fn no_scraper_holds_up_a_run() {
    let mut run = Run::start("-linger 1ms");
    let address = run.address();
    let silent: Vec<TcpStream> = (0..32).map(|_| TcpStream::connect(&address).unwrap()).collect();
    let closed = silent.iter().rev().map(|mut stream| stream.read(&mut [0]));
    assert_eq!(closed.take(1).map(Result::unwrap).collect::<Vec<_>>(), [0], "there was no place");
    let report = run.report();
    assert_eq!(run.end(), i32::from(report.exit_code));
}

/// Catches an address that cannot be had and is found out about after the run, and words that do not say what
/// to write.
#[test]
fn what_cannot_be_served_is_refused_first() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let place = Place::new();
    for (line, code, words) in [
        (
            format!("-scenario latency -once -metrics-addr {taken}"),
            3,
            vec![taken.as_str(), "choose another with -metrics-addr"],
        ),
        ("-scenario latency -metrics-addr 9464".to_owned(), 2, vec!["no numeric address"]),
        ("-scenario latency -linger 5s".to_owned(), 2, vec!["--metrics-addr"]),
        (
            "-scenario latency -metrics-addr 127.0.0.1:0 -linger 2h".to_owned(),
            2,
            vec!["too long", "\"1h\""],
        ),
        ("up -metrics-addr 127.0.0.1:0".to_owned(), 2, vec!["name one with -scenario"]),
    ] {
        let ended = place.run(&line);
        let said = &ended.stderr;
        assert_eq!(ended.code, code, "{line}: {said}");
        assert!(words.iter().all(|word| said.contains(word)), "{line}: {said}");
        assert!(!place.path("runs/latest").exists(), "{line}: something was run");
    }
}
