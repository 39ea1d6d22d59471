//! `certificate`.

use super::NodeAction;
use crate::base::family::{Kind, Setting, Unit};
use crate::secure::authority::Flaw;

/// The words in files.
const WORDS: [&str; 3] = [Flaw::WORDS[0].0, Flaw::WORDS[1].0, Flaw::WORDS[2].0];

pub(super) const KIND: Kind<NodeAction> = Kind {
    name: "certificate",
    summary: "show a flawed certificate to who connects from now on, until the fault ends; open connections go on; \
              needs -tls",
    settings: &[Setting {
        name: "flaw",
        unit: Unit::Choice(&WORDS),
        default: Some(WORDS[0]),
        summary: "expired: its time is over; wrong_name: it is for another host; unknown_authority: nobody knows \
                  who signed it",
    }],
    build: |settings| {
        let word = settings.text("flaw")?;
        let found = Flaw::WORDS.iter().find(|(known, _)| *known == word);
        Ok(Box::new(NodeAction::Certificate(found.map_or(Flaw::Expired, |(_, flaw)| *flaw))))
    },
};
