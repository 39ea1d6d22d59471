//! Breaks the network with proxies that run elsewhere, over their control API. Nothing is believed that was
//! not read back.

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::{Map, Value, json};
use tokio::net::lookup_host;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::ActiveToxic;
use super::own::{addressed, stream};
use crate::base::family::SettingError;
use crate::base::name::NodeIndex;
use crate::base::scope::Scope;
use crate::control::{Method, Remote, RemoteError, shown_toxic};
use crate::lab::timeline::{Direction, FaultSpec};
use crate::lab::{Elsewhere, Whose};
use crate::protocol::Protocol;
use crate::proxy::ToxicView;
use crate::proxy::fault::{TOXICS, asks_for_more, is_added};

/// How long one change may take, with all its requests: a server that is silent must not keep a run. A
/// request to a server that answers takes milliseconds.
const CHANGE_TIME_MAX: Duration = Duration::from_secs(10);

/// How long the deletion of our proxies may take in the end: within the grace of a run.
const TIDY_TIME_MAX: Duration = Duration::from_secs(3);

/// How far a toxicity may be from what was asked for after its way through JSON.
const TOXICITY_ERROR_MAX: f64 = 1e-6;

/// What it is told of its client.
const AGENT: &str = concat!("harness/", env!("CARGO_PKG_VERSION"));

#[derive(Debug)]
pub(crate) struct RemoteInjector {
    remote: Remote,
    whose: Whose,
    /// Where its proxies listen.
    addresses: Vec<SocketAddr>,
    /// Toxics that were read back after they were added.
    added: Mutex<Vec<ActiveToxic>>,
    /// Dropped with the injector: then its proxies are deleted.
    _alive: oneshot::Sender<Infallible>,
}

/// Whether they can do `fault`.
pub(super) fn can(whose: Whose, fault: &FaultSpec) -> Result<(), String> {
    wanted(whose, fault, None).map(drop)
}

impl RemoteInjector {
    /// Puts a proxy of theirs in front of each of `upstreams`; returns where they
    /// listen. They are deleted when the injector is gone.
    pub(super) async fn start(
        elsewhere: &Elsewhere,
        protocol: Protocol,
        upstreams: &[(NodeIndex, SocketAddr)],
        scope: &Scope,
    ) -> Result<(Self, Vec<SocketAddr>), String> {
        let Elsewhere { address, whose } = elsewhere;
        let remote = Remote::new(address, AGENT).map_err(|error| error.to_string())?;
        let (alive, gone) = oneshot::channel();
        let names: Vec<String> = upstreams.iter().map(|(node, _)| proxy_name(*node)).collect();
        let tidy = remote.clone();
        scope.spawn("proxies elsewhere", async move {
            let _ = gone.await;
            // What cannot be deleted stays: there is nobody to tell any more.
            let _ = timeout(TIDY_TIME_MAX, async {
                for name in &names {
                    let _ = tidy.send(Method::DELETE, &["proxies", name], None).await;
                }
            })
            .await;
        });
        let added = Mutex::default();
        let mut injector =
            Self { remote, whose: *whose, addresses: Vec::new(), added, _alive: alive };
        let addresses = in_time(injector.populate(address, protocol, upstreams)).await?;
        if *whose == Whose::Harness {
            in_time(injector.recognise(&proxy_name(upstreams[0].0))).await?;
        }
        injector.addresses.clone_from(&addresses);
        Ok((injector, addresses))
    }

    async fn populate(
        &self,
        address: &str,
        protocol: Protocol,
        upstreams: &[(NodeIndex, SocketAddr)],
    ) -> Result<Vec<SocketAddr>, String> {
        let mut found = lookup_host(address).await.map_err(|error| error.to_string())?;
        let ip = found.next().ok_or("it has no address")?.ip();
        let here = if ip.is_loopback() { ip } else { IpAddr::V4(Ipv4Addr::UNSPECIFIED) };
        let listen = SocketAddr::new(here, 0).to_string();
        let proxy = |(node, upstream): &(NodeIndex, SocketAddr)| {
            let mut proxy = json!({ "name": proxy_name(*node), "listen": listen,
                                    "upstream": upstream.to_string(), "enabled": true });
            if self.whose == Whose::Harness {
                proxy["protocol"] = protocol.name().into();
            }
            proxy
        };
        let body = Value::Array(upstreams.iter().map(proxy).collect());
        let answer = self.remote.send(Method::POST, &["populate"], Some(&body)).await;
        let answer = answer.map_err(|error| match error {
            RemoteError::Request(_) => "it does not answer".to_owned(),
            error => format!("it refused the proxies, or is no {}: {error}", self.whose.name()),
        })?;
        let mut addresses = Vec::with_capacity(upstreams.len());
        for (node, upstream) in upstreams {
            let name = proxy_name(*node);
            let proxies = answer["proxies"].as_array().map_or(&[][..], Vec::as_slice);
            let proxy = proxies.iter().find(|proxy| proxy["name"] == name.as_str());
            let proxy = proxy.ok_or_else(|| format!("it did not create {name}"))?;
            if proxy["upstream"] != upstream.to_string() || proxy["enabled"] != true {
                return Err(format!("its proxy {name} is not the one that was asked for"));
            }
            // A run that was killed may have left some.
            for toxic in proxy["toxics"].as_array().into_iter().flatten() {
                self.remove(&name, toxic["name"].as_str().unwrap_or_default()).await?;
            }
            let listens = proxy["listen"].as_str().unwrap_or_default();
            let bound: SocketAddr = listens.parse().map_err(|_| {
                format!("its proxy {name} listens on {listens}, which is no address")
            })?;
            let ip = if bound.ip().is_unspecified() { ip } else { bound.ip() };
            addresses.push(SocketAddr::new(ip, bound.port()));
        }
        Ok(addresses)
    }

