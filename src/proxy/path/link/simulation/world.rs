//! Some connections of one proxy, its control side, and a clock that moves only when nothing is left
//! to do. Every poll of a link is held against the laws.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use parking_lot::Mutex;
use rand::RngExt;
use tokio::sync::mpsc;
use tokio::time::{Instant, advance};

use super::draw;
use super::peers::{Mood, Pair, VALUE_BYTES_MAX};
use super::socket::{Far, Socket, pair};
use crate::base::seed::{Seed, Stream as Draws};
use crate::proxy::close::CloseManner;
use crate::proxy::config::{Direction, ToxicConfig};
use crate::proxy::fault::identity::Place;
use crate::proxy::fault::is_message;
use crate::proxy::fault::table::ToxicTable;
use crate::proxy::path::connection::Live;
use crate::proxy::path::held::AllHeld;
use crate::proxy::path::link::turn::CALLS_MAX;
use crate::proxy::path::link::{Clock, Ended, Link, TURNS_MAX};

/// How often dribbling peers act.
const TICK: Duration = Duration::from_millis(10);

/// Polls in which nothing happens, at one instant: one may follow a wake-up that came too late.
const VAIN_POLLS_MAX: u32 = 2;

/// The bounds of this world: small ones are reached sooner.
const HELD_BYTES_MAX: usize = 128 << 10;
const ALL_HELD_BYTES_MAX: usize = 400 << 10;

/// What one direction holds: its bound, what one read adds to it, and the cost of their pieces, which
/// no toxic makes smaller than 64 bytes.
const HOLDS_MAX: usize = 2 * (HELD_BYTES_MAX + (64 << 10));

/// Reads and writes in one poll, over both directions and all its turns.
const CALLS_OF_A_POLL_MAX: u32 = 2 * CALLS_MAX * TURNS_MAX;

/// Polls at one instant, whatever happens in them: what a peer may have asked for, byte by byte.
const POLLS_MAX: usize = 200 * VALUE_BYTES_MAX;

/// A waker that remembers.
#[derive(Debug, Default)]
struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// What was done in a world, for the message of a law that is broken.
#[derive(Clone, Debug, Default)]
pub(super) struct Story(Arc<Mutex<Vec<String>>>);

impl Story {
    pub(super) fn text(&self) -> String {
        self.0.lock().join("\n")
    }
}

/// One connection.
struct Line {
    link: Option<Link<Socket, Socket>>,
    ended: Option<Ended>,
    live: Arc<Live>,
    flag: Arc<Flag>,
    pair: Pair,
}

impl Line {
    fn new(seed: Seed, connection: u64, held: &Arc<AllHeld>, draws: &mut Draws) -> Self {
        let place = Place { seed: seed.index(connection), connection };
        let at = ([127, 0, 0, 1], 1).into();
        let live = Arc::new(Live::new(place, (at, at), Arc::default(), Arc::clone(held)));
        let sizes = [4_000, 30_000, 300_000];
        let pieces = [200, 5_000, 70_000, 70_000];
        let mut socket = |label: &str| {
            let (capacity, piece) = (draw::one_of(draws, &sizes), draw::one_of(draws, &pieces));
            pair(capacity, piece, place.seed.fork(label).stream())
        };
        let ((client_socket, client), (server_socket, server)) =
            (socket("client"), socket("server"));
        let link = Link::new(
            client_socket,
            server_socket,
            Arc::clone(&live),
            place,
            &ToxicTable::default(),
            Clock::Runtime,
        );
        let flag = Arc::new(Flag(AtomicBool::new(true)));
        Self { link: Some(link), ended: None, live, flag, pair: Pair::new(client, server) }
    }

    /// Something that changes whenever the link gets anywhere.
    fn progress(&self) -> (u64, u64, usize) {
        let moved = self.pair.client.far.moved() + self.pair.server.far.moved();
        let held = self.link.as_ref().map_or(0, |link| {
            [Direction::Up, Direction::Down].map(|way| link.holds(way)).iter().sum()
        });
        (moved, u64::from(self.ended.is_some()), held)
    }

    /// Whether much moved from toxic to toxic in the last poll: no peer notices that.
    fn is_moving(&self) -> bool {
        self.link.as_ref().is_some_and(Link::is_worn_out)
    }

