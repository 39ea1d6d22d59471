//! Threads with a scheduler each, for many small tasks that stay where they are.
//!
//! A runtime of several workers shares its tasks: one worker waits for sockets and wakes another,
//! which steals what is ready. For tasks that do a few system calls and wait again, waking and
//! stealing cost more than the sharing brings. A lane waits for its own sockets and runs its own
//! tasks; nothing crosses a thread but the first hand-over.

use std::cell::Cell;
use std::io;
use std::time::Duration;

use tokio::runtime::{Builder, Handle};
use tokio::time::Instant;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::scope::Scope;

/// Every so many-th task that a busy lane runs is one that another thread gave to it or woke, if there
/// is one. The scheduler's own choice is every 31st: what is asked of a thousand busy connections then
/// took seconds to reach the last.
const REMOTE_WAKE_INTERVAL: u32 = 2;

/// How long a busy thread runs before it lets others have the processor: less than the slice that the
/// system gives it (3 ms on Linux), for which whoever was woken meanwhile would wait.
const GIVE_WAY_PERIOD: Duration = Duration::from_micros(500);

thread_local! {
    /// When this thread let others run last.
    static GAVE_WAY: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// Lets other threads run, if this one has not done so for a while. For a task that has more to do than
/// fits one turn.
pub fn give_way(now: Instant) {
    let is_due = GAVE_WAY.get().is_none_or(|last| now >= last + GIVE_WAY_PERIOD);
    if is_due {
        GAVE_WAY.set(Some(now));
        std::thread::yield_now();
    }
}

/// A thread that runs the tasks that [`Scope::spawn_on`] gives it. Clones are the same lane.
#[derive(Clone, Debug)]
pub struct Lane {
    handle: Handle,
    tasks: TaskTracker,
}

impl Lane {
    /// Starts a lane that belongs to `scope`. Its thread ends when the scope is cancelled and the
    /// last of the lane's tasks has ended, so that no task is cut off: one that stays is a task,
    /// and a thread, that closing the scope counts as leaked.
    ///
    /// # Errors
    /// When the operating system gives no thread or no descriptor.
    pub fn start(scope: &Scope, name: impl Into<String>) -> io::Result<Self> {
        let runtime = Builder::new_current_thread()
            .enable_all()
            .global_queue_interval(REMOTE_WAKE_INTERVAL)
            .build()?;
        let lane = Self { handle: runtime.handle().clone(), tasks: TaskTracker::new() };
        let (cancelled, tasks) = (scope.cancelled(), lane.tasks.clone());
        scope.thread(name, move || {
            runtime.block_on(async {
                cancelled.await;
                tasks.close();
                tasks.wait().await;
            });
            // A look-up of a name that nobody waits for any more may take its time.
            runtime.shutdown_background();
        })?;
        Ok(lane)
    }

    /// How many tasks it runs.
    #[must_use]
    pub fn tasks(&self) -> usize {
        self.tasks.len()
    }

    /// Where its tasks are spawned.
    pub(super) const fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Counts a task until it is dropped.
    pub(super) fn count(&self) -> TaskTrackerToken {
        self.tasks.token()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::sync::oneshot;

    use super::*;
    use crate::base::scope::Closed;

    /// Nothing here takes this long unless it hangs.
    const HANG: Duration = Duration::from_secs(10);

    /// Catches tasks that wander from their lane, and one that its owner does not count.
    #[tokio::test]
    async fn a_task_stays_on_its_lane_and_belongs_to_its_scope() {
        let run = Scope::current("run");
        let lane = Lane::start(&run, "lane").unwrap();
        let owner = run.child("proxy");
        let (sender, receiver) = oneshot::channel();
        let cancelled = owner.cancelled();
        owner.spawn_on(&lane, "connection", async move {
            let began_on = std::thread::current().id();
            tokio::task::yield_now().await;
            let _ = sender.send((began_on, std::thread::current().id()));
            cancelled.await;
        });
        let (began_on, went_on_on) = receiver.await.unwrap();
        assert_eq!(began_on, went_on_on);
        assert_ne!(began_on, std::thread::current().id());
        assert_eq!((lane.tasks(), owner.tasks(), run.tasks()), (1, 1, 2), "and the lane itself");
        assert_eq!(owner.close(HANG).await, Closed::Clean);
        assert_eq!(run.close(HANG).await, Closed::Clean);
    }

    /// Catches a lane that ends before its tasks, whose last steps would then be lost.
    #[tokio::test]
    async fn a_lane_outlives_its_tasks() {
        let run = Scope::current("run");
        let lane = Lane::start(&run, "lane").unwrap();
        let (sender, mut receiver) = oneshot::channel();
        let cancelled = run.cancelled();
        run.spawn_on(&lane, "last steps", async move {
            cancelled.await;
            tokio::task::yield_now().await;
            let _ = sender.send("said");
        });
        assert_eq!(run.close(HANG).await, Closed::Clean);
        assert_eq!(receiver.try_recv(), Ok("said"));
    }

    /// Catches a task that is given to a lane after its end and counts as running for ever.
    #[tokio::test]
    async fn a_task_that_comes_too_late_is_dropped() {
        let run = Scope::current("run");
        let lane = Lane::start(&run, "lane").unwrap();
        assert_eq!(run.close(HANG).await, Closed::Clean);
        let (sender, receiver) = oneshot::channel::<()>();
        run.spawn_on(&lane, "late", async move {
            let _held = sender;
            std::future::pending::<()>().await;
        });
        assert!(receiver.await.is_err(), "its future was dropped");
        assert_eq!(run.close(HANG).await, Closed::Clean);
    }

    /// Catches a panic on a lane that nobody hears of, or that takes the lane's other tasks along.
    #[tokio::test]
    async fn a_panic_on_a_lane_is_named_and_ends_its_own_scope() {
        let run = Scope::current("run");
        let lane = Lane::start(&run, "lane").unwrap();
        let (broken, healthy) = (run.child("a"), run.child("b"));
        broken.spawn_on(&lane, "broken", async { panic!("planted by a test") });
        broken.cancelled().await;
        let (sender, receiver) = oneshot::channel();
        healthy.spawn_on(&lane, "healthy", async move {
            let _ = sender.send(());
        });
        receiver.await.unwrap();
        assert_eq!(run.close(HANG).await, Closed::Panicked { task: "run/a/broken".into() });
    }
}
