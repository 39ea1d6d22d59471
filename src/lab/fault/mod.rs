//! Faults of the node itself, one file each. Faults of the network are toxics of its proxy.

mod clock;
mod flush;
mod kill;
mod pause;

use crate::base::family::Family;

/// What is done to a node's process. Applied at the start of the fault, taken back at its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeAction {
    /// SIGKILL; started again, empty, when it heals.
    Kill,
    /// SIGSTOP; SIGCONT when it heals.
    Pause,
    /// `flush_all`; nothing to take back.
    Flush,
    /// Another time; not set back, as what was stored since would then outlive its time.
    Clock {
        /// How many seconds ahead.
        ahead: u32,
    },
}

impl NodeAction {
    /// Whether the node's data is gone afterwards.
    #[must_use]
    pub const fn loses_data(self) -> bool {
        matches!(self, Self::Kill | Self::Flush | Self::Clock { .. })
    }
}

/// Every fault of a node.
pub static FAULTS: Family<NodeAction> =
    Family { noun: "node fault", kinds: &[kill::KIND, pause::KIND, flush::KIND, clock::KIND] };
