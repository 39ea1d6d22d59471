//! Under which name this program was called. A link called `toxiproxy-server` or `toxiproxy-cli` is that
//! program, with its options, its words and its exit codes, so that scripts, packages and images need not
//! know of ours. `toxiproxy`, the name in its image, is the server as long as the words are the server's,
//! and `harness` with any other: so one image is both.

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{CommandFactory, FromArgMatches, Parser};

use super::ctl::{self, Program};
use super::{argv, proxy, refused};
use crate::control::TOXIPROXY_VERSION;

/// The words of `toxiproxy-server`.
#[derive(Debug, Parser)]
#[command(name = "toxiproxy-server", max_term_width = 100)]
struct ServerWords {
    #[command(flatten)]
    arguments: proxy::Arguments,
}

/// The words of `toxiproxy-cli`.
#[derive(Debug, Parser)]
#[command(name = "toxiproxy-cli", max_term_width = 100)]
struct CliWords {
    #[command(flatten)]
    arguments: ctl::Arguments,
}

/// Does what the program called `path` would do with `words`; `None`: it is no other program.
pub(super) fn other_program(path: &OsStr, words: &[OsString]) -> Option<ExitCode> {
    match Path::new(path).file_name()?.to_str()? {
        "toxiproxy" if is_not_for_the_server(words) => None,
        "toxiproxy" | "toxiproxy-server" => Some(server(words)),
        "toxiproxy-cli" => Some(client(words)),
        _ => None,
    }
}

/// Whether there is a word that `toxiproxy-server` does not know. One that it knows and that is wrong, a
/// port that is no number, is its own to refuse.
fn is_not_for_the_server(words: &[OsString]) -> bool {
    let read = read::<ServerWords>(&built::<ServerWords>(), words.to_vec());
    read.is_err_and(|error| error.kind() == ErrorKind::UnknownArgument)
}

fn server(words: &[OsString]) -> ExitCode {
    let command = built::<ServerWords>();
    let words = argv::options_only(&command, words);
    match read::<ServerWords>(&command, words) {
        Ok(ServerWords { arguments }) => proxy::main(&arguments),
        Err(error) => refused(&error).into(),
    }
}

/// Its words, without the one that is not Toxiproxy's.
fn client_command() -> clap::Command {
    built::<CliWords>().mut_subcommand("run", |run| run.hide(true))
}

fn client(words: &[OsString]) -> ExitCode {
    let program = Program {
        name: "toxiproxy-cli",
        agent: format!(
            "toxiproxy-cli/{TOXIPROXY_VERSION} ({}/{})",
            std::env::consts::OS,
            std::env::consts::ARCH
        ),
        command: client_command,
    };
    match read::<CliWords>(&client_command(), words.to_vec()) {
        Ok(CliWords { arguments }) => ctl::main(&arguments, &program),
        Err(error) => refused(&error).into(),
    }
}

fn built<P: CommandFactory>() -> clap::Command {
    let mut command = P::command();
    command.build();
    command
}

fn read<P: CommandFactory + FromArgMatches>(
    command: &clap::Command,
    words: Vec<OsString>,
) -> Result<P, clap::Error> {
    // There is no command that is meant when none is named.
    let words = argv::normalise(command, "", words);
    let name = OsString::from(command.get_name());
    let mut fresh = P::command();
    let matches = fresh.try_get_matches_from_mut(std::iter::once(name).chain(words))?;
    P::from_arg_matches(&matches).map_err(|error| error.format(&mut fresh))
}
