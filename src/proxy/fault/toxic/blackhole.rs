//! `blackhole`: nothing passes, and nobody is told. As behind a pulled cable, the SYN of a new
//! connection is not answered either.

use bytes::Bytes;
use tokio::time::Instant;

use super::{Age, Clear, Entrance, Toxic, ToxicSpec};
use crate::base::family::{Kind, Setting, SettingError, Settings, Unit};
use crate::base::seed::Stream;
use crate::proxy::fault::outbox::{Due, Outbox};

const MODES: &[&str] = &["hold", "discard"];
const CLEARS: &[&str] = &["deliver", "close", "reset"];
const AFFECTS: &[&str] = &["all", "established", "new", "bytes"];

pub(in crate::proxy::fault) const KIND: Kind<dyn ToxicSpec> = Kind {
    name: "blackhole",
    summary: "let nothing pass and close nothing; by default, answer no new connection either",
    settings: &[
        Setting {
            name: "mode",
            unit: Unit::Choice(MODES),
            default: Some("hold"),
            summary: "hold: as TCP does, bytes are kept for later; discard: they are lost",
        },
        Setting {
            name: "on_clear",
            unit: Unit::Choice(CLEARS),
            default: Some("deliver"),
            summary: "what healing does to a connection; one that lost bytes is never continued, \
                      `deliver` then closes it",
        },
        Setting {
            name: "affects",
            unit: Unit::Choice(AFFECTS),
            default: Some("all"),
            summary: "all: every connection, and SYNs; established: connections that were open; \
                      new: SYNs only; bytes: every connection, connecting still works",
        },
    ],
    build: |settings| {
        let affects = match choice(settings, "affects", AFFECTS)? {
            0 => Affects::All,
            1 => Affects::Established,
            2 => Affects::New,
            _ => Affects::Bytes,
        };
        let clear = match choice(settings, "on_clear", CLEARS)? {
            0 => Clear::Deliver,
            1 => Clear::Close,
            _ => Clear::Reset,
        };
        let discard = choice(settings, "mode", MODES)? == 1;
        Ok(Box::new(Spec { discard, clear, affects }))
    },
};

fn choice(settings: &Settings, name: &str, words: &[&str]) -> Result<usize, SettingError> {
    let text = settings.text(name)?;
    words.iter().position(|word| *word == text).ok_or_else(|| {
        let what = crate::base::family::unknown("choice", text, words);
        SettingError::at(name, format!("`{name}`: {what}"))
    })
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Affects {
    All,
    Established,
    New,
    Bytes,
}

#[derive(Clone, Copy, Debug)]
struct Spec {
    discard: bool,
    clear: Clear,
    affects: Affects,
}

impl ToxicSpec for Spec {
    fn start(&self, _: Instant, _: Stream) -> Box<dyn Toxic> {
        Box::new(Blackhole { spec: *self, lost: false })
    }

    /// A stream that has a hole never goes on, whatever the mode is now.
    fn resume(&self, _: Instant, _: Stream, lost: u64) -> Box<dyn Toxic> {
        Box::new(Blackhole { spec: *self, lost: lost > 0 })
    }

    fn words(&self) -> Option<String> {
        let whom = match self.affects {
            Affects::All => "nothing passes and nothing is closed; no SYN is answered",
            Affects::Established => "connections that were open pass nothing; new ones work",
            Affects::New => "no SYN is answered; open connections work",
            Affects::Bytes => "nothing passes and nothing is closed; connecting works",
        };
        let end = match (self.discard, self.clear) {
            _ if self.affects == Affects::New => "",
            (false, Clear::Deliver) => "; what was kept back comes at the end",
            (true, Clear::Deliver) => "; bytes are lost, and who lost some is closed at the end",
            (_, Clear::Close) => "; those connections are closed at the end",
            (_, Clear::Reset) => "; those connections are reset at the end",
        };
        Some(format!("{whom}{end}"))
    }

    fn has_directions(&self) -> bool {
        self.affects != Affects::New
    }

    fn entrance(&self) -> Entrance {
        match self.affects {
            Affects::All | Affects::New => Entrance::Unanswered,
            Affects::Established | Affects::Bytes => Entrance::Open,
        }
    }

    fn affects(&self, age: Age) -> bool {
        match self.affects {
            Affects::All | Affects::Bytes => true,
            Affects::Established => age == Age::Established,
            // The SYN of a new connection is unanswered only if every connection is drawn; one
            // that was drawn from several gets this far and no further.
            Affects::New => age == Age::New,
        }
    }
}

#[derive(Debug)]
struct Blackhole {
    spec: Spec,
    lost: bool,
}

impl Toxic for Blackhole {
    fn on_data(&mut self, _: Instant, data: Bytes, out: &mut Outbox) {
        if self.spec.discard {
            self.lost = true;
            out.discard(data);
        } else {
            out.data_at(Due::Never, data);
        }
    }

    fn on_end(&mut self, _: Instant, out: &mut Outbox) {
        out.end_at(Due::Never);
    }

    fn clear(&self) -> Clear {
        if self.lost && self.spec.clear == Clear::Deliver { Clear::Close } else { self.spec.clear }
    }

    fn carried(&self) -> u64 {
        self.lost.into()
    }
}

#[cfg(test)]
mod tests {
    use crate::base::family::Value;
    use crate::proxy::fault::toxic::Clear;
    use crate::proxy::fault::toxic::testing::{Bench, settings};

    /// Catches a byte or an end that gets through, and a hole that healing would leave.
    #[test]
    fn nothing_passes_and_healing_leaves_no_hole() {
        for (mode, held, clear) in [
            ("hold", vec!["never x", "never end"], Clear::Deliver),
            ("discard", vec!["never end"], Clear::Close),
        ] {
            let mut chosen = settings(&[]);
            chosen.insert("mode", Value::Text(mode.into()));
            let mut bench = Bench::new(&super::KIND, &chosen);
            bench.data_at(0, b"x").end_at(5).run_to(1_000_000);
            assert_eq!(bench.clear(), clear);
            assert_eq!(bench.touched(), 1);
            assert_eq!(bench.out(), held);
        }
    }

    /// Catches a misspelt choice that silently means something else.
    #[test]
    fn a_wrong_choice_is_named() {
        let mut chosen = settings(&[]);
        chosen.insert("mode", Value::Text("holt".into()));
        let error = super::KIND.make(&chosen).unwrap_err();
        assert_eq!(error.to_string(), "`mode`: unknown choice `holt`; did you mean `hold`?");
    }
}