    /// Finds out that it is a `harness proxy`: any Toxiproxy takes proxies, and would refuse the faults in the
    /// middle of a run.
    async fn recognise(&self, proxy: &str) -> Result<(), String> {
        let path = ["proxies", proxy, "connections"];
        let seen = self.remote.send(Method::GET, &path, None).await;
        seen.map(drop).map_err(|error| {
            let instead = Whose::Toxiproxy.flag();
            format!("it is no `harness proxy` ({error}); for a Toxiproxy write {instead}")
        })
    }

    /// The toxics that make up `fault`.
    pub(super) fn toxics(&self, fault: &FaultSpec) -> Vec<ActiveToxic> {
        let wanted = wanted(self.whose, fault, None).unwrap_or_default();
        let on = |proxy: String| {
            wanted.iter().map(move |toxic| ActiveToxic::new(proxy.clone(), toxic.name.clone()))
        };
        fault.nodes.iter().copied().map(proxy_name).flat_map(on).collect()
    }

    /// Adds the toxics; returns when each was read back.
    pub(super) async fn apply(&self, fault: &FaultSpec) -> Result<(), String> {
        in_time(async {
            for node in &fault.nodes {
                let listens = self.addresses.get(node.position()).map(ToString::to_string);
                for toxic in wanted(self.whose, fault, listens.as_deref())? {
                    self.add(proxy_name(*node), &toxic).await?;
                }
            }
            Ok(())
        })
        .await
    }

    async fn add(&self, proxy: String, toxic: &Wanted) -> Result<(), String> {
        let (path, body) = (["proxies", &proxy, "toxics"], &toxic.body);
        let there = self.remote.send(Method::POST, &path, Some(body)).await;
        let there = there.map_err(|error| error.to_string())?;
        if !toxic.is(&there) {
            return Err(format!("it did not take {body} on {proxy}: it has {there} there"));
        }
        self.added.lock().push(ActiveToxic::new(proxy, toxic.name.clone()));
        Ok(())
    }

    /// Takes the toxics back that were added, each whatever happens to another; returns the first
    /// problem. One that is not there any more is one: somebody else changed the proxies, and the
    /// fault was not what the plan says.
    pub(super) async fn heal(&self, toxics: Vec<ActiveToxic>) -> Result<(), String> {
        // Whatever comes of it, none is asked for twice.
        let added: Vec<_> =
            self.added.lock().extract_if(.., |added| toxics.contains(added)).collect();
        in_time(async {
            let mut result = Ok(());
            for ActiveToxic { proxy, toxic, .. } in &added {
                result = result.and(self.remove(proxy, toxic).await);
            }
            result
        })
        .await
    }

    async fn remove(&self, proxy: &str, toxic: &str) -> Result<(), String> {
        let path = ["proxies", proxy, "toxics", toxic];
        match self.remote.send(Method::DELETE, &path, None).await {
            Ok(_) => Ok(()),
            Err(RemoteError::Refused { status: 404, .. }) => {
                Err(format!("somebody else removed {toxic} from {proxy} before it healed"))
            }
            Err(error) => Err(format!("it did not take {toxic} off {proxy}: {error}")),
        }
    }
}

/// What a change came to, within its time.
async fn in_time<T>(change: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    let late = |_| Err(format!("it did not answer within {CHANGE_TIME_MAX:?}"));
    timeout(CHANGE_TIME_MAX, change).await.unwrap_or_else(late)
}

/// The proxies of this run have names of their own: others may have theirs on the same server.
fn proxy_name(node: NodeIndex) -> String {
    format!("harness-{node}")
}

