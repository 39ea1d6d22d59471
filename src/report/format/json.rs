//! The report object itself: what programs read.

use super::Format;
use crate::report::line::Line;
use crate::report::stored::REPORT;

pub(super) const FORMAT: Format = Format {
    name: "json",
    summary: "the report object, as -json prints it last",
    file: Some(REPORT),
    render: |run| {
        let line = Line::Report(Box::new(run.report.clone()));
        let mut text = serde_json::to_string_pretty(&line).expect("every field has a JSON form");
        text.push('\n');
        text
    },
};
