//! A run's place in a fleet: what differs from a run by itself.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use tokio::time::{sleep, sleep_until};

use super::desk::{Broken, End, Finished, Left};
use super::sink::ActiveFaults;
use super::stage::Stage;
use super::{Environment, Observer, RunError, merge};
use crate::base::share::Share;
use crate::base::time::RunClock;
use crate::event::{EventKind, Events, FaultRecord, Phase};
use crate::fleet::{self, AHEAD, Guest, Host, News, Opening, Seat, Turn, WORD_MAX};
use crate::lab::{Backend, Lab, LabConfig, Network, Nodes};
use crate::load::{self, Kept};
use crate::plan::{Plan, Who};
use crate::record::Missing;
use crate::report::Line;
use crate::subject::{DataLoss, LossListener, Relisted};

/// How long before the calls begin everybody is told of it.
const BEGIN_AHEAD: Duration = Duration::from_millis(500);

/// How long member 0 waits for the calls of the others to end, beyond its own, and they for its word on what
/// the nodes kept.
const DRAIN_MAX: Duration = Duration::from_secs(90);
const WORD_ON_KEPT_MAX: Duration = Duration::from_secs(180);

/// How long the files of a run may take to member 0.
const LEAVE_MAX: Duration = Duration::from_secs(120);

/// Which part of the load is this process's.
pub(super) fn share(environment: &Environment) -> Share {
    environment.fleet.as_ref().map_or(Share::ALL, Seat::share)
}

/// Why a plan cannot be run by so many; `None`: it can.
pub(super) fn refusal(plan: &Plan, share: Share) -> Option<String> {
    let of = share.of();
    let what = if !matches!(plan.who(), Who::Own | Who::Driver) {
        "an application makes its own load, which nobody can share out".to_owned()
    } else if plan.workload.replay.is_some() {
        "a recorded trace is one order of requests, which nobody can share out".to_owned()
    } else if plan.driver.as_ref().is_some_and(|driver| driver.url.is_some()) {
        "the driver runs already, and is no member's own".to_owned()
    } else if plan.names || plan.nodes.discovery {
        "names (-names) and lists that nodes tell (`discovery`) are for one machine".to_owned()
    } else if !plan.nodes.access.is_open() {
        let words = plan.nodes.access.words();
        format!("certificates and passwords are for one machine; leave {words} out")
    } else if plan.direct {
        "the others reach the nodes through member 0's proxies; leave -direct out".to_owned()
    } else if plan.network != Network::User {
        "the kernel's faults are for one machine; leave -network out".to_owned()
    } else if plan.concurrency < of {
        return Some(format!(
            "{} workers are too few for a fleet of {of}; write -concurrency {of} or more",
            plan.concurrency
        ));
    } else {
        return None;
    };
    Some(format!("{} cannot be run by a fleet: {what}", plan.scenario))
}

/// The lab of a member that has none: member 0's proxies, as if they were nodes that somebody else runs.
pub(super) fn lab_elsewhere(own: LabConfig, guest: &Guest) -> LabConfig {
    let proxies = guest.proxies();
    let alike = Nodes::alike(Backend::Servers(proxies), own.nodes.count);
    let nodes = Nodes { protocol: own.nodes.protocol, ..alike };
    LabConfig { nodes, direct: true, elsewhere: None, ..own }
}

/// The number of the run, which is the same for all.
pub(super) fn run_number(plan: &Plan, clock: &RunClock, environment: &Environment) -> u32 {
    match environment.fleet.as_ref().and_then(Seat::guest) {
        Some(guest) => guest.welcome().run,
        None => load::run_number(plan.seed.fork("load"), clock),
    }
}

/// Events, from which the others hear of faults.
pub(super) fn watch(events: Events, host: &Host) -> Events {
    let host = host.clone();
    Events::to(move |kind| {
        let news = match &kind {
            EventKind::FaultApplied { fault, nodes, .. } => Some((fault, nodes, true)),
            EventKind::FaultHealed { fault, nodes, .. } => Some((fault, nodes, false)),
            _ => None,
        };
        if let Some((name, nodes, active)) = news {
            host.news(News::Fault { name: name.clone(), nodes: nodes.clone(), active });
        }
        events.emit(kind);
    })
}

