//! The client's connections to a node, in counts: said by the client, kept by the recorder, shown by the report.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The client's connections to one node, at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Connections {
    /// Open now.
    pub open: u64,
    /// Open and waiting for work.
    pub idle: u64,
    /// Open and at work.
    pub in_use: u64,
    /// The most that were ever open.
    pub high_water: u64,
    /// Attempts to connect since the start, whether anybody took them or not.
    #[serde(default)]
    pub dialled: u64,
    /// Opened since the start.
    pub opened: u64,
    /// Closed since the start.
    pub closed: u64,
    /// Closed since the start because what they would deliver next was in doubt.
    pub poisoned: u64,
}

/// What became of the client's connections to a node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ClosedConnections {
    /// Opened in all.
    pub opened: u64,
    /// Closed, by cause.
    pub closed: BTreeMap<String, u64>,
    /// Closed because what they would deliver next was in doubt.
    pub poisoned: u64,
    /// The most that were open at once.
    pub high_water: u64,
}

/// Why a client connection was closed.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    schemars::JsonSchema,
    strum::IntoStaticStr,
    strum::VariantArray,
)]
#[strum(serialize_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum CloseCause {
    /// The operation's deadline passed: a reply may still come.
    Timeout,
    /// The caller gave up: a reply may still come.
    Cancelled,
    /// Reading or writing failed.
    Io,
    /// The peer closed it.
    PeerClosed,
    /// A reply that the request cannot have, or for another key.
    Protocol,
    /// It was idle for too long.
    Idle,
    /// It was open for too long.
    Lifetime,
    /// Its node was given up, and every connection with it.
    NodeDown,
    /// The client is shutting down.
    Shutdown,
}

impl CloseCause {
    /// Every cause.
    pub const ALL: &'static [Self] = <Self as strum::VariantArray>::VARIANTS;

    /// The name in reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// Whether the connection was closed because what it would deliver next was in doubt.
    #[must_use]
    pub const fn is_poison(self) -> bool {
        matches!(self, Self::Timeout | Self::Cancelled | Self::Protocol)
    }
}
