//! What members say to each other: one JSON object a line. Not for anybody else, so it has no version of its
//! own: all members run the same version of the program.

use serde::{Deserialize, Serialize};

use super::News;
use crate::base::name::NodeIndex;
use crate::base::time::Wall;
use crate::event::Phase;
use crate::load::Kept;

/// The longest line: a plan is shorter.
pub(super) const LINE_BYTES_MAX: usize = 2 << 20;

/// What somebody says who wants to be a member.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Hello {
    /// Of the program.
    pub(super) version: String,
    pub(super) index: u32,
    pub(super) of: u32,
    /// `None`: whatever member 0 calls it.
    pub(super) run_id: Option<String>,
    /// `None`: whatever member 0 runs.
    pub(super) scenario: Option<String>,
    /// The name of its machine.
    pub(super) host: String,
}

/// What member 0 says to whoever is one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Welcome {
    /// What all call this run.
    pub run_id: String,
    /// The whole plan, as a scenario's file.
    pub plan: String,
    /// The hash of that plan: whoever reads another one out of it must not take part.
    pub plan_hash: String,
    /// The number of the run that its keys and values carry.
    pub run: u32,
    /// Where the proxies listen, the first node's first. An address of none stands for member 0's own.
    pub proxies: Vec<std::net::SocketAddr>,
    /// When member 0's run started, by its time of day.
    pub started: Wall,
}

/// What a member says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Said {
    Hello(Hello),
    /// What time is it?
    Time {
        number: u64,
    },
    /// Its keys are stored.
    Ready,
    /// It knows that a node loses its data.
    Heard {
        number: u64,
    },
    /// None of its calls is under way.
    Drained,
    /// So many bytes of a file of its run follow this line.
    File {
        name: String,
        bytes: u64,
    },
    /// That was all of them.
    Left,
    /// It ends, before it should.
    Gone {
        why: String,
    },
}

/// What member 0 says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Told {
    Welcome(Box<Welcome>),
    Refused {
        why: String,
    },
    /// Its own time when the question came, and now, in nanoseconds since its run's start.
    Time {
        number: u64,
        heard_ns: u64,
        answered_ns: u64,
    },
    /// Calls begin then.
    Begin {
        at_ns: u64,
    },
    /// A phase begins then.
    Phase {
        phase: Phase,
        at_ns: u64,
    },
    /// A node is about to lose its data, as soon as all know.
    Losing {
        node: NodeIndex,
        number: u64,
    },
    /// What else happens to nodes and faults.
    News(News),
    /// The phases are over.
    End(End),
    /// What each node did with its data.
    Kept {
        nodes: Vec<Kept>,
    },
    /// The files are stored; or why not.
    Taken {
        trouble: Option<String>,
    },
}

/// How the phases ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// As planned.
    Complete,
    /// Somebody stopped member 0.
    Interrupted,
    /// Something broke.
    Broken {
        /// What.
        why: String,
    },
}
