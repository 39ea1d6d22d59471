//! One connection: where it leads, how it comes about.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use async_memcached::{Client as Crate, Error};
use parking_lot::Mutex;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use super::resolve::{Known, Resolver};
use super::resp;
use super::server::{AddressError, Server};
use super::standing::Standing;
use super::transport::Transport;
use super::trouble::{connect_class, denied_class};
use super::wire::Wire;
use crate::base::deadline::Deadline;
use crate::event::ErrorClass;
use crate::protocol::Protocol;
use crate::protocol::memcached::entry::Entry;

/// The address that is dialled; none where no name had to be looked up.
type Dialled = Mutex<Option<Ipv4Addr>>;

/// Where connections to a node lead.
#[derive(Debug)]
pub(super) struct Endpoint {
    host: String,
    port: u16,
    /// What the crate dials, when the host is an address: the only form that it always takes.
    fixed: Option<String>,
    /// What the name stood for last.
    known: Known,
    network: Network,
    protocol: Protocol,
    /// Whether connections are such that can be used again after a timeout.
    careless: bool,
}

/// An open connection, in the protocol that it speaks.
pub(super) enum Link {
    /// As memcached is spoken to.
    Memcached(Transport),
    /// As Redis and Valkey are.
    Resp(resp::Link),
}

/// How a client reaches its servers; by default as any program does.
#[derive(Clone, Debug, Default)]
pub struct Way {
    /// Who says what names stand for; `None`: the system.
    pub resolver: Option<Resolver>,
    /// What the servers ask of who connects.
    pub entry: Entry,
}

/// What connections are made of.
#[derive(Clone, Debug)]
pub(super) enum Network {
    /// Sockets.
    Sockets(Way),
    /// Pipes to simulated nodes.
    #[cfg(test)]
    Simulated(super::simulation::Network),
}

impl Endpoint {
    pub(super) fn new(
        server: &Server,
        network: Network,
        protocol: Protocol,
        careless: bool,
    ) -> Result<Self, AddressError> {
        let (host, port) = server.endpoint()?;
        let fixed = host.parse::<Ipv4Addr>().ok().map(|address| name(address, port));
        let known = Known::default();
        Ok(Self { host: host.to_owned(), port, fixed, known, network, protocol, careless })
    }

    /// Connects within `limit`. A name is looked up each time, so that a node that moves is found.
    pub(super) async fn dial(&self, limit: Duration) -> Result<Link, ErrorClass> {
        let address = Dialled::default();
        let dialled = timeout(limit, self.open(limit, &address)).await;
        if let Some(address) = *address.lock() {
            self.known.note(address, !matches!(dialled, Ok(Ok(_))));
        }
        match dialled {
            Ok(opened) => opened,
            Err(_) => Err(ErrorClass::ConnectTimeout),
        }
    }

    /// Says which address it dials, if it gets so far.
    async fn open(&self, limit: Duration, to: &Dialled) -> Result<Link, ErrorClass> {
        let entry = match &self.network {
            Network::Sockets(way) => &way.entry,
            #[cfg(test)]
            Network::Simulated(network) => {
                let pipe = network.dial(self.port).await.map_err(|error| dial_class(&error))?;
                return Ok(Link::Memcached(Transport::Own(Wire::new(pipe, self.careless))));
            }
        };
        if self.protocol == Protocol::Resp || self.careless || !entry.is_open() {
            let socket = self.connect(limit, to).await.map_err(|error| connect_class(&error))?;
            if self.protocol == Protocol::Resp {
                return Ok(Link::Resp(resp::Link::new(socket, self.careless)));
            }
            let stream = entry.enter(socket, &self.host).await;
            let stream = stream.map_err(|denied| denied_class(&denied))?;
            return Ok(Link::Memcached(Transport::Own(Wire::new(stream, self.careless))));
        }
        let socket = match &self.fixed {
            Some(fixed) => Crate::new(fixed).await,
            None => {
                let address = self.look_up(limit, to).await;
                let address = address.map_err(|error| connect_class(&error))?;
                Crate::new(name(*address.ip(), address.port())).await
            }
        };
        let socket = socket.map_err(|error| dial_class(&error))?;
        Ok(Link::Memcached(Transport::Socket(socket)))
    }

    /// A socket of our own.
    async fn connect(&self, limit: Duration, to: &Dialled) -> std::io::Result<TcpStream> {
        let socket = TcpStream::connect(self.look_up(limit, to).await?).await?;
        socket.set_nodelay(true)?;
        Ok(socket)
    }

    async fn look_up(&self, limit: Duration, to: &Dialled) -> std::io::Result<SocketAddrV4> {
        let asking = async {
            match &self.network {
                Network::Sockets(Way { resolver: Some(resolver), .. }) if self.fixed.is_none() => {
                    resolver.ask(&self.host).await
                }
                _ => {
                    let found = tokio::net::lookup_host((self.host.as_str(), self.port)).await?;
                    Ok(found.map(|it| it.ip()).collect())
                }
            }
        };
        let address = self.known.address(limit, asking).await?;
        *to.lock() = Some(address);
        Ok(SocketAddrV4::new(address, self.port))
    }
}

/// The class of a connection of the crate that did not come about.
fn dial_class(error: &Error) -> ErrorClass {
    match error {
        Error::Connect(error) | Error::Io(error) => connect_class(error),
        _ => ErrorClass::Refused,
    }
}

fn name(address: Ipv4Addr, port: u16) -> String {
    format!("tcp://{address}:{port}")
}

/// An open connection and its history.
pub(super) struct Connection {
    pub(super) link: Link,
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
