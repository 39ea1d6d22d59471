//! What the control API promises beyond Toxiproxy's, and what it must survive.

use std::net::SocketAddr;
use std::time::Duration;

use harness::base::time::RunClock;
use harness::control::{ApiOptions, Feed};
use harness::event::Events;
use harness::proxy::{PROXIES_MAX, TOXICS_MAX};
use serde_json::json;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use super::{Api, Request, connect, echo, within};

/// Catches an equal update that drops connections, and an unequal one that keeps them.
#[tokio::test]
async fn an_equal_update_keeps_connections() {
    let (api, server) = (Api::new().await, TcpListener::bind("127.0.0.1:0").await.unwrap());
    let address = api.proxy(&server).await;
    let (mut client, mut peer) = connect(address, &server).await;
    let listen = format!("localhost:{}", address.port());
    let upstream = server.local_addr().unwrap().to_string();
    let body = json!({ "listen": listen, "upstream": upstream, "enabled": true });
    api.json("POST", "/proxies/p", body.clone(), 200).await;
    let entry = json!([{ "name": "p", "listen": listen, "upstream": upstream }]);
    api.json("POST", "/populate", entry, 201).await;
    echo(&mut client, &mut peer).await;
    api.json("PATCH", "/proxies/p", json!({ "upstream": "127.0.0.1:1" }), 200).await;
    assert_eq!(within(client.read_u8()).await.ok(), None);
}

/// Catches a disabled proxy that still accepts or keeps connections open, and a delete or a disable
/// that gives the port away.
#[tokio::test]
async fn disabling_closes_everything_and_enabling_takes_the_same_port() {
    let (api, server) = (Api::new().await, TcpListener::bind("127.0.0.1:0").await.unwrap());
    let address = api.proxy(&server).await;
    let (mut client, _peer) = connect(address, &server).await;
    api.json("PATCH", "/proxies/p", json!({ "enabled": false }), 200).await;
    assert_eq!(within(client.read_u8()).await.ok(), None);
    assert!(TcpStream::connect(address).await.is_err());
    api.json("POST", "/proxies/p/toxics", json!({ "type": "noop" }), 200).await;
    api.send("POST", "/reset", "").await;
    let (mut client, mut peer) = connect(address, &server).await;
    echo(&mut client, &mut peer).await;
    assert_eq!(api.send("DELETE", "/proxies/p", "").await.status, 204);
    assert!(TcpStream::connect(address).await.is_err());
}

/// Catches a change of the listen address that fails and takes the proxy down: Toxiproxy's does.
#[tokio::test]
async fn a_failed_listen_change_leaves_the_proxy_as_it_was() {
    let (api, server) = (Api::new().await, TcpListener::bind("127.0.0.1:0").await.unwrap());
    let address = api.proxy(&server).await;
    let (mut client, mut peer) = connect(address, &server).await;
    let before = api.json("GET", "/proxies/p", json!(null), 200).await;
    let taken = format!("127.0.0.1:{}", api.address.port());
    for listen in [taken.as_str(), "nonsense", "127.0.0.1:99999"] {
        let body = json!({ "listen": listen, "upstream": "127.0.0.1:9" });
        api.json("POST", "/proxies/p", body, 500).await;
        let entry = json!([{ "name": "p", "listen": listen, "upstream": "127.0.0.1:9" }]);
        let answer = api.json("POST", "/populate", entry, 500).await;
        assert_eq!(answer["proxies"], json!(null));
        assert_eq!(api.json("GET", "/proxies/p", json!(null), 200).await, before);
    }
    echo(&mut client, &mut peer).await;
    connect(address, &server).await;
}

/// Catches an update that is refused and yet half applied: Toxiproxy's is.
#[tokio::test]
async fn a_refused_update_changes_nothing() {
    let api = Api::new().await;
    let body = json!({ "name": "p", "upstream": "u:1", "enabled": false });
    api.json("POST", "/proxies", body, 201).await;
    let body = json!({ "type": "latency", "name": "l", "attributes": { "latency": 7 } });
    let before = api.json("POST", "/proxies/p/toxics", body, 200).await;
    let body = r#"{"toxicity":0.5,"attributes":{"latency":1,"jitter":1.5}}"#;
    assert_eq!(api.send("PATCH", "/proxies/p/toxics/l", body).await.status, 400);
    assert_eq!(api.json("GET", "/proxies/p/toxics/l", json!(null), 200).await, before);
}

