//! What happened, and what the scenarios of a session came to.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::Scene;
use super::look::Tone;
use crate::judge::Verdict;
use crate::view::log::{Entry, Weight};
use crate::view::roster::{Row, Standing};

/// The last events, the newest at the bottom.
pub(super) fn log(scene: Scene<'_>, area: Rect, buffer: &mut Buffer) {
    scene.put(buffer, area, (0, 0), "events", Tone::Faint);
    let rows = usize::from(area.height.saturating_sub(1));
    for (entry, y) in scene.model.log.last(rows).zip(1..) {
        let (sign, tone) = meant(entry.weight);
        let at = entry.at_s.map_or_else(String::new, |at_s| format!("{at_s:.1}s"));
        scene.put(buffer, area, (0, y), &format!("{at:>7} {sign}"), tone);
        let text =
            Rect { x: area.x + 10.min(area.width), width: area.width.saturating_sub(10), ..area };
        scene.put(buffer, text, (0, y), &told(entry), tone);
    }
}

fn told(entry: &Entry) -> String {
    match entry.weight {
        Weight::Bad => format!("DATA {}", entry.text),
        _ => entry.text.clone(),
    }
}

const fn meant(weight: Weight) -> (&'static str, Tone) {
    match weight {
        Weight::Plain => ("·", Tone::Plain),
        Weight::Fault => ("▼", Tone::Fault),
        Weight::Good => ("▲", Tone::Good),
        Weight::Doubt => ("!", Tone::Doubt),
        Weight::Bad => ("✗", Tone::Bad),
    }
}

/// The scenarios, so that the one that runs is among them.
pub(super) fn roster(scene: Scene<'_>, area: Rect, buffer: &mut Buffer) {
    let roster = &scene.view.roster;
    let counts = roster.counts();
    let counts: Vec<String> =
        counts.iter().map(|(verdict, count)| format!("{count} {}", verdict.name())).collect();
    let head = format!("{} of {}  {}", roster.now + 1, roster.rows.len(), counts.join(", "));
    scene.put(buffer, area, (0, 0), &head, Tone::Faint);
    let rows = usize::from(area.height.saturating_sub(1));
    let first = (roster.now + 1).saturating_sub(rows.div_ceil(2));
    let first = first.min(roster.rows.len().saturating_sub(rows));
    for (row, y) in roster.rows.iter().skip(first).take(rows).zip(1..) {
        scenario(scene, Rect { y: area.y + y, height: 1, ..area }, row, buffer);
    }
}

fn scenario(scene: Scene<'_>, area: Rect, row: &Row, buffer: &mut Buffer) {
    let (sign, word, tone) = match row.standing {
        Standing::Waits => ("○", "", Tone::Faint),
        Standing::Runs => ("►", "runs", Tone::Head),
        Standing::Skipped => ("-", "skipped", Tone::Faint),
        Standing::Over(verdict) => {
            let (sign, tone) = judged(verdict);
            (sign, verdict.name(), tone)
        }
    };
    let lasted = row.lasted_s.map(|seconds| format!(" {seconds:.0}s")).unwrap_or_default();
    let often = if row.runs > 1 { format!(" x{}", row.runs) } else { String::new() };
    let right = format!("{word}{often}{lasted}");
    let width = u16::try_from(right.chars().count()).unwrap_or(0);
    let at = area.width.saturating_sub(width);
    let left = Rect { width: at.saturating_sub(1), ..area };
    scene.put(buffer, left, (0, 0), &format!("{sign} {}", row.scenario), tone);
    scene.put(buffer, area, (at, 0), &right, tone);
}

const fn judged(verdict: Verdict) -> (&'static str, Tone) {
    match verdict {
        Verdict::Pass => ("✓", Tone::Good),
        Verdict::Degraded => ("!", Tone::Doubt),
        Verdict::Fail => ("✗", Tone::Bad),
        Verdict::Invalid | Verdict::Vacuous => ("?", Tone::Doubt),
    }
}
