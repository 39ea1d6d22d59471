//! `-fleet` and what belongs to it: a run that many machines make.

mod place;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use self::place::{member, which};
use super::exit::Exit;
use super::session::Session;
use super::{interruptible::standing, output, values};
use crate::base::scope::Scope;
use crate::base::seed::Seed;
use crate::base::share::Share;
use crate::base::time::Wall;
use crate::event::{MEMBERS_MAX, RUN_ID_BYTES_MAX};
use crate::fleet::{Collection, Guest, Host, Invitation, Seat, Settings};
use crate::lab::Listen;
use crate::plan::{FileText, Library, Options, Plan, plan_of};
use crate::record::Missing;
use crate::run::Environment;

/// How long members wait for each other, where nobody says.
const WAIT: Duration = Duration::from_secs(60);

/// How long the last words of a member may take.
const CLOSE_GRACE: Duration = Duration::from_secs(3);

/// Where the proxies of member 0 listen, if nobody else does.
const PROXY_PORT: u16 = 21211;

/// What becomes of a run without members that are not there.
const MISSING: [(&str, Missing); 2] = [("invalid", Missing::Invalid), ("narrow", Missing::Narrow)];

/// A run that many machines make.
#[derive(Clone, Debug, Default, clap::Args)]
pub(super) struct FleetFlags {
    /// Make the run with other machines: member 0 listens here, the others join it (docs/scale.md)
    #[arg(long, value_name = "HOST:PORT", value_parser = meeting, conflicts_with = "runs")]
    fleet: Option<Meeting>,
    /// Which of them this is: I/N with I from 0, or slot:S/N with S from 1 [default: what Slurm or
    /// Kubernetes say]
    #[arg(long, value_name = "I/N", value_parser = member, requires = "fleet")]
    member: Option<Share>,
    /// How many there are, where only the number of this one is known (JOB_COMPLETION_INDEX)
    #[arg(long, value_name = "N", value_parser = values::count(1..=MEMBERS_MAX), requires = "fleet")]
    members: Option<u32>,
    /// What all call this run [default: a name that member 0 makes]
    #[arg(long, value_name = "ID", value_parser = run_id, requires = "fleet")]
    run_id: Option<String>,
    /// How long members wait for each other before the run begins [default: 60s]
    #[arg(long, value_name = "TIME", value_parser = values::time, requires = "fleet")]
    fleet_wait: Option<Duration>,
    /// When the load begins, by member 0's time of day, such as 2026-01-31T12:00:00Z [default: as soon as
    /// all are ready]
    #[arg(long, value_name = "TIME", value_parser = start_at, requires = "fleet")]
    start_at: Option<Wall>,
    /// Without members that are not there the run is invalid, or goes on with less load [default:
    /// invalid]
    #[arg(long, value_name = "WHAT", value_parser = values::word(&MISSING), requires = "fleet")]
    missing: Option<Missing>,
    /// Put the run of this member here as well: a folder, or an address that takes files by PUT
    #[arg(long, value_name = "DIR|URL", requires = "fleet")]
    collect: Option<Collection>,
}

/// Where a fleet meets.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Meeting {
    host: String,
    port: u16,
}

impl Meeting {
    /// Where member 0 listens: at a numeric address as it is; a name often means another address on the
    /// machine itself.
    fn bound(&self) -> SocketAddr {
        let ip = self.host.trim_matches(['[', ']']).parse();
        SocketAddr::new(ip.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)), self.port)
    }
}

fn meeting(text: &str) -> Result<Meeting, String> {
    let wrong = || format!("\"{text}\" is no host with a port; write \"10.0.0.1:8480\"");
    let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
    let port = port.parse::<u16>().ok().filter(|port| *port > 0).ok_or_else(wrong)?;
    let fits = |c: char| c.is_ascii_alphanumeric() || "-_.:[]".contains(c);
    if host.is_empty() || !host.chars().all(fits) {
        return Err(wrong());
    }
    Ok(Meeting { host: host.to_owned(), port })
}

fn start_at(text: &str) -> Result<Wall, String> {
    let now = Wall::now();
    let instead = || format!("write \"{}\"", now.after(WAIT * 2).rfc3339());
    let at = Wall::read(text.trim())
        .ok_or_else(|| format!("\"{text}\" is no time of day in UTC; {}", instead()))?;
    match Duration::from(now).saturating_sub(at.into()) {
        Duration::ZERO => Ok(at),
        late => Err(format!("\"{text}\" was {late:.1?} ago; {}", instead())),
    }
}

fn run_id(text: &str) -> Result<String, String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if text.is_empty()
        || text.len() > RUN_ID_BYTES_MAX
        || !text.chars().all(fits)
        || text.starts_with('.')
    {
        return Err(format!(
            "\"{text}\" is no name of a run; it has 1 to {RUN_ID_BYTES_MAX} letters, digits, `-`, `_` and `.`: \
             write \"nightly-7\""
        ));
    }
    Ok(text.to_owned())
}

impl FleetFlags {
    /// Whether a fleet was asked for.
    pub(super) const fn is_given(&self) -> bool {
        self.fleet.is_some()
    }

    /// Where runs are collected.
    pub(super) fn collection(&self) -> Option<Collection> {
        self.collect.clone()
    }

