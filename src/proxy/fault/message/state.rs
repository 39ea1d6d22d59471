//! A rule on one connection: whether it fires at a request.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rand::RngExt;
use tokio::time::Instant;

use super::action::Action;
use super::meeting::Meeting;
use super::spec::{RuleSpec, Tally};
use crate::base::seed::Stream;
use crate::protocol::observe::Request;
use crate::proxy::config::Direction;
use crate::proxy::fault::identity::{Identity, Place};
use crate::proxy::fault::outbox::Due;

/// A rule with its counts and draws on one connection.
#[derive(Debug)]
pub(super) struct Rule {
    pub(super) of: Arc<Identity>,
    spec: Arc<RuleSpec>,
    tally: Tally,
    draws: Stream,
}

impl Rule {
    pub(super) fn new(of: &Arc<Identity>, spec: &Arc<RuleSpec>, place: &Place) -> Self {
        Self {
            of: Arc::clone(of),
            spec: Arc::clone(spec),
            tally: Tally::default(),
            draws: of.whole_draws(place),
        }
    }

    /// What it wants done with a request that it matches, if it fires. A request is only ever asked
    /// about once.
    pub(super) fn on_match(&mut self) -> Option<&Action> {
        let Self { spec, tally, draws, .. } = self;
        let fires = spec.is_due(tally, || draws.random::<f64>());
        fires.then_some(&self.spec.action)
    }

    /// It fired at a request and there was nothing that could be done.
    pub(super) fn was_in_vain(&self) {
        self.spec.was_in_vain(&self.tally);
    }

    /// Remembers the value of `key` and returns that of another, once one has passed on any
    /// connection.
    pub(super) fn swap_value(&self, key: Vec<u8>, value: Bytes) -> Option<Bytes> {
        self.spec.seen.lock().swap(key, value)
    }

    /// Where its replies meet those of other connections.
    pub(super) fn meeting(&self) -> &Arc<Meeting> {
        &self.spec.meeting
    }

    /// Whether it would look at the request at all.
    pub(super) fn matches(&self, request: &Request<'_>) -> bool {
        self.spec.matcher.matches(request)
    }

    /// Whether it might look at a request whose head begins so.
    pub(super) fn may_match(&self, beginning: &[u8]) -> bool {
        self.spec.matcher.may_match(beginning)
    }

    pub(super) fn is_same(&self, other: &Identity) -> bool {
        self.of.is_same(other)
    }

    pub(super) fn covers(&self, direction: Direction) -> bool {
        self.of.stream.covers(direction)
    }

    /// How late a message is that arrives now.
    pub(super) fn due(&mut self, now: Instant, delay: Duration, jitter: Duration) -> Due {
        let more = jitter.mul_f64(self.draws.random::<f64>());
        Due::after(now, delay.saturating_add(more))
    }

    pub(super) const fn draws(&mut self) -> &mut Stream {
        &mut self.draws
    }
}
