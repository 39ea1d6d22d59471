//! Whole stories of a link on in-memory pipes under a paused clock: every duration is exact.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::*;
use crate::base::family::{Settings, Value};
use crate::base::seed::Seed;
use crate::proxy::config::{Stream, ToxicConfig, ToxicUpdate};
use crate::proxy::fault::{TOXICS, is_message};

/// Room in each pipe; a sender that goes beyond it waits for its receiver.
const PIPE_BYTES: usize = 4096;

struct Story {
    client: DuplexStream,
    server: DuplexStream,
    live: Arc<Live>,
    table: ToxicTable,
    link: JoinSet<Ended>,
}

impl Story {
    fn new(toxics: &[ToxicConfig]) -> Self {
        Self::seeded(toxics, 1)
    }

    fn seeded(toxics: &[ToxicConfig], seed: u64) -> Self {
        let place = Place { seed: Seed::new(seed), connection: 0 };
        Self::at(place, ToxicTable::of(toxics.to_vec()).unwrap())
    }

    /// Several connections of one proxy.
    fn several<const N: usize>(toxics: &[ToxicConfig]) -> [Self; N] {
        let table = ToxicTable::of(toxics.to_vec()).unwrap();
        std::array::from_fn(|index| {
            let place = Place { seed: Seed::new(1).index(index as u64), connection: index as u64 };
            Self::at(place, table.clone())
        })
    }

    fn at(place: Place, table: ToxicTable) -> Self {
        let at = ([127, 0, 0, 1], 1).into();
        let live = Arc::new(Live::new(place, (at, at), Arc::default(), Arc::default()));
        let (client, client_side) = tokio::io::duplex(PIPE_BYTES);
        let (server, server_side) = tokio::io::duplex(PIPE_BYTES);
        let link =
            Link::new(client_side, server_side, Arc::clone(&live), place, &table, Clock::Runtime);
        let mut tasks = JoinSet::new();
        tasks.spawn(link.run());
        Self { client, server, live, table, link: tasks }
    }

    /// Changes the toxics; returns when the link has acknowledged.
    async fn change(&mut self, table: ToxicTable) {
        let (acknowledgement, mut acknowledged) = mpsc::channel(1);
        self.table = table.clone();
        self.live.post(|mail| {
            mail.table = Some(Arc::new(table));
            mail.acknowledgements.push(acknowledgement);
        });
        assert!(acknowledged.recv().await.is_none());
    }

    async fn add(&mut self, toxic: ToxicConfig) {
        let table = self.table.with(toxic, 1).unwrap().0;
        self.change(table).await;
    }

    async fn remove(&mut self, name: &str) {
        let table = self.table.without(name).unwrap();
        self.change(table).await;
    }

    async fn server_reads(&mut self, count: usize) -> Vec<u8> {
        let mut data = vec![0; count];
        self.server.read_exact(&mut data).await.unwrap();
        data
    }
}

fn toxic(name: &str, kind: &str, stream: Stream, settings: &[(&str, i64)]) -> ToxicConfig {
    let mut attributes = Settings::default();
    for (name, value) in settings {
        attributes.insert(*name, Value::Integer(*value));
    }
    ToxicConfig { name: Some(name.into()), kind: kind.into(), stream, toxicity: 1.0, attributes }
}

fn latency(name: &str, ms: i64) -> ToxicConfig {
    toxic(name, "latency", Stream::Upstream, &[("latency", ms)])
}

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// Catches a delay that is not the one that was asked for, and an end that is not delayed.
#[tokio::test(start_paused = true)]
async fn latency_takes_exactly_its_time() {
    let mut story = Story::new(&[latency("l", 500)]);
    let began = Instant::now();
    story.client.write_all(b"x").await.unwrap();
    story.server_reads(1).await;
    assert_eq!(began.elapsed(), ms(500));
    story.client.shutdown().await.unwrap();
    assert_eq!(story.server.read(&mut [0]).await.unwrap(), 0);
    assert_eq!(began.elapsed(), ms(1000));
}

