//! When each fault starts and heals: resolved before the run, sorted, printable.

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
    /// How long it lasts; it ends with the fault phase at the latest.
    pub length: Duration,
    /// Which direction, for a fault of the network.
    pub direction: Direction,
    /// The share of connections that it works on, 0 to 1, for a fault of the network.
    pub toxicity: f32,
    /// A toxic of the proxy, or a fault of the node.
    pub fault: Chosen,
}

/// What to do at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Apply the fault at this place of the plan.
    Apply(usize),
    /// Take it back.
    Heal(usize),
}

/// Every step in its order; at the same moment healing comes first, so that a fault which follows
/// another of its kind meets a healthy node.
#[must_use]
pub fn steps(faults: &[FaultSpec]) -> Vec<(Duration, Step)> {
    let mut steps: Vec<(Duration, Step)> = Vec::with_capacity(faults.len() * 2);
    for (index, fault) in faults.iter().enumerate() {
        steps.push((fault.at, Step::Apply(index)));
        steps.push((fault.at + fault.length, Step::Heal(index)));
    }
    // A fault of no length (a flush) is still applied before it is healed.
    steps.sort_by_key(|(at, step)| match *step {
        Step::Heal(index) if faults[index].length.is_zero() => (*at, 2, index),
        Step::Heal(index) => (*at, 0, index),
        Step::Apply(index) => (*at, 1, index),
    });
    steps
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
            length: Duration::from_secs(length),
            direction: Direction::default(),
            toxicity: 1.0,
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
}
