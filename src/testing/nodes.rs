//! Nodes behind proxies, and what is done to them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::base::name::NodeIndex;
use crate::base::scope::{Closed, Scope};
use crate::base::seed::Seed;
use crate::event::Events;
use crate::lab::error::LabError;
use crate::lab::fault::{FAULTS, NodeAction};
use crate::lab::injector::ActiveToxic;
use crate::lab::timeline::FaultSpec;
use crate::lab::{Lab, LabConfig};
use crate::plan::{FileText, Library, Options, PlanError, plan_of};
use crate::proxy::TapSnapshot;

/// How long the tasks of the nodes may take to end.
const CLOSE_GRACE: Duration = Duration::from_secs(5);

/// Why something cannot be done.
#[derive(Debug, thiserror::Error)]
pub enum TestError {
    /// The nodes do not come up.
    #[error(transparent)]
    Lab(#[from] LabError),
    /// The fault is none, with what is wrong and where.
    #[error(transparent)]
    Fault(#[from] PlanError),
    /// The fault cannot be applied or taken back.
    #[error("{0}")]
    Refused(String),
}

/// Embedded nodes on the loopback interface, a proxy in front of each. Dropped, everything ends.
#[derive(Debug)]
pub struct Nodes {
    lab: Arc<Lab>,
    scope: Scope,
}

impl Nodes {
    /// Starts this many nodes, `n1`, `n2` and so on, on free ports. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// When there is no port, or no descriptor, for one of them.
    pub async fn start(count: u16) -> Result<Self, TestError> {
        let scope = Scope::current("testing");
        let config = LabConfig::embedded(count);
        let (seed, nobody) = (Seed::from_system(), Arc::new(|_| ()));
        let lab = Lab::start(&config, seed, Events::ignore(), nobody, &scope).await?;
        Ok(Self { lab: Arc::new(lab), scope })
    }

    /// Where the client connects: the proxies, in the order of the nodes.
    #[must_use]
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.lab.info().iter().map(|info| info.proxy_address).collect()
    }

    /// Applies a fault to the node called `node` (`"*"`: to each), written as in a scenario's file:
    /// `latency = { latency = "100ms" }`, `kill = {}`, `memcached_error = { line = "SERVER_ERROR busy" }`;
    /// `harness list toxics` has them all, and beside it may stand `stream = "upstream"` and
    /// `toxicity = "50%"`. It is applied when this returns, and taken back when the guard is healed or
    /// dropped.
    ///
    /// # Errors
    /// When there is no such node or fault, or it does not go together with one that is active.
    pub async fn fault(&self, node: &str, fault: &str) -> Result<ActiveFault, TestError> {
        let spec = self.read(node, fault)?;
        let mut active = ActiveFault {
            lab: Arc::clone(&self.lab),
            scope: self.scope.clone(),
            toxics: Vec::new(),
            nodes: Vec::new(),
        };
        if FAULTS.find(&spec.fault.kind).is_none() {
            // Known before it is applied: what was applied to some nodes only is taken back, too.
            active.toxics = self.lab.injector().toxics(&spec);
            self.lab.injector().apply(&spec).await.map_err(TestError::Refused)?;
            return Ok(active);
        }
        let refused = |error: crate::base::family::SettingError| TestError::Refused(error.what);
        let action = *FAULTS.make(&spec.fault).map_err(refused)?;
        for node in spec.nodes {
            active.nodes.push((node, action));
            self.lab.begin(node, action, None).await.map_err(TestError::Refused)?;
        }
        Ok(active)
    }

    /// The fault as a scenario's file would have it.
    fn read(&self, node: &str, fault: &str) -> Result<FaultSpec, TestError> {
        let all: Vec<String> = self.lab.info().iter().map(|info| info.node.to_string()).collect();
        let names = if node == "*" { all.clone() } else { vec![node.to_owned()] };
        let text = format!(
            "summary = \"a test\"\nnodes = {{ backend = \"embedded\", count = {} }}\n\
             phases = {{ warmup = \"1s\", steady = \"3s\", fault = \"3s\", recovery = \"3s\" }}\n\
             [[faults]]\nname = \"fault\"\non = {names:?}\n{fault}\n",
            all.len(),
        );
        let source = FileText::new("the fault of a test", text);
        let library = Library::new(".");
        let plan = plan_of(&library, &source, "test", &Options::default(), Seed::new(1))?;
        let spec = plan.faults.into_iter().next().map(|fault| fault.spec);
        spec.ok_or_else(|| TestError::Refused("no fault is given".to_owned()))
    }

    /// What passed each proxy until now, in the order of the nodes.
    #[must_use]
    pub fn wire(&self) -> Vec<TapSnapshot> {
        let names = self.lab.info().iter().map(|info| info.node.to_string());
        names.map(|name| self.lab.proxies().tap(&name).unwrap_or_default()).collect()
    }

    /// Ends everything and waits for it. Guards that are still held heal nothing any more.
    pub async fn close(self) {
        let scope = self.scope.clone();
        drop(self);
        let _: Closed = scope.close(CLOSE_GRACE).await;
    }
}

impl Drop for Nodes {
    fn drop(&mut self) {
        self.scope.cancel();
    }
}

/// A fault that is active until it is healed or dropped.
#[derive(Debug)]
#[must_use = "a fault ends when its guard is dropped"]
pub struct ActiveFault {
    lab: Arc<Lab>,
    scope: Scope,
    toxics: Vec<ActiveToxic>,
    nodes: Vec<(NodeIndex, NodeAction)>,
}

impl ActiveFault {
    /// Takes it back; it is gone when this returns.
    ///
    /// # Errors
    /// When a node cannot be started again.
    pub async fn heal(mut self) -> Result<(), TestError> {
        let (toxics, nodes) = (std::mem::take(&mut self.toxics), std::mem::take(&mut self.nodes));
        take_back(&self.lab, toxics, nodes).await.map_err(TestError::Refused)
    }
}

impl Drop for ActiveFault {
    /// Takes it back, as soon as the runtime comes to it.
    fn drop(&mut self) {
        let (toxics, nodes) = (std::mem::take(&mut self.toxics), std::mem::take(&mut self.nodes));
        if toxics.is_empty() && nodes.is_empty() {
            return;
        }
        let lab = Arc::clone(&self.lab);
        self.scope.spawn("heal", async move {
            // Nobody is there to hear of it; the test meets a node that is still broken.
            let _ = take_back(&lab, toxics, nodes).await;
        });
    }
}

async fn take_back(
    lab: &Lab,
    toxics: Vec<ActiveToxic>,
    nodes: Vec<(NodeIndex, NodeAction)>,
) -> Result<(), String> {
    if !toxics.is_empty() {
        lab.injector().heal(toxics).await?;
    }
    for (node, action) in nodes {
        lab.end(node, action, None).await?;
    }
    Ok(())
}
