//! `[[faults]]`: what is broken, where, and when.

use std::time::Duration;

use super::error::FileError;
use super::groups::{self, read_node};
use super::model::{FaultPlan, Group};
use super::scale::Scale;
use super::source::{TomlTable, TomlValue};
use super::text::TomlText;
use super::wait;
use crate::base::family::{Chosen, SettingError, unknown};
use crate::base::name::NodeIndex;
use crate::base::units::Ratio;
use crate::lab::Whose;
use crate::lab::fault::FAULTS;
use crate::lab::timeline::{Direction, FaultSpec};
use crate::proxy::fault::{TOXICS, asks_for_more, is_message};

/// The keys beside the one that names the fault.
const KEYS: [&str; 13] = [
    "name", "on", "group", "at", "after", "then", "for", "until", "fixed", "times", "every",
    "stream", "toxicity",
];

/// The toxics that Toxiproxy has under the same names, with the same effect, and that its published
/// client can add. Its `packet_loss` loses bytes, which no network does.
const TOXIPROXYS: [&str; 6] =
    ["latency", "bandwidth", "slow_close", "timeout", "slicer", "limit_data"];

/// The most faults that a scenario may unfold to.
pub(super) const FAULTS_MAX: usize = 1000;

/// What a fault is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Breaks {
    /// A node.
    Node,
    /// The bytes on their way.
    Network,
    /// Single requests and replies.
    Message,
    /// What is drawn.
    Any,
}

/// What the first fault of a scenario is of, as far as a list wants to know.
pub(super) fn first(table: &TomlTable<'_>) -> Result<Option<Breaks>, FileError> {
    if table.get("chaos").is_some() {
        return Ok(Some(Breaks::Any));
    }
    let Some(fault) = table.list("faults")?.into_iter().next() else { return Ok(None) };
    let mut keys = fault.table()?.iter().map(|node| node.key()).filter(|key| !KEYS.contains(key));
    Ok(keys.next().map(|kind| {
        if FAULTS.find(kind).is_some() {
            Breaks::Node
        } else if is_message(kind) {
            Breaks::Message
        } else {
            Breaks::Network
        }
    }))
}

/// Reads every fault, unfolded, in the order of the file, at the times of the file. `phase` is the
/// fault phase as the file has it, `nodes` how many nodes there are.
pub(super) fn read(
    list: &TomlValue<'_>,
    phase: Duration,
    nodes: u16,
    groups: &[Group],
) -> Result<Vec<FaultPlan>, FileError> {
    let mut faults: Vec<FaultPlan> = Vec::new();
    for node in list.list()? {
        for fault in Written::read(&node.table()?, phase, nodes, groups)?.unfold() {
            if faults.iter().any(|other| other.spec.name == fault.spec.name) {
                return Err(node.error(format!(
                    "two faults are called `{}`; give each its own `name`",
                    fault.spec.name
                )));
            }
            if faults.len() == FAULTS_MAX {
                return Err(node.error(format!("there are more than {FAULTS_MAX} faults")));
            }
            faults.push(fault);
        }
    }
    wait::check(list, &faults)?;
    Ok(faults)
}

/// Moves the faults of a phase with it.
pub(super) fn scale(faults: &mut [FaultPlan], from: Duration, to: Duration) {
    let scale = Scale::new(from, to);
    for FaultPlan { spec, fixed_length } in faults {
        (spec.at, spec.length) = scale.fault(spec.at, spec.length, *fixed_length, to);
    }
}

/// The shortest that a fault phase that was written `phase` long can become: faults whose length stays
/// still end within it, and before the next one on their nodes.
pub(super) fn least_phase(faults: &[FaultPlan], phase: Duration) -> Duration {
    let mut least = Duration::ZERO;
    let is_timed = |fault: &&FaultPlan| fault.spec.after.is_none();
    let fixed = faults.iter().filter(is_timed).filter(|fault| fault.fixed_length);
    for FaultPlan { spec, .. } in fixed {
        let end = spec.at + spec.length;
        let follows = |next: &&FaultPlan| {
            next.spec.at >= end && next.spec.nodes.iter().any(|node| spec.nodes.contains(node))
        };
        let next = faults.iter().filter(follows).map(|next| next.spec.at).min();
        let gap = next.unwrap_or(phase).saturating_sub(spec.at);
        // One step more, because boundaries are rounded.
        let scale = Scale::new(gap, spec.length.min(gap));
        least = least.max(scale.time(phase) + Duration::from_millis(1));
    }
    least.min(phase)
}

