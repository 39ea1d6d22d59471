//! `harness proxy -healthcheck`: does the server that should be here answer? An image without a shell has
//! no other program to ask it with.

use std::net::IpAddr;
use std::process::ExitCode;
use std::time::Duration;

use axum::http::Method;
use tokio::time::timeout;

use super::{output, runtime};
use crate::control::Remote;

/// What containers call unhealthy; any other code but 0 is reserved.
const UNHEALTHY: u8 = 1;
/// Whoever takes longer is not well: the answer takes a millisecond.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(2);

/// Asks the control API that listens on `host` and `port`.
pub(super) fn main(host: &str, port: u16) -> ExitCode {
    match ask(&address(host, port)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(what) => {
            output::complain(&what);
            ExitCode::from(UNHEALTHY)
        }
    }
}

fn ask(address: &str) -> Result<(), String> {
    let agent = concat!("harness-healthcheck/", env!("CARGO_PKG_VERSION"));
    let remote = Remote::new(address, agent).map_err(|error| error.to_string())?;
    let runtime = runtime::thread()?;
    let answer = runtime.block_on(async {
        timeout(ANSWER_TIME_MAX, remote.send(Method::GET, &["version"], None)).await
    });
    // A name that is still looked up holds nobody up.
    runtime.shutdown_background();
    match answer {
        Ok(Ok(answer)) if answer["version"].is_string() => Ok(()),
        Ok(Ok(_)) => Err(format!("what listens on {address} is no control API")),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("{address} gave no answer in {ANSWER_TIME_MAX:?}")),
    }
}

/// Where a server that was told to listen on `host` can be asked: one that listens on all addresses, on
/// that of this machine.
fn address(host: &str, port: u16) -> String {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    match bare.parse::<IpAddr>() {
        Ok(IpAddr::V4(ip)) if ip.is_unspecified() => format!("127.0.0.1:{port}"),
        Ok(IpAddr::V6(ip)) if ip.is_unspecified() => format!("[::1]:{port}"),
        Ok(IpAddr::V6(ip)) => format!("[{ip}]:{port}"),
        _ if bare.is_empty() => format!("127.0.0.1:{port}"),
        _ => format!("{bare}:{port}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Catches a health check that asks an address where nobody can be asked.
    #[test]
    fn a_server_is_asked_where_it_can_be() {
        for (host, expected) in [
            ("localhost", "localhost:8474"),
            ("0.0.0.0", "127.0.0.1:8474"),
            ("", "127.0.0.1:8474"),
            ("::", "[::1]:8474"),
            ("[::]", "[::1]:8474"),
            ("fe80::1", "[fe80::1]:8474"),
            ("10.0.0.1", "10.0.0.1:8474"),
            ("proxies", "proxies:8474"),
        ] {
            assert_eq!(address(host, 8474), expected, "{host}");
        }
    }
}
