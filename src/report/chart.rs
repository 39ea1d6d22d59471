//! Charts as SVG text: a shared time axis, areas, lines, strips and marks. No scripts, no fonts of
//! our own, nothing from elsewhere; hovering an interval shows its figures.

use std::fmt::Write as _;

use maud::{Markup, PreEscaped, html};

/// The size of a chart and the room for its labels.
const WIDTH: f64 = 960.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 10.0;
const TOP: f64 = 8.0;
const BOTTOM: f64 = 22.0;

/// Labels on the time axis, about.
const TIME_LABELS: f64 = 10.0;

/// How values become heights.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Scale {
    /// From zero up to this.
    Linear(f64),
    /// From the first up to the second, each factor of ten as high as the next.
    Log(f64, f64),
}

/// One chart under construction.
#[derive(Debug)]
pub(super) struct Chart {
    title: &'static str,
    shapes: String,
    end_s: f64,
    height: f64,
    scale: Scale,
}

impl Chart {
    /// An empty chart from the start of the run to `end_s`.
    pub(super) fn new(title: &'static str, end_s: f64, plot_height: f64, scale: Scale) -> Self {
        let height = TOP + plot_height + BOTTOM;
        Self { title, shapes: String::new(), end_s: end_s.max(0.001), height, scale }
    }

    fn x(&self, at_s: f64) -> f64 {
        LEFT + (at_s / self.end_s).clamp(0.0, 1.0) * (WIDTH - LEFT - RIGHT)
    }

    fn bottom(&self) -> f64 {
        self.height - BOTTOM
    }

    fn y(&self, value: f64) -> f64 {
        let share = match self.scale {
            Scale::Linear(top) => value / top.max(f64::MIN_POSITIVE),
            Scale::Log(low, high) => (value.max(low) / low).ln() / (high / low).ln(),
        };
        self.bottom() - share.clamp(0.0, 1.0) * (self.bottom() - TOP)
    }

    fn push(&mut self, shape: &Markup) {
        self.shapes.push_str(&shape.0);
        self.shapes.push('\n');
    }

    /// A rectangle that says what it is when it is pointed at.
    fn rect(&mut self, (x, y): (f64, f64), (width, height): (f64, f64), class: &str, label: &str) {
        self.push(&html! {
            rect class=(class) x=(tenths(x)) y=(tenths(y)) width=(tenths(width))
                height=(format_args!("{height:.2}")) {
                @if !label.is_empty() { title { (label) } }
            }
        });
    }

    /// Shades a span of time over the whole height.
    pub(super) fn shade(&mut self, from_s: f64, to_s: f64, class: &str, label: &str) {
        let (x, width) = (self.x(from_s), self.x(to_s) - self.x(from_s));
        self.rect((x, TOP), (width, self.bottom() - TOP), class, label);
    }

    /// A mark over the whole height at one moment.
    pub(super) fn mark(&mut self, at_s: f64, class: &str, label: &str) {
        let (x, bottom) = (tenths(self.x(at_s)), self.bottom());
        self.push(&html! {
            line class=(class) x1=(x) x2=(x) y1=(TOP) y2=(tenths(bottom)) { title { (label) } }
        });
    }

    /// A bar of a strip: a span of time at one of `rows` rows.
    pub(super) fn bar(
        &mut self,
        row: (usize, usize),
        span_s: (f64, f64),
        class: &str,
        label: &str,
    ) {
        let (y, height) = self.row(row);
        let (x, width) = (self.x(span_s.0), (self.x(span_s.1) - self.x(span_s.0)).max(1.0));
        self.rect((x, y), (width, height - 4.0), class, label);
    }

    /// Where a row begins, and how high it is.
    fn row(&self, (index, rows): (usize, usize)) -> (f64, f64) {
        #[expect(clippy::cast_precision_loss, reason = "a chart has a few rows")]
        let (index, rows) = (index as f64, rows as f64);
        let height = (self.bottom() - TOP) / rows;
        (TOP + height * index, height)
    }

    /// The name of a row of a strip.
    pub(super) fn row_label(&mut self, row: (usize, usize), label: &str) {
        let (y, height) = self.row(row);
        self.text(LEFT - 8.0, y + height / 2.0 + 2.0, "end", label);
    }

