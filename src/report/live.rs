//! What a person sees while a run goes on: a row for each interval, and a line for each event that changes
//! how the next rows should be read. Of many alike the first are shown, and how many followed.

mod row;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::columns::hanging;
use super::line::{Line, Start};
use super::show;
use crate::base::name::NodeIndex;
use crate::event::{Event, EventKind, Outcome};
use crate::record::Interval;

/// Rows between two heads.
const ROWS_MAX: u32 = 20;
/// Changes of one node's breaker that are shown between two rows.
const CHANGES_MAX: u32 = 2;

/// What was shown of the run that goes on.
#[derive(Clone, Debug, Default)]
pub struct Live {
    /// Rows since the heads; `None`: there were no heads.
    rows: Option<u32>,
    /// Events between two rows, of each kind.
    seen: BTreeMap<String, u32>,
    /// Violations of the run, of each kind; the first of each is shown.
    violations: BTreeMap<String, u32>,
    /// Those that were not shown since the last row.
    unshown: BTreeMap<String, u32>,
}

impl Live {
    /// A line of the stream for people; `None`: it is of use to programs only, or one of many.
    #[must_use]
    pub fn show(&mut self, line: &Line) -> Option<String> {
        match line {
            Line::Start(start) => {
                *self = Self::default();
                Some(nodes(start))
            }
            Line::Interval(interval) => Some(self.interval(interval)),
            Line::Event(event) => self.event(event),
            Line::Report(_) => self.rest_below(),
            Line::Skipped(skipped) => {
                Some(hanging(&format!("{} skipped: ", skipped.scenario), &skipped.reason))
            }
        }
    }

    fn interval(&mut self, interval: &Interval) -> String {
        let rest = self.rest_below().map_or_else(String::new, |rest| rest + "\n");
        let bad = Outcome::all().filter(|outcome| outcome.is_bad_data());
        let bad: u64 = bad.filter_map(|outcome| interval.outcomes.get(outcome.name())).sum();
        let bad = (bad > 0).then(|| format!("\n{:>18}{bad} operations got WRONG DATA", ""));
        let heads = self.rows.is_none_or(|rows| rows >= ROWS_MAX);
        self.rows = Some(if heads { 1 } else { self.rows.unwrap_or(0) + 1 });
        let heads = if heads { row::heads(interval) + "\n" } else { String::new() };
        format!("{rest}{heads}{}{}", row::row(interval), bad.unwrap_or_default())
    }

    /// What was held back since the last row, a line each.
    pub(crate) fn rest(&mut self) -> Vec<String> {
        self.seen.clear();
        let rest = std::mem::take(&mut self.unshown).into_iter();
        rest.map(|(what, count)| format!("and {count} more: {what}")).collect()
    }

    /// The same below the events, where they begin.
    fn rest_below(&mut self) -> Option<String> {
        let rest: Vec<String> =
            self.rest().iter().map(|line| format!("{:>18}{line}", "")).collect();
        (!rest.is_empty()).then(|| rest.join("\n"))
    }

    /// `  12.0s fault     n1: breaker closed -> open (5 of 5 failed within 1s)`
    fn event(&mut self, event: &Event) -> Option<String> {
        let text = self.say(&event.kind)?;
        let head = format!("{:>6.1}s {:<9} ", event.at_s, event.phase.name());
        Some(hanging(&head, &text))
    }

    /// What an event says; `None`: nothing to people, or it is one of many alike.
    pub(crate) fn say(&mut self, kind: &EventKind) -> Option<String> {
        let text = told(kind)?;
        if let Some((group, is_shown)) = self.counted(kind)
            && !is_shown
        {
            *self.unshown.entry(group).or_default() += 1;
            return None;
        }
        Some(text)
    }

    /// What an event is one of many of, and whether there were few enough of these.
    fn counted(&mut self, kind: &EventKind) -> Option<(String, bool)> {
        let (group, counts, most) = match kind {
            EventKind::Violation { kind, .. } => (kind.words(), &mut self.violations, 1),
            EventKind::BreakerChanged { node, .. } => {
                (format!("changes of {node}'s breaker"), &mut self.seen, CHANGES_MAX)
            }
            EventKind::Noise { .. } => {
                ("times that the machine woke a timer late".to_owned(), &mut self.seen, 1)
            }
            EventKind::Trouble { .. } => ("troubles".to_owned(), &mut self.seen, CHANGES_MAX),
            _ => return None,
        };
        let count = counts.entry(group.clone()).or_default();
        *count += 1;
        let is_shown = *count <= most;
        Some((group, is_shown))
    }
}

