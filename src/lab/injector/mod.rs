//! Who breaks the network, one file each: our own proxies, the kernel, or an external Toxiproxy.

#[cfg(target_os = "linux")]
mod kernel;
mod own;
mod toxiproxy;

use std::net::SocketAddr;

use crate::base::name::NodeIndex;
use crate::base::scope::Scope;
#[cfg(target_os = "linux")]
use crate::lab::network::KernelNetwork;
use crate::lab::timeline::FaultSpec;
use crate::proxy::ProxySet;
use crate::proxy::fault::TOXICS;

/// Applies and heals the network faults of a plan.
#[derive(Debug)]
pub(crate) enum Injector {
    /// Our own proxies.
    Own(own::OwnInjector),
    /// The kernel, and our own proxies for what it cannot do.
    #[cfg(target_os = "linux")]
    Kernel(kernel::KernelInjector),
    /// An external Toxiproxy.
    Toxiproxy(toxiproxy::ToxiproxyInjector),
    /// Nobody: nothing lies between clients and nodes.
    Nobody,
}

/// A toxic that must be taken back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ActiveToxic {
    proxy: String,
    toxic: String,
}

/// Whether the fault of the network `fault` can be done: by a Toxiproxy or, with our own proxies behind
/// it, by this process.
pub(crate) fn can(toxiproxy: bool, fault: &FaultSpec) -> Result<(), String> {
    match toxiproxy {
        true => toxiproxy::can(fault),
        false => TOXICS.make(&fault.fault).map(drop).map_err(|error| error.what),
    }
}

impl Injector {
    pub(crate) const fn own(proxies: ProxySet) -> Self {
        Self::Own(own::OwnInjector::new(proxies))
    }

    #[cfg(target_os = "linux")]
    pub(crate) const fn kernel(network: KernelNetwork, proxies: ProxySet) -> Self {
        Self::Kernel(kernel::KernelInjector::new(network, proxies))
    }

    /// Whether the kernel does `fault`, where it does any.
    pub(crate) fn is_kernels(&self, fault: &FaultSpec) -> Option<bool> {
        match self {
            #[cfg(target_os = "linux")]
            Self::Kernel(_) => Some(KernelNetwork::does(fault)),
            _ => None,
        }
    }

    /// Takes down what only the injector has.
    pub(crate) async fn close(self) {
        match self {
            #[cfg(target_os = "linux")]
            Self::Kernel(kernel) => kernel.close().await,
            // An external one is tidied up when nothing can be asked of the injector any more.
            _ => drop(self),
        }
    }

    /// An injector that drives the Toxiproxy whose control API is at `address`, and where its
    /// proxies listen, which it puts in front of the servers at `upstreams`.
    ///
    /// # Errors
    /// What it answered, or did instead.
    pub(crate) async fn toxiproxy(
        address: &str,
        upstreams: &[(NodeIndex, SocketAddr)],
        scope: &Scope,
    ) -> Result<(Self, Vec<SocketAddr>), String> {
        let started = toxiproxy::ToxiproxyInjector::start(address, upstreams, scope).await?;
        Ok((Self::Toxiproxy(started.0), started.1))
    }

    /// Whether what passes the proxies is counted.
    pub(crate) const fn has_taps(&self) -> bool {
        match self {
            Self::Own(_) => true,
            #[cfg(target_os = "linux")]
            Self::Kernel(_) => true,
            Self::Toxiproxy(_) | Self::Nobody => false,
        }
    }

    /// The toxics that make up `fault`: what must be taken back once applying it has begun.
    pub(crate) fn toxics(&self, fault: &FaultSpec) -> Vec<ActiveToxic> {
        match self {
            Self::Own(own) => own.toxics(fault),
            #[cfg(target_os = "linux")]
            Self::Kernel(kernel) => kernel.toxics(fault),
            Self::Toxiproxy(_) => toxiproxy::toxics(fault),
            Self::Nobody => Vec::new(),
        }
    }

    /// Applies `fault` to every node that it targets; returns when all have acknowledged it.
    pub(crate) async fn apply(&self, fault: &FaultSpec) -> Result<(), String> {
        match self {
            Self::Own(own) => own.apply(fault).await,
            #[cfg(target_os = "linux")]
            Self::Kernel(kernel) => kernel.apply(fault).await,
            Self::Toxiproxy(toxiproxy) => toxiproxy.apply(fault).await,
            Self::Nobody => Err("there is nothing in between that could".to_owned()),
        }
    }

    /// Takes the toxics back, those that are there; returns how many operations they touched, where
    /// that was counted.
    pub(crate) async fn heal(&self, toxics: Vec<ActiveToxic>) -> Result<Option<u64>, String> {
        match self {
            Self::Own(own) => own.heal(toxics).await.map(Some),
            #[cfg(target_os = "linux")]
            Self::Kernel(kernel) => kernel.heal(toxics).await.map(Some),
            Self::Toxiproxy(toxiproxy) => toxiproxy.heal(toxics).await.map(|()| None),
            Self::Nobody => Ok(None),
        }
    }
}
