//! Which requests a message fault means: by command and by key. Commands are compared in any case, keys byte
//! for byte.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use crate::base::family::unknown;
use crate::base::glob::Glob;
use crate::protocol::memcached::frame::binary;
use crate::protocol::memcached::frame::command::{Command, Dialect};
use crate::protocol::memcached::frame::meta;
use crate::protocol::memcached::frame::request::Framing;

const _: () = assert!(Command::ALL.len() <= u64::BITS as usize, "a command is a bit of a mask");

/// A request, as far as a rule looks at it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RequestView<'a> {
    pub(crate) framing: &'a Framing,
    /// The line without its line end, or header, extras and key of a packet.
    pub(crate) head: &'a [u8],
}

impl RequestView<'_> {
    /// Whether `wanted` holds of any key, base64 keys decoded.
    pub(crate) fn any_key(&self, mut wanted: impl FnMut(&[u8]) -> bool) -> bool {
        let mut keys = self.framing.keys(self.head);
        if !self.has_base64_key() {
            return keys.any(wanted);
        }
        // What does not decode is refused by the server and has no key.
        keys.any(|key| BASE64.decode(key).is_ok_and(|key| wanted(&key)))
    }

    fn has_base64_key(&self) -> bool {
        self.framing.dialect == Dialect::Meta
            && meta::request_flags(self.framing.command, self.head).any(|flag| flag.name == b'b')
    }
}

/// Matches requests.
#[derive(Clone, Debug)]
pub(crate) struct Matcher {
    /// A bit for each command.
    commands: u64,
    /// `None`: any key, or none.
    key: Option<Glob>,
}

impl Matcher {
    /// `command` is one glob or several with commas between them.
    ///
    /// # Errors
    /// When no command that has a reply is meant.
    pub(crate) fn new(command: &str, key: &str) -> Result<Self, String> {
        let mut commands = 0;
        for pattern in command.split(',').map(str::trim) {
            let glob = Glob::new(pattern.to_ascii_lowercase().as_bytes());
            let found = answered()
                .filter(|command| glob.matches(command.name().as_bytes()))
                .fold(0, |mask, command| mask | bit(command));
            if found == 0 {
                return Err(unknown("command", pattern, &names()));
            }
            commands |= found;
        }
        let key = (key != "*").then(|| Glob::new(key.as_bytes()));
        Ok(Self { commands, key })
    }

    /// Whether a request may match whose head, not finished yet, begins so: as far as the command tells.
    pub(crate) fn may_match(&self, beginning: &[u8]) -> bool {
        if beginning.first() == Some(&binary::REQUEST_MAGIC) {
            let Some(opcode) = beginning.get(1) else { return true };
            let command = binary::operation(*opcode).command;
            // A store with a cas is a `cas`.
            return self.means(command) || command.is_storage() && self.means(Command::Cas);
        }
        let spaces = beginning.iter().take_while(|byte| **byte == b' ').count();
        let line = &beginning[spaces..];
        let said = |command| match command {
            Command::Metadump | Command::Mgdump => Command::LruCrawler.name(),
            command => command.name(),
        };
        let (word, ended) = match line.iter().position(|byte| *byte == b' ') {
            Some(end) => (&line[..end], true),
            None => (line, false),
        };
        // A server may take any beginning of some names for the whole.
        answered().filter(|command| self.means(*command)).any(|command| {
            let name = said(command).as_bytes();
            name == word || name.starts_with(word) && (!ended || command.is_admin())
        })
    }

    const fn means(&self, command: Command) -> bool {
        self.commands & bit(command) != 0
    }

    pub(crate) fn matches(&self, request: &RequestView<'_>) -> bool {
        self.means(request.framing.command)
            && self.key.as_ref().is_none_or(|glob| request.any_key(|key| glob.matches(key)))
    }
}

/// The names of the commands that can be meant.
pub(crate) fn names() -> Vec<&'static str> {
    answered().map(Command::name).collect()
}

/// The commands that a fault can be put in the place of: known, and answered with a reply.
fn answered() -> impl Iterator<Item = Command> {
    use Command::{Http, Quit, Shutdown, Unknown, Watch};
    let all = Command::ALL.iter().copied();
    all.filter(|command| !matches!(command, Http | Quit | Shutdown | Unknown | Watch))
}

const fn bit(command: Command) -> u64 {
    1 << command.position()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::memcached::frame::text::frame_request;
    use crate::protocol::memcached::frame::version::ServerVersion;

    fn matches(command: &str, key: &str, line: &str) -> bool {
        let framing = frame_request(line.as_bytes(), ServerVersion::V1_6_18);
        let view = RequestView { framing: &framing, head: line.as_bytes() };
        Matcher::new(command, key).unwrap().matches(&view)
    }

    /// Catches keys that are not looked at (a multi-get), taken from the wrong token (gat), compared
    /// without case, or not decoded (meta base64).
    #[test]
    fn every_key_is_looked_at() {
        assert!(matches("get", "b", "get a b c"));
        assert!(matches("gat", "b", "gat 0 b"));
        assert!(!matches("gat", "0", "gat 0 b"));
        assert!(!matches("get", "foo", "get FOO"));
        assert!(matches("mg", "foo", "mg Zm9v b v"));
        assert!(!matches("mg", "Zm9v", "mg Zm9v b v"));
        assert!(matches("mg", "Zm9v", "mg Zm9v v"));
    }

    /// Catches a head that is kept back although no rule can mean it, and one that is let go too early.
    #[test]
    fn the_beginning_of_a_head_may_be_enough() {
        let may = |command: &str, head: &[u8]| Matcher::new(command, "*").unwrap().may_match(head);
        for head in [&b"g"[..], b"get", b"get so", b"  ge", b"\x80", b"\x80\x00", b"\x80\x09\x00"] {
            assert!(may("get", head), "{}", head.escape_ascii());
        }
        for head in [&b"s"[..], b"gets k", b"GET / HT", b"\x16\x03\x01", b"*3", b"\x80\x01", b"gat"]
        {
            assert!(!may("get", head), "{}", head.escape_ascii());
        }
        assert!(may("cas", b"\x80\x01") && may("flush_all", b"flush_a") && may("*", b""));
        assert!(!may("*", b"\x16\x03") && !may("*", b"nonsense"));
    }

    /// Catches a command that is compared with case, a list that is not one, and a key glob that
    /// matches a request without a key.
    #[test]
    fn commands_are_globs_in_any_case() {
        assert!(matches("G*", "*", "gets a"));
        assert!(matches("set, mg", "*", "mg a v"));
        assert!(!matches("set,mg", "*", "get a"));
        assert!(matches("*", "*", "version"));
        assert!(!matches("*", "a*", "version"));
        assert!(!matches("*", "*", "quit"));
        let error = Matcher::new("gett", "*").unwrap_err();
        assert!(error.starts_with("unknown command `gett`; did you mean `get`"), "{error}");
    }
}
