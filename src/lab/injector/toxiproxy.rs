//! Breaks the network with an external Toxiproxy, through the published client `toxiproxy_rust`.
//!
//! That client blocks, never looks at a status, and panics, holding a lock, when it gets no answer.
//! So it lives on a thread of its own, every piece of work has a client of its own, a panic is an
//! error like any other, and nothing is believed that was not read back.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, ToSocketAddrs};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use toxiproxy_rust::client::Client;
use toxiproxy_rust::proxy::{Proxy, ProxyPack};
use toxiproxy_rust::toxic::ToxicPack;

use super::ActiveToxic;
use crate::base::name::NodeIndex;
use crate::base::scope::Scope;
use crate::lab::timeline::{Direction, FaultSpec};
use crate::proxy::fault::toxic::{TOXICS, asks_for_more, is_added};

/// A piece of work that takes longer is given up; the client itself gives up a request after 30 s.
const WORK_TIME_MAX: Duration = Duration::from_secs(35);

/// Pieces of work that wait for the thread. The nemesis asks for one at a time.
const WAITING_MAX: usize = 4;

/// How far a toxicity may be from what was asked for after its way through JSON.
const TOXICITY_ERROR_MAX: f32 = 1e-6;

type Work = Box<dyn FnOnce(&mut Server) + Send>;

#[derive(Debug)]
pub(crate) struct ToxiproxyInjector {
    thread: mpsc::Sender<Work>,
}

/// Whether Toxiproxy can do `fault` when it is driven by this client.
pub(super) fn can(fault: &FaultSpec) -> Result<(), String> {
    wanted(fault).map(drop)
}

/// The toxics that make up `fault`.
pub(super) fn toxics(fault: &FaultSpec) -> Vec<ActiveToxic> {
    let wanted = wanted(fault).unwrap_or_default();
    let on = |proxy: String| {
        wanted.iter().map(move |toxic| ActiveToxic { proxy: proxy.clone(), toxic: toxic.name() })
    };
    fault.nodes.iter().copied().map(proxy_name).flat_map(on).collect()
}

impl ToxiproxyInjector {
    /// Starts the thread that drives the server at `address`. It deletes the proxies that it
    /// created when the injector is gone.
    pub(super) fn start(address: &str, scope: &Scope) -> Result<Self, String> {
        let (thread, mut inbox) = mpsc::channel::<Work>(WAITING_MAX);
        let mut server =
            Server { address: address.to_owned(), created: Vec::new(), added: Vec::new() };
        let work = move || {
            while let Some(work) = inbox.blocking_recv() {
                work(&mut server);
            }
            server.tidy_up();
        };
        scope.thread("toxiproxy", work).map_err(|error| format!("no thread for it: {error}"))?;
        Ok(Self { thread })
    }

    /// Puts a proxy in front of each of `upstreams`; returns where they listen.
    pub(super) async fn populate(
        &self,
        upstreams: Vec<(NodeIndex, SocketAddr)>,
    ) -> Result<Vec<SocketAddr>, String> {
        self.ask(move |server| server.populate(&upstreams)).await
    }

    /// Adds the toxics; returns when each was read back.
    pub(super) async fn apply(&self, fault: &FaultSpec) -> Result<(), String> {
        for toxic in wanted(fault)? {
            for node in &fault.nodes {
                let (proxy, toxic) = (proxy_name(*node), toxic.clone());
                self.ask(move |server| server.add(&proxy, &toxic)).await?;
            }
        }
        Ok(())
    }

    /// Takes the toxics back. An error when one that was added is not there any more: somebody else
    /// changed the proxies, and the fault was not what the plan says.
    pub(super) async fn heal(&self, toxics: Vec<ActiveToxic>) -> Result<(), String> {
        self.ask(move |server| server.take_back(&toxics)).await
    }

