//! Who is in the list of nodes that clients are told, and in which order: one list for each group of clients.
//!
//! It decides and tells nobody. What a fault takes is counted, node by node, so that faults which overlap
//! can be healed in any order: each gives back exactly what it took.

use super::fault::{FAULTS, NodeAction, Relist};
use super::timeline::FaultSpec;
use crate::base::name::NodeIndex;

/// What a group of clients is told at first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Its name, by which faults mean it.
    pub name: String,
    /// The nodes in its list, in this order.
    pub sees: Vec<NodeIndex>,
}

/// The list of one group, as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Which group, in the order of the plan; 0 where there are none.
    pub group: usize,
    /// The nodes, in their order: at least one.
    pub nodes: Vec<NodeIndex>,
}

/// The lists of a lab.
#[derive(Debug)]
pub(super) struct Members {
    groups: Vec<Roll>,
}

/// One list.
#[derive(Debug)]
struct Roll {
    name: Option<String>,
    /// Every node that can be in it, in the order of the list.
    entries: Vec<Entry>,
}

/// A node in a list.
#[derive(Debug)]
struct Entry {
    node: NodeIndex,
    is_in: bool,
    /// Faults that keep it out.
    left: u32,
    /// Faults that have it at the end.
    last: u32,
}

impl Entry {
    const fn is_listed(&self) -> bool {
        self.is_in && self.left == 0
    }
}

impl Members {
    /// Lists of `nodes` nodes, one for each group or one for all clients. Nodes that join later, by a fault,
    /// are not in them yet; one that is in nobody's list joins at the end of it.
    pub(super) fn new(nodes: u16, groups: &[Group], joins: &[Joins]) -> Self {
        let all = || (0..nodes).map(NodeIndex);
        let roll = |name: Option<&str>, sees: Vec<NodeIndex>| {
            let joins = |node| joins.iter().any(|it| it.is_for(name) && it.nodes.contains(&node));
            let rest = all().filter(|node| !sees.contains(node));
            let entry = |(node, is_in)| Entry { node, is_in, left: 0, last: 0 };
            let seen = sees.iter().map(|node| (*node, !joins(*node)));
            let entries = seen.chain(rest.map(|node| (node, false))).map(entry).collect();
            Roll { name: name.map(str::to_owned), entries }
        };
        let groups = match groups {
            [] => vec![roll(None, all().collect())],
            groups => groups.iter().map(|it| roll(Some(&it.name), it.sees.clone())).collect(),
        };
        Self { groups }
    }

    /// Every list as it is.
    pub(super) fn all(&self) -> impl Iterator<Item = Listed> {
        (0..).zip(&self.groups).map(|(group, roll)| Listed { group, nodes: roll.list() })
    }

    /// Begins a fault on a node, in one group's list or in all of them; returns the lists that are others now.
    ///
    /// # Errors
    /// When a list would be empty. Nothing is changed then.
    pub(super) fn begin(
        &mut self,
        group: Option<&str>,
        node: NodeIndex,
        what: Relist,
    ) -> Result<Vec<Listed>, String> {
        if what == Relist::Leave {
            let empty = |roll: &&Roll| roll.is_called(group) && roll.list() == [node];
            if let Some(roll) = self.groups.iter().find(empty) {
                let of = roll.name.as_ref().map(|name| format!(" of group `{name}`"));
                let of = of.unwrap_or_default();
                return Err(format!("{node} is the last one in the list{of}, which must have one"));
            }
        }
        Ok(self.change(group, node, |entry| match what {
            Relist::Join => entry.is_in = true,
            Relist::Leave => entry.left += 1,
            Relist::Reorder => entry.last += 1,
        }))
    }

    /// Gives back what a fault took; returns the lists that are others now.
    pub(super) fn end(
        &mut self,
        group: Option<&str>,
        node: NodeIndex,
        what: Relist,
    ) -> Vec<Listed> {
        self.change(group, node, |entry| match what {
            Relist::Join => {}
            Relist::Leave => entry.left = entry.left.saturating_sub(1),
            Relist::Reorder => entry.last = entry.last.saturating_sub(1),
        })
    }

    fn change(
        &mut self,
        group: Option<&str>,
        node: NodeIndex,
        change: impl Fn(&mut Entry),
    ) -> Vec<Listed> {
        let mut changed = Vec::new();
        for (place, roll) in (0..).zip(&mut self.groups).filter(|(_, roll)| roll.is_called(group)) {
            let before = roll.list();
            roll.entries.iter_mut().filter(|entry| entry.node == node).for_each(&change);
            let nodes = roll.list();
            if nodes != before {
                changed.push(Listed { group: place, nodes });
            }
        }
        changed
    }
}

impl Roll {
    fn is_called(&self, group: Option<&str>) -> bool {
        group.is_none_or(|group| self.name.as_deref() == Some(group))
    }

    fn list(&self) -> Vec<NodeIndex> {
        let listed = |last: bool| {
            let of = move |entry: &&Entry| entry.is_listed() && (entry.last > 0) == last;
            self.entries.iter().filter(of).map(|entry| entry.node)
        };
        listed(false).chain(listed(true)).collect()
    }
}

/// Nodes that join a list later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Joins {
    /// Whose list; `None`: everybody's.
    group: Option<String>,
    nodes: Vec<NodeIndex>,
}

impl Joins {
    /// Those that a timeline has.
    #[must_use]
    pub fn of(faults: &[FaultSpec]) -> Vec<Self> {
        let joins = |fault: &&FaultSpec| relist(fault) == Some(Relist::Join);
        let of = |it: &FaultSpec| Self { group: it.group.clone(), nodes: it.nodes.clone() };
        faults.iter().filter(joins).map(of).collect()
    }

    fn is_for(&self, group: Option<&str>) -> bool {
        self.group.as_deref().is_none_or(|wanted| group == Some(wanted))
    }
}

/// What a fault does to a list, where it does anything.
pub(super) fn relist(fault: &FaultSpec) -> Option<Relist> {
    match FAULTS.make(&fault.fault).ok().as_deref() {
        Some(NodeAction::List(what)) => Some(*what),
        _ => None,
    }
}

#[cfg(test)]
#[path = "members/tests.rs"]
mod tests;
