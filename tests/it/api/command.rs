//! `harness proxy` and `harness ctl` as people and scripts start them.

use std::process::Stdio;

use harness::base::scope::Scope;
use serde_json::json;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};

use super::{Api, within};
use crate::memcached::Memcached;

/// What a command wrote, and how it ended.
#[derive(Debug, PartialEq)]
struct Outcome {
    stdout: String,
    stderr: String,
    exit: i32,
}

async fn harness(words: &[&str]) -> Outcome {
    program(env!("CARGO_BIN_EXE_harness"), words).await
}

async fn program(path: &str, words: &[&str]) -> Outcome {
    let mut command = Command::new(path);
    command.args(words).stdin(Stdio::null()).env_remove("TOXIPROXY_URL").kill_on_drop(true);
    let output = within(command.output()).await.unwrap();
    Outcome {
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
        exit: output.status.code().unwrap(),
    }
}

/// `harness ctl` against this API.
async fn ctl(api: &Api, words: &[&str]) -> Outcome {
    let url = format!("http://{}", api.address);
    let words: Vec<&str> = ["ctl", "-h", &url].into_iter().chain(words.iter().copied()).collect();
    harness(&words).await
}

fn fine(stdout: &str) -> Outcome {
    Outcome { stdout: stdout.to_owned(), stderr: String::new(), exit: 0 }
}

fn failed(stderr: &str) -> Outcome {
    Outcome { stdout: String::new(), stderr: stderr.to_owned(), exit: 1 }
}

/// Catches a command that prints something else than toxiproxy-cli does to a pipe.
#[tokio::test]
async fn every_command_answers_as_toxiproxy_cli() {
    let api = Api::new().await;
    assert_eq!(ctl(&api, &["list"]).await, fine(""));
    let create = ["create", "-l", "localhost:0", "-u", "u:1", "one"];
    assert_eq!(ctl(&api, &create).await, fine("Created new proxy one\n"));
    let again = "Failed to create proxy: create: HTTP 409: proxy already exists\n\n";
    assert_eq!(
        ctl(&api, &["c", "--listen", "x:0", "--upstream", "u:1", "one"]).await,
        failed(again)
    );
    assert_eq!(ctl(&api, &["toggle", "one"]).await, fine("Proxy one is now disabled\n"));
    let add = ["toxic", "add", "-t", "latency", "-a", "latency=100,jitter=5", "--upstream", "one"];
    let added = "Added upstream latency toxic 'latency_upstream' on proxy 'one'\n";
    assert_eq!(ctl(&api, &add).await, fine(added));
    let add = ["t", "a", "-type", "timeout", "-n", "t", "-tox", "0.5", "one"];
    assert_eq!(ctl(&api, &add).await, fine("Added downstream timeout toxic 't' on proxy 'one'\n"));
    let update = ["toxic", "update", "-n", "t", "-a", "timeout=7", "one"];
    assert_eq!(ctl(&api, &update).await, fine("Updated toxic 't' on proxy 'one'\n"));
    let shown = concat!(
        "latency_upstream\ttype=latency\tstream=upstream\ttoxicity=1.00\t",
        "attributes=[\tjitter=5\tlatency=100\t]\n",
        "t\ttype=timeout\tstream=downstream\ttoxicity=0.50\tattributes=[\ttimeout=7\t]\n"
    );
    assert_eq!(ctl(&api, &["inspect", "one"]).await, fine(shown));
    let listen = api.set.get("one").unwrap().listen;
    assert_eq!(ctl(&api, &["ls"]).await, fine(&format!("one\t{listen}\tu:1\tdisabled\t2\n")));
    let remove = ["toxic", "remove", "one", "-n", "t"];
    assert_eq!(ctl(&api, &remove).await, fine("Removed toxic 't' on proxy 'one'\n"));
    assert_eq!(ctl(&api, &["delete", "one"]).await, fine("Deleted proxy one\n"));
    assert!(api.set.list().is_empty());
}

