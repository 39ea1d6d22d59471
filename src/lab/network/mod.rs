//! The kernel's own network around the proxies: `-network kernel`.
//!
//! ```text
//! this process, its network            middle: routes, loses, refuses       far: no process lives here
//! client ──► harnessN ═══ veth ═══ near ──► nftables ──► away ═══ veth ═══ home ──► the proxies' sockets
//! nodes  ◄── loopback ◄── the proxies, which are tasks of this process
//! ```
//! The faults lie between client and proxy, not between proxy and node: a proxy ends TCP, so behind
//! it the client would see stalls, but no lost SYN, no refusal and no retransmission of its own.
//! A socket keeps the network in which it was made, so only the proxies' listeners have to be made
//! far away; proxies, nodes (of any kind) and client stay what and where they are.
//!
//! The packets are dropped by a router in the middle. A packet that netfilter drops on its way out of
//! the sender's own network is an error to the sender's TCP, which then behaves as on no network.
//! Large sends are cut into segments before the link, so that one loss is one segment.
//!
//! The namespaces have a name only until the thread that lives in them has entered. After that they
//! end with this process, `kill -9` included, and the links with them.

mod rules;
mod space;

use std::ffi::OsStr;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use self::rules::Rules;
use self::space::Space;
use super::backend::process::find_program;
use super::timeline::FaultSpec;
use crate::base::name::NodeIndex;
use crate::base::scope::Scope;
use crate::protocol::memcached::program::PORT;
use crate::proxy::Sockets;

/// The networks 198.18.0.0/24 to 198.18.255.0/24, one for each lab on a machine: out of the range
/// that is set aside for measuring networks (RFC 2544).
const SLOTS: u8 = u8::MAX;
/// The first proxy's address in its network; those below belong to the links.
const FIRST_ADDRESS: u8 = 128;
/// The most proxies: the addresses from the first one to the end of the network.
const PROXIES_MAX: u16 = 100;
/// How long one command of `ip` or `nft` may take.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(10);

/// The programs that set up a network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkTools {
    /// `ip`, of iproute2.
    pub ip: PathBuf,
    /// `nft`, of nftables.
    pub nft: PathBuf,
}

impl NetworkTools {
    /// The tools on `path` (the value of PATH).
    ///
    /// # Errors
    /// Which of them is missing, and what to install.
    pub fn find(path: &OsStr) -> Result<Self, String> {
        let find = |program: &str, package: &str| {
            find_program(program, path)
                .ok_or_else(|| format!("there is no `{program}` on PATH; install {package}"))
        };
        Ok(Self { ip: find("ip", "iproute2")?, nft: find("nft", "nftables")? })
    }
}

/// A network of the kernel's with the proxies' addresses in it.
#[derive(Debug)]
pub struct KernelNetwork {
    tools: NetworkTools,
    slot: u8,
    home: Space,
    middle: Space,
    far: Space,
}

impl KernelNetwork {
    /// Whether a network for `count` proxies can be built, as far as that is known beforehand.
    ///
    /// # Errors
    /// What is missing, and what to do.
    pub fn can(count: u16) -> Result<(), String> {
        if !rustix::process::geteuid().is_root() {
            return Err("it needs root; run as root, or leave -network out".to_owned());
        }
        if count > PROXIES_MAX {
            return Err(format!("it has room for {PROXIES_MAX} nodes, not {count}"));
        }
        Ok(())
    }

    /// Builds the network for `count` proxies.
    ///
    /// # Errors
    /// What is missing (root, a program, something of the kernel) and what to do.
    pub async fn start(tools: NetworkTools, count: u16, scope: &Scope) -> Result<Self, String> {
        Self::can(count)?;
        let home = Space::here(scope)?;
        space::sweep(&home, &tools.ip).await?;
        let middle = Space::apart(scope, &tools.ip, "middle").await?;
        let far = Space::apart(scope, &tools.ip, "far").await?;
        let slot = connect(&tools, &middle, &far).await?;
        let network = Self { tools, slot, home, middle, far };
        network.configure(count).await?;
        Ok(network)
    }

