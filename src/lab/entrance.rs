//! The proxies in front of the nodes: where clients of the nodes come in.

use std::net::{Ipv4Addr, SocketAddr};

use super::Listen;
use super::backend::RunningNode;
use super::error::LabError;
use crate::base::name::NodeIndex;
use crate::protocol::Protocol;
use crate::proxy::{Dial, ProxyConfig, ProxyError, ProxySet};

/// Puts a proxy in front of every node; returns where they listen.
pub(super) async fn put_proxies(
    proxies: &ProxySet,
    listen: &[Listen],
    nodes: &[RunningNode],
    notices: &mut Vec<String>,
) -> Result<Vec<SocketAddr>, LabError> {
    let mut addresses = Vec::with_capacity(nodes.len());
    for (node, backend) in (0..).map(NodeIndex).zip(nodes) {
        let listen = listen.get(node.position()).copied().unwrap_or(Listen::usual(0));
        addresses.push(put_proxy(proxies, node, listen, backend, notices).await?);
    }
    Ok(addresses)
}

/// Puts a proxy in front of a node; when the usual port is taken and nobody asked for it, on a free
/// one, with a notice.
async fn put_proxy(
    proxies: &ProxySet,
    node: NodeIndex,
    listen: Listen,
    backend: &RunningNode,
    notices: &mut Vec<String>,
) -> Result<SocketAddr, LabError> {
    let config = |address: SocketAddr| ProxyConfig {
        name: node.to_string(),
        listen: address.to_string(),
        upstream: backend.address().to_string(),
        enabled: true,
        dial: Dial::Eager,
        protocol: Some(backend.protocol()),
        node: Some(node),
        toxics: Vec::new(),
    };
    let mut created = proxies.create(config(listen.address)).await;
    if created.is_err() && !listen.required {
        let free = SocketAddr::new(listen.address.ip(), 0);
        created = proxies.create(config(free)).await;
        if let Ok(view) = &created {
            notices.push(format!(
                "{} is taken: the proxy of {node} listens on {} instead",
                listen.address, view.listen
            ));
        }
    }
    let error = |problem: ProxyError| LabError::Listen {
        address: listen.address.to_string(),
        what: problem.to_string(),
        flag: "-listen",
    };
    let view = created.map_err(error)?;
    if backend.protocol() == Protocol::Memcached {
        // Before the first client, so that the tap is certain of every request from the start.
        proxies.tell_version(&view.name, backend.version()).map_err(error)?;
    }
    view.listen.parse().map(from_here).map_err(|_| LabError::Listen {
        address: view.listen.clone(),
        what: "the bound address cannot be read".into(),
        flag: "-listen",
    })
}

/// Where something that listens on every address is reached on this machine.
fn from_here(bound: SocketAddr) -> SocketAddr {
    if bound.ip().is_unspecified() { (Ipv4Addr::LOCALHOST, bound.port()).into() } else { bound }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Catches a lab whose own client dials an address that means every one.
    #[test]
    fn what_listens_everywhere_is_reached_here() {
        let reached = |bound: &str| from_here(bound.parse().unwrap()).to_string();
        assert_eq!(reached("[::]:21211"), "127.0.0.1:21211");
        assert_eq!(reached("0.0.0.0:21211"), "127.0.0.1:21211");
        assert_eq!(reached("10.0.0.7:21211"), "10.0.0.7:21211");
    }
}
