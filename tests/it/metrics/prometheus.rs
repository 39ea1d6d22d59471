//! What Debian's Prometheus makes of a run: it scrapes it, answers the dashboards' queries, and has the report's
//! figures.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use harness::event::Phase;
use harness::report::{Line, Report};
use serde_json::Value;
use tempfile::TempDir;
use tokio::time::Instant;

use super::documents::{DASHBOARDS, path, queries, read};
use super::{Run, get};

/// Longer than any scrape takes: something hangs.
const HANG: Duration = Duration::from_secs(60);

/// A Prometheus that scrapes one address every second.
struct Prometheus {
    child: Child,
    address: String,
    _folder: TempDir,
}

impl Prometheus {
    fn start(target: &str, features: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("prometheus.yml");
        let rules = path("metrics/alerts.yml");
        let text = format!(
            "global: {{ scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s }}\n\
             rule_files: [{rules:?}]\n\
             scrape_configs: [{{ job_name: harness, static_configs: [{{ targets: [{target:?}] }}] }}]\n"
        );
        std::fs::write(&config, text).unwrap();
        let mut child = Command::new("prometheus")
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()))
            .arg("--web.listen-address=127.0.0.1:0")
            .args(features)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = BufReader::new(child.stderr.take().unwrap()).lines();
        let listens = said.find_map(|line| {
            let line = line.unwrap();
            let address = line.split("msg=\"Listening on\" address=").nth(1)?;
            Some(address.to_owned())
        });
        let address = listens.expect("it says where it listens");
        let ready = said.any(|line| line.unwrap().contains("Server is ready"));
        assert!(ready, "it is ready to be asked");
        // It goes on talking, and must not be held up by a full pipe. The thread ends with it.
        #[expect(clippy::disallowed_methods, reason = "a test has no scope that outlives it")]
        let _ = std::thread::spawn(move || said.for_each(drop));
        Self { child, address, _folder: folder }
    }

    /// What it says to a query; at a moment, where one is given.
    fn ask(&self, query: &str, at: Option<f64>) -> Vec<Value> {
        let query: String = query.bytes().map(|byte| format!("%{byte:02x}")).collect();
        let at = at.map_or_else(String::new, |at| format!("&time={at:.3}"));
        let (_, _, body) = get(&self.address, &format!("/api/v1/query?query={query}{at}"), "*/*");
        let answer: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(answer["status"], "success", "{query}: {answer}");
        answer["data"]["result"].as_array().unwrap().clone()
    }

    /// Asks until there is an answer: it takes over what it has scraped some moments later.
    fn await_answer(&self, query: &str) -> Vec<Value> {
        let begun = Instant::now();
        loop {
            let found = self.ask(query, None);
            if !found.is_empty() {
                return found;
            }
            assert!(begun.elapsed() < HANG, "no answer to {query}");
        }
    }

    /// The one number that a query comes to.
    fn number(&self, query: &str, at: f64) -> f64 {
        let found = self.ask(query, Some(at));
        assert_eq!(found.len(), 1, "{query}: {found:?}");
        found[0]["value"][1].as_str().unwrap().parse().unwrap()
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A panel's query as Grafana sends it, with everything chosen.
fn sent(query: &str) -> String {
    ["instance", "scenario", "proxy"]
        .iter()
        .fold(query.to_owned(), |query, name| query.replace(&format!("${name}"), ".*"))
}

/// Catches a page that Prometheus does not take, panels that it cannot answer or answers with other figures than
/// the report's, and native histograms that are none.
#[test]
#[cfg_attr(not(real_prometheus), ignore = "needs prometheus on PATH")]
fn a_prometheus_has_the_figures_of_the_report() {
    let mut run = Run::start("-linger 1m");
    let address = run.address();
    let native = Prometheus::start(&address, &["--enable-feature=native-histograms"]);
    let usual = Prometheus::start(&address, &[]);
    run.until(|line| matches!(line, Line::Interval(it) if it.phase == Phase::Steady));
    let found = native.await_answer("histogram_count(sum(harness_service_time_seconds)) > 0");
    assert_eq!(found.len(), 1);
    drop(native);
    let report = run.report();
    // It ends when its end was scraped.
    run.end();
    let verdict = usual.await_answer("harness_verdict[5m]");
    let samples = verdict[0]["values"].as_array().unwrap();
    let at = samples.last().unwrap()[0].as_f64().unwrap();
    assert_eq!(verdict[0]["metric"]["verdict"], report.verdict.name());
    for file in DASHBOARDS {
        let board = read(file);
        for query in queries(&board).iter().filter(|query| !query.starts_with("label_values(")) {
            // An error would be none of Prometheus' answers; that some are empty is right.
            usual.ask(&sent(query), Some(at));
        }
    }
    assert_panels(&usual, at, &report);
}

/// The panels of a run, by their titles, with the figures of its report.
fn assert_panels(prometheus: &Prometheus, at: f64, report: &Report) {
    let board = read("metrics/grafana/run.json");
    let query = |title: &str, index: usize| {
        let panel = board.panels.iter().find(|panel| panel.title == title);
        sent(&panel.unwrap_or_else(|| panic!("no {title}")).targets[index].expr)
    };
    let whole = |number: f64| number.to_string();
    let failed = report.objectives.iter().filter(|it| it.grade.to_string() == "fail").count();
    let told = prometheus.number(&query("Objectives that failed", 0), at);
    assert_eq!(whole(told), failed.to_string());
    assert_eq!(whole(prometheus.number(&query("Wrong data", 0), at)), "0");
    let stalls = report.harness.stalls.count.unwrap();
    assert_eq!(whole(prometheus.number(&query("Stalls", 0), at)), stalls.to_string());
    let found = prometheus.ask(&query("Objectives", 0), Some(at));
    assert_eq!(found.len(), report.objectives.len());
    let found = prometheus.ask(&query("Wrong data by kind", 0), Some(at));
    let data = serde_json::to_value(&report.data.totals).unwrap();
    for series in found.iter().filter(|it| it["metric"]["kind"] != "dirty_reuse") {
        let kind = series["metric"]["kind"].as_str().unwrap();
        assert_eq!(series["value"][1].as_str().unwrap(), data[kind].to_string(), "{kind}");
    }
    for series in prometheus.ask(&query("Recovery", 0), Some(at)) {
        let recovery = serde_json::to_value(&report.recovery).unwrap();
        let until = format!("{}_s", series["metric"]["until"].as_str().unwrap());
        let seconds: f64 = series["value"][1].as_str().unwrap().parse().unwrap();
        assert_eq!(Some(seconds), recovery[&until].as_f64(), "{until}");
    }
    for phase in &report.phases {
        let (name, offered) = (phase.all.name.name(), phase.all.figures.offered);
        if offered > 0 {
            let query = format!("sum(harness_operations_total{{phase=\"{name}\"}})");
            assert_eq!(whole(prometheus.number(&query, at)), offered.to_string(), "{name}");
        }
    }
}

/// Runs promtool, which must find nothing to say.
fn promtool(arguments: &[&str], page: &[u8]) {
    let mut child = Command::new("promtool")
        .args(arguments)
        .current_dir(path("."))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(page).unwrap();
    let output = child.wait_with_output().unwrap();
    let mut said = output.stdout;
    (&*output.stderr).read_to_end(&mut said).unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&said));
}

/// Catches rules that Prometheus does not take, alerts that fire without cause or not at all, and names of metrics
/// against its customs.
#[test]
#[cfg_attr(not(real_prometheus), ignore = "needs prometheus on PATH")]
fn promtool_finds_nothing_wrong() {
    promtool(&["check", "rules", "metrics/alerts.yml"], b"");
    promtool(&["check", "config", "metrics/prometheus.yml"], b"");
    promtool(&["test", "rules", "tests/metrics/alerts.yml"], b"");
    let mut run = Run::start("-linger 1m");
    let address = run.address();
    run.report();
    let (status, _, page) = get(&address, "/metrics", "*/*");
    assert_eq!(status, 200);
    run.end();
    promtool(&["check", "metrics"], &page);
}
