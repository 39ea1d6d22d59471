//! Which keys a connection asks its node for, noted for whoever must know where keys live.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::base::carried::{Carried, Mark};
use crate::base::name::NodeIndex;
use crate::protocol::exchange::{Due, Request};

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
    pub(in crate::proxy) fn requested<'a, K>(&mut self, request: &Request<K>)
    where
        K: Iterator<Item = &'a [u8]> + Clone,
    {
        let mut marks = request.keys.clone().map(|key| Mark::of(&[key]));
        let Some(first) = marks.next() else { return };
        let mut marks = marks.peekable();
        let alone = marks.peek().is_none() && request.due == Due::Always;
        self.carried.requested(first, self.node, alone);
        marks.for_each(|mark| self.carried.requested(mark, self.node, false));
        if alone && self.alone.len() < ALONE_MAX {
            self.alone.push_back((request.sequence, first));
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