/// Opens the door, now that there is something to join.
pub(super) fn open(
    plan: &Plan,
    clock: RunClock,
    run: u32,
    lab: &Lab,
    host: &Host,
    events: &Events,
) {
    let waiting = host.clone();
    lab.on_losing(Box::new(move |node| {
        let host = waiting.clone();
        Box::pin(async move { host.losing(node).await })
    }));
    // What listens here on every address is told so: who joins takes the host that it joined.
    let asked = plan.addresses.proxies.address.ip();
    let is_here = plan.elsewhere.is_none() && asked.is_unspecified();
    let elsewhere = |proxy: SocketAddr| match is_here {
        true => SocketAddr::new(asked, proxy.port()),
        false => proxy,
    };
    host.open(Opening {
        clock,
        scenario: plan.scenario.clone(),
        plan: plan.to_toml(),
        plan_hash: plan.hash(),
        run,
        proxies: lab.info().iter().map(|info| elsewhere(info.proxy_address)).collect(),
        events: events.clone(),
    });
}

/// Hears what member 0 tells of its nodes.
pub(super) fn listen(
    guest: &Guest,
    losses: LossListener,
    relisted: Relisted,
    active: ActiveFaults,
) {
    guest.on_news(move |news| match news {
        News::Losing(node) => losses(DataLoss::Announced(node, WORD_MAX)),
        News::Lost(node) => losses(DataLoss::Emptied(node)),
        News::Evicts(node) => losses(DataLoss::Evicts(node)),
        News::Fault { name, nodes, active: is_active } => active.set(&name, &nodes, is_active),
        News::Relist { group, nodes } => drop(relisted(group, &nodes)),
    });
}

/// A member's run is left with member 0, which waits for those of all and merges them.
pub(super) async fn leave(
    seat: &Seat,
    plan: &Plan,
    own: Finished,
    observer: &mut dyn Observer,
) -> Finished {
    match seat {
        Seat::Guest(guest) => {
            let left = match &own.folder {
                Some(folder) => guest.leave(folder, LEAVE_MAX).await,
                None => Err("nothing of it is stored".to_owned()),
            };
            Finished { left: Some(Left::Part(left)), ..own }
        }
        Seat::Host(host) => {
            let folders = host.collected(LEAVE_MAX).await;
            let folders: Vec<PathBuf> = own.folder.iter().cloned().chain(folders).collect();
            let missing = if host.is_narrow() { Missing::Narrow } else { Missing::Invalid };
            let merged = match merge(&folders, missing) {
                Ok(merged) => merged,
                Err(error) => {
                    observer.line(&Line::Report(Box::new(own.report.clone())));
                    let (missing, trouble) = (host.missing(), Some(error.to_string()));
                    let part = own.folder.clone();
                    return Finished {
                        left: Some(Left::All { own: part, missing, trouble }),
                        ..own
                    };
                }
            };
            // No disk can take the verdict away.
            let report = merged.report.clone();
            observer.line(&Line::Report(Box::new(report.clone())));
            let (folder, losses) = match merged.leave(&plan.out) {
                Ok((folder, losses)) => (Some(folder), losses),
                Err(error) => (None, vec![error.to_string()]),
            };
            losses.iter().for_each(|loss| observer.warn(&format!("lost: {loss}")));
            let left = Left::All { own: own.folder, missing: host.missing(), trouble: None };
            Finished { report, folder, left: Some(left) }
        }
    }
}

/// The run ends without a report: nobody waits for this member.
pub(super) fn abandon(seat: Option<&Seat>, error: &RunError) {
    match seat {
        Some(Seat::Host(host)) if matches!(error, RunError::Interrupted) => {
            host.end(fleet::End::Interrupted);
        }
        Some(Seat::Host(host)) => {
            host.end(fleet::End::Broken { why: format!("member 0 ended: {error}") });
        }
        Some(Seat::Guest(guest)) => guest.gone(&error.to_string()),
        None => {}
    }
}

/// Who hears that a node loses data, member 0's own load and the others.
pub(super) fn all_losses(own: LossListener, host: Option<&Host>) -> LossListener {
    let Some(host) = host.cloned() else { return own };
    std::sync::Arc::new(move |loss| {
        if let DataLoss::Evicts(node) = loss {
            host.news(News::Evicts(node));
        }
        own(loss);
    })
}

impl Stage {
    fn host(&self) -> Option<&Host> {
        self.fleet.as_ref().and_then(Seat::host)
    }

    pub(super) fn guest(&self) -> Option<&Guest> {
        self.fleet.as_ref().and_then(Seat::guest)
    }

    pub(super) const fn is_in_a_fleet(&self) -> bool {
        self.fleet.is_some()
    }

    /// Waits until member 0 is gone, and says how; for ever where there is none to lose.
    pub(super) async fn lost_host(&self) -> String {
        match self.guest() {
            Some(guest) => guest.lost().await,
            None => std::future::pending().await,
        }
    }

