//! One run of one scenario, from the first socket to the report.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::{MissedTickBehavior, interval, sleep, sleep_until};

use super::control::Control;
use super::dials::DialWatch;
use super::keeping::KeepingWatch;
use super::noise::NoiseWatch;
use super::sink::{ActiveFaults, Sink};
use super::wire::WireWatch;
use super::{Environment, Observer, RunError, calibration, facts, rebuild, setup};
use crate::base::scope::{Closed, Scope};
use crate::base::time::RunClock;
use crate::client::Client;
use crate::control::Feed;
use crate::event::{Event, EventKind, Events, Phase, ProcessChange};
use crate::judge::judge;
use crate::lab::Lab;
use crate::lab::error::LabError;
use crate::lab::nemesis::{FaultRecord, Nemesis};
use crate::load::{self, Load, LoadConfig};
use crate::plan::Plan;
use crate::record::journal::{Journal, JournalError};
use crate::record::{CalibrationCheck, Inputs, Interval, Partial, PhaseClock, Recorder};
use crate::report::{LINES_MAX, Line, Report, Stored, write_all};

/// What lies between the end of the preload and the steady phase, so that its backlog is gone.
const SETTLE: Duration = Duration::from_millis(500);

/// How long the tasks of a run may take to end.
const CLOSE_GRACE: Duration = Duration::from_secs(5);

/// What operations under way may take to end, beyond the longest that the client's deadlines allow.
const DRAIN_SLACK: Duration = Duration::from_secs(1);

/// How often the preload says how far it is.
const PROGRESS_PERIOD: Duration = Duration::from_secs(1);

/// A run that came to a report.
#[derive(Debug)]
pub struct Finished {
    /// The report. The observer has shown it already.
    pub report: Report,
    /// Where its files are; `None`: there is no room for them.
    pub folder: Option<PathBuf>,
}

/// Whether `plan` can be run here, as far as that is known before anything is started.
///
/// # Errors
/// What it wants and cannot have: a process of its own where servers were given, say.
pub fn possible(plan: &Plan, environment: &Environment) -> Result<(), RunError> {
    setup::able_lab(plan, environment).map(drop)
}

/// Runs `plan` and judges it.
///
/// # Errors
/// When there is nothing to report: the lab did not come up, or the run was interrupted before the
/// steady phase. Whatever was started is ended then, too.
pub async fn run(
    plan: &Plan,
    environment: &Environment,
    observer: &mut dyn Observer,
) -> Result<Finished, RunError> {
    let scope = Scope::current("run");
    let finished = in_scope(plan, environment, observer, &scope).await;
    if finished.is_err() {
        scope.close(CLOSE_GRACE).await;
    }
    finished
}

async fn in_scope(
    plan: &Plan,
    environment: &Environment,
    observer: &mut dyn Observer,
    scope: &Scope,
) -> Result<Finished, RunError> {
    observer.note(&setup::greeting(plan));
    let (stage, sink) = tokio::select! {
        biased;
        () = environment.interrupt.cancelled() => return Err(RunError::Interrupted),
        stage = Stage::set(plan, environment, scope) => stage?,
    };
    let control = stage.control.as_ref().and_then(Control::notice);
    for notice in stage.lab.notices().iter().map(String::as_str).chain(control) {
        observer.note(notice);
    }
    for notice in stage.planted() {
        observer.note(&notice);
    }
    let header = setup::header(plan);
    let mut desk = Desk::open(plan, &stage, sink, observer);
    let own = stage.control.as_ref().map(|control| control.address().to_string());
    let api = own.or_else(|| plan.toxiproxy.clone());
    desk.show(Line::Start(setup::start(plan, &header, stage.lab.info(), api)));
    let (end, records) = perform(plan, environment, &stage, &mut desk).await?;
    let (inputs, recorder) = stage.strike(&mut desk, end, &records).await;
    desk.deliver_waiting();
    let summary = recorder.finish(inputs);
    let judgement = judge(&summary, &plan.objectives);
    Ok(desk.finish(Report::new(header, &summary, &judgement)))
}

