//! What a proxy is told to look for in what passes, and what it has counted.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::Proxy;
use crate::base::carried::Carried;
use crate::proxy::tap::asked::Asked;
use crate::proxy::tap::shared::Watched;
use crate::proxy::tap::sought::SoughtRequests;
use crate::proxy::tap::timeline::{Timeline, TimelineView};
use crate::proxy::tap::view::TapSnapshot;

impl Proxy {
    /// The connections from now on are the run's own when their keys begin so.
    pub(in crate::proxy) fn know_own(&self, prefix: &[u8]) {
        self.shared.set_own(prefix);
    }

    /// The first request of each connection from now on says who it is.
    pub(in crate::proxy) fn know_login(&self) {
        self.shared.set_asks_who();
    }

    /// The connections from now on note which keys are asked of this proxy's node.
    pub(in crate::proxy) fn follow_keys(&self, carried: &Arc<Carried>) {
        if let Some(node) = self.node() {
            self.shared.set_carried(Arc::clone(carried), node);
        }
    }

    /// Counts these requests from now on.
    pub(in crate::proxy) fn seek(&self, requests: &Arc<SoughtRequests>) {
        self.shared.sought().add(requests);
    }

    /// How many requests, replies and connections toxics of this name have touched so far.
    pub(in crate::proxy) fn touched(&self, toxic: &str) -> u64 {
        let state = self.state.lock();
        let active = state.table.iter().filter(|it| it.identity.name == toxic);
        let active = active.map(|it| it.identity.touched()).sum::<u64>();
        active + state.totals.touched.get(toxic).copied().unwrap_or(0)
    }

    /// Notes from the next connection on what passes when, and in `asked` what comes again.
    pub(in crate::proxy) fn watch(&self, began: Instant, planned: Duration, asked: &Arc<Asked>) {
        if let Some(node) = self.node() {
            let timeline = Arc::new(Timeline::new(began, planned));
            self.shared.watch(Watched { timeline, asked: Arc::clone(asked), node });
        }
    }

    /// What passed when; `None`: nobody asked for it.
    pub(in crate::proxy) fn timeline(&self) -> Option<TimelineView> {
        let timeline = self.shared.timeline()?;
        self.state.lock().live.values().for_each(|live| live.settle());
        Some(timeline.view(Instant::now()))
    }

    pub(in crate::proxy) fn tap(&self) -> TapSnapshot {
        let state = self.state.lock();
        let mut snapshot = state.totals.clone();
        snapshot.refused = snapshot.refused.filter(|_| !state.was_shut);
        snapshot.open = state.live.len() as u64;
        for connection in state.live.values() {
            connection.add_to(&mut snapshot);
        }
        for toxic in state.table.iter() {
            let touched = toxic.identity.touched();
            *snapshot.touched.entry(toxic.identity.name.clone()).or_default() += touched;
        }
        snapshot.skipped_uncertain = self.shared.reporter.skipped_uncertain();
        snapshot.could_not_fire = self.shared.reporter.could_not_fire();
        self.shared.add_to(&mut snapshot, Instant::now());
        snapshot
    }
}
