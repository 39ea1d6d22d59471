//! The named proxies of one process, and everything that can be asked of them.

mod told;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::base::family::Settings;
use crate::base::lane::Lane;
use crate::base::name::NodeIndex;
use crate::base::scope::Scope;
use crate::base::seed::Seed;
use crate::event::{Events, WireTrace};
use crate::protocol::Known;
use crate::proxy::config::{
    PROXIES_MAX, ProxyConfig, ProxyUpdate, ProxyView, Said, ToxicConfig, ToxicUpdate, ToxicView,
};
use crate::proxy::error::ProxyError;
use crate::proxy::fault::said;
use crate::proxy::instance::{Proxy, Surroundings};
use crate::proxy::lanes::{lanes, own_max};
use crate::proxy::path::held::AllHeld;
use crate::proxy::path::sockets::Sockets;
use crate::proxy::tap::view::ConnectionView;

/// How long a deleted proxy waits for its connections to end; they were told and do so at once.
const DELETE_GRACE: Duration = Duration::from_secs(2);

/// A set of proxies. Clones are the same set.
#[derive(Clone, Debug)]
pub struct ProxySet {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    seed: Seed,
    events: Events,
    scope: Scope,
    /// Where the connections of proxies run that have no lanes of their own; none where the system gives
    /// no thread: then they run where we do.
    lanes: Arc<[Lane]>,
    sockets: Sockets,
    all_held: Arc<AllHeld>,
    /// One creation or deletion at a time, so that two of the same name cannot both bind.
    membership: tokio::sync::Mutex<()>,
    proxies: Mutex<BTreeMap<String, Arc<Proxy>>>,
    /// Of nodes of a run, deleted: they have counted, and one that is made anew under the name goes on from
    /// there. No more than nodes: a proxy that somebody else makes has none, unless it is one of these again.
    former: Mutex<BTreeMap<String, Arc<Proxy>>>,
}

/// A set of proxies that others keep alive.
#[derive(Clone, Debug)]
pub struct WeakProxySet(Weak<Inner>);

impl WeakProxySet {
    /// The set, while there is one.
    #[must_use]
    pub fn upgrade(&self) -> Option<ProxySet> {
        Some(ProxySet { inner: self.0.upgrade()? })
    }
}

impl ProxySet {
    /// An empty set whose tasks belong to `scope`. Its draws come from `seed`, by proxy name,
    /// connection and toxic name.
    #[must_use]
    pub fn new(seed: Seed, events: Events, scope: &Scope) -> Self {
        Self::listening_on(Sockets::default(), seed, events, scope)
    }

    /// An empty set like [`ProxySet::new`], whose proxies listen on these sockets.
    #[must_use]
    pub fn listening_on(sockets: Sockets, seed: Seed, events: Events, scope: &Scope) -> Self {
        let scope = scope.child("proxies");
        let lanes = lanes(&scope);
        let all_held = Arc::<AllHeld>::default();
        let (cancelled, giving_back) = (scope.cancelled(), Arc::clone(&all_held).give_back());
        scope.spawn("heap", async move {
            tokio::select! {
                () = cancelled => {}
                () = giving_back => {}
            }
        });
        Self {
            inner: Arc::new(Inner {
                seed,
                events,
                lanes,
                scope,
                sockets,
                all_held,
                membership: tokio::sync::Mutex::default(),
                proxies: Mutex::default(),
                former: Mutex::default(),
            }),
        }
    }