    /// Polls the link if it was woken. Returns whether it was.
    fn poll(&mut self) -> bool {
        if !self.flag.0.swap(false, Ordering::Relaxed) {
            return false;
        }
        let waker = Waker::from(Arc::clone(&self.flag));
        let Some(link) = &mut self.link else { return false };
        let sides = [&self.pair.client.far, &self.pair.server.far];
        let calls = || sides.map(Far::calls).iter().sum::<u32>();
        let before = calls();
        if let Poll::Ready(ended) = link.poll(&mut Context::from_waker(&waker)) {
            (self.link, self.ended) = (None, Some(ended));
            return true;
        }
        let calls = calls() - before;
        assert!(calls <= CALLS_OF_A_POLL_MAX, "{calls} reads and writes before others have a turn");
        for way in [Direction::Up, Direction::Down] {
            let held = link.holds(way);
            assert!(held <= HOLDS_MAX, "{way:?} holds {held} bytes");
        }
        true
    }

    /// When the link wants to go on although nothing happens on its sockets.
    fn next_due(&mut self) -> Option<Instant> {
        self.link.as_mut()?.next_due()
    }
}

/// Some connections of one proxy.
pub(super) struct World {
    lines: Vec<Line>,
    table: ToxicTable,
    added: u64,
    draws: Draws,
    next_tick: Instant,
    began: Instant,
    story: Story,
}

impl World {
    pub(super) fn new(seed: Seed, connections: u64, story: Story) -> Self {
        let mut draws = seed.fork("world").stream();
        let table = ToxicTable::default();
        let held = Arc::new(AllHeld::within(HELD_BYTES_MAX, ALL_HELD_BYTES_MAX));
        let lines =
            (0..connections).map(|index| Line::new(seed, index, &held, &mut draws)).collect();
        let began = Instant::now();
        Self { lines, table, added: 0, draws, next_tick: began + TICK, began, story }
    }

    pub(super) fn pairs(&mut self) -> impl Iterator<Item = &mut Pair> {
        self.lines.iter_mut().map(|line| &mut line.pair)
    }

    fn say(&self, what: &str) {
        self.story.0.lock().push(format!("{:?} {what}", self.began.elapsed()));
    }

    // === the control side ===

    /// Adds a toxic; one whose settings are refused is not there.
    pub(super) fn add(&mut self, config: ToxicConfig) {
        self.say(&format!("add {config:?}"));
        let kind = config.kind.clone();
        let Ok((table, _)) = self.table.with(config, self.lines.len() as u64) else { return };
        // These change or insert messages, or bytes.
        if is_message(&kind) || ["corrupt", "say"].contains(&&*kind) {
            self.pairs().for_each(|pair| {
                pair.requests.waive();
                pair.replies.waive();
            });
        }
        self.change(table);
    }

    pub(super) fn remove(&mut self, name: &str) {
        self.say(&format!("remove {name}"));
        if let Ok(table) = self.table.without(name) {
            self.change(table);
        }
    }

    pub(super) fn remove_all(&mut self) {
        self.say("remove all");
        self.change(self.table.emptied());
    }

    /// Replaces the table. Every link takes it up at its next poll, whatever its peers do.
    fn change(&mut self, table: ToxicTable) {
        self.table = table.clone();
        let table = Arc::new(table);
        for line in self.lines.iter_mut().filter(|line| line.link.is_some()) {
            let (acknowledgement, mut acknowledged) = mpsc::channel(1);
            line.live.post(|mail| {
                mail.table = Some(Arc::clone(&table));
                mail.acknowledgements.push(acknowledgement);
            });
            assert!(line.poll(), "a change wakes the connection");
            let told = acknowledged.try_recv();
            assert_eq!(told, Err(mpsc::error::TryRecvError::Disconnected), "not acknowledged");
            line.flag.0.store(true, Ordering::Relaxed);
        }
    }

    /// Tells every connection to end: each does so at its next poll.
    pub(super) fn close(&mut self) {
        self.say("close");
        for line in self.lines.iter_mut().filter(|line| line.link.is_some()) {
            line.live.post(|mail| mail.close = Some(CloseManner::Fin));
            assert!(line.poll() && line.ended.is_some(), "told to end, and did not");
        }
    }

