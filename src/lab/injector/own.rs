//! Breaks the network with the toxics of our own proxies.

use super::ActiveToxic;
use crate::lab::timeline::{Direction, FaultSpec};
use crate::proxy::toxic::TOXICS;
use crate::proxy::{ProxySet, Stream, ToxicConfig};

#[derive(Debug)]
pub(crate) struct OwnInjector {
    proxies: ProxySet,
}

impl OwnInjector {
    pub(super) const fn new(proxies: ProxySet) -> Self {
        Self { proxies }
    }

    pub(super) fn can(&self, fault: &FaultSpec) -> Result<(), String> {
        TOXICS.make(&fault.fault).map(drop).map_err(|error| error.what)
    }

    pub(super) async fn apply(&self, fault: &FaultSpec) -> Result<Vec<ActiveToxic>, String> {
        let mut active = Vec::new();
        for node in &fault.nodes {
            let proxy = node.to_string();
            let config = ToxicConfig {
                name: Some(fault.name.clone()),
                kind: fault.fault.kind.clone(),
                stream: stream(fault.direction),
                toxicity: fault.toxicity,
                attributes: fault.fault.settings.clone(),
            };
            if let Err(error) = self.proxies.add_toxic(&proxy, config).await {
                let what = format!("{proxy}: {error}");
                // Half a fault is none: what was applied is taken back before we say so.
                return Err(match self.heal(active).await {
                    Ok(_) => what,
                    Err(also) => format!("{what}; and taking it back failed: {also}"),
                });
            }
            active.push(ActiveToxic { proxy, toxic: fault.name.clone() });
        }
        Ok(active)
    }

    pub(super) async fn heal(&self, toxics: Vec<ActiveToxic>) -> Result<u64, String> {
        let mut touched = 0;
        let mut problem = None;
        for ActiveToxic { proxy, toxic } in toxics {
            if let Err(error) = self.proxies.remove_toxic(&proxy, &toxic).await {
                problem.get_or_insert_with(|| format!("{proxy}: {error}"));
            }
            let tap = self.proxies.tap(&proxy);
            touched += tap.map_or(0, |tap| tap.touched.get(&toxic).copied().unwrap_or(0));
        }
        problem.map_or(Ok(touched), Err)
    }
}

const fn stream(direction: Direction) -> Stream {
    match direction {
        Direction::Upstream => Stream::Upstream,
        Direction::Downstream => Stream::Downstream,
        Direction::Both => Stream::Both,
    }
}