/// How the performance ended.
enum End {
    Complete,
    Interrupted,
    /// Not every key could be stored.
    Short,
    Broken(String),
}

/// Why the phases stopped before their end.
enum Stopped {
    Short,
    Broken(RunError),
}

impl<E: Into<RunError>> From<E> for Stopped {
    fn from(error: E) -> Self {
        Self::Broken(error.into())
    }
}

/// Everything that runs, put together.
struct Stage {
    clock: RunClock,
    recorder: Recorder,
    events: Events,
    lab: Lab,
    /// None: an external Toxiproxy has its own.
    control: Option<Control>,
    client: Client,
    load: Arc<Load>,
    active: ActiveFaults,
    drain_grace: Duration,
    keeping: KeepingWatch,
    noise: Mutex<NoiseWatch>,
    wire: Mutex<WireWatch>,
    dials: Mutex<DialWatch>,
    calibration: Mutex<Vec<CalibrationCheck>>,
    preloaded: Mutex<load::Preloaded>,
    scope: Scope,
}

impl Stage {
    async fn set(
        plan: &Plan,
        environment: &Environment,
        scope: &Scope,
    ) -> Result<(Self, Sink), RunError> {
        let clock = RunClock::start();
        let recorder = Recorder::new(rebuild::config(plan), clock, PhaseClock::new());
        let (sink, events) = Sink::new(recorder.clone());
        let feed = Feed::new(clock);
        let events = feed.events(events);
        let loaded: Arc<OnceLock<Weak<Load>>> = Arc::default();
        let hook = Arc::clone(&loaded);
        let lab = Lab::start(
            &setup::able_lab(plan, environment)?,
            plan.seed,
            events.clone(),
            Arc::new(move |node| {
                if let Some(load) = hook.get().and_then(Weak::upgrade) {
                    load.forget(node);
                }
            }),
            scope,
        )
        .await?;
        let (run, client_config) = setup::of_this_run(plan, &clock);
        sink.watch(lab.proxies(), clock, &client_config.key_prefix);
        lab.proxies().know_own(client_config.key_prefix.as_bytes());
        let api = plan.addresses.api;
        let control = match &plan.toxiproxy {
            Some(_) => None,
            None => Some(Control::start(api, lab.proxies(), feed, events.clone(), scope).await?),
        };
        let servers = setup::servers(lab.info());
        let seed = plan.seed.fork("client");
        let client =
            Client::start(&servers, client_config, seed, events.clone(), &scope.child("client"))?;
        let deadline = load::longest_call(&plan.client);
        let config = LoadConfig {
            workload: plan.workload.clone(),
            concurrency: plan.concurrency,
            rate: plan.rate,
            seed: plan.seed.fork("load"),
            clock,
            run,
            nodes: usize::from(plan.nodes.count),
            deadline,
            checks: true,
        };
        let sampler = || {
            let shard = recorder.shard();
            Box::new(move |sample: &crate::event::Sample| shard.record(sample)) as load::Sampler
        };
        let load = Arc::new(Load::start(config, client.clone(), sampler, events.clone(), scope)?);
        // Set once, right here: the lab loses data only when the nemesis acts.
        let _ = loaded.set(Arc::downgrade(&load));
        let keeping = KeepingWatch::start(&lab, &load, &scope.child("keeping")).await;
        let noise = NoiseWatch::start(clock, &events, scope).map_err(|error| {
            RunError::Internal(format!("no thread for the noise watch: {error}"))
        })?;
        let stage = Self {
            clock,
            recorder,
            events,
            lab,
            control,
            client,
            load,
            active: sink.active(),
            drain_grace: deadline * 3 + DRAIN_SLACK,
            keeping,
            noise: Mutex::new(noise),
            wire: Mutex::default(),
            dials: Mutex::default(),
            calibration: Mutex::default(),
            preloaded: Mutex::default(),
            scope: scope.clone(),
        };
        Ok((stage, sink))
    }

