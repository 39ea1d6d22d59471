//! The proxy on real sockets: what a client and a server see of each other, with and without faults.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails where it stands")]

use std::net::SocketAddr;
use std::time::Duration;

use harness::base::family::{Settings, Value};
use harness::base::scope::Scope;
use harness::base::seed::Seed;
use harness::event::Events;
use harness::proxy::{
    CloseManner, Closer, Dial, ProxyConfig, ProxyError, ProxySet, ProxyUpdate, Stream, TapSnapshot,
    ToxicConfig, ToxicUpdate,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Nothing here takes this long unless it hangs.
const HANG: Duration = Duration::from_secs(10);
/// Long enough for a SYN on loopback to be answered many times over, if anyone answers.
const UNANSWERED: Duration = Duration::from_millis(150);

/// As long as no test takes, in milliseconds.
const HOUR: Value = Value::Integer(3_600_000);

struct World {
    proxies: ProxySet,
    server: TcpListener,
    scope: Scope,
}

impl World {
    async fn new() -> Self {
        let scope = Scope::current("test");
        Self {
            proxies: ProxySet::new(Seed::new(1), Events::ignore(), &scope),
            server: TcpListener::bind("127.0.0.1:0").await.unwrap(),
            scope,
        }
    }

    /// A world with one proxy, `p`, in front of the server.
    async fn with_proxy() -> (Self, SocketAddr) {
        let world = Self::new().await;
        let upstream = world.server.local_addr().unwrap().to_string();
        let address = world.create("p", &upstream, Dial::Eager).await;
        (world, address)
    }

    async fn create(&self, name: &str, upstream: &str, dial: Dial) -> SocketAddr {
        let view = self.proxies.create(config(name, upstream, dial)).await.unwrap();
        view.listen.parse().unwrap()
    }

    /// A connection through the proxy: the client's end and the server's.
    async fn connect(&self, address: SocketAddr) -> (TcpStream, TcpStream) {
        let client = TcpStream::connect(address).await.unwrap();
        let (server, _) = within(self.server.accept()).await.unwrap();
        (client, server)
    }

    async fn add(&self, kind: &str, stream: Stream, settings: &[(&str, Value)]) {
        self.proxies.add_toxic("p", toxic(kind, stream, settings)).await.unwrap();
    }

    /// Waits until the tap of `p` shows it.
    async fn until(&self, shown: impl Fn(&TapSnapshot) -> bool) {
        within(async {
            while !shown(&self.proxies.tap("p").unwrap()) {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }

    async fn end(self) {
        self.scope.close(HANG).await;
    }
}

fn config(name: &str, upstream: &str, dial: Dial) -> ProxyConfig {
    ProxyConfig {
        name: name.into(),
        listen: "127.0.0.1:0".into(),
        upstream: upstream.into(),
        enabled: true,
        dial,
        protocol: None,
        node: None,
        toxics: Vec::new(),
    }
}

fn toxic(kind: &str, stream: Stream, settings: &[(&str, Value)]) -> ToxicConfig {
    let mut attributes = Settings::default();
    for (name, value) in settings {
        attributes.insert(*name, value.clone());
    }
    ToxicConfig { name: Some(kind.into()), kind: kind.into(), stream, toxicity: 1.0, attributes }
}

async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(HANG, future).await.expect("it hangs")
}

/// What the client reads until the stream ends.
async fn rest(stream: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let mut data = Vec::new();
    within(stream.read_to_end(&mut data)).await.map(|_| data)
}

async fn exchange(client: &mut TcpStream, server: &mut TcpStream, text: &[u8]) {
    passes(client, server, text).await;
    passes(server, client, text).await;
}

async fn passes(from: &mut TcpStream, to: &mut TcpStream, text: &[u8]) {
    from.write_all(text).await.unwrap();
    let mut data = vec![0; text.len()];
    within(to.read_exact(&mut data)).await.unwrap();
    assert_eq!(data, text);
}

fn is_reset(result: &std::io::Result<Vec<u8>>) -> bool {
    result.as_ref().is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionReset)
}

/// Catches a proxy that changes, loses or reorders bytes of a large transfer in both directions.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_fault_it_is_a_wire() {
    let (world, address) = World::with_proxy().await;
    let (client, server) = world.connect(address).await;
    let data: Vec<u8> = (0..3_000_000_u32).map(|byte| (byte.wrapping_mul(31) >> 7) as u8).collect();
    let echo = async move {
        let (mut read, mut write) = server.into_split();
        tokio::io::copy(&mut read, &mut write).await.unwrap();
    };
    let (mut read, mut write) = client.into_split();
    let send = async {
        write.write_all(&data).await.unwrap();
        write.shutdown().await.unwrap();
    };
    let mut back = Vec::new();
    let (_, _, received) =
        within(async { tokio::join!(echo, send, read.read_to_end(&mut back)) }).await;
    received.unwrap();
    assert!(back == data, "the echo differs");
    world.end().await;
}

/// Catches a lost reply after the client ended its own direction.
#[tokio::test]
async fn a_half_close_is_passed_on() {
    let (world, address) = World::with_proxy().await;
    let (mut client, mut server) = world.connect(address).await;
    client.write_all(b"last words").await.unwrap();
    client.shutdown().await.unwrap();
    assert_eq!(rest(&mut server).await.unwrap(), b"last words");
    server.write_all(b"reply").await.unwrap();
    drop(server);
    assert_eq!(rest(&mut client).await.unwrap(), b"reply");
    world.end().await;
}

/// Catches a reset that arrives as an ordinary end, in either direction.
#[tokio::test]
async fn a_reset_is_passed_on() {
    let (world, address) = World::with_proxy().await;
    for client_resets in [true, false] {
        let (mut client, mut server) = world.connect(address).await;
        exchange(&mut client, &mut server, b"hello").await;
        let (victim, mut other) = if client_resets { (client, server) } else { (server, client) };
        socket2::SockRef::from(&victim).set_linger(Some(Duration::ZERO)).unwrap();
        drop(victim);
        assert!(is_reset(&rest(&mut other).await), "client resets: {client_resets}");
    }
    world.end().await;
}

/// Catches a server that refuses and looks alive to the client, and the two ways to say so.
#[tokio::test]
async fn a_refusing_server_is_seen() {
    let world = World::new().await;
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().to_string();
    let eager = world.create("eager", &gone, Dial::Eager).await;
    let lazy = world.create("lazy", &gone, Dial::Lazy).await;
    let mut client = TcpStream::connect(eager).await.unwrap();
    assert!(is_reset(&rest(&mut client).await));
    let mut client = TcpStream::connect(lazy).await.unwrap();
    assert_eq!(rest(&mut client).await.unwrap(), b"");
    let tap = world.proxies.tap("eager").unwrap();
    assert_eq!(tap.closed.get(&(Closer::Refused, CloseManner::Reset)), Some(&1));
    assert_eq!(tap.refused, Some(1));
    world.end().await;
}

/// Catches a unix socket that cannot be a server.
#[cfg(unix)]
#[tokio::test]
async fn the_server_may_be_a_unix_socket() {
    let world = World::new().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("server");
    let server = tokio::net::UnixListener::bind(&path).unwrap();
    let address = world.create("p", &format!("unix:{}", path.display()), Dial::Eager).await;
    let mut client = TcpStream::connect(address).await.unwrap();
    let (mut server, _) = within(server.accept()).await.unwrap();
    client.write_all(b"x").await.unwrap();
    assert_eq!(within(server.read_u8()).await.unwrap(), b'x');
    drop(server);
    assert_eq!(rest(&mut client).await.unwrap(), b"");
    world.end().await;
}

/// Catches a refusal that spares open connections, a port that somebody else can have meanwhile, or a heal
/// that does not get it back.
#[tokio::test]
async fn refuse_refuses_resets_and_heals() {
    let (world, address) = World::with_proxy().await;
    let (mut client, mut server) = world.connect(address).await;
    exchange(&mut client, &mut server, b"hello").await;
    world.add("refuse", Stream::Downstream, &[]).await;
    assert!(is_reset(&rest(&mut client).await));
    assert!(is_reset(&rest(&mut server).await));
    let refused = TcpStream::connect(address).await.unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    // Its clients would be somebody else's, who would keep the port when it heals.
    let taken = std::net::TcpListener::bind(address).unwrap_err();
    assert_eq!(taken.kind(), std::io::ErrorKind::AddrInUse);
    world.proxies.remove_toxic("p", "refuse").await.unwrap();
    let (mut client, mut server) = world.connect(address).await;
    exchange(&mut client, &mut server, b"again").await;
    assert_eq!(world.proxies.tap("p").unwrap().touched["refuse"], 1);
    world.end().await;
}

/// Catches a blackhole that answers a SYN, loses held bytes, or whose own connections come in as
/// clients once it is healed.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_blackhole_answers_no_syn_and_delivers_when_healed() {
    let (world, address) = World::with_proxy().await;
    let (mut client, mut server) = world.connect(address).await;
    world.add("blackhole", Stream::Both, &[]).await;
    client.write_all(b"held").await.unwrap();
    for _ in 0..3 {
        let connect = TcpStream::connect(address);
        assert!(tokio::time::timeout(UNANSWERED, connect).await.is_err(), "the SYN was answered");
    }
    let silent = tokio::time::timeout(UNANSWERED, server.read_u8()).await;
    assert!(silent.is_err(), "a byte got through");
    world.proxies.remove_toxic("p", "blackhole").await.unwrap();
    let mut held = [0; 4];
    within(server.read_exact(&mut held)).await.unwrap();
    assert_eq!(&held, b"held");
    let (mut client, mut server) = world.connect(address).await;
    exchange(&mut client, &mut server, b"again").await;
    let tap = world.proxies.tap("p").unwrap();
    assert_eq!((tap.opened, tap.open), (2, 2));
    world.end().await;
}

