//! A key that may be sent: proof by construction.

use std::fmt;
use std::sync::Arc;

/// The longest key that memcached takes, in bytes.
pub const KEY_BYTES_MAX: usize = 250;

/// 1 to 250 bytes, each a visible ASCII character: what every memcached and every client takes.
///
/// memcached itself allows more (control characters and bytes above 0x7e), but clients disagree
/// about them, so a client that wants its data back does not send them.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(Arc<[u8]>);

/// Why some bytes are no key. The bytes themselves stay out of the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// No bytes at all.
    #[error("a key cannot be empty")]
    Empty,
    /// More than [`KEY_BYTES_MAX`] bytes.
    #[error("a key of {length} bytes is too long; memcached takes at most 250")]
    TooLong {
        /// How many bytes there were.
        length: usize,
    },
    /// A space, a control character or a byte above 0x7e.
    #[error("byte {byte:#04x} at position {position} cannot be in a key; use 0x21 to 0x7e")]
    Byte {
        /// The byte.
        byte: u8,
        /// Where it stands, from 0.
        position: usize,
    },
}

impl Key {
    /// Checks the bytes.
    ///
    /// # Errors
    /// When they cannot be sent as a key.
    pub fn new(bytes: impl AsRef<[u8]>) -> Result<Self, KeyError> {
        let bytes = bytes.as_ref();
        if bytes.is_empty() {
            return Err(KeyError::Empty);
        }
        if bytes.len() > KEY_BYTES_MAX {
            return Err(KeyError::TooLong { length: bytes.len() });
        }
        match bytes.iter().position(|byte| !(0x21..=0x7e).contains(byte)) {
            Some(position) => Err(KeyError::Byte { byte: bytes[position], position }),
            None => Ok(Self(bytes.into())),
        }
    }

    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The text: every key is ASCII.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("a key holds visible ASCII only")
    }
}

impl AsRef<[u8]> for Key {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// Keys stay out of messages and logs: only the length is shown.
impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({} bytes)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Catches a key that would run as a second command or that memcached refuses.
    #[test]
    fn only_what_every_server_takes() {
        assert_eq!(Key::new("").unwrap_err(), KeyError::Empty);
        assert_eq!(Key::new("x".repeat(251)).unwrap_err(), KeyError::TooLong { length: 251 });
        assert!(Key::new("x".repeat(250)).is_ok());
        for byte in (0..=0x20).chain(0x7f..=0xff_u8) {
            let expected = KeyError::Byte { byte, position: 1 };
            assert_eq!(Key::new([b'a', byte]).unwrap_err(), expected);
        }
        assert_eq!(Key::new("user:1").unwrap().as_str(), "user:1");
    }

    /// Catches a key that leaks into a log.
    #[test]
    fn debug_hides_the_key() {
        assert_eq!(format!("{:?}", Key::new("secret").unwrap()), "Key(6 bytes)");
    }
}
