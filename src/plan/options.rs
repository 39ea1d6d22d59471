//! What the command line adds to a scenario. Everything given here goes before the file.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::model::Backend;
use crate::load::RateWish;

/// The largest seed: JSON numbers above 2^53 are rounded by many readers.
pub const SEED_MAX: u64 = (1 << 53) - 1;

/// The options that change a plan; `None` and empty leave the scenario's own choice.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Options {
    /// The length of one run of one scenario; its phases and faults are scaled to fit.
    pub duration: Option<Duration>,
    /// Concurrent workers.
    pub concurrency: Option<u32>,
    /// The workload, by name or path.
    pub workload: Option<String>,
    /// How fast operations are offered, instead of the workload's own arrival.
    pub rate: Option<RateWish>,
    /// The client's profile, by name or path.
    pub client: Option<String>,
    /// How often live figures are taken.
    pub metrics_interval: Option<Duration>,
    /// Where journals and reports go.
    pub out: Option<PathBuf>,
    /// What the nodes are.
    pub backend: Option<Backend>,
    /// The address of the first proxy; the others follow it.
    pub listen: Option<SocketAddr>,
    /// The address of the control API.
    pub api: Option<SocketAddr>,
    /// The control address of an external Toxiproxy that stands in for our proxies.
    pub toxiproxy: Option<String>,
    /// The seed.
    pub seed: Option<u64>,
}

/// Reads a numeric address with a port.
///
/// # Errors
/// What to write instead.
pub fn read_address(text: &str) -> Result<SocketAddr, String> {
    let address = text.parse::<SocketAddr>().map_err(|_| {
        format!("\"{text}\" is no numeric address with a port; write \"127.0.0.1:11211\"")
    })?;
    if address.port() == 0 {
        return Err(format!("\"{text}\" has port 0; write the port that is listened on"));
    }
    Ok(address)
}
