//! One row of a chart as SVG: columns, lines, bars and marks over an axis.
//!
//! The drawing stretches to the room that there is and its words do not, because they stand beside it:
//! so a row can be read on a telephone, and a script can show a part of it by changing its view.

use std::fmt::Write as _;

use maud::{Markup, PreEscaped, html};

/// The height of every drawing in its own units, which the page stretches.
const HEIGHT: f64 = 1000.0;

/// Units of a drawing for each second: a millisecond is as fine as anything shows.
const PER_SECOND: f64 = 1000.0;

/// Labels on an axis of time, about: as many as fit a telephone.
const TIME_LABELS: f64 = 6.0;

/// A label so close to an end of its axis stands beside its place, and not on both sides of it.
const EDGE: f64 = 0.03;

/// How values become heights.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Scale {
    /// From zero up to this.
    Linear(f64),
    /// From the first up to the second, each factor of ten as high as the next.
    Log(f64, f64),
}

/// What fills one span of time from one value up to another.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Column {
    /// When it begins and ends, in seconds.
    pub(super) span_s: (f64, f64),
    /// From this value.
    pub(super) low: f64,
    /// Up to this one; the same: nothing is drawn.
    pub(super) high: f64,
}

/// One drawing under construction.
#[derive(Debug)]
pub(super) struct Plot {
    width: f64,
    scale: Scale,
    shapes: String,
    /// How far down each label stands, of 1, and what it says.
    labels: Vec<(f64, String)>,
}

impl Plot {
    /// An empty drawing from the start of the run to `end_s`.
    pub(super) fn new(end_s: f64, scale: Scale) -> Self {
        let width = (end_s.max(0.001) * PER_SECOND).min(1e12);
        Self { width, scale, shapes: String::new(), labels: Vec::new() }
    }

    fn x(&self, at_s: f64) -> f64 {
        (at_s * PER_SECOND).clamp(0.0, self.width).round()
    }

    /// How far up a value stands, of 1.
    fn share(&self, value: f64) -> f64 {
        let share = match self.scale {
            Scale::Linear(top) => value / top.max(f64::MIN_POSITIVE),
            Scale::Log(low, high) => (value.max(low) / low).ln() / (high / low).ln(),
        };
        share.clamp(0.0, 1.0)
    }

    fn y(&self, value: f64) -> f64 {
        ((1.0 - self.share(value)) * HEIGHT).round()
    }

    fn push(&mut self, shape: &Markup) {
        self.shapes.push_str(&shape.0);
    }

    fn rect(&mut self, (x, y): (f64, f64), (width, height): (f64, f64), class: &str, label: &str) {
        self.push(&html! {
            rect class=(class) x=(x) y=(y) width=(width) height=(height) { title { (label) } }
        });
    }

    /// Shades a span of time over the whole height.
    pub(super) fn shade(&mut self, (from_s, to_s): (f64, f64), class: &str, label: &str) {
        let (x, end) = (self.x(from_s), self.x(to_s));
        self.rect((x, 0.0), (end - x, HEIGHT), class, label);
    }

    /// A mark over the whole height at one moment.
    pub(super) fn mark(&mut self, at_s: f64, class: &str, label: &str) {
        let x = self.x(at_s);
        self.push(&html! {
            line class={ "mark " (class) } x1=(x) x2=(x) y1="0" y2=(HEIGHT) { title { (label) } }
        });
    }

    /// A bar of a strip: a span of time at one of `rows` rows.
    pub(super) fn bar(
        &mut self,
        (row, rows): (usize, usize),
        (from_s, to_s): (f64, f64),
        class: &str,
        label: &str,
    ) {
        let (x, end) = (self.x(from_s), self.x(to_s));
        let (top, height) = lane(row, rows);
        self.rect(
            (x, (top + height * 0.1).round()),
            (end - x, (height * 0.8).round()),
            class,
            label,
        );
    }

    /// The name of some rows of a strip, beside the middle of them.
    pub(super) fn name_rows(&mut self, first: usize, count: usize, rows: usize, label: &str) {
        let (top, height) = lane(first, rows);
        #[expect(clippy::cast_precision_loss, reason = "a strip has a few rows")]
        let middle = top + height * count as f64 / 2.0;
        self.labels.push((middle / HEIGHT, label.to_owned()));
    }

    /// Columns, each as high as its value says, as one shape: those that touch share their edges.
    pub(super) fn columns(&mut self, columns: &[Column], class: &str) {
        let mut path = String::new();
        let drawn: Vec<[f64; 4]> = columns
            .iter()
            .map(|it| [self.x(it.span_s.0), self.x(it.span_s.1), self.y(it.low), self.y(it.high)])
            .collect();
        let touch = |one: &[f64; 4], next: &[f64; 4]| {
            one[2] > one[3] && next[2] > next[3] && (one[1] - next[0]).abs() < 1.5
        };
        for run in drawn.chunk_by(touch) {
            let [first, .., last] = [run[0], run[run.len() - 1]];
            if first[2] <= first[3] {
                continue;
            }
            // Writing into a String cannot fail.
            let _ = write!(path, "M{} {}", first[0], first[2]);
            for [_, end, _, top] in run {
                let _ = write!(path, "V{top}H{end}");
            }
            let _ = write!(path, "V{}", last[2]);
            for [start, _, base, _] in run.iter().rev() {
                let _ = write!(path, "V{base}H{start}");
            }
            path.push('Z');
        }
        if !path.is_empty() {
            self.push(&html! { path class={ "area " (class) } d=(path) {} });
        }
    }