    /// Creates a proxy and, when it is enabled, listens.
    ///
    /// # Errors
    /// When the name is taken, a field is missing, a toxic is wrong or the address cannot be had.
    pub async fn create(&self, config: ProxyConfig) -> Result<ProxyView, ProxyError> {
        let inner = &self.inner;
        let _turn = inner.membership.lock().await;
        let scope = inner.scope.child(&config.name);
        let place = Surroundings {
            lanes: inner.lanes_for(&scope),
            scope,
            seed: inner.seed.fork("proxy").fork(&config.name),
            events: inner.events.clone(),
            sockets: inner.sockets.clone(),
            all_held: Arc::clone(&inner.all_held),
            former: inner.former.lock().get(&config.name).cloned(),
        };
        let proxy = Proxy::new(&config, place)?;
        {
            let proxies = inner.proxies.lock();
            if proxies.contains_key(&config.name) {
                return Err(ProxyError::ProxyExists);
            }
            if proxies.len() >= PROXIES_MAX {
                return Err(ProxyError::TooManyProxies);
            }
        }
        if config.enabled {
            proxy.enable().await?;
        }
        let view = proxy.view();
        inner.former.lock().remove(&config.name);
        inner.proxies.lock().insert(config.name, proxy);
        Ok(view)
    }

    /// Changes a proxy. What is the same as before changes nothing; live connections then survive.
    ///
    /// # Errors
    /// When there is none of this name, or the new address cannot be had: it then is what it was.
    pub async fn update(&self, name: &str, update: ProxyUpdate) -> Result<ProxyView, ProxyError> {
        self.find(name)?.update(&update).await
    }

    /// Lets a proxy listen at `address` besides, until [`ProxySet::leave`] or until it is disabled.
    ///
    /// # Errors
    /// When there is none of this name, or the address cannot be had.
    pub async fn listen_also(&self, name: &str, address: SocketAddr) -> Result<(), ProxyError> {
        self.find(name)?.listen_also(address).await
    }

    /// Closes the connections that came to a proxy at `address`, and gives it back where it is one besides.
    ///
    /// # Errors
    /// When there is none of this name.
    pub async fn leave(&self, name: &str, address: SocketAddr) -> Result<(), ProxyError> {
        self.find(name)?.leave(address).await;
        Ok(())
    }

    /// Tells a proxy which version its server has (`1.6.18`), as far as the caller knows: where a broken
    /// request ends depends on it. Holds for connections from now on, until the upstream is changed. Untold, a
    /// proxy learns it from a reply to `version` or `stats` that passes; it never asks the server,
    /// whose count of connections would show it.
    ///
    /// # Errors
    /// When there is none of this name.
    pub fn tell_version(&self, name: &str, version: &str) -> Result<(), ProxyError> {
        self.find(name)?.know(Known::parse(version.as_bytes()));
        Ok(())
    }

    /// Deletes a proxy and closes its connections. What that of a node has counted stays.
    ///
    /// # Errors
    /// When there is none of this name.
    pub async fn delete(&self, name: &str) -> Result<(), ProxyError> {
        let _turn = self.inner.membership.lock().await;
        let proxy = self.inner.proxies.lock().remove(name).ok_or(ProxyError::ProxyNotFound)?;
        proxy.disable().await;
        proxy.scope.close(DELETE_GRACE).await;
        if proxy.node().is_some() {
            self.inner.former.lock().insert(name.to_owned(), proxy);
        }
        Ok(())
    }

    /// Every proxy, by name.
    #[must_use]
    pub fn list(&self) -> Vec<ProxyView> {
        self.all().iter().map(|proxy| proxy.view()).collect()
    }

    /// One proxy.
    ///
    /// # Errors
    /// When there is none of this name.
    pub fn get(&self, name: &str) -> Result<ProxyView, ProxyError> {
        Ok(self.find(name)?.view())
    }

    /// Adds a toxic to a proxy. Returns when new connections and every live one are under it.
    ///
    /// # Errors
    /// When there is no such proxy or kind, the name is taken or a setting is wrong.
    pub async fn add_toxic(
        &self,
        proxy: &str,
        toxic: ToxicConfig,
    ) -> Result<ToxicView, ProxyError> {
        self.find(proxy)?.add_toxic(toxic).await
    }