/// Catches stacked delays that do not add up on a stream, as Toxiproxy's do not, and small writes
/// that pile up behind each other.
#[tokio::test(start_paused = true)]
async fn stacked_latencies_add_up_on_a_steady_stream() {
    let mut story = Story::new(&[latency("a", 200), latency("b", 200)]);
    let (mut read, mut write) = tokio::io::split(story.server);
    let began = Instant::now();
    let send = async {
        for _ in 0..500 {
            story.client.write_all(b"x").await.unwrap();
            tokio::time::sleep(ms(5)).await;
        }
    };
    let receive = async {
        for index in 0..500 {
            read.read_exact(&mut [0]).await.unwrap();
            assert_eq!(began.elapsed(), ms(400 + 5 * index));
        }
    };
    tokio::join!(send, receive);
    write.shutdown().await.unwrap();
}

/// Catches a removal that waits for what is held, or loses it.
#[tokio::test(start_paused = true)]
async fn removing_a_toxic_releases_what_it_held() {
    let mut story = Story::new(&[latency("l", 3_600_000)]);
    story.client.write_all(b"held").await.unwrap();
    tokio::time::sleep(ms(10)).await;
    let began = Instant::now();
    story.remove("l").await;
    assert_eq!(story.server_reads(4).await, b"held");
    assert_eq!(began.elapsed(), Duration::ZERO);
}

/// Catches a removal in the middle of a row that disturbs its neighbours.
#[tokio::test(start_paused = true)]
async fn neighbours_keep_what_they_hold() {
    let mut story = Story::new(&[latency("a", 100), latency("b", 100), latency("c", 100)]);
    let began = Instant::now();
    story.client.write_all(b"x").await.unwrap();
    tokio::time::sleep(ms(150)).await;
    story.remove("b").await;
    story.server_reads(1).await;
    assert_eq!(began.elapsed(), ms(250), "b held it at 150 ms; c takes 100 more");
}

/// Catches a change that has to wait for a receiver that does not read, and unbounded memory.
#[tokio::test(start_paused = true)]
async fn a_stalled_receiver_blocks_no_change_and_is_bounded() {
    let mut story = Story::new(&[]);
    let (mut read, mut write) = tokio::io::split(story.client);
    let sender = tokio::time::timeout(ms(1000), async {
        loop {
            write.write_all(&[b'x'; 1000]).await.unwrap();
        }
    });
    assert!(sender.await.is_err(), "more was taken than there is room for");
    let (acknowledgement, mut acknowledged) = mpsc::channel(1);
    let table = story.table.with(latency("l", 10), 1).unwrap().0;
    story.live.post(|mail| {
        mail.table = Some(Arc::new(table));
        mail.acknowledgements.push(acknowledgement);
    });
    assert!(acknowledged.recv().await.is_none());
    // The other direction is not concerned.
    story.server.write_all(b"y").await.unwrap();
    read.read_exact(&mut [0]).await.unwrap();
}

/// Catches a link that does not hear that it is to end while its receiver stalls.
#[tokio::test(start_paused = true)]
async fn it_ends_when_told_whatever_the_peers_do() {
    let mut story = Story::new(&[latency("l", 1000)]);
    story.client.write_all(&[b'x'; 3 * PIPE_BYTES / 2]).await.unwrap();
    story.live.post(|mail| mail.close = Some(CloseManner::Reset));
    let ended = story.link.join_next().await.unwrap().unwrap();
    assert_eq!(ended, Ended { by: Closer::Proxy, how: CloseManner::Reset });
}

/// Catches a server's end that is taken for the client's, and a reply that is cut off by it.
#[tokio::test(start_paused = true)]
async fn who_ended_it_is_known() {
    let mut story = Story::new(&[toxic("l", "latency", Stream::Both, &[("latency", 50)])]);
    story.server.write_all(b"bye").await.unwrap();
    drop(story.server);
    let mut data = Vec::new();
    story.client.read_to_end(&mut data).await.unwrap();
    assert_eq!(data, b"bye");
    let ended = story.link.join_next().await.unwrap().unwrap();
    assert_eq!(ended, Ended { by: Closer::Server, how: CloseManner::Fin });
}

