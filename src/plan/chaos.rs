//! `[chaos]`: faults that are drawn. A seed and the length of a fault phase become a timeline of ordinary
//! faults, which nothing after the plan can tell from written ones.

mod kinds;

use std::time::Duration;

use rand::RngExt;
use rand::seq::IndexedRandom;

use self::kinds::{DrawnKind, KINDS};
use super::error::FileError;
use super::fault::{FAULTS_MAX, is_of_network, knows};
use super::model::{Chaos, FaultPlan, Plan, Span};
use super::source::{TomlTable, TomlValue};
use super::text::{TomlText, string};
use crate::base::family::{Chosen, Settings, unknown};
use crate::base::name::NodeIndex;
use crate::base::seed::{Seed, Stream};
use crate::lab::timeline::{Direction, FaultSpec};
use crate::lab::{Backend, Whose};

const KEYS: [&str; 6] = ["faults", "from", "gap", "length", "nodes_at_most", "drawn"];

/// The shortest fault that is drawn: clients that never noticed one prove nothing.
const LENGTH_MIN: Duration = Duration::from_millis(100);

const GAP: Span = Span { min: Duration::from_secs(1), max: Duration::from_secs(5) };
const LENGTH: Span = Span { min: Duration::from_millis(500), max: Duration::from_secs(5) };

/// What a lab can do of the faults that there are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Means<'a> {
    pub(super) nodes: u16,
    pub(super) backend: &'a Backend,
    pub(super) elsewhere: Option<Whose>,
    pub(super) direct: bool,
}

impl Means<'_> {
    fn has(self, kind: &DrawnKind) -> bool {
        let chosen = Chosen { kind: kind.name.to_owned(), settings: Settings::default() };
        let of_network = is_of_network(&chosen);
        let is_process = !of_network && kind.name != "flush";
        !(of_network && self.direct
            || !knows(self.elsewhere, &chosen)
            || is_process && matches!(self.backend, Backend::Servers(_)))
    }
}

/// Reads what is to be drawn, and whether it was: a printed plan has the faults beside it.
pub(super) fn read(node: &TomlValue<'_>, means: Means<'_>) -> Result<(Chaos, bool), FileError> {
    let table = node.table()?;
    table.only("key of chaos", &KEYS)?;
    let most = u64::from(means.nodes);
    let nodes = table.optional("nodes_at_most", |it| it.count(1..=most))?.unwrap_or(1);
    let chaos = Chaos {
        kinds: read_kinds(&table, means)?,
        gap: Span::read(&table, "gap", Duration::ZERO, GAP)?,
        length: Span::read(&table, "length", LENGTH_MIN, LENGTH)?,
        nodes_at_most: u16::try_from(nodes).unwrap_or(means.nodes),
    };
    Ok((chaos, table.optional("drawn", TomlValue::flag)?.unwrap_or_default()))
}

fn read_kinds(table: &TomlTable<'_>, means: Means<'_>) -> Result<Vec<&'static str>, FileError> {
    const NEITHER: &str = "write from = \"safe\", or faults = [\"latency\", \"refuse\"]";
    let listed = match (table.get("from"), table.get("faults")) {
        (Some(node), None) => {
            node.word("choice", &[("safe", ())])?;
            let safe = KINDS.iter().filter(|kind| kind.is_safe && means.has(kind));
            return Ok(safe.map(|kind| kind.name).collect());
        }
        (None, Some(node)) => node,
        (Some(node), Some(_)) => {
            return Err(node.error_at_key(format!("`from` and `faults`: {NEITHER}")));
        }
        (None, None) => return Err(table.error(format!("what is drawn from? {NEITHER}"))),
    };
    let names: Vec<&str> = KINDS.iter().map(|kind| kind.name).collect();
    let mut kinds = Vec::new();
    for word in listed.list()? {
        let name = word.text()?;
        let kind = KINDS.iter().find(|kind| kind.name == name);
        let kind =
            kind.ok_or_else(|| word.error(unknown("fault that can be drawn", name, &names)))?;
        if kinds.contains(&kind.name) {
            return Err(word.error(format!("`{name}` is listed twice")));
        }
        kinds.push(kind.name);
    }
    if kinds.is_empty() {
        return Err(listed.error(format!("there is nothing to draw; {NEITHER}")));
    }
    Ok(kinds)
}

