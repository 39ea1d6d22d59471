//! The control API over real sockets: the transcripts of Toxiproxy, and what we promise beyond it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails where it stands")]

mod beyond;
mod command;
mod transcript;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use harness::base::scope::Scope;
use harness::base::seed::Seed;
use harness::control::{self, ApiOptions};
use harness::event::Events;
use harness::proxy::ProxySet;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Nothing here takes this long unless it hangs.
const HANG: Duration = Duration::from_secs(10);

/// A server of the API with the proxies behind it.
struct Api {
    address: SocketAddr,
    set: ProxySet,
    scope: Scope,
}

impl Api {
    async fn new() -> Self {
        Self::with(ApiOptions::default()).await
    }

    async fn with(options: ApiOptions) -> Self {
        let scope = Scope::current("test");
        let set = ProxySet::new(Seed::new(1), Events::ignore(), &scope);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = control::serve(listener, set.clone(), options, &scope).unwrap();
        Self { address, set, scope }
    }

    /// Sends a request without any header but those given.
    async fn raw(&self, request: &Request) -> Answer {
        within(async {
            let mut stream = TcpStream::connect(self.address).await.unwrap();
            stream.write_all(request.text().as_bytes()).await.unwrap();
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).await.unwrap();
            Answer::read(&answer)
        })
        .await
    }

    async fn send(&self, method: &str, target: &str, body: &str) -> Answer {
        let line = format!("{method} {target}");
        self.raw(&Request { line, headers: Vec::new(), body: body.to_owned() }).await
    }

    /// Sends JSON; the answer must have this status and be JSON or empty.
    async fn json(&self, method: &str, target: &str, body: Value, status: u16) -> Value {
        let answer = self.send(method, target, &body.to_string()).await;
        assert_eq!(answer.status, status, "{method} {target}: {}", answer.body);
        serde_json::from_str(&answer.body).unwrap_or(Value::Null)
    }

    /// A proxy called `p` in front of `server`; its address.
    async fn proxy(&self, server: &TcpListener) -> SocketAddr {
        let upstream = server.local_addr().unwrap().to_string();
        let body = json!({ "name": "p", "listen": "127.0.0.1:0", "upstream": upstream });
        let view = self.json("POST", "/proxies", body, 201).await;
        view["listen"].as_str().unwrap().parse().unwrap()
    }
}

struct Request {
    line: String,
    headers: Vec<String>,
    body: String,
}

impl Request {
    fn text(&self) -> String {
        let mut text =
            format!("{} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n", self.line);
        for header in &self.headers {
            text += &format!("{header}\r\n");
        }
        if !self.body.is_empty() {
            text += &format!("Content-Length: {}\r\n", self.body.len());
        }
        text + "\r\n" + &self.body
    }
}

#[derive(Debug)]
struct Answer {
    status: u16,
    headers: BTreeMap<String, String>,
    body: String,
}

impl Answer {
    fn read(bytes: &[u8]) -> Self {
        let text = std::str::from_utf8(bytes).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no head: {text}"));
        let mut lines = head.split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers: BTreeMap<String, String> = lines
            .map(|line| line.split_once(": ").unwrap())
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect();
        if let Some(length) = headers.get("content-length") {
            assert_eq!(length.parse::<usize>().unwrap(), body.len(), "{text}");
        }
        Self { status, headers, body: body.to_owned() }
    }
}

async fn within<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(HANG, work).await.expect("something hangs")
}

/// Replays one file against a server of its own.
async fn replay(text: &str) {
    let proxy_metrics = text.contains("! metrics");
    let api = Api::with(ApiOptions { proxy_metrics, ..ApiOptions::default() }).await;
    let unused = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut bound = transcript::Bound::new();
    bound.insert("api".to_owned(), api.address.port().to_string());
    bound.insert("free".to_owned(), unused.local_addr().unwrap().port().to_string());
    drop(unused);
    // Every interface is called differently on a machine without IPv6.
    let has_ipv6 = TcpListener::bind("[::]:0").await.is_ok();
    let text = if has_ipv6 { text.to_owned() } else { text.replace("[::]", "0.0.0.0") };
    for exchange in transcript::read(&text) {
        let answer = api.raw(&exchange.request(&bound)).await;
        if let Err(difference) = exchange.check(&answer, &mut bound) {
            panic!("{difference}");
        }
    }
}

macro_rules! replays {
    ($($(#[$doc:meta])* $name:ident)*) => {$(
        $(#[$doc])*
        #[tokio::test]
        async fn $name() {
            replay(include_str!(concat!("../golden/toxiproxy/", stringify!($name), ".txt"))).await;
        }
    )*};
}

replays! {
    /// Catches a proxy that is created, changed, shown or refused differently than by Toxiproxy.
    proxies
    /// Catches a toxic that is created, changed, listed or refused differently.
    toxics
    /// Catches a list of proxies that is applied or answered differently.
    populate
    /// Catches a path, a method or a browser that is answered differently.
    routing
    /// Catches a body that is read or written differently.
    json
    /// Catches a metrics page that Prometheus or a client does not find.
    metrics
}

/// Catches a request id that is missing, repeated or of another form.
#[tokio::test]
async fn every_request_has_its_own_id() {
    let api = Api::new().await;
    let mut seen = std::collections::BTreeSet::new();
    for target in ["/version", "/proxies", "/proxies/nobody", "/version"] {
        let answer = api.send("GET", target, "").await;
        let id = answer.headers["x-toxiproxy-request-id"].clone();
        assert!(id.len() == 20 && id.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'v')));
        assert!(seen.insert(id));
    }
}

async fn connect(address: SocketAddr, server: &TcpListener) -> (TcpStream, TcpStream) {
    let mut client = TcpStream::connect(address).await.unwrap();
    // Toxiproxy dials when a client is there; ours may wait for its first byte.
    client.write_all(b"").await.unwrap();
    let (peer, _) = within(server.accept()).await.unwrap();
    client.set_nodelay(true).unwrap();
    (client, peer)
}

/// Four bytes there and four back.
async fn echo(client: &mut TcpStream, peer: &mut TcpStream) {
    let mut bytes = [0; 4];
    client.write_all(b"ping").await.unwrap();
    within(peer.read_exact(&mut bytes)).await.unwrap();
    assert_eq!(&bytes, b"ping");
    peer.write_all(b"pong").await.unwrap();
    within(client.read_exact(&mut bytes)).await.unwrap();
    assert_eq!(&bytes, b"pong");
}
