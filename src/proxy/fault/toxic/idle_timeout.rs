//! `idle_timeout`: a connection on which nothing has passed for a while, in either direction, is ended,
//! or forgotten as by a firewall: nobody is told, and who uses it later gets a reset, or nothing.
//!
//! It is about the connection, so it acts on both directions whichever is meant. A connection that was
//! forgotten stays so: when the toxic is removed, it is reset.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use super::{Clear, Toxic, ToxicSpec};
use crate::base::family::{Kind, Setting, Unit};
use crate::base::seed::Stream;
use crate::base::time::DurationText;
use crate::proxy::fault::outbox::Outbox;
use crate::proxy::fault::setting::time;

const HOW: &[&str] = &["fin", "reset", "forget"];
const LATER: &[&str] = &["reset", "nothing"];

pub(in crate::proxy::fault) const KIND: Kind<dyn ToxicSpec> = Kind {
    name: "idle_timeout",
    summary: "end or forget connections on which nothing passes for a while",
    settings: &[
        Setting {
            name: "after",
            unit: Unit::Milliseconds,
            default: None,
            summary: "how long nothing passes, in either direction",
        },
        Setting {
            name: "how",
            unit: Unit::Choice(HOW),
            default: Some("fin"),
            summary: "fin or reset: both sides are told; forget: nobody is, as by a firewall",
        },
        Setting {
            name: "later",
            unit: Unit::Choice(LATER),
            default: Some("reset"),
            summary: "what comes on a connection that was forgotten is answered by a reset, or by nothing",
        },
    ],
    build: |settings| {
        Ok(Box::new(Spec {
            after: time(settings, "after", Unit::Milliseconds)?,
            how: match settings.text("how")? {
                "reset" => How::Reset,
                "forget" => How::Forget,
                _ => How::Fin,
            },
            answers: settings.text("later")? != "nothing",
        }))
    },
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    Fin,
    Reset,
    Forget,
}

#[derive(Clone, Copy, Debug)]
struct Spec {
    after: Duration,
    how: How,
    /// Whether what comes later is answered by a reset.
    answers: bool,
}

impl ToxicSpec for Spec {
    fn start(&self, now: Instant, draws: Stream) -> Box<dyn Toxic> {
        self.resume(now, draws, 0)
    }

    /// Whoever was forgotten stays so; for others the time begins again.
    fn resume(&self, now: Instant, _: Stream, forgotten: u64) -> Box<dyn Toxic> {
        let state = if forgotten > 0 { State::Forgotten } else { State::Quiet(now) };
        Box::new(IdleTimeout { spec: *self, state })
    }

    fn words(&self) -> Option<String> {
        let after = DurationText(self.after);
        let what = match (self.how, self.answers) {
            (How::Fin, _) => "closed",
            (How::Reset, _) => "reset",
            (How::Forget, true) => "forgotten without a word: the next use is answered by a reset",
            (How::Forget, false) => "forgotten without a word: the next use is answered by nothing",
        };
        Some(format!("a connection on which nothing passed for {after} is {what}"))
    }

    fn has_directions(&self) -> bool {
        false
    }

    fn needs_both_directions(&self) -> bool {
        true
    }
}

#[derive(Debug)]
struct IdleTimeout {
    spec: Spec,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Nothing passed since then.
    Quiet(Instant),
    /// It was ended.
    Over,
    Forgotten,
}

impl IdleTimeout {
    /// Whether what comes passes. What does not is answered as was asked for.
    fn passes(&mut self, now: Instant, out: &mut Outbox) -> bool {
        if self.state == State::Forgotten {
            out.touch();
            if self.spec.answers {
                out.reset();
            }
            return false;
        }
        self.on_other(now);
        true
    }
}

impl Toxic for IdleTimeout {
    fn on_data(&mut self, now: Instant, data: Bytes, out: &mut Outbox) {
        if self.passes(now, out) {
            out.data(data);
        }
    }

    fn on_end(&mut self, now: Instant, out: &mut Outbox) {
        if self.passes(now, out) {
            out.end();
        }
    }

    fn on_other(&mut self, now: Instant) {
        if let State::Quiet(since) = &mut self.state {
            *since = now;
        }
    }

    fn deadline(&self) -> Option<Instant> {
        match self.state {
            State::Quiet(since) => Some(since + self.spec.after),
            State::Over | State::Forgotten => None,
        }
    }

    fn on_deadline(&mut self, _: Instant, out: &mut Outbox) {
        self.state = State::Over;
        match self.spec.how {
            How::Fin => out.close(),
            How::Reset => out.reset(),
            How::Forget => self.state = State::Forgotten,
        }
    }

    fn clear(&self) -> Clear {
        if self.state == State::Forgotten { Clear::Reset } else { Clear::Deliver }
    }

    fn carried(&self) -> u64 {
        (self.state == State::Forgotten).into()
    }
}

#[cfg(test)]
mod tests {
    use crate::base::family::Value;
    use crate::proxy::fault::toxic::Clear;
    use crate::proxy::fault::toxic::testing::{Bench, settings};

    fn bench(how: &str, later: &str) -> Bench {
        let mut chosen = settings(&[("after", 50.0)]);
        chosen.insert("how", Value::Text(how.into()));
        chosen.insert("later", Value::Text(later.into()));
        Bench::new(&super::KIND, &chosen)
    }

    /// Catches a timer that traffic of one direction does not restart, and one that ends it twice.
    #[test]
    fn it_ends_only_after_silence_in_both_directions() {
        let mut fin = bench("fin", "reset");
        fin.data_at(10, b"a").other_at(50).run_to(1000);
        assert_eq!(fin.out(), ["10 a", "100 close"]);
        let mut reset = bench("reset", "reset");
        reset.run_to(1000);
        assert_eq!((reset.out(), reset.touched()), (vec!["50 reset".to_owned()], 1));
    }

    /// Catches a firewall that tells somebody, that lets a late segment through, or that remembers when
    /// it is taken away.
    #[test]
    fn what_was_forgotten_is_dead_at_the_next_use() {
        for (later, answer) in [("reset", vec!["200 reset"]), ("nothing", vec![])] {
            let mut bench = bench("forget", later);
            bench.run_to(100).other_at(150);
            assert_eq!((bench.touched(), bench.clear()), (0, Clear::Reset));
            bench.data_at(200, b"late").end_at(210);
            assert_eq!(bench.out(), answer, "{later}");
        }
    }
}
