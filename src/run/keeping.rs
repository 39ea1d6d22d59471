//! Asks the nodes, behind the client's back, what they do with the data that they are to keep.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep, timeout};

use crate::base::name::NodeIndex;
use crate::base::scope::Scope;
use crate::event::FaultRecord;
use crate::lab::Lab;
use crate::lab::statistics::Keeping;
use crate::load::Kept;
use crate::protocol::Protocol;
use crate::protocol::probe::At;
use crate::subject::{DataLoss, LossListener};

/// How often each node is asked while the run lasts: what it drops is known soon, and costs it nothing.
const PERIOD: Duration = Duration::from_millis(500);

/// How long a node may take to answer. One that hangs is asked again next time.
const ANSWER_TIMEOUT: Duration = Duration::from_millis(500);

/// How often it is asked at the end before its word is given up, and the pause between.
const LAST_ATTEMPTS: u32 = 5;
const LAST_PAUSE: Duration = Duration::from_millis(200);

/// The fault that empties a node, by its name in files.
const FLUSH: &str = "flush";

/// The watch over the nodes' statistics.
pub(super) struct KeepingWatch {
    nodes: Vec<Watched>,
}

#[derive(Clone)]
struct Watched {
    node: NodeIndex,
    at: Arc<dyn Fn() -> At + Send + Sync>,
    protocol: Protocol,
    /// Whether the processes of others may have been restarted by others.
    external: bool,
    keeping: Arc<Mutex<Keeping>>,
}

impl KeepingWatch {
    /// Asks every node once, and then again and again until `scope` ends.
    pub(super) async fn start(lab: &Lab, losses: &LossListener, scope: &Scope) -> Self {
        let watched = lab.info().iter().map(|info| Watched {
            node: info.node,
            at: Arc::new(lab.asking(info)),
            protocol: info.protocol,
            external: info.backend == "external",
            keeping: Arc::default(),
        });
        let nodes: Vec<Watched> = watched.collect();
        for node in &nodes {
            node.ask().await;
            let (node, losses) = (node.clone(), Arc::clone(losses));
            let over = scope.cancelled();
            scope.spawn(format!("keeping[{}]", node.node), async move {
                tokio::select! {
                    () = over => {}
                    () = node.watch(losses) => {}
                }
            });
        }
        Self { nodes }
    }

    /// Nobody asks: the nodes are another member's.
    pub(super) const fn of_nobody() -> Self {
        Self { nodes: Vec::new() }
    }

    /// Asks every node for the last time, when the client is done; `records` say what the run itself
    /// had the nodes do.
    pub(super) async fn finish(self, records: &[FaultRecord]) -> Vec<Kept> {
        let mut all = Vec::with_capacity(self.nodes.len());
        for node in self.nodes {
            let own = records.iter().filter(|record| {
                record.kind == FLUSH
                    && record.applied.is_some()
                    && record.nodes.contains(&node.node)
            });
            let own = own.count() as u64;
            all.push(node.last_word(own).await);
        }
        all
    }
}

impl Watched {
    /// Whether the node answered.
    async fn ask(&self) -> bool {
        let answer = timeout(ANSWER_TIMEOUT, self.protocol.statistics(&(self.at)())).await;
        let said = answer.ok().and_then(Result::ok);
        if let Some(said) = said {
            self.keeping.lock().see(said);
        }
        said.is_some()
    }

    async fn watch(self, losses: LossListener) {
        let mut ticks = interval_at(Instant::now() + PERIOD, PERIOD);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            if self.ask().await && self.keeping.lock().dropped > 0 {
                losses(DataLoss::Evicts(self.node));
            }
        }
    }

    async fn last_word(&self, own_flushes: u64) -> Kept {
        let unheard = |what: &str| Kept::Unknown(format!("it does not say {what}"));
        if !self.keeping.lock().was_heard() {
            return unheard("what it drops");
        }
        let mut heard = self.ask().await;
        for _ in 1..LAST_ATTEMPTS {
            if !heard {
                sleep(LAST_PAUSE).await;
                heard = self.ask().await;
            }
        }
        let keeping = *self.keeping.lock();
        if !heard {
            unheard("at the end what it dropped")
        } else if self.external && keeping.restarts > 0 {
            Kept::Unknown("somebody else restarted it during the run".to_owned())
        } else if keeping.flushes > own_flushes {
            Kept::Unknown("somebody else emptied it during the run".to_owned())
        } else if keeping.dropped > 0 {
            Kept::But(keeping.dropped)
        } else {
            Kept::Everything
        }
    }
}
