//! When each fault starts and heals: at times that are resolved before the run, or after something that
//! happens in it.

use std::time::Duration;

use crate::base::family::Chosen;
use crate::base::name::NodeIndex;

/// Which direction of a connection a network fault works on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, strum::IntoStaticStr)]
#[strum(serialize_all = "lowercase")]
pub enum Direction {
    /// From the client to the node.
    Upstream,
    /// From the node to the client.
    #[default]
    Downstream,
    /// Each direction by itself.
    Both,
}

impl Direction {
    /// The word in files and reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// One fault of a plan, with nothing left to interpret.
#[derive(Clone, Debug, PartialEq)]
pub struct FaultSpec {
    /// Its name in the plan, unique there.
    pub name: String,
    /// The nodes it targets.
    pub nodes: Vec<NodeIndex>,
    /// When it starts, since the fault phase began.
    pub at: Duration,
    /// What it waits for instead: it starts when that has happened.
    pub after: Option<After>,
    /// How long it lasts; it ends with the fault phase at the latest.
    pub length: Duration,
    /// It ends before that when it has touched so many operations.
    pub until_touched: Option<u64>,
    /// Which direction, for a fault of the network.
    pub direction: Direction,
    /// The share of connections that it works on, 0 to 1, for a fault of the network.
    pub toxicity: f32,
    /// Whose list of nodes, for a fault of such; `None`: everybody's.
    pub group: Option<String>,
    /// A toxic of the proxy, or a fault of the node.
    pub fault: Chosen,
}

/// Something that a fault waits for. None of it counts before the fault phase.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum After {
    /// The proxies of its nodes have seen so many requests.
    Requests(Awaited),
    /// Somebody said that this has happened.
    Event(String),
    /// The breaker of one of its nodes is open.
    BreakerOpen,
    /// The fault of this name was healed.
    Healed(String),
}

/// Requests that are waited for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Awaited {
    /// How many, at all nodes of the fault together.
    pub count: u64,
    /// Of which commands, as globs with commas between them.
    pub command: String,
    /// For which keys, as a glob.
    pub key: String,
}

impl Awaited {
    /// A glob that means every command, or every key and none.
    pub const ANY: &str = "*";
}

impl std::fmt::Display for Awaited {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { count, command, key } = self;
        write!(f, "{count} ")?;
        if command != Self::ANY {
            write!(f, "`{command}` ")?;
        }
        f.write_str(if *count == 1 { "request" } else { "requests" })?;
        if key != Self::ANY {
            write!(f, " for `{key}`")?;
        }
        Ok(())
    }
}

impl std::fmt::Display for After {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Requests(awaited) => write!(f, "its nodes have had {awaited}"),
            Self::Event(name) => write!(f, "the event `{name}` comes"),
            Self::BreakerOpen => write!(f, "the breaker of one of its nodes is open"),
            Self::Healed(name) => write!(f, "`{name}` was healed"),
        }
    }
}

/// Something that happened, for whoever waits for it.
#[derive(Clone, Copy, Debug)]
pub enum Fact<'a> {
    /// The fault at this place has waited while its nodes had so many of the requests it waits for.
    Requests(usize, u64),
    /// The fault at this place has touched so many operations since it began.
    Touched(usize, u64),
    /// This was said to have happened.
    Event(&'a str),
    /// The breaker of this node is open.
    Open(NodeIndex),
    /// The fault at this place of the plan was healed.
    Healed(usize),
}

/// What to do at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Apply the fault at this place of the plan.
    Apply(usize),
    /// Take it back.
    Heal(usize),
}

/// Every step of the faults that begin at a time, in its order; at the same moment healing comes first, so
/// that a fault which follows another of its kind meets a healthy node.
#[must_use]
pub fn steps(faults: &[FaultSpec]) -> Vec<(Duration, Step)> {
    let timed = faults.iter().enumerate().filter(|(_, fault)| fault.after.is_none());
    let mut steps: Vec<_> = timed.flat_map(|(index, fault)| of(index, fault.at, fault)).collect();
    sort(&mut steps, faults);
    steps
}

fn of(index: usize, at: Duration, fault: &FaultSpec) -> [(Duration, Step); 2] {
    [(at, Step::Apply(index)), (at + fault.length, Step::Heal(index))]
}

