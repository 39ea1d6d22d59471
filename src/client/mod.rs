//! The memcached client: placement, pool, circuit breaker, self-healing, every operation.
//!
//! It is the system under test and the reference for how a client should behave, so it knows
//! addresses and nothing of the lab: whatever it heals from, it noticed on the wire.
//!
//! ```text
//!  call ─► placement ─► node ─┬─ breaker   may I?      (pure; takes `now`)
//!            (ring)           ├─ pool      which connection?
//!                             ├─ command   one exchange, deadline inside the permit
//!                             └─ heal      given up: shed at once, one task brings it back
//! ```
//! Three rules hold everywhere. A connection whose next bytes are in doubt is closed, never reused.
//! A write whose reply was lost is *indeterminate*, never "failed". No call waits for healing.
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use harness::base::{scope::Scope, seed::Seed};
//! use harness::client::{Client, ClientConfig, Failure, Server, Ttl};
//! use harness::event::Events;
//! use harness::protocol::memcached::frame::key::Key;
//!
//! # async fn load_from_the_source() -> Vec<u8> { Vec::new() }
//! # async fn example() -> Result<Vec<u8>, Box<dyn std::error::Error>> {
//! let servers = [Server::new("cache-a:11211")?, Server::new("cache-b:11211")?];
//! let scope = Scope::current("service");
//! let config = ClientConfig::default();
//! let client = Client::start(&servers, config, Seed::from_system(), Events::ignore(), &scope)?;
//!
//! let key = Key::new("user:1")?;
//! let value = match client.get(&key).await.result {
//!     Ok(Some(item)) => item.value,
//!     // The node is known to be away, and said so at once: as good as a miss.
//!     Ok(None) | Err(Failure::Shed | Failure::Error(_) | Failure::Indeterminate(_)) => {
//!         let value = load_from_the_source().await;
//!         let _ = client.set(&key, &value, Ttl::After(Duration::from_secs(60))).await;
//!         value
//!     }
//! };
//! client.close().await;
//! # Ok(value)
//! # }
//! ```

mod attempt;
mod availability;
mod backoff;
pub mod breaker;
mod broken;
mod call;
mod command;
mod config;
mod conn;
mod counts;
mod handle;
mod heal;
mod keep;
mod missed;
mod multi;
mod node;
mod placement;
mod pool;
mod profile;
mod resolve;
mod resp;
pub mod selector;
mod server;
#[cfg(test)]
mod simulation;
mod snapshot;
mod standing;
mod transport;
mod trouble;
mod ttl;
mod upkeep;
mod wire;

pub use broken::Broken;
pub use call::{Call, Failure, Item, KeyAnswer, MultiCall, Store, Trace};
pub use config::{BreakerConfig, ClientConfig, ConfigError, HealingConfig};
pub use conn::Way;
pub use handle::{Client, NodeStats};
pub use keep::Keep;
pub(crate) use multi::join;
pub use placement::place;
pub use profile::{PROFILES, Profile};
pub use resolve::{Looking, Resolver};
pub use server::{AddressError, Server};
pub use snapshot::NodeSnapshot;
pub use ttl::Ttl;
