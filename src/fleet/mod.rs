//! Many machines that make one run: member 0 owns the nodes and breaks them, the others make their part of the
//! load through its proxies.
//!
//! They meet at an address of member 0's. Who joins is told the whole plan, so that members cannot differ, and
//! learns where member 0's clock is; calls and phases begin at moments of that clock that all hear of before.
//! What only member 0 sees (a node that is about to lose its data, a list that changes) it tells the others.
//! Nobody waits for anybody without a bound: who is missing, late or silent is named, and out.

mod clock;
mod collect;
mod guest;
mod host;
mod parcel;
mod post;
mod roll;
mod words;

use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use self::collect::Collection;
pub use self::guest::{Guest, Invitation, JoinError, Turn};
pub use self::host::{Host, MEMBERS, Opening, Settings};
pub use self::words::{End, Welcome};
use crate::base::name::NodeIndex;
use crate::base::share::Share;
use crate::event::Member;

/// How long before a phase begins everybody is told of it.
pub const AHEAD: Duration = Duration::from_millis(250);

/// How long a node's word that it loses its data may be on its way: what a member writes in the meantime is not
/// held against the node.
pub const WORD_MAX: Duration = Duration::from_secs(2);

/// A member's place in a run.
#[derive(Clone, Debug)]
pub enum Seat {
    /// Of member 0.
    Host(Host),
    /// Of another one.
    Guest(Guest),
}

impl Seat {
    /// Which part of the load is its.
    #[must_use]
    pub fn share(&self) -> Share {
        match self {
            Self::Host(host) => host.share(),
            Self::Guest(guest) => guest.share(),
        }
    }

    /// Its place, if it is member 0's.
    #[must_use]
    pub const fn host(&self) -> Option<&Host> {
        match self {
            Self::Host(host) => Some(host),
            Self::Guest(_) => None,
        }
    }

    /// Its place, if it is another one's.
    #[must_use]
    pub const fn guest(&self) -> Option<&Guest> {
        match self {
            Self::Host(_) => None,
            Self::Guest(guest) => Some(guest),
        }
    }

    /// What it says of itself with its run.
    #[must_use]
    pub fn member(&self) -> Member {
        match self {
            Self::Host(host) => host.member(),
            Self::Guest(guest) => guest.member(),
        }
    }
}

/// What member 0 tells of its nodes and faults while a run goes on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum News {
    /// A node loses its data as soon as all members know.
    Losing(NodeIndex),
    /// It has.
    Lost(NodeIndex),
    /// It drops items to make room.
    Evicts(NodeIndex),
    /// A fault began, or ended.
    Fault {
        /// Its name.
        name: String,
        /// Where.
        nodes: Vec<NodeIndex>,
        /// Whether it began.
        active: bool,
    },
    /// The clients of a group are told of these nodes from now on.
    Relist {
        /// Which group.
        group: usize,
        /// The nodes.
        nodes: Vec<NodeIndex>,
    },
}

/// The name of this machine.
#[must_use]
pub fn machine() -> String {
    #[cfg(unix)]
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    #[cfg(not(unix))]
    let name = "unnamed".to_owned();
    name
}