    /// Does something at random to the proxy or to a peer.
    pub(super) fn disturb(&mut self) {
        match self.draws.random_range(0..100_u32) {
            0..20 => {
                self.added += 1;
                let name = format!("t{}", self.added);
                let config = draw::toxic(&mut self.draws, name);
                self.add(config);
            }
            20..30 => {
                if let Some((name, kind)) = self.some_toxic() {
                    let update = draw::update(&mut self.draws, &kind);
                    self.say(&format!("update {name} {update:?}"));
                    if let Ok((table, _)) = self.table.updated(&name, &update) {
                        self.change(table);
                    }
                }
            }
            30..45 => {
                if let Some((name, _)) = self.some_toxic() {
                    self.remove(&name);
                }
            }
            45..48 => self.remove_all(),
            _ => self.disturb_a_peer(),
        }
    }

    fn some_toxic(&mut self) -> Option<(String, String)> {
        let views = self.table.views();
        if views.is_empty() {
            return None;
        }
        let view = &views[self.draws.random_range(0..views.len())];
        Some((view.name.clone(), view.kind.clone()))
    }

    fn disturb_a_peer(&mut self) {
        let index = self.draws.random_range(0..self.lines.len());
        let what = self.draws.random_range(0..200_u32);
        self.say(&format!("peer {index}: {what}"));
        let Self { lines, draws, .. } = self;
        let pair = &mut lines[index].pair;
        match what {
            0 => pair.client.far.end(),
            1 => pair.client.far.reset(),
            2 => pair.server.far.end(),
            3 => pair.server.far.reset(),
            4..40 => pair.client.mood = Mood::draw(draws),
            40..70 => pair.server.mood = Mood::draw(draws),
            70..90 => pair.ask_for_values(20, VALUE_BYTES_MAX),
            _ => pair.ask(draws),
        }
    }

    // === the clock ===

    /// Lets so much time pass.
    pub(super) async fn pass(&mut self, time: Duration) {
        let until = Instant::now() + time;
        self.settle(false);
        while Instant::now() < until {
            self.jump(until).await;
            let now = Instant::now();
            let is_tick = now >= self.next_tick;
            if is_tick {
                self.next_tick = now + TICK;
            }
            self.settle(is_tick);
        }
    }

    /// To the next instant at which something is due.
    async fn jump(&mut self, until: Instant) {
        let now = Instant::now();
        let dues = self.lines.iter_mut().filter_map(Line::next_due).min();
        let dribbles = self.pairs().any(|pair| pair.dribbles());
        let tick = dribbles.then_some(self.next_tick);
        let next = [dues, tick].into_iter().flatten().fold(until, Instant::min);
        // The runtime's timers wake on whole milliseconds.
        let wait = next.saturating_duration_since(now).max(Duration::from_millis(1));
        advance(wait).await;
    }

    /// Everything that can be done at this instant.
    fn settle(&mut self, is_tick: bool) {
        for line in &mut self.lines {
            let (mut vain, mut polls) = (0, 0);
            let mut acted = line.pair.act(is_tick);
            loop {
                let before = line.progress();
                let woken = line.poll();
                acted |= line.pair.act(false);
                if !woken && !acted {
                    break;
                }
                polls += 1;
                let goes_on = acted || line.is_moving() || before != line.progress();
                vain = if goes_on { 0 } else { vain + 1 };
                assert!(vain <= VAIN_POLLS_MAX, "it wakes itself and does nothing");
                assert!(polls < POLLS_MAX, "there is no end to what it does at one instant");
                acted = false;
            }
        }
    }

    // === the laws of healing ===

    /// Heals everything, lets everybody read, and holds every connection against what must be so then.
    pub(super) async fn heal(&mut self) {
        self.remove_all();
        self.pairs()
            .for_each(|pair| (pair.client.mood, pair.server.mood) = (Mood::Prompt, Mood::Prompt));
        self.pass(Duration::from_secs(30)).await;
        let marks: Vec<_> = self.pairs().map(Pair::ask_mark).collect();
        self.pass(Duration::from_secs(30)).await;
        for (index, (line, mark)) in self.lines.iter_mut().zip(marks).enumerate() {
            if line.link.is_none() {
                continue;
            }
            let pair = &line.pair;
            if !(pair.client.far.is_open() && pair.server.far.is_open()) {
                continue;
            }
            assert!(
                pair.requests.is_settled() && pair.replies.is_settled(),
                "{index}: bytes stay away"
            );
            assert!(pair.client_saw_last(&mark), "{index}: not in step after healing");
        }
    }
}
