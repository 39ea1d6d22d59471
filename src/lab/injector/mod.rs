//! Who breaks the network, one file each: our own proxies, the kernel, or proxies that run
//! elsewhere.

#[cfg(target_os = "linux")]
mod kernel;
mod own;
mod remote;

use std::net::SocketAddr;

use crate::base::name::NodeIndex;
use crate::base::scope::Scope;
#[cfg(target_os = "linux")]
use crate::lab::network::KernelNetwork;
use crate::lab::timeline::FaultSpec;
use crate::lab::{Elsewhere, Whose};
use crate::protocol::Protocol;
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
    /// Proxies that run elsewhere.
    Remote(remote::RemoteInjector),
    /// Nobody: nothing lies between clients and nodes.
    Nobody,
}

/// A toxic that must be taken back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ActiveToxic {
    proxy: String,
    toxic: String,
    /// What toxics of its name had touched before: a fault may come again.
    touched_before: u64,
}

impl ActiveToxic {
    /// One that counts nothing here.
    const fn new(proxy: String, toxic: String) -> Self {
        Self { proxy, toxic, touched_before: 0 }
    }
}

/// Whether the fault of the network `fault` can be done: by proxies elsewhere or, with our own proxies
/// behind it, by this process.
pub(crate) fn can(elsewhere: Option<Whose>, fault: &FaultSpec) -> Result<(), String> {
    match elsewhere {
        Some(whose) => remote::can(whose, fault),
        None => TOXICS.make(&fault.fault).map(drop).map_err(|error| error.what),
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
            // Proxies elsewhere are tidied up when nothing can be asked of the injector any more.
            _ => drop(self),
        }
    }

    /// An injector that drives proxies elsewhere, and where they listen, which it puts in front of the servers at
    /// `upstreams`, which speak `protocol`.
    ///
    /// # Errors
    /// What they answered, or did instead.
    pub(crate) async fn elsewhere(
        elsewhere: &Elsewhere,
        protocol: Protocol,
        upstreams: &[(NodeIndex, SocketAddr)],
        scope: &Scope,
    ) -> Result<(Self, Vec<SocketAddr>), String> {
        let started = remote::RemoteInjector::start(elsewhere, protocol, upstreams, scope).await?;
        Ok((Self::Remote(started.0), started.1))
    }

    /// Whether what passes the proxies is counted.
    pub(crate) const fn has_taps(&self) -> bool {
        match self {
            Self::Own(_) => true,
            #[cfg(target_os = "linux")]
            Self::Kernel(_) => true,
            Self::Remote(_) | Self::Nobody => false,
        }
    }

    /// The toxics that make up `fault`: what must be taken back once applying it has begun.
    pub(crate) fn toxics(&self, fault: &FaultSpec) -> Vec<ActiveToxic> {
        match self {
            Self::Own(own) => own.toxics(fault),
            #[cfg(target_os = "linux")]
            Self::Kernel(kernel) => kernel.toxics(fault),
            Self::Remote(remote) => remote.toxics(fault),
            Self::Nobody => Vec::new(),
        }
    }

    /// Applies `fault` to every node that it targets; returns when all have acknowledged it.
    pub(crate) async fn apply(&self, fault: &FaultSpec) -> Result<(), String> {
        match self {
            Self::Own(own) => own.apply(fault).await,
            #[cfg(target_os = "linux")]
            Self::Kernel(kernel) => kernel.apply(fault).await,
            Self::Remote(remote) => remote.apply(fault).await,
            Self::Nobody => Err("there is nothing in between that could".to_owned()),
        }
    }

    /// How many operations these toxics have touched so far; `None`: nobody counts.
    pub(crate) fn touched(&self, toxics: &[ActiveToxic]) -> Option<u64> {
        match self {
            Self::Own(own) => Some(own.touched(toxics)),
            #[cfg(target_os = "linux")]
            Self::Kernel(kernel) => kernel.touched(toxics),
            Self::Remote(_) | Self::Nobody => None,
        }
    }

    /// Takes the toxics back, those that are there; returns how many operations they touched, where
    /// that was counted.
    pub(crate) async fn heal(&self, toxics: Vec<ActiveToxic>) -> Result<Option<u64>, String> {
        match self {
            Self::Own(own) => own.heal(toxics).await.map(Some),
            #[cfg(target_os = "linux")]
            Self::Kernel(kernel) => kernel.heal(toxics).await.map(Some),
            Self::Remote(remote) => remote.heal(toxics).await.map(|()| None),
            Self::Nobody => Ok(None),
        }
    }
}
