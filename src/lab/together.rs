//! What faults of one timeline would do to each other, as far as times tell.

use std::collections::BTreeMap;

use super::error::{LabError, failed};
use super::fault::{FAULTS, NodeAction};
use super::names;
use super::timeline::{FaultSpec, Step, steps};
use crate::base::name::NodeIndex;

/// Whether these faults can be done on one timeline.
pub(super) fn can(count: u16, faults: &[FaultSpec]) -> Result<(), LabError> {
    can_meet(count, faults)?;
    can_set_clocks(faults)
}

fn action(fault: &FaultSpec) -> Option<NodeAction> {
    FAULTS.find(&fault.fault.kind)?.make(&fault.fault.settings).ok().map(|action| *action)
}

/// What a fault changes of nodes, and of which.
fn concerned(count: u16, fault: &FaultSpec) -> Vec<(NodeIndex, &'static str)> {
    let each = |what| fault.nodes.iter().map(|node| (*node, what)).collect();
    match action(fault) {
        Some(NodeAction::Name(action)) => {
            let of = |node: &NodeIndex| names::concerned(action, *node, count);
            fault.nodes.iter().flat_map(of).map(|node| (node, "address")).collect()
        }
        Some(NodeAction::Certificate(_)) => each("certificate"),
        Some(NodeAction::Password) => each("password"),
        _ => Vec::new(),
    }
}

/// Whether nothing is done to a node while that is done to it already, or while its process is stopped: the one would
/// take back what the other has done.
fn can_meet(count: u16, faults: &[FaultSpec]) -> Result<(), LabError> {
    let mut begun: Vec<usize> = Vec::new();
    for (_, step) in steps(faults) {
        match step {
            Step::Heal(index) => begun.retain(|it| *it != index),
            Step::Apply(index) => {
                let changed = begun.iter().find_map(|other| changing(count, faults, *other, index));
                let stopped = || {
                    let (other, node) = excluding(faults, begun.iter().copied(), index)?;
                    Some((other, format!("is done to the process of {node}")))
                };
                if let Some((other, what)) = changed.or_else(stopped) {
                    let other = &faults[other].name;
                    let what = format!(
                        "`{other}` {what} at that time, and one would end what the other has begun; let it begin when \
                         `{other}` has ended, such as with then = \"{other}\""
                    );
                    return Err(failed(&faults[index], what));
                }
                begun.push(index);
            }
        }
    }
    Ok(())
}

/// What `other` changes that `later` does, too.
fn changing(
    count: u16,
    faults: &[FaultSpec],
    other: usize,
    later: usize,
) -> Option<(usize, String)> {
    let wanted = concerned(count, &faults[later]);
    let both = concerned(count, &faults[other]).into_iter().find(|it| wanted.contains(it))?;
    Some((other, format!("changes the {} of the same node", both.1)))
}

/// Of the faults that are `active`, one beside which `later` cannot be done, and on which node.
pub(super) fn excluding(
    faults: &[FaultSpec],
    mut active: impl Iterator<Item = usize>,
    later: usize,
) -> Option<(usize, NodeIndex)> {
    let (fault, by) = (&faults[later], action(&faults[later])?);
    active.find_map(|index| {
        let other = &faults[index];
        let both = other.nodes.iter().find(|node| fault.nodes.contains(node))?;
        action(other)?.excludes(by).then_some((index, *both))
    })
}

