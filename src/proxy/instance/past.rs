//! What a proxy begins with: nothing, or what the one before it under its name has counted.
//!
//! A node's proxy that somebody deletes and makes anew while a run goes on stands for the same node. Its
//! counts go on, so that nothing that passed is lost and nothing counts twice.

use std::sync::Arc;

use super::Proxy;
use crate::base::name::NodeIndex;
use crate::event::Events;
use crate::protocol::Protocol;
use crate::proxy::config::ProxyConfig;
use crate::proxy::fault::message::Reporter;
use crate::proxy::tap::shared::Shared;
use crate::proxy::tap::view::TapSnapshot;

/// Where a proxy goes on from.
pub(super) struct Past {
    pub(super) protocol: Option<Protocol>,
    pub(super) node: Option<NodeIndex>,
    pub(super) shared: Arc<Shared>,
    /// No two connections of one name have the same number, nor draw the same.
    pub(super) next_connection: u64,
    pub(super) was_shut: bool,
    pub(super) totals: TapSnapshot,
}

impl Past {
    /// That of the one before, unless another protocol is asked for.
    pub(super) fn of(former: Option<&Proxy>, events: &Events, config: &ProxyConfig) -> Self {
        former
            .filter(|it| config.protocol.is_none() || config.protocol == it.protocol)
            .map_or_else(|| Self::none(events, config), Proxy::past)
    }

    fn none(events: &Events, config: &ProxyConfig) -> Self {
        Self {
            protocol: config.protocol,
            node: config.node,
            shared: Arc::new(Shared::new(Reporter::new(events, config.node), config.protocol)),
            next_connection: 0,
            was_shut: false,
            totals: TapSnapshot { refused: Some(0), ..TapSnapshot::default() },
        }
    }
}

impl Proxy {
    /// What another goes on from, when this one is deleted.
    fn past(&self) -> Past {
        let state = self.state.lock();
        let mut totals = state.totals.clone();
        for connection in state.live.values() {
            connection.add_to(&mut totals);
        }
        totals.outstanding = 0;
        for toxic in state.table.iter() {
            *totals.touched.entry(toxic.identity.name.clone()).or_default() +=
                toxic.identity.touched();
        }
        let (next_connection, was_shut) = (state.next_connection, state.was_shut);
        Past {
            protocol: self.protocol,
            node: self.node,
            shared: Arc::clone(&self.shared),
            next_connection,
            was_shut,
            totals,
        }
    }
}