/// Catches a client in the accept queue that a blackhole passes by: it would be let in by the heal, and
/// what it had sent be executed then, although nothing that is sent meanwhile may be.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_blackhole_takes_in_who_has_connected_already() {
    let (world, address) = World::with_proxy().await;
    // Connected by the kernel; on this thread nobody can accept it before the toxic is added.
    let _early = std::net::TcpStream::connect(address).unwrap();
    world.add("blackhole", Stream::Upstream, &[("mode", Value::Text("discard".into()))]).await;
    assert_eq!(world.proxies.tap("p").unwrap().opened, 1);
    world.end().await;
}

/// Catches a new connection that works at once, an open one that is slowed down, what a client said
/// meanwhile and is lost, and a healing that lets whoever waits wait on.
#[tokio::test]
async fn slow_connect_holds_new_connections_until_healed() {
    let (world, address) = World::with_proxy().await;
    let (mut open, mut served) = world.connect(address).await;
    world.add("slow_connect", Stream::Downstream, &[("delay", HOUR)]).await;
    exchange(&mut open, &mut served, b"spared").await;
    let mut client = TcpStream::connect(address).await.unwrap();
    client.write_all(b"early").await.unwrap();
    let accepted = tokio::time::timeout(UNANSWERED, world.server.accept()).await;
    assert!(accepted.is_err(), "the server was connected to");
    world.until(|tap| tap.touched["slow_connect"] == 1).await;
    world.proxies.remove_toxic("p", "slow_connect").await.unwrap();
    let (mut server, _) = within(world.server.accept()).await.unwrap();
    let mut early = [0; 5];
    within(server.read_exact(&mut early)).await.unwrap();
    assert_eq!(&early, b"early");
    exchange(&mut client, &mut server, b"again").await;
    world.end().await;
}

