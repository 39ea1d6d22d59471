//! Which keys a connection asks its node for, noted for whoever must know where keys live.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::time::Instant;

use crate::base::carried::{Carried, Mark};
use crate::base::name::NodeIndex;
use crate::protocol::memcached::frame::observe::Request;
use crate::protocol::memcached::frame::request::Due;

/// Requests whose reply is waited for. Of those beyond it the reply is not noted.
const ALONE_MAX: usize = 65_536;

/// What one connection notes.
#[derive(Debug)]
pub(in crate::proxy) struct Keys {
    carried: Arc<Carried>,
    node: NodeIndex,
    /// Requests that named one key and must be answered, by their place on the connection.
    alone: VecDeque<(u64, Mark)>,
}

impl Keys {
    pub(in crate::proxy) const fn new(carried: Arc<Carried>, node: NodeIndex) -> Self {
        Self { carried, node, alone: VecDeque::new() }
    }

    /// The node is asked for the keys of a request.
    pub(in crate::proxy) fn requested(&mut self, request: &Request<'_, Instant>) {
        let Some(first) = request.keys().next().map(|key| Mark::of(&[key])) else { return };
        let alone = request.keys().nth(1).is_none() && request.paired.due == Due::Always;
        request.keys().for_each(|key| self.carried.requested(Mark::of(&[key]), self.node, alone));
        if alone && self.alone.len() < ALONE_MAX {
            self.alone.push_back((request.paired.sequence, first));
        }
    }

    /// The request at this place is answered; those before it are settled.
    pub(in crate::proxy) fn replied(&mut self, sequence: u64) {
        while let Some((place, mark)) = self.alone.front().filter(|(place, _)| *place <= sequence) {
            if *place == sequence {
                self.carried.replied(*mark);
            }
            self.alone.pop_front();
        }
    }
}
