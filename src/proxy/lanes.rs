//! The threads that the connections of proxies run on, and how many of them there may be.

use std::sync::Arc;

use crate::base::descriptors;
use crate::base::lane::Lane;
use crate::base::scope::Scope;

/// Threads that the connections of one proxy run on; one serves tens of thousands of requests a second.
pub(super) const LANES_MAX: usize = 8;

/// Threads of proxies that have their own, so that what is done to one is not felt by another. Proxies
/// beyond them share the threads of the set.
pub(super) const OWN_LANES_MAX: usize = 64;

/// Of so many descriptors one lane's own may be in use: it takes about four.
pub(super) const LANE_SHARE: u64 = 64;

/// How many threads of their own proxies may have together: each has some descriptors of its own, and
/// connections need theirs first.
pub(super) fn own_max() -> usize {
    let spare = usize::try_from(descriptors::for_data() / LANE_SHARE).unwrap_or(usize::MAX);
    OWN_LANES_MAX.min(spare)
}

/// A lane for each processor, as far as there are threads.
pub(super) fn lanes(scope: &Scope) -> Arc<[Lane]> {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let started = (0..processors.min(LANES_MAX)).map_while(|number| {
        let lane = Lane::start(scope, format!("lane-{number}"));
        lane.inspect_err(|error| tracing::warn!(%error, number, "a lane cannot start")).ok()
    });
    started.collect()
}
