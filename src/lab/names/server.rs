//! Answers questions for names on a loopback address of its own, by UDP and TCP.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::answer::{Way, answer};
use super::table::Table;
use crate::base::scope::Scope;

/// Where resolvers ask: `resolv.conf` names no port.
pub(super) const PORT: u16 = 53;
/// The first two numbers of the networks 127.77.0.0/24 to 127.77.255.0/24, one for each lab on a machine.
const NETWORKS: [u8; 2] = [127, 77];
/// The server's place in its network; those below 201 are the proxies'.
const HOST: u8 = 253;
/// The longest question in a datagram that is read; the rest of a longer one is lost, and it makes no sense.
const QUESTION_MAX: usize = 4096;
/// Connections that are served at a time; others wait until one ends.
const CONNECTIONS_MAX: usize = 32;
/// How long a connection may take with one question.
const QUESTION_TIMEOUT: Duration = Duration::from_secs(5);
/// How long we wait after an error of the system's, such as no descriptor for a connection.
const ERROR_PAUSE: Duration = Duration::from_millis(50);

/// The names of a lab, which are asked for and change.
pub(super) type SharedTable = Arc<Mutex<Table>>;

/// Both sockets of a server, bound and not served yet.
#[derive(Debug)]
pub(super) struct Server {
    datagrams: UdpSocket,
    connections: TcpListener,
}

impl Server {
    /// Takes the first network that nobody has: who has the server's place in it has all of it.
    pub(super) async fn in_free_network() -> io::Result<Self> {
        let mut taken = io::Error::from(ErrorKind::AddrInUse);
        for third in 0..=u8::MAX {
            match Self::on(SocketAddr::new(address(third, HOST), PORT)).await {
                Err(error) if error.kind() == ErrorKind::AddrInUse => taken = error,
                bound => return bound,
            }
        }
        Err(taken)
    }

    async fn on(address: SocketAddr) -> io::Result<Self> {
        let datagrams = UdpSocket::bind(address).await?;
        let connections = TcpListener::bind(datagrams.local_addr()?).await?;
        Ok(Self { datagrams, connections })
    }

    /// Whether the port may be bound, as far as that is known beforehand.
    pub(super) fn may_listen() -> io::Result<()> {
        match std::net::UdpSocket::bind((address(0, HOST), PORT)) {
            Err(error) if error.kind() != ErrorKind::AddrInUse => Err(error),
            _ => Ok(()),
        }
    }

    /// Where it is.
    pub(super) fn address(&self) -> io::Result<SocketAddr> {
        self.datagrams.local_addr()
    }

    /// Answers from `table` as long as `scope` lasts.
    pub(super) fn serve(self, table: &SharedTable, scope: &Scope) {
        let Self { datagrams, connections } = self;
        let (of_datagrams, of_connections) = (Arc::clone(table), Arc::clone(table));
        let cancelled = scope.cancelled();
        scope.spawn("names-udp", async move {
            tokio::select! {
                () = cancelled => {}
                () = serve_datagrams(datagrams, of_datagrams) => {}
            }
        });
        let (cancelled, inner) = (scope.cancelled(), scope.clone());
        scope.spawn("names-tcp", async move {
            tokio::select! {
                () = cancelled => {}
                () = accept(connections, of_connections, inner) => {}
            }
        });
    }
}

/// An address of the network that a server at `server` has.
pub(super) fn neighbour(server: IpAddr, host: u8) -> IpAddr {
    match server {
        IpAddr::V4(server) => address(server.octets()[2], host),
        IpAddr::V6(server) => server.into(),
    }
}

fn address(third: u8, host: u8) -> IpAddr {
    let [first, second] = NETWORKS;
    Ipv4Addr::new(first, second, third, host).into()
}

async fn serve_datagrams(socket: UdpSocket, table: SharedTable) {
    let mut question = vec![0; QUESTION_MAX];
    loop {
        let Ok((length, asker)) = socket.recv_from(&mut question).await else {
            tokio::time::sleep(ERROR_PAUSE).await;
            continue;
        };
        let said = answer(&question[..length], Way::Datagram, &mut table.lock());
        if let Some(said) = said {
            // Who is gone does not miss it, and who misses it asks again.
            let _ = socket.send_to(&said, asker).await;
        }
    }
}

async fn accept(listener: TcpListener, table: SharedTable, scope: Scope) {
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    while let Ok(place) = Arc::clone(&room).acquire_owned().await {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(ERROR_PAUSE).await;
            continue;
        };
        let (table, cancelled) = (Arc::clone(&table), scope.cancelled());
        scope.spawn("names-connection", async move {
            tokio::select! {
                () = cancelled => {}
                _ = serve_connection(stream, &table) => {}
            }
            drop(place);
        });
    }
}

/// Each message has its length before it (RFC 1035, 4.2.2). Ends with an error, which is the other's end
/// or its silence.
async fn serve_connection(mut stream: TcpStream, table: &SharedTable) -> io::Result<()> {
    loop {
        timeout(QUESTION_TIMEOUT, serve_question(&mut stream, table)).await??;
    }
}

async fn serve_question(stream: &mut TcpStream, table: &SharedTable) -> io::Result<()> {
    let length = stream.read_u16().await?;
    let mut question = vec![0; length.into()];
    stream.read_exact(&mut question).await?;
    let said = answer(&question, Way::Connection, &mut table.lock());
    let said = said.ok_or(ErrorKind::InvalidData)?;
    let length = u16::try_from(said.len()).map_err(io::Error::other)?;
    let message = [&length.to_be_bytes()[..], &said].concat();
    stream.write_all(&message).await
}

#[cfg(test)]
mod tests {
    use simple_dns::{CLASS, Name, Packet, Question, TYPE};

    use super::*;

    fn question() -> Vec<u8> {
        let mut packet = Packet::new_query(9);
        let name = Name::new("nodes.harness.test").unwrap();
        packet.questions.push(Question::new(name, TYPE::A.into(), CLASS::IN.into(), false));
        packet.build_bytes_vec().unwrap()
    }

    fn count(answer: &[u8]) -> usize {
        Packet::parse(answer).unwrap().answers.len()
    }

    /// Catches a server that answers on one way only, that a message without sense ends, or that is not up
    /// to what has changed.
    #[tokio::test]
    async fn both_ways_are_answered() {
        let scope = Scope::current("test");
        let server = Server::on("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = server.address().unwrap();
        let hosts = (1..=2).map(|host| (SocketAddr::from(([127, 0, 0, host], 7)), None));
        let table = Arc::new(Mutex::new(Table::new(hosts)));
        server.serve(&table, &scope);

        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        socket.connect(address).await.unwrap();
        let mut said = vec![0; 512];
        socket.send(b"nonsense").await.unwrap();
        socket.send(&question()).await.unwrap();
        let length = socket.recv(&mut said).await.unwrap();
        assert_eq!(count(&said[..length]), 2);

        let mut stream = TcpStream::connect(address).await.unwrap();
        table.lock().list_these(&[1, 2].map(crate::base::name::NodeIndex));
        // Twice on one connection, as a resolver may.
        for _ in 0..2 {
            let question = question();
            stream.write_u16(question.len() as u16).await.unwrap();
            stream.write_all(&question).await.unwrap();
            let length = stream.read_u16().await.unwrap();
            let mut said = vec![0; length.into()];
            stream.read_exact(&mut said).await.unwrap();
            assert_eq!(count(&said), 1);
        }
        let closed = scope.close(Duration::from_secs(5)).await;
        assert_eq!(closed, crate::base::scope::Closed::Clean);
    }
}
