//! One connection: its handle for the control side, and the task that dials and forwards.

use std::convert::Infallible;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::io::ReadBuf;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::base::descriptors;
use crate::base::timer::Timer;
use crate::protocol::Conversation;
use crate::proxy::close::{CloseManner, Closer};
use crate::proxy::config::{Dial, Direction};
use crate::proxy::fault::identity::Place;
use crate::proxy::fault::message::Reporter;
use crate::proxy::fault::outbox::Due;
use crate::proxy::fault::table::ToxicTable;
use crate::proxy::instance::Proxy;
use crate::proxy::path::held::{AllHeld, Held};
use crate::proxy::path::link::{Clock, Ended, Link};
use crate::proxy::path::upstream::{Peer, Server, prepare};
use crate::proxy::tap::flight::Flight;
use crate::proxy::tap::meter::{Meter, Shared};
use crate::proxy::tap::view::{ConnectionView, TapSnapshot};

/// Held by a connection until it has taken up a change; the control side waits for the last drop.
pub(in crate::proxy) type Acknowledgement = mpsc::Sender<Infallible>;

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
    place: Place,
    client: SocketAddr,
    opened: Instant,
    has_mail: AtomicBool,
    mail: Mutex<Mail>,
    waker: Mutex<Option<Waker>>,
    /// Wanted by nobody else while bytes flow, so that locking it costs next to nothing.
    meter: Mutex<Meter>,
    shared: Arc<Shared>,
    all_held: Arc<AllHeld>,
}

impl Live {
    pub(in crate::proxy) fn new(
        place: Place,
        client: SocketAddr,
        shared: Arc<Shared>,
        all_held: Arc<AllHeld>,
    ) -> Self {
        let opened = Instant::now();
        Self {
            place,
            client,
            opened,
            has_mail: AtomicBool::new(false),
            mail: Mutex::default(),
            waker: Mutex::default(),
            meter: Mutex::new(shared.meter(opened)),
            shared,
            all_held,
        }
    }

    pub(in crate::proxy) const fn id(&self) -> u64 {
        self.place.connection
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
    proxy: Arc<Proxy>,
    live: Arc<Live>,
    ended: Ended,
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

/// Serves one accepted client to its end.
pub(in crate::proxy) async fn serve(mut membership: Membership, client: std::net::TcpStream) {
    let Membership { proxy, live, ended } = &mut membership;
    // Refused when there is no memory for one more socket to wait for.
    *ended = match TcpStream::from_std(client) {
        Ok(client) => forward(proxy, client, live).await,
        Err(_) => Ended { by: Closer::Proxy, how: CloseManner::Fin },
    };
}

async fn forward(proxy: &Proxy, client: TcpStream, live: &Arc<Live>) -> Ended {
    if let Err(ended) = wait_to_connect(proxy, live, &client).await {
        return ended;
    }
    let dialled = match dial(proxy, live).await {
        Ok(dialled) => dialled,
        Err(told) => return told,
    };
    match dialled.and_then(|server| prepare(&client).map(|()| server)) {
        Ok(server) if descriptors::is_reserved(&server) => {
            client.reset_on_close();
            Ended { by: Closer::Proxy, how: CloseManner::Reset }
        }
        Ok(server) => {
            let table = proxy.table();
            Link::new(client, server, Arc::clone(live), live.place, &table, Clock::Fine).run().await
        }
        Err(_) => {
            let how = match proxy.dial {
                Dial::Eager => CloseManner::Reset,
                Dial::Lazy => CloseManner::Fin,
            };
            if how == CloseManner::Reset {
                client.reset_on_close();
            }
            Ended { by: Closer::Refused, how }
        }
    }
}

/// Waits as long as the toxics say before the server is connected to, and no longer than they are
/// there; an error when the connection ended meanwhile. A change of toxics is acknowledged at once.
async fn wait_to_connect(proxy: &Proxy, live: &Live, client: &TcpStream) -> Result<(), Ended> {
    let table = proxy.table();
    let due_by = |table: &ToxicTable| {
        let delays = table.connect_delays(&live.place).map(|(_, delay)| delay);
        Due::after(live.opened, delays.fold(Duration::ZERO, Duration::saturating_add))
    };
    let mut due = due_by(&table);
    if due <= Due::At(live.opened) {
        return Ok(());
    }
    table.connect_delays(&live.place).for_each(|(toxic, _)| toxic.identity.touch(1));
    // Not a fine one: each of those is a descriptor, and many may wait.
    let mut timer = Timer::coarse();
    let mut silent = true;
    poll_fn(|cx| {
        if let Some(mail) = live.poll_mail(cx) {
            if let Some(how) = mail.close {
                return Poll::Ready(Err(Ended { by: Closer::Proxy, how }));
            }
            due = mail.table.map_or(due, |table| due_by(&table));
        }
        if silent && let Poll::Ready(said) = poll_said(client, cx) {
            said?;
            silent = false;
        }
        match due {
            Due::At(due) => timer.poll_until(cx, due).map(Ok),
            Due::Never => Poll::Pending,
        }
    })
    .await
}

/// Ready when the client has said something, which stays where it is; an error when it has left
/// without a word.
fn poll_said(client: &TcpStream, cx: &mut Context<'_>) -> Poll<Result<(), Ended>> {
    let mut byte = [0];
    let peeked = std::task::ready!(client.poll_peek(cx, &mut ReadBuf::new(&mut byte)));
    Poll::Ready(match peeked {
        Ok(0) => Err(Ended { by: Closer::Client, how: CloseManner::Fin }),
        Ok(_) => Ok(()),
        Err(_) => Err(Ended { by: Closer::Client, how: CloseManner::Reset }),
    })
}

/// Connects to the server; an error when the connection was told to end meanwhile. A change of
/// toxics is acknowledged at once: the link will start with the newest.
async fn dial(proxy: &Proxy, live: &Live) -> Result<std::io::Result<Server>, Ended> {
    let upstream = proxy.upstream();
    let mut dialling = std::pin::pin!(upstream.dial());
    poll_fn(|cx| {
        if let Some(how) = live.poll_mail(cx).and_then(|mail| mail.close) {
            return Poll::Ready(Err(Ended { by: Closer::Proxy, how }));
        }
        dialling.as_mut().poll(cx).map(Ok)
    })
    .await
}
