//! What the wire tells of a client, whoever it is: how long it waits, how long it leaves a broken node
//! alone, whether it asks again or elsewhere, and how soon it is back after the heal.
//!
//! Everything is read from pieces of time of one length: a moment is the beginning of its piece, and one
//! after the heal is in a piece that began after it.

mod pieces;
mod reconnects;

use std::time::Duration;

use self::pieces::Pieces;
use super::measure::Reading;
use crate::base::name::NodeIndex;
use crate::base::time::Offset;
use crate::event::{EventKind, FaultRecord, Phase};
use crate::record::{Summary, WireNode, WireTimes, ratio};

/// A broken node that nobody asks for less than this was not left alone on purpose.
const LEFT_ALONE_MIN: Duration = Duration::from_millis(100);
/// How long a client may take to notice, before it is said to hammer a broken node.
const PROBED_AFTER: Duration = Duration::from_secs(1);
/// The shortest time in which probes are counted.
const PROBED_MIN: Duration = Duration::from_millis(500);
/// The share of the steady rate that is as good as all of it.
const BACK: f64 = 0.9;
/// Replies a second before the fault, with fewer of which chance decides about a second.
const STEADY_MIN: f64 = 20.0;

/// Why an attempt is not known: see [`crate::record::WirePieces::shut`].
const SHUT: &str =
    "its door was shut at times: the system turns clients away there, and tells nobody";
const NOT_HEALED: &str = "the fault was not healed";
const NOT_LOOKED: &str = "the run went on for longer than pieces of time were kept";
const ENDED: &str = "the run ended with the heal";

/// What the wire tells of one node that was broken.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ToldNode {
    pub(crate) node: NodeIndex,
    /// How long its clients wait for a reply.
    pub(crate) give_up: Reading,
    /// How long they keep a connection on which they never say a word.
    pub(crate) connect_give_up: Reading,
    /// How long they leave it alone while it is broken, at most.
    pub(crate) dead_time: Reading,
    /// The median of these times, and whether the longest was cut by the heal.
    pub(crate) dead_time_median: Option<f64>,
    pub(crate) dead_time_cut: Option<bool>,
    pub(crate) probe_rate: Reading,
    pub(crate) resends: Reading,
    /// The same of requests that were answered: so many come again by chance.
    pub(crate) resends_by_chance: Reading,
    pub(crate) keys_moved: Reading,
    pub(crate) first_request: Reading,
    pub(crate) first_reply: Reading,
    pub(crate) sustained: Reading,
    /// The most connects in a second from the fault on, and before it.
    pub(crate) connect_peak: Reading,
    pub(crate) steady_connect_peak: Reading,
    /// Connects a second that go on when all is long well again, beyond what is usual.
    pub(crate) reconnects: Reading,
}

/// What the wire tells of every node that was broken, in their order.
pub(crate) fn told(summary: &Summary) -> Vec<ToldNode> {
    let nodes = summary.inputs.wire_nodes.iter();
    nodes.filter_map(|wire| Look::at(summary, wire).map(|look| look.told(summary, wire))).collect()
}

/// One node that was broken, and when.
struct Look<'a> {
    pieces: Pieces<'a>,
    /// From when until when; the last may have no end.
    broken: Vec<(Offset, Option<Offset>)>,
    steady: (Offset, Offset),
    /// The end of the run, before the drain.
    end: Offset,
}

impl<'a> Look<'a> {
    fn at(summary: &Summary, wire: &'a WireNode) -> Option<Self> {
        let mut broken: Vec<_> =
            summary.faults_on(wire.node).flat_map(|fault| times_of(summary, fault)).collect();
        broken.sort_unstable_by_key(|(from, _)| *from);
        let broken = merged(broken);
        let first = broken.first()?.0;
        let steady = summary.phase(Phase::Steady);
        let drain = summary.phase(Phase::Drain);
        Some(Self {
            pieces: Pieces(&wire.pieces),
            steady: steady.map_or((first, first), |phase| (phase.start, phase.end.min(first))),
            end: drain.map_or(summary.inputs.ended, |phase| phase.start),
            broken,
        })
    }

