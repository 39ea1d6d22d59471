//! The forms in which a page is sent, and which of them a scraper asks for.

use std::sync::Arc;

use prometheus_client::encoding::{prometheus_protobuf, prometheus_text, text};
use prometheus_client::registry::Registry;

use super::page::Page;

/// A form.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Exposition {
    /// The OpenMetrics text, which Prometheus asks for. Histograms are classic ones.
    OpenMetrics,
    /// The older text, for people and for whoever asks for nothing.
    #[default]
    Text,
    /// Prometheus' protobuf, the only form that has native histograms; classic ones are in it as well.
    Protobuf,
}

const PROTOBUF: &str = "application/vnd.google.protobuf";

impl Exposition {
    /// What `accept`, the header of a request, wants most of what there is; of several, the first.
    #[must_use]
    pub fn asked(accept: &str) -> Self {
        let mut best = (0.0, Self::default());
        for range in accept.split(',') {
            let mut parts = range.split(';').map(str::trim);
            let wanted = match parts.next().unwrap_or_default() {
                "application/openmetrics-text" => Self::OpenMetrics,
                PROTOBUF if range.contains("io.prometheus.client.MetricFamily") => Self::Protobuf,
                "text/plain" | "text/*" | "*/*" => Self::Text,
                _ => continue,
            };
            let weight = parts.find_map(|part| part.strip_prefix("q="));
            let weight = weight.map_or(Some(1.0), |text| text.parse::<f64>().ok());
            // A weight that is none is no wish.
            if let Some(weight) = weight.filter(|weight| *weight > best.0) {
                best = (weight, wanted);
            }
        }
        best.1
    }

    /// What it is called in HTTP.
    #[must_use]
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Text => prometheus_text::CONTENT_TYPE,
            Self::Protobuf => {
                "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; \
                 encoding=delimited"
            }
        }
    }

    /// Writes a page. Nothing can fail but a count beyond 2^63, and then the page ends there, as a scraper
    /// notices.
    #[must_use]
    pub fn encode(self, page: Arc<Page>) -> Vec<u8> {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(page));
        let mut written = String::new();
        let _ = match self {
            Self::OpenMetrics => text::encode(&mut written, &registry),
            Self::Text => prometheus_text::encode(&mut written, &registry),
            Self::Protobuf => {
                return prometheus_protobuf::encode_to_vec(&registry).unwrap_or_default();
            }
        };
        written.into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Catches a scraper that is sent what it cannot read: what Prometheus asks for, with and without native
    /// histograms, what a browser and curl ask for, and what nobody means.
    #[test]
    fn everybody_gets_what_they_can_read() {
        let native = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;\
                      encoding=delimited,application/openmetrics-text;version=1.0.0;q=0.8,\
                      text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
        let usual = "application/openmetrics-text;version=1.0.0,\
                     application/openmetrics-text;version=0.0.1;q=0.75,text/plain;q=0.5,*/*;q=0.1";
        for (accept, expected) in [
            (native, Exposition::Protobuf),
            (usual, Exposition::OpenMetrics),
            ("text/html,application/xhtml+xml,*/*;q=0.8", Exposition::Text),
            ("*/*", Exposition::Text),
            ("", Exposition::Text),
            ("application/vnd.google.protobuf;proto=other", Exposition::Text),
            ("application/openmetrics-text;q=0,text/plain", Exposition::Text),
            ("application/openmetrics-text;q=much", Exposition::Text),
        ] {
            assert_eq!(Exposition::asked(accept), expected, "{accept}");
        }
    }
}
