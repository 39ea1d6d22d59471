//! Whether a client settles on a node that is back, or goes on making connections to it for ever.
//!
//! A return needs connections, and a client may make each of them when it next needs one. But that ends, so
//! what counts is the quietest of some parts of the time in which all is long well again.

use std::time::Duration;

use super::pieces::Pieces;
use super::{Look, NOT_LOOKED};
use crate::judge::measure::Reading;
use crate::record::Summary;

/// The parts of the time after the heal, and how many of them, at its beginning, are the return's.
const PARTS: u32 = 6;
const PARTS_OF_RETURN: u32 = 2;
/// The shortest part: shorter ones have no connect by chance.
const PART_MIN: Duration = Duration::from_millis(600);
/// So many times what is usual is usual, too.
const USUAL: f64 = 2.0;

impl Look<'_> {
    /// Connects a second in the quietest part of the time after the return, beyond twice those of the steady
    /// phase, and of the nodes without a fault in their quietest parts.
    pub(super) fn reconnects(&self, summary: &Summary) -> Reading {
        let (heal, end) = match self.healed() {
            Ok(times) => times,
            Err(why) => return why,
        };
        if !self.pieces.reach(end) {
            return Reading::Unknown(NOT_LOOKED.to_owned());
        }
        let part = end.since(heal) / PARTS;
        if part < PART_MIN {
            let why = format!("the run ended less than {:?} after the heal", PART_MIN * PARTS);
            return Reading::Unknown(why);
        }
        let begin = |number: u32| heal.plus(part * number);
        let parts: Vec<_> =
            (PARTS_OF_RETURN..PARTS).map(|number| (begin(number), begin(number + 1))).collect();
        let quietest = |pieces: &Pieces<'_>| {
            let rates = parts.iter().map(|part| pieces.connects_per_s(*part));
            rates.reduce(f64::min).unwrap_or_default()
        };
        let healthy = summary.inputs.wire_nodes.iter();
        let healthy = healthy.filter(|wire| summary.faults_on(wire.node).next().is_none());
        // What the machine or the load does, it does on all of them.
        let meanwhile = healthy.map(|wire| quietest(&Pieces(&wire.pieces))).reduce(f64::min);
        let usual = self.pieces.connects_per_s(self.steady).max(meanwhile.unwrap_or_default());
        let samples = self.pieces.connects((parts[0].0, end));
        Reading::Value { value: (quietest(&self.pieces) - USUAL * usual).max(0.0), samples }
    }
}
