//! What a proxy and a toxic are asked to be, and what they are: plain data, as the API shows it.

use std::fmt;
use std::str::FromStr;

use crate::base::family::Settings;
use crate::base::name::NodeIndex;
use crate::protocol::Protocol;

/// How many proxies a set may have: a body of the longest allowed length would name a hundred times
/// as many, and each costs a listener's descriptor.
pub const PROXIES_MAX: usize = 4096;

/// How many toxics a proxy may have. Each is a stage of every connection, and a change rebuilds the
/// table: far more than a test needs, and few enough that a thousand proxies full of them are set up
/// in a second.
pub const TOXICS_MAX: usize = 256;

/// Which bytes of a connection a toxic acts on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stream {
    /// From the client to the server.
    Upstream,
    /// Both, each with a state and draws of its own.
    Both,
    /// From the server to the client.
    #[default]
    Downstream,
}

impl Stream {
    /// The name in files and in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Upstream => "upstream",
            Self::Both => "both",
            Self::Downstream => "downstream",
        }
    }

    /// Whether bytes of `direction` are meant.
    pub(in crate::proxy) const fn covers(self, direction: Direction) -> bool {
        matches!(
            (self, direction),
            (Self::Both, _) | (Self::Upstream, Direction::Up) | (Self::Downstream, Direction::Down)
        )
    }
}

impl fmt::Display for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Stream {
    type Err = super::ProxyError;

    /// Any case, as Toxiproxy takes it.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::Upstream, Self::Both, Self::Downstream]
            .into_iter()
            .find(|stream| stream.name().eq_ignore_ascii_case(text))
            .ok_or(super::ProxyError::InvalidStream)
    }
}

/// One direction of one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::proxy) enum Direction {
    Up,
    Down,
}

/// When the server is connected to, and how a failure looks to the client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dial {
    /// As soon as the client is accepted; a server that refuses is a reset client.
    #[default]
    Eager,
    /// As Toxiproxy: a server that refuses is a client that reads the end of the stream.
    Lazy,
}

/// A proxy as it is asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct ProxyConfig {
    /// Its name, unique.
    pub name: String,
    /// `host:port` to listen on; port 0 for any, no host for all interfaces.
    pub listen: String,
    /// `host:port`, or `unix:/path`.
    pub upstream: String,
    /// Whether it listens.
    pub enabled: bool,
    /// When and how the server is connected to.
    pub dial: Dial,
    /// What its connections speak; `None`: that is found out from the first bytes of each.
    pub protocol: Option<Protocol>,
    /// The node of the run that it stands in front of, for events.
    pub node: Option<NodeIndex>,
    /// Toxics that it has from the start.
    pub toxics: Vec<ToxicConfig>,
}

/// What changes about a proxy; `None` keeps what is there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProxyUpdate {
    /// Where it listens.
    pub listen: Option<String>,
    /// The server.
    pub upstream: Option<String>,
    /// Whether it listens.
    pub enabled: Option<bool>,
}

/// A proxy as it is.
#[derive(Clone, Debug, PartialEq)]
pub struct ProxyView {
    /// Its name.
    pub name: String,
    /// The bound address once it listened, else the address that was asked for.
    pub listen: String,
    /// The server.
    pub upstream: String,
    /// Whether it listens.
    pub enabled: bool,
    /// What its connections were said to speak.
    pub protocol: Option<Protocol>,
    /// The node of the run that it stands in front of.
    pub node: Option<NodeIndex>,
    /// Its toxics: upstream ones first, each direction in the order of creation.
    pub toxics: Vec<ToxicView>,
}

/// What became of something that was said to clients that did not ask for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Said {
    /// To how many connections it goes.
    pub connections: usize,
    /// How many are not told, because as much waits for them as may.
    pub refused: usize,
}

/// A toxic as it is asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct ToxicConfig {
    /// Its name, unique within the proxy; `None`: `<kind>_<stream>`.
    pub name: Option<String>,
    /// A kind of [`crate::proxy::fault::TOXICS`].
    pub kind: String,
    /// Which bytes it acts on.
    pub stream: Stream,
    /// The share of connections that it acts on: at or below 0 none, at or above 1 all. Drawn once
    /// for each direction of each connection.
    pub toxicity: f32,
    /// Its settings, in the units of their kind.
    pub attributes: Settings,
}

/// What changes about a toxic; `None` and absent attributes keep what is there.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ToxicUpdate {
    /// The share of connections.
    pub toxicity: Option<f32>,
    /// Settings that change.
    pub attributes: Settings,
}

/// A toxic as it is.
#[derive(Clone, Debug, PartialEq)]
pub struct ToxicView {
    /// Its name.
    pub name: String,
    /// Its kind.
    pub kind: String,
    /// Which bytes it acts on.
    pub stream: Stream,
    /// The share of connections.
    pub toxicity: f32,
    /// Every setting, those that were not given with their defaults.
    pub attributes: Settings,
    /// What a message fault came to so far; other toxics have none.
    pub counts: Option<FaultCounts>,
}

/// What a message fault came to so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FaultCounts {
    /// How often it was done.
    pub fired: u64,
    /// Requests and replies that it meant and that were passed on, because nobody could be certain of
    /// their place in the pipeline.
    pub passed_as_uncertain: u64,
    /// Requests and replies that it meant and that had nothing it could be done to.
    pub could_not_fire: u64,
}
