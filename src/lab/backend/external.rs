//! A node that already runs somewhere: `-servers a:p,b:p,c:p`. It is asked, never controlled.

use std::net::SocketAddr;
use std::time::Duration;

use crate::lab::error::LabError;
use crate::lab::fault::NodeAction;
use crate::protocol::Protocol;

/// How long a given server may take to answer before the run is given up.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);

/// Whether the server at `address` can be made to do `action`.
///
/// # Errors
/// The reason why it cannot.
pub fn can(address: SocketAddr, action: NodeAction) -> Result<(), String> {
    if action == NodeAction::Flush {
        return Ok(());
    }
    Err(format!(
        "{address} was given with -servers, and the harness controls only processes it started"
    ))
}

/// A server that others started.
#[derive(Debug)]
pub struct ExternalNode {
    address: SocketAddr,
    protocol: Protocol,
    version: String,
}

impl ExternalNode {
    /// Waits for an answer.
    ///
    /// # Errors
    /// When nobody who speaks it answers there in time.
    pub async fn reach(address: SocketAddr, protocol: Protocol) -> Result<Self, LabError> {
        let version =
            protocol.answers(&address.into(), ANSWER_TIMEOUT, || true).await.map_err(|what| {
                LabError::Server { address, what: format!("{what} (tried for {ANSWER_TIMEOUT:?})") }
            })?;
        Ok(Self { address, protocol, version })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it speaks.
    #[must_use]
    pub const fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// Its version.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }
}