/// A fault as the file has it.
struct Written {
    spec: FaultSpec,
    fixed_length: bool,
    times: u32,
    every: Duration,
}

impl Written {
    fn read(
        table: &TomlTable<'_>,
        phase: Duration,
        nodes: u16,
        groups: &[Group],
    ) -> Result<Self, FileError> {
        let (kind, fault) = read_kind(table)?;
        let at = table.optional("at", TomlValue::duration)?.unwrap_or_default();
        let rest = phase.saturating_sub(at);
        let times = table.optional("times", |node| node.count(1..=FAULTS_MAX as u64))?;
        let fixed = table.optional("fixed", TomlValue::flag)?;
        let written = Self {
            spec: FaultSpec {
                name: read_name(table, &kind)?,
                nodes: read_nodes(table, nodes)?,
                at,
                after: wait::read(table)?,
                length: table.optional("for", TomlValue::duration)?.unwrap_or(rest),
                until_touched: wait::read_until(table, &kind)?,
                direction: read_direction(table, &kind)?,
                toxicity: read_toxicity(table, &kind)?,
                group: groups::of_fault(table, &kind, groups)?,
                fault,
            },
            fixed_length: fixed.unwrap_or_default(),
            times: times.map_or(1, |times| u32::try_from(times).unwrap_or(u32::MAX)),
            every: table.optional("every", TomlValue::duration)?.unwrap_or_default(),
        };
        written.check(table, &kind, phase)?;
        Ok(written)
    }

    /// Whether it ends within the fault phase, and its repetitions do not overlap.
    fn check(
        &self,
        table: &TomlTable<'_>,
        kind: &TomlValue<'_>,
        phase: Duration,
    ) -> Result<(), FileError> {
        let at_one_of = |keys: &[&str], what: String| {
            let node = keys.iter().find_map(|key| table.get(key));
            node.map_or_else(|| kind.error_at_key(&what), |node| node.error(&what))
        };
        let FaultSpec { at, length, .. } = self.spec;
        if phase.is_zero() {
            let what = "there is no fault phase; give `fault` a length under [phases]";
            return Err(kind.error_at_key(what));
        }
        if length.is_zero() {
            let what = format!("a fault of no length; the fault phase is {} long", show(phase));
            return Err(at_one_of(&["for", "at"], what));
        }
        if self.times > 1 && self.every < length {
            let what = format!("`every` must be at least as long as `for`: {}", show(length));
            return Err(at_one_of(&["every", "times"], what));
        }
        let end = at.saturating_add(self.every * (self.times - 1)).saturating_add(length);
        if end > phase {
            let (end, phase) = (show(end), show(phase));
            let what = format!("the fault ends {end} into a fault phase that is {phase} long");
            return Err(at_one_of(&["times", "for", "at"], what));
        }
        Ok(())
    }

    fn unfold(self) -> impl Iterator<Item = FaultPlan> {
        (0..self.times).map(move |turn| {
            let Self { fixed_length, times, every, .. } = self;
            let mut spec = self.spec.clone();
            if times > 1 {
                spec.name = format!("{}-{}", spec.name, turn + 1);
            }
            spec.at += every * turn;
            FaultPlan { spec, fixed_length }
        })
    }
}

fn show(time: Duration) -> humantime::FormattedDuration {
    humantime::format_duration(time)
}

/// The direction that a fault of the network works on: downstream unless it says so, as in
/// Toxiproxy.
fn read_direction(table: &TomlTable<'_>, kind: &TomlValue<'_>) -> Result<Direction, FileError> {
    const WORDS: [Direction; 3] = [Direction::Downstream, Direction::Upstream, Direction::Both];
    let Some(node) = network_only(table, kind, "stream")? else {
        return Ok(Direction::default());
    };
    node.word("stream", &WORDS.map(|direction| (direction.name(), direction)))
}

/// The share of connections that a fault of the network works on.
fn read_toxicity(table: &TomlTable<'_>, kind: &TomlValue<'_>) -> Result<f32, FileError> {
    let Some(node) = network_only(table, kind, "toxicity")? else {
        return Ok(1.0);
    };
    let share = node.parsed::<Ratio>("a ratio such as \"10%\"")?.value();
    if share <= 0.0 {
        return Err(node.error("at 0% no connection is touched; write for example \"50%\""));
    }
    #[expect(clippy::cast_possible_truncation, reason = "Toxiproxy's toxicity has 32 bits")]
    Ok(share as f32)
}

