//! The commands and what they all share.

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use super::{
    check, compare, completions, ctl, doctor, examine, exec, explain, list, man, merge, node,
    proxy, report, route, run, selftest, shrink, up,
};

/// What the words on the command line mean.
#[derive(Debug, Parser)]
#[command(
    name = "harness",
    version,
    about = "What does a memcached client really do when a node or the network misbehaves, and is \
             the data that it returns still right?",
    after_help = "Long options take one dash or two, and a space or an equals sign. Without a \
                  command, `run` is meant.\n\n\
                  Exit codes: 0 pass, 1 an objective failed, 2 usage or a bad file, 3 the lab did \
                  not come up, 4 invalid or inconclusive, 5 internal error, 130 interrupted before \
                  a verdict.",
    subcommand_required = true,
    propagate_version = true,
    flatten_help = true,
    max_term_width = 100
)]
pub(super) struct Arguments {
    #[command(subcommand)]
    pub(super) command: Command,
}

/// One file each, beside this one.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    Run(Box<run::Arguments>),
    Exec(Box<exec::Arguments>),
    Examine(Box<examine::Arguments>),
    Report(report::Arguments),
    Compare(compare::Arguments),
    Merge(merge::Arguments),
    Shrink(shrink::Arguments),
    Check(check::Arguments),
    Up(up::Arguments),
    Node(node::Arguments),
    List(list::Arguments),
    Explain(explain::Arguments),
    Route(route::Arguments),
    Doctor(doctor::Arguments),
    Selftest(selftest::Arguments),
    Proxy(proxy::Arguments),
    Ctl(ctl::Arguments),
    Completions(completions::Arguments),
    Man(man::Arguments),
}

/// The command that is meant when none is named.
pub(super) const DEFAULT: &str = "run";

impl Arguments {
    /// clap's command, with what it passes down to the subcommands in place.
    pub(super) fn command_built() -> clap::Command {
        let mut command = Self::command();
        command.build();
        command
    }

    /// Reads words that were normalised.
    pub(super) fn read(
        words: impl IntoIterator<Item = std::ffi::OsString>,
    ) -> Result<Self, clap::Error> {
        let words = std::iter::once("harness".into()).chain(words);
        let mut command = Self::command();
        let matches = command.try_get_matches_from_mut(words)?;
        Self::from_arg_matches(&matches).map_err(|error| error.format(&mut command))
    }
}
