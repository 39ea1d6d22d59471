//! Tasks have owners. Only a [`Scope`] spawns; cancelling goes down the tree, waiting comes up it.
//!
//! ```text
//! run ── load ── worker[0..n]
//!    └── lab ─── proxy[n1] ── connection[..]
//! ```
//! A scope that is closed cancels its tasks and its children's, waits for them up to a grace
//! period, and says what it found: [`Closed::Clean`], [`Closed::Leaked`] or [`Closed::Panicked`].

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::runtime::Handle;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::lane::Lane;

/// Owns tasks. Clones are the same scope; [`Scope::child`] makes a new one below it.
#[derive(Clone, Debug)]
pub struct Scope {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    name: String,
    handle: Handle,
    token: CancellationToken,
    tracker: TaskTracker,
    /// A task is counted in every tracker up the tree, so that closing an ancestor waits for it
    /// while closing this scope waits for no sibling.
    ancestors: Vec<TaskTracker>,
    panics: Arc<Mutex<Vec<String>>>,
}

/// What was found when a scope was closed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Closed {
    /// Every task ended.
    #[default]
    Clean,
    /// This many tasks were still running when the grace period ended.
    Leaked {
        /// How many tasks were left.
        tasks: usize,
    },
    /// A task panicked; its name and message.
    Panicked {
        /// The first task that panicked.
        task: String,
    },
}

impl Scope {
    /// A root scope whose tasks run on `handle`.
    #[must_use]
    pub fn root(name: impl Into<String>, handle: Handle) -> Self {
        Self {
            inner: Arc::new(Inner {
                name: name.into(),
                handle,
                token: CancellationToken::new(),
                tracker: TaskTracker::new(),
                ancestors: Vec::new(),
                panics: Arc::default(),
            }),
        }
    }

    /// A root scope on the runtime that calls.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    #[must_use]
    pub fn current(name: impl Into<String>) -> Self {
        Self::root(name, Handle::current())
    }

    /// A scope below this one: cancelled with it, waited for by it.
    #[must_use]
    pub fn child(&self, name: impl AsRef<str>) -> Self {
        let parent = &self.inner;
        let mut ancestors = parent.ancestors.clone();
        ancestors.push(parent.tracker.clone());
        Self {
            inner: Arc::new(Inner {
                name: format!("{}/{}", parent.name, name.as_ref()),
                handle: parent.handle.clone(),
                token: parent.token.child_token(),
                tracker: TaskTracker::new(),
                ancestors,
                panics: Arc::clone(&parent.panics),
            }),
        }
    }

    /// Runs `future` as a task of this scope. A task should end soon after [`Scope::cancelled`];
    /// one that panics cancels the scope and is named by [`Scope::close`].
    pub fn spawn<F>(&self, name: impl Into<String>, future: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let guard = Guard::new(self, name.into());
        drop(self.inner.handle.spawn(async move {
            future.await;
            guard.finish();
        }));
    }

    /// As [`Scope::spawn`], on `lane`: the task is this scope's, and runs there and nowhere else.
    pub fn spawn_on<F>(&self, lane: &Lane, name: impl Into<String>, future: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let guard = Guard::new(self, name.into());
        let counted = lane.count();
        drop(lane.handle().spawn(async move {
            future.await;
            guard.finish();
            drop(counted);
        }));
    }

    /// Runs `work` on an operating-system thread of its own, owned like a task. For what must not
    /// share a worker: a watcher of the machine, the supervisor of child processes.
    ///
    /// # Errors
    /// When the operating system gives no thread.
    pub fn thread<F>(&self, name: impl Into<String>, work: F) -> std::io::Result<()>
    where
        F: FnOnce() + Send + 'static,
    {
        let name = name.into();
        let guard = Guard::new(self, name.clone());
        std::thread::Builder::new().name(name).spawn(move || {
            work();
            guard.finish();
        })?;
        Ok(())
    }

    /// Tells every task of this scope, and of the scopes below it, to end.
    pub fn cancel(&self) {
        self.inner.token.cancel();
    }

    /// Whether the scope was told to end.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.inner.token.is_cancelled()
    }

    /// Ends when the scope is told to end.
    pub fn cancelled(&self) -> WaitForCancellationFutureOwned {
        self.inner.token.clone().cancelled_owned()
    }

    /// How many tasks of this scope and of the scopes below it are running.
    #[must_use]
    pub fn tasks(&self) -> usize {
        self.inner.tracker.len()
    }

    /// The first panic seen in the whole tree, if any.
    #[must_use]
    pub fn panicked(&self) -> Option<String> {
        self.inner.panics.lock().first().cloned()
    }

    /// Cancels, then waits for every task up to `grace`.
    pub async fn close(&self, grace: Duration) -> Closed {
        self.cancel();
        self.inner.tracker.close();
        let ended = tokio::time::timeout(grace, self.inner.tracker.wait()).await;
        match (self.panicked(), ended) {
            (Some(task), _) => Closed::Panicked { task },
            (None, Ok(())) => Closed::Clean,
            (None, Err(_)) => Closed::Leaked { tasks: self.inner.tracker.len() },
        }
    }
}

/// Held by a running task: counts it in every tracker up the tree and notices when it panics.
struct Guard {
    task: String,
    token: CancellationToken,
    panics: Arc<Mutex<Vec<String>>>,
    finished: bool,
    _own: TaskTrackerToken,
    _ancestors: Vec<TaskTrackerToken>,
}

impl Guard {
    fn new(scope: &Scope, task: String) -> Self {
        let inner = &scope.inner;
        Self {
            task: format!("{}/{task}", inner.name),
            token: inner.token.clone(),
            panics: Arc::clone(&inner.panics),
            finished: false,
            _own: inner.tracker.token(),
            _ancestors: inner.ancestors.iter().map(TaskTracker::token).collect(),
        }
    }

    fn finish(mut self) {
        self.finished = true;
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        // A task dropped by a runtime that shuts down has not panicked.
        if !self.finished && std::thread::panicking() {
            self.panics.lock().push(std::mem::take(&mut self.task));
            self.token.cancel();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRACE: Duration = Duration::from_secs(5);

    /// Catches a close that waits for a sibling, or that forgets a grandchild.
    #[tokio::test(start_paused = true)]
    async fn closing_waits_for_what_is_below_and_nothing_else() {
        let run = Scope::current("run");
        let (load, lab) = (run.child("load"), run.child("lab"));
        let cancelled = load.child("worker").cancelled();
        load.child("worker").spawn("one", cancelled);
        let lab_end = lab.cancelled();
        lab.spawn("proxy", lab_end);
        assert_eq!(run.tasks(), 2);
        assert_eq!(load.close(GRACE).await, Closed::Clean);
        assert_eq!((load.tasks(), lab.tasks(), run.tasks()), (0, 1, 1));
        assert_eq!(run.close(GRACE).await, Closed::Clean);
    }

    /// Catches a task that ignores the cancel and is reported as clean.
    #[tokio::test(start_paused = true)]
    async fn a_task_that_stays_is_counted() {
        let run = Scope::current("run");
        run.child("lab").spawn("stuck", std::future::pending());
        assert_eq!(run.close(GRACE).await, Closed::Leaked { tasks: 1 });
    }

    /// Catches a panic that is lost with its task.
    #[tokio::test]
    async fn a_panic_cancels_its_scope_and_is_named() {
        let run = Scope::current("run");
        let lab = run.child("lab");
        lab.spawn("broken", async { panic!("planted by a test") });
        lab.cancelled().await;
        assert_eq!(run.close(GRACE).await, Closed::Panicked { task: "run/lab/broken".into() });
    }
}
