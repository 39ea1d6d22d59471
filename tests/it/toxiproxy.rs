//! The lab on proxies elsewhere: a `harness proxy`, which stands in for an external Toxiproxy as well.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use harness::control::{Method, Remote};
use serde_json::{Value, json};

/// A `harness proxy` in a process of its own.
struct External {
    child: Child,
    address: String,
}

impl External {
    fn start() -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_harness"))
            .args(["proxy", "-port", "0"])
            .env("LOG_LEVEL", "info")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let address = lines.find_map(|line| {
            let line: Value = serde_json::from_str(&line.unwrap()).unwrap();
            line["address"].as_str().map(str::to_owned)
        });
        #[expect(clippy::disallowed_methods, reason = "the rest of the log has to go somewhere")]
        let _ = std::thread::spawn(move || lines.for_each(drop));
        Self { child, address: address.unwrap() }
    }

    /// What it has.
    fn proxies(&self) -> Value {
        let remote = Remote::new(&self.address, "test").unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(remote.send(Method::GET, &["proxies"], None)).unwrap()
    }
}

impl Drop for External {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Takes proxies as a Toxiproxy does, and knows no resource of ours.
struct Stranger(String);

impl Stranger {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        #[expect(clippy::disallowed_methods, reason = "it serves until the test's process ends")]
        let _ = std::thread::spawn(move || {
            listener.incoming().for_each(|stream| answer(stream.unwrap()));
        });
        Self(address)
    }
}

