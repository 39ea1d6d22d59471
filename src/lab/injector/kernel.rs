//! Breaks the network with the kernel where it can, and with our own proxies where it cannot.

use super::ActiveToxic;
use super::own::OwnInjector;
use crate::lab::network::KernelNetwork;
use crate::lab::timeline::FaultSpec;
use crate::proxy::ProxySet;

/// Stands for the kernel where else the name of a proxy stands.
const KERNEL: &str = "(kernel)";

#[derive(Debug)]
pub(crate) struct KernelInjector {
    network: KernelNetwork,
    own: OwnInjector,
}

impl KernelInjector {
    pub(super) const fn new(network: KernelNetwork, proxies: ProxySet) -> Self {
        Self { network, own: OwnInjector::new(proxies) }
    }

    pub(super) fn toxics(&self, fault: &FaultSpec) -> Vec<ActiveToxic> {
        if KernelNetwork::does(fault) {
            return vec![ActiveToxic::new(KERNEL.to_owned(), fault.name.clone())];
        }
        self.own.toxics(fault)
    }

    pub(super) async fn apply(&self, fault: &FaultSpec) -> Result<(), String> {
        if KernelNetwork::does(fault) {
            return self.network.apply(fault).await;
        }
        self.own.apply(fault).await
    }

    pub(super) async fn heal(&self, toxics: Vec<ActiveToxic>) -> Result<u64, String> {
        match toxics.as_slice() {
            [ActiveToxic { proxy, toxic, .. }] if proxy == KERNEL => self.network.heal(toxic).await,
            _ => self.own.heal(toxics).await,
        }
    }

    /// `None`: the kernel does it, whose counts are read when it ends.
    pub(super) fn touched(&self, toxics: &[ActiveToxic]) -> Option<u64> {
        let is_kernels = toxics.iter().any(|it| it.proxy == KERNEL);
        (!is_kernels).then(|| self.own.touched(toxics))
    }

    pub(super) async fn close(self) {
        self.network.close().await;
    }
}
