//! `replay`: the due times of a recorded trace.

use std::sync::Arc;
use std::time::Duration;

use super::{Arrival, ArrivalSpec, Pace};
use crate::base::family::{Kind, Setting, SettingError, Unit};
use crate::base::seed::Stream;
use crate::base::units::Rate;
use crate::load::trace::RecordedTrace;

pub(super) const KIND: Kind<dyn ArrivalSpec> = Kind {
    name: "replay",
    summary: "the due times of a recorded trace",
    settings: &[
        Setting {
            name: "file",
            unit: Unit::Text,
            default: None,
            summary: "a text file: the word due_us, then one due time a line, in microseconds",
        },
        Setting {
            name: "repeat",
            unit: Unit::Flag,
            default: Some("true"),
            summary: "whether to start over at the end",
        },
    ],
    build: |settings| {
        let trace = RecordedTrace::read(settings.text("file")?)
            .map_err(|error| SettingError::at("file", error.to_string()))?;
        let repeat = settings.flag("repeat")?;
        Ok(Box::new(Replay { trace: Arc::new(trace), scale: 1.0, repeat }))
    },
};

#[derive(Clone, Debug)]
struct Replay {
    trace: Arc<RecordedTrace>,
    /// RecordedTrace times are multiplied by this.
    scale: f64,
    repeat: bool,
}

impl ArrivalSpec for Replay {
    fn rate(&self) -> Option<Rate> {
        Rate::per_second(self.trace.rate().as_per_second() / self.scale)
            .or_else(|| Rate::per_second(Rate::MAX_PER_SECOND))
    }

    /// The trace runs faster or slower, so that its mean becomes `rate`.
    fn with_rate(&self, rate: Rate) -> Box<dyn ArrivalSpec> {
        let scale = self.trace.rate().as_per_second() / rate.as_per_second();
        Box::new(Self { scale, ..self.clone() })
    }

    fn start(&self, _: Stream) -> Pace {
        Pace::Open(Box::new(Position { replay: self.clone(), round: 0, next: 0 }))
    }
}

#[derive(Debug)]
struct Position {
    replay: Replay,
    round: u32,
    next: usize,
}

impl Arrival for Position {
    fn next_due(&mut self) -> Option<Duration> {
        let trace = &self.replay.trace;
        if self.next == trace.dues().len() {
            if !self.replay.repeat {
                return None;
            }
            self.round = self.round.checked_add(1)?;
            self.next = 0;
        }
        let due = trace.dues()[self.next] + trace.length().checked_mul(self.round)?;
        self.next += 1;
        Duration::try_from_secs_f64(due.as_secs_f64() * self.replay.scale).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::arrival::tests::dues_us;

    fn replay(repeat: bool) -> Replay {
        let trace = RecordedTrace::parse("due_us\n0\n10\n10\n70\n").unwrap();
        Replay { trace: Arc::new(trace), scale: 1.0, repeat }
    }

    /// Catches a trace that loses its rhythm, its end, or the gap before it starts over.
    #[test]
    fn a_trace_is_kept_and_repeated() {
        assert_eq!(dues_us(&replay(false), 9), [0, 10, 10, 70]);
        // Three gaps in 70 us make a mean gap of 23.333: the second round starts after one more.
        assert_eq!(dues_us(&replay(true), 6), [0, 10, 10, 70, 93, 103]);
    }

    /// Catches a `-rate` that a trace ignores.
    #[test]
    fn a_rate_scales_the_trace() {
        let mean = replay(false).rate().unwrap().as_per_second();
        let slower = replay(false).with_rate(Rate::per_second(mean / 2.0).unwrap());
        assert_eq!(dues_us(&*slower, 9), [0, 20, 20, 140]);
    }
}
