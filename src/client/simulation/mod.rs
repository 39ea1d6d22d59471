//! The whole client in virtual time: pipes for sockets, the embedded node behind each, a clock that
//! jumps from one timer to the next. Hours pass in seconds, and a seed decides everything.
//!
//! The crate's own connection is a socket and nothing else, and a socket and a paused clock do not
//! go together: the clock would jump while bytes are on their way. So a link has a second variant, that
//! says the same bytes through a pipe and reads answers as the crate does ([`super::wire`] holds the two
//! against each other). Everything above it is the client that ships.
//!
//! | module | owns |
//! |---|---|
//! | `network` | what is dialled, by whom and when |
//! | `node` | the embedded node behind pipes, its moods, and what a hostile one does to its answers |
//! | `callers` | operations by seed, and an oracle for what they may see |
//! | `laws`, `timelines` | the tests |

mod callers;
mod laws;
mod network;
mod node;
mod timelines;

use std::future::Future;
use std::time::Duration;

pub(super) use network::Network;
use tokio::runtime::Builder;

use super::config::ClientConfig;

/// Runs a future in virtual time.
fn in_virtual_time<T>(future: impl Future<Output = T>) -> T {
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime without sockets").block_on(future)
}

/// The longest that a call may take: the wait for a connection and for its answer, twice when the
/// peer had closed a pooled connection. Timers round up to a millisecond.
fn longest_call(config: &ClientConfig) -> Duration {
    let once = config.pool_wait + config.connect_timeout + config.operation_timeout;
    2 * once + 6 * Duration::from_millis(1)
}