fn sort(steps: &mut [(Duration, Step)], faults: &[FaultSpec]) {
    // A fault of no length (a flush) is still applied before it is healed.
    steps.sort_by_key(|(at, step)| match *step {
        Step::Heal(index) if faults[index].length.is_zero() => (*at, 2, index),
        Step::Heal(index) => (*at, 0, index),
        Step::Apply(index) => (*at, 1, index),
    });
}

/// What is to be done when, as things happen.
#[derive(Debug)]
pub struct Timeline<'a> {
    faults: &'a [FaultSpec],
    /// In their order; what was done is gone.
    steps: Vec<(Duration, Step)>,
    /// The places of the faults that wait for something.
    waiting: Vec<usize>,
}

impl<'a> Timeline<'a> {
    /// Nothing has happened yet.
    #[must_use]
    pub fn new(faults: &'a [FaultSpec]) -> Self {
        let waits = |index: &usize| faults[*index].after.is_some();
        Self { faults, steps: steps(faults), waiting: (0..faults.len()).filter(waits).collect() }
    }

    /// When the next step is due.
    #[must_use]
    pub fn next(&self) -> Option<Duration> {
        self.steps.first().map(|(at, _)| *at)
    }

    /// Takes the next step that is due at `now`.
    pub fn take(&mut self, now: Duration) -> Option<Step> {
        let is_due = self.next().is_some_and(|at| at <= now);
        is_due.then(|| self.steps.remove(0).1)
    }

