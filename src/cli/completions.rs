//! `harness completions`: what a shell needs to complete the words of this program.

use clap_complete::{Shell, generate};

use super::arguments::{Arguments as Root, DEFAULT};
use super::exit::Exit;
use super::output;

/// Print a script that completes the commands and options of harness.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "  harness completions bash > ~/.local/share/bash-completion/completions/harness\n  \
                        harness completions zsh > ~/.zfunc/_harness\n  \
                        harness completions fish > ~/.config/fish/completions/harness.fish\n\n\
                        Options are completed with two dashes."
)]
pub(super) struct Arguments {
    /// The shell that it is for
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

/// Prints the script.
pub(super) fn main(arguments: &Arguments) -> Exit {
    let mut command = with_options_of_default(&Root::command_built());
    let name = command.get_name().to_owned();
    let mut script = Vec::new();
    generate(arguments.shell, &mut command, name, &mut script);
    output::result(String::from_utf8_lossy(&script).into_owned())
}

/// The command whose options are also those that are meant when no command is named.
fn with_options_of_default(root: &clap::Command) -> clap::Command {
    let default = root.find_subcommand(DEFAULT).into_iter().flat_map(clap::Command::get_arguments);
    let missing =
        default.filter(|option| root.get_arguments().all(|own| own.get_id() != option.get_id()));
    root.clone().args(missing.cloned())
}
