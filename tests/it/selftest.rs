//! The matrix of known lies and broken clients, and the ways in which a lie is asked for.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Command, Stdio};

use harness::base::seed::Seed;
use harness::lab::{Backend, Programs};
use harness::metrics::Board;
use harness::plan::{FileText, Library, Options, plan_of};
use harness::run::Environment;
use harness::run::selftest::{RowOutcome, Selftest, Size};
use tokio_util::sync::CancellationToken;

/// Rows of which it depends on the machine whether they are noticed: how the replies of a batch are cut
/// into segments decides whether the one too many is an error or is lost.
const SOMETIMES: &[&str] = &["swapped-in-pipeline"];

/// Short runs with many lies: what counts here is who notices, not how rare a lie may be.
const SIZE: Size = Size { per_second: 300, steady_s: 2, every: 10 };

/// Catches a verdict that can be had for nothing: each known lie, on nodes of the run and on given ones,
/// and each broken client, must be noticed under its name, and healthy runs must not fail. A run of
/// which the machine made nothing is no proof, either way.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_known_to_be_broken_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let environment = Environment {
        programs: Programs {
            path: std::env::var_os("PATH").unwrap_or_default(),
            harness: env!("CARGO_BIN_EXE_harness").into(),
        },
        interrupt: CancellationToken::new(),
        board: Board::default(),
        fleet: None,
    };
    let seed = Seed::new(11);
    let selftest = Selftest { size: SIZE, lanes: 4, out: folder.path().to_owned(), seed };
    let all = selftest.play(&Selftest::tasks(), &environment, |_| {}).await.unwrap();
    assert_eq!(all.len(), Selftest::tasks().len());
    let mut problems = Vec::new();
    for told in all.iter().filter(|told| !SOMETIMES.contains(&told.name)) {
        if matches!(told.outcome, RowOutcome::Missed | RowOutcome::FalseAlarm) {
            problems.push(format!("{told:?}"));
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

fn read(nodes: &str, client: &str) -> Result<String, String> {
    let text = format!(
        "summary = \"x\"\nworkload = \"mixed\"\n[phases]\nsteady = \"5s\"\n[nodes]\n{nodes}\n\
         [client]\n{client}\n"
    );
    let source = FileText::new("x.toml", text);
    let plan = plan_of(&Library::new("."), &source, "x", &Options::default(), Seed::new(1));
    plan.map(|plan| plan.to_toml()).map_err(|error| error.to_string())
}

/// Catches lies and broken clients that a stored plan forgets, so that it would run again honestly, and
/// an honest plan that grew a line.
#[test]
fn what_is_broken_on_purpose_stands_in_the_plan() {
    let nodes = "backend = \"embedded\"\nlies = [\"stale\", \"flush:1/7\"]";
    let printed = read(nodes, "broken = \"leaking-pool\"").unwrap();
    assert!(printed.contains("lies = [\"stale:1/200\", \"flush:1/7\"]"), "{printed}");
    assert!(printed.contains("broken = \"leaking-pool\""), "{printed}");
    let again = FileText::new("x.toml", printed.clone());
    let again =
        plan_of(&Library::new("."), &again, "x", &Options::default(), Seed::new(1)).unwrap();
    assert_eq!(again.to_toml(), printed);
    let honest = read("backend = \"embedded\"", "").unwrap();
    assert!(!honest.contains("lies") && !honest.contains("broken"), "{honest}");
}

/// Catches a lie that is silently not told: where no embedded node is, nobody could tell it.
#[test]
fn a_lie_that_cannot_be_told_is_refused() {
    for (nodes, client, what) in [
        ("lies = [\"stale\"]", "", "write `backend = \"embedded\"` beside them"),
        ("backend = \"memcached\"\nlies = [\"stale\"]", "", "told by embedded nodes only"),
        ("servers = [\"127.0.0.1:1\"]\nlies = [\"stale\"]", "", "`lies` and `servers` exclude"),
        ("backend = \"embedded\"\nlies = [\"stael\"]", "", "did you mean `stale`?"),
        ("backend = \"embedded\"\nlies = [\"stale:5%\"]", "", "write `stale:1/200`"),
        ("", "broken = \"leaking\"", "did you mean `leaking-pool`?"),
    ] {
        let error = read(nodes, client).unwrap_err();
        assert!(error.contains(what), "no {what:?} in: {error}");
    }
    let text = "summary = \"x\"\n[phases]\nsteady = \"5s\"\n[nodes]\nbackend = \"embedded\"\n\
                lies = [\"stale\"]\n";
    let options = Options { backend: Some(Backend::Auto), ..Options::default() };
    let source = FileText::new("x.toml", text);
    let error = plan_of(&Library::new("."), &source, "x", &options, Seed::new(1)).unwrap_err();
    assert!(error.to_string().contains("-nodes asks for other nodes"), "{error}");
}

/// Catches a stand-alone node that does not lie when it is told to, or does not say that it will.
#[test]
fn a_node_of_its_own_lies_and_says_so() {
    let mut node = Command::new(env!("CARGO_BIN_EXE_harness"))
        .args(["node", "-p", "0", "-lie", "dropped-set:1/1", "-lie", "stale"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = String::new();
    BufReader::new(node.stdout.as_mut().unwrap()).read_line(&mut said).unwrap();
    let address = said.trim_end().strip_prefix("listening on ").unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(b"set a 0 0 1\r\n1\r\nget a\r\nquit\r\n").unwrap();
    let mut replies = String::new();
    stream.read_to_string(&mut replies).unwrap();
    node.kill().unwrap();
    let mut confessed = String::new();
    node.stderr.take().unwrap().read_to_string(&mut confessed).unwrap();
    node.wait().unwrap();
    assert_eq!(replies, "STORED\r\nEND\r\n");
    assert!(
        confessed.contains("this node lies, as it was told to: dropped-set:1/1"),
        "{confessed}"
    );
    assert!(confessed.contains("stale:1/200"), "{confessed}");
}
