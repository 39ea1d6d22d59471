//! The published client `toxiproxy_rust`, unchanged, against our control API. It blocks, so it runs
//! on threads of its own; it never looks at a status, so every change is read back.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails where it stands")]

use std::net::SocketAddr;

use harness::base::scope::Scope;
use harness::base::seed::Seed;
use harness::control::{self, ApiOptions};
use harness::event::Events;
use harness::proxy::{ProxySet, ProxyView};
use toxiproxy_rust::client::Client;
use toxiproxy_rust::proxy::ProxyPack;
use toxiproxy_rust::toxic::ToxicPack;

/// A server with the client in front of it.
async fn with_client<T: Send + 'static>(
    story: impl FnOnce(&Client, &dyn Fn(&str) -> ProxyView) -> T + Send + 'static,
) -> T {
    let scope = Scope::current("test");
    let set = ProxySet::new(Seed::new(1), Events::ignore(), &scope);
    let listener = control::bind("127.0.0.1", 0).await.unwrap();
    let address: SocketAddr =
        control::serve(listener, set.clone(), ApiOptions::default(), &scope).unwrap();
    let story = move || {
        let client = Client::new(address.to_string());
        story(&client, &|name| set.get(name).unwrap())
    };
    tokio::task::spawn_blocking(story).await.unwrap()
}

fn pack(name: &str) -> ProxyPack {
    ProxyPack::new(name.into(), "127.0.0.1:0".into(), "127.0.0.1:1".into())
}

/// Catches a body that the client cannot read: it reads every answer into its own types.
#[tokio::test(flavor = "multi_thread")]
async fn populate_list_find_and_version() {
    with_client(|client, view| {
        assert!(client.is_running());
        assert!(client.version().unwrap().contains("2.12.0"));
        let proxies = client.populate(vec![pack("a"), pack("b")]).unwrap();
        assert_eq!(proxies.len(), 2);
        // The same again keeps the ports: nothing was dropped.
        let before = view("a").listen;
        client.populate(vec![pack("a")]).unwrap();
        assert_eq!(view("a").listen, before);
        assert_eq!(client.all().unwrap().len(), 2);
        let found = client.find_proxy("a").unwrap();
        assert_eq!(found.proxy_pack.upstream, "127.0.0.1:1");
        assert!(client.find_proxy("nobody").is_err());
        found.delete().unwrap();
        assert_eq!(client.all().unwrap().len(), 1);
    })
    .await;
}

/// Catches a toxic that the client believes to have added and that is not there.
#[tokio::test(flavor = "multi_thread")]
async fn every_toxic_of_the_client_arrives() {
    with_client(|client, view| {
        client.populate(vec![pack("p")]).unwrap();
        let proxy = client.find_proxy("p").unwrap();
        proxy
            .with_latency("downstream".into(), 100, 5, 1.0)
            .with_bandwidth("upstream".into(), 7, 0.5)
            .with_slow_close("downstream".into(), 9, 1.0)
            .with_timeout("upstream".into(), 11, 1.0)
            .with_slicer("downstream".into(), 64, 8, 10, 1.0)
            .with_limit_data("upstream".into(), 1000, 1.0);
        let names: Vec<String> = view("p").toxics.into_iter().map(|toxic| toxic.name).collect();
        let expected = [
            "bandwidth_upstream",
            "timeout_upstream",
            "limit_data_upstream",
            "latency_downstream",
            "slow_close_downstream",
            "slicer_downstream",
        ];
        assert_eq!(names, expected);
        let toxics: Vec<ToxicPack> = proxy.toxics().unwrap();
        assert_eq!(toxics[3].attributes["latency"], 100);
        assert_eq!((toxics[0].attributes["rate"], toxics[0].toxicity), (7, 0.5));
        proxy.delete_all_toxics().unwrap();
        assert!(view("p").toxics.is_empty());
    })
    .await;
}

/// Catches a toxic of ours on which `all()` and `toxics()` of this client fail as a whole. `packet_loss` is
/// not ours: its attributes are fractions in Toxiproxy as well, which this client cannot read.
#[tokio::test(flavor = "multi_thread")]
async fn our_own_toxics_can_be_listed() {
    let scope = Scope::current("test");
    let set = ProxySet::new(Seed::new(1), Events::ignore(), &scope);
    let config = br#"[{"name":"p","upstream":"u:1","enabled":false,"toxics":[
        {"type":"blackhole"},{"type":"corrupt"},{"type":"mute"},{"type":"limit_time","settings":{"time":"5s"}}]}]"#;
    assert_eq!(control::populate(&set, config).await, Ok(1));
    let listener = control::bind("127.0.0.1", 0).await.unwrap();
    let address = control::serve(listener, set, ApiOptions::default(), &scope).unwrap();
    let listed = tokio::task::spawn_blocking(move || {
        let client = Client::new(address.to_string());
        let all = client.all().map(|all| all.len());
        (all, client.find_proxy("p").unwrap().toxics().map(|toxics| toxics.len()))
    });
    assert_eq!(listed.await.unwrap(), (Ok(1), Ok(4)));
}

/// Catches a proxy that the client cannot switch off and on, and a reset that leaves something.
#[tokio::test(flavor = "multi_thread")]
async fn down_up_and_reset() {
    with_client(|client, view| {
        client.populate(vec![pack("p")]).unwrap();
        let proxy = client.find_proxy("p").unwrap();
        let listen = view("p").listen;
        proxy.with_down(|| assert!(!view("p").enabled)).unwrap();
        assert!(view("p").enabled);
        assert_eq!(view("p").listen, listen);
        proxy
            .with_latency("upstream".into(), 1, 0, 1.0)
            .apply(|| assert_eq!(view("p").toxics.len(), 1))
            .unwrap();
        assert!(view("p").toxics.is_empty());
        proxy.with_timeout("upstream".into(), 0, 1.0).disable().unwrap();
        client.reset().unwrap();
        assert!(view("p").enabled && view("p").toxics.is_empty());
    })
    .await;
}