    /// What is broken on purpose beside the faults: whoever reads the report must know.
    fn planted(&self) -> impl Iterator<Item = String> {
        let broken = self.client.config().broken.map(|broken| {
            format!(
                "the client is broken, as it was told to be: {} ({})",
                broken.name(),
                broken.summary()
            )
        });
        self.lab.lies().into_iter().chain(broken)
    }

    /// `phase` begins now.
    fn begin(&self, phase: Phase) {
        self.wire.lock().begin(phase, &self.lab);
        let snapshots = self.client.snapshot();
        self.dials.lock().begin(phase, &snapshots);
        let live = facts::live(&snapshots, &self.active);
        self.recorder.begin(phase, self.clock.now(), &live);
        self.events.emit(EventKind::PhaseStarted);
    }

    /// Walks through the phases. Every wait in here may be cut short.
    async fn phases(&self, plan: &Plan, nemesis: &mut Nemesis<'_>) -> Result<(), Stopped> {
        let phases = plan.phases;
        let settled = self.clock.started() + phases.warmup;
        self.begin(Phase::Warmup);
        // While the machine has nothing else to do.
        *self.calibration.lock() = {
            let broken = self.client.config().broken;
            facts::calibration(calibration::glance(broken, &self.scope).await)
        };
        self.preload().await?;
        self.load.begin();
        tokio::join!(sleep_until(settled), sleep(SETTLE));
        self.noise.lock().restart();
        self.begin(Phase::Steady);
        sleep(phases.steady).await;
        if !phases.fault.is_zero() {
            self.begin(Phase::Fault);
            let start = self.clock.instant(self.clock.now());
            nemesis.run(start).await?;
            sleep_until(start + phases.fault).await;
            nemesis.heal_all().await?;
        }
        if !phases.recovery.is_zero() {
            self.begin(Phase::Recovery);
            sleep(phases.recovery).await;
        }
        Ok(())
    }

    /// Stores every key. What is measured later would mean nothing were one missing.
    async fn preload(&self) -> Result<(), Stopped> {
        let preloaded = self.load.preload().await;
        let load::Preloaded { stored, failed, .. } = preloaded;
        self.events.emit(EventKind::Preloaded { stored, failed });
        if let Some((node, keys)) = preloaded.silent.first() {
            let address = self.lab.info()[node.position()].address.to_string();
            return Err(LabError::Silent { node: *node, keys: *keys, address }.into());
        }
        *self.preloaded.lock() = preloaded;
        if failed > 0 { Err(Stopped::Short) } else { Ok(()) }
    }

    /// Takes everything down, upstream first, and gathers the facts.
    async fn strike(
        self,
        desk: &mut Desk<'_>,
        end: End,
        records: &[FaultRecord],
    ) -> (Inputs, Recorder) {
        let ended = self.clock.now();
        let planted: Vec<String> = self.planted().collect();
        let noise = self.noise.lock().measured();
        self.begin(Phase::Drain);
        // A drain may be long: whoever looks on knows before it that every fault is healed.
        desk.deliver_waiting();
        desk.observer.note("draining");
        let load = Arc::into_inner(self.load);
        let drained = async {
            match load {
                Some(load) => Some(load.drain(self.drain_grace).await),
                None => None,
            }
        };
        // The API's end is not judged: a client that holds a request open is no task that leaks.
        let control = self.control;
        let closed = async {
            if let Some(control) = &control {
                control.close().await;
            }
        };
        let (totals, ()) = tokio::join!(drained, closed);
        if let Some(origin) = totals.as_ref().and_then(|totals| totals.origin) {
            desk.observer.note(&origin.to_string());
        }
        let snapshots = self.client.snapshot();
        let live = facts::live(&snapshots, &self.active);
        let last = self.recorder.intervals(self.clock.now(), &live);
        desk.add_intervals(last);
        let (wire, wire_totals) = self.wire.into_inner().finish(&self.lab);
        let preloaded = self.preloaded.into_inner();
        let dials = self.dials.into_inner().finish(&snapshots);
        self.client.close().await;
        let kept = self.keeping.finish(records).await;
        let settled = totals.as_ref().map(|totals| load::settle(&totals.gone, &kept));
        let settled = settled.unwrap_or_default();
        let nodes = facts::nodes(self.lab.info(), &snapshots, &settled);
        let data = totals.as_ref().map(|totals| facts::data(totals, &settled));
        let data = data.unwrap_or_default();
        let lab_closed = self.lab.close().await;
        let scope_closed = self.scope.close(CLOSE_GRACE).await;
        let closed = if lab_closed == Closed::Clean { scope_closed } else { lab_closed };
        let partial = match &end {
            End::Complete => None,
            End::Interrupted => Some(Partial::Interrupted),
            End::Short => Some(Partial::NotPreloaded),
            End::Broken(_) => Some(Partial::Error),
        };
        let mut limits = desk.limits();
        // First, because not every format shows all of them.
        let meddling = control.as_ref().and_then(Control::meddling);
        limits.splice(0..0, meddling.into_iter().chain(planted));
        limits.splice(0..0, wire_totals.as_ref().and_then(facts::foreign));
        limits.splice(0..0, facts::data_limits(&data, &settled));
        if let End::Broken(what) = end {
            limits.insert(0, what);
        }
        let inputs = Inputs {
            ended,
            partial,
            load: totals.as_ref().map(|totals| facts::load(totals, &preloaded)).unwrap_or_default(),
            data,
            wire,
            wire_totals,
            dials,
            nodes,
            harness: facts::harness(noise, self.calibration.into_inner(), limits, &closed),
            faults: facts::faults(records),
        };
        (inputs, self.recorder)
    }
}

