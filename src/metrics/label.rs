//! What nodes and whatever is too much are called.

use crate::base::name::NodeIndex;

/// Nodes that are told apart, as many as a run may have; more share a name.
const NODES_MAX: usize = 100;

/// The name that is shared by what is beyond a bound.
pub(super) const OTHER: &str = "other";

/// What a node is called on a page.
pub(super) fn of_node(node: NodeIndex) -> String {
    if node.position() < NODES_MAX { node.to_string() } else { OTHER.to_owned() }
}
