//! Starts programs that resolve names through the harness: in a mount namespace of their own, with
//! another `/etc/resolv.conf`.
//!
//! What it does is a script of a few lines, so that a person can look, and start a program the same way.

use std::ffi::{OsStr, OsString};
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::base::folder::OwnFolder;
use crate::lab::backend::process::find_program;

/// What every program reads to know whom to ask.
const RESOLVER_FILE: &str = "/etc/resolv.conf";
/// Where the C library reads how it looks for a host. It may have a service in it that asks elsewhere.
const SWITCH_FILE: &str = "/etc/nsswitch.conf";
/// The one way to look for a host: what the machine has in its file, then the resolver.
const HOSTS_LINE: &str = "hosts: files dns";
/// The script.
const SCRIPT: &str = "with-names";

/// How a mount namespace is had: as root, or as root of a namespace of users.
const WAYS: [&[&str]; 2] = [&["--mount"], &["--user", "--map-root-user", "--mount"]];

/// A script that starts a program, with the files that it lays over those of the machine.
#[derive(Debug)]
pub(super) struct Launcher {
    folder: OwnFolder,
}

/// A way that works here.
pub(super) type Way = &'static [&'static str];

impl Launcher {
    /// How it would start a program here.
    ///
    /// # Errors
    /// Why it cannot.
    pub(super) fn way(path: &OsStr) -> Result<Way, String> {
        let unshare = find_program("unshare", path)
            .ok_or("there is no `unshare` on PATH; install util-linux")?;
        if !Path::new(RESOLVER_FILE).exists() {
            return Err(format!("there is no {RESOLVER_FILE} here that another could stand for"));
        }
        let mut said = String::new();
        for way in WAYS {
            let tried = try_out(&unshare, way).map_err(|error| format!("unshare: {error}"))?;
            match tried {
                None => return Ok(way),
                Some(what) => said = what,
            }
        }
        Err(format!(
            "this system gives no mount namespace ({said}); run as root, or where users may have namespaces"
        ))
    }

    /// Writes the script, for the resolver at `resolver`.
    ///
    /// # Errors
    /// What the system says.
    pub(super) fn new(way: Way, resolver: IpAddr) -> io::Result<Self> {
        let folder = OwnFolder::create()?;
        let file = |name: &str| folder.path().join(name);
        std::fs::write(file("resolv.conf"), resolver_file(resolver))?;
        let switch = std::fs::read_to_string(SWITCH_FILE).ok();
        if let Some(text) = &switch {
            std::fs::write(file("nsswitch.conf"), switch_file(text))?;
        }
        std::fs::write(file(SCRIPT), script(way, switch.is_some()))?;
        Ok(Self { folder })
    }

    /// The words that go before a program and its arguments.
    pub(super) fn words(&self) -> [OsString; 2] {
        ["/bin/sh".into(), self.script().into_os_string()]
    }

    fn script(&self) -> PathBuf {
        self.folder.path().join(SCRIPT)
    }
}

/// Lays a file over itself in a namespace; what is said when that does not work.
fn try_out(unshare: &Path, way: Way) -> io::Result<Option<String>> {
    let mut command = Command::new(unshare);
    command.args(way).args(["mount", "--bind", RESOLVER_FILE, RESOLVER_FILE]);
    let output = command.stdin(Stdio::null()).output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    let said = said.lines().next().unwrap_or("it failed").trim().to_owned();
    Ok((!output.status.success()).then_some(said))
}

fn resolver_file(resolver: IpAddr) -> String {
    // One resolver only: the next one would be asked what this one refuses.
    format!("nameserver {resolver}\noptions timeout:1 attempts:2\n")
}

fn switch_file(of_machine: &str) -> String {
    let is_of_hosts = |line: &&str| line.trim_start().starts_with("hosts:");
    let others = of_machine.lines().filter(|line| !is_of_hosts(line));
    others.chain([HOSTS_LINE]).map(|line| format!("{line}\n")).collect()
}

fn script(way: Way, has_switch: bool) -> String {
    let over = |name: &str, file: &str| format!("mount --bind \"$0/{name}\" {file} && ");
    let switch = if has_switch { over("nsswitch.conf", SWITCH_FILE) } else { String::new() };
    format!(
        "# Starts a program that resolves names through the harness.\n\
         exec unshare {} /bin/sh -c '{}{switch}exec \"$@\"' \"${{0%/*}}\" \"$@\"\n",
        way.join(" "),
        over("resolv.conf", RESOLVER_FILE)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Catches a machine's own way of looking for hosts that stays, or other lines that are lost.
    #[test]
    fn hosts_are_looked_for_in_one_way() {
        let machine =
            "passwd: files\n hosts: mymachines resolve [!UNAVAIL=return] files dns\n# end\n";
        assert_eq!(switch_file(machine), "passwd: files\n# end\nhosts: files dns\n");
    }

    /// Catches a program that is started without its arguments as they are, or with the machine's resolver.
    #[test]
    #[cfg_attr(not(real_names), ignore = "needs root, or namespaces of users, and unshare on PATH")]
    fn a_program_is_started_with_another_resolver() {
        let way = Launcher::way(&std::env::var_os("PATH").unwrap()).unwrap();
        let launcher = Launcher::new(way, "127.77.9.253".parse().unwrap()).unwrap();
        let [shell, script] = launcher.words();
        let mut command = Command::new(shell);
        command.arg(script).args([
            "sh",
            "-c",
            "cat /etc/resolv.conf; echo \"$1|$2\"",
            "sh",
            "a b",
            "$c'",
        ]);
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(said.starts_with("nameserver 127.77.9.253\n"), "{said}");
        assert!(said.ends_with("a b|$c'\n"), "{said}");
        let ours = std::fs::read_to_string(RESOLVER_FILE).unwrap();
        assert!(!ours.contains("127.77.9.253"), "the machine keeps its own");
    }
}
