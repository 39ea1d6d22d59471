//! What a connection speaks, by its first bytes.

use super::Protocol;
use super::resp::commands;

/// The longest word that a connection may begin with and still be looked at: no command is longer.
pub(super) const WORD_BYTES_MAX: usize = 20;
/// Words of HTTP that are commands of another protocol, too.
const HTTP: &[u8] = b"GET";

/// What a connection speaks that begins so; `None`: that may be either still. memcached's commands are small
/// letters; a request that is a line of words is known by its first, if it is in capitals.
pub(super) fn spoken(word: &[u8]) -> Option<Protocol> {
    if word.first() == Some(&b'*') {
        return Some(Protocol::Resp);
    }
    let Some(end) = word.iter().position(|byte| !byte.is_ascii_uppercase()) else {
        return (word.len() > WORD_BYTES_MAX).then_some(Protocol::Memcached);
    };
    let (word, behind) = word.split_at(end);
    let ends = matches!(behind[0], b' ' | b'\r' | b'\n');
    let is_resp = ends && word != HTTP && commands::known(word).is_some();
    Some(if is_resp { Protocol::Resp } else { Protocol::Memcached })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Catches a connection that is decided too early, too late, or for the wrong protocol.
    #[test]
    fn the_first_bytes_tell() {
        for (bytes, expected) in [
            ("", None),
            ("*", Some(Protocol::Resp)),
            ("P", None),
            ("PING", None),
            ("PING\r", Some(Protocol::Resp)),
            ("SET k", Some(Protocol::Resp)),
            ("GET /", Some(Protocol::Memcached)),
            ("POST /", Some(Protocol::Memcached)),
            ("get k", Some(Protocol::Memcached)),
            ("\u{16}", Some(Protocol::Memcached)),
            ("ABCDEFGHIJKLMNOPQRSTUVW", Some(Protocol::Memcached)),
        ] {
            assert_eq!(spoken(bytes.as_bytes()), expected, "{bytes:?}");
        }
    }
}