/// Catches a connection that is not slow, one that never works, and a change of the delay that only
/// later connections notice.
#[tokio::test]
async fn slow_connect_takes_its_time() {
    let (world, address) = World::with_proxy().await;
    world.add("slow_connect", Stream::Downstream, &[("delay", Value::Integer(60))]).await;
    let began = tokio::time::Instant::now();
    let (mut client, mut server) = world.connect(address).await;
    assert!(began.elapsed() >= Duration::from_millis(60), "{:?}", began.elapsed());
    exchange(&mut client, &mut server, b"hello").await;
    let delay = |delay: Value| {
        let mut update = ToxicUpdate::default();
        update.attributes.insert("delay", delay);
        world.proxies.update_toxic("p", "slow_connect", update)
    };
    delay(HOUR).await.unwrap();
    let mut client = TcpStream::connect(address).await.unwrap();
    world.until(|tap| tap.open == 2).await;
    delay(Value::Integer(1)).await.unwrap();
    let (mut server, _) = within(world.server.accept()).await.unwrap();
    exchange(&mut client, &mut server, b"hello").await;
    world.end().await;
}

/// Catches an open connection that is sent away, a bound that counts those who were sent away themselves, a
/// line that is not memcached's, and a server that is connected to in vain.
#[tokio::test]
async fn who_comes_when_enough_are_there_is_told_so() {
    let (world, address) = World::with_proxy().await;
    let (mut open, mut served) = world.connect(address).await;
    world.add("turn_away", Stream::Downstream, &[("after_connections", Value::Integer(2))]).await;
    exchange(&mut open, &mut served, b"spared").await;
    let (mut second, mut second_served) = world.connect(address).await;
    for _ in 0..3 {
        let mut third = TcpStream::connect(address).await.unwrap();
        assert_eq!(rest(&mut third).await.unwrap(), b"ERROR Too many open connections\r\n");
    }
    exchange(&mut second, &mut second_served, b"spared").await;
    drop((second, second_served));
    world.until(|tap| tap.open == 1).await;
    let (mut again, mut again_served) = world.connect(address).await;
    exchange(&mut again, &mut again_served, b"a place is free").await;
    let tap = world.proxies.tap("p").unwrap();
    assert_eq!(tap.closed.get(&(Closer::Fault, CloseManner::Fin)), Some(&3));
    assert_eq!(tap.touched["turn_away"], 3);
    world.end().await;
}

