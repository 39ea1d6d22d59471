//! The control API of a lab, seen from outside the process: during a run, and with `harness up`.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

const SCENARIO: &str = "summary = \"a look from outside\"\nworkload = \"constant\"\n\
                        objectives = [\"no-wrong-data\"]\n\
                        [phases]\nwarmup = \"1s\"\nsteady = \"3s\"\n";

/// The program, with its stdout to read.
struct Harness {
    child: Child,
    stdout: BufReader<ChildStdout>,
}

impl Harness {
    fn start(folder: &Path, line: &str) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_harness"))
            .current_dir(folder)
            .args(line.split_whitespace())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        Self { child, stdout }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        assert_ne!(self.stdout.read_line(&mut line).unwrap(), 0, "it said nothing");
        line
    }

    fn end(mut self) -> i32 {
        self.child.wait().unwrap().code().unwrap()
    }
}

impl Drop for Harness {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What curl would send; the status and the body of the answer.
fn http(address: &str, method: &str, target: &str, body: &str) -> (u16, Value) {
    let mut stream = TcpStream::connect(address).unwrap();
    let length = body.len();
    write!(
        stream,
        "{method} {target} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\
         Content-Length: {length}\r\n\r\n{body}"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, serde_json::from_str(body).unwrap_or(Value::Null))
}

/// Catches a run whose proxies are not on the API, and one that is changed from outside and does
/// not say so in its events and its report.
#[test]
fn a_run_can_be_looked_at_and_says_who_meddled() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("look.toml"), SCENARIO).unwrap();
    let line = "-scenario look.toml -nodes embedded -duration 4s -json";
    let mut harness = Harness::start(folder.path(), line);
    let start: Value = serde_json::from_str(&harness.line()).unwrap();
    let api = start["api_address"].as_str().unwrap();
    let (status, proxies) = http(api, "GET", "/proxies", "");
    assert_eq!(status, 200);
    for node in start["nodes"].as_array().unwrap() {
        let proxy = &proxies[node["name"].as_str().unwrap()];
        assert_eq!(proxy["listen"], node["proxy_address"]);
        assert_eq!(proxy["upstream"], node["address"]);
    }
    let toxic = json!({ "type": "latency", "attributes": { "latency": 5 } }).to_string();
    assert_eq!(http(api, "POST", "/proxies/n1/toxics", &toxic).0, 200);
    let lines: Vec<Value> = (&mut harness.stdout)
        .lines()
        .map(|line| serde_json::from_str(&line.unwrap()).unwrap())
        .collect();
    let trouble = lines.iter().find(|line| line["event"] == "trouble").unwrap();
    assert!(trouble["detail"].as_str().unwrap().ends_with(": POST /proxies/n1/toxics"));
    let report = lines.last().unwrap();
    let limit = report["harness"]["limits"][0].as_str().unwrap();
    assert!(limit.starts_with("changes made through the control API while it ran: 1;"), "{limit}");
    harness.end();
}

/// Catches an address that was asked for and is quietly replaced, or a message that does not name
/// it and the flag that changes it.
#[test]
fn an_api_address_that_was_asked_for_and_is_taken_ends_with_3() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("look.toml"), SCENARIO).unwrap();
    for command in ["run -scenario look.toml -duration 4s", "up"] {
        let output = Command::new(env!("CARGO_BIN_EXE_harness"))
            .current_dir(folder.path())
            .args(format!("{command} -nodes embedded -api {address}").split_whitespace())
            .output()
            .unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(3), "{command}: {stderr}");
        assert!(stderr.contains(&format!("cannot listen on {address}: ")), "{stderr}");
        assert!(stderr.contains("choose another with -api"), "{stderr}");
    }
}

