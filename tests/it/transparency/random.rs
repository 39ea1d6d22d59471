//! Random streams of all three protocols, in every kind of pieces and one request at a time.

use rand::RngExt as _;

use super::draw::{Packets, Texts};
use super::{Cut, Pair, Story, seed, stories};
use crate::wire::packet;

/// Streams of each kind.
const STORIES: u64 = 60;
/// Requests of a stream at most.
const REQUESTS_MAX: usize = 60;
/// The longest piece of a stream that is cut at random.
const PIECE_BYTES_MAX: usize = 90;

/// The ways in which one stream is cut.
fn cuts(story: u64) -> [Cut; 3] {
    [Cut::Whole, Cut::Single, Cut::Random(story, PIECE_BYTES_MAX)]
}

/// Tells a story to both, which the tap must have understood.
fn check(pair: &Pair, name: &str, story: &Story) {
    let heard = pair.compare(name, story);
    if pair.proxied.final_tap().opaque > 0 {
        let told = story.turns.concat();
        panic!("{name}: not understood\n told {}\n heard {heard:?}", told.escape_ascii());
    }
}

/// After all stories: all was answered, and nothing was opened or ended on our own account.
fn check_tap(pair: &Pair) {
    let tap = pair.proxied.final_tap();
    assert_eq!(tap.outstanding, 0);
    assert_eq!(tap.bytes_from_clients, tap.bytes_to_servers);
    assert_eq!(tap.bytes_from_servers, tap.bytes_to_clients);
    assert_eq!(tap.opened, tap.closed.values().sum::<u64>());
    let connections = |server: &crate::memcached::Memcached| {
        let replies = String::from_utf8(server.exchange(b"stats\r\n")).unwrap();
        let line = replies.lines().find(|line| line.starts_with("STAT total_connections "));
        line.unwrap().to_owned()
    };
    assert_eq!(connections(&pair.direct), connections(&pair.behind));
}

/// Catches a text reply that is changed, lost, delayed for ever or given to another request, and a
/// connection that ends otherwise, whatever is sent and however it is cut; and a tap that loses its
/// place in what is broken.
#[test]
#[cfg_attr(not(real_memcached), ignore = "needs memcached on PATH")]
fn text_streams_in_any_pieces() {
    let pair = Pair::start(&[]);
    for index in 0..stories(STORIES) {
        let node = seed().fork("text").index(index);
        let mut draws = node.stream();
        let count = draws.random_range(1..=REQUESTS_MAX);
        let stream = Texts(&mut draws).stream(count);
        for cut in cuts(index) {
            let name = format!("seed {}, story {index}, {cut:?}", seed());
            check(&pair, &name, &Story::cut(&stream, cut));
        }
    }
    check_tap(&pair);
}

/// Catches the same where every request has a read of its own, and what depends on that: keys that
/// are too long for `get`.
#[test]
#[cfg_attr(not(real_memcached), ignore = "needs memcached on PATH")]
fn text_one_request_at_a_time() {
    let pair = Pair::start(&[]);
    for index in 0..stories(STORIES) {
        let mut draws = seed().fork("turns").index(index).stream();
        let mut turns = vec![b"flush_all\r\nmn\r\n".to_vec()];
        for _ in 0..draws.random_range(1..=REQUESTS_MAX) {
            let mut turn = Vec::new();
            Texts(&mut draws).request(&mut turn);
            if draws.random_range(0..20) == 0 {
                turn = format!("get a {} b\r\n", "k".repeat(251)).into_bytes();
            }
            // Whatever a broken request leaves unfinished ends in these.
            turn.extend_from_slice(&b"mn\r\n".repeat(20));
            turns.push(turn);
        }
        turns.push(b"quit\r\n".to_vec());
        let name = format!("seed {}, story {index}", seed());
        check(&pair, &name, &Story::turns(turns, b"MN\r\n").until_closed());
    }
    check_tap(&pair);
}

/// Catches a packet that is changed, lost or given to another request, quiet ones among them.
#[test]
#[cfg_attr(not(real_memcached), ignore = "needs memcached on PATH")]
fn binary_streams_in_any_pieces() {
    let pair = Pair::start(&[]);
    for index in 0..stories(STORIES) {
        let mut draws = seed().fork("binary").index(index).stream();
        let count = draws.random_range(1..=REQUESTS_MAX);
        let stream = Packets(&mut draws).stream(count);
        for cut in cuts(index) {
            let name = format!("seed {}, story {index}, {cut:?}", seed());
            check(&pair, &name, &Story::cut(&stream, cut));
        }
    }
    check_tap(&pair);
}

/// Catches the same where every packet has a read of its own.
#[test]
#[cfg_attr(not(real_memcached), ignore = "needs memcached on PATH")]
fn binary_one_packet_at_a_time() {
    let pair = Pair::start(&[]);
    let mut barrier = packet(0x0a, b"", b"", b"", 0xfeed_beef);
    for index in 0..stories(STORIES) {
        let mut draws = seed().fork("packets").index(index).stream();
        let mut turns = vec![packet(0x08, b"", b"", b"", 0)];
        let count = draws.random_range(1..=REQUESTS_MAX);
        turns.extend((0..count).map(|_| Packets(&mut draws).request()));
        for turn in &mut turns {
            turn.extend_from_slice(&barrier);
        }
        turns.push(packet(0x07, b"", b"", b"", 2));
        let name = format!("seed {}, story {index}", seed());
        barrier[0] = 0x81;
        check(&pair, &name, &Story::turns(turns, &barrier).until_closed());
        barrier[0] = 0x80;
    }
    check_tap(&pair);
}
