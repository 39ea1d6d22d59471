//! Many processes that make one run, as a person starts them: who is in, who is out, and what each is told.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

/// Far longer than any run in here.
const PATIENCE: Duration = Duration::from_secs(180);

/// What the fleet runs.
const RUN: &str = "-scenario single-node-failure -duration 8s -nodes embedded -seed 7 -rate 300/s";

/// Members of one run, each with a folder of its own.
struct Fleet {
    folder: TempDir,
    port: u16,
}

/// A member that runs.
struct Member {
    child: Child,
    lines: mpsc::Receiver<String>,
    told: String,
    folder: PathBuf,
}

impl Fleet {
    fn new() -> Self {
        // A free port: whoever takes it in the meantime makes the test fail, and nothing else.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        Self { folder: tempfile::tempdir().unwrap(), port }
    }

    fn start(&self, place: &str, words: &str) -> Member {
        let folder = self.folder.path().join(place.replace('/', "-of-"));
        std::fs::create_dir_all(&folder).unwrap();
        let mut child = Command::new(assert_cmd::cargo::cargo_bin("harness"))
            .current_dir(&folder)
            .env_remove("RUST_LOG")
            .args(words.split_whitespace())
            .args(["-fleet", &format!("127.0.0.1:{}", self.port), "-member", place])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (sender, lines) = mpsc::channel();
        let pipes: [Box<dyn Read + Send>; 2] =
            [Box::new(child.stdout.take().unwrap()), Box::new(child.stderr.take().unwrap())];
        for pipe in pipes {
            let sender = sender.clone();
            #[expect(clippy::disallowed_methods, reason = "a test has no scope that outlives it")]
            std::thread::spawn(move || {
                for line in BufReader::new(pipe).lines().map_while(Result::ok) {
                    if sender.send(line).is_err() {
                        return;
                    }
                }
            });
        }
        Member { child, lines, told: String::new(), folder }
    }
}

impl Member {
    /// Waits until it says this.
    fn until(&mut self, text: &str) {
        while !self.told.contains(text) {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) => self.told += &(line + "\n"),
                Err(error) => panic!("{text:?} was never said ({error}):\n{}", self.told),
            }
        }
    }

    /// Waits until it has ended; its exit code.
    fn end(&mut self) -> i32 {
        while let Ok(line) = self.lines.recv_timeout(PATIENCE) {
            self.told += &(line + "\n");
        }
        // Its pipes are closed, or it hangs: both are over now.
        let _ = self.child.kill();
        self.child.wait().unwrap().code().unwrap_or(-1)
    }

    fn report(&self) -> Value {
        json(&self.folder.join("runs/latest/report.json"))
    }

    /// The folder of its own run, which has those of the others in it.
    fn own(&self) -> PathBuf {
        let runs = std::fs::read_dir(self.folder.join("runs/single-node-failure")).unwrap();
        let mut runs = runs.map(|entry| entry.unwrap().path());
        runs.find(|run| run.join("members").is_dir()).expect("others left their runs with it")
    }

    fn limits(&self) -> String {
        self.report()["harness"]["limits"].to_string()
    }
}

fn json(path: &Path) -> Value {
    let text = std::fs::read_to_string(path).unwrap_or_else(|_| panic!("no {}", path.display()));
    serde_json::from_str(&text).unwrap()
}

