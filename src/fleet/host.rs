//! Member 0's side: who may join, what all are told and when, and what they leave.

mod visit;
mod waits;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::time::{MissedTickBehavior, interval, sleep};

use self::visit::Visit;
use super::post::{self, Outbox, Outgoing, SILENCE_MAX};
use super::roll::{Roll, Terms};
use super::words::{End, Said, Told, Welcome};
use super::{News, machine};
use crate::base::scope::Scope;
use crate::base::share::Share;
use crate::base::time::{Offset, RunClock, Wall};
use crate::event::{EventKind, Events, Member, Phase};
use crate::load::Kept;

/// Connections at a time that have not said yet who they are; more are closed.
const STRANGERS_MAX: usize = 64;

/// How long one may take to say it.
const HELLO_MAX: Duration = Duration::from_secs(5);

/// How long accepting pauses when the system has no descriptor to give.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// How often it is looked whether somebody is silent.
const LOOK: Duration = Duration::from_secs(1);

/// The folder of a run that has those of the other members.
pub const MEMBERS: &str = "members";

/// How member 0 waits for the others.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Its part of the load.
    pub share: Share,
    /// What all call this run.
    pub run_id: String,
    /// How long it waits for the others to come, and to be ready.
    pub patience: Duration,
    /// Whether it goes on without those who do not.
    pub narrow: bool,
    /// When the load begins; `None`: as soon as all are ready.
    pub start_at: Option<Wall>,
}

/// What there is to be told when the lab is up.
#[derive(Debug)]
pub struct Opening {
    /// The clock of the run.
    pub clock: RunClock,
    /// The scenario that is run.
    pub scenario: String,
    /// The whole plan, as a file.
    pub plan: String,
    /// Its hash.
    pub plan_hash: String,
    /// What keys and values carry.
    pub run: u32,
    /// Where the proxies listen.
    pub proxies: Vec<SocketAddr>,
    /// Who hears what becomes of members.
    pub events: Events,
}

/// Member 0's place in a run. Clones are the same.
#[derive(Clone, Debug)]
pub struct Host(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    settings: Settings,
    address: SocketAddr,
    listener: Mutex<Option<TcpListener>>,
    scope: Scope,
    state: Mutex<State>,
    /// Said whenever the state is another one.
    changed: watch::Sender<()>,
    opened: OnceLock<Opened>,
    /// Where the runs of the others go; `None`: nowhere.
    folder: OnceLock<Option<PathBuf>>,
}

#[derive(Debug)]
struct Opened {
    clock: RunClock,
    welcome: Welcome,
    events: Events,
}

#[derive(Default)]
struct State {
    roll: Option<Roll>,
    outboxes: BTreeMap<u32, Outbox<Told>>,
    /// Who was told that a node loses its data and has not heard of it yet, by the number of the word.
    unheard: BTreeMap<u64, BTreeSet<u32>>,
    words: u64,
    /// What kept runs of members from being stored.
    lost: Vec<String>,
    folders: Vec<PathBuf>,
    /// Those who were not there when the load began.
    without: Vec<u32>,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State").field("roll", &self.roll).finish_non_exhaustive()
    }
}