impl Span {
    fn read(
        table: &TomlTable<'_>,
        key: &str,
        least: Duration,
        usual: Self,
    ) -> Result<Self, FileError> {
        let Some(node) = table.get(key) else { return Ok(usual) };
        let written = node.table()?;
        written.only("bound", &["min", "max"])?;
        let need = |bound| {
            written.need(bound, "write for example { min = \"1s\", max = \"5s\" }")?.duration()
        };
        let span = Self { min: need("min")?, max: need("max")? };
        if span.min < least {
            let least = humantime::format_duration(least);
            return Err(node.error(format!("`min` is too short; write \"{least}\" or more")));
        }
        if span.max < span.min {
            return Err(node.error("`max` is below `min`; write the smaller one as `min`"));
        }
        Ok(span)
    }

    /// A time within it, in whole milliseconds.
    fn draw(self, stream: &mut Stream) -> Duration {
        let [min, max] =
            [self.min, self.max].map(|time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
        Duration::from_millis(stream.random_range(min..=max))
    }

    fn print(self, text: &mut TomlText, key: &str) {
        let [min, max] = [self.min, self.max].map(super::text::duration);
        text.value(key, &format!("{{ min = {min}, max = {max} }}"));
    }
}

/// Prints what the faults of a plan were drawn from.
pub(super) fn print(text: &mut TomlText, chaos: &Chaos) {
    text.table("chaos");
    let kinds: Vec<String> = chaos.kinds.iter().map(|kind| string(kind)).collect();
    text.value("faults", &format!("[{}]", kinds.join(", ")));
    chaos.gap.print(text, "gap");
    chaos.length.print(text, "length");
    text.value("nodes_at_most", &chaos.nodes_at_most.to_string());
    text.value("drawn", "true");
}

impl Plan {
    /// The same with another seed, which draws other faults where they are drawn.
    #[must_use]
    pub fn with_seed(&self, seed: Seed) -> Self {
        let mut plan = Self { seed, ..self.clone() };
        if let Some(chaos) = &self.chaos {
            plan.faults = chaos.unfold(seed, self.phases.fault, self.nodes.count);
        }
        plan
    }
}

impl Chaos {
    /// The faults of a phase of this length on so many nodes: the same for the same seed. In a phase so
    /// long that there would be more faults than a plan may have, the gaps are longer; in one too short
    /// for any, there is one fault in its middle.
    pub(super) fn unfold(&self, seed: Seed, phase: Duration, nodes: u16) -> Vec<FaultPlan> {
        let mut stream = seed.fork("chaos").stream();
        // Whoever is through first gets the next fault: then each other has one at most that is still
        // on when it begins, and there is a node that has none.
        let mut free = vec![Duration::ZERO; usize::from(self.nodes_at_most.min(nodes)).max(1)];
        let lanes = u32::try_from(free.len()).unwrap_or(u32::MAX);
        let pitch = whole(phase * lanes / u32::try_from(FAULTS_MAX).unwrap_or(u32::MAX));
        let mut faults: Vec<FaultPlan> = Vec::new();
        while let Some(lane) = (0..free.len()).min_by_key(|lane| free[*lane]) {
            let (gap, length) = (self.gap.draw(&mut stream), self.length.draw(&mut stream));
            let spare = pitch.saturating_sub(gap + length);
            let at = free[lane] + gap + Span { min: Duration::ZERO, max: spare }.draw(&mut stream);
            let room = phase.saturating_sub(at);
            if room < self.length.min || faults.len() == FAULTS_MAX {
                free.swap_remove(lane);
                continue;
            }
            free[lane] += gap + length + spare;
            let spec = self.draw(at, length.min(room), nodes, &faults, &mut stream);
            faults.push(FaultPlan { spec, fixed_length: false });
        }
        if faults.is_empty() && !phase.is_zero() {
            let length = whole(phase / 2).max(phase.min(Duration::from_millis(1)));
            let spec = self.draw(whole(phase / 4), length, nodes, &[], &mut stream);
            faults.push(FaultPlan { spec, fixed_length: false });
        }
        for (number, fault) in faults.iter_mut().enumerate() {
            fault.spec.name = format!("{}-{}", fault.spec.fault.kind, number + 1);
        }
        faults
    }

