//! What a rule does once it fires.

use std::time::Duration;

use crate::protocol::exchange::{CannedReply, Change};
use crate::proxy::close::CloseManner;

/// What happens to a request or to its reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// The request is answered in the server's place; it never sees it.
    Answer(CannedReply),
    /// The message comes late.
    Delay {
        /// At least so late.
        delay: Duration,
        /// Up to so much later.
        jitter: Duration,
        /// So many bytes of it leave at once.
        after_bytes: u64,
    },
    /// The message waits until the rule is changed or removed.
    Hold,
    /// The connection is ended.
    Drop {
        /// Before or after the command ran, or within its reply.
        when: When,
        /// With a FIN or a RST.
        how: CloseManner,
    },
    /// The reply changes places with another one.
    Swap {
        /// With one of another connection, or that to the next request.
        across: bool,
        /// How long one waits for the other.
        wait: Duration,
    },
    /// The reply is changed, and something else than the next reply may follow.
    Change(Change, Option<Ending>),
}

/// When a connection is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum When {
    /// The server does not see the request.
    Before,
    /// The client does not see the reply.
    After,
    /// The client sees half of the reply.
    MidReply,
}

/// What follows a reply that is not whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// The end of the connection.
    Close(CloseManner),
    /// Nothing, until the rule is changed or removed.
    Stall,
}
