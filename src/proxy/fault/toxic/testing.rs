//! A bench for one toxic: literal instants in, what leaves and when out.

use bytes::Bytes;
use tokio::time::{Duration, Instant};

use super::{Clear, Toxic, ToxicSpec};
use crate::base::family::{Kind, Settings, Value};
use crate::base::seed::Seed;
use crate::proxy::fault::outbox::{Due, Item, Outbox, What};

/// Settings from numbers in the units of Toxiproxy.
pub(crate) fn settings(values: &[(&str, f64)]) -> Settings {
    let mut settings = Settings::default();
    for (name, value) in values {
        settings.insert(*name, Value::Float(*value));
    }
    settings
}

pub(crate) struct Bench {
    start: Instant,
    toxic: Box<dyn Toxic>,
    out: Outbox,
    touched: u32,
}

impl Bench {
    pub(crate) fn new(kind: &Kind<dyn ToxicSpec>, settings: &Settings) -> Self {
        Self::seeded(kind, settings, 1)
    }

    pub(crate) fn seeded(kind: &Kind<dyn ToxicSpec>, settings: &Settings, seed: u64) -> Self {
        Self::start(&*kind.make(settings).unwrap(), seed)
    }

    /// One of whatever kind.
    pub(crate) fn of(spec: &dyn ToxicSpec) -> Self {
        Self::start(spec, 1)
    }

    fn start(spec: &dyn ToxicSpec, seed: u64) -> Self {
        let start = Instant::now();
        let toxic = spec.start(start, Seed::new(seed).stream());
        Self { start, toxic, out: Outbox::new(start), touched: 0 }
    }

    pub(crate) fn update(&mut self, spec: &dyn ToxicSpec) -> &mut Self {
        let carried = self.toxic.carried();
        self.toxic = spec.resume(self.start, Seed::new(1).stream(), carried);
        self
    }

    pub(crate) fn data_at(&mut self, at_ms: u64, data: &'static [u8]) -> &mut Self {
        self.decide(at_ms, |toxic, now, out| toxic.on_data(now, Bytes::from_static(data), out))
    }

    pub(crate) fn bytes_at(&mut self, at_ms: u64, count: usize) -> &mut Self {
        self.decide(at_ms, |toxic, now, out| toxic.on_data(now, vec![b'x'; count].into(), out))
    }

    pub(crate) fn end_at(&mut self, at_ms: u64) -> &mut Self {
        self.run_to(at_ms);
        let now = self.start + Duration::from_millis(at_ms);
        self.out.begin(now);
        self.toxic.on_end(now, &mut self.out);
        self
    }

    /// Something passes in the other direction.
    pub(crate) fn other_at(&mut self, at_ms: u64) -> &mut Self {
        self.run_to(at_ms);
        self.toxic.on_other(self.start + Duration::from_millis(at_ms));
        self
    }

    fn decide(
        &mut self,
        at_ms: u64,
        decision: impl FnOnce(&mut dyn Toxic, Instant, &mut Outbox),
    ) -> &mut Self {
        self.run_to(at_ms);
        let now = self.start + Duration::from_millis(at_ms);
        let before = self.out.len();
        self.out.begin(now);
        decision(&mut *self.toxic, now, &mut self.out);
        self.touched += u32::from(self.out.finish(before, 1));
        self
    }

    pub(crate) fn run_to(&mut self, at_ms: u64) -> &mut Self {
        let until = self.start + Duration::from_millis(at_ms);
        while let Some(at) = self.toxic.deadline().filter(|at| *at <= until) {
            self.out.begin(at);
            self.toxic.on_deadline(at, &mut self.out);
            self.touched += u32::from(self.out.finish(usize::MAX, 0));
        }
        self
    }

    pub(crate) fn clear(&self) -> Clear {
        self.toxic.clear()
    }

    pub(crate) fn touched(&self) -> u32 {
        self.touched
    }

    /// Everything, each thing taken as soon as it is due.
    fn items(&mut self) -> Vec<Item> {
        std::iter::from_fn(|| self.leave()).collect()
    }

    fn leave(&mut self) -> Option<Item> {
        let item = self.out.pop()?;
        if let Due::At(due) = item.due {
            self.toxic.on_left(due, due, &mut self.out);
        }
        Some(item)
    }

    /// `"12 bytes"`, `"20 end"`: the due time in milliseconds and what leaves then.
    pub(crate) fn out(&mut self) -> Vec<String> {
        let start = self.start;
        let text = |item: Item| {
            let due = match item.due {
                Due::At(at) => (at - start).as_millis().to_string(),
                Due::Never => "never".to_owned(),
            };
            let what = match item.what {
                What::Data(data) => String::from_utf8_lossy(&data).into_owned(),
                What::End => "end".to_owned(),
                What::Close => "close".to_owned(),
                What::Reset => "reset".to_owned(),
            };
            format!("{due} {what}")
        };
        self.items().into_iter().map(text).collect()
    }

    /// The due times of the pieces, in milliseconds.
    pub(crate) fn dues(&mut self) -> Vec<f64> {
        let start = self.start;
        let due = |item: Item| item.due.instant().map(|at| (at - start).as_secs_f64() * 1e3);
        self.items().into_iter().filter_map(due).collect()
    }

    pub(crate) fn pieces(&mut self) -> usize {
        self.items().len()
    }

    pub(crate) fn bytes(&mut self) -> Vec<u8> {
        let data = |item: Item| match item.what {
            What::Data(data) => data,
            _ => Bytes::new(),
        };
        self.items().into_iter().flat_map(data).collect()
    }

    pub(crate) fn byte_count(&mut self) -> usize {
        self.bytes().len()
    }
}