/// The performance: phases on one side, whoever looks on on the other, until one of them ends it.
async fn perform(
    plan: &Plan,
    environment: &Environment,
    stage: &Stage,
    desk: &mut Desk<'_>,
) -> Result<(End, Vec<FaultRecord>), RunError> {
    let faults = setup::faults(plan);
    let mut nemesis = Nemesis::new(&stage.lab, &faults, stage.clock, stage.events.clone());
    let end = tokio::select! {
        biased;
        () = environment.interrupt.cancelled() => End::Interrupted,
        () = stage.scope.cancelled() => End::Broken("a task of the harness panicked".into()),
        ended = stage.phases(plan, &mut nemesis) => match ended {
            Ok(()) => End::Complete,
            Err(Stopped::Short) => End::Short,
            // Nothing was begun yet: the lab is not what it was taken for.
            Err(Stopped::Broken(error @ RunError::Lab(LabError::Silent { .. }))) => return Err(error),
            Err(Stopped::Broken(error)) => End::Broken(error.to_string()),
        },
        broken = desk.follow(stage, plan.metrics_interval) => End::Broken(broken),
    };
    stage.load.stop();
    if let End::Interrupted = end {
        desk.observer.note("interrupted: healing every fault, draining, writing the report");
    }
    // Whatever ended the performance, no fault outlives it.
    let end = match (nemesis.heal_all().await, end) {
        (Err(error), End::Complete | End::Interrupted | End::Short) => {
            End::Broken(error.to_string())
        }
        (_, end) => end,
    };
    let steady = stage.recorder.phases().start_of(Phase::Steady);
    if matches!(end, End::Interrupted) && steady.is_none() {
        return Err(RunError::Interrupted);
    }
    Ok((end, nemesis.records().to_vec()))
}

/// Where everything that is said arrives: the journal and the screen. It keeps nothing, so that a long
/// run takes no more memory than a short one; the charts are drawn from the journal. A journal that
/// cannot be written ends nothing: its loss is told, at once and in the report.
struct Desk<'run> {
    observer: &'run mut dyn Observer,
    /// Or why there is none.
    journal: Result<Journal, JournalError>,
    /// How many losses of the journal were told.
    told: usize,
    sink: Sink,
}

impl<'run> Desk<'run> {
    fn open(plan: &Plan, stage: &Stage, sink: Sink, observer: &'run mut dyn Observer) -> Self {
        let started = stage.clock.started_at();
        let journal =
            Journal::create(&plan.out, &plan.scenario, started, &plan.seed, &plan.to_toml());
        let mut desk = Self { observer, journal, told: 0, sink };
        desk.tell_losses();
        desk
    }

