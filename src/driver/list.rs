//! The list of nodes that a driver's client is told, at first and while it runs.

use super::handle::Driver;
use crate::base::name::NodeIndex;
use crate::protocol::Protocol;
use crate::protocol::memcached::frame::key::Key;

impl Driver {
    /// What its client and the nodes speak.
    #[must_use]
    pub fn protocol(&self) -> Protocol {
        self.0.shared.recipe.config.protocol
    }

    /// The node that was asked for `key` last, and how often any was, modulo 2^16.
    #[must_use]
    pub fn asked_last(&self, key: &Key) -> (Option<NodeIndex>, u16) {
        let seen = self.look(self.mark(key));
        (seen.last, seen.requests)
    }

    /// Tells its client another list of nodes, of those that it was greeted with; `false`: it cannot take one,
    /// or is not there.
    pub fn set_list(&self, nodes: &[NodeIndex]) -> bool {
        let servers = nodes.iter().filter_map(|it| self.0.shared.recipe.servers.get(it.position()));
        let servers: Vec<&str> = servers.map(String::as_str).collect();
        self.0.shared.state.lock().tell_members(&servers)
    }
}
