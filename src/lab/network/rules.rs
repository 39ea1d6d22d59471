//! A fault as rules of nftables, and what they counted. A table each, so that one is taken back
//! without touching another.

use std::fmt::Write;
use std::net::Ipv4Addr;

use crate::lab::timeline::{Direction, FaultSpec};

/// Losses are drawn in millionths.
const MILLION: f64 = 1e6;
/// The shortest retransmission timeout of Linux, in milliseconds; a fault that wants another one is
/// none of the kernel's.
const RTO_MS: f64 = 200.0;

/// What the kernel does to the packets of a proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rules {
    what: What,
    direction: Direction,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    /// Loses this many of a million packets.
    Lose(u32),
    /// Loses every packet.
    Drop,
    /// Loses the packets that open a connection.
    DropNew,
    /// Answers every packet with a reset.
    Refuse,
}

impl Rules {
    /// What the kernel does for `fault`; `None`: a proxy has to do it.
    pub(super) fn of(fault: &FaultSpec) -> Option<Self> {
        if fault.toxicity < 1.0 {
            return None;
        }
        let settings = &fault.fault.settings;
        let number = |name: &str| settings.number(name).ok();
        let word = |name: &str| settings.text(name).ok();
        let what = match fault.fault.kind.as_str() {
            "packet_loss" if number("correlation")? == 0.0 && number("rto")? == RTO_MS => {
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "clamped to 0 to a million"
                )]
                let share = (number("loss_rate")?.clamp(0.0, 1.0) * MILLION).round() as u32;
                What::Lose(share)
            }
            "blackhole" if word("mode")? == "hold" && word("on_clear")? == "deliver" => {
                match word("affects")? {
                    "all" => What::Drop,
                    "new" => What::DropNew,
                    _ => return None,
                }
            }
            "refuse" => What::Refuse,
            _ => return None,
        };
        Some(Self { what, direction: fault.direction })
    }

    /// The table that breaks what goes to and comes from `targets`.
    pub(super) fn script(self, fault: &str, targets: &[Ipv4Addr]) -> String {
        let act = match self.what {
            What::Lose(share) => {
                format!("meta l4proto tcp numgen random mod 1000000 < {share} counter drop")
            }
            What::Drop => "counter drop".to_owned(),
            What::DropNew => "tcp flags & (syn | ack) == syn counter drop".to_owned(),
            What::Refuse => "meta l4proto tcp counter reject with tcp reset".to_owned(),
        };
        // A connection is opened by the client, and is refused both ways, whatever the direction.
        let (up, down) = match self.what {
            What::DropNew => (true, false),
            What::Refuse => (true, true),
            What::Lose(_) | What::Drop => {
                (self.direction != Direction::Downstream, self.direction != Direction::Upstream)
            }
        };
        let mut script = format!(
            "table ip {} {{\n chain forward {{\n  type filter hook forward priority 0; policy \
             accept;\n",
            table(fault)
        );
        for target in targets {
            for (_, side) in [(up, "daddr"), (down, "saddr")].into_iter().filter(|(on, _)| *on) {
                // Writing into a String cannot fail.
                let _ = writeln!(script, "  ip {side} {target} {act}");
            }
        }
        script.push_str(" }\n}\n");
        script
    }
}

/// The name of a fault's table: names of faults have characters that names of tables have not.
pub(super) fn table(fault: &str) -> String {
    let mut name = "fault_".to_owned();
    for byte in fault.bytes() {
        let _ = write!(name, "{byte:02x}");
    }
    name
}

