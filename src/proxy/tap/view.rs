//! What passed a proxy, counted where it passed: the tap tells the truth about any client.
//!
//! Each connection counts for itself, under a lock that nobody else wants while bytes flow; a
//! snapshot adds up the open connections and the totals of those that were closed.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use crate::proxy::close::{CloseManner, Closer};
use crate::proxy::tap::latency::{LatencyView, LatencyWindow};
use crate::proxy::tap::reuse::Reuse;

/// Clients of others that are named.
const STRANGERS_NAMED_MAX: usize = 8;

/// What passed a proxy so far.
#[derive(Clone, Debug, Default)]
pub struct TapSnapshot {
    /// Requests by command.
    pub requests_by_command: BTreeMap<&'static str, u64>,
    /// Those among them that only ask who the server is.
    pub pings: u64,
    /// Reads among them that are answered only with what they find, and belong to the batch that a
    /// later request ends.
    pub quiet_reads: u64,
    /// Replies by status that were written while the client had not left.
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
    /// Requests on connections that still owed a reply.
    pub reuse: Reuse,
    /// Connections that were reset before a server was reached: it refused, or there was no room.
    /// `None`: the entrance was shut at times, and then the system refuses by itself and tells nobody.
    pub refused: Option<u64>,
    /// What was none of the run's own; `None`: nobody said which connections are. None of it is in the
    /// requests, replies, latencies and reuse here.
    pub foreign: Option<Foreign>,
    /// Requests, replies and connections that each toxic delayed, changed, lost or ended, by the
    /// toxic's name.
    pub touched: BTreeMap<String, u64>,
    /// Requests and replies that a message fault meant and that were passed on, because nobody could be
    /// certain of their place in the pipeline.
    pub skipped_uncertain: u64,
    /// Requests and replies that a message fault meant and that had nothing it could be done to: a
    /// miss has no value that could be wrong.
    pub could_not_fire: u64,
    /// From the first byte of a request read to the last byte of its reply written, while the client had
    /// not left.
    pub wire_latency: LatencyView,
    /// The same of the last seconds, one by one; a second without replies has none.
    pub recent_latency: Vec<LatencyWindow>,
    /// How long clients had waited that had left, or at least ended their side, before the server's
    /// reply could be written.
    pub answered_late: LatencyView,
    /// How long clients had waited for what was never answered, until they left or the connection ended.
    pub never_answered: LatencyView,
    /// How long a reply had been due when a client closed the connection of itself: once a connection.
    pub given_up: LatencyView,
    /// How long connections were open that their clients closed without having sent anything.
    pub silent: LatencyView,
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

/// What clients sent that are none of the run's own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Foreign {
    /// Their connections, open and closed.
    pub connections: u64,
    /// Their requests.
    pub requests: u64,
    /// The first of them, by their addresses.
    pub clients: Vec<SocketAddr>,
}

impl Foreign {
    pub(in crate::proxy) fn add(&mut self, client: SocketAddr, requests: u64) {
        self.connections += 1;
        self.requests += requests;
        if self.clients.len() < STRANGERS_NAMED_MAX {
            self.clients.push(client);
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
    /// Requests that were sent while a reply was due.
    pub reuse: Reuse,
    /// Whether it is the run's own; `None`: that is not known, or not yet.
    pub own: Option<bool>,
    /// Why it is only passed on and no message fault acts on it, if that is so.
    pub opaque: Option<&'static str>,
}
