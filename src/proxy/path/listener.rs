//! The entrance of a proxy: who may connect, and what becomes of those who may not.
//!
//! ```text
//! open        accept ─► a task each; an error waits a little and goes on
//! unanswered  listening with no room left in the accept queue: the kernel drops every SYN
//! refused     bound but not listening: the kernel refuses, and gives the port to nobody else
//! ```
//! One task owns the socket. It never dials and never waits for a peer.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use socket2::{Domain, SockRef, Socket, Type};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{mpsc, oneshot};

use crate::base::descriptors;
use crate::base::port::{keep, listen_again};
use crate::event::EventKind;
use crate::proxy::error::ProxyError;
use crate::proxy::fault::Entrance;
use crate::proxy::instance::Proxy;
use crate::proxy::path::sockets::Sockets;

/// Connections that the kernel keeps for us until they are accepted.
const BACKLOG: i32 = 1024;
/// How long accepting rests after an error, such as running out of descriptors.
const ACCEPT_REST: Duration = Duration::from_millis(20);
/// Our own connections that fill the accept queue. One is enough on Linux; a few more do no harm.
const FILLERS_MAX: usize = 8;
/// A connect to ourselves that takes longer is not answered: the queue is full.
const FILL_TIMEOUT: Duration = Duration::from_millis(10);

/// The handle of a listening proxy's task.
#[derive(Debug)]
pub(in crate::proxy) struct Listener {
    commands: mpsc::Sender<Command>,
    address: SocketAddr,
}

#[derive(Debug)]
enum Command {
    /// Change what happens to new connections.
    Turn(Entrance, oneshot::Sender<io::Result<()>>),
    /// Give the port back.
    Close(oneshot::Sender<()>),
}

impl Listener {
    /// Binds `address` and starts to accept for `proxy`.
    pub(in crate::proxy) async fn start(
        proxy: &Arc<Proxy>,
        address: SocketAddr,
        entrance: Entrance,
    ) -> Result<Self, ProxyError> {
        let sockets = &proxy.sockets;
        let socket =
            listen(sockets, address).await.map_err(|error| listen_error(address, &error))?;
        if descriptors::is_reserved(&socket) {
            // As if there were none left: a list of many proxies may not take the control plane's own.
            return Err(listen_error(address, &rustix::io::Errno::MFILE.into()));
        }
        let bound = socket.local_addr().map_err(|error| listen_error(address, &error))?;
        let mut door = Door::Open(socket);
        if entrance != Entrance::Open {
            let turned = door.turn(entrance, bound, sockets).await;
            turned.map_err(|error| listen_error(address, &error))?;
        }
        let (commands, inbox) = mpsc::channel(1);
        let task = run(Arc::clone(proxy), door, bound, inbox);
        proxy.scope.spawn("listener", task);
        Ok(Self { commands, address: bound })
    }

    /// The bound address.
    pub(in crate::proxy) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Changes what happens to new connections; returns when the kernel does it.
    pub(in crate::proxy) async fn turn(&self, entrance: Entrance) -> Result<(), ProxyError> {
        let (done, result) = oneshot::channel();
        if self.commands.send(Command::Turn(entrance, done)).await.is_err() {
            return Err(ProxyError::Closed);
        }
        match result.await {
            Ok(result) => result.map_err(|error| listen_error(self.address, &error)),
            Err(_) => Err(ProxyError::Closed),
        }
    }

    /// Gives the port back; returns when it is free.
    pub(in crate::proxy) async fn close(self) {
        let (done, closed) = oneshot::channel();
        if self.commands.send(Command::Close(done)).await.is_ok() {
            let _ = closed.await;
        }
    }
}

/// The task: accepts, and does what it is told.
async fn run(
    proxy: Arc<Proxy>,
    mut door: Door,
    bound: SocketAddr,
    mut inbox: mpsc::Receiver<Command>,
) {
    let cancelled = proxy.scope.cancelled();
    tokio::pin!(cancelled);
    let mut fillers = BTreeSet::new();
    let mut trouble = Trouble::default();
    loop {
        tokio::select! {
            biased;
            () = &mut cancelled => break proxy.end_connections(|_| true),
            command = inbox.recv() => match command {
                Some(Command::Turn(entrance, done)) => {
                    let turned = door.turn(entrance, bound, &proxy.sockets).await;
                    if entrance == Entrance::Refused {
                        // They ended with the socket; their ports may become clients'.
                        fillers.clear();
                    }
                    let turned = turned.map(|early| {
                        for (stream, client) in early {
                            if !fillers.remove(&client) {
                                // A refusal is told when the next client meets it.
                                let _ = proxy.admit(stream, client, bound);
                            }
                        }
                    });
                    fillers.extend(door.fillers());
                    // Nobody waits any more only when the caller itself was cancelled.
                    let _ = done.send(turned);
                }
                Some(Command::Close(done)) => {
                    drop(door);
                    let _ = done.send(());
                    return;
                }
                None => return,
            },
            accepted = door.accept() => match accepted {
                Ok((_, client)) if fillers.remove(&client) => {}
                Ok((stream, client)) => match proxy.admit(stream, client, bound) {
                    Ok(()) => trouble.over(),
                    Err(why) => trouble.tell(&proxy, &format_args!("resets clients: {why}")),
                },
                Err(error) => {
                    trouble.tell(&proxy, &format_args!(
                        "cannot accept ({error}); it tries again every {ACCEPT_REST:?}"
                    ));
                    tokio::time::sleep(ACCEPT_REST).await;
                }
            },
        }
    }
}