/// Catches a close that is booked to the server because it answered the client's FIN with its own, and
/// one that is booked to the client because it answered the server's.
#[tokio::test(start_paused = true)]
async fn who_sent_the_first_fin_closed_it() {
    let whole = toxic("l", "latency", Stream::Both, &[("latency", 50)]);
    for (toxics, client_first, by) in [
        (vec![], true, Closer::Client),
        (vec![whole.clone()], true, Closer::Client),
        (vec![], false, Closer::Server),
        (vec![whole], false, Closer::Server),
    ] {
        let mut story = Story::new(&toxics);
        let (first, second) = match client_first {
            true => (&mut story.client, &mut story.server),
            false => (&mut story.server, &mut story.client),
        };
        first.shutdown().await.unwrap();
        assert_eq!(second.read(&mut [0]).await.unwrap(), 0);
        second.shutdown().await.unwrap();
        let ended = story.link.join_next().await.unwrap().unwrap();
        assert_eq!(ended, Ended { by, how: CloseManner::Fin }, "client first: {client_first}");
    }
}

/// Catches bytes that `limit_data` cuts off too early, and a close that does not come.
#[tokio::test(start_paused = true)]
async fn a_limit_is_reached_and_the_connection_closed() {
    let mut story = Story::new(&[toxic("d", "limit_data", Stream::Upstream, &[("bytes", 5)])]);
    story.client.write_all(b"1234567").await.unwrap();
    let mut data = Vec::new();
    story.server.read_to_end(&mut data).await.unwrap();
    assert_eq!(data, b"12345");
    let ended = story.link.join_next().await.unwrap().unwrap();
    assert_eq!(ended, Ended { by: Closer::Fault, how: CloseManner::Fin });
}

/// Catches a close that overtakes what the closing toxic let pass and a later one still holds.
#[tokio::test(start_paused = true)]
async fn a_close_comes_behind_what_is_held() {
    for later in [latency("l", 100), toxic("l", "bandwidth", Stream::Upstream, &[("rate", 1)])] {
        let limit = toxic("d", "limit_data", Stream::Upstream, &[("bytes", 5)]);
        let mut story = Story::new(&[limit, later]);
        story.client.write_all(b"1234567").await.unwrap();
        let mut data = Vec::new();
        story.server.read_to_end(&mut data).await.unwrap();
        assert_eq!(data, b"12345");
    }
}

/// Catches a reset that waits for a receiver that does not read.
#[tokio::test(start_paused = true)]
async fn a_reset_does_not_wait_for_room() {
    let mut story = Story::new(&[latency("l", 1)]);
    for _ in 0..4 {
        story.client.write_all(&[b'x'; PIPE_BYTES]).await.unwrap();
        tokio::time::sleep(ms(10)).await;
    }
    story.add(toxic("r", "refuse", Stream::Upstream, &[])).await;
    let ended = story.link.join_next().await.unwrap().unwrap();
    assert_eq!(ended, Ended { by: Closer::Fault, how: CloseManner::Reset });
}

/// Catches a stream that goes on with a hole because the toxic that made it was changed.
#[tokio::test(start_paused = true)]
async fn a_change_does_not_make_up_for_lost_bytes() {
    let blackhole = ToxicConfig { name: Some("t".into()), ..texts("blackhole", &DISCARD) };
    let reset = toxic("t", "reset_peer", Stream::Upstream, &[("timeout", 3_600_000)]);
    for (lossy, change, how) in [
        (blackhole, ("mode", Value::Text("hold".into())), CloseManner::Fin),
        (reset, ("timeout", Value::Integer(7_200_000)), CloseManner::Reset),
    ] {
        let mut story = Story::new(&[lossy]);
        story.client.write_all(b"lost").await.unwrap();
        tokio::time::sleep(ms(10)).await;
        let mut update = ToxicUpdate::default();
        update.attributes.insert(change.0, change.1);
        let table = story.table.updated("t", &update).unwrap().0;
        story.change(table).await;
        story.remove("t").await;
        let ended = story.link.join_next().await.unwrap().unwrap();
        assert_eq!(ended, Ended { by: Closer::Fault, how });
    }
}

const DISCARD: [(&str, &str); 1] = [("mode", "discard")];

fn texts(kind: &str, settings: &[(&str, &str)]) -> ToxicConfig {
    let mut config = toxic("t", kind, Stream::Upstream, &[]);
    for (name, text) in settings {
        let setting = TOXICS.find(kind).unwrap().setting(name).unwrap();
        config.attributes.insert(*name, setting.unit.parse(name, text).unwrap());
    }
    config
}

