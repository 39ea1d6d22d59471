//! A lab for others: nodes, proxies and the control API, without a load and without a verdict.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::control::{Control, Shown};
use super::{Environment, RunError, setup};
use crate::base::scope::{Closed, Scope};
use crate::base::seed::Seed;
use crate::base::time::RunClock;
use crate::control::Feed;
use crate::event::Events;
use crate::lab::backend::NodeInfo;
use crate::lab::{Lab, LabConfig, Nodes};
use crate::plan::{Addresses, Variable};
use crate::secure::access::Access;

/// How long the tasks of a lab may take to end.
const CLOSE_GRACE: Duration = Duration::from_secs(5);

/// What somebody wants to be up.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// The nodes.
    pub nodes: Nodes,
    /// Where proxies and control API listen.
    pub addresses: Addresses,
    /// Whether the nodes have names.
    pub names: bool,
    /// What the toxics draw from.
    pub seed: Seed,
}

/// A lab that is up until it is closed.
#[derive(Debug)]
pub struct Up {
    lab: Lab,
    control: Control,
    access: Access,
    scope: Scope,
}

impl Up {
    /// Starts the nodes, puts a proxy in front of each, and serves the API.
    ///
    /// # Errors
    /// When one of them does not come up. Nothing is left running then.
    pub async fn start(wanted: Wanted, environment: &Environment) -> Result<Self, RunError> {
        let (scope, access) = (Scope::current("up"), wanted.nodes.access);
        let started = tokio::select! {
            biased;
            () = environment.interrupt.cancelled() => Err(RunError::Interrupted),
            started = assemble(wanted, environment, &scope) => started,
        };
        match started {
            Ok((lab, control)) => Ok(Self { lab, control, access, scope }),
            Err(error) => {
                scope.close(CLOSE_GRACE).await;
                Err(error)
            }
        }
    }

    /// The nodes with their proxies.
    #[must_use]
    pub fn nodes(&self) -> &[NodeInfo] {
        self.lab.info()
    }

    /// What the environment of a client has to say that is asked for it: names and values.
    pub fn told_of_access(&self) -> impl Iterator<Item = (String, String)> {
        let places = setup::places(&self.lab, None, None);
        let asked = Variable::of_access(self.access);
        asked.map(move |variable| (variable.name.clone(), variable.value(&places)))
    }

    /// Where the control API listens.
    #[must_use]
    pub const fn api(&self) -> SocketAddr {
        self.control.address()
    }

    /// What a person should know about how it came up: a port that was taken, say.
    pub fn notices(&self) -> impl Iterator<Item = &str> {
        self.lab.notices().iter().map(String::as_str).chain(self.control.notice())
    }

    /// Ends everything, and waits for it.
    pub async fn close(self) -> Closed {
        self.control.close().await;
        let lab = self.lab.close().await;
        let rest = self.scope.close(CLOSE_GRACE).await;
        if lab == Closed::Clean { rest } else { lab }
    }
}

async fn assemble(
    wanted: Wanted,
    environment: &Environment,
    scope: &Scope,
) -> Result<(Lab, Control), RunError> {
    let Wanted { nodes, addresses, names, seed } = wanted;
    let feed = Feed::new(RunClock::start());
    let events = feed.events(Events::ignore());
    let config = LabConfig {
        nodes,
        listen: addresses.proxies,
        names,
        programs: environment.programs.clone(),
        ..LabConfig::embedded(0)
    };
    config.can(&[])?;
    // Nobody here remembers what the nodes hold.
    let lab = Lab::start(&config, seed, events.clone(), Arc::new(|_| ()), scope).await?;
    let shown = Shown { feed, board: None };
    let control = Control::start(addresses.api, lab.proxies(), shown, events, scope).await?;
    Ok((lab, control))
}
