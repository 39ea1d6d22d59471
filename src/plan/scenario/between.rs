//! What stands between clients and nodes: proxies of ours, the kernel's network, proxies elsewhere, or nothing.

use super::Reader;
use crate::lab::{Elsewhere, Network, Whose};
use crate::plan::error::PlanError;
use crate::plan::fault;
use crate::plan::model::FaultPlan;
use crate::plan::options::read_control_address;
use crate::plan::source::TomlValue;

impl Reader<'_> {
    /// Proxies elsewhere, which must know every fault of the network.
    pub(super) fn elsewhere(
        &self,
        faults: &[FaultPlan],
        driver: bool,
    ) -> Result<Option<Elsewhere>, PlanError> {
        let mut written = Vec::new();
        for whose in Whose::ALL {
            let Some(node) = self.table.get(whose.key()) else { continue };
            if !written.is_empty() {
                let what = "`proxy` and `toxiproxy` both stand in for our proxies; leave out one";
                return Err(node.error_at_key(what).into());
            }
            let address = read_control_address(node.text()?).map_err(|what| node.error(what))?;
            written.push(Elsewhere { address, whose });
        }
        let elsewhere = self.options.elsewhere.clone().or_else(|| written.pop());
        let Some(Elsewhere { whose, .. }) = elsewhere else { return Ok(None) };
        let flag = whose.flag();
        if driver {
            return Err(PlanError::Option(format!(
                "{flag}: a driver needs the harness's own proxies, which see where its client puts a key; \
                 leave {flag} out, or -client"
            )));
        }
        let strange = faults.iter().find(|plan| !fault::knows(Some(whose), &plan.spec.fault));
        match strange {
            Some(FaultPlan { spec, .. }) => Err(PlanError::Option(format!(
                "the fault `{}` is a {}, which only our own proxies can do; leave out {flag}, or give it a \
                 `harness proxy` (-proxy)",
                spec.name, spec.fault.kind
            ))),
            None => Ok(elsewhere),
        }
    }

    /// Who does the faults of the network; the kernel gives the proxies addresses of their own.
    pub(super) fn network(
        &self,
        elsewhere: Option<Whose>,
        addressed: bool,
    ) -> Result<Network, PlanError> {
        let written = self.table.optional("network", |it| it.word("network", &Network::WORDS))?;
        let mode = self.options.network.or(written).unwrap_or_default();
        let (flag, what) = match (mode, elsewhere) {
            (Network::Kernel, Some(whose)) => {
                (whose.flag(), "proxies elsewhere do the faults themselves")
            }
            (Network::Kernel, None) if addressed => {
                ("-listen", "the proxies get addresses of their own")
            }
            _ => return Ok(mode),
        };
        Err(PlanError::Option(format!("-network kernel: {what}; leave out {flag}")))
    }

    /// Whether the proxies are left out, which nothing may need.
    pub(super) fn direct(
        &self,
        driver: bool,
        elsewhere: Option<Whose>,
        network: Network,
        faults: &[FaultPlan],
    ) -> Result<bool, PlanError> {
        let written = self.table.optional("direct", TomlValue::flag)?;
        if !(self.options.direct || written.unwrap_or_default()) {
            return Ok(false);
        }
        let fault = faults.iter().find(|planned| fault::is_of_network(&planned.spec.fault));
        let needs = match (fault, driver, elsewhere, network) {
            (Some(FaultPlan { spec, .. }), ..) => {
                format!("the fault `{}` ({}) is done by a proxy", spec.name, spec.fault.kind)
            }
            (None, true, ..) => {
                "only a proxy sees where the client of a driver puts a key; leave out \
                                 -client"
                    .to_owned()
            }
            (None, false, Some(whose), _) => {
                format!("{} asks for some; leave it out", whose.flag())
            }
            (None, false, None, Network::Kernel) => {
                "-network kernel is the network of the proxies; leave it out".to_owned()
            }
            (None, false, None, Network::User) => return Ok(true),
        };
        Err(PlanError::Option(format!("-direct leaves the proxies out, and {needs}")))
    }
}
