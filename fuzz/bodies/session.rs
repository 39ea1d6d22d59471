//! The embedded node's conversation with a hostile client.
//!
//! A turn is a second of the node's clock.

use std::sync::LazyLock;
use std::time::Duration;

use bytes::BytesMut;
use harness::protocol::memcached::frame::observe::{Observer, Opaque, Options, Protocol, State};
use harness::protocol::memcached::frame::version::ServerVersion;
use harness::protocol::memcached::server::clock::Clock;
use harness::protocol::memcached::server::session::{Context, Session};
use harness::protocol::memcached::server::stats::Facts;
use harness::protocol::memcached::server::store::{Limits, Store};
use harness::protocol::node::output::Output;
use harness::protocol::node::serve::Step;
use tokio::time::Instant;

use super::cut::turns;
use super::memory::bounded;

/// When the node of every input started: the same moment, so that inputs are independent of the clock.
static STARTED: LazyLock<Instant> = LazyLock::new(Instant::now);
const UNIX_START: u64 = 1_800_000_000;
const MEMORY_BYTES: u64 = 16 * 1024;
const ITEM_BYTES: usize = 2048;
/// A line that has not ended after this many bytes is given up, so only shorter inputs must not depend
/// on the pieces.
const LINE_BYTES_MAX: usize = 2048;
/// What a node may hold however little has come: its table, a full output and one item.
const HELD_MAX: usize = 2 * 1024 * 1024;

/// A node that was talked to.
#[derive(Debug, PartialEq)]
struct Talk {
    replies: Vec<u8>,
    closed: bool,
}

/// It answers without a panic, the same in any pieces, and as our own observer expects.
pub fn run(bytes: &[u8]) {
    let turns = turns(bytes);
    bounded(bytes.len(), HELD_MAX, 4096, || {
        talk(&turns, |pieces| pieces.to_vec());
    });
    let whole = talk(&turns, |pieces| vec![pieces.concat()]);
    if bytes.len() <= LINE_BYTES_MAX {
        assert_eq!(talk(&turns, |pieces| pieces.to_vec()), whole);
        let single = |pieces: &[Vec<u8>]| pieces.concat().chunks(1).map(<[u8]>::to_vec).collect();
        assert_eq!(talk(&turns, single), whole);
    }
}

fn talk(turns: &[Vec<Vec<u8>>], cut: impl Fn(&[Vec<u8>]) -> Vec<Vec<u8>>) -> Talk {
    let store = Store::new(Limits { memory_bytes: MEMORY_BYTES, item_bytes: ITEM_BYTES });
    let (clock, facts) = (Clock::new(*STARTED, UNIX_START), Facts::default());
    let (mut session, mut input, mut out) =
        (Session::default(), BytesMut::new(), Output::default());
    let version = ServerVersion::V1_6_18;
    let mut observer = Observer::new(Options { version, protocol: Protocol::Text });
    let mut talk = Talk { replies: Vec::new(), closed: false };
    for (turn, second) in turns.iter().zip(0..) {
        let now = clock.at(*STARTED + Duration::from_secs(second));
        let context = Context { store: &store, clock: &clock, now, facts: &facts };
        for piece in cut(turn) {
            observer.on_request(&piece, (), &mut |_| {});
            if read(&piece, &mut session, &mut input) {
                continue;
            }
            loop {
                let step = session.run(&mut input, &mut out, &context);
                for piece in out.pieces() {
                    observer.on_reply(piece, &mut |_| {});
                    talk.replies.extend(piece);
                }
                out.clear(0);
                match step {
                    Step::Output => {}
                    Step::Input => break,
                    Step::Close => return Talk { closed: true, ..talk },
                }
            }
            let totals = store.totals();
            assert!(totals.bytes <= totals.memory_bytes);
            let wrong = [State::Opaque(Opaque::Disagreement), State::Opaque(Opaque::BadMagic)];
            assert!(!wrong.contains(&observer.state()), "{}", talk.replies.escape_ascii());
        }
    }
    talk
}

/// Takes a piece as the node's sockets do: into the block that is waited for, else into the input.
/// Whether that was no reason to go on.
fn read(piece: &[u8], session: &mut Session, input: &mut BytesMut) -> bool {
    if let Some((block, needed)) = session.pending() {
        let (into, rest) = piece.split_at(needed.min(piece.len()));
        block.extend_from_slice(into);
        input.extend_from_slice(rest);
    } else {
        input.extend_from_slice(piece);
    }
    piece.is_empty()
}
