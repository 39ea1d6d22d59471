//! The one background task that brings a node back: waits, tries, and ends when it answers.
//!
//! When and whether to try is decided in `availability`; this only waits and acts.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::availability::Next;
use super::broken::Broken;
use super::call::Trace;
use super::multi::join;
use super::node::Node;
use crate::event::{ErrorClass, EventKind};

/// Tries until the node answers or the client ends.
pub(super) async fn run(node: Arc<Node>, first: Duration) {
    let cancelled = node.around().scope.cancelled();
    tokio::select! {
        biased;
        () = cancelled => {}
        () = until_back(&node, first) => {}
    }
}

async fn until_back(node: &Node, first: Duration) {
    let mut delay = first;
    loop {
        sleep(delay).await;
        let outcome = knock(node).await;
        let attempt = node.availability().lock().attempt();
        node.around().events.emit(EventKind::Reconnect {
            node: node.index(),
            attempt,
            delay_s: delay.as_secs_f64(),
            outcome: outcome.map_or_else(|class| class.name(), |()| "ok").to_owned(),
        });
        let next = node.availability().lock().tried(outcome.is_ok(), Instant::now());
        match next {
            Next::Again { delay: next } => delay = next,
            Next::Back => return node.reinstate(),
        }
    }
}

/// Tries once.
async fn knock(node: &Node) -> Result<(), ErrorClass> {
    let config = &node.around().config;
    let herd = config.broken == Some(Broken::SynchronisedReconnects);
    let tries = (0..if herd { config.pool_size } else { 1 }).map(|_| async {
        let mut trace = Trace::new(node.index());
        node.reach(&mut trace).await
    });
    join(tries.collect()).await.into_iter().next().unwrap_or(Ok(()))
}
