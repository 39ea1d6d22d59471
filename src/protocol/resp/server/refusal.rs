//! Why a command is not carried out, in the server's words.

use std::borrow::Cow;

use super::store::Full;

/// Why a command is not carried out: the line, with its code.
#[derive(Debug)]
pub(super) struct Refusal(Cow<'static, [u8]>);

impl Refusal {
    pub(super) const SYNTAX: Self = Self::of("ERR syntax error");
    pub(super) const NO_INTEGER: Self = Self::of("ERR value is not an integer or out of range");
    pub(super) const OVERFLOW: Self = Self::of("ERR increment or decrement would overflow");
    pub(super) const FULL: Self =
        Self::of("OOM command not allowed when used memory > 'maxmemory'.");

    pub(super) const fn of(line: &'static str) -> Self {
        Self(Cow::Borrowed(line.as_bytes()))
    }

    pub(super) fn saying(line: impl Into<Vec<u8>>) -> Self {
        Self(Cow::Owned(line.into()))
    }

    pub(super) fn line(&self) -> &[u8] {
        &self.0
    }

    /// The command with this name (`client|id` of one with a second word) has too few or too many arguments.
    pub(super) fn arguments(name: &str) -> Self {
        Self::saying(format!("ERR wrong number of arguments for '{name}' command"))
    }

    pub(super) fn expiry(name: &str) -> Self {
        Self::saying(format!("ERR invalid expire time in '{name}' command"))
    }
}

impl From<Full> for Refusal {
    fn from(_: Full) -> Self {
        Self::FULL
    }
}