/// Catches a mistake whose words or exit code scripts written for toxiproxy-cli do not know.
#[tokio::test]
async fn every_mistake_is_named_as_by_toxiproxy_cli() {
    let api = Api::new().await;
    let body = json!({ "name": "p", "upstream": "u:1", "enabled": false });
    api.json("POST", "/proxies", body, 201).await;
    for (words, stderr) in [
        (&["inspect", "x"][..], "Failed to retrieve proxy x: HTTP 404: proxy not found\n\n"),
        (&["delete", "x"], "Failed to retrieve proxy x: HTTP 404: proxy not found\n\n"),
        (
            &["toxic", "remove", "-n", "t", "x"],
            "Failed to remove toxic: failed to retrieve proxy with name `x`: \
             HTTP 404: proxy not found\n\n",
        ),
        (
            &["toxic", "add", "-t", "nonsense", "p"],
            "Failed to add toxic: failed to add toxic to proxy p: AddToxic: \
             HTTP 400: invalid toxic type\n\n",
        ),
        (
            &["toxic", "update", "-n", "t", "p"],
            "Failed to update toxic: failed to update toxic 't' of proxy 'p': \
             HTTP 404: toxic not found\n\n",
        ),
        (
            &["toxic", "add", "-t", "noop", "-u", "-d", "p"],
            "Only one should be specified: upstream or downstream.\n\n",
        ),
        (
            &["toxic", "add", "-t", "noop", "--toxicity", "2", "p"],
            "toxicity should be a float between 0 and 1.\n\n",
        ),
    ] {
        assert_eq!(ctl(&api, words).await, failed(stderr), "{words:?}");
    }
    for (words, stderr) in [
        (&["inspect"][..], "Proxy name is required as the first argument.\n\n"),
        (&["create", "-l", "x:1", "p"], "Required argument 'upstream' was empty.\n\n"),
        (&["toxic", "add", "-t", "noop"], "Proxy name is missing.\n\n"),
    ] {
        let outcome = ctl(&api, words).await;
        assert_eq!((outcome.stderr.as_str(), outcome.exit), (stderr, 1), "{words:?}");
        assert!(outcome.stdout.contains("Usage:"), "{words:?}");
    }
    let unknown = ctl(&api, &["lst"]).await;
    assert_eq!((unknown.stderr.as_str(), unknown.exit), ("No help topic for 'lst'\n", 3));
}

/// Catches a version or a help that scripts and people do not find, and a silent server.
#[tokio::test]
async fn versions_and_help_are_found() {
    let ctl = harness(&["ctl", "--version"]).await;
    assert_eq!(ctl, fine("toxiproxy-cli version 2.12.0\n"));
    assert_eq!(harness(&["ctl", "-v"]).await, ctl);
    assert_eq!(harness(&["proxy", "-version"]).await, fine("toxiproxy-server version 2.12.0\n"));
    for words in [&["ctl", "--help"][..], &["ctl", "create", "-help"], &["ctl", "t", "a", "--help"]]
    {
        let help = harness(words).await;
        assert!(help.exit == 0 && help.stdout.contains("Usage: harness ctl"), "{help:?}");
    }
    let outcome = harness(&["ctl", "-h", "http://127.0.0.1:1", "list"]).await;
    assert!(
        outcome.stderr.starts_with("Failed to retrieve proxies: fail to request: 127.0.0.1:1: ")
    );
    assert_eq!(outcome.exit, 1);
}

/// A `harness proxy` that runs, and the address of its API.
async fn server(words: &[&str]) -> (Child, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_harness"));
    command.args(["proxy", "-port=0"]).args(words);
    started(command).await
}

async fn started(mut command: Command) -> (Child, String) {
    command.env("LOG_LEVEL", "info");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let address = within(async {
        loop {
            let line = lines.next_line().await.unwrap().expect("the server ended");
            let line: serde_json::Value = serde_json::from_str(&line).unwrap();
            if let Some(address) = line["address"].as_str() {
                return address.to_owned();
            }
        }
    })
    .await;
    // The rest of the log has to go somewhere.
    drop(tokio::task::spawn_blocking(move || drop(lines)));
    (child, address)
}

