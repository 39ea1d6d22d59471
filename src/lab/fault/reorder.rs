//! `reorder`.

use super::{NameAction, NodeAction};
use crate::base::family::Kind;

pub(super) const KIND: Kind<NodeAction> = Kind {
    name: "reorder",
    summary: "put a node at the end of the list nodes.harness.test until the fault ends; needs -names",
    settings: &[],
    build: |_| Ok(Box::new(NodeAction::Name(NameAction::Reorder))),
};
