//! What our own load calls: the client in this process, a driver, or a service.

use std::sync::Arc;
use std::time::Duration;

use super::{DataLoss, LossListener, Output, Subject};
use crate::base::scope::Scope;
use crate::client::NodeSnapshot;
use crate::driver::{Driver, Story};
use crate::event::{DelayUs, Events, SERVICE, Sample, SubjectError, SubjectFacts};
use crate::load::{
    self, Cache, Load, LoadConfig, LoadError, LoadTotals, Preloaded, Progress, Service,
};
use crate::record::Recorder;

/// What operations under way may take to end, beyond the longest that the client's deadlines allow.
const DRAIN_SLACK: Duration = Duration::from_secs(1);

/// The file of a run that has what a driver wrote to stderr.
const STDERR: &str = "driver.stderr.log";

/// The client and the load on it.
#[derive(Debug)]
pub(crate) struct Called {
    cache: Cache,
    /// Operations of the workload that it cannot do.
    left_out: Vec<String>,
    /// `None`: it was drained.
    load: Option<Arc<Load>>,
    drain_grace: Duration,
}

impl Called {
    /// Prepares the load; nothing is called yet.
    ///
    /// # Errors
    /// When the load refuses its settings.
    pub(super) fn start(
        cache: Cache,
        load: LoadConfig,
        left_out: Vec<String>,
        recorder: &Recorder,
        events: &Events,
        scope: &Scope,
    ) -> Result<Self, LoadError> {
        let drain_grace = load.deadline * 3 + DRAIN_SLACK;
        let sampler = || {
            let shard = recorder.shard();
            Box::new(move |sample: &Sample| shard.record(sample)) as load::Sampler
        };
        let load = Load::start(load, cache.clone(), sampler, events.clone(), scope)?;
        Ok(Self { cache, left_out, load: Some(Arc::new(load)), drain_grace })
    }
}

impl Subject for Called {
    fn facts(&self) -> SubjectFacts {
        let facts = match &self.cache {
            Cache::Own(_) => facts_of_own(),
            Cache::Driver(driver) => facts_of(driver),
            Cache::Service(service) => facts_of_service(service),
        };
        SubjectFacts { left_out: self.left_out.clone(), ..facts }
    }

    fn makes_the_load(&self) -> bool {
        false
    }

    fn output(&self) -> Option<Output> {
        match &self.cache {
            Cache::Own(_) | Cache::Service(_) => None,
            Cache::Driver(driver) => (!driver.is_web()).then(|| stderr_of(driver)),
        }
    }

    fn planted(&self) -> Option<String> {
        let Cache::Own(client) = &self.cache else { return None };
        let broken = client.config().broken?;
        let (name, summary) = (broken.name(), broken.summary());
        Some(format!("the client is broken, as it was told to be: {name} ({summary})"))
    }

    fn trouble(&self) -> Option<String> {
        let Cache::Driver(driver) = &self.cache else { return None };
        driver.nonsense().map(|what| format!("the driver does not keep to the protocol: {what}"))
    }

    fn loss_listener(&self) -> LossListener {
        let load = self.load.as_ref().map(Arc::downgrade).unwrap_or_default();
        Arc::new(move |loss| match (load.upgrade(), loss) {
            (Some(load), DataLoss::Emptied(node)) => load.forget(node),
            (Some(load), DataLoss::Evicts(node)) => load.drops_items(node),
            (None, _) => {}
        })
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
        match &self.cache {
            Cache::Own(client) => Some(client.snapshot()),
            Cache::Driver(_) | Cache::Service(_) => None,
        }
    }

    async fn ended(&self) {
        std::future::pending().await
    }

    fn stop(&self) {
        self.load.iter().for_each(|load| load.stop());
    }

    async fn drain(&mut self) -> Option<LoadTotals> {
        let load = Arc::into_inner(self.load.take()?)?;
        Some(load.drain(self.drain_grace).await)
    }

    async fn close(self) {
        match &self.cache {
            Cache::Own(client) => client.close().await,
            Cache::Driver(driver) => driver.close().await,
            Cache::Service(_) => {}
        }
    }
}

fn facts_of_own() -> SubjectFacts {
    SubjectFacts {
        kind: SubjectFacts::BUILTIN.to_owned(),
        name: "harness".to_owned(),
        version: Some(env!("CARGO_PKG_VERSION").to_owned()),
        ..SubjectFacts::default()
    }
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
        misses_unanswered: Some(driver.misses_unanswered()),
        calls_open: (!driver.is_web()).then_some(open.len() as u64),
        longest_open_s: open.first().map(Duration::as_secs_f64),
        errors: errors
            .map(|(class, message)| SubjectError { class: class.name().to_owned(), message })
            .collect(),
        command: None,
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