    /// A line that keeps each value for its whole span; a gap where there is none.
    pub(super) fn steps(&mut self, points: &[((f64, f64), Option<f64>)], class: &str) {
        let mut path = String::new();
        let mut pen: Option<f64> = None;
        for ((from_s, to_s), value) in points {
            let Some(value) = value else {
                pen = None;
                continue;
            };
            let (from, to, y) = (self.x(*from_s), self.x(*to_s), self.y(*value));
            let joins = pen.is_some_and(|end| (end - from).abs() < 1.5);
            let _ =
                if joins { write!(path, "V{y}H{to}") } else { write!(path, "M{from} {y}H{to}") };
            pen = Some(to);
        }
        self.push(&html! { path class={ "line " (class) } d=(path) {} });
    }

    /// A line from point to point.
    pub(super) fn curve(&mut self, points: &[(f64, f64)], class: &str) {
        let mut path = String::new();
        for (place, (at, value)) in points.iter().enumerate() {
            let command = if place == 0 { 'M' } else { 'L' };
            let _ = write!(path, "{command}{} {}", self.x(*at), self.y(*value));
        }
        self.push(&html! { path class={ "line " (class) } d=(path) {} });
    }

    /// A labelled horizontal line at a value.
    pub(super) fn grid(&mut self, value: f64, label: &str) {
        let (y, end) = (self.y(value), self.width);
        self.push(&html! { line.grid x1="0" x2=(end) y1=(y) y2=(y) {} });
        self.labels.push((1.0 - self.share(value), label.to_owned()));
    }

    /// Round steps up to `top`, about three, each labelled.
    pub(super) fn grid_up_to(&mut self, top: f64, label: impl Fn(f64) -> String) {
        let step = round_step(top / 3.0);
        let mut value = 0.0;
        while value <= top {
            self.grid(value, &label(value));
            value += step;
        }
    }

    /// A line for each factor of ten between the two.
    pub(super) fn decades(&mut self, low: f64, high: f64, label: impl Fn(f64) -> String) {
        let mut value = low;
        while value <= high * 1.001 {
            self.grid(value, &label(value));
            value *= 10.0;
        }
    }

    /// The drawing with its labels, so many pixels high; `about` says what it shows.
    pub(super) fn finish(self, about: &str, height: usize) -> Markup {
        let view = format!("0 0 {} {HEIGHT}", self.width.round());
        html! {
            div.plot style={ "height:" (height) "px" } {
                div.y aria-hidden="true" {
                    @for (down, label) in &self.labels {
                        span style={ "top:" (percent(*down)) } { (label) }
                    }
                }
                svg viewBox=(view) preserveAspectRatio="none" role="img" aria-label=(about) {
                    (PreEscaped(self.shapes))
                }
            }
        }
    }
}

/// Where a row of a strip begins, and how high it is.
fn lane(row: usize, rows: usize) -> (f64, f64) {
    #[expect(clippy::cast_precision_loss, reason = "a strip has a few rows")]
    let (row, rows) = (row as f64, rows.max(1) as f64);
    (HEIGHT / rows * row, HEIGHT / rows)
}

/// Labels below drawings: how far to the right each stands, of 1, and what it says.
pub(super) fn axis(labels: &[(f64, String)]) -> Markup {
    html! {
        div.axis aria-hidden="true" {
            @for (right, label) in labels {
                span.first[*right < EDGE].last[*right > 1.0 - EDGE] style={ "left:" (percent(*right)) } { (label) }
            }
        }
    }
}

/// The axis of time up to `end_s`.
pub(super) fn time_axis(end_s: f64) -> Markup {
    let end_s = end_s.max(0.001);
    let step = round_step(end_s / TIME_LABELS);
    let decimals = usize::from(step < 1.0);
    let mut labels = Vec::new();
    let mut at = 0.0;
    while at <= end_s {
        labels.push((at / end_s, format!("{at:.decimals$} s")));
        at += step;
    }
    axis(&labels)
}

fn percent(share: f64) -> String {
    format!("{:.2}%", share * 100.0)
}

/// The next of 1, 2, 5, 10, 20, ... at or above `step`.
fn round_step(step: f64) -> f64 {
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
            for end_s in [0.0, f64::MAX] {
                let mut plot = Plot::new(end_s, scale);
                plot.columns(&[Column { span_s: (0.0, 1.0), low: 0.0, high: 1e12 }], "good");
                plot.steps(&[((0.0, 1.0), Some(0.0)), ((1.0, 2.0), None)], "p50");
                plot.mark(f64::MAX, "violation", "x");
                let svg = plot.finish("t", 100).into_string();
                assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
            }
        }
    }

    /// Catches a shape that does not stand where its values are, or that shows before its time.
    #[test]
    fn shapes_stand_where_their_values_are() {
        let mut plot = Plot::new(10.0, Scale::Linear(200.0));
        let column = |from, to, low, high| Column { span_s: (from, to), low, high };
        plot.columns(
            &[
                column(1.0, 1.1, 0.0, 100.0),
                column(1.1, 1.2, 0.0, 50.0),
                column(1.2, 1.3, 0.0, 0.0),
            ],
            "good",
        );
        plot.steps(
            &[((2.0, 2.1), Some(200.0)), ((2.1, 2.2), None), ((2.2, 2.3), Some(0.0))],
            "p50",
        );
        let svg = plot.finish("t", 100).into_string();
        assert!(svg.contains("M1000 1000V500H1100V750H1200V1000V1000H1100V1000H1000Z"), "{svg}");
        assert!(svg.contains("M2000 0H2100M2200 1000H2300"), "{svg}");
    }
}