impl Story {
    /// What the server reads within a second, and how the connection ended if it did.
    async fn seen(&mut self) -> String {
        let mut data = Vec::new();
        let read = self.server.read_to_end(&mut data);
        let ended = tokio::time::timeout(ms(1000), read).await.is_ok();
        let mut seen = String::from_utf8(data).unwrap();
        if ended {
            let ended = self.link.join_next().await.unwrap().unwrap();
            seen += &format!("|{:?}", ended.how).to_lowercase();
        }
        seen
    }
}

/// A toxic on bytes, what it does to two of them, and to the third and what it held once healed.
type Row = (&'static str, &'static [(&'static str, &'static str)], &'static str, &'static str);

/// The table in docs/toxiproxy.md, on one connection.
const ROWS: &[Row] = &[
    ("latency", &[("latency", "1h")], "", "abc"),
    ("latency_distribution", &[("distribution", "uniform"), ("latency", "1h")], "", "abc"),
    ("bandwidth", &[], "", "abc"),
    ("bandwidth", &[("rate", "1KB/s"), ("shared", "true")], "ab", "c"),
    ("slow_close", &[("delay", "1h")], "ab", "c"),
    ("timeout", &[], "", "|fin"),
    ("timeout", &[("timeout", "10ms")], "|fin", ""),
    ("reset_peer", &[], "|reset", ""),
    ("reset_peer", &[("timeout", "1h")], "", "|reset"),
    ("slicer", &[("average_size", "1B"), ("delay", "3600000000us")], "a", "bc"),
    ("limit_data", &[("bytes", "1B")], "a|fin", ""),
    ("limit_data", &[("bytes", "2000B")], "ab", "c"),
    ("noop", &[], "ab", "c"),
    ("packet_loss", &[("loss_rate", "100%")], "", "abc"),
    ("blackhole", &[], "", "abc"),
    ("blackhole", &DISCARD, "", "|fin"),
    ("blackhole", &[("mode", "discard"), ("on_clear", "reset")], "", "|reset"),
    ("blackhole", &[("on_clear", "close")], "", "|fin"),
    ("refuse", &[], "|reset", ""),
    ("mute", &[], "", "abc"),
    ("slow_connect", &[("delay", "1h")], "ab", "c"),
    ("limit_time", &[("time", "1h")], "ab", "c"),
    ("limit_time", &[("time", "10ms")], "ab|fin", ""),
    ("corrupt", &[("probability", "0%")], "ab", "c"),
    ("turn_away", &[], "ab", "c"),
    ("idle_timeout", &[("after", "1h")], "ab", "c"),
    ("idle_timeout", &[("after", "10ms")], "ab|fin", ""),
    ("idle_timeout", &[("after", "10ms"), ("how", "reset")], "ab|reset", ""),
    ("idle_timeout", &[("after", "10ms"), ("how", "forget")], "ab", "|reset"),
    ("slow_reader", &[], "", "abc"),
    ("slow_reader", &[("rate", "1KB/s")], "ab", "c"),
    ("say", &[("text", "x"), ("connections", "all")], "xab", "c"),
];

/// Catches a toxic that spares open connections or new ones, or that leaves something else behind
/// when it is removed than the documentation says.
#[tokio::test(start_paused = true)]
async fn toxics_act_on_live_connections_and_heal_as_documented() {
    for (kind, settings, during, healed) in ROWS {
        for live in [true, false] {
            let config = texts(kind, settings);
            let mut story = Story::new(if live { &[] } else { std::slice::from_ref(&config) });
            if live {
                story.add(config).await;
            }
            // One that is reset at once may not take it.
            let _ = story.client.write_all(b"ab").await;
            let what = format!("{kind} {settings:?}, live: {live}");
            assert_eq!(story.seen().await, *during, "{what}");
            if !during.contains('|') {
                story.remove("t").await;
                // A connection that is closed by the healing takes no more.
                let _ = story.client.write_all(b"c").await;
                assert_eq!(story.seen().await, *healed, "{what}, healed");
            }
        }
    }
}

/// Catches a toxic that the documentation says nothing of.
#[test]
fn every_toxic_has_its_row_in_the_documentation() {
    let page = include_str!("../../../../docs/toxiproxy.md");
    let tested = |kind: &str| ROWS.iter().any(|(name, ..)| *name == kind);
    for kind in TOXICS.kinds.iter().filter(|kind| !is_message(kind.name)) {
        assert!(page.contains(&format!("\n| `{}` |", kind.name)), "{}", kind.name);
        assert!(tested(kind.name), "{}", kind.name);
    }
}