/// Catches a toxic that is accepted in silence although it is misspelt or out of range.
#[tokio::test]
async fn what_only_compatibility_accepts_is_warned_of() {
    let api = Api::new().await;
    let body = json!({ "name": "p", "upstream": "u:1", "enabled": false });
    api.json("POST", "/proxies", body, 201).await;
    let body = r#"{"type":"latency","toxicity":2,"attributes":{"latncy":5}}"#;
    let answer = api.send("POST", "/proxies/p/toxics", body).await;
    assert_eq!(answer.status, 200);
    let warning = &answer.headers["x-harness-warning"];
    assert!(warning.contains("toxicity 2") || warning.contains("latncy"), "{warning}");
}

/// Catches a list that drops something when it is applied twice, whatever form its addresses have.
#[tokio::test]
async fn populating_twice_drops_nothing() {
    let (api, server) = (Api::new().await, TcpListener::bind("127.0.0.1:0").await.unwrap());
    let upstream = server.local_addr().unwrap().to_string();
    for listen in ["127.0.0.1:0", "0.0.0.0:0", ":0", ""] {
        let toxics =
            json!([{ "type": "noop" }, { "type": "latency", "attributes": {"jitter": 0} }]);
        let entry =
            json!({ "name": "p", "listen": listen, "upstream": upstream, "toxics": toxics });
        let first = api.json("POST", "/populate", json!([entry]), 201).await;
        let bound: SocketAddr = first["proxies"][0]["listen"].as_str().unwrap().parse().unwrap();
        let (mut client, mut peer) =
            connect(SocketAddr::new([127, 0, 0, 1].into(), bound.port()), &server).await;
        assert_eq!(api.json("POST", "/populate", json!([entry]), 201).await, first);
        echo(&mut client, &mut peer).await;
        api.send("DELETE", "/proxies/p", "").await;
    }
}

/// Catches a proxy that is created although one of its toxics is wrong.
#[tokio::test]
async fn a_proxy_is_created_with_its_toxics_or_not_at_all() {
    let api = Api::new().await;
    let with = |kind: &str| json!({ "name": "p", "upstream": "u:1", "toxics": [{ "type": kind }] });
    let refused = api.json("POST", "/proxies", with("nonsense"), 400).await;
    assert_eq!(refused["error"], "toxic 1: invalid toxic type");
    api.json("GET", "/proxies/p", json!(null), 404).await;
    let created = api.json("POST", "/proxies", with("slicer"), 201).await;
    assert_eq!(created["toxics"][0]["name"], "slicer_downstream");
}

/// Catches a client that is connected although its server is not there, when that was asked for.
#[tokio::test]
async fn dialling_eagerly_is_an_option() {
    let api = Api::new().await;
    let unused = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let upstream = unused.local_addr().unwrap().to_string();
    drop(unused);
    for (dial, ends) in [("lazy", true), ("eager", false)] {
        let body =
            json!({ "name": dial, "listen": "127.0.0.1:0", "upstream": upstream, "dial": dial });
        let view = api.json("POST", "/proxies", body, 201).await;
        let mut client = TcpStream::connect(view["listen"].as_str().unwrap()).await.unwrap();
        let read = within(client.read(&mut [0])).await;
        assert_eq!(read.ok(), ends.then_some(0), "{dial}: the end of the stream, or a reset");
    }
}