    /// Where the proxy of `node` listens.
    #[must_use]
    pub fn address(&self, node: NodeIndex) -> SocketAddr {
        // Every proxy has an address of its own.
        SocketAddr::new(proxy_ip(self.slot, node).into(), PORT)
    }

    /// Makes the sockets on which the proxies listen.
    #[must_use]
    pub fn sockets(&self) -> Sockets {
        self.far.sockets()
    }

    /// Whether the kernel does `fault`, or a proxy has to.
    #[must_use]
    pub fn does(fault: &FaultSpec) -> bool {
        Rules::of(fault).is_some()
    }

    /// Begins `fault`; returns when the kernel does it.
    ///
    /// # Errors
    /// What `nft` says.
    pub async fn apply(&self, fault: &FaultSpec) -> Result<(), String> {
        let rules = Rules::of(fault).ok_or("the kernel does no such fault")?;
        let targets: Vec<Ipv4Addr> =
            fault.nodes.iter().map(|node| proxy_ip(self.slot, *node)).collect();
        let script = rules.script(&fault.name, &targets);
        self.middle.run(&self.tools.nft, &["-f", "-"], script).await.map(drop)
    }

    /// Takes the fault of this name back, if it is there; returns how many packets it dropped or
    /// refused.
    ///
    /// # Errors
    /// What `nft` says.
    pub async fn heal(&self, fault: &str) -> Result<u64, String> {
        let table = rules::table(fault);
        let nft = &self.tools.nft;
        let tables = self.middle.run(nft, &["list", "tables", "ip"], String::new()).await?;
        if !tables.lines().any(|line| line.trim() == format!("table ip {table}")) {
            return Ok(0);
        }
        let listed = ["--json", "list", "table", "ip", &table];
        let counted = self.middle.run(nft, &listed, String::new()).await;
        let deleted = ["delete", "table", "ip", &table];
        self.middle.run(nft, &deleted, String::new()).await?;
        rules::packets(&counted?)
    }

    /// Takes the network down. Its sockets live on until they are closed, and reach nobody.
    pub async fn close(self) {
        let device = device(self.slot);
        // It may be gone already, with the namespaces; that is what was wanted.
        let _ = self.home.run(&self.tools.ip, &["link", "del", &device], String::new()).await;
        for space in [self.far, self.middle, self.home] {
            space.end();
        }
    }

    async fn configure(&self, count: u16) -> Result<(), String> {
        let (net, device) = (format!("198.18.{}", self.slot), device(self.slot));
        let home = format!(
            "addr add {net}.1/30 dev {device}\nlink set {device} gso_max_segs 1 up\n\
             route add {net}.128/25 via {net}.2\n"
        );
        let middle = format!(
            "addr add {net}.2/30 dev near\naddr add {net}.5/30 dev away\nlink set lo up\n\
             link set near gso_max_segs 1 up\nlink set away gso_max_segs 1 up\n\
             route add {net}.128/25 via {net}.6\n"
        );
        let mut far = format!(
            "addr add {net}.6/30 dev home\nlink set lo up\nlink set home gso_max_segs 1 up\n\
             route add default via {net}.5\n"
        );
        for node in (0..count).map(NodeIndex) {
            far.push_str(&format!("addr add {}/32 dev lo\n", proxy_ip(self.slot, node)));
        }
        for (space, script) in [(&self.middle, middle), (&self.far, far), (&self.home, home)] {
            space.run(&self.tools.ip, &["-batch", "-"], script).await?;
        }
        self.middle.forward().await
    }
}

/// Connects the three networks; returns the number of the free network that was found.
async fn connect(tools: &NetworkTools, middle: &Space, far: &Space) -> Result<u8, String> {
    let ours = std::process::id().to_string();
    let link = "link add near type veth peer name";
    for slot in 0..SLOTS {
        let name = device(slot);
        let arguments: Vec<&str> = link.split(' ').chain([&*name, "netns", &*ours]).collect();
        match middle.run(&tools.ip, &arguments, String::new()).await {
            Ok(_) => {
                let link = "link add home type veth peer name away netns";
                let thread = middle.thread().to_string();
                let arguments: Vec<&str> = link.split(' ').chain([&*thread]).collect();
                far.run(&tools.ip, &arguments, String::new()).await?;
                return Ok(slot);
            }
            Err(problem) if problem.contains("File exists") => {}
            Err(problem) => return Err(problem),
        }
    }
    Err(format!("{SLOTS} labs with a network of their own run already"))
}

