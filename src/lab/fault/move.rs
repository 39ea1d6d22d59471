//! `move`.

use super::{NameAction, NodeAction, Old};
use crate::base::family::{Kind, Setting, Unit};

pub(super) const KIND: Kind<NodeAction> = Kind {
    name: "move",
    summary: "give the name of a node another address at the start of the fault, for good; needs -names",
    settings: &[Setting {
        name: "old",
        unit: Unit::Choice(&Old::WORDS),
        default: Some(Old::WORDS[0]),
        summary: "refuses: nobody is at the old address any more, and its connections are closed; stays: the node \
                  answers there, too, until the fault ends; other: the next node answers there, for good",
    }],
    build: |settings| {
        let old = match settings.text("old")? {
            "stays" => Old::Stays,
            "other" => Old::Other,
            _ => Old::Refuses,
        };
        Ok(Box::new(NodeAction::Name(NameAction::Move(old))))
    },
};
