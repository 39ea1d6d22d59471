//! What the command line adds to a scenario. Everything given here goes before the file.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use crate::lab::{Backend, Elsewhere, Network};
use crate::load::RateWish;
use crate::protocol::Protocol;
use crate::protocol::memcached::program::PORT;
use crate::secure::access::Access;

/// The largest seed: JSON numbers above 2^53 are rounded by many readers.
pub const SEED_MAX: u64 = (1 << 53) - 1;

/// The shortest run in which every phase can hold a few samples.
pub const DURATION_MIN: Duration = Duration::from_secs(1);

/// The longest run: everything scaled to it can be counted in nanoseconds.
pub const DURATION_MAX: Duration = Duration::from_secs(31_557_600);

/// The shortest time between two live figures: they are made of pieces of this length.
pub const METRICS_INTERVAL_MIN: Duration = Duration::from_millis(100);

/// Checks how often live figures are asked for.
///
/// # Errors
/// What to write instead.
pub fn metrics_interval(interval: Duration) -> Result<Duration, String> {
    if interval < METRICS_INTERVAL_MIN {
        return Err(format!(
            "live figures are at least {METRICS_INTERVAL_MIN:?} apart; write \"100ms\" or more"
        ));
    }
    Ok(interval)
}

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
    /// What the nodes speak.
    pub protocol: Option<Protocol>,
    /// What the nodes are.
    pub backend: Option<Backend>,
    /// The address of the first proxy; the others follow it.
    pub listen: Option<SocketAddr>,
    /// The address of the control API.
    pub api: Option<SocketAddr>,
    /// Proxies elsewhere that stand in for ours.
    pub elsewhere: Option<Elsewhere>,
    /// Whether to leave the proxies out.
    pub direct: bool,
    /// Who does the faults of the network.
    pub network: Option<Network>,
    /// Whether the nodes have names.
    pub names: bool,
    /// What the nodes ask of who connects.
    pub access: Access,
    /// The seed.
    pub seed: Option<u64>,
}

/// Reads a numeric address to listen on. Port 0 asks for any free port.
///
/// # Errors
/// What to write instead.
pub fn read_listen(text: &str) -> Result<SocketAddr, String> {
    text.parse::<SocketAddr>().map_err(|_| {
        format!("\"{text}\" is no numeric address with a port; write \"{}\"", nearest(text))
    })
}

/// The address that may be meant by a text that is none.
fn nearest(text: &str) -> SocketAddr {
    let here = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let bare = |host: &str| host.trim_matches(['[', ']']).parse::<IpAddr>();
    let (host, port) = match (bare(text), text.rsplit_once(':')) {
        (Ok(host), _) => (host, None),
        (Err(_), Some((host, port))) => (bare(host).unwrap_or(here), port.parse::<u16>().ok()),
        (Err(_), None) => (here, None),
    };
    SocketAddr::new(host, port.filter(|port| *port > 0).unwrap_or(PORT))
}

/// Reads a numeric address with a port.
///
/// # Errors
/// What to write instead.
pub fn read_address(text: &str) -> Result<SocketAddr, String> {
    let address = read_listen(text)?;
    if address.port() == 0 {
        let meant = nearest(text);
        return Err(format!("\"{text}\" has port 0, and nobody listens there; write \"{meant}\""));
    }
    Ok(address)
}

/// Reads the control address of proxies elsewhere.
///
/// # Errors
/// What to write instead.
pub fn read_control_address(text: &str) -> Result<String, String> {
    let address = text.strip_prefix("http://").unwrap_or(text).trim_end_matches('/');
    match address.rsplit_once(':') {
        Some((host, port))
            if !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port > 0) =>
        {
            Ok(address.to_owned())
        }
        _ => Err(format!("\"{text}\" is no control address; write \"http://127.0.0.1:8474\"")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Catches an address that would only fail when it is dialled.
    #[test]
    fn addresses_are_numeric_and_have_a_port() {
        assert!(read_address("10.0.0.1:11211").is_ok() && read_address("[::1]:1").is_ok());
        assert_eq!(
            read_address("cache:11211").unwrap_err(),
            r#""cache:11211" is no numeric address with a port; write "127.0.0.1:11211""#
        );
        for (text, meant) in [
            ("10.0.0.1", "10.0.0.1:11211"),
            (":21211", "127.0.0.1:21211"),
            ("localhost:5", "127.0.0.1:5"),
            ("::1", "[::1]:11211"),
            ("[::1]", "[::1]:11211"),
            ("1.2.3.4:99999", "1.2.3.4:11211"),
            ("", "127.0.0.1:11211"),
        ] {
            let refused = read_address(text).unwrap_err();
            assert!(refused.ends_with(&format!("write \"{meant}\"")), "{refused}");
        }
        assert!(read_address("127.0.0.1").is_err() && read_address("127.0.0.1:0").is_err());
        assert!(read_listen("127.0.0.1").is_err() && read_listen("127.0.0.1:0").is_ok());
    }

    /// Catches a control address without a port.
    #[test]
    fn a_control_address_has_a_port() {
        assert_eq!(read_control_address("http://localhost:8474/").unwrap(), "localhost:8474");
        assert!(read_control_address("localhost").is_err());
    }
}