    fn show(&mut self, line: Line) {
        self.observer.line(&line);
    }

    /// Delivers events and takes intervals until something is wrong; says what.
    async fn follow(&mut self, stage: &Stage, period: Duration) -> String {
        let mut ticks = interval(period);
        let mut progress = interval(PROGRESS_PERIOD);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        ticks.tick().await;
        progress.tick().await;
        loop {
            tokio::select! {
                Some(event) = self.sink.next() => self.deliver(event),
                _ = ticks.tick() => self.tick(stage),
                _ = progress.tick(), if stage.load.progress().issued == 0 => {
                    let stored = stage.load.progress().preloaded;
                    self.observer.note(&format!("preloading: {stored} keys stored"));
                }
            }
            if let Some(node) = stage.lab.died().first() {
                let change = ProcessChange::Died;
                stage.events.emit(EventKind::Process { node: *node, change });
                return format!("the process of {node} ended although nothing told it to");
            }
        }
    }

    fn tick(&mut self, stage: &Stage) {
        let live = facts::live(&stage.client.snapshot(), &stage.active);
        self.add_intervals(stage.recorder.intervals(stage.clock.now(), &live));
        self.tell_losses();
    }

    fn add_intervals(&mut self, intervals: Vec<Interval>) {
        for line in intervals.into_iter().map(Line::Interval) {
            if let Ok(journal) = &mut self.journal {
                journal.interval(&line);
            }
            self.observer.line(&line);
        }
    }

    fn deliver(&mut self, event: Event) {
        let line = Line::Event(event);
        if let Ok(journal) = &mut self.journal {
            journal.event(&line);
        }
        self.observer.line(&line);
    }

    fn deliver_waiting(&mut self) {
        while let Some(event) = self.sink.try_next() {
            self.deliver(event);
        }
    }

    /// What is not on the disk although it should be.
    fn losses(&self) -> Vec<String> {
        match &self.journal {
            Ok(journal) => journal.losses(),
            Err(error) => vec![format!("nothing of the run is stored: {error}")],
        }
    }

    /// Tells whoever looks on when there are more losses than before: while the run goes on somebody
    /// may still make room.
    fn tell_losses(&mut self) {
        let losses = self.losses();
        if losses.len() > self.told {
            self.observer.warn(&format!("the run goes on, but {}", losses.join("; ")));
        }
        self.told = losses.len();
    }

    /// The bounds that were reached, one sentence each.
    fn limits(&self) -> Vec<String> {
        let mut limits = Vec::new();
        let mut say = |count: u64, what: &str| {
            if count > 0 {
                limits.push(format!("{count} {what}"));
            }
        };
        say(self.sink.dropped(), "events came faster than they could be written and were dropped");
        if let Ok(journal) = &self.journal {
            say(journal.refused(), "lines found no room in a full file of the journal");
            let beyond = journal.beyond(LINES_MAX);
            say(beyond, "events and intervals are in the journal but not in the charts");
        }
        limits
    }

    /// Shows the report before anything is written: no disk can take the verdict away.
    fn finish(mut self, mut report: Report) -> Finished {
        if let Ok(journal) = &mut self.journal {
            journal.flush();
        }
        let losses = self.losses();
        losses.iter().for_each(|loss| self.observer.warn(&format!("lost: {loss}")));
        report.harness.limits.splice(0..0, losses);
        let line = Line::Report(Box::new(report));
        self.observer.line(&line);
        let Line::Report(report) = line else { unreachable!("made of a report two lines above") };
        let Ok(journal) = &self.journal else { return Finished { report: *report, folder: None } };
        let mut stored = Stored::of(*report);
        if let Err(error) = stored.read_lines(journal.folder()) {
            self.observer.warn(&format!("the charts are not complete: {error}"));
        }
        for loss in write_all(journal, &mut stored) {
            self.observer.warn(&format!("lost: {loss}"));
        }
        Finished { report: stored.report, folder: Some(journal.folder().to_owned()) }
    }
}
