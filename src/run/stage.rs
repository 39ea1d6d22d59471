//! Everything that runs in a run, put together.

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use parking_lot::Mutex;

use super::control::{Control, Shown};
use super::dials::DialWatch;
use super::keeping::KeepingWatch;
use super::noise::NoiseWatch;
use super::phase_file::PhaseFile;
use super::sink::{ActiveFaults, Sink};
use super::wire::WireWatch;
use super::{Environment, RunError, facts, fleet, rebuild, setup};
use crate::base::name::NodeIndex;
use crate::base::scope::Scope;
use crate::base::share::Share;
use crate::base::time::{Offset, RunClock};
use crate::client::{Resolver, Way};
use crate::control::Feed;
use crate::event::{BreakerState, EventKind, Events, Phase};
use crate::fleet::{Guest, Host, News, Seat};
use crate::http::HttpSpec;
use crate::lab::Lab;
use crate::lab::names::Names;
use crate::lab::nemesis::Witness;
use crate::load::{self, Preloaded};
use crate::metrics::{Board, Seen, Sources};
use crate::plan::{CommandPlan, Plan, Variable};
use crate::record::{CalibrationCheck, HarnessTotals, NodeLive, PhaseClock, Recorder};
use crate::subject::any::Any;
use crate::subject::command::Command;
use crate::subject::{DataLoss, LossListener, Subject};
use crate::subject::{builtin, command, driver, service};

/// Everything that runs, put together.
pub(super) struct Stage {
    pub(super) clock: RunClock,
    pub(super) recorder: Recorder,
    pub(super) events: Events,
    pub(super) seen: Seen,
    pub(super) board: Board,
    pub(super) lab: Lab,
    /// None: proxies elsewhere have their own.
    pub(super) control: Option<Control>,
    pub(super) subject: Any,
    /// Tells a command the phase.
    pub(super) phase_file: Option<Arc<PhaseFile>>,
    /// How often the timeline was begun.
    pub(super) rounds: AtomicU64,
    pub(super) active: ActiveFaults,
    pub(super) keeping: KeepingWatch,
    pub(super) noise: Arc<Mutex<NoiseWatch>>,
    pub(super) wire: Mutex<WireWatch>,
    pub(super) dials: Mutex<DialWatch>,
    pub(super) calibration: Mutex<Vec<CalibrationCheck>>,
    pub(super) preloaded: Mutex<Preloaded>,
    pub(super) scope: Scope,
    /// Its place among the machines that make the run.
    pub(super) fleet: Option<Seat>,
}

impl Stage {
    /// Starts every part, the lab first.
    ///
    /// # Errors
    /// When one cannot be started; what was is ended by `scope`.
    pub(super) async fn assemble(
        plan: &Plan,
        environment: &Environment,
        scope: &Scope,
    ) -> Result<(Self, Sink), RunError> {
        let fleet = environment.fleet.clone();
        let (host, guest) =
            (fleet.as_ref().and_then(Seat::host), fleet.as_ref().and_then(Seat::guest));
        let clock = guest.map_or_else(RunClock::start, Guest::clock);
        let recorder = Recorder::new(rebuild::config(plan), clock, PhaseClock::new());
        let (sink, events) = Sink::new(recorder.clone());
        let (feed, seen, board) = (Feed::new(clock), Seen::default(), environment.board.clone());
        let events = seen.events(feed.events(events));
        let events = match host {
            Some(host) => fleet::watch(events, host),
            None => events,
        };
        let told = host.cloned();
        let listener: Arc<OnceLock<LossListener>> = Arc::default();
        let hook = Arc::clone(&listener);
        let lab = Lab::start(
            &setup::able_lab(plan, environment)?,
            plan.seed,
            events.clone(),
            Arc::new(move |node| {
                if let Some(host) = &told {
                    host.news(News::Lost(node));
                }
                if let Some(listener) = hook.get() {
                    listener(DataLoss::Emptied(node));
                }
            }),
            scope,
        )
        .await?;
        // Before anybody connects.
        let wire = WireWatch::start(&lab, &clock, plan.phases.total());
        let api = plan.addresses.api;
        let control = match &plan.elsewhere {
            Some(_) => None,
            None if guest.is_some() => None,
            None => {
                let shown = Shown { feed, board: Some(board.clone()) };
                Some(Control::start(api, lab.proxies(), shown, events.clone(), scope).await?)
            }
        };
        let parts = Parts { plan, environment, clock, recorder: &recorder, events: &events };
        let phase_file = plan.command.as_ref().map(|_| PhaseFile::create()).transpose();
        let phase_file = phase_file.map(|file| file.map(Arc::new));
        let phase_file = phase_file
            .map_err(|error| RunError::Internal(format!("no file for the phase: {error}")))?;
        let command = plan.command.as_ref().zip(phase_file.as_ref());
        let command = command
            .map(|(command, file)| parts.command(command, &lab, control.as_ref(), file, scope))
            .transpose()?;
        let subject = match (&plan.workload.http, command) {
            (Some(spec), command) => parts.service(spec, command, scope).await?,
            (None, Some(command)) => command.into(),
            (None, None) => parts.called(&lab, &sink, scope).await?,
        };
        // Set once, right here: the lab loses data only when the nemesis acts.
        let _ = listener.set(subject.loss_listener());
        tell_lists(&lab, &subject, phase_file.clone(), host.cloned(), &events)?;
        let watched = scope.child("keeping");
        let losses = fleet::all_losses(subject.loss_listener(), host);
        let keeping = match guest {
            Some(_) => KeepingWatch::of_nobody(),
            None => KeepingWatch::start(&lab, &losses, &watched).await,
        };
        if let Some(guest) = guest {
            fleet::listen(guest, losses, subject.on_relisted(), sink.active());
        }
        let noise = NoiseWatch::start(clock, &events, scope).map_err(|error| {
            RunError::Internal(format!("no thread for the noise watch: {error}"))
        })?;
        let noise = Arc::new(Mutex::new(noise));
        let sources = Sources {
            clock,
            recorder: recorder.clone(),
            seen: seen.clone(),
            proxies: lab.has_taps().then(|| (lab.proxies().downgrade(), plan.nodes.count)),
            machine: machine(&noise),
        };
        let (judged, _) = setup::objectives(plan);
        let objectives = judged.iter().map(|objective| objective.name.as_str());
        board.begin(setup::about(plan, subject.facts()), sources, objectives);
        let stage = Self {
            clock,
            recorder,
            events,
            seen,
            board,
            lab,
            control,
            subject,
            phase_file,
            rounds: AtomicU64::default(),
            active: sink.active(),
            keeping,
            noise,
            wire: Mutex::new(wire),
            dials: Mutex::default(),
            calibration: Mutex::default(),
            preloaded: Mutex::default(),
            scope: scope.clone(),
            fleet,
        };
        if let Some(Seat::Host(host)) = &stage.fleet {
            let run = fleet::run_number(plan, &clock, environment);
            fleet::open(plan, clock, run, &stage.lab, host, &stage.events);
        }
        Ok((stage, sink))
    }