/// Catches a connection that is taken for idle although the other direction is busy, one that is not ended
/// because only one direction was meant, and a forgotten one on which something still passes.
#[tokio::test(start_paused = true)]
async fn idleness_is_that_of_the_whole_connection() {
    let idle = |how| ToxicConfig {
        stream: Stream::Downstream,
        ..texts("idle_timeout", &[("after", "100ms"), ("how", how), ("later", "nothing")])
    };
    let mut story = Story::new(&[idle("fin")]);
    let began = Instant::now();
    for _ in 0..5 {
        story.client.write_all(b"x").await.unwrap();
        story.server_reads(1).await;
        tokio::time::sleep(ms(60)).await;
    }
    let ended = story.link.join_next().await.unwrap().unwrap();
    assert_eq!(ended, Ended { by: Closer::Fault, how: CloseManner::Fin });
    assert_eq!(began.elapsed(), ms(340));
    let mut story = Story::new(&[idle("forget")]);
    tokio::time::sleep(ms(200)).await;
    story.client.write_all(b"lost").await.unwrap();
    story.server.write_all(b"lost").await.unwrap();
    assert_eq!(story.seen().await, "");
    let read = tokio::time::timeout(ms(1000), story.client.read(&mut [0])).await;
    assert!(read.is_err(), "nothing comes, and nobody is told");
}

/// Catches a sender that is read although nothing may be, and one that is not read again.
#[tokio::test(start_paused = true)]
async fn a_slow_reader_blocks_the_sender_from_the_first_byte() {
    let mut story = Story::new(&[latency("l", 10)]);
    story.add(texts("slow_reader", &[])).await;
    let taken = tokio::time::timeout(ms(1000), async {
        loop {
            story.client.write_all(b"x").await.unwrap();
        }
    });
    assert!(taken.await.is_err());
    assert_eq!(story.live.view().bytes_from_client, 0);
    story.remove("t").await;
    story.server_reads(PIPE_BYTES).await;
}

/// Catches bytes that are lost, that overtake what is on its way, or that pile up for a client that reads
/// nothing.
#[tokio::test(start_paused = true)]
async fn what_is_said_comes_in_its_turn_and_is_bounded() {
    const SAID: usize = 1 << 20;
    let mut story = Story::new(&[]);
    story.server.write_all(b"before").await.unwrap();
    tokio::time::sleep(ms(1)).await;
    assert!(story.live.say(&Bytes::from_static(b"said")));
    tokio::time::sleep(ms(1)).await;
    let mut read = [0; 10];
    story.client.read_exact(&mut read).await.unwrap();
    assert_eq!(&read, b"beforesaid");
    let large = Bytes::from(vec![b'x'; SAID]);
    let mut taken = 0;
    for _ in 0..10 {
        taken += usize::from(story.live.say(&large));
        tokio::time::sleep(ms(1)).await;
    }
    assert_eq!(taken, 3, "one is under way, one is next, one waits");
    story.client.read_exact(&mut vec![0; 3 * SAID]).await.unwrap();
    assert!(story.live.say(&large));
}

/// Catches a healing that lets an end that was held back wait on.
#[tokio::test(start_paused = true)]
async fn removing_slow_close_ends_the_stream_at_once() {
    let mut story = Story::new(&[]);
    story.add(texts("slow_close", &[("delay", "1h")])).await;
    story.client.shutdown().await.unwrap();
    assert!(tokio::time::timeout(ms(1000), story.server.read(&mut [0])).await.is_err());
    story.remove("t").await;
    assert_eq!(story.server.read(&mut [0]).await.unwrap(), 0);
}

/// Catches a toxic that starts with the connection, is added live and is not the same then.
#[tokio::test(start_paused = true)]
async fn a_toxic_added_live_acts_on_what_comes_next() {
    let mut story = Story::new(&[]);
    story.client.write_all(b"a").await.unwrap();
    story.server_reads(1).await;
    let began = Instant::now();
    story.add(latency("l", 70)).await;
    story.client.write_all(b"b").await.unwrap();
    story.server_reads(1).await;
    assert_eq!(began.elapsed(), ms(70));
}

fn shared_rate(kb: i64) -> ToxicConfig {
    let mut config = toxic("b", "bandwidth", Stream::Both, &[("rate", kb)]);
    config.attributes.insert("shared", Value::Flag(true));
    config
}