/// Catches a `timeout` whose removal leaves a hole in a stream, and a `limit_data` that counts
/// wrongly or forgets its count when it is changed.
#[tokio::test]
async fn toxics_end_connections_when_and_only_when_they_must() {
    let (api, server) = (Api::new().await, TcpListener::bind("127.0.0.1:0").await.unwrap());
    let address = api.proxy(&server).await;
    let (mut client, mut peer) = connect(address, &server).await;
    let body = json!({ "name": "t", "type": "timeout", "stream": "upstream" });
    api.json("POST", "/proxies/p/toxics", body, 200).await;
    client.write_all(b"lost").await.unwrap();
    assert_eq!(api.send("DELETE", "/proxies/p/toxics/t", "").await.status, 204);
    assert!(matches!(within(client.read(&mut [0])).await, Ok(0) | Err(_)));
    assert!(matches!(within(peer.read(&mut [0])).await, Ok(0) | Err(_)));
    let (mut client, mut peer) = connect(address, &server).await;
    let body = json!({ "name": "l", "type": "limit_data", "attributes": { "bytes": 6 } });
    api.json("POST", "/proxies/p/toxics", body, 200).await;
    echo(&mut client, &mut peer).await;
    let body = json!({ "attributes": { "bytes": 10 } });
    api.json("PATCH", "/proxies/p/toxics/l", body, 200).await;
    peer.write_all(b"0123456789").await.unwrap();
    let mut rest = Vec::new();
    // How the end looks is the engine's; what came before it is counted.
    let _ = within(client.read_to_end(&mut rest)).await;
    assert_eq!(rest, b"012345");
}

/// Catches a control plane that waits for the data path: a client that stops reading wedges
/// Toxiproxy's.
#[tokio::test]
async fn a_client_that_stops_reading_wedges_nothing() {
    let (api, server) = (Api::new().await, TcpListener::bind("127.0.0.1:0").await.unwrap());
    let address = api.proxy(&server).await;
    let (_client, peer) = connect(address, &server).await;
    // The server sends until every buffer on the way is full.
    loop {
        peer.writable().await.unwrap();
        let chunk = [0; 64 << 10];
        while peer.try_write(&chunk).is_ok() {}
        let more = tokio::time::timeout(Duration::from_millis(200), peer.writable());
        if more.await.is_err() {
            break;
        }
    }
    let body = json!({ "type": "latency", "attributes": { "latency": 60_000 } });
    api.json("POST", "/proxies/p/toxics", body, 200).await;
    api.json("PATCH", "/proxies/p/toxics/latency_downstream", json!({ "toxicity": 0.5 }), 200)
        .await;
    assert_eq!(api.send("DELETE", "/proxies/p/toxics/latency_downstream", "").await.status, 204);
    api.json("GET", "/proxies", json!(null), 200).await;
    assert_eq!(api.send("POST", "/reset", "").await.status, 204);
    assert_eq!(api.send("DELETE", "/proxies/p", "").await.status, 204);
}

/// Catches a control plane that waits for a server that does not answer, or for a toxic that holds
/// a connection.
#[tokio::test]
async fn what_hangs_on_the_data_path_holds_up_no_request() {
    let (api, server) = (Api::new().await, TcpListener::bind("127.0.0.1:0").await.unwrap());
    let mute = api.proxy(&server).await;
    api.json("POST", "/proxies/p/toxics", json!({ "type": "blackhole" }), 200).await;
    let body = json!({ "name": "q", "listen": "127.0.0.1:0", "upstream": mute.to_string() });
    let view = api.json("POST", "/proxies", body, 201).await;
    let address = view["listen"].as_str().unwrap();
    let mut clients = Vec::new();
    for _ in 0..3 {
        clients.push(within(TcpStream::connect(address)).await.unwrap());
    }
    let body =
        json!({ "type": "reset_peer", "stream": "upstream", "attributes": {"timeout": 60_000} });
    api.json("POST", "/proxies/q/toxics", body, 200).await;
    clients[0].write_all(b"x").await.unwrap();
    api.json("PATCH", "/proxies/q", json!({ "enabled": false }), 200).await;
    api.json("PATCH", "/proxies/q", json!({ "enabled": true }), 200).await;
    assert_eq!(api.send("DELETE", "/proxies/q", "").await.status, 204);
    assert_eq!(api.send("POST", "/reset", "").await.status, 204);
    let (mut client, mut peer) = connect(mute, &server).await;
    echo(&mut client, &mut peer).await;
}

