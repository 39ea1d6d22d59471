//! Long options with one dash: `-scenario X` and `-scenario=X` beside `--scenario X`.
//!
//! clap has no long options with a single dash, and people come from tools that have no others. The
//! words are rewritten once, before clap sees them, along the tree of clap's own commands, so that
//! there is no second list of options to keep. Nothing is refused here: what this does not
//! recognise is left for clap, whose errors and suggestions are better.

use std::ffi::{OsStr, OsString};

use clap::{Arg, ArgAction, Command};

use crate::base::family::distance;

/// How far a word may be from a long option to be taken for a misspelt one.
const NEAR: usize = 2;

/// The arguments (without the program's name) as clap understands them. `root` must have been
/// built; options before any subcommand belong to `default`, unless they are the root's own.
pub(super) fn normalise(
    root: &Command,
    default: &str,
    words: impl IntoIterator<Item = OsString>,
) -> Vec<OsString> {
    let mut walk = Walk { command: root, at_root: true, default, done: Vec::new() };
    let mut words = words.into_iter().peekable();
    if words.peek().is_none() {
        walk.enter_default();
    }
    while let Some(word) = words.next() {
        if word == "--" {
            walk.enter_default();
            walk.done.push(word);
            break;
        }
        if walk.take(word) {
            match (words.next(), walk.done.last_mut()) {
                // clap takes it for an option; whoever reads the value says what is wrong with it.
                (Some(value), Some(option)) if is_negative(&value) => {
                    option.push("=");
                    option.push(value);
                }
                (value, _) => walk.done.extend(value),
            }
        }
    }
    walk.done.extend(words);
    walk.done
}

/// Whether a word begins as a number below zero does.
fn is_negative(word: &OsStr) -> bool {
    matches!(word.as_encoded_bytes(), [b'-', b'0'..=b'9' | b'.', ..])
}

/// The words up to the first that is neither an option nor its value: Go's programs read no further.
pub(super) fn options_only(command: &Command, words: &[OsString]) -> Vec<OsString> {
    let mut kept = Vec::new();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let name = word.to_str().map(|text| text.trim_start_matches('-'));
        let Some(name) = name.filter(|name| !name.is_empty() && Some(*name) != word.to_str())
        else {
            break;
        };
        kept.push(word.clone());
        if find_long(command, name).is_some_and(takes_value) {
            kept.extend(words.next().cloned());
        }
    }
    kept
}

struct Walk<'a> {
    command: &'a Command,
    at_root: bool,
    default: &'a str,
    done: Vec<OsString>,
}

impl Walk<'_> {
    /// Rewrites one word. Whether the next word is its value, whatever it looks like.
    fn take(&mut self, word: OsString) -> bool {
        let Some(text) = word.to_str() else {
            self.done.push(word);
            return false;
        };
        if !text.starts_with('-') || text == "-" {
            if let Some(command) = self.command.find_subcommand(text) {
                self.command = command;
                self.at_root = false;
            }
            self.done.push(word);
            return false;
        }
        let body = text.trim_start_matches('-');
        let (name, has_value) =
            body.split_once('=').map_or((body, false), |(name, _)| (name, true));
        let double = text.starts_with("--");
        if !double && !self.is_long(name) {
            // A short option, or a cluster of them; only `-h` and `-V` exist before a subcommand.
            self.done.push(word);
            return false;
        }
        let known_to_root = self.at_root && find_long(self.command, name).is_some();
        if !known_to_root {
            self.enter_default();
        }
        let needs_value = find_long(self.command, name).is_some_and(takes_value) && !has_value;
        self.done.push(if double { word } else { OsString::from(format!("--{body}")) });
        needs_value
    }

    /// Whether a word with one dash means a long option: it is one here (or in the default
    /// subcommand), or it is more likely a misspelt one than a cluster of short ones.
    fn is_long(&self, name: &str) -> bool {
        let Some(first) = name.chars().next().filter(char::is_ascii_alphabetic) else {
            return false;
        };
        if name.chars().count() < 2 {
            return false;
        }
        let default = self.at_root.then(|| self.command.find_subcommand(self.default)).flatten();
        let commands = || std::iter::once(self.command).chain(default);
        let near = |command: &Command| {
            command
                .get_arguments()
                .flat_map(longs)
                .any(|long| distance(name, long) <= NEAR.min(long.len() - 1))
        };
        let is_short = |command: &Command| {
            command.get_arguments().any(|argument| argument.get_short() == Some(first))
        };
        commands().any(near) || !commands().any(is_short)
    }

    fn enter_default(&mut self) {
        if self.at_root
            && let Some(command) = self.command.find_subcommand(self.default)
        {
            self.done.push(OsString::from(self.default));
            self.command = command;
            self.at_root = false;
        }
    }
}

fn find_long<'a>(command: &'a Command, name: &str) -> Option<&'a Arg> {
    command.get_arguments().find(|argument| longs(argument).any(|long| long == name))
}

fn longs(argument: &Arg) -> impl Iterator<Item = &str> {
    argument.get_long().into_iter().chain(argument.get_all_aliases().unwrap_or_default())
}

