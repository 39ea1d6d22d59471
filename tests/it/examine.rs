//! What kind of client a subject is, found out by short runs.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// Exit code, stdout and stderr.
fn examine(folder: &Path, line: &str) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_harness"));
    let command = command.current_dir(folder).arg("examine").args(line.split_whitespace());
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

/// Catches a battery that does not run what it was asked for, a card without the answers of its runs, and
/// a line whose run cannot be found.
#[test]
fn a_run_answers_on_the_card() {
    let folder = tempfile::tempdir().unwrap();
    let line = "-client default -only server-busy -nodes embedded -seed 7 -format json";
    let (code, card, progress) = examine(folder.path(), line);
    assert_eq!(code, 0, "{progress}");
    assert!(progress.contains(" 1/1 server-busy"), "{progress}");
    let card: Value = serde_json::from_str(&card).unwrap();
    assert_eq!(card["seed"], 7);
    assert!(card["client"].as_str().unwrap().ends_with("(default)"), "{}", card["client"]);
    let lines = card["lines"].as_array().unwrap();
    let asked: Vec<&str> = lines.iter().filter_map(|line| line["question"].as_str()).collect();
    assert_eq!(asked, ["an error line", "calls that hung", "wrong data"]);
    let answer = lines[0]["answer"].as_str().unwrap();
    assert!(answer.contains("error.server_error"), "{answer}");
    let run = folder.path().join(lines[0]["run"].as_str().unwrap());
    assert!(run.join("report.json").is_file());
    assert_eq!(lines[2]["answer"], "none was seen");
}

/// Catches a word that is wrong and is found out only after a run.
#[test]
fn what_cannot_be_examined_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    for (line, part) in [
        ("-client nobody", "unknown client profile `nobody`"),
        ("-client default -only nothing", "invalid value 'nothing'"),
        ("", "--client"),
    ] {
        let (code, said, why) = examine(folder.path(), line);
        assert_eq!((code, said.as_str()), (2, ""), "{why}");
        assert!(why.contains(part), "{why}");
    }
}
