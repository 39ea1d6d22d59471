//! What runs, whether data was right, and the figures of now.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::look::Tone;
use super::{Scene, beside_names};
use crate::report::show::{percent, us};
use crate::view::series;

/// Three rows: the run, the data, the figures.
pub(super) fn draw(scene: Scene<'_>, area: Rect, buffer: &mut Buffer) {
    let outline = &scene.model.outline;
    let time = time(scene);
    let room = usize::from(area.width).saturating_sub(time.chars().count() + 2);
    let title = Rect { width: u16::try_from(room).unwrap_or(0), ..area };
    scene.put(buffer, title, (0, 0), &outline.scenario, Tone::Head);
    let behind = u16::try_from(outline.scenario.chars().count() + 2).unwrap_or(u16::MAX);
    scene.put(buffer, title, (behind, 0), &outline.told, Tone::Faint);
    let at = area.width.saturating_sub(u16::try_from(time.chars().count()).unwrap_or(0));
    let is_frozen = scene.view.frozen.is_some();
    scene.put(buffer, area, (at, 0), &time, if is_frozen { Tone::Alarm } else { Tone::Plain });
    data(scene, Rect { y: area.y + 1, height: 1, ..area }, buffer);
    scene.name(buffer, area, 2, "now");
    scene.put(buffer, beside_names(area), (0, 2), &figures(scene), Tone::Plain);
}

/// `fault, 12.4 s of 22.0 s, 9.6 s left`.
fn time(scene: Scene<'_>) -> String {
    let (model, now) = (scene.model, scene.now);
    let elapsed = model.elapsed_s(now);
    let phase = model.phase.map_or("starting", |phase| phase.name());
    let left = match model.left_s(now) {
        Some(left) => format!(" of {:.0} s, {left:.0} s left", model.end_s(now)),
        None => String::new(),
    };
    let frozen = if scene.view.frozen.is_some() { "VIEW FROZEN, the run goes on: " } else { "" };
    format!("{frozen}{phase}, {elapsed:.1} s{left}")
}

/// Wrong data fills its row and is told of the run as it is now, also over a frozen view.
fn data(scene: Scene<'_>, area: Rect, buffer: &mut Buffer) {
    let (text, tone) = data_told(scene);
    if tone == Tone::Alarm {
        buffer.set_style(area, scene.look.style(tone));
    }
    scene.put(buffer, area, (0, 0), &text, tone);
}

fn data_told(scene: Scene<'_>) -> (String, Tone) {
    let data = &scene.view.live.data;
    let besides = data.doubtful();
    match (data.wrong(), besides, &scene.model.outline.unchecked) {
        (Some(wrong), besides, _) => {
            let besides = besides.map(|other| format!("; {other}")).unwrap_or_default();
            (format!("✗ WRONG DATA: {wrong}{besides}"), Tone::Alarm)
        }
        (None, _, Some(why)) => (format!("data     not looked at: {why}"), Tone::Faint),
        (None, Some(besides), None) => (format!("! no wrong data so far; {besides}"), Tone::Doubt),
        (None, None, None) => ("✓ no wrong data so far".to_owned(), Tone::Good),
    }
}

/// The last interval.
fn figures(scene: Scene<'_>) -> String {
    let Some(last) = &scene.model.last else { return "no figures yet".to_owned() };
    let rate = series::rate(last).map_or_else(|| "-".to_owned(), |rate| format!("{rate:.0}"));
    if series::requests(last).is_some() {
        return format!("{rate} requests/s at the proxies");
    }
    let errors = percent(last.error_ratio);
    let time = last.response_time_us.map_or_else(
        || "no response times in a closed loop".to_owned(),
        |time| format!("p50 {}  p95 {}  p99 {}", us(time.p50), us(time.p95), us(time.p99)),
    );
    format!("{rate} ops/s  errors {errors}  {time}")
}

/// In a terminal without room for more: what matters most, first.
pub(super) fn small(scene: Scene<'_>, area: Rect, buffer: &mut Buffer) {
    let (told, tone) = data_told(scene);
    let rows = [
        (told, tone),
        (scene.model.outline.scenario.clone(), Tone::Head),
        (time(scene), Tone::Plain),
        (figures(scene), Tone::Plain),
        (format!("{} x {} shows more", super::LEAST.0, super::LEAST.1), Tone::Faint),
    ];
    for ((text, tone), y) in rows.iter().zip(0..area.height) {
        scene.put(buffer, area, (0, y), text, *tone);
    }
}