/// Catches a client that is told something although nothing was to be said, one that is kept waiting when
/// its turn has come, and a change that leaves it where it is.
#[tokio::test]
async fn whoever_is_kept_in_silence_goes_on_when_healed() {
    let (world, address) = World::with_proxy().await;
    let how = |how: &str| Value::Text(how.into());
    world.add("turn_away", Stream::Downstream, &[("how", how("silence"))]).await;
    let mut first = TcpStream::connect(address).await.unwrap();
    first.write_all(b"early").await.unwrap();
    world.until(|tap| tap.touched["turn_away"] == 1).await;
    world.proxies.remove_toxic("p", "turn_away").await.unwrap();
    let (mut server, _) = within(world.server.accept()).await.unwrap();
    let mut early = [0; 5];
    within(server.read_exact(&mut early)).await.unwrap();
    exchange(&mut first, &mut server, b"again").await;
    world.add("turn_away", Stream::Downstream, &[("how", how("silence"))]).await;
    let mut second = TcpStream::connect(address).await.unwrap();
    world.until(|tap| tap.touched["turn_away"] == 1).await;
    let mut update = ToxicUpdate::default();
    update.attributes.insert("how", how("reset"));
    world.proxies.update_toxic("p", "turn_away", update).await.unwrap();
    assert!(is_reset(&rest(&mut second).await));
    world.end().await;
}

/// Catches a waiting connection that nobody can end: not its client, not the proxy.
#[tokio::test]
async fn whoever_waits_to_connect_can_leave() {
    let (world, address) = World::with_proxy().await;
    world.add("slow_connect", Stream::Downstream, &[("delay", HOUR)]).await;
    let leaver = TcpStream::connect(address).await.unwrap();
    world.until(|tap| tap.opened == 1).await;
    drop(leaver);
    let mut sent_away = TcpStream::connect(address).await.unwrap();
    sent_away.write_all(b"hello").await.unwrap();
    world.until(|tap| (tap.opened, tap.open) == (2, 1)).await;
    let tap = world.proxies.tap("p").unwrap();
    assert_eq!(tap.closed.get(&(Closer::Client, CloseManner::Fin)), Some(&1));
    let disable = ProxyUpdate { enabled: Some(false), ..ProxyUpdate::default() };
    within(world.proxies.update("p", disable)).await.unwrap();
    // The kernel makes it a reset, because nobody has read what the client said.
    assert!(is_reset(&rest(&mut sent_away).await));
    world.end().await;
}