impl Drop for Member {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Catches members that do not run the same plan, make the whole load each or none of it, cut their phases at
/// other moments, accuse nodes that member 0 has killed, or do not leave their run with it.
#[test]
fn three_members_make_one_run() {
    let fleet = Fleet::new();
    // Member 0 may come last.
    let mut others = [fleet.start("1/3", ""), fleet.start("2/3", "-scenario single-node-failure")];
    let mut first = fleet.start("0/3", RUN);
    let codes = [others[0].end(), others[1].end()];
    assert_eq!(codes, [0, 0], "{}\n{}", others[0].told, others[1].told);
    first.end();
    let whole = first.report();
    assert_eq!(whole["fleet"]["counted"], 3, "{}", first.told);
    assert_eq!(first.told.matches("objectives  ").count(), 1, "one verdict: {}", first.told);
    let offered = |report: &Value| {
        let phases = report["phases"].as_array().cloned().unwrap_or_default();
        let all = phases.iter().filter_map(|phase| phase["offered"].as_u64());
        all.sum::<u64>()
    };
    let mut total = offered(&json(&first.own().join("report.json")));
    let zero = total;
    for (index, member) in (1..).zip(&others) {
        let report = member.report();
        assert_eq!(report["plan_hash"], whole["plan_hash"]);
        assert_eq!(report["seed"], whole["seed"]);
        assert!(report["partial"].is_null(), "{}", member.told);
        assert!(
            member.told.contains("its part is done; the verdict is member 0's"),
            "{}",
            member.told
        );
        let own = offered(&report);
        assert!(own > 0 && own.abs_diff(zero) < zero / 4, "{own} against {zero}");
        total += own;
        let left = first.own().join("members").join(index.to_string());
        let there = std::fs::read_to_string(left.join("report.json")).unwrap();
        let own = std::fs::read_to_string(member.folder.join("runs/latest/report.json")).unwrap();
        assert_eq!(there, own);
    }
    assert_eq!(offered(&whole), total);
    let merged = Command::new(assert_cmd::cargo::cargo_bin("harness"))
        .current_dir(&first.folder)
        .args(["merge", "-format", "json", "-out", "again"])
        .arg(first.own())
        .output()
        .unwrap();
    let again: Value = serde_json::from_slice(&merged.stdout).unwrap();
    assert_eq!(offered(&again), total, "{}", String::from_utf8_lossy(&merged.stderr));
    // Of all together: how fast each connected is no answer.
    let load = &whole["load"];
    let known = load["connect_peak_per_s"].is_number() && load["storm_factor"].is_number();
    assert!(known, "{load}");
    let wrong =
        ["false_misses", "acknowledged_but_lost", "wrong", "stale"].map(|it| &whole["data"][it]);
    assert!(wrong.iter().all(|count| count.as_u64() == Some(0)), "{}", whole["data"]);
}

/// Catches a member that dies and is not named, that its fleet waits for, or that takes the others with it.
#[test]
fn who_dies_in_the_middle_is_named() {
    let fleet = Fleet::new();
    let mut first = fleet.start("0/3", RUN);
    let (mut dying, mut other) = (fleet.start("1/3", ""), fleet.start("2/3", ""));
    first.until("recovery");
    dying.child.kill().unwrap();
    assert_eq!(other.end(), 0, "{}", other.told);
    first.end();
    let limits = first.limits();
    assert!(limits.contains("member 1 (") && limits.contains("closed its connection"), "{limits}");
}

/// Catches a fleet that begins without somebody and says nothing, or that waits for ever; and one that was
/// told to go on without them and does not.
#[test]
fn who_does_not_come_is_named() {
    let fleet = Fleet::new();
    let mut first = fleet.start("0/3", &format!("{RUN} -fleet-wait 6s"));
    let mut other = fleet.start("1/3", "");
    assert_eq!((first.end(), other.end()), (3, 3), "{}\n{}", first.told, other.told);
    assert!(first.told.contains("member 2 did not come"), "{}", first.told);
    assert!(other.told.contains("not all 3 members came"), "{}", other.told);

    let fleet = Fleet::new();
    let mut first = fleet.start("0/3", &format!("{RUN} -fleet-wait 5s -missing narrow"));
    let mut other = fleet.start("1/3", "");
    first.until("recovery");
    let mut late = fleet.start("2/3", "");
    assert_eq!(late.end(), 3, "{}", late.told);
    assert!(late.told.contains("member 2 is late: the run began"), "{}", late.told);
    assert_eq!(other.end(), 0, "{}", other.told);
    first.end();
    assert!(first.limits().contains("member 2 did not come"), "{}", first.limits());
}

/// Catches a member that differs and is let in, and one that is refused without both values.
#[test]
fn who_runs_something_else_is_refused() {
    let fleet = Fleet::new();
    let mut first = fleet.start("0/2", &format!("{RUN} -run-id r1 -fleet-wait 100s"));
    for (words, told) in [
        ("-scenario latency", "scenario is latency, and member 0's is single-node-failure"),
        ("-run-id r2", "-run-id is r2, and member 0's is r1"),
    ] {
        let mut other = fleet.start("1/2", words);
        assert_eq!(other.end(), 3, "{}", other.told);
        assert!(other.told.contains(told), "{}", other.told);
    }
    let mut other = fleet.start("2/3", "");
    assert_eq!(other.end(), 3, "{}", other.told);
    assert!(other.told.contains("fleet is one of 3, and member 0's is one of 2"), "{}", other.told);
    first.child.kill().unwrap();
}

/// Catches members that go on, or hang, when member 0 is gone, and that do not keep what they have.
#[test]
fn without_member_0_the_others_end() {
    let fleet = Fleet::new();
    let mut first = fleet.start("0/2", RUN);
    let mut other = fleet.start("1/2", "");
    first.until(" steady ");
    first.child.kill().unwrap();
    assert_eq!(other.end(), 3, "{}", other.told);
    assert!(other.limits().contains("member 0 closed its connection"), "{}", other.limits());
    assert!(other.told.contains("member 0 does not have this run"), "{}", other.told);
}

/// Catches a member that stores its keys where nobody is any more, until the last one has given up.
#[test]
fn without_member_0_nobody_goes_on_storing() {
    let fleet = Fleet::new();
    let many = fleet.folder.path().join("many.toml");
    std::fs::write(
        &many,
        "summary = \"many\"\narrival = { constant = { rate = \"300/s\" } }\n\
         keys = { uniform = { count = 1000000 } }\nvalues = { fixed = { size = \"64B\" } }\n\
         mix = { get = 1, set = 1 }\n",
    )
    .unwrap();
    let mut first = fleet.start("0/2", &format!("{RUN} -workload {}", many.display()));
    let mut other = fleet.start("1/2", "");
    other.until("preloading");
    first.child.kill().unwrap();
    assert_eq!(other.end(), 3, "{}", other.told);
    assert!(other.told.contains("error: member 0 closed its connection"), "{}", other.told);
}

/// Catches a member that puts proxies of its own where member 0's are, or does not reach those that member 0 drives
/// elsewhere; and a fault that only our proxies know and that does not arrive there.
#[test]
fn member_0_drives_proxies_elsewhere() {
    let fleet = Fleet::new();
    let mut proxy = Command::new(assert_cmd::cargo::cargo_bin("harness"))
        .args(["proxy", "-port", "0"])
        .env("LOG_LEVEL", "info")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(proxy.stdout.take().unwrap()).lines();
    let address = lines.find_map(|line| {
        let line: Value = serde_json::from_str(&line.unwrap()).unwrap();
        line["address"].as_str().map(str::to_owned)
    });
    let words = "-scenario gray-failure-errors -duration 8s -nodes embedded -seed 7 -rate 300/s";
    let workload = "-workload idle -missing narrow";
    let mut first = fleet.start("0/2", &format!("{words} {workload} -proxy {}", address.unwrap()));
    let mut other = fleet.start("1/2", "");
    assert_eq!(other.end(), 0, "{}", other.told);
    first.end();
    proxy.kill().unwrap();
    proxy.wait().unwrap();
    let whole = first.report();
    assert_eq!(whole["fleet"]["counted"], 2, "{}", first.told);
    let errors = |report: &Value| {
        let phases = report["phases"].as_array().unwrap();
        let fault = phases.iter().find(|phase| phase["name"] == "fault").unwrap();
        fault["outcomes"]["error.server_error"].as_u64().unwrap_or_default()
    };
    let (all, part) = (errors(&whole), errors(&other.report()));
    assert!(part > 0 && all > part, "{part} of {all}: {}", first.told);
}

/// Catches a stranger that is waited for, or that is taken for a member, whatever it says or leaves unsaid.
#[test]
fn strangers_hold_up_nobody() {
    let fleet = Fleet::new();
    let mut first = fleet.start("0/2", RUN);
    first.until("the others join");
    let strangers: Vec<TcpStream> = (0..40)
        .map(|number: u32| {
            let mut stream = TcpStream::connect(("127.0.0.1", fleet.port)).unwrap();
            let words: &[u8] = match number % 4 {
                0 => b"",
                1 => b"GET / HTTP/1.1\r\n\r\n",
                2 => b"{\"ready\":null}\n\"left\"\n",
                _ => &[0xff; 4096],
            };
            stream.write_all(words).unwrap();
            stream
        })
        .collect();
    let mut other = fleet.start("1/2", "");
    assert_eq!(other.end(), 0, "{}", other.told);
    first.end();
    assert!(!first.limits().contains("member 1"), "{}", first.limits());
    drop(strangers);
}