/// The end of the link in the network of this process.
fn device(slot: u8) -> String {
    format!("harness{slot}")
}

fn proxy_ip(slot: u8, node: NodeIndex) -> Ipv4Addr {
    let position = u8::try_from(node.position()).unwrap_or(u8::MAX);
    Ipv4Addr::new(198, 18, slot, FIRST_ADDRESS.saturating_add(position))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use socket2::{Domain, Socket};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};
    use tokio::time::timeout;

    use super::*;
    use crate::base::family::{Chosen, Settings};
    use crate::lab::timeline::Direction;
    use crate::proxy::fault::TOXICS;

    /// Far above a round trip, far below the second after which a SYN is sent again.
    const SILENCE: Duration = Duration::from_millis(300);

    fn fault(kind: &str) -> FaultSpec {
        let settings = TOXICS.find(kind).unwrap().complete(&Settings::default()).unwrap();
        FaultSpec {
            name: format!("the-{kind}"),
            nodes: vec![NodeIndex(0)],
            at: Duration::ZERO,
            after: None,
            length: Duration::from_secs(1),
            until_touched: None,
            direction: Direction::Both,
            toxicity: 1.0,
            group: None,
            fault: Chosen { kind: kind.into(), settings },
        }
    }

    async fn listener(network: &KernelNetwork, node: NodeIndex) -> TcpListener {
        let socket: Socket = network.sockets().stream(Domain::IPV4).await.unwrap();
        socket.set_nonblocking(true).unwrap();
        socket.bind(&network.address(node).into()).unwrap();
        socket.listen(8).unwrap();
        TcpListener::from_std(socket.into()).unwrap()
    }

    /// Catches a fault that the client's own TCP does not see, that hits another node, that healing
    /// leaves behind, or that is not counted.
    #[tokio::test]
    #[cfg_attr(not(real_netns), ignore = "needs root on Linux with ip and nft on PATH")]
    async fn the_client_sees_what_the_kernel_does() {
        let scope = Scope::current("test");
        let path = std::env::var_os("PATH").unwrap();
        let tools = NetworkTools::find(&path).unwrap();
        let network = KernelNetwork::start(tools, 2, &scope).await.unwrap();
        let (target, other) = (network.address(NodeIndex(0)), network.address(NodeIndex(1)));
        let _spared = listener(&network, NodeIndex(1)).await;
        let door = listener(&network, NodeIndex(0)).await;
        let mut open = TcpStream::connect(target).await.unwrap();
        let (mut accepted, _) = door.accept().await.unwrap();
        assert_eq!(accepted.peer_addr().unwrap(), open.local_addr().unwrap());

        let blackhole = fault("blackhole");
        network.apply(&blackhole).await.unwrap();
        open.write_all(b"x").await.unwrap();
        let mut byte = [0];
        assert!(timeout(SILENCE, accepted.read_exact(&mut byte)).await.is_err());
        assert!(timeout(SILENCE, TcpStream::connect(target)).await.is_err());
        TcpStream::connect(other).await.unwrap();
        assert!(network.heal(&blackhole.name).await.unwrap() > 0);
        // Sent again by the kernel, not by anybody here.
        accepted.read_exact(&mut byte).await.unwrap();
        assert_eq!(byte, *b"x");

        let refuse = fault("refuse");
        network.apply(&refuse).await.unwrap();
        let refused = TcpStream::connect(target).await.unwrap_err();
        assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
        open.write_all(b"y").await.unwrap();
        let reset = open.read_exact(&mut byte).await.unwrap_err();
        assert_eq!(reset.kind(), std::io::ErrorKind::ConnectionReset);
        assert!(network.heal(&refuse.name).await.unwrap() >= 2, "a SYN and a segment");
        TcpStream::connect(target).await.unwrap();
        assert_eq!(network.heal(&refuse.name).await, Ok(0), "it is gone");
        network.close().await;
        scope.close(Duration::from_secs(5)).await;
    }
}