/// Catches a change that waits for a client that does not read (Toxiproxy's control plane hangs),
/// and bytes that are lost on the way.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stalled_reader_blocks_no_change() {
    let (world, address) = World::with_proxy().await;
    let (client, mut server) = world.connect(address).await;
    let sent = fill_until_stalled(&mut server).await;
    for kind in ["latency", "bandwidth", "slicer", "blackhole"] {
        within(world.add(kind, Stream::Downstream, &[])).await;
    }
    for kind in ["latency", "bandwidth", "slicer", "blackhole"] {
        within(world.proxies.remove_toxic("p", kind)).await.unwrap();
    }
    drop(server);
    let mut client = client;
    assert_eq!(rest(&mut client).await.unwrap().len(), sent);
    world.end().await;
}

/// Writes until nothing more is taken; returns how many bytes were.
async fn fill_until_stalled(stream: &mut TcpStream) -> usize {
    let chunk = vec![b'x'; 64 << 10];
    let mut sent = 0;
    while let Ok(written) = tokio::time::timeout(UNANSWERED, stream.write(&chunk)).await {
        sent += written.unwrap();
    }
    sent
}

/// Catches a reset that spares open connections, or one that lingers after the toxic is gone.
#[tokio::test]
async fn reset_peer_resets_open_connections_and_does_not_linger() {
    let (world, address) = World::with_proxy().await;
    let (mut client, mut server) = world.connect(address).await;
    world.add("reset_peer", Stream::Upstream, &[]).await;
    client.write_all(b"x").await.unwrap();
    assert!(is_reset(&rest(&mut client).await));
    assert!(is_reset(&rest(&mut server).await));
    let (mut client, mut server) = world.connect(address).await;
    world.proxies.remove_toxic("p", "reset_peer").await.unwrap();
    exchange(&mut client, &mut server, b"spared").await;
    drop(server);
    assert_eq!(rest(&mut client).await.unwrap(), b"");
    world.end().await;
}

/// Catches a removal of `timeout` that leaves a stream with a hole.
#[tokio::test]
async fn removing_timeout_closes_what_it_cut() {
    let (world, address) = World::with_proxy().await;
    let (mut client, mut server) = world.connect(address).await;
    world.add("timeout", Stream::Downstream, &[]).await;
    server.write_all(b"lost").await.unwrap();
    world.until(|tap| tap.bytes_from_servers == 4).await;
    world.proxies.remove_toxic("p", "timeout").await.unwrap();
    assert_eq!(rest(&mut client).await.unwrap(), b"");
    world.end().await;
}

/// Catches errors that mean something else than in Toxiproxy, and changes that half happen.
#[tokio::test]
async fn errors_change_nothing() {
    let (world, address) = World::with_proxy().await;
    let upstream = world.server.local_addr().unwrap().to_string();
    let proxies = &world.proxies;
    let taken = proxies.create(config("p", &upstream, Dial::Eager)).await;
    assert!(matches!(taken, Err(ProxyError::ProxyExists)));
    let nameless = proxies.create(config("", &upstream, Dial::Eager)).await;
    assert!(matches!(nameless, Err(ProxyError::MissingField("name"))));
    assert!(matches!(proxies.get("q"), Err(ProxyError::ProxyNotFound)));
    let unknown = proxies.add_toxic("p", toxic("latancy", Stream::Upstream, &[])).await;
    assert!(matches!(unknown, Err(ProxyError::InvalidToxicType { .. })));
    world.add("latency", Stream::Upstream, &[("latency", Value::Integer(5))]).await;
    let again = proxies.add_toxic("p", toxic("latency", Stream::Downstream, &[])).await;
    assert!(matches!(again, Err(ProxyError::ToxicExists)));
    let mut update = ToxicUpdate { toxicity: Some(0.5), ..ToxicUpdate::default() };
    update.attributes.insert("latency", Value::Text("long".into()));
    let refused = proxies.update_toxic("p", "latency", update).await;
    assert!(matches!(refused, Err(ProxyError::Attribute(_))));
    let unchanged = proxies.toxic("p", "latency").unwrap();
    assert_eq!((unchanged.toxicity, unchanged.attributes.number("latency")), (1.0, Ok(5.0)));

    let (mut client, mut server) = world.connect(address).await;
    let move_to = ProxyUpdate { listen: Some(upstream.clone()), ..ProxyUpdate::default() };
    let error = proxies.update("p", move_to).await.unwrap_err();
    assert_eq!(error.to_string(), format!("listen tcp {upstream}: bind: address already in use"));
    exchange(&mut client, &mut server, b"still here").await;
    assert_eq!(proxies.get("p").unwrap().listen, address.to_string());
    world.end().await;
}

