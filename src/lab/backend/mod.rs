//! Where a node runs, one file each: a child process, this process, or somewhere else.

pub mod embedded;
pub mod external;
#[cfg(unix)]
pub mod leash;
pub mod process;

use std::net::SocketAddr;

use self::embedded::EmbeddedNode;
use self::external::ExternalNode;
use self::process::ProcessNode;
use crate::base::name::NodeIndex;
use crate::lab::door::Door;
use crate::lab::error::LabError;
use crate::lab::fault::NodeAction;
use crate::protocol::Protocol;
use crate::protocol::probe::At;
use crate::secure::authority::Flaw;

/// A node of the lab, wherever it runs.
#[derive(Debug)]
pub enum RunningNode {
    /// A child process.
    Process(ProcessNode),
    /// A task of this process.
    Embedded(EmbeddedNode),
    /// A server that others started.
    External(ExternalNode),
}

impl RunningNode {
    /// The word in reports: `memcached`, `redis`, `valkey`, `embedded`, `external`.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Process(node) => node.name(),
            Self::Embedded(_) => "embedded",
            Self::External(_) => "external",
        }
    }

    /// Where it listens, also while it is down.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        match self {
            Self::Process(node) => node.address(),
            Self::Embedded(node) => node.address(),
            Self::External(node) => node.address(),
        }
    }

    /// What it speaks.
    #[must_use]
    pub const fn protocol(&self) -> Protocol {
        match self {
            Self::Process(node) => node.protocol(),
            Self::Embedded(node) => node.protocol(),
            Self::External(node) => node.protocol(),
        }
    }

    /// Its version.
    #[must_use]
    pub fn version(&self) -> &str {
        match self {
            Self::Process(node) => node.version(),
            Self::Embedded(node) => node.version(),
            Self::External(node) => node.version(),
        }
    }

    /// Where it is for questions of the lab, and how it is entered now.
    #[must_use]
    pub fn at(&self) -> At {
        match self.door() {
            Some(door) => door.at(self.address()),
            None => self.address().into(),
        }
    }

    fn door(&self) -> Option<&Door> {
        match self {
            Self::Process(node) => Some(node.door()),
            Self::Embedded(node) => Some(node.door()),
            Self::External(_) => None,
        }
    }

    /// Shows another certificate to who connects from now on.
    async fn show(&self, flaw: Option<Flaw>) -> Result<(), String> {
        self.door().map_or(Ok(()), |door| door.show(flaw))?;
        match self {
            Self::Process(node) => node.read_certificate().await,
            Self::Embedded(_) | Self::External(_) => Ok(()),
        }
    }

    /// Lets in who knows another password, or again who knows the one that clients are told.
    async fn change_password(&mut self, to_another: bool) -> Result<(), String> {
        self.door().map_or(Ok(()), |door| door.change_password(to_another))?;
        match self {
            Self::Process(node) => node.read_accounts().await,
            Self::Embedded(_) | Self::External(_) => Ok(()),
        }
    }

    /// Begins `action` and returns when it has taken effect.
    ///
    /// # Errors
    /// The reason why it did not.
    pub async fn begin(&mut self, action: NodeAction) -> Result<(), String> {
        let text = |error: LabError| error.to_string();
        match (&mut *self, action) {
            (node, NodeAction::Flush) => node.protocol().flush_all(&node.at()).await,
            (Self::Process(node), NodeAction::Kill) => {
                node.kill().await;
                Ok(())
            }
            (Self::Process(node), NodeAction::Pause) => node.pause().map_err(text),
            (Self::Process(node), NodeAction::Clock { .. }) => {
                Err(format!("{} takes its time from its machine", node.address()))
            }
            (Self::Embedded(node), NodeAction::Clock { ahead }) => {
                node.set_ahead(ahead);
                Ok(())
            }
            (Self::Embedded(node), NodeAction::Kill) => {
                node.kill().await;
                Ok(())
            }
            (Self::Embedded(node), NodeAction::Pause) => {
                node.pause();
                Ok(())
            }
            (Self::Process(_) | Self::Embedded(_), NodeAction::Certificate(flaw)) => {
                self.show(Some(flaw)).await
            }
            (Self::Process(_) | Self::Embedded(_), NodeAction::Password) => {
                self.change_password(true).await
            }
            // The lab does it, to the names that it has.
            (_, NodeAction::Name(_) | NodeAction::List(_)) => {
                Err("a node does not know its name".to_owned())
            }
            (Self::External(node), _) => external::can(node.address(), action),
        }
    }

    /// Takes `action` back and returns when the node answers again.
    ///
    /// # Errors
    /// The reason why it does not.
    pub async fn end(&mut self, action: NodeAction) -> Result<(), String> {
        let text = |error: LabError| error.to_string();
        match (&mut *self, action) {
            (Self::Process(node), NodeAction::Kill) => node.restart().await.map_err(text),
            (Self::Process(node), NodeAction::Pause) => node.resume().map_err(text),
            (Self::Embedded(node), NodeAction::Kill) => node.restart().await.map_err(text),
            (Self::Embedded(node), NodeAction::Pause) => {
                node.resume();
                Ok(())
            }
            (Self::Process(_) | Self::Embedded(_), NodeAction::Certificate(_)) => {
                self.show(None).await
            }
            (Self::Process(_) | Self::Embedded(_), NodeAction::Password) => {
                self.change_password(false).await
            }
            (
                _,
                NodeAction::Flush
                | NodeAction::Clock { .. }
                | NodeAction::Name(_)
                | NodeAction::List(_),
            )
            | (Self::External(_), _) => Ok(()),
        }
    }

    /// Whether the process ended although nothing told it to.
    pub fn died(&mut self) -> bool {
        match self {
            Self::Process(node) => node.died(),
            Self::Embedded(_) | Self::External(_) => false,
        }
    }

    /// Ends it for good.
    pub async fn close(mut self) {
        match &mut self {
            Self::Process(node) => node.kill().await,
            Self::Embedded(node) => node.kill().await,
            Self::External(_) => {}
        }
    }
}

/// What a report says of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeInfo {
    /// Which node.
    pub node: NodeIndex,
    /// `memcached`, `redis`, `valkey`, `embedded` or `external`.
    pub backend: &'static str,
    /// What it speaks.
    pub protocol: Protocol,
    /// Where the node listens.
    pub address: SocketAddr,
    /// Where its proxy listens when the lab comes up.
    pub proxy_address: SocketAddr,
    /// What the client is given: that address, or a name with its port.
    pub server: String,
    /// Its version.
    pub version: String,
}
