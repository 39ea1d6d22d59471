//! What the proxies of a set are told to look for in what passes, and what they have counted.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::ProxySet;
use crate::base::carried::Carried;
use crate::proxy::error::ProxyError;
use crate::proxy::tap::asked::Asked;
use crate::proxy::tap::sought::SoughtRequests;
use crate::proxy::tap::timeline::TimelineView;
use crate::proxy::tap::view::TapSnapshot;

impl ProxySet {
    /// What passed a proxy so far; of a node's, also after it was deleted.
    ///
    /// # Errors
    /// When there is none of this name.
    pub fn tap(&self, name: &str) -> Result<TapSnapshot, ProxyError> {
        Ok(self.counted(name)?.tap())
    }

    /// How many requests passed a proxy so far.
    ///
    /// # Errors
    /// When there is none of this name.
    pub fn requests(&self, name: &str) -> Result<u64, ProxyError> {
        Ok(self.tap(name)?.requests())
    }

    /// How many requests, replies and connections toxics of this name have touched at a proxy so far; 0 where there is
    /// none.
    #[must_use]
    pub fn touched(&self, proxy: &str, toxic: &str) -> u64 {
        self.counted(proxy).map_or(0, |proxy| proxy.touched(toxic))
    }

    /// Counts the requests that these proxies see from now on, all together, for as long as what is returned is
    /// kept. `command` and `key` are globs, as message faults have them.
    ///
    /// # Errors
    /// When there is no such command.
    pub fn seek<'a>(
        &self,
        proxies: impl Iterator<Item = &'a str>,
        command: &str,
        key: &str,
    ) -> Result<Arc<SoughtRequests>, String> {
        let requests = Arc::new(SoughtRequests::new(command, key)?);
        for proxy in proxies.filter_map(|name| self.find(name).ok()) {
            proxy.seek(&requests);
        }
        Ok(requests)
    }

    /// Tells the run's own traffic from that of others, from the next connection on: its keys begin so.
    /// What others send is counted apart ([`TapSnapshot::foreign`]). A connection that never names a key
    /// and only pings counts as the run's own.
    pub fn know_own(&self, prefix: &[u8]) {
        if !prefix.is_empty() {
            self.all().iter().for_each(|proxy| proxy.know_own(prefix));
        }
    }

    /// The servers ask for a password: the first request of each connection from now on says who it is, and is
    /// part of no operation.
    pub fn know_login(&self) {
        self.all().iter().for_each(|proxy| proxy.know_login());
    }

    /// Notes in `carried` which node is asked for which key, from the next connection on.
    pub fn follow_keys(&self, carried: &Arc<Carried>) {
        self.all().iter().for_each(|proxy| proxy.follow_keys(carried));
    }

    /// Notes from the next connection on what passes when, from `began` for about so long, and what is
    /// asked for again or elsewhere, through all proxies of nodes that there are.
    #[must_use]
    pub fn watch(&self, began: Instant, planned: Duration) -> Arc<Asked> {
        let asked = Arc::new(Asked::new(began));
        self.all().iter().for_each(|proxy| proxy.watch(began, planned, &asked));
        asked
    }

    /// What passed a proxy when; `None`: there is none of this name, or nobody asked for it.
    #[must_use]
    pub fn timeline(&self, name: &str) -> Option<TimelineView> {
        self.counted(name).ok()?.timeline()
    }
}