    /// A filled column from `low` to `high` over a span of time.
    pub(super) fn column(&mut self, span_s: (f64, f64), low: f64, high: f64, class: &str) {
        let (x, width) = (self.x(span_s.0), self.x(span_s.1) - self.x(span_s.0));
        let (y, height) = (self.y(high), self.y(low) - self.y(high));
        if height > 0.0 {
            self.rect((x, y), (width, height), class, "");
        }
    }

    /// A line through points; a gap where there is no value.
    pub(super) fn line(&mut self, points: &[(f64, Option<f64>)], class: &str) {
        let mut path = String::new();
        let mut pen_down = false;
        for (at_s, value) in points {
            let Some(value) = value else {
                pen_down = false;
                continue;
            };
            let command = if pen_down { 'L' } else { 'M' };
            // Writing into a String cannot fail.
            let _ = write!(path, "{command}{:.1} {:.1}", self.x(*at_s), self.y(*value));
            pen_down = true;
        }
        self.push(&html! { path class=(class) d=(path) {} });
    }

    /// Makes a span of time answer to the pointer.
    pub(super) fn hover(&mut self, span_s: (f64, f64), label: &str) {
        self.shade(span_s.0, span_s.1, "hover", label);
    }

    /// A labelled horizontal line at a value.
    pub(super) fn grid(&mut self, value: f64, label: &str) {
        let (y, right) = (self.y(value), WIDTH - RIGHT);
        let level = tenths(y);
        self.push(&html! { line.grid x1=(LEFT) x2=(right) y1=(level) y2=(level) {} });
        self.text(LEFT - 8.0, y + 4.0, "end", label);
    }

    fn text(&mut self, x: f64, y: f64, anchor: &str, text: &str) {
        self.push(&html! { text x=(tenths(x)) y=(tenths(y)) text-anchor=(anchor) { (text) } });
    }

    /// Labels the time axis and ends the chart.
    pub(super) fn finish(mut self) -> Markup {
        let step = round_step(self.end_s / TIME_LABELS);
        let mut at = 0.0;
        while at <= self.end_s {
            let decimals = usize::from(step < 1.0);
            let label = format!("{at:.decimals$} s");
            let (x, y) = (self.x(at), self.height - 6.0);
            self.text(x, y, "middle", &label);
            at += step;
        }
        let view = format!("0 0 {WIDTH} {}", self.height);
        html! {
            svg viewBox=(view) role="img" aria-label=(self.title) {
                title { (self.title) }
                (PreEscaped(self.shapes))
            }
        }
    }
}

/// A coordinate to a tenth: as fine as anything shows.
fn tenths(coordinate: f64) -> String {
    format!("{coordinate:.1}")
}

/// The next of 1, 2, 5, 10, 20, ... at or above `step`.
pub(super) fn round_step(step: f64) -> f64 {
    let unit = 10_f64.powf(step.max(0.1).log10().floor());
    [1.0, 2.0, 5.0]
        .into_iter()
        .map(|factor| factor * unit)
        .find(|round| *round >= step)
        .unwrap_or(10.0 * unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Catches an axis with a hundred labels, and one that never ends.
    #[test]
    fn steps_are_round() {
        for (step, round) in [(0.0, 0.1), (0.3, 0.5), (1.0, 1.0), (3.1, 5.0), (7.0, 10.0)] {
            assert!((round_step(step) - round).abs() < 1e-9, "{step}");
        }
    }

    /// Catches coordinates that are no numbers, which make a browser drop the shape.
    #[test]
    fn extreme_values_stay_on_the_chart() {
        for scale in [Scale::Linear(0.0), Scale::Linear(10.0), Scale::Log(1.0, 1e6)] {
            let mut chart = Chart::new("t", 0.0, 100.0, scale);
            chart.column((0.0, 1.0), 0.0, 1e12, "good");
            chart.line(&[(0.0, Some(0.0)), (1.0, None), (2.0, Some(1e12))], "p50");
            chart.mark(f64::MAX, "violation", "x");
            let svg = chart.finish().into_string();
            assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
        }
    }
}