    /// Has `work` done on the thread, and waits for it.
    async fn ask<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Server) -> Result<T, String> + Send + 'static,
    ) -> Result<T, String> {
        let (sender, receiver) = oneshot::channel();
        let work = move |server: &mut Server| {
            let done = catch_unwind(AssertUnwindSafe(|| work(server)));
            let done = done.unwrap_or_else(|_| Err("it does not answer".to_owned()));
            // Nobody waits any more when it took too long.
            let _ = sender.send(done);
        };
        let answer = async {
            let gone = || "its thread has ended".to_owned();
            self.thread.send(Box::new(work)).await.map_err(|_| gone())?;
            receiver.await.map_err(|_| gone())?
        };
        let late = |_| Err(format!("no answer within {WORK_TIME_MAX:?}"));
        timeout(WORK_TIME_MAX, answer).await.unwrap_or_else(late)
    }
}

/// The proxies of this run have names of their own: others may have theirs on the same server.
fn proxy_name(node: NodeIndex) -> String {
    format!("harness-{node}")
}

/// A toxic as Toxiproxy has it.
#[derive(Clone, Debug, PartialEq)]
struct Wanted {
    kind: String,
    stream: &'static str,
    toxicity: f32,
    attributes: BTreeMap<String, u32>,
}

impl Wanted {
    /// The name that the client gives it.
    fn name(&self) -> String {
        format!("{}_{}", self.kind, self.stream)
    }

    fn is(&self, found: &ToxicPack) -> bool {
        found.name == self.name()
            && found.r#type == self.kind
            && found.stream == self.stream
            && (found.toxicity - self.toxicity).abs() <= TOXICITY_ERROR_MAX
            && found.attributes.len() == self.attributes.len()
            && self.attributes.iter().all(|(name, value)| found.attributes.get(name) == Some(value))
    }

    fn add_to(&self, proxy: &Proxy) {
        let Self { stream, toxicity, .. } = *self;
        let stream = stream.to_owned();
        let attribute = |name: &str| self.attributes.get(name).copied().unwrap_or_default();
        match self.kind.as_str() {
            "latency" => {
                proxy.with_latency(stream, attribute("latency"), attribute("jitter"), toxicity)
            }
            "bandwidth" => proxy.with_bandwidth(stream, attribute("rate"), toxicity),
            "slow_close" => proxy.with_slow_close(stream, attribute("delay"), toxicity),
            "timeout" => proxy.with_timeout(stream, attribute("timeout"), toxicity),
            "slicer" => {
                let (size, variation) = (attribute("average_size"), attribute("size_variation"));
                proxy.with_slicer(stream, size, variation, attribute("delay"), toxicity)
            }
            "limit_data" => proxy.with_limit_data(stream, attribute("bytes"), toxicity),
            _ => proxy,
        };
    }
}

/// The toxics that the client can add.
const KINDS: [&str; 6] = ["latency", "bandwidth", "slow_close", "timeout", "slicer", "limit_data"];

/// What `fault` is in Toxiproxy's terms, for one proxy.
fn wanted(fault: &FaultSpec) -> Result<Vec<Wanted>, String> {
    let name = &fault.fault.kind;
    let kind = TOXICS.find(name).filter(|_| KINDS.contains(&name.as_str()));
    let Some(kind) = kind else {
        return Err(format!("toxiproxy_rust cannot add a {name}; leave out -toxiproxy"));
    };
    let settings = kind.complete(&fault.fault.settings).map_err(|error| error.what)?;
    if let Some(setting) = asks_for_more(kind.name, &settings) {
        return Err(format!("Toxiproxy's {} has no `{setting}`; leave out -toxiproxy", kind.name));
    }
    let mut attributes = BTreeMap::new();
    for (name, _) in settings.iter().filter(|(name, _)| !is_added(kind.name, name)) {
        let number = settings.number(name).map_err(|error| error.what)?;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked")]
        let whole = number as u32;
        if f64::from(whole) != number {
            let what = "toxiproxy_rust knows whole numbers from 0 to 4294967295 only";
            return Err(format!("`{name}` is {number} in Toxiproxy's unit, and {what}"));
        }
        attributes.insert(name.to_owned(), whole);
    }
    let streams = match fault.direction {
        Direction::Upstream => &["upstream"][..],
        Direction::Downstream => &["downstream"],
        Direction::Both => &["upstream", "downstream"],
    };
    let wanted = |stream: &&'static str| Wanted {
        kind: name.clone(),
        stream,
        toxicity: fault.toxicity,
        attributes: attributes.clone(),
    };
    Ok(streams.iter().map(wanted).collect())
}

