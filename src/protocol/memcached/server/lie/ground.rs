//! What a liar works on: the items, the honest commands, and its own draws.

use bytes::BytesMut;
use rand::RngExt;

use super::request::Request;
use crate::base::seed::Stream;
use crate::protocol::memcached::server::item::Item;
use crate::protocol::memcached::server::session::{Context, Session};
use crate::protocol::node::output::Output;
use crate::protocol::node::serve::Step;

/// What a lie may do with a request.
#[derive(Debug)]
pub struct Ground<'a> {
    pub(super) context: Context<'a>,
    pub(super) stream: &'a mut Stream,
    /// Which connection the request came on.
    pub(super) connection: u64,
    /// Whether the connection ends behind this reply.
    pub(super) closes: bool,
    /// Whether the node begins anew.
    pub(super) restarts: bool,
}

impl Ground<'_> {
    /// Executes a request as an honest node does; its reply.
    pub(super) fn execute(&mut self, request: &Request) -> Vec<u8> {
        let mut input = BytesMut::from(&request.to_bytes()[..]);
        let (mut session, mut output) = (Session::default(), Output::default());
        let mut reply = Vec::new();
        loop {
            let step = session.run(&mut input, &mut output, &self.context);
            output.pieces().for_each(|piece| reply.extend_from_slice(piece));
            output.clear(0);
            match step {
                Step::Output => {}
                Step::Input => return reply,
                Step::Close => {
                    self.closes = true;
                    return reply;
                }
            }
        }
    }

    /// Executes a request and takes back what it did to its key; the reply to it all the same.
    pub(super) fn pretend(&mut self, request: &Request) -> Vec<u8> {
        let before = self.item(request.key());
        let reply = self.execute(request);
        self.put_back(request.key(), before);
        reply
    }

    /// A copy of the item under `key`.
    pub(super) fn item(&self, key: &[u8]) -> Option<Item> {
        self.context.store.entry(key, self.context.now).item().cloned()
    }

    fn put_back(&self, key: &[u8], item: Option<Item>) {
        let (store, now) = (self.context.store, self.context.now);
        let room = item.as_ref().and_then(|item| store.room(item.weight(), now));
        let mut entry = store.entry(key, now);
        entry.remove();
        if let (Some(item), Some(room)) = (item, room) {
            entry.put_back(item, room);
        }
    }

    /// A number below `bound`, which is above 0.
    pub(super) fn draw(&mut self, bound: usize) -> usize {
        self.stream.random_range(0..bound)
    }
}
