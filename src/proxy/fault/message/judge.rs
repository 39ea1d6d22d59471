//! Asks the rules of a connection about one request, and plans what they want done with it.

use std::sync::Arc;

use tokio::time::Instant;

use super::action::{Action, When};
use super::down::{Down, OwnReply};
use super::plan::{Effect, Plan, Substitute};
use super::report::Reporter;
use super::state::Rule;
use super::up::Fate;
use crate::protocol::exchange::{Change, Passage, Standing};
use crate::protocol::observe::Request;
use crate::protocol::speech::{answered, barrier, dialect, spoken};
use crate::proxy::close::CloseManner;
use crate::proxy::config::Direction;
use crate::proxy::fault::identity::{Identity, Place};
use crate::proxy::fault::outbox::Due;

/// What was decided about one request.
#[derive(Debug)]
pub(super) struct Cut {
    pub(super) start: u64,
    pub(super) end: u64,
    pub(super) fate: Fate,
    /// What the server gets of it.
    pub(super) passage: Passage,
    pub(super) sequel: Sequel,
    pub(super) closes: bool,
}

/// What follows once the last byte of a request has come.
#[derive(Debug, Default)]
pub(super) struct Sequel {
    /// What it is answered with.
    pub(super) ours: Option<OwnReply>,
    /// What the server is sent in its place or behind it.
    pub(super) barrier: Option<Vec<u8>>,
    /// No later request reaches the server.
    pub(super) is_last: bool,
}

impl Sequel {
    pub(super) const fn is_nothing(&self) -> bool {
        self.ours.is_none() && self.barrier.is_none() && !self.is_last
    }
}

impl Cut {
    /// A request that passes.
    pub(super) fn passing(request: &Request<'_>) -> Self {
        let Request { start, end, closes, .. } = *request;
        Self { closes, ..Self::at(start, end) }
    }

    /// The end of a request that was decided about before it was known.
    pub(super) fn ending(end: u64) -> Self {
        Self::at(end, end)
    }

    fn at(start: u64, end: u64) -> Self {
        let (fate, passage, sequel) = (Fate::Pass, Passage::Sent, Sequel::default());
        Self { start, end, fate, passage, sequel, closes: false }
    }

    /// Whether nothing is done to it, and nothing changes behind it.
    pub(super) fn passes(&self) -> bool {
        self.fate == Fate::Pass && self.sequel.is_nothing() && !self.closes
    }

    /// The last request that the server owes a reply once this one has gone on.
    pub(super) fn owed(&self, request: &Request<'_>) -> Option<u64> {
        let sequence = request.sequence;
        match self.passage {
            Passage::Sent => (!request.is_noreply()).then_some(sequence),
            Passage::Kept => None,
            Passage::Replaced => Some(sequence),
            Passage::Followed => Some(sequence + 1),
        }
    }
}

/// Asks the rules about one request.
#[derive(Debug)]
pub(super) struct Judge<'a> {
    pub(super) now: Instant,
    pub(super) rules: &'a mut [Rule],
    pub(super) down: &'a mut Down,
    pub(super) owed: &'a Option<u64>,
    pub(super) place: &'a Place,
    pub(super) reporter: &'a Reporter,
}

