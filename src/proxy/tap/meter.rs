//! The meter of one connection: looks at every byte that passes, once, and changes none.
//!
//! It counts for its connection alone. What needs more than one connection (latencies, what kind of
//! client this is, the server's version) it hands in batches to what the connections of a proxy have
//! [in common](Shared).

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::Instant;

use crate::protocol::exchange::{Answered, Due, Kind, Verb, Word};
use crate::protocol::observe::RequestEvent;
use crate::protocol::{Conversation, Known};
use crate::proxy::config::Direction;
use crate::proxy::tap::asked::Same;
use crate::proxy::tap::flight::Flight;
use crate::proxy::tap::keys::Keys;
use crate::proxy::tap::reuse::Reuse;
use crate::proxy::tap::shared::{Figures, Shared};
use crate::proxy::tap::timeline::{Passed, Timeline};
use crate::proxy::tap::view::TapSnapshot;

/// Latencies that a connection keeps before it hands them over.
const BATCH: usize = 64;
/// Replies of one connection that wait to be written and are still counted.
const UNDELIVERED_MAX: usize = 65_536;
/// A queue of those that grew beyond this gives its memory back when it is empty.
const UNDELIVERED_KEPT: usize = 64;

/// How often each word was said, by its place.
#[derive(Debug, Default)]
struct Counts(Vec<(&'static Word, u64)>);

impl Counts {
    fn add(&mut self, word: &'static Word) {
        if self.0.len() <= word.place {
            self.0.reserve_exact(word.place + 1 - self.0.len());
            self.0.resize(word.place + 1, (word, 0));
        }
        let (said, count) = &mut self.0[word.place];
        *said = word;
        *count += 1;
    }

    fn sum(&self) -> u64 {
        self.0.iter().map(|(_, count)| count).sum()
    }

    fn add_to(&self, by_name: &mut BTreeMap<&'static str, u64>) {
        for (word, count) in self.0.iter().filter(|(_, count)| *count > 0) {
            *by_name.entry(word.name).or_default() += count;
        }
    }
}

/// Where bytes were seen: the place of their count.
#[derive(Clone, Copy)]
enum Seen {
    FromClient,
    ToServer,
    FromServer,
    ToClient,
}

/// A reply that was read and is still to be written.
#[derive(Clone, Copy, Debug)]
struct Answer {
    /// When its request arrived.
    asked: Instant,
    status: &'static Word,
    /// What the request was, when it named one key and somebody wants to know.
    request: Option<(Same, u64)>,
}

/// Counts what passes one connection.
#[derive(Debug)]
pub(in crate::proxy) struct Meter {
    opened: Instant,
    timeline: Option<Arc<Timeline>>,
    /// Whether the connect is in the timeline: not before it is known whose it is.
    is_told: bool,
    conversation: Conversation,
    bytes: [u64; 4],
    requests: Counts,
    pings: u64,
    /// Whether the next request says who asks.
    logs_in: bool,
    quiet_reads: u64,
    /// Those that the client got.
    replies: Counts,
    opaque: Option<&'static str>,
    reuse: Reuse,
    undelivered: VecDeque<Answer>,
    /// When a reply was written, and how long it took.
    latencies: Vec<(Instant, Duration)>,
    /// How long replies were due when a request overlapped and nobody knew how long the client waits.
    untold: Vec<Duration>,
    /// When the client ended its side.
    left: Option<Instant>,
    /// Whether it is one of the run's own; `None` as long as that is not known.
    own: Option<bool>,
    own_prefix: Option<Arc<[u8]>>,
    keys: Option<Keys>,
    flight: Flight,
    /// What the other connections have been told of the server.
    known: Known,
}

impl Shared {
    /// A meter for a new connection.
    pub(in crate::proxy) fn meter(&self, opened: Instant) -> Meter {
        let known = *self.known.lock();
        let (watched, carried) = (self.watched.lock().clone(), self.carried.lock().clone());
        let node = watched.as_ref().map(|watched| watched.node);
        let node = node.or_else(|| Some(carried.as_ref()?.1));
        let asked = watched.as_ref().map(|watched| Arc::clone(&watched.asked));
        let logs_in = self.asks_who.load(Ordering::Relaxed);
        let mut conversation = Conversation::new(known, self.protocol);
        if logs_in {
            conversation.expect_login();
        }
        let mut meter = Meter {
            opened,
            timeline: watched.map(|watched| watched.timeline),
            is_told: false,
            conversation,
            bytes: [0; 4],
            requests: Counts::default(),
            pings: 0,
            logs_in,
            quiet_reads: 0,
            replies: Counts::default(),
            opaque: None,
            reuse: Reuse::default(),
            undelivered: VecDeque::new(),
            latencies: Vec::new(),
            untold: Vec::new(),
            left: None,
            own: None,
            own_prefix: self.own_prefix.lock().clone(),
            keys: node.and_then(|node| Keys::new(carried.map(|(carried, _)| carried), asked, node)),
            flight: Flight::default(),
            known,
        };
        meter.tell_connect(meter.own_prefix.is_none());
        meter
    }
}

impl Meter {
    /// Bytes were read. Returns how many messages they begin (requests) or complete (replies): they
    /// are said again when the bytes are written. A stretch of a connection that is not understood counts
    /// as one.
    pub(in crate::proxy) fn arrived(
        &mut self,
        direction: Direction,
        now: Instant,
        data: &[u8],
        shared: &Shared,
    ) -> u32 {
        let messages = match direction {
            Direction::Up => self.requested(now, data, shared),
            Direction::Down => {
                self.bytes[Seen::FromServer as usize] += data.len() as u64;
                self.replied(now, data, shared)
            }
        };
        if self.opaque.is_some() { 1 } else { messages }
    }

    /// A reply of our own leaves in the place of one that the server was never asked for. Returns
    /// how many messages it completes.
    pub(in crate::proxy) fn answered(&mut self, now: Instant, data: &[u8], shared: &Shared) -> u32 {
        self.replied(now, data, shared)
    }

    /// What the connection looks like from here on, for somebody who changes what passes.
    pub(in crate::proxy) fn conversation(&self) -> Conversation {
        self.conversation.clone()
    }

    fn requested(&mut self, now: Instant, data: &[u8], shared: &Shared) -> u32 {
        self.bytes[Seen::FromClient as usize] += data.len() as u64;
        let patience = shared.side(self.own).patience();
        let mut due = self.due_since().map(|asked| now.saturating_duration_since(asked));
        let Self {
            conversation,
            requests,
            pings,
            logs_in,
            quiet_reads,
            opaque,
            reuse,
            untold,
            own,
            own_prefix,
            flight,
            keys,
            ..
        } = self;
        let mut seen = 0;
        conversation.on_request(data, now, &mut |event| match event {
            RequestEvent::Request(request) => {
                let (verb, reply) = (request.verb, request.due);
                requests.add(&verb.word);
                let is_login = std::mem::take(logs_in);
                let is_beside = is_login || verb.kind == Kind::Ping;
                *pings += u64::from(is_beside);
                *quiet_reads += u64::from(verb.kind == Kind::Read && reply == Due::Maybe);
                seen += 1;
                if let Some(prefix) = own_prefix.as_ref().filter(|_| own.is_none() && !is_login) {
                    *own = is_own(verb, request.keys().next(), prefix);
                }
                if *own != Some(false) && !is_login {
                    keys.iter_mut().for_each(|keys| keys.requested(now, &request));
                    shared.sought.passed(&request);
                }
                flight.requested(now, request.sequence, verb, request.keys());
                // Who asks whether anything is still due may ask it while something is.
                if reply != Due::Never && !is_beside {
                    reuse.requested(due, patience);
                    untold.extend(due.filter(|_| patience.is_none()));
                }
                if reply == Due::Always {
                    due.get_or_insert_default();
                }
            }
            RequestEvent::Ended(_) => {}
            RequestEvent::Opaque(why) => *opaque = Some(why),
        });
        if opaque.is_some() && own.is_none() && own_prefix.is_some() {
            *own = Some(false);
        }
        if untold.len() >= BATCH {
            self.hand_over(shared);
        }
        self.tell_connect(self.own == Some(true));
        self.tell(Passed::Request, now, seen);
        seen
    }

    /// Notes in the timeline that so many of these passed, unless they are none of the run's own.
    fn tell(&self, what: Passed, now: Instant, count: u32) {
        if let Some(timeline) = self.timeline.as_ref().filter(|_| self.own != Some(false)) {
            timeline.add(what, now, count);
        }
    }

    /// Notes the connect in the timeline, once, when it is known that it is one of the run's own.
    fn tell_connect(&mut self, is_known: bool) {
        if is_known && !self.is_told {
            self.is_told = true;
            self.tell(Passed::Connect, self.opened, 1);
        }
    }

    /// Nobody waits any longer to know whose it is: who has not said so is one of the run's own.
    pub(in crate::proxy) fn settle(&mut self) {
        self.tell_connect(true);
    }

    /// Since when a reply has been due; of several the first, as far as it is at hand.
    fn due_since(&self) -> Option<Instant> {
        let read = self.undelivered.front().map(|answer| answer.asked);
        read.or_else(|| self.conversation.one_due())
    }

    fn replied(&mut self, now: Instant, data: &[u8], shared: &Shared) -> u32 {
        let Self { conversation, opaque, undelivered, flight, keys, .. } = self;
        let mut seen = 0;
        conversation.on_reply(data, &mut |event| match event {
            Answered::Reply(reply) => {
                flight.replied(now, &reply);
                let request = keys.as_mut().and_then(|keys| keys.replied(reply.sequence));
                seen += 1;
                if undelivered.len() < UNDELIVERED_MAX {
                    let (asked, status) = (reply.asked, reply.status);
                    undelivered.push_back(Answer { asked, status, request });
                }
            }
            Answered::Opaque(why) => *opaque = Some(why),
            Answered::Unsolicited => flight.unsolicited(now),
        });
        self.share_knowledge(shared);
        seen
    }

    /// Bytes were written, and with them the last bytes of this many messages.
    pub(in crate::proxy) fn delivered(
        &mut self,
        direction: Direction,
        now: Instant,
        bytes: usize,
        messages: u32,
        shared: &Shared,
    ) {
        if direction == Direction::Up {
            self.bytes[Seen::ToServer as usize] += bytes as u64;
            return;
        }
        self.bytes[Seen::ToClient as usize] += bytes as u64;
        if self.left.is_none() {
            self.tell(Passed::Reply, now, messages.min(self.undelivered.len() as u32));
        }
        let window = shared.side(self.own).window();
        let Self { undelivered, replies, latencies, left, own, keys, .. } = self;
        let written = undelivered.len().min(messages as usize);
        for answer in undelivered.drain(..written) {
            match *left {
                // The system takes bytes for somebody who is gone, too.
                Some(left) => {
                    shared.side(*own).figures.lock().answered_late.record(left - answer.asked)
                }
                None => {
                    if let (Some(keys), Some(request), Some(window)) =
                        (&*keys, answer.request, window)
                    {
                        keys.delivered(request, now, window);
                    }
                    replies.add(answer.status);
                    latencies.push((now, now - answer.asked));
                }
            }
        }
        if undelivered.is_empty() && undelivered.capacity() > UNDELIVERED_KEPT {
            *undelivered = VecDeque::new();
        }
        if self.latencies.len() >= BATCH {
            self.hand_over(shared);
        }
    }

    /// The client ended its side; `first`: before the server did, so that it gave up what was due.
    pub(in crate::proxy) fn client_left(&mut self, now: Instant, first: bool, shared: &Shared) {
        self.flight.client_left(now);
        self.left = Some(now);
        if !first {
            return;
        }
        self.tell(Passed::Close, now, 1);
        if let Some(asked) = self.due_since() {
            shared.side(self.own).gave_up(now - asked);
            self.given_up(now, shared);
        } else if self.bytes[Seen::FromClient as usize] == 0 {
            shared.side(self.own).was_silent(now - self.opened);
        }
    }

    /// Whether the client has ended its side.
    pub(in crate::proxy) const fn has_left(&self) -> bool {
        self.left.is_some()
    }

    /// Notes what may come again.
    fn given_up(&mut self, now: Instant, shared: &Shared) {
        let window = shared.side(self.own).window();
        let Self { keys, undelivered, .. } = self;
        if let Some((keys, window)) = keys.as_mut().zip(window) {
            let read = undelivered.iter_mut().filter_map(|answer| answer.request.take());
            keys.given_up(read.map(|(same, _)| same), now, window);
        }
    }

    /// The connection is over: what has no answer will have none.
    pub(in crate::proxy) fn ended(&mut self, now: Instant, shared: &Shared) {
        self.settle();
        self.given_up(now, shared);
        let Self { conversation, undelivered, left, own, .. } = self;
        let until = left.unwrap_or(now);
        let mut figures = shared.side(*own).figures.lock();
        let Figures { answered_late, never_answered, .. } = &mut *figures;
        // Of no use to the client, who has left; or a fault kept it, and the client has nothing.
        let kept = if left.is_some() { answered_late } else { &mut *never_answered };
        for answer in undelivered.drain(..) {
            kept.record(until.saturating_duration_since(answer.asked));
        }
        for asked in conversation.due() {
            never_answered.record(until.saturating_duration_since(asked));
        }
    }

    /// Hands over what is counted for all connections together.
    fn hand_over(&mut self, shared: &Shared) {
        let mut figures = shared.side(self.own).figures.lock();
        for (at, latency) in self.latencies.drain(..) {
            figures.latencies.record(at, latency);
        }
        for due in self.untold.drain(..) {
            figures.patience.untold(due);
        }
    }

    /// Tells the coming connections what this one has learned, once.
    fn share_knowledge(&mut self, shared: &Shared) {
        let learned = self.conversation.known();
        if learned != self.known {
            self.known = learned;
            shared.know(learned);
        }
    }

    /// Requests that wait for a reply.
    pub(in crate::proxy) fn outstanding(&self) -> usize {
        self.conversation.outstanding() + self.undelivered.len()
    }

    /// Requests that passed.
    pub(in crate::proxy) fn requests(&self) -> u64 {
        self.requests.sum()
    }

    /// Bytes read from the client and written to it.
    pub(in crate::proxy) const fn client_bytes(&self) -> (u64, u64) {
        (self.bytes[Seen::FromClient as usize], self.bytes[Seen::ToClient as usize])
    }

    /// What it did with replies that were due.
    pub(in crate::proxy) const fn reuse(&self) -> Reuse {
        self.reuse
    }

    /// Whether it is one of the run's own; `None`: that is not known.
    pub(in crate::proxy) const fn own(&self) -> Option<bool> {
        self.own
    }

    /// Adds what it counted to `snapshot`, and to what is shared. Of a connection that is none of the
    /// run's own only bytes count as everybody's do.
    pub(in crate::proxy) fn add_to(
        &mut self,
        client: SocketAddr,
        snapshot: &mut TapSnapshot,
        shared: &Shared,
    ) {
        if !self.latencies.is_empty() || !self.untold.is_empty() {
            self.hand_over(shared);
        }
        let at = |seen: Seen| self.bytes[seen as usize];
        snapshot.bytes_from_clients += at(Seen::FromClient);
        snapshot.bytes_to_servers += at(Seen::ToServer);
        snapshot.bytes_from_servers += at(Seen::FromServer);
        snapshot.bytes_to_clients += at(Seen::ToClient);
        if self.own == Some(false) {
            return snapshot.foreign.get_or_insert_default().add(client, self.requests());
        }
        snapshot.opaque += u64::from(self.opaque.is_some());
        snapshot.reuse.add(self.reuse);
        snapshot.outstanding += self.outstanding() as u64;
        self.requests.add_to(&mut snapshot.requests_by_command);
        snapshot.pings += self.pings;
        snapshot.quiet_reads += self.quiet_reads;
        self.replies.add_to(&mut snapshot.replies_by_status);
    }

    /// Its last messages.
    pub(in crate::proxy) const fn flight(&self) -> &Flight {
        &self.flight
    }

    /// Why the connection is not understood, if it is not.
    pub(in crate::proxy) const fn opaque(&self) -> Option<&'static str> {
        self.opaque
    }
}

/// Whether a request is one of the run's own client, whose keys begin so; `None`: it does not tell, as a
/// ping does not.
fn is_own(verb: &Verb, key: Option<&[u8]>, prefix: &[u8]) -> Option<bool> {
    match key {
        Some(key) => Some(key.starts_with(prefix)),
        None => (!matches!(verb.kind, Kind::Ping | Kind::Barrier)).then_some(false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::name::NodeIndex;
    use crate::protocol::Protocol;
    use crate::proxy::fault::message::Reporter;
    use crate::proxy::tap::asked::Asked;
    use crate::proxy::tap::latency::LatencyView;
    use crate::proxy::tap::shared::Watched;
    use crate::proxy::tap::timeline::PieceCounts;

    const GET: &[u8] = b"get k\r\n";
    const HIT: &[u8] = b"VALUE k 0 1\r\nx\r\nEND\r\n";
    const CLIENT: SocketAddr =
        SocketAddr::V4(std::net::SocketAddrV4::new(std::net::Ipv4Addr::LOCALHOST, 9));

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    /// Catches a batch that counts as one request for each of its keys, where a client that asks for
    /// them in one line would count one.
    #[test]
    fn the_quiet_reads_of_a_batch_are_told_apart() {
        let shared = Shared::default();
        let mut meter = shared.meter(Instant::now());
        let batch = b"mg a v q\r\nmg b v q\r\nmn\r\nms c 1 q\r\nx\r\nmg d v\r\nget e f\r\n";
        assert_eq!(meter.arrived(Direction::Up, Instant::now(), batch, &shared), 6);
        let snapshot = snapshot(&mut meter, &shared);
        assert_eq!((snapshot.requests(), snapshot.quiet_reads), (6, 2));
    }

    fn snapshot(meter: &mut Meter, shared: &Shared) -> TapSnapshot {
        let mut snapshot = TapSnapshot::default();
        meter.add_to(CLIENT, &mut snapshot, shared);
        shared.add_to(&mut snapshot, Instant::now());
        snapshot
    }

    fn ask(meter: &mut Meter, now: Instant, request: &[u8], shared: &Shared) {
        meter.arrived(Direction::Up, now, request, shared);
    }

    /// The server answers and the client is written to at once.
    fn answer(meter: &mut Meter, now: Instant, reply: &[u8], shared: &Shared) {
        let messages = meter.arrived(Direction::Down, now, reply, shared);
        meter.delivered(Direction::Down, now, reply.len(), messages, shared);
    }

    /// Catches requests and replies that are not counted, or twice, under any cutting.
    #[test]
    fn requests_and_replies_are_counted_once() {
        let shared = Shared::default();
        let mut meter = shared.meter(Instant::now());
        let now = Instant::now();
        for byte in [GET, b"set k 0 0 1 noreply\r\nx\r\ndelete k\r\n"].concat() {
            ask(&mut meter, now, &[byte], &shared);
        }
        for byte in [HIT, b"NOT_FOUND\r\n"].concat() {
            answer(&mut meter, now, &[byte], &shared);
        }
        let snapshot = snapshot(&mut meter, &shared);
        assert_eq!(snapshot.requests_by_command, [("delete", 1), ("get", 1), ("set", 1)].into());
        assert_eq!(snapshot.replies_by_status, [("hit", 1), ("not_found", 1)].into());
        assert_eq!((snapshot.outstanding, snapshot.opaque), (0, 0));
        assert_eq!(snapshot.wire_latency.count(), 2);
    }

    /// Catches a latency, and a reply, that counts when it is read although the client has not got it.
    #[test]
    fn a_reply_counts_when_it_is_written() {
        let shared = Shared::default();
        let mut meter = shared.meter(Instant::now());
        let now = Instant::now();
        ask(&mut meter, now, GET, &shared);
        assert_eq!(meter.arrived(Direction::Down, now + ms(1), HIT, &shared), 1);
        let held = snapshot(&mut meter, &shared);
        assert_eq!((held.outstanding, held.replies(), held.wire_latency.count()), (1, 0, 0));
        meter.delivered(Direction::Down, now + ms(500), HIT.len(), 1, &shared);
        let written = snapshot(&mut meter, &shared);
        assert_eq!((written.outstanding, written.replies()), (0, 1));
        let latency = written.wire_latency.quantile(0.5).as_millis();
        assert!((495..=505).contains(&latency), "{latency} ms");
    }

    /// Catches a reply that counts as delivered to a client that has left, a request that leaves no trace
    /// because its client left, and a wait that goes on after it.
    #[test]
    fn what_the_client_did_not_get_is_told_apart() {
        let shared = Shared::default();
        let now = Instant::now();
        let waited = |view: &LatencyView| (view.count(), view.max().as_millis());
        let mut late = shared.meter(Instant::now());
        ask(&mut late, now, GET, &shared);
        late.client_left(now + ms(100), true, &shared);
        answer(&mut late, now + ms(250), HIT, &shared);
        late.ended(now + ms(260), &shared);
        let told = snapshot(&mut late, &shared);
        assert_eq!((told.replies(), told.wire_latency.count()), (0, 0));
        assert_eq!((waited(&told.answered_late), told.never_answered.count()), ((1, 100), 0));
        let mut never = shared.meter(Instant::now());
        ask(&mut never, now, b"get k\r\nmg a v q\r\nget k\r\n", &shared);
        answer(&mut never, now + ms(1), HIT, &shared);
        // Half a reply is none.
        answer(&mut never, now + ms(2), b"VALUE k 0 1\r\n", &shared);
        never.client_left(now + ms(50), true, &shared);
        never.ended(now + ms(900), &shared);
        let told = snapshot(&mut never, &shared);
        assert_eq!(told.replies(), 1);
        assert_eq!(waited(&told.never_answered), (1, 50));
        let mut kept = shared.meter(Instant::now());
        ask(&mut kept, now, GET, &shared);
        kept.arrived(Direction::Down, now + ms(1), HIT, &shared);
        kept.ended(now + ms(30), &shared);
        assert_eq!(
            snapshot(&mut kept, &shared).never_answered.count(),
            2,
            "a fault kept the reply"
        );
    }

    /// Catches a late reply that goes to the next request unseen: the first of all, after an overlap
    /// elsewhere, and behind a quiet batch.
    #[test]
    fn dirty_reuse_is_seen_from_the_first_request() {
        let batch: &[u8] = &[b"mg a v q\r\n".repeat(100).as_slice(), b"mn\r\n"].concat();
        let shared = Shared::default();
        let now = Instant::now();
        let mut pipelining = shared.meter(Instant::now());
        ask(&mut pipelining, now, &GET.repeat(3), &shared);
        assert_eq!(pipelining.reuse().overlaps(), Some(2));
        let dirty = [GET, batch].map(|first| {
            let mut meter = shared.meter(Instant::now());
            ask(&mut meter, now, first, &shared);
            assert_eq!(meter.reuse().overlaps(), Some(0), "a batch overlaps with nothing");
            ask(&mut meter, now + ms(150), GET, &shared);
            assert_eq!(meter.reuse().overlaps(), Some(1));
            meter
        });
        let all = |meters: &mut [Meter]| {
            let mut all = TapSnapshot::default();
            meters.iter_mut().for_each(|meter| meter.add_to(CLIENT, &mut all, &shared));
            shared.add_to(&mut all, now);
            (all.reuse.overlaps(), all.reuse.overlaps_after_silence().ok())
        };
        let [first, second] = dirty;
        let mut meters = [pipelining, first, second];
        assert_eq!(all(&mut meters), (Some(4), None), "nobody knows how long they wait");
        for _ in 0..3 {
            let mut closed = shared.meter(Instant::now());
            ask(&mut closed, now, GET, &shared);
            closed.client_left(now + ms(100), true, &shared);
        }
        assert_eq!(all(&mut meters), (Some(4), Some(2)));
        let mut meter = shared.meter(Instant::now());
        ask(&mut meter, now, GET, &shared);
        ask(&mut meter, now + ms(5), GET, &shared);
        ask(&mut meter, now + ms(150), GET, &shared);
        assert_eq!((meter.reuse().overlaps(), meter.reuse().after_silence), (Some(2), 1));
    }

    /// Catches an event that is missing in the pieces of time or there twice, a connect that is noted
    /// when it is known whose it is and not when it was, a give-up whose request comes again unseen, and
    /// a stranger in any of it.
    #[test]
    fn what_passes_when_and_comes_again_is_noted() {
        let began = Instant::now();
        let shared = Shared::default();
        let timeline = Arc::new(Timeline::new(began, ms(0)));
        let asked = Arc::new(Asked::new(began));
        let node = NodeIndex(0);
        let (line, table) = (Arc::clone(&timeline), Arc::clone(&asked));
        shared.watch(Watched { timeline: line, asked: table, node });
        shared.set_own(b"k");
        let mut meters = [(); 4].map(|()| shared.meter(began));
        meters.iter_mut().for_each(|meter| ask(meter, began + ms(10), GET, &shared));
        for meter in &mut meters {
            meter.client_left(began + ms(110), true, &shared);
            meter.ended(began + ms(120), &shared);
        }
        let mut meter = shared.meter(began + ms(110));
        ask(&mut meter, began + ms(115), GET, &shared);
        answer(&mut meter, began + ms(125), HIT, &shared);
        let mut silent = shared.meter(began + ms(130));
        silent.client_left(began + ms(150), true, &shared);
        silent.ended(began + ms(160), &shared);
        let mut foreign = shared.meter(began);
        ask(&mut foreign, began, b"get other\r\n", &shared);
        foreign.client_left(began + ms(5), true, &shared);
        foreign.ended(began + ms(5), &shared);
        let view = timeline.view(began + ms(200));
        let sum = |of: fn(&PieceCounts) -> u32| view.pieces.iter().map(of).sum::<u32>();
        let at = |place: usize| view.pieces[place];
        assert_eq!((sum(|it| it.connects), at(0).connects, at(11).connects), (6, 4, 1));
        assert_eq!((sum(|it| it.requests), at(1).requests, at(11).requests), (5, 4, 1));
        assert_eq!((sum(|it| it.replies), at(12).replies), (1, 1));
        assert_eq!((sum(|it| it.closes), at(11).closes), (5, 4));
        let counts = asked.counts(node);
        // How long it waits is known from the third on.
        assert_eq!((counts.unanswered, counts.unanswered_again), (2, 1));
        let snapshot = snapshot(&mut meter, &shared);
        assert_eq!((snapshot.given_up.count(), snapshot.silent.count()), (4, 1));
    }

    /// Catches a login that counts as an operation, that makes its connection a stranger's, or of which a form
    /// that only a login may have is taken for two requests.
    #[test]
    fn a_login_is_part_of_no_operation() {
        let now = Instant::now();
        let shared = Shared::new(Reporter::default(), Some(Protocol::Memcached));
        shared.set_own(b"k");
        shared.set_asks_who();
        for login in [b"set login 0 0 6\r\nab cde\r\n".as_slice(), b"set _ _ _ 6\r\nab cde\r\n"] {
            let mut meter = shared.meter(now);
            ask(&mut meter, now, login, &shared);
            answer(&mut meter, now, b"STORED\r\n", &shared);
            ask(&mut meter, now, GET, &shared);
            answer(&mut meter, now + ms(1), HIT, &shared);
            let snapshot = snapshot(&mut meter, &shared);
            assert_eq!((snapshot.requests(), snapshot.pings), (2, 1), "{}", login.escape_ascii());
            assert_eq!((meter.own, meter.opaque), (Some(true), None));
        }
    }

    /// Catches the same of a login by SASL, whose mechanism stands where a key does.
    #[test]
    fn a_login_by_sasl_is_part_of_no_operation() {
        let now = Instant::now();
        let shared = Shared::new(Reporter::default(), Some(Protocol::Memcached));
        shared.set_own(b"k");
        let packet = |magic: u8, opcode: u8, key: &[u8], value: &[u8]| {
            let length = |bytes: usize| u8::try_from(bytes).unwrap();
            let body = length(key.len() + value.len());
            let head = [magic, opcode, 0, length(key.len()), 0, 0, 0, 0, 0, 0, 0, body];
            [&head[..], &[0; 12], key, value].concat()
        };
        let mut meter = shared.meter(now);
        ask(&mut meter, now, &packet(0x80, 0x20, b"", b""), &shared);
        answer(&mut meter, now, &packet(0x81, 0x20, b"", b"PLAIN"), &shared);
        ask(&mut meter, now, &packet(0x80, 0x21, b"PLAIN", b"\0user\0password"), &shared);
        answer(&mut meter, now, &packet(0x81, 0x21, b"", b"Authenticated"), &shared);
        ask(&mut meter, now, &packet(0x80, 0x00, b"k", b""), &shared);
        answer(&mut meter, now, &packet(0x81, 0x00, b"", b"\0\0\0\0x"), &shared);
        let snapshot = snapshot(&mut meter, &shared);
        assert_eq!((snapshot.requests(), snapshot.pings), (3, 2));
        assert_eq!((meter.own, meter.opaque), (Some(true), None));
    }

    /// Catches the traffic of others that is charged to the run's client, and a ping that is taken for
    /// theirs.
    #[test]
    fn foreign_traffic_is_counted_apart() {
        let shared = Shared::default();
        shared.set_own(b"hk:");
        let now = Instant::now();
        let of = |requests: &[&[u8]]| {
            let mut meter = shared.meter(Instant::now());
            for request in requests {
                ask(&mut meter, now, request, &shared);
            }
            (meter.own(), snapshot(&mut meter, &shared))
        };
        let (own, tap) = of(&[b"version\r\n", b"get hk:1\r\n", b"get other\r\n"]);
        assert_eq!((own, tap.requests(), tap.foreign.unwrap().requests), (Some(true), 3, 0));
        let (own, tap) = of(&[b"version\r\n"]);
        assert_eq!((own, tap.requests()), (None, 1));
        for foreign in [&b"get other\r\n"[..], b"stats\r\n", b"*1\r\n$4\r\nPING\r\n"] {
            let (own, tap) = of(&[b"version\r\n", foreign]);
            assert_eq!((own, tap.requests(), tap.opaque, tap.outstanding), (Some(false), 0, 0, 0));
            assert_eq!(tap.reuse, Reuse::default());
            let told = tap.foreign.unwrap();
            assert_eq!((told.connections, told.clients.as_slice()), (1, &[CLIENT][..]));
        }
        let nobody = Shared::default();
        let mut meter = nobody.meter(Instant::now());
        ask(&mut meter, now, b"get other\r\n", &nobody);
        assert!(snapshot(&mut meter, &nobody).foreign.is_none(), "nobody said which are its own");
    }

    /// Catches requests and latencies of another protocol that are counted as memcached's.
    #[test]
    fn another_protocol_has_no_requests() {
        for (sent, said) in [
            (&b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"[..], &b"HTTP/1.1 200 OK\r\n\r\n"[..]),
            (b"\x16\x03\x01\x02\n\n", b"\x16\x03\x03\n"),
        ] {
            let shared = Shared::default();
            let mut meter = shared.meter(Instant::now());
            let now = Instant::now();
            for _ in 0..3 {
                ask(&mut meter, now, sent, &shared);
                answer(&mut meter, now, said, &shared);
            }
            let snapshot = snapshot(&mut meter, &shared);
            assert_eq!((snapshot.requests(), snapshot.replies(), snapshot.opaque), (0, 0, 1));
            assert_eq!((snapshot.outstanding, snapshot.wire_latency.count()), (0, 0));
            assert_eq!(meter.opaque(), Some("not_memcached"));
        }
    }

    /// Catches a connection that is no memcached and counts as none of anything.
    #[test]
    fn what_is_not_understood_is_said_once() {
        let shared = Shared::default();
        let mut meter = shared.meter(Instant::now());
        let now = Instant::now();
        let endless = vec![b'x'; 100_000];
        assert_eq!(meter.arrived(Direction::Up, now, &endless, &shared), 1);
        assert_eq!(meter.arrived(Direction::Up, now, b"more", &shared), 1);
        assert_eq!(snapshot(&mut meter, &shared).opaque, 1);
    }
}
