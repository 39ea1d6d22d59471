//! What our own load calls: the client in this process, a driver, or a service.

use std::sync::Arc;
use std::time::Duration;

use super::{DataLoss, LossListener, Output, Relisted, Subject};
use crate::base::scope::Scope;
use crate::client::NodeSnapshot;
use crate::driver::{Driver, OpenCall, Story};
use crate::event::{DelayUs, Events, SERVICE, Sample, SubjectError, SubjectFacts};
use crate::load::{
    self, Cache, Load, LoadConfig, LoadError, LoadTotals, Preloaded, Progress, Service, Split,
};
use crate::record::Recorder;

/// What operations under way may take to end, beyond the longest that the client's deadlines allow.
const DRAIN_SLACK: Duration = Duration::from_secs(1);

/// The file of a run that has what a driver wrote to stderr.
const STDERR: &str = "driver.stderr.log";

/// How many of the calls that had not ended are told one by one.
const OPEN_EXAMPLES_MAX: usize = 3;

/// The client and the load on it.
#[derive(Debug)]
pub(crate) struct Called {
    cache: Cache,
    /// Operations of the workload that it cannot do.
    left_out: Vec<String>,
    /// `None`: it was drained.
    load: Option<Arc<Load>>,
    /// Of the load that was drained.
    keys_moved_ratio: Option<f64>,
    drain_grace: Duration,
}

impl Called {
    /// Prepares the load; nothing is called yet. There is a client for each group, with its share of the
    /// workers.
    ///
    /// # Errors
    /// When the load refuses its settings.
    pub(super) fn start(
        mut clients: Vec<(Cache, f64)>,
        load: LoadConfig,
        left_out: Vec<String>,
        recorder: &Recorder,
        events: &Events,
        scope: &Scope,
    ) -> Result<Self, LoadError> {
        let cache = match clients.len() {
            1 => clients.remove(0).0,
            _ => Cache::Split(Split::new(clients).expect("there is a client")),
        };
        let drain_grace = load.deadline * 3 + DRAIN_SLACK;
        let sampler = || {
            let shard = recorder.shard();
            Box::new(move |sample: &Sample| shard.record(sample)) as load::Sampler
        };
        let load = Load::start(load, cache.clone(), sampler, events.clone(), scope)?;
        Ok(Self {
            cache,
            left_out,
            load: Some(Arc::new(load)),
            keys_moved_ratio: None,
            drain_grace,
        })
    }

    fn drivers(&self) -> impl Iterator<Item = &Driver> {
        self.cache.each().into_iter().filter_map(|cache| match cache {
            Cache::Driver(driver) => Some(driver),
            _ => None,
        })
    }
}

impl Subject for Called {
    fn facts(&self) -> SubjectFacts {
        let facts = self.cache.each().into_iter().map(|cache| match cache {
            Cache::Driver(driver) => facts_of(driver),
            Cache::Service(service) => facts_of_service(service),
            Cache::Own(_) | Cache::Split(_) => facts_of_own(),
        });
        let facts = facts.reduce(together).unwrap_or_default();
        let keys_moved_ratio = self.load.as_ref().and_then(|load| load.keys_moved_ratio());
        SubjectFacts {
            left_out: self.left_out.clone(),
            list_keys_moved_ratio: keys_moved_ratio.or(self.keys_moved_ratio),
            ..facts
        }
    }

    fn makes_the_load(&self) -> bool {
        false
    }

    fn output(&self) -> Option<Output> {
        let drivers = self.drivers().filter(|driver| !driver.is_web());
        drivers.map(stderr_of).reduce(|mut all, more| {
            all.lines.extend(more.lines);
            all.dropped += more.dropped;
            all
        })
    }

    fn planted(&self) -> Option<String> {
        let Cache::Own(client) = self.cache.first() else { return None };
        let broken = client.config().broken?;
        let (name, summary) = (broken.name(), broken.summary());
        Some(format!("the client is broken, as it was told to be: {name} ({summary})"))
    }

    fn trouble(&self) -> Option<String> {
        self.drivers()
            .find_map(Driver::nonsense)
            .map(|what| format!("the driver does not keep to the protocol: {what}"))
    }

    fn loss_listener(&self) -> LossListener {
        let load = self.load.as_ref().map(Arc::downgrade).unwrap_or_default();
        Arc::new(move |loss| match (load.upgrade(), loss) {
            (Some(load), DataLoss::Announced(node, within)) => load.forget_within(node, within),
            (Some(load), DataLoss::Emptied(node)) => load.forget(node),
            (Some(load), DataLoss::Evicts(node)) => load.drops_items(node),
            (None, _) => {}
        })
    }

    fn on_relisted(&self) -> Relisted {
        let load = self.load.as_ref().map(Arc::downgrade).unwrap_or_default();
        Box::new(move |group, nodes| Some(load.upgrade()?.relist(group, nodes)))
    }

