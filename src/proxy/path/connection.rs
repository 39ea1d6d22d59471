//! One connection: its handle for the control side, and its place among those of its proxy.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Waker};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::protocol::Conversation;
use crate::proxy::close::{CloseManner, Closer};
use crate::proxy::config::Direction;
use crate::proxy::fault::SAID_BYTES_MAX;
use crate::proxy::fault::identity::Place;
use crate::proxy::fault::message::Reporter;
use crate::proxy::fault::table::ToxicTable;
use crate::proxy::instance::Proxy;
use crate::proxy::path::held::{AllHeld, Held};
use crate::proxy::path::link::Ended;
use crate::proxy::tap::flight::Flight;
use crate::proxy::tap::meter::Meter;
use crate::proxy::tap::shared::Shared;
use crate::proxy::tap::view::{ConnectionView, TapSnapshot};

/// Held by a connection until it has taken up a change; the control side waits for the last drop.
pub(in crate::proxy) type Acknowledgement = mpsc::Sender<Infallible>;

/// What may wait to be said to a client that takes nothing.
const UNSAID_BYTES_MAX: usize = SAID_BYTES_MAX;

/// What the control side wants from a connection.
#[derive(Debug, Default)]
pub(in crate::proxy) struct Mail {
    /// The toxics changed.
    pub(in crate::proxy) table: Option<Arc<ToxicTable>>,
    /// It is to end.
    pub(in crate::proxy) close: Option<CloseManner>,
    /// Dropped when the mail has been obeyed.
    pub(in crate::proxy) acknowledgements: Vec<Acknowledgement>,
}

/// The handle of a live connection, shared by its task and the control side.
#[derive(Debug)]
pub(in crate::proxy) struct Live {
    pub(super) place: Place,
    client: SocketAddr,
    /// Where the proxy took it in.
    came_to: SocketAddr,
    pub(super) opened: Instant,
    has_mail: AtomicBool,
    mail: Mutex<Mail>,
    waker: Mutex<Option<Waker>>,
    /// What is to be said to the client that it did not ask for.
    said: Mutex<Vec<Bytes>>,
    /// The bytes of that which wait, here or in the link.
    unsaid: AtomicUsize,
    /// It is being sent away, and none of those that are open.
    leaving: AtomicBool,
    /// Wanted by nobody else while bytes flow, so that locking it costs next to nothing.
    meter: Mutex<Meter>,
    shared: Arc<Shared>,
    all_held: Arc<AllHeld>,
}

impl Live {
    pub(in crate::proxy) fn new(
        place: Place,
        (client, came_to): (SocketAddr, SocketAddr),
        shared: Arc<Shared>,
        all_held: Arc<AllHeld>,
    ) -> Self {
        let opened = Instant::now();
        Self {
            place,
            client,
            came_to,
            opened,
            has_mail: AtomicBool::new(false),
            mail: Mutex::default(),
            waker: Mutex::default(),
            said: Mutex::default(),
            unsaid: AtomicUsize::new(0),
            leaving: AtomicBool::new(false),
            meter: Mutex::new(shared.meter(opened)),
            shared,
            all_held,
        }
    }

    pub(in crate::proxy) const fn id(&self) -> u64 {
        self.place.connection
    }

    pub(in crate::proxy) const fn came_to(&self) -> SocketAddr {
        self.came_to
    }

    /// What one of its directions holds, among what all connections do.
    pub(in crate::proxy) fn held(&self) -> Held {
        Held::new(Arc::clone(&self.all_held))
    }

    /// Leaves a message and wakes the connection; never waits for it.
    pub(in crate::proxy) fn post(&self, change: impl FnOnce(&mut Mail)) {
        change(&mut self.mail.lock());
        self.has_mail.store(true, Ordering::Release);
        let waker = self.waker.lock().clone();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Sets whether it is being sent away, and returns whether it was.
    pub(in crate::proxy) fn set_leaving(&self, leaving: bool) -> bool {
        self.leaving.swap(leaving, Ordering::Relaxed)
    }

    /// Says something to the client as soon as there is room; `false`: too much waits already.
    pub(in crate::proxy) fn say(&self, bytes: &Bytes) -> bool {
        let add = |unsaid| Some(unsaid + bytes.len()).filter(|sum| *sum <= UNSAID_BYTES_MAX);
        let fits = self.unsaid.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add).is_ok();
        if fits {
            self.said.lock().push(bytes.clone());
            self.post(|_| ());
        }
        fits
    }

