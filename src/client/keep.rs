//! How a value is kept.

use super::ttl::Ttl;

/// How a value is kept: how long, and the number that is stored beside it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Keep {
    /// How long it lives.
    pub ttl: Ttl,
    /// The client flags: what they mean is the application's affair.
    pub flags: u32,
}

impl From<Ttl> for Keep {
    /// Without flags.
    fn from(ttl: Ttl) -> Self {
        Self { ttl, flags: 0 }
    }
}