    /// Whether a fault waits for something other than its time.
    #[must_use]
    pub fn waits(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Something happened at `at`: what has waited for it is due from then on.
    pub fn tell(&mut self, at: Duration, fact: Fact<'_>) {
        let faults = self.faults;
        if let Fact::Touched(index, count) = fact {
            if faults[index].until_touched.is_some_and(|enough| count >= enough) {
                self.end(index, at);
            }
            return;
        }
        let begins = |index: &mut usize| is_what(faults, *index, fact);
        let begun: Vec<usize> = self.waiting.extract_if(.., begins).collect();
        self.steps.extend(begun.into_iter().flat_map(|index| of(index, at, &faults[index])));
        sort(&mut self.steps, faults);
    }

    /// Heals the fault at this place no later than `at`.
    fn end(&mut self, index: usize, at: Duration) {
        let heal = self.steps.iter_mut().find(|(_, step)| *step == Step::Heal(index));
        heal.into_iter().for_each(|(due, _)| *due = at.min(*due));
        sort(&mut self.steps, self.faults);
    }
}

/// Whether `fact` is what the fault at this place waits for.
fn is_what(faults: &[FaultSpec], index: usize, fact: Fact<'_>) -> bool {
    let fault = &faults[index];
    match (&fault.after, fact) {
        (Some(After::Requests(wanted)), Fact::Requests(whose, seen)) => {
            whose == index && seen >= wanted.count
        }
        (Some(After::Event(wanted)), Fact::Event(name)) => wanted == name,
        (Some(After::BreakerOpen), Fact::Open(node)) => fault.nodes.contains(&node),
        (Some(After::Healed(wanted)), Fact::Healed(index)) => faults[index].name == *wanted,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::family::Settings;

    fn fault(at: u64, length: u64) -> FaultSpec {
        FaultSpec {
            name: format!("at-{at}"),
            nodes: vec![NodeIndex(0)],
            at: Duration::from_secs(at),
            after: None,
            length: Duration::from_secs(length),
            until_touched: None,
            direction: Direction::default(),
            toxicity: 1.0,
            group: None,
            fault: Chosen { kind: "kill".into(), settings: Settings::default() },
        }
    }

    /// Catches a flapping node whose second outage begins before its first has ended.
    #[test]
    fn healing_comes_before_applying_at_the_same_moment() {
        let faults = [fault(2, 2), fault(0, 2)];
        let secs = Duration::from_secs;
        assert_eq!(
            steps(&faults),
            [
                (secs(0), Step::Apply(1)),
                (secs(2), Step::Heal(1)),
                (secs(2), Step::Apply(0)),
                (secs(4), Step::Heal(0)),
            ]
        );
    }

    /// Catches a fault without length that is healed before it was applied.
    #[test]
    fn a_fault_of_no_length_is_applied_first() {
        let faults = [fault(1, 0)];
        let second = Duration::from_secs(1);
        assert_eq!(steps(&faults), [(second, Step::Apply(0)), (second, Step::Heal(0))]);
    }

    fn after(name: &str, length: u64, after: After) -> FaultSpec {
        FaultSpec { name: name.into(), after: Some(after), ..fault(0, length) }
    }

    /// Takes every step that is due, as a nemesis does: what is healed is told.
    fn done(timeline: &mut Timeline<'_>, now: u64) -> Vec<Step> {
        let now = Duration::from_secs(now);
        let mut done = Vec::new();
        while let Some(step) = timeline.take(now) {
            if let Step::Heal(index) = step {
                timeline.tell(now, Fact::Healed(index));
            }
            done.push(step);
        }
        done
    }

    /// Catches a fault that begins before what it waits for, without it, or twice, and one that is not
    /// healed its length after it began.
    #[test]
    fn a_fault_begins_after_what_it_waits_for() {
        let secs = Duration::from_secs;
        let awaited = |count| {
            let (command, key) = ("set".to_owned(), Awaited::ANY.to_owned());
            After::Requests(Awaited { count, command, key })
        };
        for (wanted, early, fact) in [
            (awaited(100), Fact::Requests(0, 99), Fact::Requests(0, 100)),
            (awaited(100), Fact::Requests(1, 500), Fact::Requests(0, 101)),
            (After::Event("full".into()), Fact::Event("ful"), Fact::Event("full")),
            (After::BreakerOpen, Fact::Open(NodeIndex(1)), Fact::Open(NodeIndex(0))),
        ] {
            let faults = [after("a", 3, wanted.clone())];
            let mut timeline = Timeline::new(&faults);
            timeline.tell(secs(1), early);
            assert_eq!((timeline.next(), timeline.waits()), (None, true), "{wanted}");
            timeline.tell(secs(2), fact);
            timeline.tell(secs(3), fact);
            assert_eq!(done(&mut timeline, 2), [Step::Apply(0)], "{wanted}");
            assert_eq!(done(&mut timeline, 4), [], "{wanted}");
            assert_eq!(done(&mut timeline, 5), [Step::Heal(0)], "{wanted}");
            assert_eq!((timeline.next(), timeline.waits()), (None, false), "{wanted}");
        }
    }

    /// Catches a fault that goes on although it has touched enough, one that ends too early, later than its
    /// length or twice, and one that is ended before it begins.
    #[test]
    fn a_fault_ends_when_it_has_touched_enough() {
        let secs = Duration::from_secs;
        let until = |fault: FaultSpec, touched| FaultSpec { until_touched: Some(touched), ..fault };
        let faults = [until(fault(1, 5), 3), fault(0, 8), until(fault(9, 1), 1)];
        let mut timeline = Timeline::new(&faults);
        assert_eq!(done(&mut timeline, 1), [Step::Apply(1), Step::Apply(0)]);
        timeline.tell(secs(2), Fact::Touched(0, 2));
        timeline.tell(secs(2), Fact::Touched(1, 900));
        assert_eq!(done(&mut timeline, 2), []);
        timeline.tell(secs(3), Fact::Touched(0, 3));
        timeline.tell(secs(4), Fact::Touched(0, 4));
        assert_eq!(timeline.next(), Some(secs(3)));
        assert_eq!(done(&mut timeline, 4), [Step::Heal(0)]);
        assert_eq!(done(&mut timeline, 8), [Step::Heal(1)]);
        assert_eq!(done(&mut timeline, 9), [Step::Apply(2)]);
        timeline.tell(secs(11), Fact::Touched(2, 1));
        assert_eq!(timeline.next(), Some(secs(10)), "its length was over before");
    }

    /// Catches a chain whose second link begins with the first, or never.
    #[test]
    fn one_follows_another() {
        let faults = [
            after("third", 1, After::Healed("second".into())),
            after("second", 2, After::Healed("at-1".into())),
            fault(1, 1),
        ];
        let mut timeline = Timeline::new(&faults);
        assert_eq!(done(&mut timeline, 1), [Step::Apply(2)]);
        assert_eq!(done(&mut timeline, 2), [Step::Heal(2), Step::Apply(1)]);
        assert_eq!(done(&mut timeline, 3), []);
        assert_eq!(done(&mut timeline, 4), [Step::Heal(1), Step::Apply(0)]);
        assert_eq!(done(&mut timeline, 5), [Step::Heal(0)]);
    }
}
