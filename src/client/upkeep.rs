//! What a client does by itself: closing connections whose time has come, pinging quiet nodes.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval};

use super::call::Trace;
use super::command::Ping;
use super::multi::join;
use super::node::{Node, Surroundings};

/// The shortest and the longest time between two looks at idle connections.
const SWEEP_MIN: Duration = Duration::from_millis(250);
const SWEEP_MAX: Duration = Duration::from_secs(15);

/// Runs until the client ends.
pub(super) async fn run(nodes: Vec<Arc<Node>>, around: Arc<Surroundings>) {
    let cancelled = around.scope.cancelled();
    tokio::select! {
        biased;
        () = cancelled => {}
        () = sweep(&nodes, &around) => {}
        () = check(&nodes, &around) => {}
    }
}

async fn sweep(nodes: &[Arc<Node>], around: &Surroundings) {
    let limits = [around.config.idle, around.config.lifetime];
    let Some(shortest) = limits.into_iter().flatten().min() else {
        return std::future::pending().await;
    };
    let mut ticks = interval((shortest / 4).clamp(SWEEP_MIN, SWEEP_MAX));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        for node in nodes {
            node.sweep(Instant::now());
        }
    }
}

/// Pings every node as a call does: a node that fails is judged, and shed when it fails often.
async fn check(nodes: &[Arc<Node>], around: &Surroundings) {
    let Some(period) = around.config.health_check else {
        return std::future::pending().await;
    };
    let mut ticks = interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // The first tick is at once, before there is anything to check.
    ticks.tick().await;
    loop {
        ticks.tick().await;
        let pings = nodes.iter().map(|node| async move {
            // Its failure is judged by the node; nobody waits for its result.
            let _ = node.call(&Ping, &mut Trace::new(node.index())).await;
        });
        join(pings.collect()).await;
    }
}
