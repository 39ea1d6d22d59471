//! `flap`.

use super::{NameAction, NodeAction};
use crate::base::family::Kind;

pub(super) const KIND: Kind<NodeAction> = Kind {
    name: "flap",
    summary: "answer every other question for the name of a node with an address where nobody is, until the fault ends; needs -names",
    settings: &[],
    build: |_| Ok(Box::new(NodeAction::Name(NameAction::Flap))),
};
