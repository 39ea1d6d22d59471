//! Where a client puts its keys: asked of the client itself, as it is run.

use super::session::Session;
use super::stage::Stage;
use super::{CheckError, stories};
use crate::base::name::NodeIndex;
use crate::base::scope::Scope;
use crate::driver::{DriverConfig, Talk};
use crate::lab::{Backend, Programs};

/// Keys, and the node that was asked for each first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placement {
    /// What the client was told to connect to, in this order.
    pub servers: Vec<String>,
    /// The keys; `None`: no node was asked.
    pub keys: Vec<(String, Option<NodeIndex>)>,
}

/// Starts the driver on nodes of its own and stores some keys.
///
/// # Errors
/// When the driver cannot be started, the nodes do not come up, or a key cannot be stored.
pub async fn placement(
    config: &DriverConfig,
    backend: Backend,
    programs: &Programs,
) -> Result<Placement, CheckError> {
    let scope = Scope::current("placement");
    let stage = Stage::start(config, backend, programs, &scope).await?;
    let placed = place(config, programs, &stage, &scope).await;
    stage.close(&scope).await;
    placed
}

async fn place(
    config: &DriverConfig,
    programs: &Programs,
    stage: &Stage,
    scope: &Scope,
) -> Result<Placement, CheckError> {
    let servers = stage.servers();
    let (talk, ready) = Talk::start(config, &servers, &programs.harness, scope).await?;
    let mut session = Session::new(talk, ready);
    let homes = stories::homes(Some(&mut session), stage).await;
    // What it says to the end of its input is somebody else's check.
    let _ = session.end(false).await;
    let homes = homes.map_err(|trouble| CheckError::NotStored(trouble.came))?;
    let home = |key: &String| (key.clone(), stage.home(key));
    Ok(Placement { servers, keys: homes.all.iter().map(home).collect() })
}