    /// What is broken on purpose beside the faults: whoever reads the report must know.
    pub(super) fn planted(&self) -> impl Iterator<Item = String> {
        self.lab.lies().into_iter().chain(self.subject.planted())
    }

    /// Whether keys are being stored: nothing else was asked yet.
    pub(super) fn is_preloading(&self) -> bool {
        // Nobody stores anything for the others.
        matches!(self.subject, Any::Called(_)) && self.subject.progress().issued == 0
    }

    /// Every node as it is now.
    pub(super) fn live(&self) -> Vec<NodeLive> {
        let wire_only = self.subject.makes_the_load();
        facts::live(&self.lab, self.subject.snapshot().as_deref(), &self.active, wire_only)
    }

    /// Who knows what faults may wait for.
    pub(super) fn witness(&self, phase: Duration) -> Witness<'_> {
        let is_open = |node: NodeIndex| {
            let nodes = self.subject.snapshot().unwrap_or_default();
            nodes.iter().any(|it| it.node == node && it.breaker == BreakerState::Open)
        };
        let told = self.control.as_ref().map(Control::told);
        Witness { phase, told, is_open: Box::new(is_open) }
    }

    /// Attempts to connect to each node since the start; empty: nobody counts them.
    pub(super) fn dialled(&self) -> Vec<u64> {
        self.live().iter().map(|node| node.dialled).collect::<Option<_>>().unwrap_or_default()
    }

    /// `phase` begins now.
    pub(super) fn begin(&self, phase: Phase) {
        self.begin_at(phase, self.clock.now());
    }

    /// `phase` began at `at`, which is about now.
    pub(super) fn begin_at(&self, phase: Phase, at: Offset) {
        self.wire.lock().begin(phase, &self.lab);
        if phase == Phase::Warmup {
            self.board.settle(self.wire.lock().taps());
        }
        self.dials.lock().begin(phase, &self.dialled());
        self.recorder.begin(phase, at, &self.live());
        if let Some(Err(error)) = self.phase_file.as_ref().map(|file| file.say(phase)) {
            let detail = format!("the command is not told of the phase {phase}: {error}");
            self.events.emit(EventKind::Trouble { detail });
        }
        self.events.emit(EventKind::PhaseStarted);
    }
}

/// What the machine did to the run, whenever somebody asks.
fn machine(noise: &Arc<Mutex<NoiseWatch>>) -> Box<dyn Fn() -> HarnessTotals + Send + Sync> {
    let noise = Arc::clone(noise);
    Box::new(move || noise.lock().measured())
}

