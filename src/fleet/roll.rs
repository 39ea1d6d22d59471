//! Who is there, and how far: the rendezvous as a state machine. It takes what was heard and when, and says
//! who is refused and who is out; it waits for nobody.

use std::time::Duration;

use super::words::Hello;
use crate::base::time::Offset;

/// What a member must agree with.
#[derive(Clone, Debug)]
pub(super) struct Terms {
    pub(super) of: u32,
    pub(super) run_id: String,
    pub(super) scenario: String,
    pub(super) version: &'static str,
}

/// How far a member is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    Joined,
    Ready,
    Drained,
    Left,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Seat {
    Empty,
    In { host: String, stage: Stage, heard: Offset },
    Out { host: Option<String>, why: String },
}

/// Everybody but member 0.
#[derive(Clone, Debug)]
pub(super) struct Roll {
    terms: Terms,
    /// Of member 1, 2, and so on.
    seats: Vec<Seat>,
    /// When nobody could join any more.
    closed: Option<Offset>,
}

impl Roll {
    pub(super) fn new(terms: Terms) -> Self {
        let seats = vec![Seat::Empty; terms.of.saturating_sub(1) as usize];
        Self { terms, seats, closed: None }
    }

    fn seat(&mut self, member: u32) -> Option<&mut Seat> {
        self.seats.get_mut((member as usize).checked_sub(1)?)
    }

    /// Somebody wants to join.
    ///
    /// # Errors
    /// Why not, for whoever asked.
    pub(super) fn join(&mut self, hello: &Hello, now: Offset) -> Result<(), String> {
        let Terms { of, run_id, scenario, version } = &self.terms;
        let differs = |what: &str, theirs: &str, ours: &str| {
            Err(format!("this member's {what} is {theirs}, and member 0's is {ours}"))
        };
        if hello.version != *version {
            return differs("version of the program", &hello.version, version);
        }
        if hello.of != *of {
            let [theirs, ours] = [hello.of, *of].map(|of| format!("one of {of}"));
            return differs("fleet", &theirs, &ours);
        }
        if let Some(theirs) = hello.run_id.as_ref().filter(|theirs| *theirs != run_id) {
            return differs("-run-id", theirs, run_id);
        }
        if let Some(theirs) = hello.scenario.as_ref().filter(|theirs| *theirs != scenario) {
            return differs("scenario", theirs, scenario);
        }
        if let Some(closed) = self.closed {
            let late = now.since(closed).as_secs_f64();
            return Err(format!(
                "member {} is late: the run began {late:.1} s ago without it",
                hello.index
            ));
        }
        let (index, host) = (hello.index, hello.host.clone());
        match self.seat(index) {
            None => {
                Err(format!("there is no member {index} to join: they are 1 to {}", hello.of - 1))
            }
            Some(Seat::In { host, .. }) => {
                Err(format!("{host} is member {index} already; give each another number"))
            }
            Some(seat) => {
                *seat = Seat::In { host, stage: Stage::Joined, heard: now };
                Ok(())
            }
        }
    }

    /// Nobody joins any more.
    pub(super) fn close(&mut self, now: Offset) {
        self.closed.get_or_insert(now);
    }

    /// Something was heard of a member.
    pub(super) fn hear(&mut self, member: u32, now: Offset) {
        if let Some(Seat::In { heard, .. }) = self.seat(member) {
            *heard = now;
        }
    }

    /// A member is so far.
    pub(super) fn reach(&mut self, member: u32, reached: Stage) {
        if let Some(Seat::In { stage, .. }) = self.seat(member) {
            *stage = (*stage).max(reached);
        }
    }

    /// A member is out, unless it has done its part; whether that is news.
    pub(super) fn lose(&mut self, member: u32, why: &str) -> bool {
        let Some(seat) = self.seat(member) else { return false };
        let Seat::In { host, stage, .. } = seat else { return false };
        if *stage == Stage::Left {
            return false;
        }
        *seat = Seat::Out { host: Some(host.clone()), why: why.to_owned() };
        true
    }

    /// Those of whom nothing was heard for longer than `silence`. Who leaves its run says nothing else.
    pub(super) fn silent(&self, now: Offset, silence: Duration) -> Vec<u32> {
        self.where_is(|seat| {
            matches!(seat, Seat::In { heard, stage, .. }
                if *stage < Stage::Drained && now.since(*heard) > silence)
        })
    }

    /// Whether each seat is taken, or was.
    pub(super) fn is_full(&self) -> bool {
        !self.seats.contains(&Seat::Empty)
    }

    /// Those who are in and not so far yet.
    pub(super) fn behind(&self, wanted: Stage) -> Vec<u32> {
        self.where_is(|seat| matches!(seat, Seat::In { stage, .. } if *stage < wanted))
    }

    /// Those who are in.
    pub(super) fn present(&self) -> Vec<u32> {
        self.where_is(|seat| matches!(seat, Seat::In { .. }))
    }

