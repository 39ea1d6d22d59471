//! One client's conversation with a node that may lie.

use std::sync::Arc;

use bytes::BytesMut;

use super::liar::Liar;
use super::request::{Request, Taken};
use crate::protocol::memcached::server::session::{Context, Session};
use crate::protocol::node::output::Output;
use crate::protocol::node::serve::Step;

/// How much longer than the longest item a data block may be for a liar to keep it: what is longer
/// is refused unread.
const BLOCK_SLACK_BYTES: usize = 1024;
/// No further request is taken up while this much waits to be written.
const OUTPUT_BYTES_MAX: usize = 64 * 1024;

/// A conversation, honest or not.
#[derive(Debug)]
pub(in crate::protocol::memcached::server) enum Conversation {
    /// As memcached has it. So is one in which something was said that a liar does not read, from
    /// then on.
    Honest(Session),
    /// With a liar in between.
    Lying {
        /// The lies of the node.
        liar: Arc<Liar>,
        /// Its number, and how often the node had started again when it began.
        connection: (u64, u64),
    },
}

impl Conversation {
    /// A new one with a node that has `liar`, if it has one.
    pub(in crate::protocol::memcached::server) fn new(liar: Option<&Arc<Liar>>) -> Self {
        match liar {
            None => Self::Honest(Session::default()),
            Some(liar) => Self::Lying { connection: liar.connection(), liar: Arc::clone(liar) },
        }
    }

    /// Executes what is complete in `input` and appends the replies to `out`.
    pub(in crate::protocol::memcached::server) fn run(
        &mut self,
        input: &mut BytesMut,
        out: &mut Output,
        context: &Context<'_>,
    ) -> Step {
        loop {
            let (liar, connection) = match self {
                Self::Honest(session) => return session.run(input, out, context),
                Self::Lying { liar, connection } => (liar, *connection),
            };
            if out.byte_count() >= OUTPUT_BYTES_MAX {
                return Step::Output;
            }
            match Request::take(input, context.store.item_bytes() + BLOCK_SLACK_BYTES) {
                Taken::Partial => return Step::Input,
                Taken::Unreadable => *self = Self::Honest(Session::default()),
                Taken::Whole(request) => match liar.answer(connection, &request, context) {
                    None => return Step::Close,
                    Some(answer) => {
                        out.text().extend_from_slice(&answer.reply);
                        if answer.closes {
                            return Step::Close;
                        }
                    }
                },
            }
        }
    }

    /// The buffer of a block that is not complete, and how many bytes it still needs.
    pub(in crate::protocol::memcached::server) fn pending(
        &mut self,
    ) -> Option<(&mut Vec<u8>, usize)> {
        match self {
            Self::Honest(session) => session.pending(),
            Self::Lying { .. } => None,
        }
    }
}
