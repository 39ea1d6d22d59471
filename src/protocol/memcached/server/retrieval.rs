//! `get`, `gets`, `gat`, `gats` and the old `bget`: any number of keys, in the order asked.
//!
//! It goes from key to key, so that the replies of a long line can be written while it runs.

use super::counts::Count;
use super::number;
use super::reply;
use super::session::Context;
use crate::protocol::memcached::frame::text::tokens;
use crate::protocol::node::output::Output;

/// Where a line of keys stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Retrieval {
    /// The part of the line that holds keys still to be read.
    pub(super) from: usize,
    /// Where the text of the line ends.
    pub(super) to: usize,
    /// Whether the cas unique is asked for.
    pub(super) with_cas: bool,
    /// The new expiry, in node seconds.
    pub(super) touch: Option<u32>,
}

impl Retrieval {
    /// Reads the next key of `line`. `false`: there was none, and the end was written.
    pub(super) fn next(&mut self, line: &[u8], out: &mut Output, context: &Context<'_>) -> bool {
        let mut keys = tokens(&line[self.from..self.to]);
        let Some((at, key)) = keys.next_at() else {
            reply::line(out.text(), reply::END);
            return false;
        };
        self.from += at + key.len();
        self.read(key, out, context);
        true
    }

    fn read(&self, key: &[u8], out: &mut Output, context: &Context<'_>) {
        let mut entry = context.store.entry(key, context.now);
        let hit = entry.item().is_some();
        entry.count(match (self.touch, hit) {
            (None, true) => Count::GetHit,
            (None, false) => Count::GetMiss,
            (Some(_), true) => Count::TouchHit,
            (Some(_), false) => Count::TouchMiss,
        });
        entry.bump();
        let Some(item) = entry.edit() else { return };
        item.deadline = self.touch.unwrap_or(item.deadline);
        let text = out.text();
        text.extend_from_slice(b"VALUE ");
        text.extend_from_slice(key);
        text.push(b' ');
        number::write(text, u64::from(item.flags));
        text.push(b' ');
        number::write(text, item.value.byte_count() as u64);
        if self.with_cas {
            text.push(b' ');
            number::write(text, item.cas);
        }
        text.extend_from_slice(b"\r\n");
        out.push(&item.value);
        out.text().extend_from_slice(b"\r\n");
    }
}