/// Catches a lab whose printed addresses are not those of its proxies, that does not do what its
/// API is told, or that does not end at Ctrl-C.
#[test]
#[cfg(unix)]
fn up_serves_until_interrupted() {
    let folder = tempfile::tempdir().unwrap();
    let mut harness = Harness::start(folder.path(), "up -nodes embedded -seed 7");
    let (servers, api) = (harness.line(), harness.line());
    let servers = servers.trim().strip_prefix("MEMCACHED_SERVERS=").unwrap();
    let servers: Vec<&str> = servers.split(',').collect();
    assert_eq!(servers.len(), 3);
    for server in &servers {
        let mut stream = TcpStream::connect(server).unwrap();
        stream.write_all(b"set k 0 0 1\r\nx\r\nget k\r\n").unwrap();
        let expected = b"STORED\r\nVALUE k 0 1\r\nx\r\nEND\r\n";
        let mut reply = [0; 29];
        stream.read_exact(&mut reply).unwrap();
        assert_eq!(&reply, expected);
    }
    let api = api.trim().strip_prefix("TOXIPROXY_URL=http://").unwrap();
    assert_eq!(http(api, "POST", "/proxies/n1", r#"{"enabled":false}"#).0, 200);
    assert!(TcpStream::connect(servers[0]).is_err());
    assert!(TcpStream::connect(servers[1]).is_ok());
    kill_process(Pid::from_child(&harness.child), Signal::INT).unwrap();
    assert_eq!(harness.end(), 0);
}

/// Catches faults of a scenario that do not come to a lab that is up, that stay when they are over or when
/// somebody has had enough, and one that an API cannot do and is begun.
#[test]
fn a_scenario_is_played_in_a_lab_that_is_up() {
    let folder = tempfile::tempdir().unwrap();
    let (mut up, api) = lab(folder.path());
    let toxics = |node: &str| {
        let (_, proxy) = http(&api, "GET", &format!("/proxies/{node}"), "");
        proxy["toxics"].as_array().unwrap().clone()
    };
    let fault = |length: &str| {
        format!(
            "summary = \"s\"\nworkload = \"constant\"\nobjectives = [\"no-wrong-data\"]\n[phases]\n\
             warmup = \"1s\"\nsteady = \"1s\"\nfault = \"{length}\"\n[[faults]]\nname = \"slow\"\n\
             on = [\"n2\"]\nlatency = {{ latency = \"7ms\" }}\n"
        )
    };
    std::fs::write(folder.path().join("short.toml"), fault("300ms")).unwrap();
    std::fs::write(folder.path().join("long.toml"), fault("10m")).unwrap();
    let ctl = |scenario: &str| {
        Harness::start(folder.path(), &format!("ctl -host http://{api} run {scenario}"))
    };
    let mut short = ctl("short.toml");
    assert!(short.line().ends_with("slow (latency) applied to n2\n"));
    assert!(short.line().ends_with("slow healed on n2\n"));
    assert_eq!((short.end(), toxics("n2").len()), (0, 0));
    let mut long = ctl("long.toml");
    long.line();
    let there = toxics("n2");
    assert_eq!(
        (there[0]["type"].as_str(), &there[0]["attributes"]["latency"]),
        (Some("latency"), &json!(7))
    );
    kill_process(Pid::from_child(&long.child), Signal::INT).unwrap();
    assert_eq!((long.end(), toxics("n2").len()), (130, 0));
    assert_eq!(ctl("process-kill-restart").end(), 2);
    kill_process(Pid::from_child(&up.child), Signal::INT).unwrap();
    up.stdout.read_to_string(&mut String::new()).unwrap();
    assert_eq!(up.end(), 0);
}

/// A lab that is up, and its control API.
fn lab(folder: &Path) -> (Harness, String) {
    let line = "up -nodes embedded -listen 127.0.0.1:0 -api 127.0.0.1:0";
    let mut up = Harness::start(folder, line);
    up.line();
    let api = up.line();
    let api = api.trim_end().strip_prefix("TOXIPROXY_URL=http://").unwrap().to_owned();
    (up, api)
}