/// Catches an update that drops connections although nothing changes, or keeps them when it must
/// not; and an ephemeral port that is lost by disabling.
#[tokio::test]
async fn updates_and_disabling() {
    let (world, address) = World::with_proxy().await;
    let (mut client, mut server) = world.connect(address).await;
    let same = ProxyUpdate { listen: Some(address.to_string()), ..ProxyUpdate::default() };
    world.proxies.update("p", same).await.unwrap();
    exchange(&mut client, &mut server, b"kept").await;
    let disable = ProxyUpdate { enabled: Some(false), ..ProxyUpdate::default() };
    world.proxies.update("p", disable).await.unwrap();
    assert_eq!(rest(&mut client).await.unwrap(), b"");
    assert!(TcpStream::connect(address).await.is_err());
    world.add("latency", Stream::Upstream, &[]).await;
    world.proxies.reset().await.unwrap();
    let view = world.proxies.get("p").unwrap();
    assert!(view.enabled && view.toxics.is_empty() && view.listen == address.to_string());
    let (mut client, mut server) = world.connect(address).await;
    exchange(&mut client, &mut server, b"back").await;
    world.proxies.delete("p").await.unwrap();
    assert!(TcpStream::connect(address).await.is_err());
    world.end().await;
}

/// Catches a draw that moves when the toxicity or a neighbour changes.
#[tokio::test]
async fn a_draw_stays() {
    let (world, address) = World::with_proxy().await;
    let mut pairs = Vec::new();
    for _ in 0..20 {
        pairs.push(world.connect(address).await);
    }
    let mut half = toxic("reset_peer", Stream::Upstream, &[]);
    half.toxicity = 0.5;
    half.attributes.insert("timeout", Value::Integer(0));
    world.proxies.add_toxic("p", half).await.unwrap();
    world.add("noop", Stream::Upstream, &[]).await;
    let update = ToxicUpdate { toxicity: Some(0.6), ..ToxicUpdate::default() };
    world.proxies.update_toxic("p", "reset_peer", update).await.unwrap();
    let mut reset = Vec::new();
    for (client, server) in &mut pairs {
        client.write_all(b"x").await.unwrap();
        reset.push(within(server.read_u8()).await.is_err());
    }
    let count = reset.iter().filter(|reset| **reset).count();
    assert!((5..=18).contains(&count), "{count} of 20 were drawn");
    world.end().await;
}

/// Catches a tap that says something else than what client and server exchanged, while connections
/// are open and after they were closed.
#[tokio::test]
async fn the_tap_is_live_and_keeps_its_counts() {
    let (world, address) = World::with_proxy().await;
    let (mut client, mut server) = world.connect(address).await;
    passes(&mut client, &mut server, b"set k 0 0 1\r\nx\r\n").await;
    passes(&mut server, &mut client, b"STORED\r\n").await;
    passes(&mut client, &mut server, b"get k\r\n").await;
    let tap = world.proxies.tap("p").unwrap();
    assert_eq!(tap.requests_by_command, [("get", 1), ("set", 1)].into());
    assert_eq!(tap.replies_by_status, [("stored", 1)].into());
    assert_eq!((tap.open, tap.outstanding, tap.wire_latency.count()), (1, 1, 1));
    assert_eq!((tap.bytes_from_clients, tap.bytes_to_clients), (23, 8));
    let connections = world.proxies.connections("p").unwrap();
    assert_eq!((connections.len(), connections[0].requests), (1, 2));
    drop(client);
    assert_eq!(rest(&mut server).await.unwrap(), b"");
    drop(server);
    // Closing the world waits for the connection to be counted as closed.
    let World { proxies, scope, .. } = world;
    scope.close(HANG).await;
    let tap = proxies.tap("p").unwrap();
    assert_eq!((tap.requests(), tap.replies(), tap.open, tap.outstanding), (2, 1, 0, 0));
    assert_eq!((tap.never_answered.count(), tap.answered_late.count()), (1, 0));
    assert_eq!(tap.closed.values().sum::<u64>(), 1);
}

