//! `harness man`: the pages of this program's manual.

use clap::Command;
use clap_mangen::Man;

use super::arguments::Arguments as Root;
use super::exit::Exit;
use super::output;
use crate::base::family::unknown;

/// Print a page of the manual: that of harness, or of one of its commands.
#[derive(Debug, clap::Args)]
#[command(after_help = "  harness man | man -l -\n  \
                        harness man ctl toxic add > harness-ctl-toxic-add.1")]
pub(super) struct Arguments {
    /// A command, such as run, and one below it
    #[arg(value_name = "COMMAND")]
    command: Vec<String>,
}

/// Prints the page.
pub(super) fn main(arguments: &Arguments) -> Exit {
    let root = Root::command_built();
    let found = match below(&root, &arguments.command) {
        Ok(found) => found.clone(),
        Err(what) => {
            output::complain(&what);
            return Exit::Usage;
        }
    };
    let mut page = Vec::new();
    // Writing into memory cannot fail.
    let _ = Man::new(found).render(&mut page);
    output::result(String::from_utf8_lossy(&page).into_owned())
}

/// The command that these words lead to.
fn below<'a>(root: &'a Command, words: &[String]) -> Result<&'a Command, String> {
    words.iter().try_fold(root, |command, word| {
        command.find_subcommand(word).ok_or_else(|| {
            let names: Vec<&str> = command.get_subcommands().map(Command::get_name).collect();
            unknown("command", word, &names)
        })
    })
}
