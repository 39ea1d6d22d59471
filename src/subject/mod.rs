//! Whatever makes the calls that are judged. A run starts one, lets it begin, asks how far it is, stops
//! it and asks what it can tell; it knows nothing else of it.

pub(crate) mod any;
pub(crate) mod builtin;
pub(crate) mod called;
pub(crate) mod command;
pub(crate) mod driver;
pub(crate) mod service;
pub(crate) mod settling;

use std::sync::Arc;
use std::time::Duration;

use crate::base::name::NodeIndex;
use crate::client::NodeSnapshot;
use crate::event::SubjectFacts;
use crate::load::{LoadTotals, Preloaded, Progress};

/// What happened to the data of a node, for whoever checks values.
#[derive(Clone, Copy, Debug)]
pub(crate) enum DataLoss {
    /// All of it will be gone, so much later at most.
    Announced(NodeIndex, Duration),
    /// All of it is gone.
    Emptied(NodeIndex),
    /// It drops items to make room.
    Evicts(NodeIndex),
}

/// Who is told of it.
pub(crate) type LossListener = Arc<dyn Fn(DataLoss) + Send + Sync>;

/// Who is told that the list of nodes of a group is another one now; returns whether its client took it, where
/// that is known.
pub(crate) type Relisted = Box<dyn Fn(usize, &[NodeIndex]) -> Option<bool> + Send + Sync>;

/// What a subject wrote for people.
#[derive(Clone, Debug)]
pub(crate) struct Output {
    /// The file of a run that has it.
    pub(crate) file: &'static str,
    pub(crate) lines: Vec<String>,
    /// Lines before those that were not kept.
    pub(crate) dropped: u64,
}

/// What makes the calls of a run. It is started by a constructor of its own.
pub(crate) trait Subject {
    /// What it is, and what is known of it now.
    fn facts(&self) -> SubjectFacts;
    /// Whether the load is its own, too: then nothing is stored for it, and nobody counts operations.
    fn makes_the_load(&self) -> bool;
    /// What it wrote for people; `None`: it has no output of its own.
    fn output(&self) -> Option<Output>;
    /// What is broken in it on purpose.
    fn planted(&self) -> Option<String>;
    /// Why the run cannot go on with it.
    fn trouble(&self) -> Option<String>;
    /// Whom to tell of data that nodes lost.
    fn loss_listener(&self) -> LossListener;
    /// Whom to tell of lists of nodes that change.
    fn on_relisted(&self) -> Relisted;
    /// Stores every key.
    async fn preload(&self) -> Preloaded;
    /// Calls begin.
    fn begin(&self);
    /// How far it is.
    fn progress(&self) -> Progress;
    /// What each node looks like from its inside; `None`: it does not tell.
    fn snapshot(&self) -> Option<Vec<NodeSnapshot>>;
    /// Waits until it has ended by itself; for ever where it does as it is told.
    async fn ended(&self);
    /// No call begins any more.
    fn stop(&self);
    /// Waits for the calls under way. `None`: they were counted before, or something still holds them.
    async fn drain(&mut self) -> Option<LoadTotals>;
    /// Ends it.
    async fn close(self);
}
