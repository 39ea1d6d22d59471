//! `dns`.

use std::time::Duration;

use super::{Failure, NameAction, NodeAction};
use crate::base::family::{Kind, Setting, SettingError, Unit};

/// The words in files.
const WORDS: [&str; 5] = ["servfail", "nxdomain", "silence", "late", "truncated"];

/// The longest that an answer is held back: no resolver waits longer.
const DELAY_MAX: Duration = Duration::from_secs(60);

pub(super) const KIND: Kind<NodeAction> = Kind {
    name: "dns",
    summary: "fail the questions for the name of a node until the fault ends; on all nodes, also those for the \
              list; open connections go on; needs -names",
    settings: &[
        Setting {
            name: "answer",
            unit: Unit::Choice(&WORDS),
            default: Some(WORDS[0]),
            summary: "servfail: the server cannot say; nxdomain: there is no such name; silence: none; late: the \
                      right one after `delay`; truncated: the right one over TCP only",
        },
        Setting {
            name: "delay",
            unit: Unit::Milliseconds,
            default: Some("0s"),
            summary: "how late an answer is that is `late`",
        },
    ],
    build: |settings| {
        let delay = settings.duration("delay", Unit::Milliseconds)?;
        let failure = match settings.text("answer")? {
            "nxdomain" => Failure::NxDomain,
            "silence" => Failure::Silence,
            "truncated" => Failure::Truncated,
            "late" if delay.is_zero() || delay > DELAY_MAX => {
                let what = "a late answer needs a `delay` of at most a minute; write \"3s\"";
                return Err(SettingError::at("delay", what));
            }
            "late" => Failure::Late(delay),
            _ => Failure::ServFail,
        };
        if !delay.is_zero() && !matches!(failure, Failure::Late(_)) {
            let what =
                "`delay` is for an answer that is `late`; leave it out, or write answer = \"late\"";
            return Err(SettingError::at("delay", what));
        }
        Ok(Box::new(NodeAction::Name(NameAction::Fail(failure))))
    },
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::family::{Settings, Value};

    fn made(answer: &str, delay_ms: i64) -> Result<NodeAction, String> {
        let mut settings = Settings::default();
        settings.insert("answer", Value::Text(answer.into()));
        settings.insert("delay", Value::Integer(delay_ms));
        KIND.make(&settings).map(|action| *action).map_err(|error| error.what)
    }

    /// Catches a word that does something else, a late answer that is not late, and a delay of which nothing
    /// would come.
    #[test]
    fn each_word_is_its_failure() {
        for (word, delay, failure) in [
            ("servfail", 0, Failure::ServFail),
            ("nxdomain", 0, Failure::NxDomain),
            ("silence", 0, Failure::Silence),
            ("late", 3000, Failure::Late(Duration::from_secs(3))),
            ("truncated", 0, Failure::Truncated),
        ] {
            assert_eq!(
                made(word, delay),
                Ok(NodeAction::Name(NameAction::Fail(failure))),
                "{word}"
            );
        }
        assert!(made("late", 0).unwrap_err().contains("needs a `delay`"));
        assert!(made("late", 60_001).unwrap_err().contains("at most a minute"));
        assert!(made("silence", 5).unwrap_err().contains("answer = \"late\""));
    }
}