/// Catches a reset that leaves the proxies behind the first that cannot listen as they are.
#[tokio::test]
async fn a_reset_goes_on_after_a_failure() {
    let api = Api::new().await;
    let taken = format!("127.0.0.1:{}", api.address.port());
    for (name, listen) in [("a", taken.as_str()), ("b", "127.0.0.1:0")] {
        let toxics = json!([{ "type": "noop", "stream": "both" }]);
        let body = json!({ "name": name, "listen": listen, "upstream": "u:1", "enabled": false,
                           "toxics": toxics });
        let view = api.json("POST", "/proxies", body, 201).await;
        assert_eq!(view["toxics"][0]["stream"], "both");
    }
    let refused = api.json("POST", "/reset", json!(null), 500).await;
    let text = format!("listen tcp {taken}: bind: address already in use");
    assert_eq!(refused["error"], text);
    let after = api.json("GET", "/proxies", json!(null), 200).await;
    assert_eq!((&after["a"]["enabled"], &after["b"]["enabled"]), (&json!(false), &json!(true)));
    assert_eq!(after["b"]["toxics"], json!([]));
}

/// Which of twenty connections a toxic of half of them resets, in the order in which they came.
async fn drawn(neighbours: bool) -> Vec<bool> {
    let (api, server) = (Api::new().await, TcpListener::bind("127.0.0.1:0").await.unwrap());
    let address = api.proxy(&server).await;
    let mut pairs = Vec::new();
    for _ in 0..20 {
        pairs.push(connect(address, &server).await);
    }
    let noop = json!({ "type": "noop", "stream": "upstream", "toxicity": 0.3 });
    if neighbours {
        api.json("POST", "/proxies/p/toxics", noop, 200).await;
    }
    let reset = json!({ "type": "reset_peer", "stream": "upstream", "toxicity": 0.5 });
    api.json("POST", "/proxies/p/toxics", reset, 200).await;
    if neighbours {
        assert_eq!(api.send("DELETE", "/proxies/p/toxics/noop_upstream", "").await.status, 204);
    }
    let mut drawn = Vec::new();
    for (client, peer) in &mut pairs {
        client.write_all(b"x").await.unwrap();
        drawn.push(within(peer.read_u8()).await.is_err());
    }
    drawn
}

/// Catches a seed that has no effect, as Toxiproxy's has none, and a draw that is made again because
/// a neighbour comes or goes.
#[tokio::test]
async fn the_same_seed_draws_the_same_connections() {
    let first = drawn(false).await;
    assert!(first.contains(&true) && first.contains(&false), "{first:?}");
    assert_eq!(first, drawn(false).await);
    assert_eq!(first, drawn(true).await);
}

/// Catches a request that kills or corrupts the server: each of these kills Toxiproxy on the next
/// chunk.
#[tokio::test]
async fn no_toxic_kills_the_server() {
    let (api, server) = (Api::new().await, TcpListener::bind("127.0.0.1:0").await.unwrap());
    let address = api.proxy(&server).await;
    for (kind, attributes) in [
        ("slicer", json!({})),
        ("slicer", json!({ "average_size": 1, "size_variation": 100 })),
        ("slicer", json!({ "average_size": -1, "size_variation": -1, "delay": -1 })),
        ("latency", json!({ "latency": -1, "jitter": i64::MIN })),
        ("slow_close", json!({ "delay": -1 })),
        ("limit_data", json!({ "bytes": i64::MAX })),
    ] {
        let body = json!({ "name": "t", "type": kind, "attributes": attributes });
        api.json("POST", "/proxies/p/toxics", body, 200).await;
        let (mut client, mut peer) = connect(address, &server).await;
        echo(&mut client, &mut peer).await;
        assert_eq!(api.send("DELETE", "/proxies/p/toxics/t", "").await.status, 204);
        echo(&mut client, &mut peer).await;
    }
    for (kind, attributes) in [
        ("bandwidth", json!({ "rate": -1 })),
        ("latency", json!({ "jitter": i64::MAX })),
        ("timeout", json!({ "timeout": -1 })),
        ("reset_peer", json!({ "timeout": -1 })),
        ("limit_data", json!({ "bytes": -1 })),
    ] {
        let body = json!({ "name": "t", "type": kind, "attributes": attributes });
        api.json("POST", "/proxies/p/toxics", body, 200).await;
        let (mut client, _peer) = connect(address, &server).await;
        client.write_all(b"x").await.unwrap();
        assert_eq!(api.send("DELETE", "/proxies/p/toxics/t", "").await.status, 204);
    }
    api.json("GET", "/proxies", json!(null), 200).await;
    assert!(api.set.get("p").unwrap().toxics.is_empty());
}

