//! Where the sockets of listeners are made: in the network of this process, or in another one.
//!
//! A socket belongs for ever to the network in which it was made, whoever uses it later. So a proxy
//! can listen in a namespace of its own while the process stays where it is.

use std::fmt;
use std::io;
use std::sync::Arc;

use socket2::{Domain, Socket, Type};
use tokio::sync::oneshot;

/// Takes the order to make a TCP socket, and answers from wherever it makes it.
type Maker = dyn Fn(Domain, oneshot::Sender<io::Result<Socket>>) + Send + Sync;

/// Makes the sockets of listeners. The default makes them in the network of this process.
#[derive(Clone, Default)]
pub struct Sockets {
    maker: Option<Arc<Maker>>,
}

impl Sockets {
    /// Sockets that `maker` makes: it must not wait, and answers through the sender.
    pub fn made_by(
        maker: impl Fn(Domain, oneshot::Sender<io::Result<Socket>>) + Send + Sync + 'static,
    ) -> Self {
        Self { maker: Some(Arc::new(maker)) }
    }

    /// A TCP socket that is not bound yet.
    ///
    /// # Errors
    /// What the operating system says, or that the other network is gone.
    pub async fn stream(&self, domain: Domain) -> io::Result<Socket> {
        let Some(maker) = &self.maker else { return Socket::new(domain, Type::STREAM, None) };
        let (reply, made) = oneshot::channel();
        maker(domain, reply);
        made.await.map_err(|_| io::Error::other("the network of the proxies is gone"))?
    }
}

impl fmt::Debug for Sockets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sockets").field("elsewhere", &self.maker.is_some()).finish()
    }
}
