//! Who breaks the network, one file each: our own proxies, or an external Toxiproxy.

mod own;

pub(crate) use own::ActiveToxic;

use crate::lab::timeline::FaultSpec;
use crate::proxy::ProxySet;

/// Applies and heals the network faults of a plan.
#[derive(Debug)]
pub(crate) enum Injector {
    /// Our own proxies.
    Own(own::OwnInjector),
}

impl Injector {
    pub(crate) const fn own(proxies: ProxySet) -> Self {
        Self::Own(own::OwnInjector::new(proxies))
    }

    /// Whether it can do `fault`; asked before a run starts.
    pub(crate) fn can(&self, fault: &FaultSpec) -> Result<(), String> {
        match self {
            Self::Own(own) => own.can(fault),
        }
    }

    /// The toxics that make up `fault`: what must be taken back once applying it has begun.
    pub(crate) fn toxics(&self, fault: &FaultSpec) -> Vec<ActiveToxic> {
        match self {
            Self::Own(own) => own.toxics(fault),
        }
    }

    /// Applies `fault` to every node that it targets; returns when all have acknowledged it.
    pub(crate) async fn apply(&self, fault: &FaultSpec) -> Result<(), String> {
        match self {
            Self::Own(own) => own.apply(fault).await,
        }
    }

    /// Takes the toxics back, those that are there; returns how many operations they touched.
    pub(crate) async fn heal(&self, toxics: Vec<ActiveToxic>) -> Result<u64, String> {
        match self {
            Self::Own(own) => own.heal(toxics).await,
        }
    }
}
