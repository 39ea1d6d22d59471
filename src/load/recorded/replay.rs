//! How a recording is replayed: its own arrival times, faster or slower, once or again and again.

use std::sync::Arc;
use std::time::Duration;

use super::{Recording, Request, TraceFormat};
use crate::base::seed::Stream;
use crate::base::units::Rate;
use crate::event::Operation;
use crate::load::arrival::{Arrival, ArrivalSpec, Pace};

/// A recording, where it came from, and how it is replayed.
#[derive(Clone, Debug, PartialEq)]
pub struct TraceReplay {
    /// The file, or the name of one that is built in.
    pub file: String,
    /// How it is written.
    pub format: TraceFormat,
    /// How much faster than it was recorded.
    pub speed: f64,
    /// Whether it starts over at its end; else nothing is asked any more.
    pub repeat: bool,
    /// What was read of it.
    pub recording: Arc<Recording>,
}

impl TraceReplay {
    /// How long one pass takes.
    #[must_use]
    pub fn length(&self) -> Duration {
        Duration::try_from_secs_f64(self.recording.length.as_secs_f64() / self.speed)
            .unwrap_or(Duration::MAX)
    }

    /// The request of the n-th operation, from 0.
    pub(in crate::load) fn request(&self, number: u64) -> &Request {
        let requests = &self.recording.requests;
        let place = number % requests.len() as u64;
        &requests[usize::try_from(place).expect("RECORDED_REQUESTS_MAX fits")]
    }

    /// Leaves out what a client cannot do.
    pub(in crate::load) fn only(&mut self, can: impl Fn(Operation) -> bool) {
        if !self.recording.facts.operations.iter().all(|(operation, _)| can(*operation)) {
            self.recording = Arc::new(self.recording.only(can));
        }
    }
}

impl ArrivalSpec for TraceReplay {
    /// That of its busiest second.
    fn rate(&self) -> Option<Rate> {
        #[expect(clippy::cast_precision_loss, reason = "at most RECORDED_REQUESTS_MAX")]
        let peak = self.recording.facts.peak as f64 * self.speed;
        Rate::per_second(peak.clamp(Rate::MIN_PER_SECOND, Rate::MAX_PER_SECOND))
    }

    /// Not asked: a trace has times of its own, and `-rate` is refused beside one.
    fn with_rate(&self, _: Rate) -> Box<dyn ArrivalSpec> {
        Box::new(self.clone())
    }

    fn start(&self, _: Stream) -> Pace {
        Pace::Open(Box::new(Position { replay: self.clone(), number: 0 }))
    }
}

#[derive(Debug)]
struct Position {
    replay: TraceReplay,
    number: u64,
}

impl Arrival for Position {
    fn next_due(&mut self) -> Option<Duration> {
        let requests = self.replay.recording.requests.len() as u64;
        let round = self.number.checked_div(requests)?;
        if round > 0 && !self.replay.repeat {
            return None;
        }
        let due = Duration::from_micros(self.replay.request(self.number).due_us);
        let before = self.replay.recording.length.checked_mul(u32::try_from(round).ok()?)?;
        self.number += 1;
        Duration::try_from_secs_f64((due + before).as_secs_f64() / self.replay.speed).ok()
    }
}
