//! Between the pacer and the workers: one bounded queue for all.
//!
//! A ticket goes to a worker that waits, else into the backlog; a worker that is done takes from
//! the backlog before it waits. So one blocked worker holds up nobody while another is free.
//!
//! Workers that wait are woken in the order in which they came: each then does its share of the
//! writes, and the keys are written as the distribution says. (Waking the last one first would keep
//! caches warmer, but at a low rate one worker would do all the work and so write only its own
//! keys.)

use std::collections::VecDeque;
use std::future::poll_fn;
use std::task::{Poll, Waker};
use std::time::Duration;

use parking_lot::Mutex;

use super::ticket::Ticket;
use super::workload::Parts;
use crate::base::time::{Offset, RunClock};

/// The backlog holds what is due in this time at the highest rate of the schedule, within the
/// bounds below. A ticket beyond it is a lost slot: a second late, nobody waits for it any more.
const BACKLOG_TIME: Duration = Duration::from_secs(1);

/// The least and the most tickets that the backlog holds.
const BACKLOG_BOUNDS: (usize, usize) = (1000, 200_000);

/// The queue. Locked for nanoseconds, by the pacer once a batch and by a worker once a ticket.
#[derive(Debug)]
pub(super) struct Queue {
    state: Mutex<QueueState>,
    /// How many tickets may wait; the next one is refused and becomes a lost slot.
    capacity: usize,
}

#[derive(Debug)]
struct QueueState {
    backlog: VecDeque<Ticket>,
    /// Workers that wait, longest first.
    idle: VecDeque<usize>,
    desks: Vec<IdleWorker>,
    finished: bool,
}

/// Where a worker that waits is reached.
#[derive(Debug, Default)]
struct IdleWorker {
    waiting: bool,
    waker: Option<Waker>,
    given: Option<Ticket>,
}

impl Queue {
    pub(super) fn new(workers: usize, capacity: usize) -> Self {
        let state = QueueState {
            backlog: VecDeque::new(),
            idle: VecDeque::with_capacity(workers),
            desks: (0..workers).map(|_| IdleWorker::default()).collect(),
            finished: false,
        };
        Self { state: Mutex::new(state), capacity }
    }

    /// Hands out every ticket of `batch`. Those that find the backlog full stay in it.
    pub(super) fn push(&self, batch: &mut VecDeque<Ticket>, wakers: &mut Vec<Waker>) {
        let mut state = self.state.lock();
        while let Some(ticket) = batch.pop_front() {
            if state.finished {
                batch.push_front(ticket);
                break;
            }
            if let Some(worker) = state.idle.pop_front() {
                let desk = &mut state.desks[worker];
                desk.waiting = false;
                desk.given = Some(ticket);
                wakers.extend(desk.waker.take());
            } else if state.backlog.len() < self.capacity {
                state.backlog.push_back(ticket);
            } else {
                batch.push_front(ticket);
                break;
            }
        }
        drop(state);
        wakers.drain(..).for_each(Waker::wake);
    }

    /// The next ticket for `worker`, and when it took it up; `None`: there will be none.
    pub(super) async fn next(&self, worker: usize, clock: &RunClock) -> Option<(Ticket, Offset)> {
        poll_fn(|cx| {
            let mut state = self.state.lock();
            if let Some(mut ticket) = state.desks[worker].given.take() {
                drop(state);
                let now = clock.now();
                ticket.taken_at_once(now);
                return Poll::Ready(Some((ticket, now)));
            }
            if let Some(ticket) = state.backlog.pop_front() {
                drop(state);
                return Poll::Ready(Some((ticket, clock.now())));
            }
            if state.finished {
                return Poll::Ready(None);
            }
            let desk = &mut state.desks[worker];
            if !desk.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
                desk.waker = Some(cx.waker().clone());
            }
            if !desk.waiting {
                desk.waiting = true;
                state.idle.push_back(worker);
            }
            Poll::Pending
        })
        .await
    }

    /// No ticket will follow: workers end once the backlog is empty.
    pub(super) fn finish(&self) {
        let wakers: Vec<Waker> = {
            let mut state = self.state.lock();
            state.finished = true;
            state.idle.clear();
            state.desks.iter_mut().filter_map(|desk| desk.waker.take()).collect()
        };
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Takes out every ticket that nobody has taken up.
    pub(super) fn give_up(&self) -> VecDeque<Ticket> {
        let mut state = self.state.lock();
        let mut left = std::mem::take(&mut state.backlog);
        left.extend(state.desks.iter_mut().filter_map(|desk| desk.given.take()));
        left
    }
}