/// The server, as the thread sees it. Everything here blocks and may panic.
struct Server {
    address: String,
    created: Vec<String>,
    /// Toxics that were read back after they were added.
    added: Vec<ActiveToxic>,
}

impl Server {
    /// A client that nothing has poisoned yet.
    fn client(&self) -> Result<Client, String> {
        let client = Client::new(self.address.as_str());
        // Asked first, because some of its methods panic when they do not get through.
        if client.is_running() { Ok(client) } else { Err("it does not answer".to_owned()) }
    }

    fn ip(&self) -> Result<IpAddr, String> {
        let resolved = self.address.to_socket_addrs().map_err(|error| error.to_string())?;
        // The first one is the one that the client takes.
        resolved.map(|address| address.ip()).next().ok_or_else(|| "it has no address".to_owned())
    }

    fn populate(
        &mut self,
        upstreams: &[(NodeIndex, SocketAddr)],
    ) -> Result<Vec<SocketAddr>, String> {
        let ip = self.ip()?;
        let here = if ip.is_loopback() { ip } else { IpAddr::V4(Ipv4Addr::UNSPECIFIED) };
        let listen = SocketAddr::new(here, 0).to_string();
        let pack = |(node, upstream): &(NodeIndex, SocketAddr)| {
            ProxyPack::new(proxy_name(*node), listen.clone(), upstream.to_string())
        };
        let client = self.client()?;
        self.created = upstreams.iter().map(|(node, _)| proxy_name(*node)).collect();
        client
            .populate(upstreams.iter().map(pack).collect())
            .map_err(|error| format!("it refused the proxies, or is no Toxiproxy: {error}"))?;
        let found = |(node, upstream): &(NodeIndex, SocketAddr)| {
            let proxy = find(&client, &proxy_name(*node))?;
            let ProxyPack { name, listen, upstream: given, enabled, .. } = &proxy.proxy_pack;
            if *given != upstream.to_string() || !*enabled {
                return Err(format!("its proxy {name} is not the one that was asked for"));
            }
            // A run that was killed may have left some.
            clear(&proxy)?;
            let bound: SocketAddr = listen.parse().map_err(|_| {
                format!("its proxy {name} listens on {listen}, which is no address")
            })?;
            let ip = if bound.ip().is_unspecified() { ip } else { bound.ip() };
            Ok(SocketAddr::new(ip, bound.port()))
        };
        upstreams.iter().map(found).collect()
    }

    fn add(&mut self, proxy: &str, toxic: &Wanted) -> Result<(), String> {
        let there = find(&self.client()?, proxy)?;
        toxic.add_to(&there);
        let toxics = listed(&there)?;
        let name = toxic.name();
        if !toxics.iter().any(|found| toxic.is(found)) {
            return Err(format!("it did not take {name} on {proxy}: it has {toxics:?} there"));
        }
        self.added.push(ActiveToxic { proxy: proxy.to_owned(), toxic: name });
        Ok(())
    }

    /// Takes `toxics` back, on every proxy whatever happens on another; returns the first problem.
    fn take_back(&mut self, toxics: &[ActiveToxic]) -> Result<(), String> {
        let proxies: BTreeSet<&str> = toxics.iter().map(|toxic| toxic.proxy.as_str()).collect();
        let mut result = Ok(());
        for proxy in proxies {
            let taken = self.clear_of_added(proxy);
            result = result.and(taken);
        }
        self.added.retain(|added| !toxics.contains(added));
        result
    }