/// Sends as much as is taken, upstream; returns a count of what has arrived.
fn flood(story: Story, tasks: &mut JoinSet<()>) -> Arc<AtomicUsize> {
    let Story { mut client, mut server, link, .. } = story;
    let arrived = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&arrived);
    tasks.spawn(async move { while client.write_all(&[b'x'; 1000]).await.is_ok() {} });
    tasks.spawn(async move {
        let _link = link;
        let mut buffer = [0; 4096];
        while let Ok(read @ 1..) = server.read(&mut buffer).await {
            count.fetch_add(read, Ordering::Relaxed);
        }
    });
    arrived
}

/// Catches connections that get more than the rate together, one that gets more than its share, one
/// that starves behind them, and replies that wait for requests.
#[tokio::test(start_paused = true)]
async fn a_shared_rate_is_shared_evenly() {
    let [a, b, c, mut small] = Story::several(&[shared_rate(12)]);
    let mut tasks = JoinSet::new();
    let floods = [a, b, c].map(|story| flood(story, &mut tasks));
    tokio::time::sleep(ms(1000)).await;
    let began = Instant::now();
    small.client.write_all(b"request").await.unwrap();
    small.server_reads(7).await;
    assert!(began.elapsed() < ms(30), "four pieces of 64 bytes, not {:?}", began.elapsed());
    let replied = Instant::now();
    small.server.write_all(b"reply").await.unwrap();
    small.client.read_exact(&mut [0; 5]).await.unwrap();
    assert!(replied.elapsed() <= ms(1), "the other direction is idle");
    tokio::time::sleep_until(began + ms(2000)).await;
    let arrived = floods.map(|arrived| arrived.load(Ordering::Relaxed));
    assert!(arrived.iter().all(|bytes| bytes.abs_diff(12_000) <= 128), "{arrived:?}");
    let total: usize = arrived.iter().sum();
    assert!(total.abs_diff(36_000 - 7) <= 3 * 64, "{total}");
}

/// Catches a receiver that does not read and takes a share all the same.
#[tokio::test(start_paused = true)]
async fn a_blocked_connection_takes_nothing_from_a_shared_rate() {
    let [mut blocked, free] = Story::several(&[shared_rate(100)]);
    let filling = tokio::time::timeout(ms(2000), async {
        loop {
            blocked.client.write_all(&[b'x'; 1000]).await.unwrap();
        }
    });
    assert!(filling.await.is_err());
    let mut tasks = JoinSet::new();
    let arrived = flood(free, &mut tasks);
    tokio::time::sleep(ms(1000)).await;
    let arrived = arrived.load(Ordering::Relaxed);
    assert!(arrived.abs_diff(100_000) <= 1000, "{arrived}");
}

/// Catches a change or a removal that leaves open connections at the old rate, or each with a rate of
/// its own.
#[tokio::test(start_paused = true)]
async fn a_shared_rate_changes_and_ends_at_once() {
    let [mut one, mut other] = Story::several(&[shared_rate(0)]);
    one.client.write_all(b"held").await.unwrap();
    tokio::time::sleep(ms(1000)).await;
    let mut update = ToxicUpdate::default();
    update.attributes.insert("rate", Value::Integer(1));
    let table = one.table.updated("b", &update).unwrap().0;
    let began = Instant::now();
    one.change(table.clone()).await;
    other.change(table).await;
    assert_eq!(one.server_reads(4).await, b"held");
    assert_eq!(began.elapsed(), Duration::ZERO);
    for story in [&mut one, &mut other] {
        story.client.write_all(&[b'x'; 50]).await.unwrap();
    }
    one.server_reads(50).await;
    other.server_reads(50).await;
    assert_eq!(began.elapsed(), ms(100), "one after the other");
    for story in [&mut one, &mut other] {
        story.client.write_all(&[b'x'; 1000]).await.unwrap();
    }
    tokio::time::sleep(ms(10)).await;
    let healed = Instant::now();
    for story in [&mut one, &mut other] {
        story.remove("b").await;
        story.server_reads(1000).await;
    }
    assert_eq!(healed.elapsed(), Duration::ZERO);
}

