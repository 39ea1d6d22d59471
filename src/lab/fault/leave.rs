//! `leave`.

use super::{NameAction, NodeAction};
use crate::base::family::Kind;

pub(super) const KIND: Kind<NodeAction> = Kind {
    name: "leave",
    summary: "take a node out of the list nodes.harness.test until the fault ends; it goes on, and so does its own name; needs -names",
    settings: &[],
    build: |_| Ok(Box::new(NodeAction::Name(NameAction::Leave))),
};
