//! `join`.

use super::{NodeAction, Relist};
use crate::base::family::Kind;

pub(super) const KIND: Kind<NodeAction> = Kind {
    name: "join",
    summary: "put a node into the list that clients are told, for good; it runs before, and nobody is told of it",
    settings: &[],
    build: |_| Ok(Box::new(NodeAction::List(Relist::Join))),
};
