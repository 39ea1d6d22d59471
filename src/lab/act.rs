//! What faults have the lab do: to a node, to its name, to the lists that clients are told.

use std::collections::BTreeMap;

use super::Lab;
use super::fault::{NodeAction, Relist};
use super::members::Listed;
use crate::base::name::NodeIndex;

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

    /// Requests to all nodes until now; `None`: nobody counts them.
    fn requests(&self) -> Option<u64> {
        let taps = self.info.iter().map(|info| self.proxies.tap(&info.node.to_string()));
        let counts = taps.map(|tap| tap.map_or(0, |tap| tap.requests()));
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
                // Who asks for the names, or reads the file, is not known.
                if taken == Some(false) && names.is_none() {
                    return Ok(Some(0));
                }
                if let (Some(true), Some(requests)) = (taken, self.requests()) {
                    let key = (node, what, group.map(str::to_owned));
                    self.listed_at.lock().insert(key, requests);
                }
            }
            (NodeAction::Name(action), Some(names)) => {
                names.begin(node, action, &self.proxies).await?;
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
                Ok(touched)
            }
            (NodeAction::Name(action), Some(names)) => names.end(node, action, &self.proxies).await,
            _ => self.nodes[node.position()].lock().await.end(action).await.map(|()| None),
        }
    }
}