/// Catches a server that ignores its flags or its file, that fails over a bad file, or that does
/// not end with 0 when it is told to.
#[cfg(unix)]
#[tokio::test]
async fn the_server_takes_toxiproxys_flags_and_file() {
    let folder = tempfile::tempdir().unwrap();
    let good = folder.path().join("good.json");
    let list = json!([{ "name": "p", "listen": "127.0.0.1:0", "upstream": "u:1",
                        "toxics": [{ "type": "noop" }] }]);
    std::fs::write(&good, list.to_string()).unwrap();
    let bad = folder.path().join("bad.json");
    std::fs::write(&bad, "{").unwrap();
    for (file, metrics, shown) in
        [(&good, "-proxy-metrics=true", true), (&bad, "-proxy-metrics", false)]
    {
        let config = file.to_str().unwrap();
        let (mut child, address) =
            server(&["-host", "localhost", "-config", config, "-seed=-5", metrics]).await;
        let url = format!("http://{address}");
        let listed = harness(&["ctl", "-host", &url, "list"]).await;
        assert_eq!((listed.exit, listed.stdout.starts_with("p\t127.0.0.1:")), (0, shown));
        let id = rustix::process::Pid::from_raw(child.id().unwrap().cast_signed()).unwrap();
        rustix::process::kill_process(id, rustix::process::Signal::TERM).unwrap();
        assert!(within(child.wait()).await.unwrap().success());
    }
    let (_child, address) = server(&[]).await;
    let port = address.rsplit_once(':').unwrap().1;
    let taken = harness(&["proxy", "-port", port]).await;
    assert_eq!(taken.exit, 3);
    assert!(taken.stderr.contains("choose with -host and -port"), "{}", taken.stderr);
}

/// Catches clients that take every descriptor and leave none for the API, and a proxy that serves
/// nobody any more after that.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn clients_that_take_every_descriptor_leave_the_api_its_own() {
    let (scope, upstream) =
        (Scope::current("test"), TcpListener::bind("127.0.0.1:0").await.unwrap());
    let target = upstream.local_addr().unwrap().to_string();
    let echoes = scope.clone();
    scope.spawn("upstream", async move {
        while let Ok((mut stream, _)) = upstream.accept().await {
            echoes.spawn("echo", async move {
                let (mut from, mut to) = stream.split();
                let _ = tokio::io::copy(&mut from, &mut to).await;
            });
        }
    });
    let mut command = Command::new("sh");
    command.args([
        "-c",
        r#"ulimit -n 128; exec "$0" proxy -port=0"#,
        env!("CARGO_BIN_EXE_harness"),
    ]);
    let (_child, address) = started(command).await;
    let url = format!("http://{address}");
    let create = ["ctl", "-host", &url, "create", "-l", "127.0.0.1:0", "-u", &target, "p"];
    assert_eq!(harness(&create).await.exit, 0);
    let listed = harness(&["ctl", "-host", &url, "list"]).await;
    let listen = listed.stdout.split('\t').nth(1).unwrap();

    let (mut served, mut refused) = (Vec::new(), 0);
    for _ in 0..100 {
        match served_at(listen).await {
            Some(client) => served.push(client),
            None => refused += 1,
        }
    }
    assert!(served.len() >= 10 && refused >= 10, "{} served, {refused} refused", served.len());
    assert_eq!(harness(&["ctl", "-host", &url, "list"]).await, listed);
    for client in &mut served {
        assert!(is_echoed(client).await, "a connection that was there is hurt");
    }
    drop(served);
    within(async { while served_at(listen).await.is_none() {} }).await;
}

/// Catches a server whose readiness nobody notices: scripts and modules for containers in many languages
/// wait for this line.
#[tokio::test]
async fn the_server_says_when_it_is_ready() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_harness"));
    command.args(["proxy", "-port=0"]).env_remove("LOG_LEVEL");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let line = within(lines.next_line()).await.unwrap().unwrap();
    assert!(line.contains(r#""message":"Starting Toxiproxy HTTP server""#), "{line}");
    let line: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(line["level"], "info");
    TcpStream::connect(line["address"].as_str().unwrap()).await.unwrap();
}

/// Catches a server that waits for whoever reads its log, and answers nobody meanwhile.
#[tokio::test]
async fn a_log_that_nobody_reads_holds_up_no_request() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_harness"));
    command.args(["proxy", "-port=0"]).env("LOG_LEVEL", "debug");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().unwrap();
    let mut log = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    within(log.read_line(&mut line)).await.unwrap();
    let line: serde_json::Value = serde_json::from_str(&line).unwrap();
    // Each is logged; together they are more than a pipe holds.
    let name = "x".repeat(2000);
    for number in 0..60 {
        let mut stream = TcpStream::connect(line["address"].as_str().unwrap()).await.unwrap();
        let request =
            format!("GET /proxies/{name} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        within(stream.read_to_string(&mut answer)).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 404"), "{number}: {answer}");
    }
    let mut logged = String::new();
    child.start_kill().unwrap();
    within(log.read_to_string(&mut logged)).await.unwrap();
    assert!(logged.contains(&name), "nothing was logged");
}