/// Catches a toxic that acts and is not seen to: a scenario could not tell that its fault bit.
#[tokio::test]
async fn what_a_toxic_touches_is_counted() {
    let (world, address) = World::with_proxy().await;
    let (mut client, mut server) = world.connect(address).await;
    world.add("latency", Stream::Both, &[("latency", Value::Integer(1))]).await;
    for _ in 0..3 {
        passes(&mut client, &mut server, b"get k\r\n").await;
        passes(&mut server, &mut client, b"END\r\n").await;
    }
    world.proxies.remove_toxic("p", "latency").await.unwrap();
    passes(&mut client, &mut server, b"get k\r\n").await;
    assert_eq!(world.proxies.tap("p").unwrap().touched["latency"], 6);
    world.end().await;
}

/// Catches anything that a client of a real memcached sees differently through the proxy: replies,
/// errors, the end of the connection, however the stream is cut.
#[cfg_attr(not(real_memcached), ignore = "needs memcached on PATH")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memcached_behind_the_proxy_is_memcached() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("memcached.sock");
    let mut memcached = tokio::process::Command::new("memcached")
        .arg("-s")
        .arg(&path)
        .args(["-u", "root", "-U", "0", "-m", "64"])
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let world = World::new().await;
    let address = world.create("p", &format!("unix:{}", path.display()), Dial::Eager).await;
    for (name, dialogue) in DIALOGUES {
        let direct = within(direct(&path, dialogue)).await;
        for piece in [1, 7, usize::MAX] {
            let proxied = TcpStream::connect(address).await.unwrap();
            proxied.set_nodelay(true).unwrap();
            let proxied = within(talk(proxied, dialogue, piece)).await;
            assert_eq!(proxied, direct, "{name}, in pieces of {piece}");
        }
    }
    memcached.kill().await.unwrap();
    world.end().await;
}

/// Each starts from a clean slate and ends with the client's end of the stream.
const DIALOGUES: &[(&str, &[u8])] = &[
    ("noreply", b"flush_all\r\nset a 0 0 1 noreply\r\n1\r\nget a\r\n"),
    ("noreply error", b"flush_all\r\nset a 0 0 1 noreply\r\n12345\r\nget a\r\n"),
    ("several values", b"flush_all\r\nset a 0 0 1\r\n1\r\nset b 0 0 1\r\n2\r\ngat 0 a b c\r\n"),
    ("a value that looks like an end", b"set a 0 0 12\r\nEND\r\nxEND\r\n!\r\nget a\r\nget a\r\n"),
    ("meta", b"flush_all\r\nms a 3\r\nabc\r\nmg a v\r\nmg b v\r\nmg b v q\r\nmn\r\nmd a\r\n"),
    ("malformed", b"\r\nfoo\r\nget\r\nset a 0 0 abc\r\nset a 0 0 -3\r\nSET a 0 0 1\r\nversion\r\n"),
    ("large block too short", b"set a 0 0 5\r\nhi\r\nversion\r\nget a\r\n"),
    ("binary", b"\x80\x0a\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\0"),
    ("quit", b"get a\r\nquit\r\nversion\r\n"),
];

async fn direct(path: &std::path::Path, dialogue: &[u8]) -> Vec<u8> {
    loop {
        if let Ok(stream) = tokio::net::UnixStream::connect(path).await {
            return talk(stream, dialogue, usize::MAX).await;
        }
        tokio::task::yield_now().await;
    }
}

/// Says it in pieces, ends the own direction, and returns what came back until the end.
async fn talk(
    stream: impl tokio::io::AsyncRead + tokio::io::AsyncWrite,
    dialogue: &[u8],
    piece: usize,
) -> Vec<u8> {
    let (mut read, mut write) = tokio::io::split(stream);
    let say = async {
        for piece in dialogue.chunks(piece) {
            // The server may have closed already, as after `quit`: what it said still counts.
            if write.write_all(piece).await.is_err() {
                return;
            }
            tokio::task::yield_now().await;
        }
        let _ = write.shutdown().await;
    };
    let mut heard = Vec::new();
    let hear = async {
        let mut buffer = [0; 4096];
        while let Ok(count @ 1..) = read.read(&mut buffer).await {
            heard.extend_from_slice(&buffer[..count]);
        }
    };
    tokio::join!(say, hear);
    heard
}
