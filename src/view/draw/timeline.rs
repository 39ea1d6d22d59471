//! The phases and the faults on one axis of time: what was, what is, and what is planned.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Modifier;

use super::look::Tone;
use super::{Axis, Scene, beside_names};
use crate::event::Phase;

/// The rows that it takes of `most`: the phases, and one for each fault as far as there is room.
pub(super) fn rows(scene: Scene<'_>, most: u16) -> u16 {
    let faults = names(scene).len();
    1 + u16::try_from(faults).unwrap_or(u16::MAX).min(most.max(1))
}

pub(super) fn draw(scene: Scene<'_>, area: Rect, buffer: &mut Buffer) {
    let plot = beside_names(area);
    let axis = Axis::of(scene, plot);
    scene.name(buffer, area, 0, "phases");
    phases(scene, axis, plot, buffer);
    let names = names(scene);
    let rows = usize::from(area.height.saturating_sub(1));
    for (place, name) in names.iter().enumerate() {
        let row = place.min(rows.saturating_sub(1));
        let is_shared = names.len() > rows && row + 1 == rows;
        let Ok(y) = u16::try_from(row + 1) else { return };
        if y >= area.height {
            return;
        }
        scene.name(buffer, area, y, if is_shared { "faults" } else { name });
        fault(scene, axis, Rect { y: plot.y + y, height: 1, ..plot }, (name, is_shared), buffer);
    }
}

/// The faults of the plan, and those besides that there were.
fn names(scene: Scene<'_>) -> Vec<&str> {
    let mut names: Vec<&str> =
        scene.model.outline.faults.iter().map(|fault| fault.name.as_str()).collect();
    for span in &scene.model.spans {
        if !names.contains(&span.fault.as_str()) {
            names.push(&span.fault);
        }
    }
    names
}

/// Each phase with its name; the one of now stands out, and how far it is.
fn phases(scene: Scene<'_>, axis: Axis, area: Rect, buffer: &mut Buffer) {
    let model = scene.model;
    for (phase, from_s, to_s) in model.phases_s(scene.now) {
        let (from, to) = (axis.column(from_s), axis.column(to_s).min(area.width));
        let is_now = model.phase == Some(phase);
        let tone = match (is_now, phase == Phase::Fault) {
            (true, true) => Tone::Fault,
            (true, false) => Tone::Head,
            (false, _) => Tone::Faint,
        };
        for x in from..to {
            let sign = if x == from { "│" } else { "─" };
            scene.cell(buffer, (area.x + x, area.y), sign, Tone::Faint);
        }
        let room = Rect { width: to, height: 1, ..area };
        scene.put(buffer, room, (from + 1, 0), phase.name(), tone);
    }
    let now = axis.column(model.elapsed_s(scene.now));
    if !model.outline.repeats {
        let gone = Rect { width: now.min(area.width), height: 1, ..area };
        buffer.set_style(gone, scene.look.style(Tone::Plain).add_modifier(Modifier::REVERSED));
    }
}

/// What was of a fault is solid, what is planned of it is not.
fn fault(
    scene: Scene<'_>,
    axis: Axis,
    area: Rect,
    (name, is_shared): (&str, bool),
    buffer: &mut Buffer,
) {
    let model = scene.model;
    let now_s = model.elapsed_s(scene.now);
    let phases = model.phases_s(scene.now);
    let start_s = phases.iter().find(|(phase, ..)| *phase == Phase::Fault);
    let start_s = start_s.map_or(0.0, |(_, from_s, _)| *from_s);
    let mut bar = |from_s: f64, to_s: f64, sign: &'static str, tone: Tone| {
        let from = axis.column(from_s);
        for x in from..axis.column(to_s).max(from + 1).min(area.width) {
            scene.cell(buffer, (area.x + x, area.y), sign, tone);
        }
        from
    };
    let mut first = None;
    for planned in model.outline.faults.iter().filter(|planned| planned.name == name) {
        let Some(at_s) = planned.at_s.filter(|at_s| start_s + at_s > now_s) else { continue };
        let from_s = start_s + at_s;
        first = Some(bar(from_s, from_s + planned.length_s, "╌", Tone::Faint));
    }
    for span in model.spans.iter().filter(|span| span.fault == name) {
        first = Some(bar(span.from_s, span.to_s.unwrap_or(now_s), "━", Tone::Fault));
    }
    let planned = model.outline.faults.iter().find(|planned| planned.name == name);
    let nodes = model.spans.iter().rev().find(|span| span.fault == name).map(|span| &span.nodes);
    let nodes = nodes.or_else(|| planned.map(|planned| &planned.nodes));
    let nodes: Vec<String> = nodes.into_iter().flatten().map(ToString::to_string).collect();
    let label = if is_shared { format!(" {name} ") } else { format!(" {} ", nodes.join(",")) };
    match first {
        Some(x) => scene.put(buffer, area, (x + 1, 0), &label, Tone::Fault),
        None => scene.put(buffer, area, (0, 0), "waits", Tone::Faint),
    }
}