/// From now on whoever makes the calls is told of lists of nodes that change: a client at once, a command by
/// its file.
fn tell_lists(
    lab: &Lab,
    subject: &Any,
    file: Option<Arc<PhaseFile>>,
    host: Option<Host>,
    events: &Events,
) -> Result<(), RunError> {
    let write = |file: &PhaseFile, servers: &[String]| {
        file.list(servers).map_err(|error| format!("no file for the list of nodes: {error}"))
    };
    if let (Some(file), Some(list)) = (&file, lab.lists().first()) {
        write(file, &setup::named(lab, &list.nodes)).map_err(RunError::Internal)?;
    }
    let (told, events) = (subject.on_relisted(), events.clone());
    let names: Vec<String> = lab.info().iter().map(|info| info.server.clone()).collect();
    lab.on_relisted(Box::new(move |list| {
        if let Some(file) = &file {
            let servers: Vec<_> =
                list.nodes.iter().map(|it| names[it.position()].clone()).collect();
            if let Err(detail) = write(file, &servers) {
                events.emit(EventKind::Trouble { detail });
            }
        }
        if let Some(host) = &host {
            host.news(News::Relist { group: list.group, nodes: list.nodes.clone() });
        }
        told(list.group, &list.nodes)
    }));
    Ok(())
}

/// What a subject is made of.
#[derive(Clone, Copy)]
struct Parts<'a> {
    plan: &'a Plan,
    environment: &'a Environment,
    clock: RunClock,
    recorder: &'a Recorder,
    events: &'a Events,
}

impl Parts<'_> {
    /// A client that our load calls.
    async fn called(self, lab: &Lab, sink: &Sink, scope: &Scope) -> Result<Any, RunError> {
        let Self { plan, environment, clock, recorder, events } = self;
        let share = fleet::share(environment);
        let run = fleet::run_number(plan, &clock, environment);
        let (run, client_config) = setup::of_this_run(plan, run, share);
        sink.watch(lab.proxies(), clock, &client_config.key_prefix);
        lab.know_own_keys(&client_config.key_prefix);
        let load = setup::load(plan, clock, run, share);
        let servers = setup::servers(lab.info());
        let called = match &plan.driver {
            None => {
                let settings = builtin::Settings {
                    servers: &servers,
                    lists: setup::lists(plan, lab),
                    way: Way {
                        resolver: lab.names().map(|names| Resolver::new(names.resolver())),
                        entry: lab.entry(),
                    },
                    client: client_config,
                    client_seed: share.seed(plan.seed.fork("client")),
                    load,
                    recorder,
                    events,
                };
                builtin::start(settings, scope)?
            }
            Some(config) => {
                let mut config = config.clone();
                let launcher = lab.names().into_iter().flat_map(Names::launcher);
                let words = launcher.map(|word| word.to_string_lossy().into_owned());
                config.command = words.chain(config.command).collect();
                let carried = Arc::new(setup::carried(plan));
                lab.proxies().follow_keys(&carried);
                let settings = driver::Settings {
                    config,
                    servers: servers.into_iter().map(|server| server.address).collect(),
                    invitation: lab.invitation(),
                    lists: setup::lists(plan, lab),
                    carried,
                    key_prefix: client_config.key_prefix,
                    harness: environment.programs.harness.clone(),
                    load,
                    recorder,
                    events,
                };
                driver::start(settings, scope).await?
            }
        };
        Ok(called.into())
    }

    /// A service. Nobody knows its keys either.
    async fn service(
        self,
        spec: &HttpSpec,
        command: Option<Command>,
        scope: &Scope,
    ) -> Result<Any, RunError> {
        let Self { plan, clock, recorder, events, .. } = self;
        let run = load::run_number(plan.seed.fork("load"), &clock);
        let load = setup::load(plan, clock, run, Share::ALL);
        let settings = service::Settings { spec: spec.clone(), command, load, recorder, events };
        Ok(service::start(settings, scope).await?.into())
    }

    /// A command. Nobody knows its keys, so that all traffic is taken for its own.
    fn command(
        self,
        command: &CommandPlan,
        lab: &Lab,
        control: Option<&Control>,
        file: &PhaseFile,
        scope: &Scope,
    ) -> Result<Command, RunError> {
        let places = setup::places(lab, control.map(Control::address), Some(file));
        let nodes = &self.plan.nodes;
        let usual = Variable::usual(nodes.protocol, nodes.count, nodes.access);
        let settings = command::Settings {
            launcher: lab.names().map(Names::launcher),
            program: command.program.clone(),
            arguments: command.arguments.clone(),
            // What was asked for goes before what is usual.
            environment: usual
                .chain(command.variables.iter().cloned())
                .map(|variable| (variable.name.clone(), variable.value(&places)))
                .collect(),
            harness: self.environment.programs.harness.clone(),
        };
        let program =
            command.program.as_ref().map(|program| program.to_string_lossy().into_owned());
        let program = program.unwrap_or_default();
        command::start(settings, &scope.child("command"))
            .map_err(|error| RunError::Command { program, why: error.to_string() })
    }
}
