//! The published client `toxiproxy_rust`, unchanged, against our control API. It blocks, so it runs
//! on threads of its own; it never looks at a status, so every change is read back. And the lab on
//! an external Toxiproxy, for which `harness proxy` stands in, through the same client.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails where it stands")]

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use harness::base::scope::Scope;
use harness::base::seed::Seed;
use harness::control::{self, ApiOptions};
use harness::event::Events;
use harness::proxy::{ProxySet, ProxyView};
use serde_json::Value;
use toxiproxy_rust::client::Client;
use toxiproxy_rust::proxy::ProxyPack;
use toxiproxy_rust::toxic::ToxicPack;

/// A server with the client in front of it.
async fn with_client<T: Send + 'static>(
    story: impl FnOnce(&Client, &dyn Fn(&str) -> ProxyView) -> T + Send + 'static,
) -> T {
    let scope = Scope::current("test");
    let set = ProxySet::new(Seed::new(1), Events::ignore(), &scope);
    let listener = control::bind("127.0.0.1", 0).await.unwrap();
    let address: SocketAddr =
        control::serve(listener, set.clone(), ApiOptions::default(), &scope).unwrap();
    let story = move || {
        let client = Client::new(address.to_string());
        story(&client, &|name| set.get(name).unwrap())
    };
    tokio::task::spawn_blocking(story).await.unwrap()
}

fn pack(name: &str) -> ProxyPack {
    ProxyPack::new(name.into(), "127.0.0.1:0".into(), "127.0.0.1:1".into())
}

/// Catches a body that the client cannot read: it reads every answer into its own types.
#[tokio::test(flavor = "multi_thread")]
async fn populate_list_find_and_version() {
    with_client(|client, view| {
        assert!(client.is_running());
        assert!(client.version().unwrap().contains("2.12.0"));
        let proxies = client.populate(vec![pack("a"), pack("b")]).unwrap();
        assert_eq!(proxies.len(), 2);
        // The same again keeps the ports: nothing was dropped.
        let before = view("a").listen;
        client.populate(vec![pack("a")]).unwrap();
        assert_eq!(view("a").listen, before);
        assert_eq!(client.all().unwrap().len(), 2);
        let found = client.find_proxy("a").unwrap();
        assert_eq!(found.proxy_pack.upstream, "127.0.0.1:1");
        assert!(client.find_proxy("nobody").is_err());
        found.delete().unwrap();
        assert_eq!(client.all().unwrap().len(), 1);
    })
    .await;
}

/// Catches a toxic that the client believes to have added and that is not there.
#[tokio::test(flavor = "multi_thread")]
async fn every_toxic_of_the_client_arrives() {
    with_client(|client, view| {
        client.populate(vec![pack("p")]).unwrap();
        let proxy = client.find_proxy("p").unwrap();
        proxy
            .with_latency("downstream".into(), 100, 5, 1.0)
            .with_bandwidth("upstream".into(), 7, 0.5)
            .with_slow_close("downstream".into(), 9, 1.0)
            .with_timeout("upstream".into(), 11, 1.0)
            .with_slicer("downstream".into(), 64, 8, 10, 1.0)
            .with_limit_data("upstream".into(), 1000, 1.0);
        let names: Vec<String> = view("p").toxics.into_iter().map(|toxic| toxic.name).collect();
        let expected = [
            "bandwidth_upstream",
            "timeout_upstream",
            "limit_data_upstream",
            "latency_downstream",
            "slow_close_downstream",
            "slicer_downstream",
        ];
        assert_eq!(names, expected);
        let toxics: Vec<ToxicPack> = proxy.toxics().unwrap();
        assert_eq!(toxics[3].attributes["latency"], 100);
        assert_eq!((toxics[0].attributes["rate"], toxics[0].toxicity), (7, 0.5));
        proxy.delete_all_toxics().unwrap();
        assert!(view("p").toxics.is_empty());
    })
    .await;
}