/// Catches a link with a name of Toxiproxy's that is not that program: its options, its output, its
/// exit codes, and words that Go's programs never read.
#[cfg(unix)]
#[tokio::test]
async fn links_with_toxiproxys_names_are_its_programs() {
    let folder = tempfile::tempdir().unwrap();
    let [server, client] = ["toxiproxy-server", "toxiproxy-cli"].map(|name| {
        let link = folder.path().join(name);
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_harness"), &link).unwrap();
        link.to_str().unwrap().to_owned()
    });
    let version = program(&server, &["-version"]).await;
    assert_eq!(version, fine("toxiproxy-server version 2.12.0\n"));
    assert_eq!(program(&client, &["-v"]).await, fine("toxiproxy-cli version 2.12.0\n"));
    let unknown = program(&server, &["-bogus"]).await;
    assert!(unknown.exit == 2 && unknown.stderr.contains("-bogus"), "{unknown:?}");
    let help = program(&server, &["-h"]).await;
    assert!(help.exit == 0 && help.stdout.contains("Usage: toxiproxy-server"), "{help:?}");
    let help = program(&client, &["create", "--help"]).await;
    assert!(help.exit == 0 && help.stdout.contains("Usage: toxiproxy-cli create"), "{help:?}");

    let mut command = Command::new(&server);
    command.args(["-host=localhost", "-port", "0", "-proxy-metrics", "run", "-bogus"]);
    let (_child, address) = started(command).await;
    let url = format!("http://{address}");
    let at = |words: &[&str]| {
        let words: Vec<String> =
            ["-h", &url].iter().chain(words).map(|word| (*word).to_owned()).collect();
        let client = client.clone();
        async move { program(&client, &words.iter().map(String::as_str).collect::<Vec<_>>()).await }
    };
    let create = ["create", "-disabled", "-l", "localhost:0", "-u", "u:1", "a/b"];
    assert_eq!(at(&create).await, fine("Created new proxy a/b\n"));
    assert_eq!(at(&["list"]).await, fine("a/b\tlocalhost:0\tu:1\tdisabled\t0\n"));
    let add = ["toxic", "add", "-t", "latency", "-a", "latency=5", "a/b"];
    let added = "Added downstream latency toxic 'latency_downstream' on proxy 'a/b'\n";
    assert_eq!(at(&add).await, fine(added));
    assert_eq!(at(&["delete", "a/b"]).await, fine("Deleted proxy a/b\n"));
    assert_eq!(at(&["nonsense"]).await.exit, 3);
    let missing = at(&["inspect"]).await;
    assert!(missing.stdout.contains("Usage: toxiproxy-cli inspect"), "{missing:?}");
}

/// Catches an image that is Toxiproxy's only, or ours only: under the name of its program the words decide.
#[cfg(unix)]
#[tokio::test]
async fn the_program_of_the_image_is_the_server_and_harness() {
    let folder = tempfile::tempdir().unwrap();
    let link = folder.path().join("toxiproxy");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_harness"), &link).unwrap();
    let link = link.to_str().unwrap();
    assert_eq!(program(link, &["-version"]).await, fine("toxiproxy-server version 2.12.0\n"));
    let wrong = program(link, &["-port=x"]).await;
    assert!(wrong.exit == 2 && wrong.stderr.contains("--port <PORT>"), "{wrong:?}");
    let mut command = Command::new(link);
    command.args(["-host=0.0.0.0", "-port=0", "-seed", "5"]);
    let (_child, address) = started(command).await;
    assert!(address.starts_with("0.0.0.0:"), "{address}");

    let help = program(link, &["-help"]).await;
    assert!(help.stdout.contains("Usage: toxiproxy-server"), "{help:?}");
    for words in [&["list", "toxics"][..], &["ctl", "--version"], &["up", "-bogus"]] {
        assert_eq!(program(link, words).await, harness(words).await);
    }
    let plan = program(link, &["-seed", "5", "-scenario", "packet-loss", "-dry-run"]).await;
    assert!(plan.exit == 0 && plan.stdout.contains("packet_loss"), "{plan:?}");
}

