//! What a load needs to know before it starts, and why it may not.

use std::time::Duration;

use super::workload::{RateWish, Workload, WorkloadError};
use crate::base::seed::Seed;
use crate::base::share::Share;
use crate::base::time::RunClock;
use crate::client::ClientConfig;

/// What a load needs to know.
#[derive(Clone, Debug)]
pub struct LoadConfig {
    /// What is asked of the cache.
    pub workload: Workload,
    /// How many workers there are: operations that can be under way at a time.
    pub concurrency: u32,
    /// Which part of all this is this machine's.
    pub share: Share,
    /// What the command line says about the rate.
    pub rate: Option<RateWish>,
    /// The seed of the load.
    pub seed: Seed,
    /// The clock of the run.
    pub clock: RunClock,
    /// What values carry, as [`run_number`] finds it.
    pub run: u32,
    /// How many nodes there are.
    pub nodes: usize,
    /// The longest that one call of the client may take by its own settings, as
    /// [`longest_call`] finds it. An operation that takes three times as long is hung.
    pub deadline: Duration,
    /// Whether values are checked. Without it wrong data is not seen.
    pub checks: bool,
}

/// A number that tells this run from every other, those that repeat its seed included: what another
/// run left on a server, or writes late, must not be taken for this one's.
#[must_use]
pub fn run_number(seed: Seed, clock: &RunClock) -> u32 {
    let started = clock.started_at().unix_seconds();
    #[expect(clippy::cast_possible_truncation, reason = "any 32 bits tell runs apart")]
    let run = seed.fork("run").index(started).value() as u32;
    run
}

/// The longest that one call may take by the settings of its client: a connection, the exchange,
/// and both once more when a pooled connection turns out to be stale.
#[must_use]
pub fn longest_call(client: &ClientConfig) -> Duration {
    let once = client.pool_wait.max(client.connect_timeout) + client.operation_timeout;
    if client.retry_stale { once * 2 } else { once }
}

/// Why a load could not be started.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The workload makes no sense.
    #[error("workload `{name}`: {source}")]
    Workload {
        /// Its name.
        name: String,
        /// What is wrong with it.
        source: WorkloadError,
    },
}
