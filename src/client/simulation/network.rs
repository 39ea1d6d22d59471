//! What there is to dial: a node for each port, and a record of every attempt.

use std::sync::Arc;

use async_memcached::Error;
use parking_lot::Mutex;
use tokio::io::DuplexStream;
use tokio::time::Instant;

use super::node::SimulatedNode;
use crate::base::scope::Scope;
use crate::base::seed::Seed;

/// The port of the first node.
const FIRST_PORT: u16 = 11_001;

/// The network as one client sees it.
#[derive(Clone, Debug)]
pub(in crate::client) struct Network {
    shared: Arc<Shared>,
    client: usize,
}

#[derive(Debug)]
struct Shared {
    nodes: Vec<SimulatedNode>,
    dials: Mutex<Vec<Dial>>,
}

/// One attempt to connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Dial {
    pub(super) at: Instant,
    pub(super) client: usize,
    pub(super) node: usize,
}

impl Network {
    /// A network with `count` nodes, all well. Their connections belong to `scope`.
    pub(super) fn new(count: usize, seed: Seed, scope: &Scope) -> Self {
        let node = |index| SimulatedNode::new(seed.fork("node").index(index), scope.clone());
        let nodes = (0_u64..).take(count).map(node).collect();
        let shared = Shared { nodes, dials: Mutex::default() };
        Self { shared: Arc::new(shared), client: 0 }
    }

    /// As the client with this number sees it.
    pub(super) fn of_client(&self, client: usize) -> Self {
        Self { client, ..self.clone() }
    }

    pub(super) fn node(&self, index: usize) -> &SimulatedNode {
        &self.shared.nodes[index]
    }

    pub(super) fn addresses(&self) -> impl Iterator<Item = String> {
        let count = self.shared.nodes.len();
        (FIRST_PORT..).take(count).map(|port| format!("127.0.0.1:{port}"))
    }

    pub(in crate::client) async fn dial(&self, port: u16) -> Result<DuplexStream, Error> {
        let node = usize::from(port - FIRST_PORT);
        let dial = Dial { at: Instant::now(), client: self.client, node };
        self.shared.dials.lock().push(dial);
        self.node(node).accept().await.map_err(Error::Connect)
    }

    /// Every attempt so far, in order.
    pub(super) fn dials(&self) -> Vec<Dial> {
        self.shared.dials.lock().clone()
    }
}
