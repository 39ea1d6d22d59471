//! Log lines of a server: one JSON object a line on stdout, with Toxiproxy's field names.

use std::fmt;
use std::fmt::Write;

use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;

use super::outlet::Outlet;
use crate::base::terminal::Text;
use crate::base::time::Wall;

/// Writes this program's log lines to `outlet`, as far as `level` (the value of `LOG_LEVEL`) lets
/// them through. An unknown level is an error line, and the default.
pub(super) fn start(level: Option<&str>, outlet: Outlet) {
    let known = level.map(parse);
    let filter = known.flatten().unwrap_or(LevelFilter::INFO);
    let lines = tracing_subscriber::fmt::layer().event_format(Lines).with_ansi(false);
    let lines = lines.with_writer(move || outlet.clone());
    let filter = Targets::new().with_target("harness", filter);
    // A second start in one process keeps the first.
    let _ = tracing_subscriber::registry().with(lines).with(filter).try_init();
    if let (Some(level), Some(None)) = (level, known) {
        tracing::error!(LOG_LEVEL = level, "unknown log level; info is used");
    }
}

fn parse(level: &str) -> Option<LevelFilter> {
    Some(match level.to_ascii_lowercase().as_str() {
        "" | "info" => LevelFilter::INFO,
        "trace" => LevelFilter::TRACE,
        "debug" => LevelFilter::DEBUG,
        "warn" => LevelFilter::WARN,
        "error" | "fatal" | "panic" => LevelFilter::ERROR,
        "disabled" => LevelFilter::OFF,
        _ => return None,
    })
}

struct Lines;

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let metadata = event.metadata();
        let level = match *metadata.level() {
            Level::ERROR => "error",
            Level::WARN => "warn",
            Level::INFO => "info",
            Level::DEBUG => "debug",
            Level::TRACE => "trace",
        };
        let mut line = Line(format!("{{\"level\":\"{level}\""));
        if let (Some(file), Some(row)) = (metadata.file(), metadata.line()) {
            let file = file.rsplit(['/', '\\']).next().unwrap_or(file);
            line.member("caller", &format!("{file}:{row}").into());
        }
        line.member("time", &Wall::now().rfc3339().into());
        event.record(&mut line);
        writeln!(writer, "{}}}", Text::from(line.0))
    }
}

/// A JSON object that is being written.
struct Line(String);

impl Line {
    fn member(&mut self, name: &str, value: &serde_json::Value) {
        // Writing to a String cannot fail.
        let _ = write!(self.0, ",{}:{value}", serde_json::Value::from(name));
    }
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.member(field.name(), &format!("{value:?}").into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.member(field.name(), &value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.member(field.name(), &value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.member(field.name(), &value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.member(field.name(), &value.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Catches a level of Toxiproxy's that is refused.
    #[test]
    fn every_level_of_toxiproxy_is_known() {
        for level in ["trace", "debug", "info", "warn", "error", "fatal", "panic", "disabled"] {
            assert!(parse(level).is_some(), "{level}");
        }
        assert_eq!(parse("loud"), None);
    }
}
