//! What a client file says about a driver.

use std::path::PathBuf;
use std::time::Duration;

use crate::event::Operation;
use crate::http::Address;
use crate::protocol::Protocol;
use crate::secure::access::{Access, Invitation};

/// How a published client is run.
#[derive(Clone, Debug, PartialEq)]
pub struct DriverConfig {
    /// A service with the verbs of a cache, in the place of a process; `None`: there is a process.
    pub url: Option<Address>,
    /// The program and its arguments; no shell sees them.
    pub command: Vec<String>,
    /// Where it is started: the folder of the file.
    pub folder: PathBuf,
    /// What would install the client: shown when the command cannot start, never run.
    pub install: Vec<String>,
    /// What its client speaks.
    pub protocol: Protocol,
    /// What its client can do that nodes may ask for.
    pub access: Access,
    /// Operations that it may have under way.
    pub concurrency: u32,
    /// How long an operation should take at most. One that takes three times as long is hung.
    pub timeout: Duration,
    /// Whether its client sends a request before it has the reply to the last; `None`: not known.
    pub pipelines: Option<bool>,
    /// Operations that its client is not asked for, although the driver knows them.
    pub without: Vec<Operation>,
    /// What is handed to it as it is.
    pub settings: serde_json::Map<String, serde_json::Value>,
}

impl DriverConfig {
    /// Operations under way where the file says nothing.
    pub const CONCURRENCY: u32 = 32;

    /// The longest time where the file says nothing: what many clients wait by themselves.
    pub const TIMEOUT: Duration = Duration::from_secs(1);

    /// A driver with this command, started in `folder`, about which nothing else is said.
    #[must_use]
    pub fn of(command: Vec<String>, folder: PathBuf) -> Self {
        Self {
            url: None,
            command,
            folder,
            install: Vec::new(),
            protocol: Protocol::Memcached,
            access: Access::default(),
            concurrency: Self::CONCURRENCY,
            timeout: Self::TIMEOUT,
            pipelines: None,
            without: Vec::new(),
            settings: serde_json::Map::new(),
        }
    }
}

/// The nodes of a driver's client.
#[derive(Clone, Debug)]
pub struct Servers {
    /// All that it may ever be told of, in the order of their numbers.
    pub all: Vec<String>,
    /// Those that it is greeted with.
    pub first: Vec<String>,
    /// What they ask of who connects.
    pub invitation: Invitation,
}

impl From<Vec<String>> for Servers {
    fn from(all: Vec<String>) -> Self {
        Self { first: all.clone(), all, invitation: Invitation::default() }
    }
}
