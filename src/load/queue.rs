//! Between the pacer and the workers: one bounded queue for all.
//!
//! A ticket goes to a worker that waits, else into the backlog; a worker that is done takes from the
//! backlog before it waits. So one blocked worker holds up nobody while another is free. Workers that
//! wait are woken in the order in which they came: each then does its share of the writes, and the
//! keys are written as the distribution says. (Waking the last one first would keep caches warmer,
//! but at a low rate one worker would do all the work and so write only its own keys.)

use std::collections::VecDeque;
use std::future::poll_fn;
use std::task::{Poll, Waker};

use parking_lot::Mutex;

use super::ticket::Ticket;
use crate::base::time::RunClock;

/// The queue. Locked for nanoseconds, by the pacer once a batch and by a worker once a ticket.
#[derive(Debug)]
pub(super) struct Queue {
    state: Mutex<State>,
    /// How many tickets may wait; the next one is refused and becomes a lost slot.
    capacity: usize,
}

#[derive(Debug)]
struct State {
    backlog: VecDeque<Ticket>,
    /// Workers that wait, longest first.
    idle: VecDeque<usize>,
    desks: Vec<Desk>,
    finished: bool,
}

/// Where a worker that waits is reached.
#[derive(Debug, Default)]
struct Desk {
    waiting: bool,
    waker: Option<Waker>,
    given: Option<Ticket>,
}

impl Queue {
    pub(super) fn new(workers: usize, capacity: usize) -> Self {
        let state = State {
            backlog: VecDeque::new(),
            idle: VecDeque::with_capacity(workers),
            desks: (0..workers).map(|_| Desk::default()).collect(),
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

    /// The next ticket for `worker`; `None`: there will be none.
    pub(super) async fn next(&self, worker: usize, clock: &RunClock) -> Option<Ticket> {
        poll_fn(|cx| {
            let mut state = self.state.lock();
            if let Some(mut ticket) = state.desks[worker].given.take() {
                drop(state);
                ticket.taken_at_once(clock.now());
                return Poll::Ready(Some(ticket));
            }
            if let Some(ticket) = state.backlog.pop_front() {
                return Poll::Ready(Some(ticket));
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