    /// What is to be said to the client.
    pub(in crate::proxy) fn take_said(&self) -> Vec<Bytes> {
        std::mem::take(&mut *self.said.lock())
    }

    /// So many bytes of that no longer wait.
    pub(in crate::proxy) fn was_said(&self, bytes: usize) {
        self.unsaid.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// The mail, if there is any; else the task is woken when there is.
    pub(in crate::proxy) fn poll_mail(&self, cx: &Context<'_>) -> Option<Mail> {
        {
            let mut waker = self.waker.lock();
            if !waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
                *waker = Some(cx.waker().clone());
            }
        }
        let has_mail =
            self.has_mail.load(Ordering::Acquire) && self.has_mail.swap(false, Ordering::AcqRel);
        has_mail.then(|| std::mem::take(&mut *self.mail.lock()))
    }

    /// Bytes were read. Returns how many messages are in them.
    pub(in crate::proxy) fn arrived(&self, direction: Direction, now: Instant, data: &[u8]) -> u32 {
        self.meter.lock().arrived(direction, now, data, &self.shared)
    }

    /// A reply of our own leaves. Returns how many messages it completes.
    pub(in crate::proxy) fn answered(&self, now: Instant, data: &[u8]) -> u32 {
        self.meter.lock().answered(now, data, &self.shared)
    }

    /// What passed so far, for the rules.
    pub(in crate::proxy) fn conversation(&self) -> Conversation {
        self.meter.lock().conversation()
    }

    /// Where faults that fire are told.
    pub(in crate::proxy) fn reporter(&self) -> &Reporter {
        &self.shared.reporter
    }

    /// Bytes were written that complete this many messages.
    pub(in crate::proxy) fn delivered(
        &self,
        direction: Direction,
        now: Instant,
        bytes: usize,
        messages: u32,
    ) {
        self.meter.lock().delivered(direction, now, bytes, messages, &self.shared);
    }

    /// Adds what the connection counted to `snapshot`.
    pub(in crate::proxy) fn add_to(&self, snapshot: &mut TapSnapshot) {
        self.meter.lock().add_to(self.client, snapshot, &self.shared);
    }

    /// The client ended its side; `first`: before the server did.
    pub(in crate::proxy) fn client_left(&self, now: Instant, first: bool) {
        self.meter.lock().client_left(now, first, &self.shared);
    }

    /// Whoever looks now does not wait to know whose it is.
    pub(in crate::proxy) fn settle(&self) {
        self.meter.lock().settle();
    }

    /// It is over; `by_client`: the client left before anything of it was read.
    pub(in crate::proxy) fn ended(&self, by_client: bool) {
        let (mut meter, now) = (self.meter.lock(), Instant::now());
        if by_client && !meter.has_left() {
            meter.client_left(now, true, &self.shared);
        }
        meter.ended(now, &self.shared);
    }

    /// When and how a message about `key` passed last, if it is among the last messages.
    pub(in crate::proxy) fn last_of(&self, key: &[u8]) -> Option<(bool, Instant)> {
        self.meter.lock().flight().last_of(key)
    }

    /// Its last messages.
    pub(in crate::proxy) fn flight(&self) -> Flight {
        self.meter.lock().flight().clone()
    }

    /// Why the connection was not understood, if it was not.
    pub(in crate::proxy) fn opaque(&self) -> Option<&'static str> {
        self.meter.lock().opaque()
    }

    pub(in crate::proxy) fn view(&self) -> ConnectionView {
        let meter = self.meter.lock();
        let (bytes_from_client, bytes_to_client) = meter.client_bytes();
        ConnectionView {
            id: self.id(),
            client: self.client,
            age: self.opened.elapsed(),
            bytes_from_client,
            bytes_to_client,
            requests: meter.requests(),
            outstanding: meter.outstanding() as u64,
            reuse: meter.reuse(),
            own: meter.own(),
            opaque: meter.opaque(),
        }
    }
}

/// A connection's place among the live ones of its proxy, given up in the end, however that comes.
#[derive(Debug)]
pub(in crate::proxy) struct Membership {
    pub(super) proxy: Arc<Proxy>,
    pub(super) live: Arc<Live>,
    pub(super) ended: Ended,
}

impl Membership {
    pub(in crate::proxy) const fn new(proxy: Arc<Proxy>, live: Arc<Live>) -> Self {
        Self { proxy, live, ended: Ended { by: Closer::Proxy, how: CloseManner::Fin } }
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        self.proxy.connection_ended(&self.live, self.ended);
    }
}
