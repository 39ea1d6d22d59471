//! Why a lab did not come up, or a fault could not be applied.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::Elsewhere;
use super::timeline::FaultSpec;
use crate::base::name::NodeIndex;

/// What went wrong with the system under fault. Every one of these ends the run with exit code 3.
#[derive(Debug, thiserror::Error)]
pub enum LabError {
    /// A child process did what it should not.
    #[error("{program}: {what}")]
    Process {
        /// The program.
        program: String,
        /// What happened, and what it printed.
        what: String,
    },
    /// A server that was given with `-servers` does not answer.
    #[error("server {address} of -servers does not answer: {what}")]
    Server {
        /// The address as given.
        address: SocketAddr,
        /// What it did instead, and after how long.
        what: String,
    },
    /// A node that answered when the lab came up, and then took none of the keys that it was to hold.
    #[error("{node} stored none of its {keys} keys although it answered before: {address}")]
    Silent {
        /// The node.
        node: NodeIndex,
        /// How many keys it was to hold.
        keys: u64,
        /// Where it listens.
        address: String,
    },
    /// An address that was asked for is taken or cannot be bound.
    #[error("cannot listen on {address}: {what}; choose another with {flag}")]
    Listen {
        /// The address.
        address: String,
        /// What the operating system says.
        what: String,
        /// The flag that changes it.
        flag: &'static str,
    },
    /// The proxies elsewhere that were asked for cannot be used.
    #[error("{} at {} of {}: {what}", elsewhere.whose.name(), elsewhere.address, elsewhere.whose.flag())]
    Elsewhere {
        /// Which.
        elsewhere: Elsewhere,
        /// What they answered, or did instead.
        what: String,
    },
    /// The network that `-network kernel` asks for cannot be had.
    #[error("-network kernel cannot be had: {0}")]
    Network(String),
    /// The groups of clients that a scenario has cannot be had.
    #[error("[[groups]]: {0}")]
    Groups(String),
    /// The names that `-names` asks for cannot be had.
    #[error("-names: {0}")]
    Names(String),
    /// What `-tls` and `-auth` ask for cannot be had.
    #[error("{0}")]
    Access(String),
    /// The list of nodes that `discovery` of `[nodes]` asks for cannot be told.
    #[error("`discovery` in [nodes]: {0}")]
    Discovery(String),
    /// What the nodes are to be cannot be had in what they speak.
    #[error("-protocol {protocol}: {what}")]
    Protocol {
        /// The protocol.
        protocol: &'static str,
        /// What it is.
        what: String,
    },
    /// No such server on PATH although one was asked for.
    #[error("no {0} on PATH; install it, or run with -nodes embedded")]
    NoServer(String),
    /// A program of `[nodes]` that is none.
    #[error("{} of {node} is no program that can be run here: name another with `binary`", path.display())]
    Binary {
        /// The node.
        node: NodeIndex,
        /// Its program.
        path: PathBuf,
    },
    /// A node that cannot be started as it is to be.
    #[error("{node}: {what}")]
    Arguments {
        /// The node.
        node: NodeIndex,
        /// What it cannot be.
        what: String,
    },
    /// A fault that this backend cannot do.
    #[error("fault `{fault}` ({kind}) cannot be done on {node}: {what}")]
    Fault {
        /// The fault's name.
        fault: String,
        /// Its kind.
        kind: String,
        /// The node.
        node: NodeIndex,
        /// Why.
        what: String,
    },
    /// The operating system refused something that the lab needs.
    #[error("{what}: {source}")]
    System {
        /// What was tried.
        what: &'static str,
        /// What the operating system says.
        source: std::io::Error,
    },
}

/// What of a fault cannot be done.
pub(crate) fn failed(fault: &FaultSpec, what: String) -> LabError {
    LabError::Fault {
        fault: fault.name.clone(),
        kind: fault.fault.kind.clone(),
        node: fault.nodes.first().copied().unwrap_or(NodeIndex(0)),
        what,
    }
}
