//! Throughput, errors and response times over the whole run, on the axis of the timeline; where a fault was
//! active the ground is dotted.

use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::symbols::Marker;
use ratatui::widgets::canvas::{Canvas, Line};
use ratatui::widgets::{Sparkline, SparklineBar, Widget as _};

use super::look::Tone;
use super::{Axis, Scene, beside_names};
use crate::report::show::{percent, us};
use crate::view::series::{self, Piece};

/// The least top of the chart of errors, so that one in a thousand is no wall.
const ERRORS_TOP: f64 = 0.01;
/// The scale of bars, which are whole numbers.
const PARTS: u32 = 10_000;

/// What there is to draw in one column of each chart.
struct Column {
    piece: Option<Piece>,
    /// Whether a fault was active.
    is_broken: bool,
}

pub(super) fn draw(scene: Scene<'_>, area: Rect, buffer: &mut Buffer) {
    let columns = columns(scene, beside_names(area));
    let is_wire = scene.model.last.as_ref().is_some_and(|last| series::requests(last).is_some());
    if is_wire {
        // Of calls that are somebody else's there are neither errors nor times.
        bars(scene, area, buffer, &columns, &throughput(scene, "asked/s"));
        return;
    }
    let errors = (area.height / 5).max(1);
    let times = (area.height - errors) / 2;
    let [rate, errors, times] = Layout::vertical([
        Constraint::Min(2),
        Constraint::Length(errors),
        Constraint::Length(times),
    ])
    .areas(area);
    bars(scene, rate, buffer, &columns, &throughput(scene, "ops/s"));
    let highest = scene.model.series.highest(|piece| piece.error_ratio).unwrap_or(0.0);
    let of_errors = Bars {
        name: "errors",
        top: highest.max(ERRORS_TOP),
        label: percent(Some(highest.max(ERRORS_TOP))),
        of: |piece| piece.error_ratio,
        tone: Tone::Bad,
    };
    bars(scene, errors, buffer, &columns, &of_errors);
    response_times(scene, times, buffer, &columns);
}

fn columns(scene: Scene<'_>, plot: Rect) -> Vec<Column> {
    let axis = Axis::of(scene, plot);
    let now_s = scene.model.elapsed_s(scene.now);
    let column = |column| {
        let (from_s, to_s) = axis.span_s(column);
        Column {
            piece: scene.model.series.between(from_s, to_s.min(now_s)),
            is_broken: from_s <= now_s && scene.model.is_broken(from_s, to_s),
        }
    };
    (0..plot.width).map(column).collect()
}

/// A chart of bars.
struct Bars {
    name: &'static str,
    top: f64,
    label: String,
    of: fn(&Piece) -> Option<f64>,
    tone: Tone,
}

fn throughput(scene: Scene<'_>, name: &'static str) -> Bars {
    let top = scene.model.series.highest(|piece| piece.rate).unwrap_or(0.0).max(1.0);
    Bars { name, top, label: format!("{top:.0}"), of: |piece| piece.rate, tone: Tone::Good }
}

fn bars(scene: Scene<'_>, area: Rect, buffer: &mut Buffer, columns: &[Column], chart: &Bars) {
    let plot = beside_names(area);
    label(scene, area, buffer, chart.name, (&chart.label, ""));
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of PARTS")]
    let parts = |value: f64| {
        let parts = f64::from(PARTS);
        (value / chart.top * parts).clamp(0.0, parts).ceil() as u64
    };
    let value = |column: &Column| column.piece.as_ref().and_then(chart.of).map(parts);
    let data = columns.iter().map(|column| SparklineBar::from(value(column)));
    Sparkline::default()
        .data(data)
        .max(PARTS.into())
        .style(scene.look.style(chart.tone))
        .render(plot, buffer);
    ground(scene, plot, buffer, columns);
    // On top of each column in which data was wrong.
    for (column, x) in columns.iter().zip(plot.x..) {
        if column.piece.is_some_and(|piece| piece.wrong > 0) {
            scene.cell(buffer, (x, plot.y), "✗", Tone::Alarm);
        }
    }
}

/// Three lines, the lowest p50 and the highest p99; each factor of ten is as high as the next.
fn response_times(scene: Scene<'_>, area: Rect, buffer: &mut Buffer, columns: &[Column]) {
    let plot = beside_names(area);
    let series = &scene.model.series;
    #[expect(clippy::cast_precision_loss, reason = "latencies are far below 2^53 us")]
    let log = |us: u64| (us.max(1) as f64).log10();
    let top = series.highest(|piece| piece.times_us[2].map(log));
    let bottom = series.highest(|piece| piece.times_us[0].map(|us| -log(us))).map(|low| -low);
    let (Some(top), Some(bottom)) = (top, bottom) else {
        label(scene, area, buffer, "p50-p99", ("", ""));
        ground(scene, plot, buffer, columns);
        return;
    };
    let (top, bottom) = (top.ceil(), bottom.floor().min(top.ceil() - 1.0));
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "microseconds")]
    let words = [top, bottom].map(|power| us(Some(10_f64.powf(power) as u64)));
    label(scene, area, buffer, "p50-p99", (&words[0], &words[1]));
    Canvas::default()
        .marker(Marker::Braille)
        .x_bounds([0.0, f64::from(plot.width)])
        .y_bounds([bottom, top])
        .paint(|context| {
            for (place, tone) in [(0, Tone::P50), (1, Tone::P95), (2, Tone::P99)] {
                let mut pen: Option<(f64, f64)> = None;
                for (column, x) in columns.iter().zip(0_u16..) {
                    let time = column.piece.and_then(|piece| piece.times_us[place]);
                    pen = time.map(|time| {
                        let end = (f64::from(x) + 0.5, log(time));
                        let (from_x, from_y) = pen.unwrap_or((end.0 - 0.5, end.1));
                        let colour = scene.look.colour(tone);
                        context.draw(&Line::new(from_x, from_y, end.0, end.1, colour));
                        end
                    });
                }
            }
        })
        .render(plot, buffer);
    ground(scene, plot, buffer, columns);
}

/// Its name, and what its top and bottom are where there are rows for it.
fn label(scene: Scene<'_>, area: Rect, buffer: &mut Buffer, name: &str, ends: (&str, &str)) {
    let (top, bottom) = ends;
    if area.height == 1 {
        scene.name(buffer, area, 0, name);
        return;
    }
    scene.name(buffer, area, 0, top);
    scene.name(buffer, area, area.height / 2, name);
    if area.height > 2 {
        scene.name(buffer, area, area.height - 1, bottom);
    }
}

/// Dots where a fault was active and nothing else stands.
fn ground(scene: Scene<'_>, plot: Rect, buffer: &mut Buffer, columns: &[Column]) {
    for (_, x) in columns.iter().zip(plot.x..).filter(|(column, _)| column.is_broken) {
        for y in plot.y..plot.bottom() {
            let is_empty =
                buffer.cell((x, y)).is_some_and(|it| matches!(it.symbol(), " " | "\u{2800}"));
            if is_empty {
                scene.cell(buffer, (x, y), "·", Tone::Fault);
            }
        }
    }
}