/// Catches a health check that finds a server well that is not there, says nothing or is none, and one
/// that waits for ever.
#[tokio::test]
async fn a_health_check_says_who_answers() {
    let check = async |host: &str, port: u16| {
        harness(&["proxy", "-healthcheck", "-host", host, "-port", &port.to_string()]).await
    };
    let (_child, address) = server(&["-host=0.0.0.0"]).await;
    let port = address.rsplit_once(':').unwrap().1.parse().unwrap();
    for host in ["0.0.0.0", "localhost"] {
        assert_eq!(check(host, port).await, fine(""));
    }
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = silent.local_addr().unwrap().port();
    let outcome = check("127.0.0.1", port).await;
    assert!(outcome.exit == 1 && outcome.stderr.contains("no answer in"), "{outcome:?}");
    drop(silent);
    let outcome = check("127.0.0.1", port).await;
    assert!(outcome.exit == 1 && outcome.stderr.contains("fail to request"), "{outcome:?}");
}

/// Catches clients that connect, say nothing or half of something, and keep everybody else out until
/// their time is up.
#[tokio::test]
async fn those_who_sit_and_say_nothing_keep_nobody_out() {
    let (_child, address) = server(&[]).await;
    let mut silent = Vec::new();
    for number in 0..700 {
        let mut client = within(TcpStream::connect(&address)).await.unwrap();
        let half: &[u8] = match number % 3 {
            0 => b"",
            1 => b"GET /version HTTP/1.1\r\nHost: local",
            _ => b"POST /populate HTTP/1.1\r\nHost: localhost\r\nContent-Length: 900000\r\n\r\n[",
        };
        client.write_all(half).await.unwrap();
        silent.push(client);
    }
    let url = format!("http://{address}");
    for _ in 0..5 {
        assert_eq!(harness(&["ctl", "-host", &url, "list"]).await, fine(""));
    }
    // The answer came while the others sat there, not because their time was up.
    let last = silent.last().unwrap();
    let waits = last.try_read(&mut [0]);
    assert!(waits.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock));
}

/// Catches a list of proxies that takes the descriptors that were kept for the control plane.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_long_list_of_proxies_leaves_the_api_its_descriptors() {
    let mut command = Command::new("sh");
    let script = r#"ulimit -n 128; exec "$0" proxy -port=0"#;
    command.args(["-c", script, env!("CARGO_BIN_EXE_harness")]);
    let (_child, address) = started(command).await;
    let url = format!("http://{address}");
    let list: Vec<serde_json::Value> = (0..200)
        .map(|n| json!({ "name": format!("p{n}"), "listen": "127.0.0.1:0", "upstream": "u:1" }))
        .collect();
    let body = json!(list).to_string();
    let mut client = TcpStream::connect(&address).await.unwrap();
    let head = format!(
        "POST /populate HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    client.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
    let mut answer = String::new();
    within(client.read_to_string(&mut answer)).await.unwrap();
    assert!(
        answer.starts_with("HTTP/1.1 500 ") && answer.contains("Too many open files"),
        "{answer}"
    );
    let mut others = Vec::new();
    for _ in 0..8 {
        others.push(TcpStream::connect(&address).await.unwrap());
        let listed = harness(&["ctl", "-host", &url, "list"]).await;
        assert!(listed.exit == 0 && listed.stdout.lines().count() > 10, "{listed:?}");
    }
}

/// Catches a name, an answer or a file that moves the cursor of whoever looks at it.
#[tokio::test]
async fn nothing_that_a_terminal_obeys_is_printed() {
    let api = Api::new().await;
    let hostile = "a\u{1b}[2J\u{9b}31m\rb";
    let proxy = json!({ "name": hostile, "upstream": hostile, "enabled": false });
    api.json("POST", "/proxies", proxy, 201).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("s.toml");
    std::fs::write(&file, format!("summary = \"{hostile}\n{}", "x".repeat(100_000))).unwrap();
    let pipe = folder.path().join("pipe.toml");
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, mode).unwrap();
    let (file, pipe) = (file.to_str().unwrap(), pipe.to_str().unwrap());
    for outcome in [
        ctl(&api, &["list"]).await,
        ctl(&api, &["inspect", "no\u{1b}[2Jne"]).await,
        harness(&["check", file]).await,
        harness(&["check", "no\u{1b}[2Jne"]).await,
        harness(&["-scenario", "no\u{1b}[2Jne"]).await,
        harness(&["-duration", "no\u{1b}[2Jne"]).await,
        harness(&["-no\u{1b}[2Jne"]).await,
        harness(&["check", pipe]).await,
    ] {
        let printed = format!("{}{}", outcome.stdout, outcome.stderr);
        assert!(!printed.contains(['\u{1b}', '\u{9b}', '\r']), "{printed:?}");
        assert!((1..3_000).contains(&printed.len()), "{printed:?}");
    }
    let refused = harness(&["check", pipe]).await;
    assert!(refused.exit == 2 && refused.stderr.contains("name a regular file"), "{refused:?}");
}

