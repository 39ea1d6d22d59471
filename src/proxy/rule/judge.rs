//! Asks the rules of a connection about one request, and plans what they want done with it.

use tokio::time::Instant;

use super::action::{Action, Change, Reply, When};
use super::down::{Deed, Down, Ours, Plan, Stand};
use super::report::Reporter;
use super::state::Rule;
use super::up::Fate;
use crate::proxy::config::Direction;
use crate::proxy::matcher::RequestView;
use crate::proxy::outbox::Due;
use crate::proxy::table::Place;
use crate::proxy::tap::CloseManner;
use crate::wire::command::Dialect;
use crate::wire::observe::Request;
use crate::wire::reply::{Answer, Rendered, render};
use crate::wire::request::{Framing, Shape};

/// What was decided about one request.
#[derive(Debug)]
pub(super) struct Cut {
    pub(super) start: u64,
    pub(super) end: u64,
    pub(super) fate: Fate,
    pub(super) ours: Option<Ours>,
    /// The connection is dropped at its end.
    pub(super) last: Option<Last>,
    pub(super) closes: bool,
}

/// What follows the last request of a connection that is dropped.
#[derive(Clone, Copy, Debug)]
pub(super) enum Last {
    /// Its reply is owed first.
    Reply,
    /// It has none.
    Close(CloseManner),
}

impl Cut {
    /// A request that passes.
    pub(super) fn passing<T>(request: &Request<'_, T>) -> Self {
        Self {
            start: request.start,
            // Where nobody knows the end, the connection turns opaque right behind the head.
            end: request.end.unwrap_or(request.head_end),
            fate: Fate::Pass,
            ours: None,
            last: None,
            closes: request.framing.shape == Shape::Close,
        }
    }

    /// Whether nothing is done to it, and nothing changes behind it.
    pub(super) fn passes(&self) -> bool {
        self.fate == Fate::Pass && self.ours.is_none() && self.last.is_none() && !self.closes
    }

    /// Whether no later request reaches the server.
    pub(super) const fn is_last(&self) -> bool {
        self.last.is_some() || matches!(&self.ours, Some(Ours { what: Stand::Close(_), .. }))
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
    pub(super) fn ask<T: Copy>(&mut self, request: &Request<'_, T>, certain: bool, cut: &mut Cut) {
        let view = RequestView { framing: &request.framing, head: request.head };
        // A malformed request is the server's to refuse, and one without an end nobody's.
        if !request.framing.regular || request.end.is_none() || request.truncated {
            return;
        }
        if !certain {
            if self.rules.iter().any(|rule| rule.matches(&view)) {
                self.reporter.skipped();
            }
            return;
        }
        for index in 0..self.rules.len() {
            let Some(action) = self.rules[index].on_request(&view).cloned() else { continue };
            if self.act(index, request, action, cut) {
                return;
            }
            self.rules[index].was_in_vain();
            self.reporter.in_vain();
        }
    }

    /// Carries an action out. `false`: the request has nothing that it could be done to.
    fn act<T: Copy>(
        &mut self,
        index: usize,
        request: &Request<'_, T>,
        action: Action,
        cut: &mut Cut,
    ) -> bool {
        let noreply = request.is_noreply();
        let rule = &mut self.rules[index];
        match action {
            Action::Answer(reply) => {
                let Some(what) = answered(&request.framing, request.head, &reply) else {
                    return false;
                };
                cut.fate = Fate::Swallow;
                cut.ours = what.map(|bytes| self.ours(Stand::Reply(bytes)));
            }
            Action::Drop { when: When::Before, how } => {
                cut.fate = Fate::Swallow;
                cut.ours = Some(self.ours(Stand::Close(how)));
            }
            Action::Drop { how, .. } if noreply => cut.last = Some(Last::Close(how)),
            Action::Drop { when, how } => {
                let deed =
                    if when == When::After { Deed::DropAll(how) } else { Deed::DropHalf(how) };
                cut.last = Some(Last::Reply);
                return self.plan(index, request, deed);
            }
            Action::Delay { delay, jitter } => {
                if rule.covers(Direction::Up) {
                    cut.fate = Fate::Late(rule.due(self.now, delay, jitter));
                }
                if rule.covers(Direction::Down) && !noreply {
                    return self.plan(index, request, Deed::Delay(delay, jitter));
                }
            }
            Action::Hold => {
                if rule.covers(Direction::Up) {
                    cut.fate = Fate::Late(Due::Never);
                } else {
                    return !noreply && self.plan(index, request, Deed::Hold);
                }
            }
            Action::Tamper(_) if noreply => return false,
            Action::Tamper(change) => {
                let Some(change) = spoken(request, change) else { return false };
                return self.plan(index, request, Deed::Change(change));
            }
        }
        if cut.fate == Fate::Pass && cut.last.is_none() {
            return false;
        }
        let command = request.framing.command;
        self.reporter.fired(self.now, self.place.connection, command, &self.rules[index].of);
        true
    }

    const fn ours(&self, what: Stand) -> Ours {
        Ours { after: *self.owed, what }
    }

    fn plan<T: Copy>(&mut self, index: usize, request: &Request<'_, T>, deed: Deed) -> bool {
        self.down.plan(Plan {
            sequence: request.paired.sequence,
            dialect: request.framing.dialect,
            command: request.framing.command,
            rule: self.rules[index].of.id,
            deed,
            key: request.keys().next().unwrap_or_default().to_vec(),
        });
        true
    }
}

/// The reply of ours; `None` inside: silence. `None`: the command is never answered so.
fn answered(framing: &Framing, head: &[u8], reply: &Reply) -> Option<Option<Vec<u8>>> {
    let answer = match reply {
        Reply::Miss => Answer::Miss,
        Reply::NotStored => Answer::NotStored,
        Reply::Exists => Answer::Exists,
        Reply::Done => Answer::Done,
        Reply::Error(line, _) => Answer::Error(line),
    };
    let mut bytes = match render(framing, head, answer).ok()? {
        Rendered::Silence => return Some(None),
        Rendered::Reply(bytes) => bytes,
    };
    if let Reply::Error(_, status @ 1..) = reply
        && framing.dialect == Dialect::Binary
    {
        bytes[6..8].copy_from_slice(&status.to_be_bytes());
    }
    Some(Some(bytes))
}

/// The change in the words of the request's dialect: a line that nobody asked for is a packet on a
/// binary connection.
fn spoken<T: Copy>(request: &Request<'_, T>, change: Change) -> Option<Change> {
    let Change::Unsolicited(line) = change else { return Some(change) };
    if request.framing.dialect != Dialect::Binary {
        return Some(Change::Unsolicited([&line[..], b"\r\n"].concat().into()));
    }
    match render(&request.framing, request.head, Answer::Error(&line)).ok()? {
        Rendered::Reply(packet) => Some(Change::Unsolicited(packet.into())),
        Rendered::Silence => None,
    }
}