/// Toxics that delay and cut, but lose nothing.
fn harmless() -> impl Strategy<Value = ToxicConfig> {
    let kinds = prop_oneof![
        (0..50_i64, 0..50_i64).prop_map(|(a, b)| ("latency", vec![("latency", a), ("jitter", b)])),
        (1..2000_i64, 0..3000_i64)
            .prop_map(|(rate, burst)| ("bandwidth", vec![("rate", rate), ("burst", burst)])),
        (0..500_i64, 0..100_i64, 0..500_i64).prop_map(|(size, variation, delay)| {
            let all = [("average_size", size), ("size_variation", variation), ("delay", delay)];
            ("slicer", all.to_vec())
        }),
        (0..100_i64).prop_map(|delay| ("slow_close", vec![("delay", delay)])),
        Just(("noop", Vec::new())),
        Just(("packet_loss", vec![("rto", 20)])),
    ];
    (kinds, 0.0..1.0_f64, prop::bool::ANY).prop_map(|((kind, settings), loss, both)| {
        let stream = if both { Stream::Both } else { Stream::Upstream };
        let mut config = toxic("", kind, stream, &settings);
        if kind == "packet_loss" {
            config.attributes.insert("loss_rate", Value::Float(loss * 0.5));
        }
        config
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Catches a byte that is lost, changed or overtaken, under any cutting of the stream, with any
    /// row of toxics that lose nothing, and with changes on the way.
    #[test]
    fn every_byte_in_order(
        toxics in prop::collection::vec(harmless(), 0..4),
        added in harmless(),
        sizes in prop::collection::vec(1..3000_usize, 1..12),
        seed in any::<u64>(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        let toxics: Vec<ToxicConfig> = toxics
            .into_iter()
            .enumerate()
            .map(|(index, toxic)| ToxicConfig { name: Some(format!("t{index}")), ..toxic })
            .collect();
        let added = ToxicConfig { name: Some("added".into()), ..added };
        runtime.block_on(transfer(&toxics, added, &sizes, seed));
    }
}

async fn transfer(toxics: &[ToxicConfig], added: ToxicConfig, sizes: &[usize], seed: u64) {
    let story = Story::seeded(toxics, seed);
    let Story { mut client, mut server, live, table, .. } = story;
    let mut next = 0_u8;
    let mut sent = Vec::new();
    for size in sizes {
        sent.push(
            (0..*size)
                .map(|_| {
                    next = next.wrapping_add(1);
                    next
                })
                .collect::<Vec<u8>>(),
        );
    }
    let expected = sent.concat();
    let send = async move {
        for (index, data) in sent.iter().enumerate() {
            client.write_all(data).await.unwrap();
            let change = match index % 4 {
                1 => Some(table.with(added.clone(), 1).unwrap().0),
                3 => Some(table.clone()),
                _ => None,
            };
            if let Some(table) = change {
                live.post(|mail| mail.table = Some(Arc::new(table)));
            }
            tokio::task::yield_now().await;
        }
        client.shutdown().await.unwrap();
        client
    };
    let mut received = Vec::new();
    let (_client, read) = tokio::join!(send, server.read_to_end(&mut received));
    read.unwrap();
    assert!(received == expected, "{} bytes sent, {} received", expected.len(), received.len());
}

/// Catches answers of ours that pile up for a client that does not read them, and a client that is not
/// read again once it does.
#[tokio::test(start_paused = true)]
async fn a_client_that_reads_no_answers_is_not_read() {
    const REQUESTS: usize = 50_000;
    let message = format!("SERVER_ERROR {}", "x".repeat(1000));
    let mut rule = toxic("rule", "memcached_error", Stream::Downstream, &[]);
    rule.attributes.insert("message", Value::Text(message.clone()));
    let Story { client, live, link: _link, server: _server, .. } = Story::new(&[rule]);
    let (mut read, mut write) = tokio::io::split(client);
    let ask = async {
        write.write_all("get b\r\n".repeat(REQUESTS).as_bytes()).await.unwrap();
    };
    let look = async {
        // The clock stands until nothing moves any more.
        tokio::time::sleep(ms(1)).await;
        let taken = live.view().bytes_from_client;
        assert!(taken < 100_000, "{taken} bytes of requests have answers that nobody reads");
        let mut answers = vec![0; REQUESTS * (message.len() + 2)];
        read.read_exact(&mut answers).await.unwrap();
        assert!(answers.ends_with(b"x\r\n"));
    };
    tokio::join!(ask, look);
}
