//! What the proxies stand on: the network of this process, or one of the kernel's around them.

use super::error::LabError;
use super::injector::Injector;
use super::names::Names;
#[cfg(target_os = "linux")]
use super::network::{KernelNetwork, NetworkTools};
use super::{LabConfig, Listen, Network};
use crate::base::name::NodeIndex;
use crate::base::scope::Scope;
use crate::proxy::{ProxySet, Sockets};

/// Whether the ground can be had, as far as that is known without touching anything.
pub(super) fn can(config: &LabConfig) -> Result<(), LabError> {
    match config.network {
        Network::User => Ok(()),
        #[cfg(target_os = "linux")]
        Network::Kernel => NetworkTools::find(&config.programs.path)
            .and_then(|_| KernelNetwork::can(config.nodes.count))
            .map_err(LabError::Network),
        #[cfg(not(target_os = "linux"))]
        Network::Kernel => {
            Err(LabError::Network("only Linux has it; leave -network out".to_owned()))
        }
    }
}

#[derive(Debug)]
pub(super) enum Ground {
    /// The network of this process.
    Own,
    /// A network of the kernel's.
    #[cfg(target_os = "linux")]
    Kernel(KernelNetwork),
}

impl Ground {
    /// Prepares the ground for `count` proxies.
    pub(super) async fn prepare(
        config: &LabConfig,
        count: usize,
        scope: &Scope,
    ) -> Result<Self, LabError> {
        match &config.network {
            Network::User => Ok(Self::Own),
            #[cfg(target_os = "linux")]
            Network::Kernel => {
                let tools = NetworkTools::find(&config.programs.path).map_err(LabError::Network)?;
                let count = u16::try_from(count).unwrap_or(u16::MAX);
                let started = KernelNetwork::start(tools, count, scope).await;
                started.map(Self::Kernel).map_err(LabError::Network)
            }
            #[cfg(not(target_os = "linux"))]
            Network::Kernel => {
                let _ = (count, scope);
                can(config).map(|()| Self::Own)
            }
        }
    }

    pub(super) fn sockets(&self) -> Sockets {
        match self {
            Self::Own => Sockets::default(),
            #[cfg(target_os = "linux")]
            Self::Kernel(network) => network.sockets(),
        }
    }

    /// Where the proxies listen.
    pub(super) fn listen(
        &self,
        config: &LabConfig,
        count: usize,
        names: Option<&Names>,
    ) -> Vec<Listen> {
        match (self, names) {
            (Self::Own, Some(names)) => names.listen(config),
            (Self::Own, None) => {
                (0..config.nodes.count).map(|at| config.listen.follower(at)).collect()
            }
            #[cfg(target_os = "linux")]
            (Self::Kernel(network), _) => (0..)
                .map(NodeIndex)
                .take(count)
                .map(|node| Listen::on(network.address(node)))
                .collect(),
        }
    }

    pub(super) fn injector(self, proxies: ProxySet) -> Injector {
        match self {
            Self::Own => Injector::own(proxies),
            #[cfg(target_os = "linux")]
            Self::Kernel(network) => Injector::kernel(network, proxies),
        }
    }
}
