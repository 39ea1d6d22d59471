//! Packet loss: the model of our proxies against the kernel's own, in the same minutes.
//!
//! Both sides are a client on TCP, our proxy and the embedded node. On one side the kernel loses
//! packets between client and proxy (two network namespaces, veth, nftables), on the other the
//! proxy's `packet_loss` acts and the network is the loopback. Both run at once, so that the machine
//! is the same to both. What is compared is how long operations take: the two-sample
//! Kolmogorov-Smirnov distance, with everything under 10 ms taken as equal, because below that the
//! machine and not the loss is measured. The bar is 0.03 at every rate.
//!
//! `cargo bench --bench loss`; as root on Linux with `ip` and `nft`.

#[cfg(target_os = "linux")]
mod linux {
    use std::net::SocketAddr;
    use std::time::Duration;

    use harness::base::family::{Chosen, Settings, Value};
    use harness::base::name::NodeIndex;
    use harness::base::scope::Scope;
    use harness::base::seed::Seed;
    use harness::event::Events;
    use harness::lab::network::{KernelNetwork, NetworkTools};
    use harness::lab::timeline::{Direction, FaultSpec};
    use harness::protocol::memcached::server::config::NodeConfig;
    use harness::protocol::memcached::server::serve::Node;
    use harness::proxy::fault::TOXICS;
    use harness::proxy::{Dial, ProxyConfig, ProxySet, Stream, ToxicConfig};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;
    use tokio::task::JoinSet;
    use tokio::time::{Instant, timeout_at};

    type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

    /// How many segments are lost each way, and how many connections it takes to see enough of them
    /// without making the machine busy.
    const RATES: [(f64, usize); 4] = [(0.01, 20), (0.05, 40), (0.10, 80), (0.25, 300)];
    /// Requests in one write, and the bytes of a value.
    const SHAPES: [(&str, usize, usize); 3] =
        [("single gets, 32 B", 1, 32), ("16 deep, 32 B", 16, 32), ("16 deep, 100 B", 16, 100)];
    const ROUND: Duration = Duration::from_secs(20);
    /// Faster than this is undisturbed.
    const FLOOR_MS: f64 = 10.0;
    const BAR: f64 = 0.03;

    pub(super) fn main() -> Result<()> {
        tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(compare())
    }

    async fn compare() -> Result<()> {
        let scope = Scope::current("loss");
        let path = std::env::var_os("PATH").unwrap_or_default();
        let network = KernelNetwork::start(NetworkTools::find(&path)?, 1, &scope).await?;
        let node = NodeConfig { listen: "127.0.0.1:0".to_owned(), ..NodeConfig::default() };
        let node = Node::start(&node, &scope).await?;
        let set = |sockets| ProxySet::listening_on(sockets, Seed::new(1), Events::ignore(), &scope);
        let kernels = set(network.sockets());
        let users = ProxySet::new(Seed::new(1), Events::ignore(), &scope);
        let far = proxy(&kernels, &network.address(NodeIndex(0)).to_string(), &node).await?;
        let near = proxy(&users, "127.0.0.1:0", &node).await?;
        println!(
            "shape              loss  by      n      <10ms    p80    p90    p95    p99 ms   KS"
        );
        for (shape, depth, bytes) in SHAPES {
            store(near, bytes).await?;
            for (rate, connections) in RATES {
                let fault = loss(rate)?;
                // Connected before anything is lost, so that no side begins later.
                let (at_kernel, at_user) =
                    (connect(far, connections).await?, connect(near, connections).await?);
                network.apply(&fault).await?;
                users.add_toxic("proxy", toxic(&fault)).await?;
                let end = Instant::now() + ROUND;
                let (kernel, user) = tokio::join!(
                    drive(at_kernel, depth, bytes, end),
                    drive(at_user, depth, bytes, end)
                );
                users.remove_toxic("proxy", &fault.name).await?;
                network.heal(&fault.name).await?;
                report(shape, rate, &kernel, &user);
            }
        }
        network.close().await;
        Ok(())
    }

    async fn proxy(set: &ProxySet, listen: &str, node: &Node) -> Result<SocketAddr> {
        let view = set
            .create(ProxyConfig {
                name: "proxy".to_owned(),
                listen: listen.to_owned(),
                upstream: node.address().to_string(),
                enabled: true,
                dial: Dial::Eager,
                protocol: None,
                node: None,
                toxics: Vec::new(),
            })
            .await?;
        Ok(view.listen.parse()?)
    }