/// A key that means nothing for a fault of the node itself.
fn network_only<'a>(
    table: &TomlTable<'a>,
    kind: &TomlValue<'_>,
    key: &str,
) -> Result<Option<TomlValue<'a>>, FileError> {
    let node = table.get(key);
    match (&node, FAULTS.find(kind.key())) {
        (Some(node), Some(fault)) => Err(node.error_at_key(format!(
            "`{key}` is for faults of the network; `{}` is one of the node itself",
            fault.name
        ))),
        _ => Ok(node),
    }
}

/// The one key that names a toxic or a fault of the lab.
fn read_kind<'a>(table: &TomlTable<'a>) -> Result<(TomlValue<'a>, Chosen), FileError> {
    let mut found: Option<(TomlValue<'a>, Chosen)> = None;
    for node in table.iter().filter(|node| !KEYS.contains(&node.key())) {
        let Some(chosen) = chosen(&node)? else {
            let known: Vec<&str> = names().chain(KEYS).collect();
            return Err(node.error_at_key(unknown("fault or key", node.key(), &known)));
        };
        if let Some((first, _)) = found {
            return Err(node.error_at_key(format!(
                "`{}` and `{}`: a fault has one kind; write a second [[faults]]",
                first.key(),
                node.key()
            )));
        }
        found = Some((node, chosen));
    }
    let (node, chosen) = found.ok_or_else(|| {
        table.error("the fault has no kind; write for example packet_loss = { loss_rate = \"5%\" }")
    })?;
    refuse_idle(&node, &chosen)?;
    Ok((node, chosen))
}

/// Refuses a fault that changes nothing by its settings: a run would prove nothing with it.
fn refuse_idle(node: &TomlValue<'_>, chosen: &Chosen) -> Result<(), FileError> {
    // A fault of the node itself always does something.
    let idle = TOXICS.make(chosen).ok().and_then(|toxic| toxic.idle());
    let Some(SettingError { setting, what }) = idle else { return Ok(()) };
    let settings = node.table()?;
    let place = setting.and_then(|name| settings.get(&name));
    Err(place.map_or_else(|| node.error_at_key(&what), |place| place.error(&what)))
}

/// The fault that the key of `node` names, if it names one: the families of faults in their order.
fn chosen(node: &TomlValue<'_>) -> Result<Option<Chosen>, FileError> {
    if let Some(kind) = TOXICS.find(node.key()) {
        return node.kind(kind).map(Some);
    }
    FAULTS.find(node.key()).map(|kind| node.kind(kind)).transpose()
}

/// Whether a proxy does it, rather than the lab to the node itself.
pub(super) fn is_of_network(fault: &Chosen) -> bool {
    FAULTS.find(&fault.kind).is_none()
}

/// Whether proxies elsewhere have this fault too; a fault of the node itself is no matter for a proxy.
pub(super) fn knows(elsewhere: Option<Whose>, fault: &Chosen) -> bool {
    elsewhere != Some(Whose::Toxiproxy)
        || !is_of_network(fault)
        || (TOXIPROXYS.contains(&fault.kind.as_str())
            && asks_for_more(&fault.kind, &fault.settings).is_none())
}

/// Prints what a fault is.
pub(super) fn print_kind(text: &mut TomlText, fault: &Chosen) {
    if is_of_network(fault) {
        text.chosen(fault, &TOXICS);
    } else {
        text.chosen(fault, &FAULTS);
    }
}

/// The names of all faults.
fn names() -> impl Iterator<Item = &'static str> {
    let toxics = TOXICS.kinds.iter().map(|kind| kind.name);
    toxics.chain(FAULTS.kinds.iter().map(|kind| kind.name))
}

fn read_name(table: &TomlTable<'_>, kind: &TomlValue<'_>) -> Result<String, FileError> {
    match table.get("name") {
        Some(node) => node.name().map(str::to_owned),
        None => Ok(kind.key().to_owned()),
    }
}

fn read_nodes(table: &TomlTable<'_>, count: u16) -> Result<Vec<NodeIndex>, FileError> {
    let node = table.need("on", "`\"all\"`, or nodes such as `[\"n1\"]`")?;
    if node.as_text() == Some("all") {
        return Ok((0..count).map(NodeIndex).collect());
    }
    let words = if node.as_text().is_some() { vec![node.clone()] } else { node.list()? };
    let mut nodes = Vec::new();
    for word in &words {
        let index = read_node(word, count)?;
        if nodes.contains(&index) {
            return Err(word.error(format!("`{index}` is listed twice")));
        }
        nodes.push(index);
    }
    if nodes.is_empty() {
        return Err(node.error("the fault is on no node; write \"all\" or [\"n1\"]"));
    }
    Ok(nodes)
}