    /// Takes every toxic off a proxy: the client cannot take one. What was added must be there.
    fn clear_of_added(&self, name: &str) -> Result<(), String> {
        let proxy = find(&self.client()?, name)?;
        let found = listed(&proxy)?;
        clear(&proxy)?;
        let mut added = self.added.iter().filter(|added| added.proxy == name);
        match added.find(|added| !found.iter().any(|found| found.name == added.toxic)) {
            Some(ActiveToxic { toxic, .. }) => {
                Err(format!("somebody else removed {toxic} from {name} before it healed"))
            }
            None => Ok(()),
        }
    }

    /// Deletes what was created. What cannot be deleted stays: there is nobody to tell any more.
    fn tidy_up(&self) {
        let _ = catch_unwind(AssertUnwindSafe(|| {
            let client = self.client()?;
            for name in &self.created {
                find(&client, name)?.delete()?;
            }
            Ok::<(), String>(())
        }));
    }
}

fn find(client: &Client, name: &str) -> Result<Proxy, String> {
    client.find_proxy(name).map_err(|error| format!("it has no proxy {name}: {error}"))
}

fn listed(proxy: &Proxy) -> Result<Vec<ToxicPack>, String> {
    let name = &proxy.proxy_pack.name;
    proxy.toxics().map_err(|error| format!("it does not list the toxics of {name}: {error}"))
}

/// Takes every toxic off `proxy`, and looks.
fn clear(proxy: &Proxy) -> Result<(), String> {
    proxy.delete_all_toxics()?;
    let left = listed(proxy)?;
    if left.is_empty() {
        return Ok(());
    }
    Err(format!("it did not take {left:?} off {}", proxy.proxy_pack.name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::family::{Chosen, Settings, Value};

    fn fault(kind: &str, settings: &[(&str, Value)], direction: Direction) -> FaultSpec {
        let mut given = Settings::default();
        for (name, value) in settings {
            given.insert(*name, value.clone());
        }
        FaultSpec {
            name: "f".into(),
            nodes: vec![NodeIndex(0)],
            at: Duration::ZERO,
            length: Duration::from_secs(1),
            direction,
            toxicity: 0.5,
            fault: Chosen { kind: kind.into(), settings: given },
        }
    }

    /// Catches a fault that arrives as another, or on one stream instead of both.
    #[test]
    fn faults_are_put_in_toxiproxys_terms() {
        let latency = fault("latency", &[("latency", Value::Float(20.0))], Direction::Both);
        let toxics = wanted(&latency).unwrap();
        let names: Vec<String> = toxics.iter().map(Wanted::name).collect();
        assert_eq!(names, ["latency_upstream", "latency_downstream"]);
        let attributes = BTreeMap::from([("latency".to_owned(), 20), ("jitter".to_owned(), 0)]);
        assert_eq!((&toxics[0].attributes, toxics[0].toxicity), (&attributes, 0.5));
    }

    /// Catches a fault that is quietly rounded, or begun although it cannot be done.
    #[test]
    fn what_it_cannot_do_is_named() {
        let of = |kind, settings: &[_]| can(&fault(kind, settings, Direction::Upstream));
        assert!(of("packet_loss", &[]).unwrap_err().contains("packet_loss"));
        assert!(of("reset_peer", &[]).unwrap_err().contains("reset_peer"));
        let fraction = of("latency", &[("latency", Value::Float(0.25))]).unwrap_err();
        assert!(fraction.starts_with("`latency` is 0.25 in Toxiproxy's unit"), "{fraction}");
        let huge = Value::Integer(i64::from(u32::MAX) + 1);
        assert!(of("limit_data", &[("bytes", huge)]).is_err());
        assert_eq!(of("bandwidth", &[("rate", Value::Integer(7))]), Ok(()));
    }
}