/// Whether no clock is set back further than a node has seconds, all faults together: none is taken back.
fn can_set_clocks(faults: &[FaultSpec]) -> Result<(), LabError> {
    let timed = steps(faults).into_iter().filter_map(|(_, step)| match step {
        Step::Apply(index) => Some(index),
        Step::Heal(_) => None,
    });
    // When the others begin is not known: at the worst, behind all of these.
    let waiting = (0..faults.len()).filter(|index| faults[*index].after.is_some());
    let mut ahead: BTreeMap<NodeIndex, i64> = BTreeMap::new();
    for index in timed.chain(waiting) {
        let Some(NodeAction::Clock { ahead: by }) = action(&faults[index]) else { continue };
        for node in &faults[index].nodes {
            let clock = ahead.entry(*node).or_default();
            *clock += by;
            if *clock < -NodeAction::CLOCK_BEHIND_MAX_S {
                let what = format!(
                    "together with the others it sets the clock of {node} {} s back, and none goes back by more than \
                     {} s: clocks are not set right again when a fault ends",
                    -*clock,
                    NodeAction::CLOCK_BEHIND_MAX_S
                );
                return Err(failed(&faults[index], what));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::base::family::{Chosen, Settings, Value};
    use crate::lab::timeline::Direction;

    fn fault(
        name: &str,
        kind: &str,
        setting: Option<(&str, Value)>,
        node: u16,
        at: u64,
    ) -> FaultSpec {
        let mut settings = Settings::default();
        if let Some((name, value)) = setting {
            settings.insert(name, value);
        }
        FaultSpec {
            name: name.to_owned(),
            nodes: vec![NodeIndex(node)],
            at: Duration::from_secs(at),
            after: None,
            length: Duration::from_secs(2),
            until_touched: None,
            direction: Direction::Both,
            toxicity: 1.0,
            group: None,
            fault: Chosen { kind: kind.to_owned(), settings },
        }
    }

    /// Catches two faults of which the first that ends takes back what the other has done, and faults that are refused
    /// although they never meet.
    #[test]
    fn a_node_is_changed_and_stopped_by_one_at_a_time() {
        let shared = |name, node, at| fault(name, "two_owners", None, node, at);
        let moved = |name, node, at| fault(name, "move", None, node, at);
        let keyed = |name, node, at| fault(name, "password", None, node, at);
        let plain = |name, kind, node, at| fault(name, kind, None, node, at);
        for (faults, refused) in [
            (vec![shared("a", 0, 0), moved("b", 0, 1)], Some("b")),
            (vec![moved("a", 1, 0), shared("b", 0, 1)], Some("b")),
            (vec![shared("a", 2, 0), moved("b", 0, 1)], Some("b")),
            (vec![moved("a", 0, 0), moved("b", 0, 1)], Some("b")),
            (vec![shared("a", 0, 0), moved("b", 0, 2)], None),
            (vec![shared("a", 0, 0), moved("b", 2, 1)], None),
            (vec![moved("a", 0, 0), moved("b", 1, 1)], None),
            (vec![shared("a", 0, 0), fault("b", "flap", None, 0, 1)], None),
            (vec![keyed("a", 0, 0), keyed("b", 0, 1)], Some("b")),
            (vec![keyed("a", 0, 0), keyed("b", 1, 1)], None),
            (vec![keyed("a", 0, 0), fault("b", "certificate", None, 0, 1)], None),
            (vec![plain("a", "kill", 0, 0), plain("b", "kill", 0, 1)], Some("b")),
            (vec![plain("a", "pause", 0, 0), plain("b", "flush", 0, 1)], Some("b")),
            (vec![plain("a", "flush", 0, 0), plain("b", "pause", 0, 1)], None),
            (vec![plain("a", "kill", 0, 0), plain("b", "pause", 1, 1)], None),
            (vec![plain("a", "kill", 0, 0), plain("b", "kill", 0, 2)], None),
            (vec![keyed("a", 0, 0), plain("b", "kill", 0, 1)], Some("b")),
        ] {
            match (can(3, &faults), refused) {
                (Ok(()), None) => {}
                (Err(LabError::Fault { fault, what, .. }), Some(name)) => {
                    assert!(fault == name && what.contains("then = \"a\""), "{fault}: {what}");
                }
                other => panic!("{faults:?}: {other:?}"),
            }
        }
    }

    /// Catches clocks that are set back one after the other to where a node has no seconds.
    #[test]
    fn clocks_that_are_set_back_add_up() {
        let clock = |name, setting, seconds, node, at| {
            fault(name, "clock", Some((setting, Value::Integer(seconds))), node, at)
        };
        let back = |seconds, node, at| clock("back", "behind", seconds, node, at);
        assert!(can(3, &[back(40, 0, 0), back(20, 0, 1), back(60, 1, 1)]).is_ok());
        assert!(can(3, &[back(40, 0, 1), clock("on", "ahead", 30, 0, 0), back(40, 0, 2)]).is_ok());
        let error = can(3, &[back(40, 0, 0), back(21, 0, 1)]).unwrap_err().to_string();
        assert!(error.contains("n1 61 s back") && error.contains("60 s"), "{error}");
        let waits =
            FaultSpec { after: Some(crate::lab::timeline::After::BreakerOpen), ..back(21, 0, 0) };
        assert!(can(3, &[waits, back(40, 0, 1)]).is_err());
    }
}
