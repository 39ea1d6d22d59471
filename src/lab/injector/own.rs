//! Breaks the network with the toxics of our own proxies.

use super::ActiveToxic;
use crate::base::family::{Settings, Value};
use crate::base::name::NodeIndex;
use crate::lab::timeline::{Direction, FaultSpec};
use crate::proxy::{ProxyError, ProxySet, Stream, ToxicConfig};

/// What stands for the address of the node's proxy in what a fault says: no file knows it.
const ADDRESS: &str = "{address}";

#[derive(Debug)]
pub(crate) struct OwnInjector {
    proxies: ProxySet,
}

impl OwnInjector {
    pub(super) const fn new(proxies: ProxySet) -> Self {
        Self { proxies }
    }

    pub(super) fn toxics(&self, fault: &FaultSpec) -> Vec<ActiveToxic> {
        let toxic = |node: &NodeIndex| {
            let (proxy, toxic) = (node.to_string(), fault.name.clone());
            let touched_before = self.proxies.touched(&proxy, &toxic);
            ActiveToxic { proxy, toxic, touched_before }
        };
        fault.nodes.iter().map(toxic).collect()
    }

    pub(super) async fn apply(&self, fault: &FaultSpec) -> Result<(), String> {
        for ActiveToxic { proxy, toxic, .. } in self.toxics(fault) {
            let listens = self.proxies.get(&proxy).map(|view| view.listen);
            let attributes = addressed(&fault.fault.settings, listens.as_deref().ok());
            let config = ToxicConfig {
                name: Some(toxic),
                kind: fault.fault.kind.clone(),
                stream: stream(fault.direction),
                toxicity: fault.toxicity,
                attributes,
            };
            let added = self.proxies.add_toxic(&proxy, config).await;
            added.map_err(|error| format!("{proxy}: {error}"))?;
        }
        Ok(())
    }

    pub(super) async fn heal(&self, toxics: Vec<ActiveToxic>) -> Result<u64, String> {
        let mut problem = None;
        for ActiveToxic { proxy, toxic, .. } in &toxics {
            match self.proxies.remove_toxic(proxy, toxic).await {
                // Never added, or gone already: by an attempt that was cut short, or by somebody
                // who used the control API.
                Ok(()) | Err(ProxyError::ToxicNotFound) => {}
                Err(error) => {
                    problem.get_or_insert_with(|| format!("{proxy}: {error}"));
                }
            }
        }
        problem.map_or_else(|| Ok(self.touched(&toxics)), Err)
    }

    pub(super) fn touched(&self, toxics: &[ActiveToxic]) -> u64 {
        let touched = |it: &ActiveToxic| {
            self.proxies.touched(&it.proxy, &it.toxic).saturating_sub(it.touched_before)
        };
        toxics.iter().map(touched).sum()
    }
}

/// Settings, where the proxy that listens there does what they say.
pub(super) fn addressed(settings: &Settings, listens: Option<&str>) -> Settings {
    let mut settings = settings.clone();
    let message = settings.text("message").ok().filter(|message| message.contains(ADDRESS));
    if let Some(said) = message.zip(listens).map(|(message, at)| message.replace(ADDRESS, at)) {
        settings.insert("message", Value::Text(said));
    }
    settings
}

pub(super) const fn stream(direction: Direction) -> Stream {
    match direction {
        Direction::Upstream => Stream::Upstream,
        Direction::Downstream => Stream::Downstream,
        Direction::Both => Stream::Both,
    }
}
