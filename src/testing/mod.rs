//! For the integration tests of a client, or of a service that uses one: nodes behind fault-injecting
//! proxies in the test's own process, faults as guards, what passed on the wire, and an oracle for wrong
//! data. There is no global state: every test has nodes of its own on ports of its own.
//!
//! ```
//! use harness::client::{Client, ClientConfig, Server, Store, Ttl};
//! use harness::protocol::memcached::frame::key::Key;
//! use harness::testing::{Nodes, Oracle};
//! # use harness::{base::{scope::Scope, seed::Seed}, event::Events};
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let nodes = Nodes::start(3).await?;
//! # let servers: Vec<Server> =
//! #     nodes.addresses().iter().map(|it| Server::new(it.to_string()).unwrap()).collect();
//! # let scope = Scope::current("test");
//! # let (config, seed) = (ClientConfig::default(), Seed::from_system());
//! # let client = Client::start(&servers, config, seed, Events::ignore(), &scope)?;
//! // Your client, with `nodes.addresses()`; here ours. Values come from the oracle.
//! let oracle = Oracle::new();
//! let key = Key::new("user:1")?;
//! let write = oracle.write("user:1", 100);
//! if client.set(&key, write.value(), Ttl::Never).await.result == Ok(Store::Stored) {
//!     write.acknowledged();
//! }
//!
//! let slow = nodes.fault("n1", r#"latency = { latency = "20ms" }"#).await?;
//! for _ in 0..20 {
//!     let read = oracle.read("user:1");
//!     if let Ok(item) = client.get(&key).await.result {
//!         read.check(item.as_ref().map(|item| item.value.as_slice()))?;
//!     }
//! }
//! slow.heal().await?; // or drop it
//!
//! let asked: u64 = nodes.wire().iter().map(|node| node.requests()).sum();
//! assert!(asked >= 21);
//! # client.close().await;
//! nodes.close().await;
//! # Ok(())
//! # }
//! ```

mod nodes;
mod oracle;

pub use nodes::{ActiveFault, Nodes, TestError};
pub use oracle::{Oracle, Read, Write, WrongData};
