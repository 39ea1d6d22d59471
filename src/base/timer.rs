//! A timer that is right to a fraction of a millisecond.
//!
//! tokio's own timer wakes on whole milliseconds and rounds up, which alone would make a 1 ms
//! latency fault 2 ms long. On Linux a timerfd wakes within tens of microseconds. Elsewhere, and
//! wherever a test pauses the clock, the runtime's timer serves.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep};

/// Waits until an instant. Reusable: each wait re-arms it.
#[derive(Debug)]
pub struct Timer {
    source: Precision,
}

#[derive(Debug)]
enum Precision {
    #[cfg(target_os = "linux")]
    Fine(fine::TimerFd),
    Coarse(Pin<Box<Sleep>>),
}

impl Timer {
    /// The finest timer there is: a timerfd on Linux, else, and when descriptors run out, the
    /// runtime's. Never under a paused clock: a timerfd follows the real one.
    #[must_use]
    pub fn fine() -> Self {
        #[cfg(target_os = "linux")]
        if let Ok(timer) = fine::TimerFd::new() {
            return Self { source: Precision::Fine(timer) };
        }
        Self::coarse()
    }

    /// The runtime's timer, which a test can pause.
    #[must_use]
    pub fn coarse() -> Self {
        Self { source: Precision::Coarse(Box::pin(tokio::time::sleep(Duration::ZERO))) }
    }

    /// Ready once `deadline` has passed; else wakes the caller when it has.
    pub fn poll_until(&mut self, cx: &mut Context<'_>, deadline: Instant) -> Poll<()> {
        if deadline <= Instant::now() {
            return Poll::Ready(());
        }
        match &mut self.source {
            #[cfg(target_os = "linux")]
            Precision::Fine(timer) => timer.poll_until(cx, deadline),
            Precision::Coarse(sleep) => {
                if sleep.deadline() != deadline {
                    sleep.as_mut().reset(deadline);
                }
                sleep.as_mut().poll(cx)
            }
        }
    }

    /// Waits until `deadline`. Cancel-safe: a dropped wait leaves nothing behind.
    pub async fn until(&mut self, deadline: Instant) {
        poll_fn(|cx| self.poll_until(cx, deadline)).await;
    }
}

/// Blocks the calling thread until `deadline`, to within tens of microseconds. For a thread that
/// owns its time, such as a watcher; never for a task.
#[expect(clippy::disallowed_methods, reason = "only for a thread of its own, as documented")]
pub fn block_until(deadline: Instant) {
    while let Some(left) = deadline.checked_duration_since(Instant::now()) {
        if left.is_zero() {
            return;
        }
        std::thread::sleep(left);
    }
}

#[cfg(target_os = "linux")]
mod fine {
    use std::os::fd::OwnedFd;
    use std::task::{Context, Poll, ready};

    use rustix::time::{
        Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
        timerfd_settime,
    };
    use tokio::io::Interest;
    use tokio::io::unix::AsyncFd;
    use tokio::time::Instant;

    use crate::base::descriptors;

    #[derive(Debug)]
    pub(super) struct TimerFd {
        fd: AsyncFd<OwnedFd>,
        armed: Option<Instant>,
    }

    impl TimerFd {
        #[expect(
            deprecated,
            reason = "the replacement is an unsafe fn for descriptors that may be closed under it; \
                      an OwnedFd that is never lent out cannot be"
        )]
        pub(super) fn new() -> std::io::Result<Self> {
            let fd = timerfd_create(
                TimerfdClockId::Monotonic,
                TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC,
            )?;
            if descriptors::is_reserved(&fd) {
                return Err(rustix::io::Errno::MFILE.into());
            }
            Ok(Self { fd: AsyncFd::with_interest(fd, Interest::READABLE)?, armed: None })
        }

        pub(super) fn poll_until(&mut self, cx: &mut Context<'_>, deadline: Instant) -> Poll<()> {
            loop {
                let now = Instant::now();
                if deadline <= now {
                    return Poll::Ready(());
                }
                if self.armed != Some(deadline) {
                    let left = deadline - now;
                    let value = Timespec {
                        tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
                        tv_nsec: left.subsec_nanos().into(),
                    };
                    let zero = Timespec { tv_sec: 0, tv_nsec: 0 };
                    let spec = Itimerspec { it_interval: zero, it_value: value };
                    timerfd_settime(self.fd.get_ref(), TimerfdTimerFlags::empty(), &spec)
                        .expect("a relative time above zero is always a valid setting");
                    self.armed = Some(deadline);
                }
                // An expiry of an earlier setting may still be noted: read it, look at the clock.
                let Ok(mut guard) = ready!(self.fd.poll_read_ready(cx)) else {
                    return Poll::Ready(());
                };
                let mut count = [0_u8; 8];
                if rustix::io::read(self.fd.get_ref(), &mut count).is_ok() {
                    self.armed = None;
                }
                guard.clear_ready();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Catches a timer that wakes before its time, and one that a second deadline confuses.
    #[tokio::test]
    async fn never_early_and_reusable() {
        for mut timer in [Timer::fine(), Timer::coarse()] {
            for wait in [Duration::from_micros(300), Duration::from_millis(2), Duration::ZERO] {
                let deadline = Instant::now() + wait;
                timer.until(deadline).await;
                assert!(Instant::now() >= deadline);
            }
        }
    }

    /// Catches a wait that stays armed for a deadline that was given up for an earlier one.
    #[tokio::test]
    async fn an_earlier_deadline_replaces_a_later_one() {
        for mut timer in [Timer::fine(), Timer::coarse()] {
            let far = Instant::now() + Duration::from_secs(3600);
            let near = Instant::now() + Duration::from_millis(1);
            tokio::select! {
                biased;
                () = timer.until(far) => unreachable!("an hour has not passed"),
                () = std::future::ready(()) => {}
            }
            timer.until(near).await;
            assert!(Instant::now() < far);
        }
    }

    /// Catches a coarse timer that ignores a paused clock: simulations would take real time.
    #[tokio::test(start_paused = true)]
    async fn the_coarse_timer_follows_a_paused_clock() {
        let deadline = Instant::now() + Duration::from_secs(3600);
        Timer::coarse().until(deadline).await;
        assert!(Instant::now() >= deadline);
    }
}
