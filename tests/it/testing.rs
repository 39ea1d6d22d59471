//! `harness::testing` as the tests of somebody else's client use it.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use harness::testing::{Nodes, TestError};

/// What a node answers to `version`, asked by the plainest of clients; the error where it does not.
async fn asked(address: SocketAddr) -> std::io::Result<String> {
    tokio::task::spawn_blocking(move || {
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(Duration::from_millis(300)))?;
        stream.write_all(b"version\r\n")?;
        let mut reply = [0; 100];
        let read = stream.read(&mut reply)?;
        Ok(String::from_utf8_lossy(&reply[..read]).into_owned())
    })
    .await
    .expect("it does not panic")
}

/// Catches a fault that meets another node, or that its guard does not end.
#[tokio::test(flavor = "multi_thread")]
async fn a_fault_lasts_as_long_as_its_guard() {
    let nodes = Nodes::start(2).await.unwrap();
    let [first, second] = nodes.addresses()[..] else { panic!("two nodes were asked for") };
    assert!(asked(first).await.unwrap().starts_with("VERSION"));
    let mute = nodes.fault("n1", "mute = {}").await.unwrap();
    assert!(asked(first).await.is_err());
    assert!(asked(second).await.unwrap().starts_with("VERSION"));
    mute.heal().await.unwrap();
    assert!(asked(first).await.unwrap().starts_with("VERSION"));
    let killed = nodes.fault("*", "kill = {}").await.unwrap();
    assert!(!asked(second).await.is_ok_and(|reply| reply.starts_with("VERSION")));
    killed.heal().await.unwrap();
    assert!(asked(second).await.unwrap().starts_with("VERSION"));
    let wire = nodes.wire();
    assert!(wire[0].requests() >= 3 && wire[1].requests() >= 2, "{wire:?}");
    nodes.close().await;
    assert!(asked(first).await.is_err());
}

/// Catches a fault that is none and does not say so, with what there is instead.
#[tokio::test(flavor = "multi_thread")]
async fn a_fault_that_is_none_is_refused() {
    let nodes = Nodes::start(1).await.unwrap();
    for (node, fault, part) in [
        ("n1", "latncy = { latency = \"1s\" }", "latency"),
        ("n1", "latency = { latency = 5 }", "\"5s\""),
        ("n2", "mute = {}", "n2"),
        ("n1", "", "fault"),
    ] {
        match nodes.fault(node, fault).await {
            Err(TestError::Fault(error)) => {
                assert!(error.to_string().contains(part), "{fault}: {error}");
            }
            other => panic!("{fault}: {other:?}"),
        }
    }
}

/// Catches a redirect that points elsewhere than at the proxy of the node that says it.
#[tokio::test(flavor = "multi_thread")]
async fn a_message_names_the_proxy_that_says_it() {
    let nodes = Nodes::start(2).await.unwrap();
    let around = nodes.fault("*", "error = { message = \"MOVED 1 {address}\" }").await.unwrap();
    for address in nodes.addresses() {
        assert_eq!(asked(address).await.unwrap(), format!("SERVER_ERROR MOVED 1 {address}\r\n"));
    }
    around.heal().await.unwrap();
    nodes.close().await;
}