/// How many tickets may wait.
pub(super) fn backlog(parts: &Parts) -> usize {
    let rate = parts.arrival.rate().map_or(0.0, |rate| rate.as_per_second());
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "above zero, and cut to the bounds right here"
    )]
    let wish = (rate * BACKLOG_TIME.as_secs_f64()) as usize;
    wish.clamp(BACKLOG_BOUNDS.0, BACKLOG_BOUNDS.1)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::base::name::NodeIndex;
    use crate::base::time::Offset;
    use crate::event::{Operation, Outcome};
    use crate::load::draft::tests::drafter;
    use crate::load::ticket::TicketCounts;

    fn ledger() -> Arc<TicketCounts> {
        TicketCounts::new(RunClock::start(), Box::new(|_| {}), drafter(0, 10, 1))
    }

    fn poll(queue: &Queue, worker: usize, clock: &RunClock) -> Poll<Option<Ticket>> {
        let next = std::pin::pin!(queue.next(worker, clock));
        let polled = next.poll(&mut std::task::Context::from_waker(Waker::noop()));
        polled.map(|next| next.map(|(ticket, _)| ticket))
    }

    /// Hands out one ticket due at `due`; `false` when it was refused.
    fn push(queue: &Queue, ledger: &Arc<TicketCounts>, due: u64) -> bool {
        let mut batch = VecDeque::from([ledger.issue(Offset(due), Offset(due))]);
        queue.push(&mut batch, &mut Vec::new());
        batch.is_empty()
    }

    /// Catches workers that are woken in another order than they came, a worker that waits beside
    /// a backlog, and a backlog that reorders.
    #[test]
    fn who_waits_longest_is_served_first() {
        let (queue, ledger) = (Queue::new(2, 3), ledger());
        let clock = *ledger.clock();
        let dues = |ticket: Poll<Option<Ticket>>| match ticket {
            Poll::Ready(ticket) => ticket.map(|ticket| ticket.due().0),
            Poll::Pending => None,
        };
        assert!(poll(&queue, 1, &clock).is_pending());
        assert!(poll(&queue, 0, &clock).is_pending());
        assert!(poll(&queue, 1, &clock).is_pending(), "a second look takes no second place");
        for due in 1..=5 {
            assert!(push(&queue, &ledger, due), "two at once, three in the backlog");
        }
        assert!(!push(&queue, &ledger, 6), "the backlog is full");
        assert_eq!(dues(poll(&queue, 0, &clock)), Some(2));
        assert_eq!(dues(poll(&queue, 1, &clock)), Some(1));
        assert_eq!(dues(poll(&queue, 1, &clock)), Some(3));
        queue.finish();
        assert_eq!(dues(poll(&queue, 1, &clock)), Some(4), "what is there is still done");
        assert_eq!(dues(poll(&queue, 0, &clock)), Some(5));
        assert!(matches!(poll(&queue, 0, &clock), Poll::Ready(None)));
        assert!(!push(&queue, &ledger, 7), "too late");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        /// Catches a ticket that disappears, or counts twice, in any order of issuing, taking,
        /// dropping and giving up.
        #[test]
        fn every_ticket_has_one_outcome(
            steps in prop::collection::vec((0_u8..5, 0_usize..4), 0..200),
        ) {
            let (queue, ledger) = (Queue::new(4, 5), ledger());
            let clock = *ledger.clock();
            let mut taken = Vec::new();
            for (due, (step, worker)) in steps.into_iter().enumerate() {
                match step {
                    0 | 1 => {
                        push(&queue, &ledger, due as u64);
                    }
                    2 => {
                        if let Poll::Ready(Some(mut ticket)) = poll(&queue, worker, &clock) {
                            ticket.take_up(Operation::Get, NodeIndex(0));
                            taken.push(ticket);
                        }
                    }
                    3 => drop(taken.pop()),
                    _ => drop(queue.give_up()),
                }
            }
            let under_way = taken.len() as u64;
            let settled = |ledger: &TicketCounts| ledger.outcomes().iter().sum::<u64>();
            prop_assert!(ledger.issued() >= settled(&ledger) + under_way);
            drop(taken);
            queue.finish();
            drop(queue);
            prop_assert_eq!(ledger.issued(), settled(&ledger));
            let counts = ledger.outcomes();
            let known = counts[Outcome::Hung.position()] + counts[Outcome::LostSlot.position()];
            prop_assert_eq!(known, ledger.issued(), "taken and dropped is hung, else lost");
        }
    }
}
