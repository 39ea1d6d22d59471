//! What a metric is: its name, its type, its labels.

use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Unit;

/// How a metric is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It only grows, and begins again with a run or with the process.
    Counter,
    /// It is what it is now.
    Gauge,
    /// How many were how long.
    Histogram,
    /// Always 1; its labels say something.
    Info,
}

impl Kind {
    /// The name in expositions and documents.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
            Self::Info => "info",
        }
    }

    const fn metric_type(self) -> MetricType {
        match self {
            Self::Counter => MetricType::Counter,
            Self::Gauge => MetricType::Gauge,
            Self::Histogram => MetricType::Histogram,
            Self::Info => MetricType::Info,
        }
    }
}

/// A metric with all its series.
#[derive(Debug, PartialEq, Eq)]
pub struct Family {
    /// Its name, as queries have it.
    pub name: &'static str,
    /// How it is counted.
    pub kind: Kind,
    /// What its series are told apart by.
    pub labels: &'static [&'static str],
    /// What it is, in one line.
    pub help: &'static str,
}

/// What the library is told of a family: it adds units and endings itself.
#[derive(Debug)]
pub(super) struct Descriptor {
    pub(super) stem: &'static str,
    pub(super) unit: Option<Unit>,
    pub(super) metric_type: MetricType,
}

impl Family {
    pub(super) fn descriptor(&self) -> Descriptor {
        let ending = match self.kind {
            Kind::Counter => "_total",
            Kind::Info => "_info",
            Kind::Gauge | Kind::Histogram => "",
        };
        let stem = self.name.strip_suffix(ending).unwrap_or(self.name);
        let (stem, unit) = match stem.strip_suffix("_seconds") {
            Some(stem) => (stem, Some(Unit::Seconds)),
            None => (stem, None),
        };
        Descriptor { stem, unit, metric_type: self.kind.metric_type() }
    }
}