/// A toxic as the control API takes and shows it.
#[derive(Clone, Debug, PartialEq)]
struct Wanted {
    name: String,
    body: Value,
}

impl Wanted {
    /// Whether it is what the server says it has, which may say more.
    fn is(&self, found: &Value) -> bool {
        let settings = Self::settings(&self.body);
        let found_settings = Self::settings(found);
        // A number is the same whether it is written as a whole one or not.
        let is_same = |asked: &Value, found: &Value| match (asked.as_f64(), found.as_f64()) {
            (Some(_), Some(_)) if asked.is_f64() != found.is_f64() => {
                asked.as_f64() == found.as_f64()
            }
            _ => asked == found,
        };
        let toxicity = |toxic: &Value| toxic["toxicity"].as_f64().unwrap_or(f64::NAN);
        (toxicity(&self.body) - toxicity(found)).abs() <= TOXICITY_ERROR_MAX
            && ["name", "type", "stream"].iter().all(|it| self.body[it] == found[it])
            && settings.iter().all(|(name, asked)| {
                found_settings.get(name).is_some_and(|found| is_same(asked, found))
            })
    }

    /// What it is set to, whichever of the two objects says it: `settings`, which is exact, before `attributes`.
    fn settings(toxic: &Value) -> Map<String, Value> {
        let of = |member: &str| toxic[member].as_object().cloned().unwrap_or_default();
        of("attributes").into_iter().chain(of("settings")).collect()
    }
}

/// What `fault` is for proxies elsewhere, for the one that listens there.
fn wanted(whose: Whose, fault: &FaultSpec, listens: Option<&str>) -> Result<Vec<Wanted>, String> {
    match whose {
        Whose::Harness => ours(fault, listens).map(|toxic| vec![toxic]),
        Whose::Toxiproxy => toxiproxys(fault),
    }
}

/// What it is for proxies of ours: one toxic, whatever it is and in whichever direction.
fn ours(fault: &FaultSpec, listens: Option<&str>) -> Result<Wanted, String> {
    let what = |error: SettingError| error.what;
    TOXICS.make(&fault.fault).map_err(what)?;
    let kind = TOXICS.find(&fault.fault.kind);
    let settings = addressed(&fault.fault.settings, listens);
    let attributes = kind.map(|kind| kind.complete(&settings));
    let view = ToxicView {
        name: fault.name.clone(),
        kind: fault.fault.kind.clone(),
        stream: stream(fault.direction),
        toxicity: fault.toxicity,
        attributes: attributes.transpose().map_err(what)?.unwrap_or_default(),
        counts: None,
    };
    Ok(Wanted { name: view.name.clone(), body: shown_toxic(&view) })
}

/// The toxics that every Toxiproxy has.
const KINDS: [&str; 7] =
    ["latency", "bandwidth", "slow_close", "timeout", "reset_peer", "slicer", "limit_data"];

/// What it is in Toxiproxy's terms.
fn toxiproxys(fault: &FaultSpec) -> Result<Vec<Wanted>, String> {
    let name = &fault.fault.kind;
    let kind = TOXICS.find(name).filter(|_| KINDS.contains(&name.as_str()));
    let Some(kind) = kind else {
        return Err(format!("not every Toxiproxy has {name}; leave out -toxiproxy"));
    };
    let settings = kind.complete(&fault.fault.settings).map_err(|error| error.what)?;
    if let Some(setting) = asks_for_more(kind.name, &settings) {
        return Err(format!("Toxiproxy's {} has no `{setting}`; leave out -toxiproxy", kind.name));
    }
    let mut attributes = Map::new();
    for (name, _) in settings.iter().filter(|(name, _)| !is_added(kind.name, name)) {
        let number = settings.number(name).map_err(|error| error.what)?;
        #[expect(clippy::cast_possible_truncation, reason = "checked")]
        let whole = number as i64;
        #[expect(clippy::cast_precision_loss, reason = "that is what is asked")]
        if whole as f64 != number {
            let what = "Toxiproxy knows whole numbers only";
            return Err(format!("`{name}` is {number} in Toxiproxy's unit, and {what}"));
        }
        attributes.insert(name.to_owned(), whole.into());
    }
    let streams = match fault.direction {
        Direction::Upstream => &["upstream"][..],
        Direction::Downstream => &["downstream"],
        Direction::Both => &["upstream", "downstream"],
    };
    let wanted = |stream: &&'static str| {
        // Faults that overlap on a node are toxics of their own.
        let toxic = format!("{}_{name}_{stream}", fault.name);
        let body = json!({ "name": toxic, "type": name, "stream": stream,
                           "toxicity": fault.toxicity, "attributes": attributes });
        Wanted { name: toxic, body }
    };
    Ok(streams.iter().map(wanted).collect())
}

#[cfg(test)]
mod tests;