/// The sum over all counters in a table as `nft --json` lists it.
pub(super) fn packets(listed: &str) -> Result<u64, String> {
    let value: serde_json::Value = serde_json::from_str(listed)
        .map_err(|error| format!("`nft --json list table` cannot be read: {error}"))?;
    let expressions = value["nftables"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|entry| entry["rule"]["expr"].as_array())
        .flatten();
    Ok(expressions.filter_map(|expression| expression["counter"]["packets"].as_u64()).sum())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::base::family::{Chosen, Settings, Value};
    use crate::base::name::NodeIndex;
    use crate::proxy::fault::TOXICS;

    fn fault(kind: &str, settings: &[(&'static str, Value)], direction: Direction) -> FaultSpec {
        let mut chosen = Settings::default();
        for (name, value) in settings {
            chosen.insert(*name, value.clone());
        }
        let settings = TOXICS.find(kind).unwrap().complete(&chosen).unwrap();
        FaultSpec {
            name: "a-b.c".into(),
            nodes: vec![NodeIndex(0)],
            at: Duration::ZERO,
            after: None,
            length: Duration::from_secs(1),
            until_touched: None,
            direction,
            toxicity: 1.0,
            group: None,
            fault: Chosen { kind: kind.into(), settings },
        }
    }

    fn lines(fault: &FaultSpec) -> Vec<String> {
        let script =
            Rules::of(fault).unwrap().script(&fault.name, &[Ipv4Addr::new(198, 18, 0, 128)]);
        let rule = |line: &&str| line.starts_with("  ip ");
        script.lines().filter(rule).map(|line| line.trim().to_owned()).collect()
    }

    /// Catches a share or a direction that is not the fault's.
    #[test]
    fn a_fault_becomes_the_rules_that_it_means() {
        let loss =
            |direction| fault("packet_loss", &[("loss_rate", Value::Float(0.05))], direction);
        let lose = "meta l4proto tcp numgen random mod 1000000 < 50000 counter drop";
        assert_eq!(
            lines(&loss(Direction::Both)),
            [format!("ip daddr 198.18.0.128 {lose}"), format!("ip saddr 198.18.0.128 {lose}")]
        );
        assert_eq!(lines(&loss(Direction::Upstream)), [format!("ip daddr 198.18.0.128 {lose}")]);
        let reject = "meta l4proto tcp counter reject with tcp reset";
        assert_eq!(
            lines(&fault("refuse", &[], Direction::Downstream)),
            [format!("ip daddr 198.18.0.128 {reject}"), format!("ip saddr 198.18.0.128 {reject}")]
        );
        assert_eq!(
            lines(&fault("blackhole", &[], Direction::Downstream)),
            ["ip saddr 198.18.0.128 counter drop"]
        );
    }

    /// Catches a fault that the kernel would do differently from what was asked for.
    #[test]
    fn what_the_kernel_cannot_do_is_left_to_the_proxy() {
        let both = Direction::Both;
        let mut partial = fault("refuse", &[], both);
        partial.toxicity = 0.5;
        for other in [
            partial,
            fault("packet_loss", &[("correlation", Value::Float(0.3))], both),
            fault("packet_loss", &[("rto", Value::Float(50.0))], both),
            fault("blackhole", &[("mode", Value::Text("discard".into()))], both),
            fault("blackhole", &[("on_clear", Value::Text("reset".into()))], both),
            fault("blackhole", &[("affects", Value::Text("established".into()))], both),
        ] {
            assert_eq!(Rules::of(&other), None, "{other:?}");
        }
    }

    /// Catches two faults that share a table, and a name that nft does not take.
    #[test]
    fn tables_are_told_apart() {
        assert_eq!(table("a-b"), "fault_612d62");
        assert_ne!(table("a-b"), table("a_b"));
    }

    /// Catches packets that are counted twice or not at all.
    #[test]
    fn counters_are_summed() {
        let listed = r#"{"nftables": [{"metainfo": {"version": "1"}},
            {"rule": {"expr": [{"match": {}}, {"counter": {"packets": 3, "bytes": 90}}]}},
            {"rule": {"expr": [{"counter": {"packets": 4, "bytes": 7}}, {"drop": null}]}}]}"#;
        assert_eq!(packets(listed), Ok(7));
        assert!(packets("none").is_err());
    }
}