    /// All are there.
    pub(super) async fn gather(&self) -> Result<(), RunError> {
        match self.host() {
            Some(host) => host.gather().await.map_err(RunError::Fleet),
            None => Ok(()),
        }
    }

    /// All are ready: waits for the moment at which calls begin.
    pub(super) async fn await_begin(&self) -> Result<(), Over> {
        match &self.fleet {
            None => {}
            Some(Seat::Host(host)) => {
                host.ready().await.map_err(Over::Never)?;
                let at = host.begin(BEGIN_AHEAD).map_err(Over::Never)?;
                sleep_until(self.clock.instant(at)).await;
            }
            Some(Seat::Guest(guest)) => {
                guest.ready();
                let at = match guest.next().await {
                    Turn::Begin(at) => at,
                    Turn::Phase(..) => self.clock.now(),
                    Turn::End(fleet::End::Broken { why }) | Turn::Lost(why) => {
                        return Err(Over::Never(why));
                    }
                    Turn::End(end) => return Err(end.into()),
                };
                sleep_until(self.clock.instant(at)).await;
                guest.began(at);
            }
        }
        Ok(())
    }

    /// Sleeps for as long as a phase lasts, but for the time in which the next one is told.
    pub(super) async fn last(&self, length: Duration) {
        let ahead = if self.host().is_some() { AHEAD } else { Duration::ZERO };
        sleep(length.saturating_sub(ahead)).await;
    }

    /// A phase begins: now, or in a moment that all hear of before.
    pub(super) async fn turn(&self, phase: Phase) {
        let Some(host) = self.host() else { return self.begin(phase) };
        let at = self.clock.now().plus(AHEAD);
        host.phase(phase, at);
        sleep_until(self.clock.instant(at)).await;
        self.begin_at(phase, at);
    }

    /// Does what member 0 says, until the phases are over.
    pub(super) async fn follow(&self, guest: &Guest) -> Result<(), Over> {
        loop {
            match guest.next().await {
                Turn::Begin(_) => {}
                Turn::Phase(phase, at) => {
                    sleep_until(self.clock.instant(at)).await;
                    self.begin_at(phase, at);
                }
                Turn::End(fleet::End::Complete) => return Ok(()),
                Turn::End(end) => return Err(end.into()),
                Turn::Lost(why) => return Err(Over::Broken(why)),
            }
        }
    }

    /// Says to the others that the phases are over, and how.
    pub(super) fn say_end(&self, end: &End) {
        let why = match end {
            End::Complete => None,
            End::Interrupted => Some("it was interrupted"),
            End::Short => Some("not every key could be stored"),
            End::Broken(Broken::Harness(why) | Broken::Subject(why)) => Some(why.as_str()),
        };
        match (&self.fleet, why) {
            (Some(Seat::Host(host)), None) => host.end(fleet::End::Complete),
            (Some(Seat::Host(host)), Some(_)) if matches!(end, End::Interrupted) => {
                host.end(fleet::End::Interrupted);
            }
            (Some(Seat::Host(host)), Some(why)) => {
                host.end(fleet::End::Broken { why: format!("member 0 ended: {why}") });
            }
            (Some(Seat::Guest(guest)), Some(why)) => guest.gone(why),
            (Some(Seat::Guest(_)) | None, _) => {}
        }
    }

    /// What the nodes did with their data, when no call is under way any more.
    pub(super) async fn kept(
        keeping: super::keeping::KeepingWatch,
        fleet: Option<&Seat>,
        nodes: usize,
        records: &[FaultRecord],
    ) -> Vec<Kept> {
        match fleet {
            Some(Seat::Guest(guest)) => {
                let kept = guest.drained(WORD_ON_KEPT_MAX).await.filter(|kept| kept.len() == nodes);
                let unknown = || Kept::Unknown("member 0 did not say what it dropped".to_owned());
                kept.unwrap_or_else(|| (0..nodes).map(|_| unknown()).collect())
            }
            Some(Seat::Host(host)) => {
                host.drained(DRAIN_MAX).await;
                let kept = keeping.finish(records).await;
                host.kept(&kept);
                kept
            }
            None => keeping.finish(records).await,
        }
    }
}

/// Why a member's phases are over before their time.
pub(super) enum Over {
    /// There is nothing to report: the calls never began.
    Never(String),
    Interrupted,
    Broken(String),
}

impl From<fleet::End> for Over {
    fn from(end: fleet::End) -> Self {
        match end {
            fleet::End::Interrupted => Self::Interrupted,
            fleet::End::Broken { why } => Self::Broken(why),
            fleet::End::Complete => Self::Broken("member 0 ended before it began".to_owned()),
        }
    }
}