    /// Those who are not.
    pub(super) fn absent(&self) -> Vec<u32> {
        self.where_is(|seat| !matches!(seat, Seat::In { .. }))
    }

    fn where_is(&self, is: impl Fn(&Seat) -> bool) -> Vec<u32> {
        (1..).zip(&self.seats).filter(|(_, seat)| is(seat)).map(|(member, _)| member).collect()
    }

    /// One sentence for each who is not there.
    pub(super) fn missing(&self) -> Vec<String> {
        let sentence = |(member, seat): (u32, &Seat)| match seat {
            Seat::In { .. } => None,
            Seat::Empty => Some(format!("member {member} did not come")),
            Seat::Out { host: Some(host), why } => Some(format!("member {member} ({host}) {why}")),
            Seat::Out { host: None, why } => Some(format!("member {member} {why}")),
        };
        (1..).zip(&self.seats).filter_map(sentence).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn roll() -> Roll {
        Roll::new(Terms {
            of: 3,
            run_id: "r1".to_owned(),
            scenario: "latency".to_owned(),
            version: "1.0",
        })
    }

    fn hello(index: u32) -> Hello {
        Hello {
            version: "1.0".to_owned(),
            index,
            of: 3,
            run_id: None,
            scenario: None,
            host: format!("h{index}"),
        }
    }

    const fn at(seconds: u64) -> Offset {
        Offset(seconds * 1_000_000_000)
    }

    /// Catches a member that differs in anything, comes twice or has no place, and is let in all the same; the
    /// refusal must name both values.
    #[test]
    fn who_does_not_belong_is_refused_with_both_values() {
        let mut roll = roll();
        let text = |text: &str| Some(text.to_owned());
        for (hello, told) in [
            (Hello { version: "2.0".into(), ..hello(1) }, "program is 2.0, and member 0's is 1.0"),
            (Hello { of: 4, ..hello(1) }, "fleet is one of 4, and member 0's is one of 3"),
            (Hello { run_id: text("r2"), ..hello(1) }, "-run-id is r2, and member 0's is r1"),
            (Hello { scenario: text("x"), ..hello(1) }, "scenario is x, and member 0's is latency"),
            (hello(0), "there is no member 0 to join: they are 1 to 2"),
            (hello(3), "there is no member 3 to join: they are 1 to 2"),
        ] {
            let refused = roll.join(&hello, at(0)).unwrap_err();
            assert!(refused.contains(told), "{refused}");
        }
        let same = Hello { run_id: text("r1"), scenario: text("latency"), ..hello(1) };
        roll.join(&same, at(0)).unwrap();
        let twice = roll.join(&hello(1), at(0)).unwrap_err();
        assert!(twice.contains("h1 is member 1 already"), "{twice}");
    }

    /// Catches a member that is let in when the run has begun, with a clock and a load that do not fit.
    #[test]
    fn who_is_late_is_told_by_how_much() {
        let mut roll = roll();
        roll.join(&hello(1), at(0)).unwrap();
        assert!(!roll.is_full());
        roll.close(at(10));
        let late = roll.join(&hello(2), at(12)).unwrap_err();
        assert_eq!(late, "member 2 is late: the run began 2.0 s ago without it");
        assert_eq!(roll.missing(), ["member 2 did not come"]);
    }

    /// Catches a wait for somebody who is out, a member that is lost when it has done its part, one who may
    /// not come again before the run, and a step back.
    #[test]
    fn nobody_waits_for_who_is_out() {
        let mut roll = roll();
        roll.join(&hello(1), at(0)).unwrap();
        roll.join(&hello(2), at(0)).unwrap();
        assert!(roll.lose(2, "fell out") && !roll.lose(2, "again"));
        roll.join(&hello(2), at(1)).unwrap();
        assert_eq!(roll.behind(Stage::Ready), [1, 2]);
        roll.reach(1, Stage::Drained);
        roll.reach(1, Stage::Ready);
        assert_eq!(roll.behind(Stage::Drained), [2]);
        assert!(roll.lose(2, "fell out at 3 s"));
        assert!(roll.behind(Stage::Left) == [1] && roll.present() == [1]);
        assert_eq!(roll.missing(), ["member 2 (h2) fell out at 3 s"]);
        roll.reach(1, Stage::Left);
        assert!(!roll.lose(1, "closed") && roll.present() == [1]);
    }

    /// Catches a member that hangs and is waited for for ever.
    #[test]
    fn who_says_nothing_is_named() {
        let mut roll = roll();
        roll.join(&hello(1), at(0)).unwrap();
        roll.join(&hello(2), at(0)).unwrap();
        roll.hear(1, at(8));
        let silence = Duration::from_secs(10);
        assert!(roll.silent(at(10), silence).is_empty());
        assert_eq!(roll.silent(at(11), silence), [2]);
        assert_eq!(roll.silent(at(19), silence), [1, 2]);
    }
}