fn nodes(start: &Start) -> String {
    let mut text = String::new();
    for node in &start.nodes {
        let (name, backend) = (node.name, &node.backend);
        // Writing into a String cannot fail.
        let _ = writeln!(
            text,
            "{name}: {backend} on {}, proxy on {}",
            node.address, node.proxy_address
        );
    }
    if start.network != "user" {
        let _ = writeln!(text, "the faults of the network are the {}'s own", start.network);
    }
    if let Some(api) = &start.api_address {
        let _ = writeln!(text, "control API on http://{api}");
    }
    text.truncate(text.trim_end().len());
    text
}

/// What an event says; `None`: nothing to people.
fn told(kind: &EventKind) -> Option<String> {
    Some(match kind {
        EventKind::Preloaded { stored, failed: 0 } => format!("{stored} keys stored"),
        EventKind::Preloaded { stored, failed } => {
            format!("{stored} keys stored, {failed} could not be")
        }
        EventKind::FaultApplied { fault, nodes, .. } => {
            format!("{fault} applied to {}", names(nodes))
        }
        EventKind::FaultHealed { fault, nodes, .. } => {
            format!("{fault} healed on {}", names(nodes))
        }
        EventKind::BreakerChanged { node, from, to, cause } => {
            format!("{node}: breaker {} -> {} ({cause})", from.name(), to.name())
        }
        EventKind::Process { node, change } => {
            format!("{node}: process {}", format!("{change:?}").to_lowercase())
        }
        EventKind::EventTold { name } => format!("event {name} was told"),
        EventKind::Noise { timer_delay_us } => {
            format!("noise: the machine woke a timer {} late", show::us(Some(*timer_delay_us)))
        }
        EventKind::Violation { kind, node, detail, .. } if kind.is_shown_at_once() => {
            format!("{node}: {detail}")
        }
        EventKind::Trouble { detail } => format!("trouble: {detail}"),
        _ => return None,
    })
}

fn names(nodes: &[NodeIndex]) -> String {
    nodes.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{BreakerState, Phase, ViolationKind};

    fn event(kind: EventKind) -> Line {
        Line::Event(Event { at_s: 7.5, at: String::new(), phase: Phase::Fault, member: None, kind })
    }

    fn violation(kind: ViolationKind, detail: &str) -> Line {
        let (node, key, detail) = (NodeIndex(0), "k:1".to_owned(), detail.to_owned());
        event(EventKind::Violation { kind, node, key, detail, wire: None, write_begun_s: None })
    }

    fn change(node: u16, cause: &str) -> Line {
        let (from, to) = (BreakerState::Closed, BreakerState::Open);
        let (node, cause) = (NodeIndex(node), cause.to_owned());
        event(EventKind::BreakerChanged { node, from, to, cause })
    }

    /// Catches a screen of equal lines, a kind of wrong data of which none is shown, one that is counted
    /// to none, and a line that is wider than a terminal.
    #[test]
    fn of_many_alike_the_first_are_shown_and_the_others_counted() {
        let mut live = Live::default();
        let long = "a value that nobody wrote ".repeat(6);
        let shown = live.show(&violation(ViolationKind::Wrong, &long)).expect("the first");
        assert!(shown.starts_with("   7.5s fault     n1: a value that nobody wrote"), "{shown}");
        assert!(shown.lines().all(|line| line.chars().count() <= 80), "{shown}");
        assert!(shown.lines().skip(1).all(|line| line.starts_with(&" ".repeat(18))), "{shown}");
        assert_eq!(live.show(&violation(ViolationKind::Wrong, "again")), None);
        assert!(live.show(&violation(ViolationKind::LateWrite, "another kind")).is_some());
        let changes = [(0, true), (0, true), (0, false), (1, true), (0, false)];
        for (node, is_shown) in changes {
            assert_eq!(live.show(&change(node, "failed")).is_some(), is_shown, "{node}");
        }
        let lines = ["and 2 more: changes of n1's breaker", "and 1 more: wrong"];
        assert_eq!(live.rest(), lines);
        assert!(live.show(&change(0, "failed")).is_some(), "the next row's");
        assert_eq!(live.show(&violation(ViolationKind::Wrong, "later")), None, "the run's");
    }
}
