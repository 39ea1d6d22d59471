//! Which keys a connection asks its node for, noted for whoever must know where keys live, and which
//! requests come again.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::base::carried::{Carried, Mark};
use crate::base::name::NodeIndex;
use crate::protocol::exchange::Due;
use crate::protocol::observe::Request;
use crate::proxy::tap::asked::{Asked, Same};

/// Keys whose reply is waited for. Of those beyond it the reply is not noted.
const DUE_MAX: usize = 65_536;

/// What one connection notes.
#[derive(Debug)]
pub(in crate::proxy) struct Keys {
    carried: Option<Arc<Carried>>,
    asked: Option<Arc<Asked>>,
    node: NodeIndex,
    /// Keys of requests that must be answered, by the place of their request on the connection; with what
    /// the request was, where it named no other key.
    due: VecDeque<(u64, Mark, Option<Same>)>,
}

impl Keys {
    /// Notes in these for `node`; `None`: nobody wants to know.
    pub(in crate::proxy) fn new(
        carried: Option<Arc<Carried>>,
        asked: Option<Arc<Asked>>,
        node: NodeIndex,
    ) -> Option<Self> {
        let wanted = carried.is_some() || asked.is_some();
        wanted.then(|| Self { carried, asked, node, due: VecDeque::new() })
    }

    /// The node is asked for the keys of a request.
    pub(in crate::proxy) fn requested(&mut self, now: Instant, request: &Request<'_>) {
        let mut marks = request.keys().map(|key| Mark::of(&[key]));
        let Some(first) = marks.next() else { return };
        let mut marks = marks.peekable();
        let must_be_answered = request.due == Due::Always;
        let is_alone = marks.peek().is_none() && must_be_answered;
        let same = is_alone.then(|| Same::of(first, request.verb.word.place));
        if let (Some(asked), Some(same)) = (&self.asked, same) {
            asked.came(same, now);
        }
        for mark in std::iter::once(first).chain(marks) {
            let is_followed = must_be_answered && self.due.len() < DUE_MAX;
            self.note(mark, is_followed);
            if is_followed {
                self.due.push_back((request.sequence, mark, same));
            }
        }
    }

    fn note(&self, mark: Mark, is_followed: bool) {
        if let Some(carried) = &self.carried {
            carried.requested(mark, self.node, is_followed);
        }
        if let Some(asked) = &self.asked {
            asked.placed(mark, self.node);
        }
    }

    /// The request at this place is answered; those before it are settled. Returns what it was, when it
    /// named one key.
    pub(in crate::proxy) fn replied(&mut self, sequence: u64) -> Option<(Same, u64)> {
        let mut replied = None;
        while let Some((place, mark, same)) =
            self.due.front().filter(|(place, ..)| *place <= sequence)
        {
            if *place == sequence {
                replied = same.map(|same| (same, sequence));
                if let Some(carried) = &self.carried {
                    carried.replied(*mark);
                }
            }
            self.due.pop_front();
        }
        replied
    }

    /// A request is answered, and the client has the reply; one that comes as soon as `window` is the
    /// next call's.
    pub(in crate::proxy) fn delivered(&self, request: (Same, u64), now: Instant, window: Duration) {
        if let Some(asked) = &self.asked {
            asked.answered(request, self.node, now, window);
        }
    }

    /// What has no reply will have none, and neither will these.
    pub(in crate::proxy) fn given_up(
        &mut self,
        others: impl Iterator<Item = Same>,
        now: Instant,
        window: Duration,
    ) {
        let alone = self.due.drain(..).filter_map(|(_, _, same)| same);
        if let Some(asked) = &self.asked {
            alone.chain(others).for_each(|same| asked.given_up(same, self.node, now, window));
        }
    }
}
