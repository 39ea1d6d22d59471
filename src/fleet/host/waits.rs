//! What member 0 waits for, each time so long at most: then whoever it waits for is out.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::{Host, Settings, State};
use crate::base::name::NodeIndex;
use crate::fleet::WORD_MAX;
use crate::fleet::roll::{Roll, Stage};
use crate::fleet::words::{End, Told};

impl Host {
    /// Waits until something is so; whether it was within `bound`.
    async fn until(&self, bound: Duration, mut is_so: impl FnMut(&mut State) -> bool) -> bool {
        let mut changes = self.0.changed.subscribe();
        let deadline = Instant::now() + bound;
        loop {
            if is_so(&mut self.0.state.lock()) {
                return true;
            }
            if !matches!(timeout_at(deadline, changes.changed()).await, Ok(Ok(()))) {
                return is_so(&mut self.0.state.lock());
            }
        }
    }

    async fn reached(&self, stage: Stage, bound: Duration, late: &str) {
        let all = |state: &mut State| {
            state.roll.as_ref().is_none_or(|roll| roll.behind(stage).is_empty())
        };
        if !self.until(bound, all).await {
            for member in self.roll(|roll| roll.behind(stage)) {
                self.lose(member, &format!("{late} within {bound:?}"));
            }
        }
    }

    /// Waits until all have joined; nobody does after that.
    ///
    /// # Errors
    /// Who is missing, where that ends the run.
    pub async fn gather(&self) -> Result<(), String> {
        let full = |state: &mut State| state.roll.as_ref().is_none_or(Roll::is_full);
        self.until(self.0.settings.patience, full).await;
        let now = self.now();
        self.roll(|roll| roll.close(now));
        self.complete("came")
    }

    /// Waits until all who joined are ready.
    ///
    /// # Errors
    /// Who is missing, where that ends the run.
    pub async fn ready(&self) -> Result<(), String> {
        let Settings { narrow, patience, .. } = self.0.settings;
        // Who is out now does not come back; where that ends the run, the others are not waited for.
        let in_vain = |state: &mut State| {
            !narrow && state.roll.as_ref().is_some_and(|roll| !roll.absent().is_empty())
        };
        tokio::select! {
            biased;
            () = self.reached(Stage::Ready, patience, "was not ready") => {}
            _ = self.until(patience, in_vain) => {}
        }
        self.complete("were ready")
    }

    fn complete(&self, did: &str) -> Result<(), String> {
        let missing = self.missing();
        if missing.is_empty() || self.0.settings.narrow {
            return Ok(());
        }
        let Settings { share, patience, .. } = &self.0.settings;
        let what = format!(
            "not all {} members {did} within {patience:?}: {}; start them within that time (-fleet-wait), or \
             go on without them with -missing narrow",
            share.of(),
            missing.join("; ")
        );
        self.end(End::Broken { why: what.clone() });
        Err(what)
    }

    /// Waits until all know that a node is about to lose its data: what one reads there without knowing it
    /// would take for a fault of the node's. Who does not say so in time is out.
    pub async fn losing(&self, node: NodeIndex) {
        let number = {
            let mut state = self.0.state.lock();
            let present = state.roll.as_ref().map(Roll::present).unwrap_or_default();
            state.words += 1;
            let number = state.words;
            state.unheard.insert(number, present.into_iter().collect());
            number
        };
        self.tell(&Told::Losing { node, number });
        let all_heard =
            |state: &mut State| state.unheard.get(&number).is_none_or(BTreeSet::is_empty);
        self.until(WORD_MAX / 2, all_heard).await;
        let late = self.0.state.lock().unheard.remove(&number).unwrap_or_default();
        for member in late {
            self.lose(
                member,
                &format!("did not hear within {:?} that {node} loses its data", WORD_MAX / 2),
            );
        }
    }

    /// Waits until no call of a member is under way any more.
    pub async fn drained(&self, bound: Duration) {
        self.reached(Stage::Drained, bound, "did not drain its load").await;
    }

    /// Waits until all have left their runs; returns their folders.
    pub async fn collected(&self, bound: Duration) -> Vec<PathBuf> {
        self.reached(Stage::Left, bound, "did not leave its run").await;
        self.0.state.lock().folders.clone()
    }
}
