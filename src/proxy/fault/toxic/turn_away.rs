//! `turn_away`: a new connection is accepted and sent away, as by a server that has as many as it
//! takes. What is open stays untouched.
//!
//! It is sent away before the server is connected to. Whoever is kept in silence goes on when the toxic
//! is removed or no longer means it.

use tokio::time::Instant;

use super::{Age, Farewell, Toxic, ToxicSpec, pass_through};
use crate::base::family::{Kind, Setting, Unit};
use crate::base::seed::Stream;
use crate::proxy::fault::setting::{line, size};

const HOW: &[&str] = &["line", "reset", "silence"];

pub(in crate::proxy::fault) const KIND: Kind<dyn ToxicSpec> = Kind {
    name: "turn_away",
    summary: "accept new connections and send them away; open ones are spared",
    settings: &[
        Setting {
            name: "how",
            unit: Unit::Choice(HOW),
            default: Some("line"),
            summary: "line: say `text` and close; reset: reset at once; silence: answer nothing",
        },
        Setting {
            name: "text",
            unit: Unit::Text,
            default: Some("ERROR Too many open connections"),
            summary: "the line; its end is added",
        },
        Setting {
            name: "after_connections",
            unit: Unit::Count,
            default: Some("0"),
            summary: "how many may be open before the next is sent away",
        },
    ],
    build: |settings| {
        let farewell = match settings.text("how")? {
            "reset" => Farewell::Reset,
            "silence" => Farewell::Silence,
            _ => Farewell::Line([&line(settings, "text")?[..], b"\r\n"].concat().into()),
        };
        Ok(Box::new(Spec { farewell, after: size(settings, "after_connections")? }))
    },
};

#[derive(Clone, Debug)]
struct Spec {
    farewell: Farewell,
    after: u64,
}

impl ToxicSpec for Spec {
    fn start(&self, _: Instant, _: Stream) -> Box<dyn Toxic> {
        pass_through()
    }

    fn words(&self) -> Option<String> {
        let how = match &self.farewell {
            Farewell::Line(line) => {
                format!("told `{}` and closed", line.trim_ascii_end().escape_ascii())
            }
            Farewell::Reset => "reset".to_owned(),
            Farewell::Silence => "not answered".to_owned(),
        };
        let which = match self.after {
            0 => "new connections are".to_owned(),
            after => format!("when {after} connections are open, the next are"),
        };
        Some(format!("{which} accepted and {how}; open ones work"))
    }

    fn has_directions(&self) -> bool {
        false
    }

    fn turn_away(&self, open: u64) -> Option<Farewell> {
        (open >= self.after).then(|| self.farewell.clone())
    }

    /// It is over before there are any bytes.
    fn affects(&self, _: Age) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::base::family::{Settings, Value};

    fn spec(settings: &[(&str, Value)]) -> Result<Box<dyn ToxicSpec>, String> {
        let mut chosen = Settings::default();
        settings.iter().for_each(|(name, value)| chosen.insert(*name, value.clone()));
        KIND.make(&chosen).map_err(|error| error.what)
    }

    /// Catches a line in other words than memcached's, one without its end, and a bound that is off by
    /// one.
    #[test]
    fn the_next_is_sent_away_once_so_many_are_open() {
        let spec = spec(&[("after_connections", Value::Integer(2))]).unwrap();
        assert_eq!((spec.turn_away(0), spec.turn_away(1)), (None, None));
        let line = Bytes::from_static(b"ERROR Too many open connections\r\n");
        assert_eq!(spec.turn_away(2), Some(Farewell::Line(line)));
    }

    /// Catches a text that would be two lines, or none.
    #[test]
    fn a_text_that_is_no_line_is_refused() {
        for text in ["", "a\r\nb"] {
            let error = spec(&[("text", Value::Text(text.into()))]).err().unwrap();
            assert!(error.starts_with("`text` must be one line"), "{error}");
        }
    }
}
