//! One connection: where it leads, how it comes about.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddrV4};
use std::sync::Arc;
use std::time::Duration;

use async_memcached::{Client as Crate, Error};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use super::server::{AddressError, Server};
use super::standing::Standing;
use super::transport::Transport;
use super::trouble::connect_class;
use super::wire::Wire;
use crate::base::deadline::Deadline;
use crate::event::ErrorClass;

/// Where connections to a node lead.
#[derive(Debug)]
pub(super) struct Endpoint {
    host: String,
    port: u16,
    /// What the crate dials, when the host is an address: the only form that it always takes.
    fixed: Option<String>,
    network: Network,
    /// Whether connections are such that can be used again after a timeout.
    careless: bool,
}

/// What a name stands for; `None`: nothing.
type Resolve = dyn Fn(&str) -> Option<IpAddr> + Send + Sync;

/// Who is asked what a name stands for, in the place of the system.
#[derive(Clone)]
pub struct Resolver(Arc<Resolve>);

impl Resolver {
    /// Asks this.
    pub fn new(resolve: impl Fn(&str) -> Option<IpAddr> + Send + Sync + 'static) -> Self {
        Self(Arc::new(resolve))
    }
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resolver").finish_non_exhaustive()
    }
}

/// What connections are made of.
#[derive(Clone, Debug, Default)]
pub(super) enum Network {
    /// Sockets.
    #[default]
    Sockets,
    /// Sockets, to where somebody else says that names stand for.
    Resolved(Resolver),
    /// Pipes to simulated nodes.
    #[cfg(test)]
    Simulated(super::simulation::Network),
}

impl Endpoint {
    pub(super) fn new(
        server: &Server,
        network: Network,
        careless: bool,
    ) -> Result<Self, AddressError> {
        let (host, port) = server.endpoint()?;
        let fixed = host.parse::<Ipv4Addr>().ok().map(|address| name(address, port));
        Ok(Self { host: host.to_owned(), port, fixed, network, careless })
    }

    /// Connects within `limit`. A name is looked up each time, so that a node that moves is found.
    pub(super) async fn dial(&self, limit: Duration) -> Result<Transport, ErrorClass> {
        match timeout(limit, self.open()).await {
            Ok(Ok(link)) => Ok(link),
            Ok(Err(Error::Connect(error) | Error::Io(error))) => Err(connect_class(&error)),
            Ok(Err(_)) => Err(ErrorClass::Refused),
            Err(_) => Err(ErrorClass::ConnectTimeout),
        }
    }

    async fn open(&self) -> Result<Transport, Error> {
        match &self.network {
            Network::Sockets | Network::Resolved(_) => {}
            #[cfg(test)]
            Network::Simulated(network) => {
                let pipe = network.dial(self.port).await?;
                return Ok(Transport::Own(Wire::new(pipe, self.careless)));
            }
        }
        if self.careless {
            let address = self.look_up().await.map_err(Error::Connect)?;
            let socket = TcpStream::connect(address).await.map_err(Error::Connect)?;
            socket.set_nodelay(true).map_err(Error::Connect)?;
            return Ok(Transport::Own(Wire::new(socket, true)));
        }
        let socket = match &self.fixed {
            Some(fixed) => Crate::new(fixed).await?,
            None => {
                let address = self.look_up().await.map_err(Error::Connect)?;
                Crate::new(name(*address.ip(), address.port())).await?
            }
        };
        Ok(Transport::Socket(socket))
    }

    /// The first IPv4 address of the name: the crate can dial no other.
    async fn look_up(&self) -> std::io::Result<SocketAddrV4> {
        let v4 = |address: IpAddr| match address {
            IpAddr::V4(address) => Some(SocketAddrV4::new(address, self.port)),
            IpAddr::V6(_) => None,
        };
        let found = match &self.network {
            Network::Resolved(Resolver(ask)) if self.fixed.is_none() => {
                ask(&self.host).and_then(v4)
            }
            _ => {
                let mut found = tokio::net::lookup_host((self.host.as_str(), self.port)).await?;
                found.find_map(|address| v4(address.ip()))
            }
        };
        found.ok_or_else(|| std::io::ErrorKind::AddrNotAvailable.into())
    }
}

fn name(address: Ipv4Addr, port: u16) -> String {
    format!("tcp://{}:{port}", IpAddr::V4(address))
}

/// An open connection and its history.
pub(super) struct Connection {
    pub(super) link: Transport,
    /// When the exchange on it must be done.
    pub(super) deadline: Deadline,
    /// What its last answer proves about the next.
    pub(super) standing: Standing,
    /// Counted per node from 1.
    pub(super) id: u64,
    /// How often its node had been given up when it was dialled.
    pub(super) generation: u64,
    /// When it has lived long enough.
    pub(super) ends: Option<Instant>,
    /// Since when it waits for work.
    pub(super) idle_since: Instant,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("id", &self.id).finish_non_exhaustive()
    }
}
