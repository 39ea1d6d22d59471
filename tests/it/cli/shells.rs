//! What shells and `man` are told of the commands and options.

use std::io::Write as _;
use std::process::{Command, Stdio};

use super::run;

/// Catches a shell for which there is no script, and one that misses a command or an option.
#[test]
fn every_shell_is_told_of_commands_and_options() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let (code, script, stderr) = run(&format!("completions {shell}"));
        assert_eq!((code, stderr.as_str()), (0, ""), "{shell}");
        for word in ["selftest", "scenario", "healthcheck"] {
            assert!(script.contains(word), "{shell}: {word}");
        }
    }
}

/// Catches a script that bash does not take, or that does not know what is meant when no command is named.
#[cfg(unix)]
#[test]
fn bash_completes_what_people_begin() {
    let script = run("completions bash").1;
    let completed = |words: &str| {
        let ask = format!(
            "source /dev/stdin; COMP_WORDS=({words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); \
             _harness harness \"${{COMP_WORDS[-1]}}\" x; echo \"${{COMPREPLY[@]}}\""
        );
        let mut bash = Command::new("bash");
        let bash = bash.args(["-c", &ask]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut bash = bash.spawn().unwrap();
        bash.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
        let output = bash.wait_with_output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    assert_eq!(completed("harness self"), "selftest");
    assert_eq!(completed("harness --scena"), "--scenario");
    assert_eq!(completed("harness run --scena"), "--scenario");
    assert_eq!(completed("harness ctl toxic up"), "update");
}

/// Catches a page that is missing, or that leaves out what the command takes.
#[test]
fn every_command_has_a_page_of_the_manual() {
    for (line, title, part) in [
        ("man", ".TH harness 1", "harness\\-selftest(1)"),
        ("man run", ".TH harness-run 1", "\\-\\-scenario"),
        ("man ctl toxic add", ".TH harness-ctl-toxic-add 1", "\\-\\-toxicity"),
    ] {
        let (code, page, stderr) = run(line);
        assert_eq!((code, stderr.as_str()), (0, ""), "{line}");
        assert!(page.contains(title) && page.contains(part), "{line}: {page}");
    }
}
