//! The side of every member but 0: joins, learns the time, does what it is told, leaves its run.

mod meet;

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout, timeout_at};

pub use self::meet::{Invitation, JoinError};
use self::meet::{Met, meet};
use super::clock::{Estimate, Estimates, Exchange, refusal};
use super::post::{Inbox, Outbox, Outgoing};
use super::words::{End, Said, Told, Welcome};
use super::{News, machine, parcel};
use crate::base::scope::Scope;
use crate::base::share::Share;
use crate::base::time::{Offset, RunClock};
use crate::event::{Member, Phase};
use crate::load::Kept;

/// How often the time is asked for at first, and how often later.
const ASKED_FIRST: u64 = 8;
const ASK: Duration = Duration::from_secs(1);

/// Questions that wait for their answer.
const ASKED_MAX: usize = 16;

/// Phases that wait to be begun: there are few.
const TURNS_MAX: usize = 16;

/// How much later than its moment a phase may begin before the run says so.
const LATE: Duration = Duration::from_millis(50);

/// What happens next, by this machine's clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Calls begin.
    Begin(Offset),
    /// A phase begins.
    Phase(Phase, Offset),
    /// The phases are over.
    End(End),
    /// Member 0 is gone; why.
    Lost(String),
}

type Listener = Box<dyn Fn(News) + Send + Sync>;

/// A member's place in a run. Clones are the same.
#[derive(Clone, Debug)]
pub struct Guest(Arc<Inner>);

struct Inner {
    share: Share,
    welcome: Welcome,
    /// Member 0's address as it was reached.
    host: IpAddr,
    clock: RunClock,
    scope: Scope,
    outbox: Outbox<Said>,
    time: Mutex<Time>,
    listener: OnceLock<Listener>,
    turns: tokio::sync::Mutex<mpsc::Receiver<Turn>>,
    kept: watch::Sender<Option<Vec<Kept>>>,
    taken: watch::Sender<Option<Result<(), String>>>,
    /// How member 0 went, when it is gone.
    lost: watch::Sender<Option<String>>,
    /// By how much the load began too late.
    late: Mutex<Option<Duration>>,
}

#[derive(Debug, Default)]
struct Time {
    estimates: Estimates,
    asked: VecDeque<(u64, Offset)>,
    questions: u64,
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Guest").field("share", &self.share).finish_non_exhaustive()
    }
}

impl Guest {
    /// Joins: tries until member 0 answers, and learns its time. Its tasks are `scope`'s.
    ///
    /// # Errors
    /// When member 0 does not come, refuses, or has a clock that does not fit.
    pub async fn join(invitation: Invitation, scope: Scope) -> Result<Self, JoinError> {
        let (share, patience) = (invitation.share, invitation.patience);
        let Met { mut inbox, outbox, welcome, host, address } = meet(invitation, &scope).await?;
        let clock = RunClock::start();
        let mut time = Time::default();
        for _ in 0..ASKED_FIRST {
            time.ask(&clock, &outbox);
            let told = inbox.next::<Told>().await.map_err(|why| {
                let why = format!("it {why} when it was asked for the time");
                JoinError::Nobody { address: address.clone(), patience, why }
            })?;
            time.hear(&told, clock.now());
        }
        let best = time.estimates.best();
        let best =
            best.ok_or_else(|| JoinError::Clock("member 0 does not say its time".to_owned()))?;
        if let Some(why) = refusal(best, time_of_day_us(&welcome, &clock, best)) {
            let _ = outbox.try_send(Outgoing::Word(Said::Gone { why: why.clone() }));
            return Err(JoinError::Clock(why));
        }
        let (turns, waiting) = mpsc::channel(TURNS_MAX);
        let guest = Self(Arc::new(Inner {
            share,
            welcome,
            host,
            clock,
            scope: scope.clone(),
            outbox,
            time: Mutex::new(time),
            listener: OnceLock::new(),
            turns: tokio::sync::Mutex::new(waiting),
            kept: watch::Sender::new(None),
            taken: watch::Sender::new(None),
            lost: watch::Sender::new(None),
            late: Mutex::default(),
        }));
        guest.listen(inbox, turns);
        Ok(guest)
    }

