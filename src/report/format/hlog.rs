//! An HdrHistogram interval log: one tagged histogram for each phase and class, in microseconds.

use std::fmt::Write as _;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::Deserializer;

use super::Format;
use crate::report::model::Report;

pub(super) const FORMAT: Format = Format {
    name: "hlog",
    summary: "histograms for HdrHistogram tools, microseconds, one tag a phase and class",
    file: Some("histograms.hlog"),
    render: |run| render(&run.report),
};

fn render(report: &Report) -> String {
    let mut text = String::new();
    text.push_str("#[Histogram log format version 1.3]\n");
    // Writing into a String cannot fail, here and below.
    let _ = writeln!(text, "#[harness {}: {}, microseconds]", report.version, report.scenario);
    let columns =
        ["StartTimestamp", "Interval_Length", "Interval_Max", "Interval_Compressed_Histogram"];
    let _ = writeln!(text, "{}", columns.map(|column| format!("\"{column}\"")).join(","));
    for (name, histogram) in &report.histograms {
        let phase = report
            .phases
            .iter()
            .map(|phase| &phase.all)
            .find(|phase| name.split('.').next() == Some(phase.name.name()));
        let (Some(phase), Some(max)) = (phase, max_us(histogram)) else { continue };
        let length = phase.end_s - phase.start_s;
        let _ = writeln!(text, "Tag={name},{:.3},{length:.3},{max:.3},{histogram}", phase.start_s);
    }
    text
}

#[expect(clippy::cast_precision_loss, reason = "latencies are far below 2^53 us")]
fn max_us(base64: &str) -> Option<f64> {
    let bytes = STANDARD.decode(base64).ok()?;
    let histogram: Histogram<u64> = Deserializer::new().deserialize(&mut bytes.as_slice()).ok()?;
    Some(histogram.max() as f64)
}