    /// Changes a toxic: what it held is released, and it goes on with the new settings.
    ///
    /// # Errors
    /// When there is no such proxy or toxic, or a setting is wrong; nothing has changed then.
    pub async fn update_toxic(
        &self,
        proxy: &str,
        toxic: &str,
        update: ToxicUpdate,
    ) -> Result<ToxicView, ProxyError> {
        self.find(proxy)?.update_toxic(toxic, &update).await
    }

    /// Removes a toxic. Returns when every live connection is rid of it.
    ///
    /// # Errors
    /// When there is no such proxy or toxic.
    pub async fn remove_toxic(&self, proxy: &str, toxic: &str) -> Result<(), ProxyError> {
        self.find(proxy)?.remove_toxic(toxic).await
    }

    /// Says something to the clients of a proxy that they did not ask for: on every open connection, or on
    /// one. `settings` have a `text`, or `base64` or `hex` digits, of at most 1 MiB.
    ///
    /// # Errors
    /// When there is no such proxy or connection, or nothing can be said so.
    pub fn say(
        &self,
        proxy: &str,
        connection: Option<u64>,
        settings: &Settings,
    ) -> Result<Said, ProxyError> {
        let proxy = self.find(proxy)?;
        proxy.say(connection, &said(settings)?)
    }

    /// One toxic.
    ///
    /// # Errors
    /// When there is no such proxy or toxic.
    pub fn toxic(&self, proxy: &str, toxic: &str) -> Result<ToxicView, ProxyError> {
        self.find(proxy)?.toxic(toxic)
    }

    /// Enables every proxy and removes every toxic; goes on after an error, which is the first that
    /// it met.
    ///
    /// # Errors
    /// When a proxy could not be enabled.
    pub async fn reset(&self) -> Result<(), ProxyError> {
        let mut first = Ok(());
        for proxy in self.all() {
            let removed = proxy.remove_all_toxics().await;
            let enabled = proxy.enable().await;
            first = first.and(removed).and(enabled);
        }
        first
    }

    /// The open connections of a proxy.
    ///
    /// # Errors
    /// When there is none of this name.
    pub fn connections(&self, name: &str) -> Result<Vec<ConnectionView>, ProxyError> {
        Ok(self.find(name)?.connections())
    }

    /// What passed last on the connection that last carried `key` through a proxy of `node`, open or
    /// just closed; `seconds` tells when an instant was. Under several requests for one key at a
    /// time it may be the wrong one of them.
    #[must_use]
    pub fn trace(
        &self,
        node: NodeIndex,
        key: &[u8],
        seconds: &dyn Fn(Instant) -> f64,
    ) -> Option<WireTrace> {
        let of_node = self.all().into_iter().filter(|proxy| proxy.node() == Some(node));
        of_node.filter_map(|proxy| proxy.trace(key, seconds)).next()
    }

    /// What passed on the connection that carried the first write of `key` through a proxy of `node` at
    /// `since` or later, open or closed: of a write that was given up, when, and when it was executed.
    #[must_use]
    pub fn trace_of_write(
        &self,
        node: NodeIndex,
        key: &[u8],
        since: Instant,
        seconds: &dyn Fn(Instant) -> f64,
    ) -> Option<WireTrace> {
        let of_node = self.all().into_iter().filter(|proxy| proxy.node() == Some(node));
        of_node.filter_map(|proxy| proxy.trace_of_write(key, since, seconds)).next()
    }

    /// The same set, kept alive by others.
    #[must_use]
    pub fn downgrade(&self) -> WeakProxySet {
        WeakProxySet(Arc::downgrade(&self.inner))
    }

    fn find(&self, name: &str) -> Result<Arc<Proxy>, ProxyError> {
        self.inner.proxies.lock().get(name).cloned().ok_or(ProxyError::ProxyNotFound)
    }

    /// The proxy that counts under this name, or has.
    fn counted(&self, name: &str) -> Result<Arc<Proxy>, ProxyError> {
        self.find(name).or_else(|none| self.inner.former.lock().get(name).cloned().ok_or(none))
    }