    fn loss(rate: f64) -> Result<FaultSpec> {
        let mut settings = Settings::default();
        settings.insert("loss_rate", Value::Float(rate));
        let kind = TOXICS.find("packet_loss").ok_or("there is no packet_loss")?;
        let settings = kind.complete(&settings).map_err(|error| error.what)?;
        Ok(FaultSpec {
            group: None,
            name: "loss".to_owned(),
            nodes: vec![NodeIndex(0)],
            at: Duration::ZERO,
            after: None,
            length: ROUND,
            until_touched: None,
            direction: Direction::Both,
            toxicity: 1.0,
            fault: Chosen { kind: "packet_loss".to_owned(), settings },
        })
    }

    fn toxic(fault: &FaultSpec) -> ToxicConfig {
        ToxicConfig {
            name: Some(fault.name.clone()),
            kind: fault.fault.kind.clone(),
            stream: Stream::Both,
            toxicity: 1.0,
            attributes: fault.fault.settings.clone(),
        }
    }

    async fn store(address: SocketAddr, bytes: usize) -> Result<()> {
        let mut stream = TcpStream::connect(address).await?;
        let request = format!("set key 0 0 {bytes}\r\n{}\r\n", "x".repeat(bytes));
        stream.write_all(request.as_bytes()).await?;
        let mut reply = [0; 8];
        stream.read_exact(&mut reply).await?;
        if &reply == b"STORED\r\n" { Ok(()) } else { Err("the value was not stored".into()) }
    }

    async fn connect(address: SocketAddr, count: usize) -> Result<Vec<TcpStream>> {
        let mut streams = Vec::with_capacity(count);
        for _ in 0..count {
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            streams.push(stream);
        }
        Ok(streams)
    }

    /// Milliseconds of every operation that ended in time.
    async fn drive(streams: Vec<TcpStream>, depth: usize, bytes: usize, end: Instant) -> Vec<f64> {
        let mut tasks = JoinSet::new();
        for stream in streams {
            tasks.spawn(ask(stream, depth, bytes, end));
        }
        let mut all = tasks.join_all().await.concat();
        all.sort_by(f64::total_cmp);
        all
    }

    async fn ask(mut stream: TcpStream, depth: usize, bytes: usize, end: Instant) -> Vec<f64> {
        let requests = b"get key\r\n".repeat(depth);
        let reply = format!("VALUE key 0 {bytes}\r\n").len() + bytes + "\r\nEND\r\n".len();
        let mut buffer = vec![0; reply * depth];
        let mut taken = Vec::new();
        while Instant::now() < end {
            let began = Instant::now();
            if stream.write_all(&requests).await.is_err() {
                break;
            }
            let (mut filled, mut answered) = (0, 0);
            while filled < buffer.len() {
                match timeout_at(end, stream.read(&mut buffer[filled..])).await {
                    Ok(Ok(read)) if read > 0 => filled += read,
                    _ => return taken,
                }
                let ms = began.elapsed().as_secs_f64() * 1e3;
                taken.resize(taken.len() + filled / reply - answered, ms);
                answered = filled / reply;
            }
        }
        taken
    }

    fn report(shape: &str, rate: f64, kernel: &[f64], user: &[f64]) {
        let distance = distance(kernel, user);
        for (who, taken) in [("kernel", kernel), ("user", user)] {
            let quick = share_below(taken, FLOOR_MS) * 100.0;
            let at = |share: f64| quantile(taken, share);
            print!(
                "{shape:<18} {:>3.0} %  {who:<6} {:>6}  {quick:5.2} % {:6.1} {:6.1} {:6.1} {:6.1}",
                rate * 100.0,
                taken.len(),
                at(0.8),
                at(0.9),
                at(0.95),
                at(0.99),
            );
            if who == "user" {
                let word = if distance <= BAR { "within" } else { "above" };
                println!("  {distance:.4}, {word} {BAR}");
            } else {
                println!();
            }
        }
    }

    fn quantile(sorted: &[f64], share: f64) -> f64 {
        let position = (sorted.len() as f64 * share) as usize;
        sorted.get(position).copied().unwrap_or(f64::NAN)
    }

    fn share_below(sorted: &[f64], ms: f64) -> f64 {
        sorted.partition_point(|taken| *taken < ms) as f64 / sorted.len() as f64
    }

    /// The largest difference of the two distribution functions from the floor on.
    fn distance(one: &[f64], other: &[f64]) -> f64 {
        let at = |ms: &f64| (share_below(one, *ms) - share_below(other, *ms)).abs();
        let places = one.iter().chain(other).filter(|ms| **ms >= FLOOR_MS);
        std::iter::once(&FLOOR_MS).chain(places).map(at).fold(0.0, f64::max)
    }
}

fn main() {
    #[cfg(target_os = "linux")]
    if let Err(problem) = linux::main() {
        println!("not measured: {problem}");
    }
    #[cfg(not(target_os = "linux"))]
    println!("not measured: only Linux has network namespaces");
}
