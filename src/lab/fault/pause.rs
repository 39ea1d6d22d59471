//! `pause`.

use super::NodeAction;
use crate::base::family::Kind;

pub(super) const KIND: Kind<NodeAction> = Kind {
    name: "pause",
    summary: "stop the process (SIGSTOP): it accepts and never answers; it goes on when the fault ends",
    settings: &[],
    build: |_| Ok(Box::new(NodeAction::Pause)),
};