fn takes_value(argument: &Arg) -> bool {
    matches!(argument.get_action(), ArgAction::Set | ArgAction::Append)
        && argument.get_num_args().is_none_or(|count| count.min_values() > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::arg;

    fn command() -> Command {
        let mut command = Command::new("harness")
            .version("1")
            .subcommand(Command::new("run").args([
                arg!(--scenario <NAME> ...).num_args(1).alias("case"),
                arg!(--duration <TIME>),
                arg!(--offset <NUMBER>).allow_hyphen_values(true),
                arg!(--json).action(ArgAction::SetTrue),
                arg!(-v --verbose ...),
                arg!(--color[WHEN]),
            ]))
            .subcommand(Command::new("report").args([arg!(--format <NAME>), arg!(<DIR> ...)]))
            .subcommand(Command::new("toxic").subcommand(Command::new("add").args([
                arg!(--type <NAME>),
                arg!(--note <TEXT>),
                arg!([WHAT]),
            ])));
        command.build();
        command
    }

    fn of(line: &str) -> String {
        let words = line.split_whitespace().map(OsString::from);
        let done: Vec<String> = normalise(&command(), "run", words)
            .into_iter()
            .map(|word| word.into_string().unwrap())
            .collect();
        done.join(" ")
    }

    /// Catches a form that people write and clap never gets to see as a long option.
    #[test]
    fn every_form_becomes_claps() {
        let table = [
            ("", "run"),
            ("-scenario X", "run --scenario X"),
            ("-scenario=X", "run --scenario=X"),
            ("--scenario X", "run --scenario X"),
            ("--scenario=X", "run --scenario=X"),
            ("run -scenario X", "run --scenario X"),
            ("-case X -json", "run --case X --json"),
            ("-scenario X -duration 1m", "run --scenario X --duration 1m"),
            ("-json -scenario=a=b", "run --json --scenario=a=b"),
            ("-help", "--help"),
            ("-h", "-h"),
            ("-V", "-V"),
            ("-version", "--version"),
            ("--help", "--help"),
            ("run -help", "run --help"),
            ("help run", "help run"),
            ("report -format json d", "report --format json d"),
            ("toxic add -type latency -note -x p1", "toxic add --type latency --note -x p1"),
        ];
        for (given, expected) in table {
            assert_eq!(of(given), expected, "{given}");
        }
    }

    /// Catches a value that is rewritten, or taken for a subcommand.
    #[test]
    fn values_are_left_alone() {
        let table = [
            ("-scenario run", "run --scenario run"),
            ("-scenario -json -json", "run --scenario -json --json"),
            ("-offset -5", "run --offset=-5"),
            ("-duration -5s -json", "run --duration=-5s --json"),
            ("-offset=-5 -json", "run --offset=-5 --json"),
            ("-json -- -scenario y", "run --json -- -scenario y"),
            ("-- -scenario y", "run -- -scenario y"),
            ("-color report", "run --color report"),
            ("report - -json", "report - --json"),
            ("-scenario", "run --scenario"),
        ];
        for (given, expected) in table {
            assert_eq!(of(given), expected, "{given}");
        }
    }

    /// Catches a cluster of short options that is taken for a long one, and the reverse.
    #[test]
    fn clusters_and_misspelt_options_are_told_apart() {
        let table = [
            ("run -v", "run -v"),
            ("run -vv", "run -vv"),
            ("run -vvv -verbose", "run -vvv --verbose"),
            ("run -verbos", "run --verbos"),
            ("-scenaro x", "run --scenaro x"),
            ("-hlep", "run --hlep"),
            ("-5", "-5"),
            ("repot f", "repot f"),
        ];
        for (given, expected) in table {
            assert_eq!(of(given), expected, "{given}");
        }
    }

    /// Catches a rewritten command line that clap answers with anything but its own suggestion.
    #[test]
    fn suggestions_are_claps() {
        let error = |line: &str| {
            let words = normalise(&command(), "run", line.split_whitespace().map(OsString::from));
            let words = std::iter::once(OsString::from("harness")).chain(words);
            command().try_get_matches_from(words).unwrap_err().to_string()
        };
        assert!(error("-scenaro x").contains("a similar argument exists: '--scenario'"));
        assert!(error("report -formt json x").contains("'--format'"));
        assert!(error("repot f").contains("'report'"));
    }

    /// Catches a panic on words that are no text.
    #[cfg(unix)]
    #[test]
    fn words_need_not_be_text() {
        use std::os::unix::ffi::OsStringExt;
        let odd = OsString::from_vec(vec![b'-', 0xff]);
        assert_eq!(normalise(&command(), "run", [odd.clone()]), [odd]);
    }

    proptest::proptest! {
        /// Catches a word that is lost, doubled or moved.
        #[test]
        fn words_are_neither_lost_nor_moved(
            words in proptest::collection::vec("-{0,3}[a-z=-]{0,9}", 0..8)
        ) {
            let done = normalise(&command(), "run", words.iter().map(OsString::from));
            let bare = |word: &str| word.trim_start_matches('-').to_owned();
            let mut done: Vec<String> =
                done.iter().map(|word| bare(word.to_str().unwrap())).collect();
            let given: Vec<String> = words.iter().map(|word| bare(word)).collect();
            if done.len() > given.len() {
                let run = done.iter().position(|word| word == "run").unwrap();
                done.remove(run);
            }
            proptest::prop_assert_eq!(done, given);
        }
    }
}
