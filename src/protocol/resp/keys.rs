//! Where a command has its keys.

use super::frame::command::Command;
use super::frame::number::decimal;

/// Where the keys of a command are among its arguments; its name is argument 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keys {
    /// From here to there, with steps between; below 0: from the end.
    Range { first: usize, last: isize, step: usize },
    /// As many behind a number as that says, and the first argument, if that is where the result goes.
    Counted { at: usize, destination: bool },
    /// The first half of what is behind the word `STREAMS`.
    Streams,
    /// The first argument, and the one behind the last `STORE` or `STOREDIST`.
    Stores,
    /// The third argument, or if that is empty all behind the word `KEYS`.
    Migrate,
}

impl Keys {
    pub(crate) const NONE: Self = Self::Range { first: 1, last: 0, step: 1 };
    pub(crate) const ONE: Self = Self::Range { first: 1, last: 1, step: 1 };
    pub(crate) const TWO: Self = Self::Range { first: 1, last: 2, step: 1 };
    pub(crate) const ALL: Self = Self::Range { first: 1, last: -1, step: 1 };
    pub(crate) const ALL_BUT_LAST: Self = Self::Range { first: 1, last: -2, step: 1 };
    pub(crate) const EVERY_OTHER: Self = Self::Range { first: 1, last: -1, step: 2 };
    pub(crate) const FROM_SECOND: Self = Self::Range { first: 2, last: -1, step: 1 };
    pub(crate) const ONE_OF_SUBCOMMAND: Self = Self::Range { first: 2, last: 2, step: 1 };
    pub(crate) const DESTINATION_AND_COUNTED: Self = Self::Counted { at: 2, destination: true };
    pub(crate) const STREAMS: Self = Self::Streams;
    pub(crate) const STORES: Self = Self::Stores;
    pub(crate) const MIGRATE: Self = Self::Migrate;

    pub(crate) const fn counted(at: usize) -> Self {
        Self::Counted { at, destination: false }
    }

    /// The keys of a command, as far as its arguments are shown.
    pub(crate) fn of(self, command: Command<'_>) -> Found<'_> {
        let count = command.count();
        let none = Found { command, apart: None, next: 0, end: 0, step: 1 };
        match self {
            Self::Range { first, last, step } => {
                let end = match usize::try_from(last) {
                    Ok(last) => (last + 1).min(count),
                    Err(_) => (count + 1).saturating_sub(last.unsigned_abs()),
                };
                Found { next: first, end, step, ..none }
            }
            Self::Counted { at, destination } => {
                let number = command.argument(at).and_then(decimal);
                let number = number.and_then(|number| usize::try_from(number).ok()).unwrap_or(0);
                let end = (at + 1).saturating_add(number).min(count);
                Found { apart: destination.then_some(1), next: at + 1, end, ..none }
            }
            Self::Streams => {
                let Some(word) = place_of(&command, &["streams"]).next() else { return none };
                let next = word + 1;
                Found { next, end: next + count.saturating_sub(next) / 2, ..none }
            }
            Self::Stores => {
                let apart = place_of(&command, &["store", "storedist"]).last();
                Found { apart: apart.map(|word| word + 1), next: 1, end: 2, ..none }
            }
            Self::Migrate => match command.argument(3) {
                Some([]) => match place_of(&command, &["keys"]).next() {
                    Some(word) => Found { next: word + 1, end: count, ..none },
                    None => none,
                },
                _ => Found { next: 3, end: 4, ..none },
            },
        }
    }
}

/// Where a word stands, in any case.
fn place_of<'a>(
    command: &'a Command<'_>,
    words: &'static [&'static str],
) -> impl Iterator<Item = usize> + 'a {
    let is_word =
        |argument: &[u8]| words.iter().any(|word| argument.eq_ignore_ascii_case(word.as_bytes()));
    let arguments = command.arguments().enumerate().skip(1);
    arguments.filter(move |(_, argument)| is_word(argument)).map(|(place, _)| place)
}

/// The keys of a command, one after the other.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Found<'a> {
    command: Command<'a>,
    /// The place of one that stands apart.
    apart: Option<usize>,
    next: usize,
    end: usize,
    step: usize,
}

impl<'a> Iterator for Found<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        if let Some(apart) = self.apart.take().and_then(|place| self.command.argument(place)) {
            return Some(apart);
        }
        let key = self.command.argument(self.next).filter(|_| self.next < self.end)?;
        self.next += self.step;
        Some(key)
    }
}

#[cfg(test)]
mod tests {
    use crate::protocol::resp::commands;
    use crate::protocol::resp::frame::command::{Commands, Event};

    fn keys(line: &str) -> String {
        let mut parser = Commands::new(usize::MAX);
        let line = format!("{line}\r\n");
        let Ok(Some(Event::Command(command))) = parser.next(&mut line.as_bytes()) else {
            panic!("{line}")
        };
        let keys = commands::find(command.name()).keys.of(command);
        keys.map(String::from_utf8_lossy).collect::<Vec<_>>().join(" ")
    }

    /// Catches a value that is taken for a key, a key that is not looked at, and arguments that would be read
    /// beyond their end.
    #[test]
    fn each_command_has_its_keys_where_the_server_has_them() {
        for (line, expected) in [
            ("GET a", "a"),
            ("set k v EX 10", "k"),
            ("MGET a b c", "a b c"),
            ("MSET a 1 b 2", "a b"),
            ("DEL", ""),
            ("PING x", ""),
            ("BLPOP a b 0", "a b"),
            ("RENAME a b", "a b"),
            ("BITOP AND d a b", "d a b"),
            ("EVAL script 2 a b v", "a b"),
            ("EVAL script 9 a b", "a b"),
            ("EVAL script -1 a", ""),
            ("ZUNIONSTORE d 2 a b WEIGHTS 1 2", "d a b"),
            ("ZUNION 1 a", "a"),
            ("XREAD COUNT 2 streams a b 0-0 0-0", "a b"),
            ("XREAD COUNT 2", ""),
            ("XINFO STREAM s", "s"),
            ("OBJECT ENCODING k", "k"),
            ("SORT k BY nosort STORE d", "d k"),
            ("MIGRATE h 1 k 0 1", "k"),
            ("MIGRATE h 1 \"\" 0 1 KEYS a b", "a b"),
            ("LMPOP 2 a b LEFT", "a b"),
            ("NOSUCH a", ""),
        ] {
            assert_eq!(keys(line), expected, "{line}");
        }
    }
}
