//! Is a node up, what does it say of itself? Waits for an answer, never for a while.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use super::statistics::Statistics;
use super::{Protocol, memcached, resp};

/// The pause between two attempts to connect to a node that refuses.
const ATTEMPT_PAUSE: Duration = Duration::from_millis(5);

/// Where a node is, and how it is entered.
#[derive(Clone, Debug)]
pub struct At {
    /// Where it listens.
    pub address: SocketAddr,
    /// What it asks of who connects.
    pub entry: memcached::entry::Entry,
}

impl From<SocketAddr> for At {
    fn from(address: SocketAddr) -> Self {
        Self { address, entry: memcached::entry::Entry::default() }
    }
}

impl Protocol {
    /// Waits until the node at `at` answers, as long as `alive` says that waiting makes sense, and at
    /// most `limit`. Returns its version.
    ///
    /// # Errors
    /// A sentence that says what the node did instead.
    pub async fn answers(
        self,
        at: &At,
        limit: Duration,
        mut alive: impl FnMut() -> bool,
    ) -> Result<String, String> {
        let (address, deadline) = (at.address, Instant::now() + limit);
        loop {
            let problem = match timeout_at(deadline, self.version(at)).await {
                Ok(Ok(version)) => return Ok(version),
                Ok(Err(problem)) => problem,
                Err(_) => format!("no answer from {address} within {limit:?}"),
            };
            if !alive() {
                return Err(format!("it ended before it answered on {address}"));
            }
            if Instant::now() + ATTEMPT_PAUSE >= deadline {
                return Err(problem);
            }
            tokio::time::sleep(ATTEMPT_PAUSE).await;
        }
    }

    /// Asks once for the version.
    ///
    /// # Errors
    /// A sentence that says what the node did instead.
    pub async fn version(self, at: &At) -> Result<String, String> {
        match self {
            Self::Memcached => memcached::probe::version(at).await,
            Self::Resp => resp::probe::version(at.address).await,
        }
    }

    /// Empties the node.
    ///
    /// # Errors
    /// A sentence that says what the node did instead.
    pub async fn flush_all(self, at: &At) -> Result<(), String> {
        match self {
            Self::Memcached => memcached::probe::flush_all(at).await,
            Self::Resp => resp::probe::flush_all(at.address).await,
        }
    }

    /// Has the node read its certificate and key again, for connections from now on.
    ///
    /// # Errors
    /// A sentence that says what the node did instead.
    pub async fn refresh_certificates(self, at: &At) -> Result<(), String> {
        match self {
            Self::Memcached => memcached::probe::refresh_certificates(at).await,
            Self::Resp => Err(format!("{} is no memcached", at.address)),
        }
    }

    /// Asks for the statistics.
    ///
    /// # Errors
    /// A sentence that says what the node did instead.
    pub async fn statistics(self, at: &At) -> Result<Statistics, String> {
        match self {
            Self::Memcached => memcached::probe::statistics(at).await,
            Self::Resp => resp::probe::statistics(at.address).await,
        }
    }
}

/// Connects, and does what the node asks of who connects.
pub(super) async fn connect(
    At { address, entry }: &At,
) -> Result<impl AsyncRead + AsyncWrite + Unpin + use<>, String> {
    let stream = TcpStream::connect(address)
        .await
        .map_err(|error| format!("cannot connect to {address}: {error}"))?;
    let host = address.ip().to_string();
    let entered = entry.enter(stream, &host).await;
    entered.map_err(|error| format!("{address} lets nobody in: {error}"))
}

/// Sends one request and reads until the answer ends, or is longer than any can be.
pub(super) async fn exchange(
    at: &At,
    request: &[u8],
    bytes_max: usize,
    ends: impl Fn(&[u8]) -> bool,
) -> Result<Vec<u8>, String> {
    let address = at.address;
    let mut stream = connect(at).await?;
    let broken = |error: std::io::Error| format!("{address} broke off: {error}");
    stream.write_all(request).await.map_err(broken)?;
    stream.flush().await.map_err(broken)?;
    let mut answer = Vec::with_capacity(64);
    while !ends(&answer) && answer.len() < bytes_max {
        let read = stream.read_buf(&mut answer).await.map_err(broken)?;
        if read == 0 {
            return Err(format!("{address} closed the connection without an answer"));
        }
    }
    Ok(answer)
}