    fn listen(&self, inbox: Inbox, turns: mpsc::Sender<Turn>) {
        let (guest, over) = (self.clone(), self.0.scope.cancelled());
        self.0.scope.spawn("member 0", async move {
            tokio::select! {
                () = over => {}
                () = guest.hear(inbox, turns) => {}
            }
        });
        let (guest, over) = (self.clone(), self.0.scope.cancelled());
        self.0.scope.spawn("time", async move {
            tokio::select! {
                () = over => {}
                () = guest.ask() => {}
            }
        });
    }

    async fn ask(&self) {
        let mut asks = interval(ASK);
        asks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            asks.tick().await;
            self.0.time.lock().ask(&self.0.clock, &self.0.outbox);
        }
    }

    /// Hears member 0 out.
    async fn hear(&self, mut inbox: Inbox, turns: mpsc::Sender<Turn>) {
        loop {
            let told = match inbox.next::<Told>().await {
                Ok(told) => told,
                Err(why) => {
                    let lost = format!("member 0 {why}");
                    self.0.lost.send_replace(Some(lost.clone()));
                    self.0.taken.send_if_modified(|taken| {
                        taken.is_none().then(|| *taken = Some(Err(lost.clone()))).is_some()
                    });
                    self.0.kept.send_if_modified(|kept| {
                        kept.is_none().then(|| *kept = Some(Vec::new())).is_some()
                    });
                    // Nobody takes it who has no turn left.
                    let _ = turns.try_send(Turn::Lost(lost));
                    return;
                }
            };
            let turn = match told {
                Told::Time { .. } => {
                    let got = self.0.clock.now();
                    self.0.time.lock().hear(&told, got);
                    continue;
                }
                Told::Begin { at_ns } => Turn::Begin(self.here(at_ns)),
                Told::Phase { phase, at_ns } => Turn::Phase(phase, self.here(at_ns)),
                Told::End(end) => Turn::End(end),
                Told::Losing { node, number } => {
                    self.tell(News::Losing(node));
                    self.say(Said::Heard { number });
                    continue;
                }
                Told::News(news) => {
                    self.tell(news);
                    continue;
                }
                Told::Kept { nodes } => {
                    self.0.kept.send_replace(Some(nodes));
                    continue;
                }
                Told::Taken { trouble } => {
                    self.0.taken.send_replace(Some(trouble.map_or(Ok(()), Err)));
                    continue;
                }
                // It is in already.
                Told::Welcome(_) | Told::Refused { .. } => continue,
            };
            // Far fewer come than find room.
            let _ = turns.try_send(turn);
        }
    }

    fn tell(&self, news: News) {
        if let Some(listener) = self.0.listener.get() {
            listener(news);
        }
    }

    fn say(&self, said: Said) {
        // Where nobody takes it any more, the inbox ends as well.
        let _ = self.0.outbox.try_send(Outgoing::Word(said));
    }

    /// A moment of member 0's clock by ours.
    fn here(&self, theirs_ns: u64) -> Offset {
        let best = self.0.time.lock().estimates.best();
        best.map_or(Offset(theirs_ns), |best| best.ours(Offset(theirs_ns)))
    }

    /// Its part of the load.
    #[must_use]
    pub fn share(&self) -> Share {
        self.0.share
    }

    /// What member 0 said at first.
    #[must_use]
    pub fn welcome(&self) -> &Welcome {
        &self.0.welcome
    }

    /// The clock that the time was learned with.
    #[must_use]
    pub fn clock(&self) -> RunClock {
        self.0.clock
    }

    /// Where the proxies are, as seen from here.
    #[must_use]
    pub fn proxies(&self) -> Vec<SocketAddr> {
        let seen = |proxy: &SocketAddr| {
            let ip = if proxy.ip().is_unspecified() { self.0.host } else { proxy.ip() };
            SocketAddr::new(ip, proxy.port())
        };
        self.0.welcome.proxies.iter().map(seen).collect()
    }

    /// From now on this hears what member 0 tells of its nodes and faults. The first to ask does.
    pub fn on_news(&self, listener: impl Fn(News) + Send + Sync + 'static) {
        let _ = self.0.listener.set(Box::new(listener));
    }

    /// Its keys are stored.
    pub fn ready(&self) {
        self.say(Said::Ready);
    }

    /// What happens next; waits for it. Member 0 asks nobody to wait without saying so: it answers the time
    /// once a second, or it is lost.
    pub async fn next(&self) -> Turn {
        let lost = || Turn::Lost("member 0 is gone".to_owned());
        self.0.turns.lock().await.recv().await.unwrap_or_else(lost)
    }

    /// Waits until member 0 is gone; how it went.
    pub async fn lost(&self) -> String {
        let mut lost = self.0.lost.subscribe();
        let why = lost.wait_for(Option::is_some).await.ok().and_then(|why| why.clone());
        why.unwrap_or_else(|| "member 0 is gone".to_owned())
    }

    /// A turn that was due at `at` is taken now: whether the load began too late is remembered.
    pub fn began(&self, at: Offset) {
        let late = self.0.clock.now().since(at);
        *self.0.late.lock() = (late > LATE).then_some(late);
    }

    /// None of its calls is under way; returns what the nodes did with their data, `None` where member 0 does
    /// not say it within `bound`.
    pub async fn drained(&self, bound: Duration) -> Option<Vec<Kept>> {
        self.say(Said::Drained);
        let mut kept = self.0.kept.subscribe();
        let kept = timeout(bound, kept.wait_for(Option::is_some)).await.ok()?.ok()?;
        kept.clone().filter(|kept| !kept.is_empty())
    }

    /// It ends before it should.
    pub fn gone(&self, why: &str) {
        self.say(Said::Gone { why: why.to_owned() });
    }

    /// Leaves the run in `folder` with member 0.
    ///
    /// # Errors
    /// Why it is not there.
    pub async fn leave(&self, folder: &Path, bound: Duration) -> Result<(), String> {
        let deadline = Instant::now() + bound;
        let late = || format!("member 0 did not take the run within {bound:?}");
        for parcel in parcel::of(folder)? {
            let word = Said::File { name: parcel.name, bytes: parcel.bytes };
            let sent = self.0.outbox.send(Outgoing::File(word, parcel.path, parcel.bytes));
            let sent = timeout_at(deadline, sent).await.map_err(|_| late())?;
            sent.map_err(|_| "member 0 is gone".to_owned())?;
        }
        self.say(Said::Left);
        let mut taken = self.0.taken.subscribe();
        let taken = timeout_at(deadline, taken.wait_for(Option::is_some)).await;
        let taken = taken.map_err(|_| late())?;
        taken
            .ok()
            .and_then(|taken| taken.clone())
            .unwrap_or_else(|| Err("member 0 is gone".to_owned()))
    }

    /// What it says of itself.
    #[must_use]
    pub fn member(&self) -> Member {
        let best = self.0.time.lock().estimates.best();
        let Inner { share, welcome, clock, .. } = &*self.0;
        Member {
            index: share.index(),
            of: share.of(),
            run_id: welcome.run_id.clone(),
            host: machine(),
            clock_offset_us: best.map(|best| time_of_day_us(welcome, clock, best)),
            clock_uncertainty_us: best.map(|best| best.uncertainty_ns.div_ceil(1000)),
            late_s: self.0.late.lock().map(|late| late.as_secs_f64()),
            without: Vec::new(),
        }
    }
}