    /// One fault on a node that has none at that time.
    fn draw(
        &self,
        at: Duration,
        length: Duration,
        nodes: u16,
        others: &[FaultPlan],
        stream: &mut Stream,
    ) -> FaultSpec {
        let is_free = |node: &NodeIndex| {
            let meets = |FaultPlan { spec, .. }: &&FaultPlan| {
                spec.nodes.contains(node) && spec.at < at + length && at < spec.at + spec.length
            };
            others.iter().rev().find(meets).is_none()
        };
        let free: Vec<NodeIndex> = (0..nodes).map(NodeIndex).filter(is_free).collect();
        let kind = self.kinds.choose(stream).copied().unwrap_or_default();
        let kind = KINDS.iter().find(|known| known.name == kind).unwrap_or(&KINDS[0]);
        let fault = kind.draw(stream);
        let directions = [Direction::Downstream, Direction::Upstream];
        let direction = directions[stream.random_range(0..directions.len())];
        FaultSpec {
            name: String::new(),
            nodes: free.choose(stream).copied().into_iter().collect(),
            at,
            after: None,
            length,
            until_touched: None,
            // A fault of messages acts on replies unless it is told otherwise.
            direction: if has_directions(&fault) { direction } else { Direction::default() },
            toxicity: 1.0,
            group: None,
            fault,
        }
    }
}

fn has_directions(fault: &Chosen) -> bool {
    crate::proxy::fault::TOXICS.make(fault).is_ok_and(|toxic| toxic.has_directions())
}

/// To whole milliseconds.
fn whole(time: Duration) -> Duration {
    Duration::from_millis(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn chaos(gap: [u64; 2], length: [u64; 2], nodes_at_most: u16) -> Chaos {
        let span = |[min, more]: [u64; 2]| Span { min: ms(min), max: ms(min + more) };
        let kinds = KINDS.iter().filter(|kind| kind.is_safe).map(|kind| kind.name).collect();
        Chaos { kinds, gap: span(gap), length: span(length), nodes_at_most }
    }

    /// Catches a day that has more faults than a plan may have, or leaves most of itself out, and a
    /// phase too short for any fault that has none.
    #[test]
    fn any_length_has_faults() {
        let drawn = chaos([1000, 4000], [500, 4500], 1);
        let day = Duration::from_secs(86_400);
        let faults = drawn.unfold(Seed::new(1), day, 3);
        assert!((FAULTS_MAX - 5..=FAULTS_MAX).contains(&faults.len()), "{}", faults.len());
        assert!(faults.last().unwrap().spec.at > day - Duration::from_secs(200));
        for millis in [1, 10, 600, 1000] {
            let faults = drawn.unfold(Seed::new(1), ms(millis), 3);
            let FaultPlan { spec, .. } = &faults[0];
            assert!(!spec.length.is_zero() && spec.at + spec.length <= ms(millis), "{spec:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// Catches two faults on a node at once, more broken nodes than were asked for, a fault that
        /// outlasts its phase, and a timeline that its seed does not repeat.
        #[test]
        fn a_timeline_keeps_its_bounds(
            seed: u64,
            phase in 1_u64..120_000,
            gap in prop::array::uniform2(0_u64..5_000),
            length in (100_u64..5_000, 0_u64..5_000),
            nodes in 1_u16..8,
            most in 1_u16..4,
        ) {
            let most = most.min(nodes);
            let drawn = chaos(gap, [length.0, length.1], most);
            let faults = drawn.unfold(Seed::new(seed), ms(phase), nodes);
            prop_assert_eq!(&faults, &drawn.unfold(Seed::new(seed), ms(phase), nodes));
            prop_assert!(!faults.is_empty() && faults.len() <= FAULTS_MAX);
            for (place, FaultPlan { spec, .. }) in faults.iter().enumerate() {
                let end = spec.at + spec.length;
                prop_assert!(!spec.length.is_zero() && end <= ms(phase));
                prop_assert_eq!(spec.nodes.len(), 1);
                let at_once = faults.iter().enumerate().filter(|(other, fault)| {
                    *other != place && fault.spec.at <= spec.at && spec.at < fault.spec.at + fault.spec.length
                });
                let at_once: Vec<_> = at_once.collect();
                prop_assert!(at_once.len() < usize::from(most));
                prop_assert!(at_once.iter().all(|(_, fault)| fault.spec.nodes != spec.nodes));
            }
        }
    }
}
