//! `early-stored`: the answer comes before the deed.

use std::collections::VecDeque;

use super::ground::Ground;
use super::request::{Deed, Request};
use super::{Lie, USUAL};
use crate::base::family::Kind;

pub(super) const KIND: Kind<dyn Lie> = Kind {
    name: "early-stored",
    summary: "a set is acknowledged at once and done 200 requests later",
    settings: &USUAL,
    build: |_| Ok(Box::new(EarlyStored::default())),
};

/// How many requests of the node pass before the set is done.
const REQUESTS_LATER: u64 = 200;
/// How many sets may wait; while so many do, none is put off.
const WAITING_MAX: usize = 64;

#[derive(Debug, Default)]
struct EarlyStored {
    requests: u64,
    /// What is still to be done, and before which request.
    waiting: VecDeque<(u64, Request)>,
}

impl Lie for EarlyStored {
    fn before(&mut self, _: &Request, ground: &mut Ground<'_>) {
        self.requests += 1;
        while self.waiting.front().is_some_and(|(due, _)| *due <= self.requests) {
            if let Some((_, set)) = self.waiting.pop_front() {
                ground.execute(&set);
            }
        }
    }

    fn fits(&self, request: &Request, _: &Ground<'_>) -> bool {
        request.deed == Deed::Set && self.waiting.len() < WAITING_MAX
    }

    fn tell(&mut self, request: &Request, ground: &mut Ground<'_>) -> Vec<u8> {
        self.waiting.push_back((self.requests + REQUESTS_LATER, request.clone()));
        ground.pretend(request)
    }
}
