//! The end of all waiting.
//!
//! Workers wait in every operation, and a run is given up once. So waiting costs a look at a flag, and
//! the giving up wakes every worker.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Poll, Waker};

use parking_lot::Mutex;

/// Tells workers to give up what is under way.
#[derive(Debug, Default)]
pub(super) struct Halt {
    called: AtomicBool,
    workers: Mutex<Vec<Waker>>,
}

impl Halt {
    /// Makes the task of the caller one that [`Halt::call`] wakes. Once for each task.
    pub(super) async fn enroll(&self) {
        poll_fn(|cx| {
            self.workers.lock().push(cx.waker().clone());
            Poll::Ready(())
        })
        .await;
    }

    /// Everybody gives up, now and from now on.
    pub(super) fn call(&self) {
        self.called.store(true, Ordering::SeqCst);
        let workers = std::mem::take(&mut *self.workers.lock());
        workers.into_iter().for_each(Waker::wake);
    }

    /// Whether everybody is to give up.
    pub(super) fn is_called(&self) -> bool {
        self.called.load(Ordering::SeqCst)
    }

    /// Waits for `future`, in a task that is enrolled; `None` when it must be given up. What is
    /// ready is not given up.
    pub(super) fn or<F: Future>(
        &self,
        mut future: Pin<&mut F>,
    ) -> impl Future<Output = Option<F::Output>> {
        poll_fn(move |cx| match future.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending if self.is_called() => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};
    use std::pin::pin;
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::base::scope::Scope;

    /// Catches a worker that goes on waiting, one that begins to wait after the call and is never
    /// woken, and a result that is thrown away.
    #[tokio::test(start_paused = true)]
    async fn a_call_ends_every_wait() {
        let scope = Scope::current("test");
        let halt = Arc::<Halt>::default();
        let (told, mut heard) = tokio::sync::mpsc::unbounded_channel();
        for worker in 0..3 {
            let (halt, told) = (Arc::clone(&halt), told.clone());
            scope.spawn(format!("worker[{worker}]"), async move {
                halt.enroll().await;
                let first = halt.or(pin!(pending::<()>())).await;
                let second = halt.or(pin!(pending::<()>())).await;
                let third = halt.or(pin!(ready(7))).await;
                told.send((first, second, third)).expect("somebody listens");
            });
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(heard.try_recv().is_err(), "nobody has called yet");
        halt.call();
        for _ in 0..3 {
            assert_eq!(heard.recv().await, Some((None, None, Some(7))));
        }
        halt.enroll().await;
        assert_eq!(halt.or(pin!(pending::<()>())).await, None);
    }
}