/// Trouble at the entrance, told once until it is over.
#[derive(Debug, Default)]
struct Trouble {
    told: bool,
}

impl Trouble {
    fn tell(&mut self, proxy: &Proxy, what: &dyn Display) {
        if !std::mem::replace(&mut self.told, true) {
            let detail = format!("proxy {} {what}", proxy.name);
            proxy.events.emit(EventKind::Trouble { detail });
        }
    }

    const fn over(&mut self) {
        self.told = false;
    }
}

/// Somebody who has connected, and from where.
type Client = (std::net::TcpStream, SocketAddr);

/// The socket in one of its three states.
#[derive(Debug)]
enum Door {
    Open(TcpListener),
    /// The fillers are connections to ourselves; once open again, the accepted ends are dropped.
    Unanswered(TcpListener, Vec<TcpStream>),
    Refused(Socket),
    /// Only while it turns, and after a turn that failed half-way.
    Lost,
}

impl Door {
    /// A client, not bound to the runtime that accepts it.
    async fn accept(&self) -> io::Result<Client> {
        match self {
            Self::Open(listener) => {
                let (stream, client) = listener.accept().await?;
                Ok((stream.into_std()?, client))
            }
            _ => std::future::pending().await,
        }
    }

    /// The client ends of the connections that fill the queue.
    fn fillers(&self) -> Vec<SocketAddr> {
        match self {
            Self::Unanswered(_, fillers) => {
                fillers.iter().filter_map(|filler| filler.local_addr().ok()).collect()
            }
            _ => Vec::new(),
        }
    }

    /// Every turn goes through open: the states differ from it, not from each other. Returns clients
    /// that had connected before it turned and were not accepted yet.
    async fn turn(
        &mut self,
        entrance: Entrance,
        bound: SocketAddr,
        sockets: &Sockets,
    ) -> io::Result<Vec<Client>> {
        let mut early = Vec::new();
        if self.entrance() == Some(entrance) {
            return Ok(early);
        }
        let listener = match std::mem::replace(self, Self::Lost) {
            Self::Open(listener) => listener,
            Self::Unanswered(listener, fillers) => {
                SockRef::from(&listener).listen(BACKLOG)?;
                drop(fillers);
                listener
            }
            Self::Refused(socket) => match listen_again(&socket, BACKLOG) {
                Ok(()) => TcpListener::from_std(socket.into())?,
                Err(error) => {
                    *self = Self::Refused(socket);
                    return Err(error);
                }
            },
            Self::Lost => listen(sockets, bound).await?,
        };
        *self = match entrance {
            Entrance::Open => Self::Open(listener),
            Entrance::Unanswered => {
                let fillers = fill(&listener, bound, sockets, &mut early).await?;
                Self::Unanswered(listener, fillers)
            }
            Entrance::Refused => {
                drop(listener);
                let socket = bind(sockets, bound).await?;
                keep(&socket)?;
                Self::Refused(socket)
            }
        };
        Ok(early)
    }

    const fn entrance(&self) -> Option<Entrance> {
        match self {
            Self::Open(_) => Some(Entrance::Open),
            Self::Unanswered(..) => Some(Entrance::Unanswered),
            Self::Refused(_) => Some(Entrance::Refused),
            Self::Lost => None,
        }
    }
}

/// Takes the room in the accept queue, until a connect of our own is not answered either. Who is in
/// the queue before us has had its SYN answered, and may have sent a request: it is no matter for the
/// time after the heal.
async fn fill(
    listener: &TcpListener,
    bound: SocketAddr,
    sockets: &Sockets,
    early: &mut Vec<Client>,
) -> io::Result<Vec<TcpStream>> {
    SockRef::from(listener).listen(0)?;
    early.extend(queued(listener));
    let to = SocketAddr::new(loopback(bound.ip()), bound.port());
    let mut fillers = Vec::new();
    for _ in 0..FILLERS_MAX {
        // In the listener's own network, where nothing that the lab breaks lies in between.
        let socket = sockets.stream(Domain::for_address(to)).await?;
        socket.set_nonblocking(true)?;
        let connected = TcpSocket::from_std_stream(socket.into()).connect(to);
        match tokio::time::timeout(FILL_TIMEOUT, connected).await {
            Ok(filler) => fillers.push(filler?),
            // A client was faster.
            Err(_) if fillers.is_empty() => early.extend(queued(listener)),
            Err(_) => break,
        }
    }
    Ok(fillers)
}

