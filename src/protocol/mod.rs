//! The protocols of caches. What is a protocol's own stands in its folder and nowhere else; here they are
//! listed, and told apart for a connection: by what it was said to speak, or by its first bytes.

pub(crate) mod conversation;
pub(crate) mod exchange;
mod first;
mod kind;
pub mod memcached;
pub mod node;
pub(crate) mod observe;
pub mod probe;
mod request;
pub mod resp;
pub(crate) mod speech;
pub mod statistics;

/// Both directions of one connection, in the words of [`exchange`].
pub(crate) use conversation::Conversation;
/// What is known of a server before a connection to it begins.
pub(crate) use memcached::frame::version::ServerVersion as Known;

/// What a connection speaks.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    strum::EnumString,
    strum::IntoStaticStr,
    strum::VariantNames,
)]
#[strum(serialize_all = "snake_case")]
pub enum Protocol {
    /// memcached's: classic text, meta and binary.
    #[default]
    Memcached,
    /// That of Redis and Valkey.
    Resp,
}

impl Protocol {
    /// The name in files and in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.into()
    }
}
