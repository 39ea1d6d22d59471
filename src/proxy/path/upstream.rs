//! The server behind a proxy: where it is and how it is reached.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
#[cfg(unix)]
use tokio::net::UnixStream;

/// A server that has not answered a connect for this long is taken for one that refuses.
pub(in crate::proxy) const DIAL_TIMEOUT: Duration = Duration::from_secs(10);

/// What the system is asked to keep of what a peer sends that is not to be read: the least that it takes.
const LITTLE_BYTES: usize = 1;
/// The same once that is over. The system no longer fits the buffer to the traffic by itself.
const MUCH_BYTES: usize = 4 << 20;

/// One end of a connection.
pub(in crate::proxy) trait Peer: AsyncRead + AsyncWrite + Unpin + Send {
    /// Makes the coming close a reset.
    fn reset_on_close(&self) {}

    /// Lets the system keep as little as it can of what the peer sends, or as much as it gives.
    fn buffer_little(&self, little: bool) {
        let _ = little;
    }
}

impl Peer for TcpStream {
    fn reset_on_close(&self) {
        reset_on_close(self);
    }

    fn buffer_little(&self, little: bool) {
        let bytes = if little { LITTLE_BYTES } else { MUCH_BYTES };
        // Fails only on a socket that is already dead; the system cuts what is beyond its own bound.
        let _ = socket2::SockRef::from(self).set_recv_buffer_size(bytes);
    }
}

/// Makes the coming close of `socket` a reset.
pub(in crate::proxy) fn reset_on_close(socket: &impl AsFd) {
    // Fails only on a socket that is already dead.
    let _ = socket2::SockRef::from(socket).set_linger(Some(Duration::ZERO));
}

#[cfg(unix)]
impl Peer for UnixStream {}

impl Peer for tokio::io::DuplexStream {}

/// Where a server is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::proxy) enum Upstream {
    /// `host:port`; the name is resolved for each connection.
    Tcp(String),
    /// `unix:/path`.
    #[cfg(unix)]
    Unix(std::path::PathBuf),
}

impl Upstream {
    /// Not validated, as in Toxiproxy: what cannot be reached refuses each connection.
    pub(in crate::proxy) fn parse(text: &str) -> Self {
        #[cfg(unix)]
        if let Some(path) = text.strip_prefix("unix:") {
            return Self::Unix(path.into());
        }
        Self::Tcp(text.to_owned())
    }

    /// Connects, within [`DIAL_TIMEOUT`].
    pub(in crate::proxy) async fn dial(&self) -> io::Result<Server> {
        let dial = async {
            match self {
                Self::Tcp(address) => {
                    let stream = TcpStream::connect(address.as_str()).await?;
                    prepare(&stream)?;
                    Ok(Server::Tcp(stream))
                }
                #[cfg(unix)]
                Self::Unix(path) => UnixStream::connect(path).await.map(Server::Unix),
            }
        };
        tokio::time::timeout(DIAL_TIMEOUT, dial)
            .await
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl fmt::Display for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => f.write_str(address),
            #[cfg(unix)]
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// No delay for small segments, and a dead peer is noticed in the end.
pub(in crate::proxy) fn prepare(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    socket2::SockRef::from(stream).set_keepalive(true)
}

/// A connection to a server.
#[derive(Debug)]
pub(in crate::proxy) enum Server {
    Tcp(TcpStream),
    #[cfg(unix)]
    Unix(UnixStream),
}

impl AsFd for Server {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(stream) => stream.as_fd(),
            #[cfg(unix)]
            Self::Unix(stream) => stream.as_fd(),
        }
    }
}

impl Peer for Server {
    fn reset_on_close(&self) {
        match self {
            Self::Tcp(stream) => stream.reset_on_close(),
            #[cfg(unix)]
            Self::Unix(_) => {}
        }
    }

    fn buffer_little(&self, little: bool) {
        match self {
            Self::Tcp(stream) => stream.buffer_little(little),
            #[cfg(unix)]
            Self::Unix(_) => {}
        }
    }
}

impl AsyncRead for Server {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_read(cx, buffer),
            #[cfg(unix)]
            Self::Unix(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Server {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write(cx, data),
            #[cfg(unix)]
            Self::Unix(stream) => Pin::new(stream).poll_write(cx, data),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            #[cfg(unix)]
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
