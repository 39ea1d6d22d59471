//! `password`.

use super::NodeAction;
use crate::base::family::Kind;

pub(super) const KIND: Kind<NodeAction> = Kind {
    name: "password",
    summary: "let in only who knows another password from now on, until the fault ends; who is in stays in; needs \
              -auth or -sasl",
    settings: &[],
    build: |_| Ok(Box::new(NodeAction::Password)),
};
