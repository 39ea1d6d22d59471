//! The view as cells: which part stands where, at any size.

mod charts;
mod head;
mod lists;
mod look;
mod nodes;
mod overlay;
mod timeline;

use std::time::Duration;

use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Rect};

pub use self::look::Look;
use self::look::{Tone, to_ascii};
use super::View;
use super::model::Model;
use crate::base::terminal::Text;

/// The least room for all parts, columns and rows; in less there are the figures alone.
const LEAST: (u16, u16) = (60, 16);
/// From so many columns on the lists stand beside the charts.
const WIDE: u16 = 120;
/// Columns for the names of rows and charts, on the left.
const NAMES: u16 = 9;
/// Rows of nodes that are shown at least before others have more room.
const NODES: u16 = 3;
/// Columns of the list of scenarios where it stands beside the nodes.
const ROSTER: u16 = 30;

/// What every part is drawn from.
#[derive(Clone, Copy)]
struct Scene<'a> {
    view: &'a View,
    model: &'a Model,
    /// The moment that is shown.
    now: Duration,
    look: Look,
}

/// Draws the view as it is `now` over the whole of `buffer`.
pub fn draw(view: &View, now: Duration, look: Look, buffer: &mut Buffer) {
    let (model, shown) = view.shown(now);
    let scene = Scene { view, model, now: shown, look };
    let area = buffer.area;
    if area.width < LEAST.0 || area.height < LEAST.1 {
        head::small(scene, area, buffer);
    } else if area.width < WIDE {
        narrow(scene, area, buffer);
    } else {
        wide(scene, area, buffer);
    }
    overlay::draw(scene, area, buffer);
    if !look.unicode {
        to_ascii(buffer);
    }
}

/// One below the other.
fn narrow(scene: Scene<'_>, area: Rect, buffer: &mut Buffer) {
    let nodes = scene.nodes().clamp(1, NODES.max(area.height / 6));
    let spare = area.height.saturating_sub(3 + 2 + 6 + nodes + 1 + 1);
    let log = (spare / 2).clamp(2, 12);
    let [head, timeline, charts, lower, keys] = Layout::vertical([
        Constraint::Length(3),
        Constraint::Length(timeline::rows(scene, 1 + area.height / 12)),
        Constraint::Min(6),
        Constraint::Length(nodes + 1 + log),
        Constraint::Length(1),
    ])
    .areas(area);
    head::draw(scene, head, buffer);
    timeline::draw(scene, timeline, buffer);
    charts::draw(scene, charts, buffer);
    let roster = if scene.has_roster() { ROSTER } else { 0 };
    let [left, right] = Layout::horizontal([Constraint::Min(30), Constraint::Length(roster)])
        .spacing(roster.min(1))
        .areas(lower);
    let [upper, below] =
        Layout::vertical([Constraint::Length(nodes + 1), Constraint::Min(1)]).areas(left);
    nodes::draw(scene, upper, buffer);
    lists::log(scene, below, buffer);
    if scene.has_roster() {
        lists::roster(scene, right, buffer);
    }
    overlay::keys(scene, keys, buffer);
}

/// Charts on the left, lists on the right.
fn wide(scene: Scene<'_>, area: Rect, buffer: &mut Buffer) {
    let [head, body, keys] =
        Layout::vertical([Constraint::Length(3), Constraint::Min(1), Constraint::Length(1)])
            .areas(area);
    let [left, _, right] = Layout::horizontal([
        Constraint::Percentage(58),
        Constraint::Length(2),
        Constraint::Min(40),
    ])
    .areas(body);
    let [timeline, charts] = Layout::vertical([
        Constraint::Length(timeline::rows(scene, 1 + area.height / 8)),
        Constraint::Min(6),
    ])
    .areas(left);
    head::draw(scene, head, buffer);
    timeline::draw(scene, timeline, buffer);
    charts::draw(scene, charts, buffer);
    let nodes = scene.nodes().clamp(1, NODES.max(right.height / 4)) + 1;
    let roster = scene.view.roster.rows.len();
    let roster = u16::try_from(roster).unwrap_or(u16::MAX).min(right.height / 2) + 1;
    let roster = if scene.has_roster() { roster } else { 0 };
    let [nodes, list, log] = Layout::vertical([
        Constraint::Length(nodes),
        Constraint::Length(roster),
        Constraint::Min(2),
    ])
    .areas(right);
    nodes::draw(scene, nodes, buffer);
    if scene.has_roster() {
        lists::roster(scene, list, buffer);
    }
    lists::log(scene, log, buffer);
    overlay::keys(scene, keys, buffer);
}

impl Scene<'_> {
    fn has_roster(self) -> bool {
        self.view.roster.rows.len() > 1
    }

    fn nodes(self) -> u16 {
        u16::try_from(self.view.nodes()).unwrap_or(u16::MAX)
    }

    /// Text in one row, cut where the room ends. It may come from anywhere, so that nothing in it may be left
    /// for a terminal to obey.
    fn put(self, buffer: &mut Buffer, area: Rect, (x, y): (u16, u16), text: &str, tone: Tone) {
        if x >= area.width || y >= area.height {
            return;
        }
        let text = Text::from(text);
        let room = usize::from(area.width - x);
        let text = cut(text.as_str(), room);
        buffer.set_stringn(area.x + x, area.y + y, text, room, self.look.style(tone));
    }

    /// A sign of ours in one cell.
    fn cell(self, buffer: &mut Buffer, place: (u16, u16), sign: &'static str, tone: Tone) {
        if let Some(cell) = buffer.cell_mut(place) {
            cell.set_symbol(sign).set_style(self.look.style(tone));
        }
    }

    /// The name of a row, on the left.
    fn name(self, buffer: &mut Buffer, area: Rect, y: u16, name: &str) {
        let area = Rect { width: area.width.min(NAMES - 1), ..area };
        self.put(buffer, area, (0, y), name, Tone::Faint);
    }
}

/// What is right of the names.
fn beside_names(area: Rect) -> Rect {
    let names = NAMES.min(area.width);
    Rect { x: area.x + names, width: area.width - names, ..area }
}

/// The column of a moment, and the span of time of a column.
#[derive(Clone, Copy)]
struct Axis {
    columns: u16,
    end_s: f64,
}

impl Axis {
    fn of(scene: Scene<'_>, area: Rect) -> Self {
        Self { columns: area.width, end_s: scene.model.end_s(scene.now) }
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "clamped to the columns"
    )]
    fn column(self, at_s: f64) -> u16 {
        let columns = f64::from(self.columns);
        (at_s / self.end_s * columns).floor().clamp(0.0, columns) as u16
    }

    fn span_s(self, column: u16) -> (f64, f64) {
        let each = self.end_s / f64::from(self.columns.max(1));
        (f64::from(column) * each, f64::from(column + 1) * each)
    }
}

/// The beginning of a text, with a mark where something is missing.
fn cut(text: &str, columns: usize) -> std::borrow::Cow<'_, str> {
    if text.chars().count() <= columns {
        return text.into();
    }
    let kept: String = text.chars().take(columns.saturating_sub(1)).collect();
    format!("{kept}…").into()
}