    fn told(&self, summary: &Summary, wire: &WireNode) -> ToldNode {
        let asked = &wire.asked;
        let (dead_time, dead_time_median, dead_time_cut) = self.dead_time();
        let share = |part, whole, why| Reading::known(ratio(part, whole), whole, why);
        let unlearned = "too few requests were given up to know how soon one must come again";
        ToldNode {
            node: wire.node,
            give_up: waited(
                &wire.given_up,
                "no client closed a connection on which a reply was due",
            ),
            connect_give_up: waited(&wire.silent, "no client closed a connection without a word"),
            dead_time,
            dead_time_median,
            dead_time_cut,
            probe_rate: self.probe_rate(),
            resends: share(asked.unanswered_again, asked.unanswered, unlearned),
            resends_by_chance: share(asked.answered_again, asked.answered, unlearned),
            keys_moved: share(
                asked.elsewhere,
                asked.at_home + asked.elsewhere,
                "none of its keys was asked for in the fault phase",
            ),
            first_request: self.first(),
            first_reply: self.first_reply(),
            sustained: self.sustained(),
            connect_peak: self.connect_peak((self.broken[0].0, self.end)),
            steady_connect_peak: self.connect_peak(self.steady),
            reconnects: self.reconnects(summary),
        }
    }

    /// When it was broken as a whole; `Err`: nobody saw who came.
    fn seen_broken(&self) -> Result<Vec<(Offset, Offset)>, &'static str> {
        let until = |end: Option<Offset>| end.unwrap_or(self.end);
        let broken: Vec<_> = self.broken.iter().map(|(from, end)| (*from, until(*end))).collect();
        let meets = |(from, end): &(Offset, Offset)| {
            let mut shut = self.pieces.0.shut.iter();
            shut.any(|(closed, opened)| closed < end && opened.is_none_or(|opened| opened > *from))
        };
        match broken.last() {
            Some((_, end)) if !self.pieces.reach(*end) => Err(NOT_LOOKED),
            _ if broken.iter().any(meets) => Err(SHUT),
            _ => Ok(broken),
        }
    }

    /// The longest time without an attempt, the median of all of them, and whether the heal cut the longest.
    fn dead_time(&self) -> (Reading, Option<f64>, Option<bool>) {
        let broken = match self.seen_broken() {
            Ok(broken) => broken,
            Err(why) => return (Reading::Unknown(why.to_owned()), None, None),
        };
        let usual = self.pieces.quiet(self.steady);
        if usual.iter().any(|quiet| quiet.is_all) {
            let why = "nobody asked it in the steady phase".to_owned();
            return (Reading::Unknown(why), None, None);
        }
        let usual = usual.iter().map(|quiet| quiet.length).max().unwrap_or_default();
        let alone = broken.into_iter().flat_map(|times| self.pieces.quiet(times));
        let is_long = |length: Duration| length > usual && length >= LEFT_ALONE_MIN;
        let mut alone: Vec<_> = alone.filter(|quiet| is_long(quiet.length)).collect();
        alone.sort_by_key(|quiet| quiet.length);
        let seconds = |place: usize| alone.get(place).map(|quiet| quiet.length.as_secs_f64());
        let longest = seconds(alone.len().wrapping_sub(1)).unwrap_or_default();
        let reading = Reading::Value { value: longest, samples: alone.len() as u64 };
        (reading, seconds(alone.len() / 2), alone.last().map(|quiet| quiet.is_cut))
    }

    /// Connects and requests a second, after the first second.
    fn probe_rate(&self) -> Reading {
        let broken = match self.seen_broken() {
            Ok(broken) => broken,
            Err(why) => return Reading::Unknown(why.to_owned()),
        };
        let (mut count, mut length) = (0, Duration::ZERO);
        for (from, end) in broken {
            let probed = self.pieces.within((from.plus(PROBED_AFTER), end));
            length += self
                .pieces
                .0
                .length
                .saturating_mul(u32::try_from(probed.len()).unwrap_or(u32::MAX));
            count += probed
                .iter()
                .map(|it| u64::from(it.connects) + u64::from(it.requests))
                .sum::<u64>();
        }
        if length < PROBED_MIN {
            return Reading::Unknown("it was broken for less than 1.5 s".to_owned());
        }
        #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
        let value = count as f64 / length.as_secs_f64();
        Reading::Value { value, samples: count }
    }

    /// From the heal to the end, or why that says nothing.
    fn healed(&self) -> Result<(Offset, Offset), Reading> {
        let unknown = |why: &str| Err(Reading::Unknown(why.to_owned()));
        match self.broken.last() {
            Some((_, Some(heal))) if heal.plus(self.pieces.0.length * 2) > self.end => {
                unknown(ENDED)
            }
            Some((_, Some(heal))) if !self.pieces.reach(*heal) => unknown(NOT_LOOKED),
            Some((_, Some(heal))) => Ok((*heal, self.end)),
            _ => unknown(NOT_HEALED),
        }
    }

    /// What was looked for after the heal until the end and never came.
    fn never(&self, what: &str) -> Reading {
        match self.healed() {
            Ok((_, end)) if !self.pieces.reach(end) => Reading::Unknown(NOT_LOOKED.to_owned()),
            Ok((heal, end)) => Reading::Never {
                what: what.to_owned(),
                looked: end.since(heal).as_secs_f64(),
                samples: 1,
            },
            Err(why) => why,
        }
    }

    fn first(&self) -> Reading {
        let times = match self.healed() {
            Ok(times) => times,
            Err(why) => return why,
        };
        match self.pieces.first(times, |piece| piece.requests > 0) {
            Some(after) => Reading::Value { value: after.as_secs_f64(), samples: 1 },
            None => self.never("the node was not asked again before the run ended"),
        }
    }

    fn first_reply(&self) -> Reading {
        let ((heal, end), asked) = match (self.healed(), self.first()) {
            (Ok(times), Reading::Value { value, .. }) => (times, Duration::from_secs_f64(value)),
            (_, why) => return why,
        };
        // One to a request from before the heal says less.
        match self.pieces.first((heal.plus(asked), end), |piece| piece.replies > 0) {
            Some(after) => Reading::Value { value: (asked + after).as_secs_f64(), samples: 1 },
            None => self.never("the node was asked again, and no reply came before the run ended"),
        }
    }

    /// From the heal to the first second with nine tenths of the replies of a steady one.
    fn sustained(&self) -> Reading {
        let times = match (self.healed(), self.first_reply()) {
            (Ok(times), Reading::Value { .. }) => times,
            (_, why) => return why,
        };
        let Some(steady) =
            self.pieces.replies_per_s(self.steady).filter(|rate| *rate >= STEADY_MIN)
        else {
            let why = format!("fewer than {STEADY_MIN} replies a second before the fault");
            return Reading::Unknown(why);
        };
        match self.pieces.first_second(times, steady * BACK) {
            Ok(Some(after)) => Reading::Value { value: after.as_secs_f64(), samples: 1 },
            Ok(None) => self.never(&format!(
                "the node was not back to 90 % of {steady:.0} replies a second before the run ended"
            )),
            Err(()) => Reading::Unknown("the run ended within a second of the heal".to_owned()),
        }
    }

    fn connect_peak(&self, times: (Offset, Offset)) -> Reading {
        if !self.pieces.reach(times.1) {
            return Reading::Unknown(NOT_LOOKED.to_owned());
        }
        match self.pieces.connect_peak(times) {
            Some((peak, all)) => Reading::Value { value: f64::from(peak), samples: all },
            None => Reading::Unknown("less than a second of it was looked at".to_owned()),
        }
    }
}