impl Judge<'_> {
    /// `standing` says how the place of a reply of ours can be found.
    pub(super) fn ask(
        &mut self,
        request: &Request<'_>,
        standing: &dyn Fn() -> Standing,
        cut: &mut Cut,
    ) {
        if !request.ordinary {
            return;
        }
        if self.swaps_back(request) {
            return;
        }
        let mut known = None;
        for index in 0..self.rules.len() {
            if !self.rules[index].matches(request) {
                continue;
            }
            let standing = *known.get_or_insert_with(standing);
            if standing == Standing::Unknown {
                self.reporter.uncertain(&self.rules[index].of);
                continue;
            }
            let Some(action) = self.rules[index].on_match().cloned() else { continue };
            if self.act(index, request, action, standing, cut) {
                return;
            }
            self.rules[index].was_in_vain();
            self.reporter.in_vain(&self.rules[index].of);
        }
    }

    /// Whether its reply changes places with that to the request before, which was planned.
    fn swaps_back(&mut self, request: &Request<'_>) -> bool {
        let before = self.down.swapping.take();
        let follows = |(first, _): &(u64, _)| *first + 1 == request.sequence;
        let rule = before.filter(|it| follows(it) && request.is_answered());
        let Some((_, rule)) = rule.filter(|_| self.down.plans.have_room()) else { return false };
        self.push(rule, request, request.sequence, Effect::SwapBack);
        true
    }

    /// Carries an action out. `false`: the request has nothing that it could be done to.
    fn act(
        &mut self,
        index: usize,
        request: &Request<'_>,
        action: Action,
        standing: Standing,
        cut: &mut Cut,
    ) -> bool {
        let noreply = request.is_noreply();
        let rule = &mut self.rules[index];
        match action {
            Action::Answer(reply) => {
                let Some(what) = answered(request, &reply) else {
                    return false;
                };
                let stands = what.is_none_or(|bytes| {
                    let told = standing == Standing::Next
                        || standing == Standing::Told && !self.down.wants_barrier();
                    self.stand(index, request, Substitute::Reply(bytes), told, cut)
                });
                if !stands {
                    return false;
                }
                cut.fate = Fate::Swallow;
                if cut.passage == Passage::Sent {
                    cut.passage = Passage::Kept;
                }
            }
            Action::Drop { when: When::Before, how } => {
                // Nothing follows that could tell whether a quiet request was silent.
                let told = standing == Standing::Next;
                if !self.stand(index, request, Substitute::Close(how), told, cut) {
                    return false;
                }
                cut.fate = Fate::Swallow;
                cut.sequel.is_last = true;
            }
            Action::Drop { when, how } => {
                let effect =
                    if when == When::After { Effect::DropAll(how) } else { Effect::DropHalf(how) };
                return self.drop_behind(index, request, (effect, how), standing, cut);
            }
            Action::Delay { delay, jitter, after_bytes } => {
                let length = request.end - request.start;
                if rule.covers(Direction::Up) && after_bytes < length {
                    let due = rule.due(self.now, delay, jitter);
                    cut.fate = Fate::Late { due, after_bytes };
                }
                if rule.covers(Direction::Down) && !noreply {
                    return self.plan(index, request, Effect::Delay(delay, jitter, after_bytes));
                }
            }
            Action::Hold => {
                if rule.covers(Direction::Up) {
                    cut.fate = Fate::Late { due: Due::Never, after_bytes: 0 };
                } else {
                    return !noreply && self.plan(index, request, Effect::Hold);
                }
            }
            Action::Change(..) | Action::Swap { .. } if noreply => return false,
            Action::Swap { across: true, wait } => {
                return self.plan(index, request, Effect::SwapAcross(wait));
            }
            Action::Swap { across: false, wait } => {
                self.down.swapping = Some((request.sequence, Arc::clone(&rule.of)));
                return self.plan(index, request, Effect::SwapNext(wait));
            }
            Action::Change(change, sequel) => {
                let Some(change) = spoken(request, change) else {
                    return false;
                };
                return self.plan(index, request, Effect::Change(change, sequel));
            }
        }
        if cut.fate == Fate::Pass {
            return false;
        }
        let command = request.verb.word.name;
        self.reporter.fired(self.now, self.place.connection, command, &self.rules[index].of);
        true
    }

    /// Puts something of ours in the place of a reply: behind what is owed or, where that does not
    /// tell the place, in the place of the reply to a no-op. `false`: there is no room for one more.
    fn stand(
        &mut self,
        index: usize,
        request: &Request<'_>,
        what: Substitute,
        told: bool,
        cut: &mut Cut,
    ) -> bool {
        if told {
            cut.passage = Passage::Kept;
            cut.sequel.ours = Some(OwnReply { after: *self.owed, what });
            return true;
        }
        let planned = self.plan(index, request, Effect::Instead(what));
        if planned {
            cut.passage = Passage::Replaced;
            cut.sequel.barrier = Some(barrier(request));
        }
        planned
    }

    /// Plans that the connection ends behind a request that the server runs. Where no reply tells
    /// when it has, one to a no-op does.
    fn drop_behind(
        &mut self,
        index: usize,
        request: &Request<'_>,
        (effect, how): (Effect, CloseManner),
        standing: Standing,
        cut: &mut Cut,
    ) -> bool {
        if !self.down.plans.have_room() {
            return false;
        }
        if !request.is_noreply() {
            self.plan(index, request, effect);
        }
        if !request.is_answered() || standing != Standing::Next {
            self.plan_at(index, request, request.sequence + 1, Effect::Ran(how));
            cut.passage = Passage::Followed;
            cut.sequel.barrier = Some(barrier(request));
        }
        cut.sequel.is_last = true;
        true
    }

    fn plan(&mut self, index: usize, request: &Request<'_>, effect: Effect) -> bool {
        self.plan_at(index, request, request.sequence, effect)
    }

    fn plan_at(
        &mut self,
        index: usize,
        request: &Request<'_>,
        sequence: u64,
        effect: Effect,
    ) -> bool {
        let has_room = self.down.plans.have_room();
        if has_room {
            self.push(Arc::clone(&self.rules[index].of), request, sequence, effect);
        }
        has_room
    }

    fn push(&mut self, rule: Arc<Identity>, request: &Request<'_>, sequence: u64, effect: Effect) {
        let other_value = matches!(effect, Effect::Change(Change::WrongValue, _));
        let key = request.keys().next().filter(|_| other_value).unwrap_or_default();
        self.down.plans.push(Plan {
            sequence,
            dialect: dialect(request),
            command: request.verb.word.name,
            rule,
            effect,
            key: key.into(),
        });
    }
}
