//! What is shown at one moment: series with their values, which the library writes down.

use std::collections::BTreeMap;
use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet};

use super::families::FAMILIES;
use super::family::{Family, Kind};
use super::spread::Spread;
use crate::record::DelayUs;

/// A count as a level.
#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
pub(super) const fn level(count: u64) -> f64 {
    count as f64
}

/// Series by their family's name and the values of their labels.
#[derive(Clone, Debug, Default)]
pub struct Page(BTreeMap<&'static str, BTreeMap<Vec<String>, Value>>);

#[derive(Clone, Debug)]
enum Value {
    Count(u64),
    Level(f64),
    Spread(Box<Spread>),
}

impl Page {
    fn put(&mut self, family: &Family, labels: &[&str], value: Value) {
        debug_assert_eq!(labels.len(), family.labels.len(), "{}", family.name);
        let labels = labels.iter().map(|&text| text.to_owned()).collect();
        self.0.entry(family.name).or_default().insert(labels, value);
    }

    /// Says something with labels alone.
    pub(super) fn info(&mut self, family: &Family, labels: &[&str]) {
        self.put(family, labels, Value::Level(1.0));
    }

    /// Sets a level.
    pub(super) fn level(&mut self, family: &Family, labels: &[&str], level: f64) {
        self.put(family, labels, Value::Level(level));
    }

    /// Sets a level where there is one.
    pub(super) fn level_of(&mut self, family: &Family, labels: &[&str], level: Option<f64>) {
        if let Some(level) = level {
            self.level(family, labels, level);
        }
    }

    /// Sets a delay, in seconds, as far as it is known.
    pub(super) fn delay(&mut self, family: &Family, DelayUs { p50, p99, max }: DelayUs) {
        for (share, us) in [("0.5", p50), ("0.99", p99), ("1", max)] {
            self.level_of(family, &[share], us.map(|us| level(us) / 1e6));
        }
    }

    /// Adds to a count: series that share the same labels, those beyond a bound, say, are one.
    pub(super) fn count(&mut self, family: &Family, labels: &[&str], more: u64) {
        let series = self.0.entry(family.name).or_default();
        let labels = labels.iter().map(|&text| text.to_owned()).collect();
        match series.entry(labels).or_insert(Value::Count(0)) {
            Value::Count(count) => *count = count.saturating_add(more),
            Value::Level(_) | Value::Spread(_) => {}
        }
    }

    /// Sets a histogram.
    pub(super) fn spread(&mut self, family: &Family, labels: &[&str], spread: Spread) {
        self.put(family, labels, Value::Spread(Box::new(spread)));
    }

    /// Adds all series of `other`.
    pub(super) fn extend(&mut self, other: &Self) {
        for (family, series) in &other.0 {
            self.0.entry(family).or_default().extend(series.clone());
        }
    }
}

impl Collector for Page {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        for family in FAMILIES {
            let Some(series) = self.0.get(family.name) else { continue };
            let told = family.descriptor();
            let mut metric = encoder.encode_descriptor(
                told.stem,
                family.help,
                told.unit.as_ref(),
                told.metric_type,
            )?;
            for (texts, value) in series {
                let texts = texts.iter().map(String::as_str);
                let labels: Vec<(&str, &str)> = family.labels.iter().copied().zip(texts).collect();
                if family.kind == Kind::Info {
                    metric.encode_info(&labels)?;
                } else {
                    value.encode(metric.encode_family(&labels)?)?;
                }
            }
        }
        Ok(())
    }
}

impl Value {
    fn encode(&self, mut encoder: MetricEncoder) -> fmt::Result {
        match self {
            Self::Count(count) => encoder.encode_counter::<NoLabelSet, _, f64>(count, None),
            Self::Level(level) => encoder.encode_gauge(level),
            Self::Spread(spread) => spread.encode(encoder),
        }
    }
}