impl Host {
    /// Takes the address where the fleet meets; who comes before [`Host::open`] waits. Its tasks are `scope`'s.
    ///
    /// # Errors
    /// When the address cannot be had.
    pub async fn listen(
        address: SocketAddr,
        settings: Settings,
        scope: Scope,
    ) -> std::io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        Ok(Self(Arc::new(Inner {
            settings,
            address: listener.local_addr()?,
            listener: Mutex::new(Some(listener)),
            scope,
            state: Mutex::default(),
            changed: watch::Sender::new(()),
            opened: OnceLock::new(),
            folder: OnceLock::new(),
        })))
    }

    /// Where the fleet meets.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.0.address
    }

    /// Whether it goes on without those who are not there.
    #[must_use]
    pub fn is_narrow(&self) -> bool {
        self.0.settings.narrow
    }

    /// Its part of the load.
    #[must_use]
    pub fn share(&self) -> Share {
        self.0.settings.share
    }

    /// What it says of itself: its clock is everybody's.
    #[must_use]
    pub fn member(&self) -> Member {
        let Settings { share, run_id, .. } = &self.0.settings;
        Member {
            index: share.index(),
            of: share.of(),
            run_id: run_id.clone(),
            host: machine(),
            clock_offset_us: Some(0),
            clock_uncertainty_us: Some(0),
            late_s: None,
            without: self.0.state.lock().without.clone(),
        }
    }

    /// From now on others join.
    pub fn open(&self, opening: Opening) {
        let Opening { clock, scenario, plan, plan_hash, run, proxies, events } = opening;
        let Settings { share, run_id, .. } = self.0.settings.clone();
        let started = clock.started_at();
        let welcome = Welcome { run_id: run_id.clone(), plan, plan_hash, run, proxies, started };
        let version = env!("CARGO_PKG_VERSION");
        let terms = Terms { of: share.of(), run_id, scenario, version };
        self.0.state.lock().roll = Some(Roll::new(terms));
        let opened = Opened { clock, welcome, events };
        let Some(listener) = self.0.listener.lock().take() else { return };
        if self.0.opened.set(opened).is_err() {
            return;
        }
        let (accepting, over) = (self.clone(), self.0.scope.cancelled());
        self.0.scope.spawn("door", async move {
            tokio::select! {
                () = over => {}
                () = accepting.accept(listener) => {}
            }
        });
        let (watching, over) = (self.clone(), self.0.scope.cancelled());
        self.0.scope.spawn("silence", async move {
            tokio::select! {
                () = over => {}
                () = watching.watch() => {}
            }
        });
    }

    async fn accept(&self, listener: TcpListener) {
        let strangers = Arc::new(Semaphore::new(STRANGERS_MAX));
        loop {
            let Ok((stream, _)) = listener.accept().await else {
                sleep(ACCEPT_PAUSE).await;
                continue;
            };
            // With no seat left in the waiting room the connection is closed here.
            let Ok(seat) = Arc::clone(&strangers).try_acquire_owned() else { continue };
            let (host, over) = (self.clone(), self.0.scope.cancelled());
            self.0.scope.spawn("member", async move {
                tokio::select! {
                    () = over => {}
                    () = host.serve(stream, seat) => {}
                }
            });
        }
    }

    async fn watch(&self) {
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            looks.tick().await;
            let now = self.now();
            let silent = self.roll(|roll| roll.silent(now, SILENCE_MAX));
            for member in silent {
                self.lose(member, &format!("said nothing for {SILENCE_MAX:?}"));
            }
        }
    }

    async fn serve(&self, stream: TcpStream, stranger: tokio::sync::OwnedSemaphorePermit) {
        let (mut inbox, outbox) = post::open::<Told>(stream, "stranger", &self.0.scope);
        let hello = match inbox.within::<Said>(HELLO_MAX).await {
            Ok(Said::Hello(hello)) => hello,
            Ok(_) => return refuse(&outbox, "a member says first who it is".to_owned()),
            Err(why) => {
                return refuse(&outbox, format!("whoever joins says who it is; this one {why}"));
            }
        };
        let (now, opened) = (self.now(), self.0.opened.get());
        let Some(opened) = opened else { return };
        let joined = self.0.state.lock().roll.as_mut().map(|roll| roll.join(&hello, now));
        if let Some(Err(why)) = joined {
            return refuse(&outbox, why);
        }
        drop(stranger);
        let _ = outbox.try_send(Outgoing::Word(Told::Welcome(Box::new(opened.welcome.clone()))));
        self.0.state.lock().outboxes.insert(hello.index, outbox.clone());
        self.0.changed.send_replace(());
        let mut visit = Visit::new(self, hello.index, outbox);
        let why = visit.run(&mut inbox).await;
        visit.abandon();
        self.lose(hello.index, &why);
    }

    fn now(&self) -> Offset {
        self.0.opened.get().map(|opened| opened.clock.now()).unwrap_or_default()
    }

    fn roll<T: Default>(&self, ask: impl FnOnce(&mut Roll) -> T) -> T {
        self.0.state.lock().roll.as_mut().map(ask).unwrap_or_default()
    }

    /// A member is out.
    fn lose(&self, member: u32, why: &str) {
        let at = self.now().as_secs_f64();
        let why = format!("{why} (at {at:.1} s)");
        let is_news = {
            let mut state = self.0.state.lock();
            let is_news = state.roll.as_mut().is_some_and(|roll| roll.lose(member, &why));
            if is_news {
                state.outboxes.remove(&member);
            }
            for members in state.unheard.values_mut() {
                members.remove(&member);
            }
            is_news
        };
        if let (true, Some(opened)) = (is_news, self.0.opened.get()) {
            let detail = format!("member {member} {why}");
            opened.events.emit(EventKind::Trouble { detail });
        }
        self.0.changed.send_replace(());
    }

    /// Tells all who are in. Who takes nothing is out.
    fn tell(&self, word: &Told) {
        let outboxes: Vec<_> = {
            let state = self.0.state.lock();
            state.outboxes.iter().map(|(member, outbox)| (*member, outbox.clone())).collect()
        };
        for (member, outbox) in outboxes {
            if outbox.try_send(Outgoing::Word(word.clone())).is_err() {
                self.lose(member, "takes no words any more");
            }
        }
    }

    /// When calls begin, which all are told now: so long from now, or when it was asked for.
    ///
    /// # Errors
    /// When that has passed.
    pub fn begin(&self, ahead: Duration) -> Result<Offset, String> {
        let soon = self.now().plus(ahead);
        let at = match (self.0.settings.start_at, self.0.opened.get()) {
            (Some(asked), Some(opened)) => {
                let started = Duration::from(opened.clock.started_at());
                Offset::from_duration(Duration::from(asked).saturating_sub(started))
            }
            _ => soon,
        };
        if at < soon {
            let late = soon.since(at).as_secs_f64();
            return Err(format!(
                "all were ready {late:.1} s after the time for which -start-at asks; give them more"
            ));
        }
        let absent = self.roll(|roll| roll.absent());
        self.0.state.lock().without = absent;
        self.tell(&Told::Begin { at_ns: at.0 });
        Ok(at)
    }

    /// A phase begins then.
    pub fn phase(&self, phase: Phase, at: Offset) {
        self.tell(&Told::Phase { phase, at_ns: at.0 });
    }

    /// Passes on what happens.
    pub fn news(&self, news: News) {
        self.tell(&Told::News(news));
    }

    /// The phases are over.
    pub fn end(&self, end: End) {
        self.tell(&Told::End(end));
    }

    /// What the nodes did with their data.
    pub fn kept(&self, nodes: &[Kept]) {
        self.tell(&Told::Kept { nodes: nodes.to_vec() });
    }

    /// The runs of the others go into this one's folder; `None`: there is none.
    pub fn keep_in(&self, folder: Option<&Path>) {
        let _ = self.0.folder.set(folder.map(|folder| folder.join(MEMBERS)));
    }

    /// One sentence for each who is not there, or whose run is not.
    #[must_use]
    pub fn missing(&self) -> Vec<String> {
        let state = self.0.state.lock();
        let missing = state.roll.as_ref().map(Roll::missing).unwrap_or_default();
        missing.into_iter().chain(state.lost.iter().cloned()).collect()
    }
}

fn refuse(outbox: &Outbox<Told>, why: String) {
    let _ = outbox.try_send(Outgoing::Word(Told::Refused { why }));
}