/// Catches bytes that are no request, or half of one, and yet hold up the server.
#[tokio::test]
async fn garbage_is_answered_or_dropped() {
    let api = Api::new().await;
    let mut idle = Vec::new();
    for bytes in
        [&b"\0\xff garbage"[..], b"GET ", b"POST /reset HTTP/1.1\r\nContent-Length: 9\r\n\r\n", b""]
    {
        let mut stream = TcpStream::connect(api.address).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        idle.push(stream);
    }
    for line in ["GET /proxies/% HTTP/9", "GET /proxies/%zz", "GET /proxies/%ff", "FOO /proxies"] {
        let mut stream = TcpStream::connect(api.address).await.unwrap();
        let text = format!("{line} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        stream.write_all(text.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        within(stream.read_to_end(&mut answer)).await.unwrap();
        assert!(answer.starts_with(b"HTTP/1.1 4"), "{}", String::from_utf8_lossy(&answer));
    }
    let large = format!("{{\"name\":\"{}\"}}", "x".repeat(9 << 20));
    let answer = api.send("POST", "/proxies", &large).await;
    assert_eq!((answer.status, answer.body.len() < 200), (413, true));
    let deep = "[".repeat(1 << 20);
    let answer = api.send("POST", "/populate", &deep).await;
    assert!(answer.body.contains("exceeded max depth"), "{}", answer.body);
    api.json("GET", "/version", json!(null), 200).await;
    api.scope.cancel();
    drop(idle);
}

/// Catches figures that appear only once a connection has ended, as Toxiproxy's do.
#[tokio::test]
async fn figures_are_live_while_connections_are_open() {
    let options =
        ApiOptions { proxy_metrics: true, runtime_metrics: true, ..ApiOptions::default() };
    let (api, server) = (Api::with(options).await, TcpListener::bind("127.0.0.1:0").await.unwrap());
    let address = api.proxy(&server).await;
    let (mut client, mut peer) = connect(address, &server).await;
    echo(&mut client, &mut peer).await;
    let page = api.send("GET", "/metrics", "").await.body;
    let labels = format!(
        r#"{{direction="upstream",listener="{address}",proxy="p",upstream="{}"}} 4"#,
        server.local_addr().unwrap()
    );
    assert!(page.contains(&format!("toxiproxy_proxy_received_bytes_total{labels}")), "{page}");
    assert!(page.contains(&format!("toxiproxy_proxy_sent_bytes_total{labels}")), "{page}");
    assert!(page.contains("\nharness_proxy_connections_open{proxy=\"p\"} 1\n"), "{page}");
    #[cfg(target_os = "linux")]
    assert!(page.contains("\nprocess_resident_memory_bytes "), "{page}");
    let taps = api.json("GET", "/proxies/p/connections", json!(null), 200).await;
    assert_eq!(taps["open"], 1);
    assert_eq!(taps["received_bytes"], json!({ "upstream": 4, "downstream": 4 }));
    assert_eq!(taps["connections"][0]["client"], client.local_addr().unwrap().to_string());
}

/// Catches something that is said to nobody or to the wrong one, and a mistake that says something.
#[tokio::test]
async fn something_is_said_to_clients_that_did_not_ask() {
    let (api, server) = (Api::new().await, TcpListener::bind("127.0.0.1:0").await.unwrap());
    let address = api.proxy(&server).await;
    let (mut one, mut one_peer) = connect(address, &server).await;
    let (mut other, mut other_peer) = connect(address, &server).await;
    let say = |body: serde_json::Value, status| api.json("POST", "/proxies/p/say", body, status);
    let said = say(json!({ "text": "ERROR\r\n" }), 200).await;
    assert_eq!(said, json!({ "connections": 2, "refused": 0 }));
    for client in [&mut one, &mut other] {
        let mut read = [0; 7];
        within(client.read_exact(&mut read)).await.unwrap();
        assert_eq!(&read, b"ERROR\r\n");
    }
    let taps = api.json("GET", "/proxies/p/connections", json!(null), 200).await;
    let address = other.local_addr().unwrap().to_string();
    let entries = taps["connections"].as_array().unwrap();
    let id = &entries.iter().find(|entry| entry["client"] == address).unwrap()["id"];
    let said = say(json!({ "hex": "00", "connection": id }), 200).await;
    assert_eq!(said, json!({ "connections": 1, "refused": 0 }));
    within(other.read_exact(&mut [0])).await.unwrap();
    for (body, status, what) in [
        (json!({}), 400, "say what"),
        (json!({ "text": "" }), 400, "1 to"),
        (json!({ "txt": "x" }), 400, "did you mean `text`"),
        (json!({ "text": 5 }), 400, "cannot unmarshal number"),
        (json!({ "text": "x", "hex": "00" }), 400, "give one of"),
        (json!({ "base64": "?" }), 400, "does not decode"),
        (json!({ "text": "x".repeat((1 << 20) + 1) }), 400, "1 to"),
        (json!({ "text": "x", "connection": -1 }), 400, "`connection` is a number"),
        (json!({ "text": "x", "connection": 99 }), 404, "connection not found"),
        (json!([]), 400, "cannot unmarshal array"),
    ] {
        let answer = say(body.clone(), status).await.to_string();
        assert!(answer.contains(what), "{body}: {answer}");
    }
    assert_eq!(api.send("GET", "/proxies/p/say", "").await.status, 405);
    assert_eq!(api.send("POST", "/proxies/q/say", r#"{"text":"x"}"#).await.status, 404);
    echo(&mut one, &mut one_peer).await;
    echo(&mut other, &mut other_peer).await;
}

/// Catches a run that others change unnoticed, and one that is blamed for being looked at.
#[tokio::test]
async fn a_run_is_told_of_changes_and_of_nothing_else() {
    let (sender, mut seen) = tokio::sync::mpsc::unbounded_channel();
    let meddling = Some(Events::to(move |kind| drop(sender.send(kind))));
    let api =
        Api::with(ApiOptions { meddling, proxy_metrics: true, ..ApiOptions::default() }).await;
    api.json("GET", "/proxies", json!(null), 200).await;
    api.json("POST", "/proxies", json!({}), 400).await;
    for method in ["POST", "PUT", "DELETE"] {
        assert_eq!(api.send(method, "/metrics", "").await.status, 200, "{method}");
    }
    assert!(seen.try_recv().is_err(), "figures were only looked at");
    assert_eq!(api.send("POST", "/reset", "").await.status, 204);
    let told = within(seen.recv()).await.unwrap();
    assert!(format!("{told:?}").contains("POST /reset"), "{told:?}");
}

/// Catches a stream of events that misses a change or does not end with the server.
#[tokio::test]
async fn events_are_streamed_as_they_happen() {
    let feed = Feed::new(RunClock::start());
    let api = Api::with(ApiOptions { feed: Some(feed), ..ApiOptions::default() }).await;
    let stream = TcpStream::connect(api.address).await.unwrap();
    let mut reader = BufReader::new(stream);
    reader.get_mut().write_all(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert_ne!(within(reader.read_line(&mut head)).await.unwrap(), 0, "{head}");
    }
    assert!(head.contains("content-type: text/event-stream\r\n"), "{head}");
    api.send("POST", "/reset", "").await;
    let mut events = String::new();
    while !events.contains("\n\n") {
        assert_ne!(within(reader.read_line(&mut events)).await.unwrap(), 0, "{events}");
    }
    assert!(events.contains(r#""method":"POST","path":"/reset","status":204}"#), "{events}");
    let mut rest = Vec::new();
    api.scope.cancel();
    within(reader.read_to_end(&mut rest)).await.unwrap();
}

/// Catches a page of a stranger that is answered because its name was made to point here, or that
/// changes something behind the back of whoever looks at it.
#[tokio::test]
async fn strangers_names_are_refused() {
    let api = Api::new().await;
    let asked = |line: &str, header: &str| Request {
        line: line.to_owned(),
        headers: vec![header.to_owned()],
        body: String::new(),
    };
    for header in ["Host: evil.example:8474", "Origin: http://evil.example", "Origin: null"] {
        for line in ["GET /proxies", "POST /reset", "GET /nothing"] {
            let answer = api.raw(&asked(line, header)).await;
            assert_eq!(answer.status, 403, "{line} {header}");
            assert!(answer.body.contains("-allow-host"), "{}", answer.body);
        }
    }
    for header in ["Host: 127.0.0.1:1", "Host: [::1]", "Origin: http://localhost:3000"] {
        assert_eq!(api.raw(&asked("POST /reset", header)).await.status, 204, "{header}");
    }
    let options = ApiOptions { allow_hosts: vec!["evil.example".into()], ..ApiOptions::default() };
    let api = Api::with(options).await;
    assert_eq!(api.raw(&asked("GET /proxies", "Host: evil.example")).await.status, 200);
}

/// Catches a loss that is gone once a client has read the proxies, changed one and written all back:
/// with all that it read, and with Toxiproxy's members only.
#[tokio::test]
async fn a_loss_survives_being_read_changed_and_written_back() {
    let api = Api::new().await;
    let attributes = json!({ "loss_rate": 0.05, "correlation": 0.25, "rto": 300 });
    let toxic = json!({ "type": "packet_loss", "attributes": attributes });
    let proxy = json!({ "name": "p", "upstream": "u:1", "enabled": false, "toxics": [toxic] });
    api.json("POST", "/proxies", proxy, 201).await;
    for (members, upstream) in [(&["attributes", "settings"][..], "u:2"), (&["attributes"], "u:1")]
    {
        let mut proxy = api.json("GET", "/proxies/p", json!(null), 200).await;
        let toxic = proxy["toxics"][0].as_object_mut().unwrap();
        assert_eq!(toxic["attributes"], json!({ "loss_rate": 0.05, "correlation": 0.25 }));
        assert_eq!(toxic["settings"], json!({ "rto": 300 }));
        toxic.retain(|key, _| {
            !["attributes", "settings"].contains(&key.as_str()) || members.contains(&key.as_str())
        });
        toxic["attributes"]["correlation"] = json!(0.25);
        proxy["upstream"] = json!(upstream);
        let before = proxy["toxics"][0]["attributes"].clone();
        let written = api.json("POST", "/populate", json!([proxy]), 201).await;
        assert_eq!(written["proxies"][0]["toxics"][0]["attributes"], before);
    }
    let changed = json!({ "attributes": { "loss_rate": 0.5, "correlation": 0.25 } });
    let toxic = api.json("PATCH", "/proxies/p/toxics/packet_loss_downstream", changed, 200).await;
    assert_eq!(toxic["attributes"]["loss_rate"], 0.5);
}

/// Catches a share out of range or a misspelt attribute that is accepted in silence.
#[tokio::test]
async fn numbers_out_of_range_and_misspelt_attributes_are_named() {
    let api = Api::new().await;
    let proxy = json!({ "name": "p", "upstream": "u:1", "enabled": false });
    api.json("POST", "/proxies", proxy, 201).await;
    let body = r#"{"type":"packet_loss","attributes":{"loss_rate":5}}"#;
    let answer = api.send("POST", "/proxies/p/toxics", body).await;
    assert_eq!(answer.status, 200);
    assert!(answer.headers["x-harness-warning"].contains("loss_rate"), "{:?}", answer.headers);
    for (body, wrong) in [
        (r#"{"type":"blackhole","attributes":{"afects":"all"}}"#, "did you mean `affects`?"),
        (r#"{"type":"corrupt","attributes":{"probability":5}}"#, "outside 0 to 1"),
    ] {
        let answer = api.send("POST", "/proxies/p/toxics", body).await;
        assert!(answer.status == 400 && answer.body.contains(wrong), "{}", answer.body);
    }
}

/// Catches a proxy whose name has a slash and that nobody can look at, change or delete.
#[tokio::test]
async fn names_with_slashes_can_be_addressed() {
    let api = Api::new().await;
    for path in ["/proxies/a%2Fb", "/proxies/a/b"] {
        let proxy = json!({ "name": "a/b", "upstream": "u:1", "enabled": false });
        api.json("POST", "/proxies", proxy, 201).await;
        let toxic = json!({ "name": "x/y", "type": "noop" });
        api.json("POST", &format!("{path}/toxics"), toxic, 200).await;
        let name = if path.contains('%') { "x%2Fy" } else { "x/y" };
        api.json("GET", &format!("{path}/toxics/{name}"), json!(null), 200).await;
        let answer = api.json("PATCH", path, json!({ "upstream": "u:2" }), 200).await;
        assert_eq!((&answer["name"], &answer["upstream"]), (&json!("a/b"), &json!("u:2")));
        assert_eq!(api.send("DELETE", path, "").await.status, 204);
        assert_eq!(api.send("GET", path, "").await.status, 404);
    }
}

/// Catches an answer to a change that shows another address than was asked for, while the proxy does
/// not listen.
#[tokio::test]
async fn a_change_of_a_disabled_proxy_answers_the_address_as_asked() {
    let api = Api::new().await;
    let proxy =
        json!({ "name": "p", "listen": "127.0.0.1:26379", "upstream": "u:1", "enabled": false });
    api.json("POST", "/proxies", proxy, 201).await;
    for (upstream, listen) in [("u:2", "localhost:26379"), ("u:2", "localhost:26380")] {
        let body = json!({ "listen": listen, "upstream": upstream });
        assert_eq!(api.json("PATCH", "/proxies/p", body, 200).await["listen"], listen);
    }
}

/// Catches a body full of toxics or proxies that keeps the server busy for minutes, or that fills it
/// beyond any bound one request at a time.
#[tokio::test]
async fn toxics_and_proxies_have_named_limits() {
    let api = Api::new().await;
    let toxics: Vec<serde_json::Value> =
        (0..100_000).map(|n| json!({ "name": format!("t{n}"), "type": "noop" })).collect();
    let proxy = |toxics: &[serde_json::Value]| json!([{ "name": "p", "upstream": "u:1", "enabled": false, "toxics": toxics }]);
    let refused = api.json("POST", "/populate", proxy(&toxics), 413).await;
    assert_eq!(refused["error"], format!("a proxy may have {TOXICS_MAX} toxics; remove some"));
    assert!(api.set.list().is_empty());
    let full = proxy(&toxics[..TOXICS_MAX]);
    for _ in 0..2 {
        api.json("POST", "/populate", full.clone(), 201).await;
    }
    api.json("POST", "/proxies/p/toxics", toxics[TOXICS_MAX].clone(), 413).await;
    let names = (0..=PROXIES_MAX).map(|n| json!({ "name": n.to_string(), "upstream": "u" }));
    let refused = api.json("POST", "/populate", names.collect(), 413).await;
    assert!(refused["error"].as_str().unwrap().contains(&PROXIES_MAX.to_string()));
    assert_eq!(api.set.list().len(), 1);
    let misspelt: Vec<serde_json::Value> = (0..200)
        .map(|n| json!({ "name": format!("t{n}"), "type": "noop", "attributes": { "x": 1 } }))
        .collect();
    let answer = api.send("POST", "/populate", &proxy(&misspelt).to_string()).await;
    assert!(answer.status == 201 && answer.headers["x-harness-warning"] == "and 184 more");
}