/// Everybody in the accept queue.
fn queued(listener: &TcpListener) -> Vec<Client> {
    let listener = SockRef::from(listener);
    std::iter::from_fn(|| {
        let (stream, client) = listener.accept().ok()?;
        stream.set_nonblocking(true).ok()?;
        Some((stream.into(), client.as_socket()?))
    })
    .collect()
}

/// An address of this machine at which a listener on `ip` is reached.
const fn loopback(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    }
}

/// A bound socket that does not listen yet.
async fn bind(sockets: &Sockets, address: SocketAddr) -> io::Result<Socket> {
    let socket = sockets.stream(Domain::for_address(address)).await?;
    // As every server on Unix: connections of an earlier life do not keep the port.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    if address.is_ipv6() && address.ip().is_unspecified() {
        socket.set_only_v6(false)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

async fn listen(sockets: &Sockets, address: SocketAddr) -> io::Result<TcpListener> {
    let socket = bind(sockets, address).await?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// Where `listen` points: no host, `0.0.0.0` and `[::]` mean every interface, both families.
pub(crate) async fn resolve(listen: &str) -> Result<SocketAddr, ProxyError> {
    let invalid = |message: String| ProxyError::Listen { message, invalid: true };
    if listen.is_empty() {
        return Ok(every_interface(0));
    }
    let (host, port) = listen
        .rsplit_once(':')
        .filter(|(host, _)| !host.contains(':') || (host.starts_with('[') && host.ends_with(']')))
        .ok_or_else(|| {
            let what = if listen.contains(':') { "too many colons" } else { "missing port" };
            invalid(format!("listen tcp: address {listen}: {what} in address"))
        })?;
    let port: u16 = match port {
        "" => 0,
        port => port
            .parse()
            .map_err(|_| invalid(format!("listen tcp: address {port}: invalid port")))?,
    };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    if let Ok(ip) = host.parse::<IpAddr>() {
        return Ok(if ip.is_unspecified() {
            every_interface(port)
        } else {
            SocketAddr::new(ip, port)
        });
    }
    if host.is_empty() {
        return Ok(every_interface(port));
    }
    let found = tokio::net::lookup_host((host, port)).await.map(|all| {
        let all: Vec<SocketAddr> = all.collect();
        all.iter().find(|address| address.is_ipv4()).or_else(|| all.first()).copied()
    });
    match found {
        Ok(Some(address)) => Ok(address),
        _ => Err(invalid(format!("listen tcp: lookup {host}: no such host"))),
    }
}

/// The dual-stack wildcard, or the IPv4 one on a machine without IPv6.
fn every_interface(port: u16) -> SocketAddr {
    let both = SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), port);
    match Socket::new(Domain::IPV6, Type::STREAM, None) {
        Ok(_) => both,
        Err(_) => SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), port),
    }
}

/// The error in Toxiproxy's words, which its clients compare.
fn listen_error(address: SocketAddr, error: &io::Error) -> ProxyError {
    let what = match error.kind() {
        io::ErrorKind::AddrInUse => "bind: address already in use".to_owned(),
        io::ErrorKind::PermissionDenied => "bind: permission denied".to_owned(),
        io::ErrorKind::AddrNotAvailable => "bind: cannot assign requested address".to_owned(),
        _ => error.to_string(),
    };
    ProxyError::Listen { message: format!("listen tcp {address}: {what}"), invalid: false }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Catches an address that Toxiproxy takes and we do not, or the other way round, and an error
    /// that its clients would not recognise.
    #[tokio::test]
    async fn addresses_are_read_as_toxiproxy_reads_them() {
        let every = every_interface(3310).to_string();
        for (listen, expected) in [
            ("127.0.0.1:3310", Ok("127.0.0.1:3310")),
            ("localhost:3310", Ok("127.0.0.1:3310")),
            ("[::1]:3310", Ok("[::1]:3310")),
            (":3310", Ok(&*every)),
            ("0.0.0.0:3310", Ok(&*every)),
            ("foo", Err("listen tcp: address foo: missing port in address")),
            ("::1:3310", Err("listen tcp: address ::1:3310: too many colons in address")),
            ("127.0.0.1:99999", Err("listen tcp: address 99999: invalid port")),
        ] {
            let resolved = resolve(listen).await.map(|address| address.to_string());
            let seen = resolved.as_deref().map_err(ToString::to_string);
            assert_eq!(seen, expected.map_err(str::to_owned), "{listen}");
        }
    }

    /// Catches an error in other words than Toxiproxy's, which its clients compare.
    #[tokio::test]
    async fn a_taken_port_is_reported_in_toxiproxys_words() {
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap();
        let error = bind(&Sockets::default(), address).await.unwrap_err();
        let error = listen_error(address, &error);
        assert_eq!(
            error.to_string(),
            format!("listen tcp {address}: bind: address already in use")
        );
    }
}
