//! What passed a proxy, counted where it passed: the tap tells the truth about any client.
//!
//! Each connection counts for itself, under a lock that nobody else wants while bytes flow; a
//! snapshot adds up the open connections and the totals of those that were closed.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use hdrhistogram::Histogram;

/// The longest latency that is told apart, in microseconds: ten minutes.
const LATENCY_MAX_US: u64 = 600_000_000;
/// Significant digits of the latency histogram.
const LATENCY_DIGITS: u8 = 2;

/// Who ended a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Closer {
    /// The client.
    Client,
    /// The server.
    Server,
    /// The server, by refusing it.
    Refused,
    /// A toxic.
    Fault,
    /// The proxy, because it was disabled, changed or deleted.
    Proxy,
}

impl Closer {
    /// The name in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Server => "server",
            Self::Refused => "refused",
            Self::Fault => "fault",
            Self::Proxy => "proxy",
        }
    }
}

/// How a connection was ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CloseManner {
    /// With the end of the stream.
    Fin,
    /// With a reset.
    Reset,
}

impl CloseManner {
    /// The name in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Fin => "fin",
            Self::Reset => "reset",
        }
    }
}

/// What passed a proxy so far.
#[derive(Clone, Debug, Default)]
pub struct TapSnapshot {
    /// Requests by command.
    pub requests_by_command: BTreeMap<&'static str, u64>,
    /// Reads among them that are answered only with what they find, and belong to the batch that a
    /// later request ends.
    pub quiet_reads: u64,
    /// Replies by status.
    pub replies_by_status: BTreeMap<&'static str, u64>,
    /// Requests that wait for a reply now.
    pub outstanding: u64,
    /// Bytes read from clients.
    pub bytes_from_clients: u64,
    /// Bytes written to servers.
    pub bytes_to_servers: u64,
    /// Bytes read from servers.
    pub bytes_from_servers: u64,
    /// Bytes written to clients.
    pub bytes_to_clients: u64,
    /// Connections accepted.
    pub opened: u64,
    /// Connections open now.
    pub open: u64,
    /// Connections closed, by whom and how.
    pub closed: BTreeMap<(Closer, CloseManner), u64>,
    /// Connections that are no longer understood and only passed on.
    pub opaque: u64,
    /// Requests on a connection whose earlier reply was not delivered yet, from a client that never
    /// did that before: it is about to read the wrong reply.
    pub dirty_reuse: u64,
    /// Requests, replies and connections that each toxic delayed, changed, lost or ended, by the
    /// toxic's name.
    pub touched: BTreeMap<String, u64>,
    /// Requests and replies that a message fault meant and that were passed on, because nobody could be
    /// certain of their place in the pipeline.
    pub skipped_uncertain: u64,
    /// Requests and replies that a message fault meant and that had nothing it could be done to: a
    /// miss has no value that could be wrong.
    pub could_not_fire: u64,
    /// From the first byte of a request read to the last byte of its reply written.
    pub wire_latency: LatencyView,
}

impl TapSnapshot {
    /// Requests of every command.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.requests_by_command.values().sum()
    }

    /// Replies of every status.
    #[must_use]
    pub fn replies(&self) -> u64 {
        self.replies_by_status.values().sum()
    }
}

/// Latencies in microseconds.
#[derive(Clone, Debug)]
pub struct LatencyView(Histogram<u64>);

impl Default for LatencyView {
    fn default() -> Self {
        Self(
            Histogram::new_with_bounds(1, LATENCY_MAX_US, LATENCY_DIGITS)
                .expect("constant bounds that a histogram takes"),
        )
    }
}

impl LatencyView {
    /// How many were measured.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.len()
    }

    /// The latency that this share of the replies did not exceed; zero when there was none.
    #[must_use]
    pub fn quantile(&self, share: f64) -> Duration {
        Duration::from_micros(self.0.value_at_quantile(share))
    }

    /// The histogram itself, in microseconds.
    #[must_use]
    pub const fn histogram(&self) -> &Histogram<u64> {
        &self.0
    }

    pub(super) fn record(&mut self, latencies: impl Iterator<Item = Duration>) {
        for latency in latencies {
            let micros = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
            self.0.saturating_record(micros);
        }
    }
}

/// An open connection, as the API lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionView {
    /// Counts the connections of the proxy.
    pub id: u64,
    /// The client.
    pub client: SocketAddr,
    /// How long it has been open.
    pub age: Duration,
    /// Bytes read from the client.
    pub bytes_from_client: u64,
    /// Bytes written to the client.
    pub bytes_to_client: u64,
    /// Requests that passed.
    pub requests: u64,
    /// Requests that wait for a reply.
    pub outstanding: u64,
    /// Why it is only passed on and no message fault acts on it, if that is so.
    pub opaque: Option<&'static str>,
}
