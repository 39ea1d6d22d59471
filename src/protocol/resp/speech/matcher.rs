//! Which requests a message fault means: by command and by key. Commands are compared in any case, keys byte
//! for byte.

use crate::base::glob::Glob;
use crate::protocol::resp::commands::{self, Command};
use crate::protocol::resp::frame::number::decimal;

/// Commands that no reply can be put in the place of, or whose replies are a stream.
const NOT_MEANT: &[&str] = &[
    "monitor",
    "psubscribe",
    "psync",
    "punsubscribe",
    "quit",
    "shutdown",
    "ssubscribe",
    "subscribe",
    "sunsubscribe",
    "sync",
    "unsubscribe",
];

/// Matches requests.
#[derive(Clone, Debug)]
pub(crate) struct Matcher {
    /// A bit for each command, by its place.
    commands: [u64; 4],
    /// Whether a command is meant that is not in the table.
    unknown: bool,
    /// `None`: any key, or none.
    key: Option<Glob>,
}

impl Matcher {
    /// `commands` are globs with commas between them. `None`: they mean no command that has a reply.
    pub(crate) fn new(commands: &str, key: &str) -> Option<Self> {
        let key = (key != "*").then(|| Glob::new(key.as_bytes()));
        let mut matcher = Self { commands: [0; 4], unknown: false, key };
        for pattern in commands.split(',').map(str::trim) {
            let glob = Glob::new(pattern.to_ascii_lowercase().as_bytes());
            let mut found = false;
            for command in answered().filter(|command| glob.matches(name(command).as_bytes())) {
                let place = command.verb.word.place;
                matcher.commands[place / 64] |= 1 << (place % 64);
                found = true;
            }
            if !found {
                return None;
            }
            matcher.unknown |= pattern == "*";
        }
        Some(matcher)
    }

    pub(crate) fn matches<'a>(
        &self,
        command: &Command,
        mut keys: impl Iterator<Item = &'a [u8]>,
    ) -> bool {
        self.means(command)
            && self.key.as_ref().is_none_or(|glob| keys.any(|key| glob.matches(key)))
    }

    fn means(&self, command: &Command) -> bool {
        let place = command.verb.word.place;
        if place == commands::UNKNOWN.verb.word.place {
            return self.unknown;
        }
        self.commands[place / 64] & 1 << (place % 64) != 0
    }

    /// Whether a request may match whose bytes, not all there yet, begin so: as far as its name tells.
    pub(crate) fn may_match(&self, beginning: &[u8]) -> bool {
        match name_in(beginning) {
            Name::Whole(name) => self.means(commands::find(name)),
            Name::Open => true,
            Name::None => false,
        }
    }
}

/// The name of a request whose bytes are not all there.
enum Name<'a> {
    Whole(&'a [u8]),
    Open,
    None,
}

fn name_in(beginning: &[u8]) -> Name<'_> {
    let Some(first) = beginning.first() else { return Name::Open };
    if *first != b'*' {
        if !first.is_ascii_alphabetic() {
            return Name::None;
        }
        let end = beginning.iter().position(u8::is_ascii_whitespace);
        return end.map_or(Name::Open, |end| Name::Whole(&beginning[..end]));
    }
    let mut lines = beginning.split_inclusive(|byte| *byte == b'\n');
    let count = lines.next().unwrap_or_default();
    let (Some(length), Some(count)) = (lines.next(), count.strip_suffix(b"\r\n")) else {
        return Name::Open;
    };
    let Some(digits) = length.strip_prefix(b"$") else { return Name::None };
    let Some(digits) = digits.strip_suffix(b"\r\n") else { return Name::Open };
    let rest = &beginning[count.len() + 2 + length.len()..];
    match decimal(digits).and_then(|length| usize::try_from(length).ok()) {
        Some(length) => rest.get(..length).map_or(Name::Open, Name::Whole),
        None => Name::None,
    }
}

/// The names of the commands that can be meant.
pub(crate) fn names() -> Vec<&'static str> {
    answered().map(name).collect()
}

fn answered() -> impl Iterator<Item = &'static Command> {
    commands::all().filter(|command| !NOT_MEANT.contains(&name(command)))
}

fn name(command: &Command) -> &'static str {
    command.verb.word.name
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Catches a bytes-by-bytes beginning that is let go too early, or kept back although no rule can mean it.
    #[test]
    fn the_beginning_of_a_request_may_be_enough() {
        let may = |commands: &str, beginning: &[u8]| {
            Matcher::new(commands, "*").unwrap().may_match(beginning)
        };
        for beginning in [
            &b""[..],
            b"*",
            b"*2\r\n",
            b"*2\r\n$3\r",
            b"*2\r\n$3\r\nGE",
            b"*2\r\n$3\r\ngEt\r\n",
            b"GET",
            b"get a",
        ] {
            assert!(may("get", beginning), "{}", beginning.escape_ascii());
        }
        for beginning in [&b"*2\r\n$3\r\nSET"[..], b"set a", b"\x16\x03", b"*2\r\n+x"] {
            assert!(!may("get", beginning), "{}", beginning.escape_ascii());
        }
        assert!(may("*", b"*1\r\n$9\r\nNOSUCHCMD") && !may("get*", b"*1\r\n$9\r\nNOSUCHCMD"));
    }

    /// Catches a glob that means no command, a key of several that is not looked at, and a command that has
    /// no ordinary reply.
    #[test]
    fn commands_and_keys_are_globs() {
        let keys = || [&b"a"[..], b"user:1"].into_iter();
        let matches = |commands: &str, key: &str, name: &[u8]| {
            Matcher::new(commands, key).unwrap().matches(commands::find(name), keys())
        };
        assert!(matches("get,m*", "user:*", b"MGET"));
        assert!(!matches("get,m*", "b", b"MGET"));
        assert!(matches("*", "*", b"nosuch") && !matches("*", "*", b"SUBSCRIBE"));
        assert!(Matcher::new("get,nosuch", "*").is_none());
    }
}
