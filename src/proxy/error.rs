//! What can be wrong with a request to the proxies, with Toxiproxy's meanings and words.

use crate::base::family::SettingError;
use crate::proxy::config::{PROXIES_MAX, TOXICS_MAX};

/// Why a request about a proxy or a toxic failed. Nothing has changed then.
#[derive(Debug, thiserror::Error)]
pub enum ProxyError {
    /// A field that must be given is empty.
    #[error("missing required field: {0}")]
    MissingField(&'static str),
    /// No proxy of this name.
    #[error("proxy not found")]
    ProxyNotFound,
    /// A proxy of this name exists.
    #[error("proxy already exists")]
    ProxyExists,
    /// No toxic of this name on the proxy.
    #[error("toxic not found")]
    ToxicNotFound,
    /// A toxic of this name exists on the proxy, in whichever stream.
    #[error("toxic already exists")]
    ToxicExists,
    /// No open connection of this number on the proxy.
    #[error("connection not found")]
    ConnectionNotFound,
    /// No such stream.
    #[error("stream was invalid, can be either upstream or downstream")]
    InvalidStream,
    /// No such kind of toxic; the hint names the nearest ones.
    #[error("invalid toxic type")]
    InvalidToxicType {
        /// What was meant, perhaps.
        hint: String,
    },
    /// A setting that the kind does not have or does not take.
    #[error(transparent)]
    Attribute(#[from] SettingError),
    /// The listening address is none, or cannot be had.
    #[error("{message}")]
    Listen {
        /// In the words of Toxiproxy where it has them.
        message: String,
        /// Whether the address itself is wrong, rather than taken.
        invalid: bool,
    },
    /// The set is full.
    #[error("there may be {PROXIES_MAX} proxies; delete some")]
    TooManyProxies,
    /// The proxy is full.
    #[error("a proxy may have {TOXICS_MAX} toxics; remove some")]
    TooManyToxics,
    /// The set of proxies was closed.
    #[error("the proxies were shut down")]
    Closed,
}
