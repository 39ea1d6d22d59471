//! The keys, and what lies over the view: help, and the menu of what to break.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::widgets::{Block, Clear, Widget as _};

use super::Scene;
use super::look::Tone;
use crate::view::{CHOICES, Overlay};

/// What the keys do.
const HELP: &[&str] = &[
    "q   end as Ctrl-C does: drain, judge, report;",
    "    pressed again, end at once",
    "p   freeze the view; the run goes on, and p",
    "    again shows it as it is then",
    "i   break something at a node by hand; it is in",
    "    the journal, and the report says so",
    "h   heal all that was broken by hand",
    "n   end this run and begin the next scenario",
    "?   this help; any key closes it",
    "",
    "Figures are those of the last interval. Dots in",
    "a chart: a fault was active. Of the lines of",
    "response times the lowest is p50, then p95, p99.",
];

/// The keys that do something now.
pub(super) fn keys(scene: Scene<'_>, area: Rect, buffer: &mut Buffer) {
    let view = scene.view;
    let mut keys = vec!["q quit", if view.frozen.is_some() { "p go on" } else { "p freeze view" }];
    if view.can_touch() {
        keys.push("i inject");
    }
    if !view.live.touches.is_empty() {
        keys.push("h heal");
    }
    if view.roster.has_next() {
        keys.push("n next scenario");
    }
    keys.push("? help");
    scene.put(buffer, area, (0, 0), &keys.join("   "), Tone::Faint);
    if view.live.touched > 0 {
        let text = "touched by hand";
        let x = area.width.saturating_sub(u16::try_from(text.len()).unwrap_or(0));
        scene.put(buffer, area, (x, 0), text, Tone::Doubt);
    }
}

pub(super) fn draw(scene: Scene<'_>, area: Rect, buffer: &mut Buffer) {
    match scene.view.overlay {
        Overlay::Nothing => {}
        Overlay::Help => {
            let inside = window(area, (52, HELP.len()), " keys ", buffer);
            for (line, y) in HELP.iter().zip(0..) {
                scene.put(buffer, inside, (0, y), line, Tone::Plain);
            }
        }
        Overlay::Menu { choice, node } => {
            let inside = window(area, (52, CHOICES.len() + 3), " break by hand ", buffer);
            for ((place, choice_of), y) in CHOICES.iter().enumerate().zip(0..) {
                let is_chosen = place == choice;
                let text = format!("{} {}", if is_chosen { "►" } else { " " }, choice_of.words);
                let tone = if is_chosen { Tone::Head } else { Tone::Plain };
                scene.put(buffer, inside, (0, y), &text, tone);
            }
            let below = u16::try_from(CHOICES.len()).unwrap_or(0) + 1;
            let nodes = format!("on ◄ n{} ► of {}", node + 1, scene.nodes());
            scene.put(buffer, inside, (0, below), &nodes, Tone::Head);
            let keys = "arrows choose, Return breaks it, Escape does not";
            scene.put(buffer, inside, (0, below + 1), keys, Tone::Faint);
        }
    }
}

/// An empty window in the middle; returns what is inside its frame.
fn window(area: Rect, (columns, rows): (u16, usize), title: &str, buffer: &mut Buffer) -> Rect {
    let rows = u16::try_from(rows).unwrap_or(u16::MAX);
    let (width, height) = ((columns + 2).min(area.width), rows.saturating_add(2).min(area.height));
    let (x, y) = ((area.width - width) / 2, (area.height - height) / 2);
    let place = Rect { x: area.x + x, y: area.y + y, width, height };
    Clear.render(place, buffer);
    let block = Block::bordered().title(title);
    let inside = block.inner(place);
    block.render(place, buffer);
    inside
}
