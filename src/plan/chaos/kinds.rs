//! Which faults can be drawn, and between which bounds their settings are: what a network or a fleet
//! in service shows, not the extremes that a fault can be set to.

use rand::RngExt;

use crate::base::family::{Chosen, Settings, Unit, Value};
use crate::base::seed::Stream;
use crate::lab::fault::FAULTS;
use crate::proxy::fault::TOXICS;

/// A fault that can be drawn.
#[derive(Clone, Copy, Debug)]
pub(in crate::plan) struct DrawnKind {
    /// Its name.
    pub(in crate::plan) name: &'static str,
    /// Whether its end leaves everything healthy, it makes no wrong data by design, and a client with
    /// open connections meets it: a run with a fault that nobody met proves nothing.
    pub(in crate::plan) is_safe: bool,
    /// What is drawn, least and most in the setting's own unit; all else has its default.
    settings: &'static [(&'static str, f64, f64)],
}

const fn safe(name: &'static str, settings: &'static [(&'static str, f64, f64)]) -> DrawnKind {
    DrawnKind { name, is_safe: true, settings }
}

/// A fault that only a connection meets that is opened or closed, or that nobody can count: by its name.
const fn rare(name: &'static str, settings: &'static [(&'static str, f64, f64)]) -> DrawnKind {
    DrawnKind { name, is_safe: false, settings }
}

/// A fault that lies: by its name.
const fn lie(name: &'static str) -> DrawnKind {
    rare(name, &[("probability", 0.01, 0.5)])
}

/// Every fault that can be drawn. Milliseconds, shares of one, thousands of bytes a second, bytes.
pub(in crate::plan) const KINDS: &[DrawnKind] = &[
    safe("latency", &[("latency", 5.0, 1000.0), ("jitter", 1.0, 50.0)]),
    safe("bandwidth", &[("rate", 10.0, 1000.0)]),
    safe("reset_peer", &[]),
    safe("slicer", &[("average_size", 1.0, 512.0), ("delay", 10.0, 1000.0)]),
    safe("packet_loss", &[("loss_rate", 0.005, 0.25)]),
    safe("blackhole", &[]),
    safe("refuse", &[]),
    safe("mute", &[]),
    safe("slow_reader", &[("rate", 10.0, 1000.0)]),
    safe("delay", &[("delay", 5.0, 1000.0), ("probability", 0.01, 0.5)]),
    safe("error", &[("probability", 0.01, 0.5)]),
    safe("drop", &[("probability", 0.01, 0.1)]),
    safe("kill", &[]),
    safe("pause", &[]),
    rare("slow_close", &[("delay", 10.0, 1000.0)]),
    rare("slow_connect", &[("delay", 5.0, 1000.0)]),
    rare("flush", &[]),
    lie("truncate"),
    lie("short_length"),
    lie("corrupt_value"),
    lie("memcached_wrong_key"),
    lie("wrong_value"),
    lie("respond"),
    lie("duplicate"),
    lie("unsolicited"),
    lie("swap"),
];

impl DrawnKind {
    /// One of this kind. Small values are as likely as large ones, as on a scale of powers.
    pub(super) fn draw(&self, stream: &mut Stream) -> Chosen {
        let mut settings = Settings::default();
        for (name, least, most) in self.settings {
            let power = stream.random_range(least.ln()..=most.ln());
            let value = power.exp().clamp(*least, *most);
            settings.insert(*name, rounded(self.unit(name), name, value));
        }
        let kind = self.name.to_owned();
        // As a file has it: with its defaults filled in.
        let complete = match (TOXICS.find(self.name), FAULTS.find(self.name)) {
            (Some(known), _) => known.complete(&settings),
            (None, Some(known)) => known.complete(&settings),
            (None, None) => unreachable!("a test draws every kind"),
        };
        Chosen { kind, settings: complete.expect("a test draws every kind") }
    }

    fn unit(&self, name: &str) -> Unit {
        let setting = TOXICS.find(self.name).and_then(|kind| kind.setting(name));
        setting.map_or(Unit::Number, |setting| setting.unit)
    }
}

/// Whole units, or tenths of a percent: what people can read, and what reads back to itself.
fn rounded(unit: Unit, name: &str, value: f64) -> Value {
    let text = match unit {
        Unit::Ratio => format!("{:.1}%", value * 100.0),
        _ => unit.format(&Value::Float(value.round())).trim_matches('"').to_owned(),
    };
    unit.parse(name, &text).expect("a test draws every kind")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::seed::Seed;

    /// Catches a kind that there is none of, or a draw that a file would refuse or that changes nothing.
    #[test]
    fn every_kind_can_be_drawn() {
        for kind in KINDS {
            for index in 0..100 {
                let drawn = kind.draw(&mut Seed::new(3).index(index).stream());
                match FAULTS.find(kind.name) {
                    Some(_) => drop(FAULTS.make(&drawn).unwrap()),
                    None => assert!(TOXICS.make(&drawn).unwrap().idle().is_none(), "{drawn:?}"),
                }
            }
        }
    }
}