/// When a fault was there: each time, as far as that was told, or from the first time to the last.
fn times_of(summary: &Summary, record: &FaultRecord) -> Vec<(Offset, Option<Offset>)> {
    let Some(applied) = record.applied else { return Vec::new() };
    let at = |s: f64| Offset::from_duration(Duration::try_from_secs_f64(s).unwrap_or_default());
    let mut times: Vec<(Offset, Option<Offset>)> = Vec::new();
    for event in summary.events.iter().filter(|_| summary.dropped_events == 0) {
        match &event.kind {
            EventKind::FaultApplied { fault, .. } if *fault == record.name => {
                times.push((at(event.at_s), None));
            }
            EventKind::FaultHealed { fault, .. } if *fault == record.name => {
                times.iter_mut().rev().take(1).for_each(|(_, end)| *end = Some(at(event.at_s)));
            }
            _ => {}
        }
    }
    if times.is_empty() { vec![(applied, record.healed)] } else { times }
}

/// Times that overlap or touch are one; they come by their beginnings.
fn merged(times: Vec<(Offset, Option<Offset>)>) -> Vec<(Offset, Option<Offset>)> {
    let mut all: Vec<(Offset, Option<Offset>)> = Vec::new();
    for (from, end) in times {
        match all.last_mut() {
            Some((_, last)) if last.is_none_or(|last| from <= last) => {
                *last = last.zip(end).map(|(last, end)| last.max(end));
            }
            _ => all.push((from, end)),
        }
    }
    all
}

/// The median of what was waited.
fn waited(times: &WireTimes, none: &str) -> Reading {
    #[expect(clippy::cast_precision_loss, reason = "times are far below 2^53 us")]
    let seconds = times.p50.map(|us| us as f64 / 1e6);
    Reading::known(seconds, times.count, none)
}

#[cfg(test)]
mod tests;