/// One request, one answer.
fn answer(stream: TcpStream) {
    let mut reader = BufReader::new(&stream);
    let (mut line, mut length) = (String::new(), 0);
    reader.read_line(&mut line).unwrap();
    let mut header = String::new();
    while reader.read_line(&mut header).unwrap() > 2 {
        let lower = header.to_lowercase();
        length =
            lower.strip_prefix("content-length: ").map_or(length, |n| n.trim().parse().unwrap());
        header.clear();
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let (status, answer) = match line.split(' ').next().unwrap() {
        "POST" => {
            ("201 Created", json!({ "proxies": serde_json::from_slice::<Value>(&body).unwrap() }))
        }
        "DELETE" => ("200 OK", json!({})),
        _ => ("404 Not Found", json!({ "error": "not found", "status": 404 })),
    };
    let answer = answer.to_string();
    let _ = write!(
        &stream,
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n{answer}",
        answer.len()
    );
}

const PHASES: &str = "summary = \"slow\"\nworkload = \"constant\"\n\
                      objectives = [\"no-wrong-data\", \"no-errors\", \"no-dirty-reuse\"]\n\
                      [phases]\nwarmup = \"1s\"\nsteady = \"2s\"\nfault = \"2s\"\nrecovery = \"1s\"\n";

/// A run of `faults` on the Toxiproxy at `address`: exit code, stdout and stderr.
fn run(folder: &Path, faults: &str, address: &str) -> (i32, String, String) {
    run_on(folder, faults, "-toxiproxy", address)
}

/// The same on the proxies that `flag` asks for.
fn run_on(folder: &Path, faults: &str, flag: &str, address: &str) -> (i32, String, String) {
    std::fs::write(folder.join("slow.toml"), format!("{PHASES}{faults}")).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_harness"))
        .current_dir(folder)
        .args(["-scenario", "slow.toml", "-nodes", "embedded", "-duration", "6s", "-json"])
        .args([flag, &format!("http://{address}")])
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

/// Catches a fault that does not arrive at an external Toxiproxy or is not taken back, a figure that
/// only our own proxies can count and that is shown as zero, and proxies that are left behind.
#[test]
fn a_run_on_an_external_toxiproxy_heals_and_reports() {
    let (folder, external) = (tempfile::tempdir().unwrap(), External::start());
    // Two at once: each is a toxic of its own.
    let fault = "[[faults]]\nname = \"late\"\non = \"all\"\nstream = \"both\"\n\
                 latency = { latency = \"20ms\" }\n\
                 [[faults]]\nname = \"thin\"\non = \"all\"\nstream = \"both\"\n\
                 bandwidth = { rate = \"10MB/s\" }\n";
    let (code, stdout, stderr) = run(folder.path(), fault, &external.address);
    assert!(stderr.contains("stands in for our proxies: nothing counts"), "{code}: {stderr}");
    let lines: Vec<Value> =
        stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines[0]["api_address"], external.address.as_str());
    let report = lines.last().unwrap();
    let fault = &report["faults"][0];
    assert!(fault["applied_at_s"].is_number() && fault["healed_at_s"].is_number(), "{fault}");
    let phases = report["phases"].as_array().unwrap();
    let slow = phases.iter().find(|phase| phase["name"] == "fault").unwrap();
    // Both ways, in most of the phase; sooner cannot be, however busy the machine is.
    assert!(slow["service_time_us"]["p95"].as_u64().unwrap() >= 40_000, "{slow}");
    assert_eq!(report["load"]["request_amplification"], Value::Null, "{report}");
    assert_eq!(report["data"]["dirty_reuse"], Value::Null);
    // An objective that only the wire answers is named and not judged: that makes no run invalid.
    assert_eq!(report["subject"]["not_judged"], json!(["no-dirty-reuse"]));
    let limits = report["harness"]["limits"].to_string();
    assert!(limits.contains("these objectives are not judged: no-dirty-reuse"), "{limits}");
    assert!(!report["reasons"].to_string().contains("no proxy counted it"), "{report}");
    assert_eq!(report["data"]["wrong"], 0);
    assert_eq!(external.proxies(), json!({}), "its proxies were left behind");
}

/// Catches a fault that is begun although an external Toxiproxy cannot do it, and a server that is
/// not there and is not named.
#[test]
fn what_an_external_toxiproxy_cannot_do_is_refused_by_name() {
    let (folder, external) = (tempfile::tempdir().unwrap(), External::start());
    let fault = |name: &str, kind: &str| {
        format!("[[faults]]\nname = \"{name}\"\non = \"all\"\nstream = \"both\"\n{kind}\n")
    };
    let latency = fault("late", "latency = { latency = \"20ms\" }");
    let fraction = fault("fine", "latency = { latency = \"250us\" }");
    for (faults, address, code, message) in [
        (
            fault("lossy", "packet_loss = { loss_rate = \"5%\" }"),
            external.address.as_str(),
            2,
            "`lossy`",
        ),
        (fault("gone", "blackhole = {}"), external.address.as_str(), 2, "`gone`"),
        (fraction, external.address.as_str(), 3, "fault `fine` (latency) cannot be done"),
        (latency, "127.0.0.1:1", 3, "Toxiproxy at 127.0.0.1:1 of -toxiproxy: it does not answer"),
    ] {
        let (exit, stdout, stderr) = run(folder.path(), &faults, address);
        assert_eq!(exit, code, "{stderr}");
        assert!(stderr.contains(message), "{stderr}");
        assert!(!stdout.contains("fault_applied"), "{stdout}");
    }
    assert_eq!(external.proxies(), json!({}), "its proxies were left behind");
}

/// Catches a fault that only our proxies know and that does not reach them elsewhere, or stays there, and a
/// server that is no `harness proxy` and is found out in the middle of a run.
#[test]
fn a_harness_proxy_elsewhere_does_message_faults() {
    let (folder, external) = (tempfile::tempdir().unwrap(), External::start());
    let fault = "[[faults]]\nname = \"busy\"\non = \"all\"\n\
                 error = { command = \"get\", message = \"SERVER_ERROR busy\" }\n";
    let (code, stdout, stderr) = run_on(folder.path(), fault, "-proxy", &external.address);
    assert!(stderr.contains("harness proxy at 127.0.0.1"), "{code}: {stderr}");
    let report: Value = serde_json::from_str(stdout.lines().last().unwrap()).unwrap();
    let phases = report["phases"].as_array().unwrap();
    let errors = |name: &str| {
        let phase = phases.iter().find(|phase| phase["name"] == name).unwrap();
        phase["outcomes"]["error.server_error"].as_u64().unwrap_or_default()
    };
    // Where the machine is busy, what was due in the steady phase is made when the fault has begun.
    assert!(errors("fault") > 100 && errors("warmup") == 0, "{phases:?}");
    assert_eq!(report["data"]["wrong"], 0);
    assert_eq!(external.proxies(), json!({}), "its proxies were left behind");
    let stranger = Stranger::start();
    let (code, _, stderr) = run_on(folder.path(), fault, "-proxy", &stranger.0);
    assert_eq!(code, 3, "{stderr}");
    assert!(stderr.contains("it is no `harness proxy` (HTTP 404"), "{stderr}");
    assert!(stderr.contains("for a Toxiproxy write -toxiproxy"), "{stderr}");
}