    async fn preload(&self) -> Preloaded {
        match &self.load {
            Some(load) => load.preload().await,
            None => Preloaded::default(),
        }
    }

    fn begin(&self) {
        self.load.iter().for_each(|load| load.begin());
    }

    fn progress(&self) -> Progress {
        self.load.as_ref().map(|load| load.progress()).unwrap_or_default()
    }

    fn snapshot(&self) -> Option<Vec<NodeSnapshot>> {
        let snapshot = |cache: &Cache| match cache {
            Cache::Own(client) => Some(client.snapshot()),
            Cache::Driver(_) | Cache::Service(_) | Cache::Split(_) => None,
        };
        let all = self.cache.each().into_iter().map(snapshot).collect::<Option<Vec<_>>>()?;
        all.into_iter().reduce(|all, more| {
            all.into_iter().zip(&more).map(|(node, other)| node.with(other)).collect()
        })
    }

    async fn ended(&self) {
        std::future::pending().await
    }

    fn stop(&self) {
        self.load.iter().for_each(|load| load.stop());
    }

    async fn drain(&mut self) -> Option<LoadTotals> {
        let load = self.load.take()?;
        self.keys_moved_ratio = load.keys_moved_ratio();
        let load = Arc::into_inner(load)?;
        Some(load.drain(self.drain_grace).await)
    }

    async fn close(self) {
        for cache in self.cache.each() {
            match cache {
                Cache::Own(client) => client.close().await,
                Cache::Driver(driver) => driver.close().await,
                Cache::Service(_) | Cache::Split(_) => {}
            }
        }
    }
}

/// What is known of two clients of the same kind, each with a group of its own.
fn together(mut all: SubjectFacts, more: SubjectFacts) -> SubjectFacts {
    let sum = |one: &mut Option<u64>, other: Option<u64>| {
        *one = one.iter().copied().chain(other).reduce(|a, b| a + b);
    };
    sum(&mut all.crashes, more.crashes);
    sum(&mut all.misses_unanswered, more.misses_unanswered);
    sum(&mut all.calls_open, more.calls_open);
    all.longest_open_s = all.longest_open_s.into_iter().chain(more.longest_open_s).reduce(f64::max);
    all.open_examples.extend(more.open_examples);
    all.errors.extend(more.errors);
    all
}

fn facts_of_own() -> SubjectFacts {
    SubjectFacts {
        kind: SubjectFacts::BUILTIN.to_owned(),
        name: "harness".to_owned(),
        version: Some(env!("CARGO_PKG_VERSION").to_owned()),
        ..SubjectFacts::default()
    }
}

fn told(call: &OpenCall) -> String {
    format!("{} of {} after {:.1} s", call.op, call.key, call.age.as_secs_f64())
}

fn facts_of(driver: &Driver) -> SubjectFacts {
    let Story { ready, crashes, floor, .. } = driver.story();
    let round_trips = &floor.round_trips_us;
    let errors = driver.errors().into_iter();
    let open = driver.open_calls();
    SubjectFacts {
        kind: "driver".to_owned(),
        name: ready.client,
        version: Some(ready.version).filter(|version| !version.is_empty()),
        runtime: Some(ready.runtime).filter(|runtime| !runtime.is_empty()),
        pipelines: driver.pipelines(),
        operations: ready.operations,
        left_out: Vec::new(),
        not_judged: Vec::new(),
        floor_us: (!round_trips.is_empty()).then(|| DelayUs {
            p50: Some(round_trips.value_at_quantile(0.5)),
            p99: Some(round_trips.value_at_quantile(0.99)),
            max: Some(round_trips.max()),
        }),
        crashes: (!driver.is_web()).then_some(crashes.len() as u64),
        // Only the wire tells whether a node has answered.
        misses_unanswered: (!driver.is_blind()).then(|| driver.misses_unanswered()),
        calls_open: (!driver.is_web()).then_some(open.len() as u64),
        longest_open_s: open.first().map(|call| call.age.as_secs_f64()),
        open_examples: open.iter().take(OPEN_EXAMPLES_MAX).map(told).collect(),
        errors: errors
            .map(|(class, message)| SubjectError { class: class.name().to_owned(), message })
            .collect(),
        command: None,
        list_keys_moved_ratio: None,
    }
}

fn facts_of_service(service: &Service) -> SubjectFacts {
    let errors = service.samples().into_iter();
    SubjectFacts {
        kind: SERVICE.to_owned(),
        name: service.spec().base.to_string(),
        errors: errors.map(|(class, message)| SubjectError { class, message }).collect(),
        ..SubjectFacts::default()
    }
}

fn stderr_of(driver: &Driver) -> Output {
    let Story { stderr: lines, stderr_dropped: dropped, .. } = driver.story();
    Output { file: STDERR, lines, dropped }
}