    /// Takes part. `session` is of what member 0 runs: of one scenario; `named` is what another one was told
    /// to run, if anything.
    pub(super) fn play(
        &self,
        out: Options,
        chosen: impl FnOnce() -> Result<Plan, Exit>,
        named: impl FnOnce() -> Result<Option<String>, Exit>,
        session: impl FnOnce(Plan, Share) -> Session,
    ) -> Exit {
        let Some(meeting) = &self.fleet else { return Exit::Internal };
        let share = match which(self.member, self.members, |name| std::env::var(name).ok()) {
            Ok(share) => share,
            Err(what) => {
                output::complain(&what);
                return Exit::Usage;
            }
        };
        if share.index() == 0 {
            match chosen() {
                Ok(plan) => self.host(meeting, share, plan, session),
                Err(exit) => exit,
            }
        } else {
            match named() {
                Ok(scenario) => self.join(meeting, share, scenario, out, session),
                Err(exit) => exit,
            }
        }
    }

    fn host(
        &self,
        meeting: &Meeting,
        share: Share,
        mut plan: Plan,
        session: impl FnOnce(Plan, Share) -> Session,
    ) -> Exit {
        let bound = meeting.bound();
        if !plan.addresses.proxies.required {
            let address = SocketAddr::new(bound.ip(), PROXY_PORT);
            plan.addresses.proxies = Listen { address, required: false };
        }
        let made = || format!("{}-{:x}", plan.scenario, Seed::from_system().value());
        let settings = Settings {
            share,
            run_id: self.run_id.clone().unwrap_or_else(made),
            patience: self.fleet_wait.unwrap_or(WAIT),
            narrow: self.missing == Some(Missing::Narrow),
            start_at: self.start_at,
        };
        let descriptors = plan.descriptors();
        standing(descriptors, |environment, standing| async move {
            let scope = Scope::current("fleet");
            let told = format!(
                "member 0 of {}, run {}: the others join {}:{}",
                share.of(),
                settings.run_id,
                meeting.host,
                meeting.port
            );
            let host = match Host::listen(bound, settings, scope.clone()).await {
                Ok(host) => host,
                Err(error) => {
                    output::complain(&format_args!("cannot listen on {bound} (-fleet): {error}"));
                    return Exit::LabDown;
                }
            };
            output::remark(&told);
            let environment = Environment { fleet: Some(Seat::Host(host)), ..environment };
            let exit = session(plan, share).all(environment, standing).await;
            scope.close(CLOSE_GRACE).await;
            exit
        })
    }

    fn join(
        &self,
        meeting: &Meeting,
        share: Share,
        scenario: Option<String>,
        out: Options,
        session: impl FnOnce(Plan, Share) -> Session,
    ) -> Exit {
        let invitation = Invitation {
            address: format!("{}:{}", meeting.host, meeting.port),
            share,
            run_id: self.run_id.clone(),
            scenario,
            patience: self.fleet_wait.unwrap_or(WAIT),
        };
        standing(0, |environment, standing| async move {
            let scope = Scope::current("fleet");
            let joined = tokio::select! {
                joined = Guest::join(invitation, scope.clone()) => joined,
                () = environment.interrupt.cancelled() => return Exit::Interrupted,
            };
            let exit = match joined {
                Ok(guest) => match plan_told(&guest, out) {
                    Ok(plan) => {
                        let environment =
                            Environment { fleet: Some(Seat::Guest(guest)), ..environment };
                        session(plan, share).all(environment, standing).await
                    }
                    Err(what) => {
                        guest.gone(&what);
                        output::complain(&what);
                        Exit::LabDown
                    }
                },
                Err(error) => {
                    output::complain(&error);
                    Exit::LabDown
                }
            };
            scope.close(CLOSE_GRACE).await;
            exit
        })
    }
}

/// The plan that member 0 told.
fn plan_told(guest: &Guest, out: Options) -> Result<Plan, String> {
    let welcome = guest.welcome();
    let source = FileText::new("the plan of member 0", welcome.plan.clone());
    let plan = plan_of(&Library::new("."), &source, "fleet", &out, Seed::new(0));
    let plan = plan.map_err(|error| format!("cannot run what member 0 runs: {error}"))?;
    if plan.hash() != welcome.plan_hash {
        return Err(format!(
            "the plan of member 0 means something else on this machine (hash {} there, {} here): have the \
             same files on both",
            welcome.plan_hash,
            plan.hash()
        ));
    }
    Ok(plan)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Catches an address that would only fail when it is dialled, and a name that is bound by what it means
    /// on the machine itself.
    #[test]
    fn a_name_is_bound_everywhere_and_a_number_as_it_is() {
        let bound = |text| meeting(text).unwrap().bound().to_string();
        assert_eq!(bound("10.0.0.7:8480"), "10.0.0.7:8480");
        assert_eq!(bound("[::1]:8480"), "[::1]:8480");
        assert_eq!(bound("job-0.harness:8480"), "0.0.0.0:8480");
        for wrong in ["", "host", "host:", "host:0", ":8480", "a b:1", "h:99999"] {
            assert!(meeting(wrong).unwrap_err().contains("10.0.0.1:8480"), "{wrong}");
        }
        assert!(start_at("2001-01-01T00:00:00Z").unwrap_err().contains(" ago; write \"2"));
        assert!(start_at("noon").unwrap_err().contains("is no time of day in UTC; write \"2"));
        assert!(start_at("9999-01-01T00:00:00Z").is_ok());
        assert!(run_id("r1").is_ok() && run_id("../x").is_err() && run_id("").is_err());
    }
}
