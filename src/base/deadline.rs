//! Deadlines of waits that follow each other, all kept by one timer of the runtime.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;

use tokio::task::unconstrained;
use tokio::time::{Instant, Sleep, sleep_until};

/// Bounds one wait after the other.
///
/// A timer of its own for each wait is entered in the runtime's wheel and taken out again, under a
/// lock that all threads share, though it hardly ever fires. This one stays where it is: putting it off
/// takes no lock, and it looks at its true time when it comes up.
#[derive(Debug, Default)]
pub struct Deadline {
    timer: Option<Pin<Box<Sleep>>>,
}

impl Deadline {
    /// Waits for `future`; `None` when `at` comes first. A future that is ready at `at` counts as
    /// ready.
    pub fn bound<F: Future>(
        &mut self,
        at: Instant,
        mut future: Pin<&mut F>,
    ) -> impl Future<Output = Option<F::Output>> {
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(at)));
        timer.as_mut().reset(at);
        // Outside the budget of its task: a future that never pauses must not starve its deadline.
        let mut timer = unconstrained(timer.as_mut());
        poll_fn(move |cx| match future.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending => Pin::new(&mut timer).poll(cx).map(|()| None),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::time::Duration;

    use tokio::time::sleep;

    use super::*;

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    /// Catches a deadline that keeps the time of the wait before it, earlier or later, or that has
    /// fired once and is not set again.
    #[tokio::test(start_paused = true)]
    async fn each_wait_has_its_own_deadline() {
        let start = Instant::now();
        let mut deadline = Deadline::default();
        let rows =
            [(50, 10, true), (500, 400, true), (30, 40, false), (20, 30, false), (90, 80, true)];
        let mut at = 0;
        for (limit, takes, is_in_time) in rows {
            let done = deadline.bound(Instant::now() + ms(limit), pin!(sleep(ms(takes)))).await;
            assert_eq!(done.is_some(), is_in_time, "{takes} of {limit} ms");
            at += limit.min(takes);
            assert_eq!(start.elapsed(), ms(at));
        }
    }

    /// Catches what is ready and called late, and a deadline that has passed before the wait began
    /// and is not seen.
    #[tokio::test(start_paused = true)]
    async fn what_is_ready_is_not_late() {
        let mut deadline = Deadline::default();
        let now = Instant::now();
        assert_eq!(deadline.bound(now, pin!(async { 7 })).await, Some(7));
        assert_eq!(deadline.bound(now, pin!(std::future::pending::<()>())).await, None);
        assert_eq!(now.elapsed(), Duration::ZERO);
    }

    /// Catches a future that always has something to do and so outlives its deadline.
    #[tokio::test]
    async fn a_busy_future_does_not_starve_it() {
        let busy = async {
            loop {
                tokio::task::consume_budget().await;
            }
        };
        let at = Instant::now() + ms(5);
        assert_eq!(Deadline::default().bound(at, pin!(busy)).await, None::<()>);
    }
}
