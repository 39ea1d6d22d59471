//! Faults of the node itself, one file each. Faults of the network are toxics of its proxy.

mod certificate;
mod clock;
mod dns;
mod flap;
mod flush;
mod join;
mod kill;
mod leave;
mod r#move;
mod password;
mod pause;
mod reorder;
mod two_owners;

use std::time::Duration;

use crate::base::family::Family;
use crate::secure::authority::Flaw;

/// What is done to a node's process. Applied at the start of the fault, taken back at its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeAction {
    /// SIGKILL; started again, empty, when it heals.
    Kill,
    /// SIGSTOP; SIGCONT when it heals.
    Pause,
    /// `flush_all`; nothing to take back.
    Flush,
    /// Another time; not taken back, as what was stored since would then live longer or shorter than it should.
    Clock {
        /// How many seconds ahead; behind, where it is below zero.
        ahead: i64,
    },
    /// A flawed certificate for who connects; a good one again when it heals.
    Certificate(Flaw),
    /// Another password for who connects; the old one again when it heals.
    Password,
    /// What its name stands for.
    Name(NameAction),
    /// Its place in the list that clients are told.
    List(Relist),
}

/// What is done to the list that clients are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Relist {
    /// The node is in it from now on, for good; before, it was not.
    Join,
    /// The node is not in it, until the fault ends.
    Leave,
    /// The node is at its end, until the fault ends.
    Reorder,
}

/// What is done to the name of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameAction {
    /// It stands for another address; not taken back, as an instance that was replaced is not.
    Move(Old),
    /// Every other answer is an address where nobody is.
    Flap,
    /// The next node has it, too.
    TwoOwners,
    /// Questions for it fail.
    Fail(Failure),
}

/// What becomes of a question for a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The server says that it cannot answer.
    ServFail,
    /// The server says that there is no such name.
    NxDomain,
    /// Nobody answers.
    Silence,
    /// The right answer comes so late.
    Late(Duration),
    /// The right answer comes over a connection alone; a datagram says that it is too short for it.
    Truncated,
}

/// What is at the address that a node had before it moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Old {
    /// Nobody.
    Refuses,
    /// The node, until the fault ends.
    Stays,
    /// The next node, with its own data.
    Other,
}

impl Old {
    /// The words in files.
    const WORDS: [&str; 3] = ["refuses", "stays", "other"];
}

impl NodeAction {
    /// The furthest that a clock goes back, in seconds, by all faults together.
    pub const CLOCK_BEHIND_MAX_S: i64 = clock::BEHIND_MAX.cast_signed();

    /// Whether nobody in the node can be asked anything until the fault ends.
    #[must_use]
    pub const fn stops_process(self) -> bool {
        matches!(self, Self::Kill | Self::Pause)
    }

    /// Whether somebody in the node has to do something for it to begin.
    #[must_use]
    pub const fn needs_process(self) -> bool {
        matches!(self, Self::Flush | Self::Clock { .. } | Self::Certificate(_) | Self::Password)
            || self.stops_process()
    }

    /// Whether one of two that are done to a node at the same time could not be begun, or not be ended.
    #[must_use]
    pub const fn excludes(self, later: Self) -> bool {
        let ends_in_process =
            self.stops_process() || matches!(self, Self::Certificate(_) | Self::Password);
        self.stops_process() && later.needs_process() || ends_in_process && later.stops_process()
    }

    /// Whether the node's data is gone afterwards.
    #[must_use]
    pub const fn loses_data(self) -> bool {
        matches!(self, Self::Kill | Self::Flush | Self::Clock { ahead: 1.. })
    }
}

/// Every fault of a node.
pub static FAULTS: Family<NodeAction> = Family {
    noun: "node fault",
    kinds: &[
        kill::KIND,
        pause::KIND,
        flush::KIND,
        clock::KIND,
        certificate::KIND,
        password::KIND,
        r#move::KIND,
        join::KIND,
        leave::KIND,
        reorder::KIND,
        flap::KIND,
        two_owners::KIND,
        dns::KIND,
    ],
};
