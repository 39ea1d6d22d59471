//! `flush`.

use super::NodeAction;
use crate::base::family::Kind;

pub(super) const KIND: Kind<NodeAction> = Kind {
    name: "flush",
    summary: "empty the node (flush_all) at the start of the fault",
    settings: &[],
    build: |_| Ok(Box::new(NodeAction::Flush)),
};
