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

mod backoff;
pub mod breaker;
mod call;
mod command;
mod config;
mod conn;
mod counts;
mod handle;
mod heal;
mod multi;
mod node;
mod placement;
mod pool;
mod profile;
mod recovery;
pub mod selector;
mod server;
mod snapshot;
mod trouble;
mod ttl;
mod upkeep;

pub use call::{Call, Failure, Item, MultiCall, Store, Trace};
pub use config::{BreakerConfig, ClientConfig, ConfigError, HealingConfig};
pub use handle::{Client, NodeStats};
pub use profile::{PROFILES, Profile};
pub use server::{AddressError, Server};
pub use snapshot::{ConnectionCounts, NodeSnapshot};
pub use ttl::Ttl;
