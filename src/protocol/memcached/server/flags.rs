//! The flags of a meta line, read at once and checked.

use std::borrow::Cow;

use super::base64_key;
use super::number;
use super::session::Context;
use crate::protocol::memcached::frame::number::old_i32;

/// The answer to an opaque token that is too long.
pub(super) const OPAQUE_TOO_LONG: &str = "CLIENT_ERROR opaque token too long";
const DUPLICATE: &str = "CLIENT_ERROR duplicate flag";
const INVALID: &str = "CLIENT_ERROR invalid flag";
const BAD_TOKEN: &str = "CLIENT_ERROR bad token in command line format";

/// What the flags of a meta line ask for, apart from what is only to be told.
#[derive(Clone, Debug)]
pub(super) struct Flags<'a> {
    /// The key, decoded.
    pub(super) key: Cow<'a, [u8]>,
    /// `b`: it came in base64.
    pub(super) key_encoded: bool,
    /// `v`: the value is wanted.
    pub(super) value: bool,
    /// `q`: the usual answer is not.
    pub(super) quiet: bool,
    /// `u`: the read does not count as a use.
    pub(super) no_bump: bool,
    /// `I`: keep the item but mark it as stale, or store although newer.
    pub(super) invalidate: bool,
    /// `T`: the new expiry, in node seconds.
    pub(super) deadline: Option<u32>,
    /// `N`: the expiry of an item that is made on a miss.
    pub(super) create: Option<u32>,
    /// `R`: an item that expires before this may be fetched anew.
    pub(super) recache: Option<u32>,
    /// `C`: the cas unique that the item must have.
    pub(super) cas: Option<u64>,
    /// `F`: the client's flags.
    pub(super) client_flags: u32,
    /// `M`: how to store or count.
    pub(super) mode: Option<u8>,
    /// `D`: by how much to count.
    pub(super) delta: u64,
    /// `J`: with what to begin to count.
    pub(super) initial: u64,
}

impl<'a> Flags<'a> {
    /// Reads the words behind the key (or the length).
    ///
    /// # Errors
    /// The answer to what cannot be read. An unknown or repeated flag ends the reading; of the
    /// others the last one is told, as memcached does.
    pub(super) fn read(
        words: &[&'a [u8]],
        key: &'a [u8],
        context: &Context<'_>,
    ) -> Result<Self, &'static str> {
        let mut flags = Self::without_any(key);
        let mut seen = 0_u128;
        let mut failed = false;
        let mut error = super::reply::BAD_FORMAT;
        for word in words {
            let name = word[0];
            let bit = 1_u128.checked_shl(u32::from(name)).filter(|_| name < 127).unwrap_or(0);
            if bit == 0 || seen & bit != 0 {
                return Err(DUPLICATE);
            }
            seen |= bit;
            match flags.read_one(name, &word[1..], context) {
                Ok(()) => {}
                Err(None) => failed = true,
                Err(Some(INVALID)) => return Err(INVALID),
                Err(Some(text)) => (failed, error) = (true, text),
            }
        }
        if failed { Err(error) } else { Ok(flags) }
    }

    const fn without_any(key: &'a [u8]) -> Self {
        Self {
            key: Cow::Borrowed(key),
            key_encoded: false,
            value: false,
            quiet: false,
            no_bump: false,
            invalidate: false,
            deadline: None,
            create: None,
            recache: None,
            cas: None,
            client_flags: 0,
            mode: None,
            delta: 1,
            initial: 0,
        }
    }

    /// Reads one flag. `Err(None)`: it is wrong, but the error text stays what it was.
    fn read_one(
        &mut self,
        name: u8,
        argument: &[u8],
        context: &Context<'_>,
    ) -> Result<(), Option<&'static str>> {
        let deadline = || match old_i32(argument) {
            Some(expiry) => Ok(Some(context.clock.deadline(expiry, context.now))),
            None => Err(Some(BAD_TOKEN)),
        };
        let unsigned = |error| number::unsigned(argument).ok_or(Some(error));
        match name {
            b'O' | b'P' | b'L' | b'k' | b's' | b't' | b'c' | b'f' | b'l' | b'h' => {}
            b'b' => {
                self.key_encoded = true;
                let key = base64_key::decode(&self.key);
                self.key = Cow::Owned(key.ok_or(Some("CLIENT_ERROR error decoding key"))?);
            }
            b'v' => self.value = true,
            b'q' => self.quiet = true,
            b'u' => self.no_bump = true,
            b'I' => self.invalidate = true,
            b'T' => self.deadline = deadline()?,
            b'N' => self.create = deadline()?,
            b'R' => self.recache = deadline()?,
            b'C' => self.cas = Some(unsigned(BAD_TOKEN)?),
            b'F' => self.client_flags = number::unsigned_32(argument).ok_or(None)?,
            b'M' => match argument {
                [mode] => self.mode = Some(*mode),
                _ => return Err(Some("CLIENT_ERROR incorrect length for M token")),
            },
            b'D' => self.delta = unsigned("CLIENT_ERROR invalid numeric delta value")?,
            b'J' => self.initial = unsigned("CLIENT_ERROR invalid numeric initial value")?,
            _ => return Err(Some(INVALID)),
        }
        Ok(())
    }
}