/// Catches a toxic of ours on which `all()` and `toxics()` of this client fail as a whole. `packet_loss` is
/// not ours: its attributes are fractions in Toxiproxy as well, which this client cannot read.
#[tokio::test(flavor = "multi_thread")]
async fn our_own_toxics_can_be_listed() {
    let scope = Scope::current("test");
    let set = ProxySet::new(Seed::new(1), Events::ignore(), &scope);
    let config = br#"[{"name":"p","upstream":"u:1","enabled":false,"toxics":[
        {"type":"blackhole"},{"type":"corrupt"},{"type":"mute"},{"type":"limit_time","settings":{"time":"5s"}}]}]"#;
    assert_eq!(control::populate(&set, config).await, Ok(1));
    let listener = control::bind("127.0.0.1", 0).await.unwrap();
    let address = control::serve(listener, set, ApiOptions::default(), &scope).unwrap();
    let listed = tokio::task::spawn_blocking(move || {
        let client = Client::new(address.to_string());
        let all = client.all().map(|all| all.len());
        (all, client.find_proxy("p").unwrap().toxics().map(|toxics| toxics.len()))
    });
    assert_eq!(listed.await.unwrap(), (Ok(1), Ok(4)));
}

/// Catches a proxy that the client cannot switch off and on, and a reset that leaves something.
#[tokio::test(flavor = "multi_thread")]
async fn down_up_and_reset() {
    with_client(|client, view| {
        client.populate(vec![pack("p")]).unwrap();
        let proxy = client.find_proxy("p").unwrap();
        let listen = view("p").listen;
        proxy.with_down(|| assert!(!view("p").enabled)).unwrap();
        assert!(view("p").enabled);
        assert_eq!(view("p").listen, listen);
        proxy
            .with_latency("upstream".into(), 1, 0, 1.0)
            .apply(|| assert_eq!(view("p").toxics.len(), 1))
            .unwrap();
        assert!(view("p").toxics.is_empty());
        proxy.with_timeout("upstream".into(), 0, 1.0).disable().unwrap();
        client.reset().unwrap();
        assert!(view("p").enabled && view("p").toxics.is_empty());
    })
    .await;
}

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
}

impl Drop for External {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const PHASES: &str = "summary = \"slow\"\nworkload = \"constant\"\n\
                      objectives = [\"no-wrong-data\", \"no-errors\"]\n\
                      [phases]\nwarmup = \"1s\"\nsteady = \"2s\"\nfault = \"2s\"\nrecovery = \"1s\"\n";

/// A run of `faults` on the Toxiproxy at `address`: exit code, stdout and stderr.
fn run(folder: &Path, faults: &str, address: &str) -> (i32, String, String) {
    std::fs::write(folder.join("slow.toml"), format!("{PHASES}{faults}")).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_harness"))
        .current_dir(folder)
        .args(["-scenario", "slow.toml", "-nodes", "embedded", "-duration", "6s", "-json"])
        .args(["-toxiproxy", &format!("http://{address}")])
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
    let fault = "[[faults]]\nname = \"late\"\non = \"all\"\nstream = \"both\"\n\
                 latency = { latency = \"20ms\" }\n";
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
    assert_eq!(report["data"]["wrong"], 0);
    let address = external.address.clone();
    let client = Client::new(address);
    assert!(client.all().unwrap().is_empty(), "its proxies were left behind");
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
    let both = latency.clone() + &fault("thin", "bandwidth = { rate = \"10KB/s\" }");
    for (faults, address, code, message) in [
        (
            fault("lossy", "packet_loss = { loss_rate = \"5%\" }"),
            external.address.as_str(),
            2,
            "`lossy`",
        ),
        (fault("reset", "reset_peer = {}"), external.address.as_str(), 2, "`reset`"),
        (fraction, external.address.as_str(), 3, "fault `fine` (latency) cannot be done"),
        (both, external.address.as_str(), 3, "it overlaps `late`"),
        (latency, "127.0.0.1:1", 3, "Toxiproxy at 127.0.0.1:1 of -toxiproxy: it does not answer"),
    ] {
        let (exit, stdout, stderr) = run(folder.path(), &faults, address);
        assert_eq!(exit, code, "{stderr}");
        assert!(stderr.contains(message), "{stderr}");
        assert!(!stdout.contains("fault_applied"), "{stdout}");
    }
    let address = external.address.clone();
    assert!(Client::new(address).all().unwrap().is_empty(), "its proxies were left behind");
}
