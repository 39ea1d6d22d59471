//! What faults have the lab do: to a node, to its name, to the lists that clients are told.

use std::collections::BTreeMap;

use super::Lab;
use super::backend::NodeInfo;
use super::discovery::{Place, SAY};
use super::fault::{NodeAction, Relist};
use super::members::Listed;
use crate::base::family::Settings;
use crate::base::name::NodeIndex;
use crate::proxy::{ProxyError, ProxySet, Stream, ToxicConfig, ToxicUpdate};

/// Requests to all nodes at the beginning of faults that changed a list.
pub(super) type ListedAt = BTreeMap<(NodeIndex, Relist, Option<String>), u64>;

impl Lab {
    /// What each group of clients is told now: one list where there are no groups.
    #[must_use]
    pub fn lists(&self) -> Vec<Listed> {
        self.members.lock().all().collect()
    }

    /// From now on this is told of every list that changes. The first to ask is.
    pub fn on_relisted(&self, relisted: super::Relisted) {
        let _ = self.relisted.set(relisted);
    }

    /// Tells everybody of lists that changed; whether a client took one, where that is known.
    fn relist(&self, changed: &[Listed]) -> Option<bool> {
        let mut taken = None;
        for listed in changed {
            if let Some(names) = self.names.as_ref().filter(|_| listed.group == 0) {
                names.list(&listed.nodes);
            }
            let took = self.relisted.get().and_then(|relisted| relisted(listed));
            taken = taken.into_iter().chain(took).reduce(|one, other| one || other);
        }
        taken
    }

    /// Has the nodes answer with the list as it is now, where they answer who asks for it.
    pub(super) async fn tell_discovery(&self) -> Result<(), String> {
        let Some(discovery) = &self.discovery else { return Ok(()) };
        // Held until all have it, so that no older list overtakes a newer one.
        let mut discovery = discovery.lock().await;
        if !discovery.is_news(self.places()) {
            return Ok(());
        }
        for info in &self.info {
            let proxy = info.node.to_string();
            for (toxic, attributes) in discovery.rules() {
                say(&self.proxies, &proxy, toxic, attributes)
                    .await
                    .map_err(|error| format!("{proxy} cannot tell the list of nodes: {error}"))?;
            }
        }
        Ok(())
    }

    /// The nodes in the list of all, or of the first group, and where they are now.
    fn places(&self) -> Vec<Place> {
        let nodes = self.members.lock().all().next().map(|listed| listed.nodes);
        let infos =
            nodes.unwrap_or_default().into_iter().filter_map(|it| self.info.get(it.position()));
        let place = |info: &NodeInfo| match &self.names {
            Some(names) => names.current(info.node).map(|(host, address)| Place { host, address }),
            None => {
                let address = info.proxy_address;
                Some(Place { host: address.ip().to_string(), address })
            }
        };
        infos.filter_map(place).collect()
    }

    /// Requests to all nodes until now; `None`: nobody counts them.
    fn requests(&self) -> Option<u64> {
        let nodes = self.info.iter();
        let counts = nodes.map(|it| self.proxies.requests(&it.node.to_string()).unwrap_or(0));
        self.has_taps().then(|| counts.sum())
    }

    /// Returns how many operations it touched at once, where that was counted.
    pub(crate) async fn begin(
        &self,
        node: NodeIndex,
        action: NodeAction,
        group: Option<&str>,
    ) -> Result<Option<u64>, String> {
        match (action, &self.names) {
            (NodeAction::List(what), names) => {
                let changed = self.members.lock().begin(group, node, what)?;
                let taken = self.relist(&changed);
                self.tell_discovery().await?;
                // Who asks for the names, or asks a node, or reads the file, is not known.
                if taken == Some(false) && names.is_none() && self.discovery.is_none() {
                    return Ok(Some(0));
                }
                if let (Some(true), Some(requests)) = (taken, self.requests()) {
                    let key = (node, what, group.map(str::to_owned));
                    self.listed_at.lock().insert(key, requests);
                }
            }
            (NodeAction::Name(action), Some(names)) => {
                names.begin(node, action, &self.proxies).await?;
                self.tell_discovery().await?;
            }
            _ => self.nodes[node.position()].lock().await.begin(action).await?,
        }
        Ok(None)
    }

    /// Returns how many operations it touched, where that was counted: of a list that a client took, the
    /// requests that it made with it.
    pub(crate) async fn end(
        &self,
        node: NodeIndex,
        action: NodeAction,
        group: Option<&str>,
    ) -> Result<Option<u64>, String> {
        match (action, &self.names) {
            (NodeAction::List(what), _) => {
                let key = (node, what, group.map(str::to_owned));
                let before = self.listed_at.lock().remove(&key);
                let touched =
                    before.zip(self.requests()).map(|(then, now)| now.saturating_sub(then));
                let changed = self.members.lock().end(group, node, what);
                self.relist(&changed);
                self.tell_discovery().await?;
                Ok(touched)
            }
            (NodeAction::Name(action), Some(names)) => names.end(node, action, &self.proxies).await,
            _ => self.nodes[node.position()].lock().await.end(action).await.map(|()| None),
        }
    }
}

/// Has a proxy say something else from now on, without a moment in which it says nothing.
async fn say(
    proxies: &ProxySet,
    proxy: &str,
    toxic: &str,
    attributes: Settings,
) -> Result<(), ProxyError> {
    let update = ToxicUpdate { toxicity: None, attributes: attributes.clone() };
    match proxies.update_toxic(proxy, toxic, update).await {
        // Not yet there, or taken away through the control API.
        Err(ProxyError::ToxicNotFound) => {
            let config = ToxicConfig {
                name: Some(toxic.to_owned()),
                kind: SAY.to_owned(),
                stream: Stream::Downstream,
                toxicity: 1.0,
                attributes,
            };
            proxies.add_toxic(proxy, config).await.map(drop)
        }
        updated => updated.map(drop),
    }
}
