//! `two_owners`.

use super::{NameAction, NodeAction};
use crate::base::family::Kind;

pub(super) const KIND: Kind<NodeAction> = Kind {
    name: "two_owners",
    summary: "give the name of a node a second address, where the next node answers with its own data; the two take \
              turns in being the first of an answer, and connections are closed at both ends of the fault; needs \
              -names",
    settings: &[],
    build: |_| Ok(Box::new(NodeAction::Name(NameAction::TwoOwners))),
};
