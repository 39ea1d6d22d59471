//! Answers questions for names on a loopback address of its own, by UDP and TCP.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

use super::answer::{Reply, Way, answer};
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
/// Late answers to datagrams that wait for their time; a question beyond them is never answered.
const LATE_MAX: usize = 1024;
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
    /// Takes the first network in which nobody has the server's place, neither for datagrams nor for
    /// connections: who has it has all of the network.
    pub(super) async fn in_free_network(port: u16) -> io::Result<Self> {
        for third in 0..=u8::MAX {
            match Self::on(SocketAddr::new(address(third, HOST), port)).await {
                Err(error) if error.kind() == ErrorKind::AddrInUse => {}
                bound => return bound,
            }
        }
        let (first, last) = (address(0, HOST), address(u8::MAX, HOST));
        let what = format!("all addresses from {first} to {last} are taken");
        Err(io::Error::new(ErrorKind::AddrInUse, what))
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
        let (cancelled, inner) = (scope.cancelled(), scope.clone());
        scope.spawn("names-udp", async move {
            tokio::select! {
                () = cancelled => {}
                () = serve_datagrams(Arc::new(datagrams), of_datagrams, inner) => {}
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

async fn serve_datagrams(socket: Arc<UdpSocket>, table: SharedTable, scope: Scope) {
    let room = Arc::new(Semaphore::new(LATE_MAX));
    let mut question = vec![0; QUESTION_MAX];
    loop {
        let Ok((length, asker)) = socket.recv_from(&mut question).await else {
            sleep(ERROR_PAUSE).await;
            continue;
        };
        let reply = answer(&question[..length], Way::Datagram, &mut table.lock());
        match reply {
            Reply::NoQuestion | Reply::Never => {}
            // Who is gone does not miss it, and who misses it asks again.
            Reply::After(Duration::ZERO, said) => drop(socket.send_to(&said, asker).await),
            Reply::After(late, said) => {
                let Ok(place) = Arc::clone(&room).try_acquire_owned() else { continue };
                let (socket, cancelled) = (Arc::clone(&socket), scope.cancelled());
                scope.spawn("names-late", async move {
                    tokio::select! {
                        () = cancelled => {}
                        () = sleep(late) => drop(socket.send_to(&said, asker).await),
                    }
                    drop(place);
                });
            }
        }
    }
}

async fn accept(listener: TcpListener, table: SharedTable, scope: Scope) {
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    while let Ok(place) = Arc::clone(&room).acquire_owned().await {
        let Ok((stream, _)) = listener.accept().await else {
            sleep(ERROR_PAUSE).await;
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
        let question = timeout(QUESTION_TIMEOUT, read_message(&mut stream)).await??;
        let reply = answer(&question, Way::Connection, &mut table.lock());
        match reply {
            Reply::NoQuestion => return Err(ErrorKind::InvalidData.into()),
            Reply::Never => {}
            Reply::After(late, said) => {
                sleep(late).await;
                timeout(QUESTION_TIMEOUT, write_message(&mut stream, &said)).await??;
            }
        }
    }
}

async fn read_message(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let length = stream.read_u16().await?;
    let mut message = vec![0; length.into()];
    stream.read_exact(&mut message).await?;
    Ok(message)
}

async fn write_message(stream: &mut TcpStream, said: &[u8]) -> io::Result<()> {
    let length = u16::try_from(said.len()).map_err(io::Error::other)?;
    stream.write_all(&[&length.to_be_bytes()[..], said].concat()).await
}

#[cfg(test)]
mod tests {
    use simple_dns::{CLASS, Name, Packet, Question, TYPE};

    use super::*;
    use crate::base::name::NodeIndex;
    use crate::base::port::bind_again;
    use crate::lab::fault::Failure;

    fn question(name: &str) -> Vec<u8> {
        let mut packet = Packet::new_query(9);
        let name = Name::new(name).unwrap();
        packet.questions.push(Question::new(name, TYPE::A.into(), CLASS::IN.into(), false));
        packet.build_bytes_vec().unwrap()
    }

    fn count(answer: &[u8]) -> usize {
        Packet::parse(answer).unwrap().answers.len()
    }

    const LIST: &str = "nodes.harness.test";
    /// A port that needs no rights and that the system gives to nobody of itself.
    const OTHER_PORT: u16 = 15353;

    /// Catches a server that answers on one way only, that a message without sense ends, or that is not up
    /// to what has changed.
    #[tokio::test]
    #[cfg_attr(not(target_os = "linux"), ignore = "only Linux has all of 127.0.0.0/8")]
    async fn both_ways_are_answered() {
        let scope = Scope::current("test");
        let server = Server::in_free_network(OTHER_PORT).await.unwrap();
        let address = server.address().unwrap();
        let hosts = (1..=2).map(|host| (SocketAddr::from(([127, 0, 0, host], 7)), None));
        let table = Arc::new(Mutex::new(Table::new(hosts)));
        server.serve(&table, &scope);

        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        socket.connect(address).await.unwrap();
        let mut said = vec![0; 512];
        socket.send(b"nonsense").await.unwrap();
        socket.send(&question(LIST)).await.unwrap();
        let length = socket.recv(&mut said).await.unwrap();
        assert_eq!(count(&said[..length]), 2);

        let mut stream = TcpStream::connect(address).await.unwrap();
        table.lock().list_these(&[1, 2].map(NodeIndex));
        // Twice on one connection, as a resolver may.
        for _ in 0..2 {
            write_message(&mut stream, &question(LIST)).await.unwrap();
            assert_eq!(count(&read_message(&mut stream).await.unwrap()), 1);
        }
        let closed = scope.close(Duration::from_secs(5)).await;
        assert_eq!(closed, crate::base::scope::Closed::Clean);
    }

    /// Catches a server that takes half of an address, when somebody has it for connections only, or has nothing
    /// because of that.
    #[tokio::test]
    #[cfg_attr(not(target_os = "linux"), ignore = "only Linux has all of 127.0.0.0/8")]
    async fn an_address_that_is_half_taken_is_left_alone() {
        let port = OTHER_PORT + 1;
        let first = Server::in_free_network(port).await.unwrap();
        let taken = first.address().unwrap();
        let Server { datagrams, connections } = first;
        drop(datagrams);
        let second = Server::in_free_network(port).await.unwrap();
        assert_ne!(second.address().unwrap(), taken);
        // Nothing of it is kept.
        drop(connections);
        let again = bind_again(|| Server::on(taken)).await.unwrap();
        assert_eq!(again.address().unwrap(), taken);
    }

    /// Catches an answer that holds up others while its time has not come, or that never leaves.
    #[tokio::test(start_paused = true)]
    #[cfg_attr(not(target_os = "linux"), ignore = "only Linux has all of 127.0.0.0/8")]
    async fn a_late_answer_holds_up_nobody() {
        let scope = Scope::current("test");
        let server = Server::in_free_network(OTHER_PORT + 2).await.unwrap();
        let address = server.address().unwrap();
        let hosts = (1..=2).map(|host| (SocketAddr::from(([127, 0, 0, host], 7)), None));
        let table = Arc::new(Mutex::new(Table::new(hosts)));
        table.lock().fail(NodeIndex(0), Failure::Late(Duration::from_secs(3600)));
        server.serve(&table, &scope);

        let [slow, fast] = [UdpSocket::bind("127.0.0.1:0"), UdpSocket::bind("127.0.0.1:0")];
        let (slow, fast) = (slow.await.unwrap(), fast.await.unwrap());
        slow.send_to(&question("n1.harness.test"), address).await.unwrap();
        fast.send_to(&question(LIST), address).await.unwrap();
        let mut said = vec![0; 512];
        let (length, _) = fast.recv_from(&mut said).await.unwrap();
        assert_eq!(count(&said[..length]), 2);
        assert_eq!(slow.try_recv_from(&mut said).unwrap_err().kind(), ErrorKind::WouldBlock);
        let (length, _) = slow.recv_from(&mut said).await.unwrap();
        assert_eq!(count(&said[..length]), 1);
    }
}
