//! `leave`.

use super::{NodeAction, Relist};
use crate::base::family::Kind;

pub(super) const KIND: Kind<NodeAction> = Kind {
    name: "leave",
    summary: "take a node out of the list that clients are told until the fault ends; it goes on, and so does its own name",
    settings: &[],
    build: |_| Ok(Box::new(NodeAction::List(Relist::Leave))),
};
