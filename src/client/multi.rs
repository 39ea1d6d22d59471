//! A multi-get: keys to nodes, nodes to batches, and every key its own result.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use super::call::{Failure, Item, KeyAnswer, MultiCall, Trace};
use super::command::{BATCH_KEYS_MAX, GetMany};
use super::node::Node;
use crate::base::name::NodeIndex;
use crate::event::ErrorClass;

/// A key as it is sent, with its owner and the node that it goes to now.
#[derive(Debug)]
pub(super) struct Placed<'a> {
    /// `None`: the prefix makes it too long to send.
    pub(super) key: Option<Cow<'a, [u8]>>,
    pub(super) home: NodeIndex,
    pub(super) target: NodeIndex,
}

type Found = BTreeMap<Vec<u8>, Result<Option<Item>, Failure>>;

/// Asks every node that is needed at the same time; what one of them fails costs its keys only.
pub(super) async fn get_multi(nodes: &[Arc<Node>], keys: &[Placed<'_>]) -> MultiCall {
    let mut by_node: BTreeMap<NodeIndex, (NodeIndex, Vec<&[u8]>)> = BTreeMap::new();
    for placed in keys {
        let Some(key) = &placed.key else { continue };
        let share = by_node.entry(placed.target).or_insert_with(|| (placed.home, Vec::new()));
        share.1.push(key);
    }
    let targets: Vec<NodeIndex> = by_node.keys().copied().collect();
    let shares = by_node.into_iter().map(|(target, (home, mut wanted))| {
        wanted.sort_unstable();
        wanted.dedup();
        ask(&nodes[target.position()], home, wanted)
    });
    let answers = join(shares.collect()).await;
    let mut trace = Trace::new(keys.first().map_or(NodeIndex(0), |placed| placed.home));
    let mut traces = Vec::with_capacity(answers.len());
    let mut found = Vec::with_capacity(answers.len());
    for (part, items) in answers {
        trace.absorb(&part);
        traces.push(part);
        found.push(items);
    }
    let answer = |placed: &Placed<'_>| {
        let part = targets.binary_search(&placed.target).ok().and_then(|place| traces.get(place));
        KeyAnswer {
            served_by: part.and_then(|part| part.served_by),
            is_sure: true,
            is_unanswered: false,
        }
    };
    let answers = keys.iter().map(answer).collect();
    let unsendable = Err(Failure::Error(ErrorClass::ClientError));
    let result = |key: &Cow<'_, [u8]>| found.iter().find_map(|items| items.get(key.as_ref()));
    let entries = keys
        .iter()
        .map(|placed| placed.key.as_ref().and_then(result).unwrap_or(&unsendable).clone())
        .collect();
    MultiCall { entries, answers, traces, trace }
}

/// Asks one node, batch after batch.
async fn ask(node: &Arc<Node>, home: NodeIndex, wanted: Vec<&[u8]>) -> (Trace, Found) {
    let mut trace = Trace::new(home);
    let mut found = Found::new();
    for keys in wanted.chunks(BATCH_KEYS_MAX) {
        match node.call(&GetMany { keys }, &mut trace).await {
            Ok(items) => {
                found.extend(keys.iter().zip(items).map(|(key, item)| (key.to_vec(), Ok(item))));
            }
            Err(failure) => found.extend(keys.iter().map(|key| (key.to_vec(), Err(failure)))),
        }
    }
    (trace, found)
}

/// Runs a handful of futures at the same time on the calling task, so that dropping the whole drops
/// each of them. All are polled at each wake: there are no more of them than nodes.
pub(crate) async fn join<F: Future>(futures: Vec<F>) -> Vec<F::Output> {
    let mut running: Vec<Pin<Box<F>>> = futures.into_iter().map(Box::pin).collect();
    let mut done: Vec<Option<F::Output>> = running.iter().map(|_| None).collect();
    poll_fn(|cx| {
        for (future, output) in running.iter_mut().zip(&mut done) {
            if output.is_none()
                && let Poll::Ready(value) = future.as_mut().poll(cx)
            {
                *output = Some(value);
            }
        }
        if done.iter().all(Option::is_some) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    done.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Catches results in the order of completion instead of the order asked, and a join of nothing
    /// that never ends.
    #[tokio::test(start_paused = true)]
    async fn join_keeps_the_order_and_runs_together() {
        let start = tokio::time::Instant::now();
        let wait = |millis| async move {
            tokio::time::sleep(std::time::Duration::from_millis(millis)).await;
            millis
        };
        assert_eq!(join(vec![wait(30), wait(10), wait(20)]).await, [30, 10, 20]);
        assert_eq!(start.elapsed().as_millis(), 30);
        assert_eq!(join(Vec::<std::future::Ready<u8>>::new()).await, [0_u8; 0]);
    }
}
