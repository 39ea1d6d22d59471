//! What one proxy saw over a whole run, beyond the counts of its phases.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::base::name::NodeIndex;
use crate::base::time::Offset;

/// What the proxy of one node saw.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WireNode {
    /// The node.
    pub node: NodeIndex,
    /// From the end of the warm-up to the drain: how long a reply had been due when a client closed its
    /// connection of itself.
    pub given_up: WireTimes,
    /// In the same time: how long connections were open that their clients closed without a word.
    pub silent: WireTimes,
    /// What was asked for elsewhere and again.
    pub asked: WireAsked,
    /// What passed when; empty: nobody looked.
    pub pieces: WirePieces,
}

/// What was asked for on another node than its home, and what came again. Shares of what was followed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WireAsked {
    /// In the fault phase: requests for keys of this node, to it.
    pub at_home: u64,
    /// The same, to another node.
    pub elsewhere: u64,
    /// Requests that had no answer when their connection ended, and were waited for to come again.
    pub unanswered: u64,
    /// Those that came again.
    pub unanswered_again: u64,
    /// Answered requests that were waited for as long.
    pub answered: u64,
    /// Those that came again: by chance.
    pub answered_again: u64,
}

/// What passed one proxy in pieces of time of one length, from the start of the run. What came after the
/// last of them was not looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WirePieces {
    /// The length of a piece.
    pub length: Duration,
    /// One after the other.
    pub all: Vec<WirePiece>,
    /// When the system turned clients away by itself, which nobody sees; the last may have no end.
    pub shut: Vec<(Offset, Option<Offset>)>,
}

/// What passed in one piece of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "[u32; 4]", into = "[u32; 4]")]
pub struct WirePiece {
    /// Connections accepted.
    pub connects: u32,
    /// Requests read.
    pub requests: u32,
    /// Replies written to a client that had not left.
    pub replies: u32,
    /// Connections that the client closed first.
    pub closes: u32,
}

impl From<[u32; 4]> for WirePiece {
    fn from([connects, requests, replies, closes]: [u32; 4]) -> Self {
        Self { connects, requests, replies, closes }
    }
}

impl From<WirePiece> for [u32; 4] {
    fn from(piece: WirePiece) -> Self {
        let WirePiece { connects, requests, replies, closes } = piece;
        [connects, requests, replies, closes]
    }
}

/// How long some requests took on the wire, in microseconds within 1 %; `null`: there was none.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema,
)]
pub struct WireTimes {
    /// How many there were.
    pub count: u64,
    /// The median.
    pub p50: Option<u64>,
    /// 95 % took at most this long.
    pub p95: Option<u64>,
    /// 99 % took at most this long.
    pub p99: Option<u64>,
    /// The longest.
    pub max: Option<u64>,
}
