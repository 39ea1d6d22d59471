//! `kill`.

use super::NodeAction;
use crate::base::family::Kind;

pub(super) const KIND: Kind<NodeAction> = Kind {
    name: "kill",
    summary: "kill the process (SIGKILL), lose its data, start it again when the fault ends",
    settings: &[],
    build: |_| Ok(Box::new(NodeAction::Kill)),
};