/// Catches a limit of the system that ends a command in a panic, in its allocator, or in words that do
/// not say which limit it was; and a run whose client is blamed for descriptors that this machine
/// does not have.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn limits_that_are_too_low_are_named() {
    let run = "-scenario baseline-steady -duration 4s -nodes embedded";
    for (limit, words, named) in [
        ("-n 6", "proxy -port 0", "ulimit -n"),
        ("-n 20", "node -p 0", "ulimit -n"),
        ("-n 20", "up", "ulimit -n"),
        ("-n 6", "ctl list", "ulimit -n"),
        ("-n 20", run, "ulimit -n"),
        ("-n 100", run, "ulimit -n"),
        ("-v 60000", run, "ulimit -v"),
        ("-v 200000", "up", "ulimit -v"),
        ("-v 200000", "proxy -port 0", "ulimit -v"),
    ] {
        let script = format!(r#"ulimit {limit}; exec "$0" {words}"#);
        let ended = program("sh", &["-c", &script, env!("CARGO_BIN_EXE_harness")]).await;
        assert!(ended.stderr.contains(named), "{limit} {words}: {ended:?}");
        assert!(!ended.stderr.contains("panicked"), "{limit} {words}: {ended:?}");
        assert!([1, 3].contains(&ended.exit), "{limit} {words}: {ended:?}");
    }
}

/// A client of the proxy at `address`, if it is served.
async fn served_at(address: &str) -> Option<TcpStream> {
    let mut client = TcpStream::connect(address).await.ok()?;
    is_echoed(&mut client).await.then_some(client)
}

async fn is_echoed(client: &mut TcpStream) -> bool {
    within(async { client.write_all(b"x").await.is_ok() && client.read_u8().await.is_ok() }).await
}

/// A script of `tests/clients` against a fresh server. It has limits of its own, far beyond ours.
async fn story(program: &str, script: &str, arguments: &[&str]) {
    let api = Api::new().await;
    let script = format!("{}/tests/clients/{script}", env!("CARGO_MANIFEST_DIR"));
    let mut command = Command::new(program);
    command.args([&script, &api.address.to_string()]).args(arguments);
    let output = command.stdin(Stdio::null()).kill_on_drop(true).output().await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Catches an answer that toxiproxy-python does not understand.
#[tokio::test]
#[cfg_attr(not(real_python_clients), ignore = "needs harness-python-clients on PATH")]
async fn the_python_client_drives_it_unchanged() {
    story("harness-python-clients", "python.py", &[]).await;
}

/// Catches an answer that toxiproxy-node-client does not understand.
#[tokio::test]
#[cfg_attr(not(real_node_clients), ignore = "needs harness-node-clients on PATH")]
async fn the_node_client_drives_it_unchanged() {
    story("harness-node-clients", "node.js", &[]).await;
}

/// Catches a message fault that pymemcache, or pylibmc in text or binary, takes for something else, and
/// one that leaves it out of step.
#[tokio::test]
#[cfg_attr(
    not(all(real_memcached, real_python_clients)),
    ignore = "needs memcached and harness-python-clients on PATH"
)]
async fn python_clients_see_the_faults_they_should() {
    story("harness-python-clients", "faults.py", &[Memcached::start().upstream()]).await;
}

/// Catches the same with memjs, which speaks binary, and memcached, which speaks text.
#[tokio::test]
#[cfg_attr(
    not(all(real_memcached, real_node_clients)),
    ignore = "needs memcached and harness-node-clients on PATH"
)]
async fn node_clients_see_the_faults_they_should() {
    story("harness-node-clients", "faults.js", &[Memcached::start().upstream()]).await;
}