    fn all(&self) -> Vec<Arc<Proxy>> {
        self.inner.proxies.lock().values().cloned().collect()
    }
}

impl Inner {
    /// Lanes for a new proxy: its own, as long as there are not too many.
    fn lanes_for(&self, scope: &Scope) -> Arc<[Lane]> {
        let taken: usize =
            self.proxies.lock().values().map(|proxy| proxy.lanes_beside(&self.lanes)).sum();
        if taken + self.lanes.len() > own_max() {
            return Arc::clone(&self.lanes);
        }
        let own = lanes(scope);
        if own.is_empty() { Arc::clone(&self.lanes) } else { own }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, TcpStream};

    use super::*;
    use crate::base::descriptors;
    use crate::proxy::config::Dial;
    use crate::proxy::lanes::{LANE_SHARE, LANES_MAX, OWN_LANES_MAX};

    /// Catches proxies whose connections take turns on one thread, so that a fault of one is felt on the
    /// other, and threads without end.
    #[tokio::test]
    async fn proxies_have_threads_of_their_own_up_to_a_bound() {
        let scope = Scope::current("test");
        let set = ProxySet::new(Seed::new(1), Events::ignore(), &scope);
        for number in 0..OWN_LANES_MAX + 2 {
            let config = ProxyConfig {
                name: format!("p{number}"),
                listen: "127.0.0.1:0".into(),
                upstream: "127.0.0.1:1".into(),
                enabled: false,
                dial: Dial::Eager,
                protocol: None,
                node: None,
                toxics: Vec::new(),
            };
            set.create(config).await.unwrap();
        }
        let common = &set.inner.lanes;
        let own = |proxy: &Arc<Proxy>| proxy.lanes_beside(common);
        let all = set.all();
        let is_roomy = descriptors::for_data() >= LANE_SHARE * 2 * LANES_MAX as u64;
        assert_eq!(own(&set.find("p0").unwrap()) > 0, is_roomy);
        assert!(all.iter().map(own).sum::<usize>() <= OWN_LANES_MAX);
        assert!(all.iter().any(|proxy| own(proxy) == 0), "the last share what there is");
        scope.close(Duration::from_secs(10)).await;
    }

    /// Catches a node whose proxy is deleted and made anew, and what passed before that is lost, or counted as if
    /// it were somebody else's.
    #[tokio::test]
    async fn a_proxy_that_is_made_anew_goes_on_counting() {
        let (scope, node) = (Scope::current("test"), Some(NodeIndex(0)));
        let set = ProxySet::new(Seed::new(1), Events::ignore(), &scope);
        let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let upstream = server.local_addr().unwrap().to_string();
        for given in [node, None] {
            let config = ProxyConfig {
                name: "n1".into(),
                listen: "127.0.0.1:0".into(),
                upstream: upstream.clone(),
                enabled: true,
                dial: Dial::Eager,
                protocol: None,
                node: given,
                toxics: Vec::new(),
            };
            let view = set.create(config).await.unwrap();
            assert_eq!(view.node, node, "it stands for the same node");
            let mut client = TcpStream::connect(&view.listen).await.unwrap();
            client.write_all(b"get a\r\n").await.unwrap();
            let (mut served, _) = server.accept().await.unwrap();
            served.read_exact(&mut [0; 7]).await.unwrap();
            served.write_all(b"END\r\n").await.unwrap();
            client.read_exact(&mut [0; 5]).await.unwrap();
            set.delete("n1").await.unwrap();
        }
        assert!(set.get("n1").is_err(), "it is gone");
        let tap = set.tap("n1").unwrap();
        assert_eq!((tap.requests(), tap.replies(), tap.opened, tap.open), (2, 2, 2, 0));
        assert_eq!(tap.closed.values().sum::<u64>(), 2);
        scope.close(Duration::from_secs(10)).await;
    }
}
