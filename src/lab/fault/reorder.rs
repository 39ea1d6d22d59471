//! `reorder`.

use super::{NodeAction, Relist};
use crate::base::family::Kind;

pub(super) const KIND: Kind<NodeAction> = Kind {
    name: "reorder",
    summary: "put a node at the end of the list that clients are told until the fault ends",
    settings: &[],
    build: |_| Ok(Box::new(NodeAction::List(Relist::Reorder))),
};