impl Time {
    fn ask(&mut self, clock: &RunClock, outbox: &Outbox<Said>) {
        self.questions += 1;
        let number = self.questions;
        if self.asked.len() == ASKED_MAX {
            self.asked.pop_front();
        }
        self.asked.push_back((number, clock.now()));
        let _ = outbox.try_send(Outgoing::Word(Said::Time { number }));
    }

    fn hear(&mut self, told: &Told, got: Offset) {
        let Told::Time { number, heard_ns, answered_ns } = told else { return };
        let asked = self.asked.iter().position(|(asked, _)| asked == number);
        let Some((_, asked)) = asked.and_then(|place| self.asked.remove(place)) else { return };
        let (heard, answered) = (Offset(*heard_ns), Offset(*answered_ns));
        self.estimates.add(Exchange { asked, heard, answered, got });
    }
}

/// Member 0's time of day minus ours, at any one moment.
fn time_of_day_us(welcome: &Welcome, clock: &RunClock, estimate: Estimate) -> i64 {
    let micros = |time: Duration| i64::try_from(time.as_micros()).unwrap_or(i64::MAX);
    let (theirs, ours) = (Duration::from(welcome.started), Duration::from(clock.started_at()));
    micros(theirs) - micros(ours) + estimate.offset_ns / 1000
}
