//! One proxy: its address, its toxics, its live connections and what it counted.

mod past;
mod told;

use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::mpsc;
use tokio::time::Instant;

use self::past::Past;
use crate::base::descriptors;
use crate::base::lane::Lane;
use crate::base::name::NodeIndex;
use crate::base::scope::Scope;
use crate::base::seed::Seed;
use crate::event::{Events, WireTrace};
use crate::protocol::{Known, Protocol};
use crate::proxy::close::{CloseManner, Closer};
use crate::proxy::config::{
    Dial, ProxyConfig, ProxyUpdate, ProxyView, Said, ToxicConfig, ToxicUpdate, ToxicView,
};
use crate::proxy::error::ProxyError;
use crate::proxy::fault::Entrance;
use crate::proxy::fault::identity::Place;
use crate::proxy::fault::table::ToxicTable;
use crate::proxy::path::connection::{Live, Membership};
use crate::proxy::path::held::AllHeld;
use crate::proxy::path::link::Ended;
use crate::proxy::path::listener::{Listener, resolve};
use crate::proxy::path::serve::serve;
use crate::proxy::path::sockets::Sockets;
use crate::proxy::path::upstream::{Upstream, reset_on_close};
use crate::proxy::tap::flight::{CLOSED_MAX, Flight, GIVEN_UP_MAX};
use crate::proxy::tap::shared::Shared;
use crate::proxy::tap::view::{ConnectionView, TapSnapshot};

/// How long a change waits for the live connections to take it up. They do so at their next poll,
/// whatever their peers do; only a machine without any time to spare lets this pass.
const ACKNOWLEDGEMENT_WAIT: Duration = Duration::from_secs(2);

/// Connections of one proxy; a client beyond them is reset.
const CONNECTIONS_MAX: usize = 65_536;

/// Why a client was reset at the entrance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::proxy) enum Refused {
    #[error("the descriptors that are left are for the control plane")]
    NoDescriptor,
    #[error("it has {CONNECTIONS_MAX} connections")]
    Full,
}

/// What a proxy is given by its set.
#[derive(Debug)]
pub(in crate::proxy) struct Surroundings {
    pub(in crate::proxy) scope: Scope,
    /// Where its connections run.
    pub(in crate::proxy) lanes: Arc<[Lane]>,
    pub(in crate::proxy) seed: Seed,
    pub(in crate::proxy) events: Events,
    /// Where its listener's sockets are made.
    pub(in crate::proxy) sockets: Sockets,
    /// What the connections of all proxies hold.
    pub(in crate::proxy) all_held: Arc<AllHeld>,
    /// The one that had its name, where it is to go on from what that has counted.
    pub(in crate::proxy) former: Option<Arc<Proxy>>,
}

/// A named proxy.
#[derive(Debug)]
pub(in crate::proxy) struct Proxy {
    pub(in crate::proxy) name: String,
    pub(in crate::proxy) dial: Dial,
    protocol: Option<Protocol>,
    node: Option<NodeIndex>,
    pub(in crate::proxy) scope: Scope,
    lanes: Arc<[Lane]>,
    pub(in crate::proxy) events: Events,
    /// Where the listener's sockets are made.
    pub(in crate::proxy) sockets: Sockets,
    seed: Seed,
    shared: Arc<Shared>,
    all_held: Arc<AllHeld>,
    /// One change at a time; held across the waits of a change, never by a connection.
    control: tokio::sync::Mutex<Control>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct Control {
    listener: Option<Listener>,
    /// At addresses besides, in its name.
    further: Vec<Listener>,
}

#[derive(Debug)]
struct State {
    listen: String,
    upstream: Arc<Upstream>,
    enabled: bool,
    table: Arc<ToxicTable>,
    live: BTreeMap<u64, Arc<Live>>,
    /// How many of them are being sent away.
    leaving: usize,
    next_connection: u64,
    /// Whether the entrance was shut at times, so that the system refused connections by itself.
    was_shut: bool,
    /// What closed connections and removed toxics counted.
    totals: TapSnapshot,
    /// The last messages of the connections that were closed last, by their number.
    closed: VecDeque<(u64, Flight)>,
    /// The same of those that were closed while a write had no answer.
    given_up: VecDeque<(u64, Flight)>,
}

impl Proxy {
    /// A proxy that does not listen yet.
    pub(in crate::proxy) fn new(
        config: &ProxyConfig,
        given: Surroundings,
    ) -> Result<Arc<Self>, ProxyError> {
        let Surroundings { scope, lanes, seed, events, sockets, all_held, former } = given;
        let past = Past::of(former.as_deref(), &events, config);
        for (field, text) in [("name", &config.name), ("upstream", &config.upstream)] {
            if text.is_empty() {
                return Err(ProxyError::MissingField(field));
            }
        }
        Ok(Arc::new(Self {
            name: config.name.clone(),
            dial: config.dial,
            protocol: past.protocol,
            node: past.node,
            scope,
            lanes,
            shared: past.shared,
            events,
            sockets,
            seed,
            all_held,
            control: tokio::sync::Mutex::default(),
            state: Mutex::new(State {
                listen: config.listen.clone(),
                upstream: Arc::new(Upstream::parse(&config.upstream)),
                enabled: false,
                table: Arc::new(ToxicTable::of(config.toxics.clone())?),
                live: BTreeMap::new(),
                leaving: 0,
                next_connection: past.next_connection,
                was_shut: past.was_shut,
                totals: past.totals,
                closed: VecDeque::new(),
                given_up: VecDeque::new(),
            }),
        }))
    }

    /// How many lanes it has, if they are not these.
    pub(in crate::proxy) fn lanes_beside(&self, others: &Arc<[Lane]>) -> usize {
        if Arc::ptr_eq(&self.lanes, others) { 0 } else { self.lanes.len() }
    }

    pub(in crate::proxy) const fn node(&self) -> Option<NodeIndex> {
        self.node
    }

    pub(in crate::proxy) fn view(&self) -> ProxyView {
        let state = self.state.lock();
        ProxyView {
            name: self.name.clone(),
            listen: state.listen.clone(),
            upstream: state.upstream.to_string(),
            enabled: state.enabled,
            protocol: self.protocol,
            node: self.node,
            toxics: state.table.views(),
        }
    }

    pub(in crate::proxy) fn table(&self) -> Arc<ToxicTable> {
        Arc::clone(&self.state.lock().table)
    }

    pub(in crate::proxy) fn upstream(&self) -> Arc<Upstream> {
        Arc::clone(&self.state.lock().upstream)
    }

    /// What is known of the server; for the connections from now on.
    pub(in crate::proxy) fn know(&self, known: Known) {
        self.shared.know(known);
    }

    // === Life ===

    /// Listens, unless it does.
    pub(in crate::proxy) async fn enable(self: &Arc<Self>) -> Result<(), ProxyError> {
        let mut control = self.control.lock().await;
        self.start(&mut control).await
    }

    async fn start(self: &Arc<Self>, control: &mut Control) -> Result<(), ProxyError> {
        if control.listener.is_some() {
            return Ok(());
        }
        let (listen, entrance) = {
            let state = self.state.lock();
            (state.listen.clone(), state.table.entrance())
        };
        let address = resolve(&listen).await?;
        let listener = Listener::start(self, address, entrance).await?;
        let mut state = self.state.lock();
        state.listen = listener.address().to_string();
        state.enabled = true;
        self.turned(&mut state, entrance);
        control.listener = Some(listener);
        Ok(())
    }

    /// From now on clients come in, or the system turns them away and tells nobody.
    fn turned(&self, state: &mut State, entrance: Entrance) {
        state.was_shut |= entrance != Entrance::Open;
        if let Some(timeline) = self.shared.timeline() {
            timeline.turned(Instant::now(), entrance != Entrance::Open);
        }
    }

    /// Gives the port back and closes every connection.
    pub(in crate::proxy) async fn disable(&self) {
        let mut control = self.control.lock().await;
        self.stop(&mut control).await;
    }

    async fn stop(&self, control: &mut Control) {
        if let Some(listener) = control.listener.take() {
            self.turned(&mut self.state.lock(), Entrance::Refused);
            listener.close().await;
        }
        for listener in control.further.drain(..) {
            listener.close().await;
        }
        self.state.lock().enabled = false;
        self.end_connections(|_| true);
    }

    /// Tells these connections to end, without waiting for them.
    pub(in crate::proxy) fn end_connections(&self, which: impl Fn(&Live) -> bool) {
        let live: Vec<Arc<Live>> =
            self.state.lock().live.values().filter(|it| which(it)).cloned().collect();
        for connection in live {
            connection.post(|mail| mail.close = Some(CloseManner::Fin));
        }
    }

    /// Changes where it listens, what it stands for, or whether it listens. All or nothing: when
    /// the new address cannot be had, the proxy is what it was.
    pub(in crate::proxy) async fn update(
        self: &Arc<Self>,
        update: &ProxyUpdate,
    ) -> Result<ProxyView, ProxyError> {
        let mut control = self.control.lock().await;
        let before = self.view();
        let address = match &update.listen {
            Some(listen) => Some(resolve(listen).await?),
            None => None,
        };
        let moves = match address {
            // A literal address that was never bound is compared as it is.
            Some(address) => address.to_string() != before.listen || address.port() == 0,
            None => false,
        };
        let upstream = update.upstream.as_ref().filter(|upstream| **upstream != before.upstream);
        let enabled = update.enabled.unwrap_or(before.enabled);
        if moves && enabled && control.listener.is_some() {
            // The new port first: a proxy that cannot move keeps what it has.
            self.relocate(&mut control, address).await?;
        } else if let Some(listen) = update.listen.as_ref().filter(|_| moves || upstream.is_some())
            && !(enabled && control.listener.is_some())
        {
            // In the words in which it was asked for, until it listens again.
            self.state.lock().listen.clone_from(listen);
        }
        if let Some(upstream) = upstream {
            self.state.lock().upstream = Arc::new(Upstream::parse(upstream));
            self.know(Known::UNKNOWN);
        }
        if moves || upstream.is_some() {
            self.end_connections(|_| true);
        }
        if !enabled {
            self.stop(&mut control).await;
        } else if let Err(error) = self.start(&mut control).await {
            let mut state = self.state.lock();
            state.listen = before.listen;
            state.upstream = Arc::new(Upstream::parse(&before.upstream));
            return Err(error);
        }
        Ok(self.view())
    }

    async fn relocate(
        self: &Arc<Self>,
        control: &mut Control,
        address: Option<SocketAddr>,
    ) -> Result<(), ProxyError> {
        let Some(address) = address else { return Ok(()) };
        let entrance = self.table().entrance();
        let fresh = Listener::start(self, address, entrance).await?;
        let further = std::mem::take(&mut control.further);
        self.stop(control).await;
        control.further = further;
        let mut state = self.state.lock();
        state.listen = fresh.address().to_string();
        state.enabled = true;
        self.turned(&mut state, entrance);
        control.listener = Some(fresh);
        Ok(())
    }

    /// Listens at `address` besides, until it is told otherwise or disabled.
    pub(in crate::proxy) async fn listen_also(
        self: &Arc<Self>,
        address: SocketAddr,
    ) -> Result<(), ProxyError> {
        let mut control = self.control.lock().await;
        let listener = Listener::start(self, address, self.table().entrance()).await?;
        control.further.push(listener);
        Ok(())
    }

    /// Ends the connections that came to `address`, and listens there no more if it is one besides.
    pub(in crate::proxy) async fn leave(&self, address: SocketAddr) {
        let mut control = self.control.lock().await;
        for listener in control.further.extract_if(.., |it| it.address() == address) {
            listener.close().await;
        }
        self.end_connections(|live| live.came_to() == address);
    }

    // === Toxics ===

    pub(in crate::proxy) async fn add_toxic(
        &self,
        config: ToxicConfig,
    ) -> Result<ToxicView, ProxyError> {
        self.edit(|table, next_connection| table.with(config, next_connection)).await
    }

    pub(in crate::proxy) async fn update_toxic(
        &self,
        name: &str,
        update: &ToxicUpdate,
    ) -> Result<ToxicView, ProxyError> {
        self.edit(|table, _| table.updated(name, update)).await
    }

    pub(in crate::proxy) async fn remove_toxic(&self, name: &str) -> Result<(), ProxyError> {
        self.edit(|table, _| table.without(name).map(|table| (table, ()))).await
    }

    pub(in crate::proxy) async fn remove_all_toxics(&self) -> Result<(), ProxyError> {
        self.edit(|table, _| Ok((table.emptied(), ()))).await
    }

    pub(in crate::proxy) fn toxic(&self, name: &str) -> Result<ToxicView, ProxyError> {
        self.table().view(name)
    }

    /// Replaces the table and returns when the entrance and every live connection have taken it up.
    async fn edit<R>(
        &self,
        change: impl FnOnce(&ToxicTable, u64) -> Result<(ToxicTable, R), ProxyError>,
    ) -> Result<R, ProxyError> {
        let control = self.control.lock().await;
        let (before, next_connection) = {
            let state = self.state.lock();
            (Arc::clone(&state.table), state.next_connection)
        };
        let (table, result) = change(&before, next_connection)?;
        if let Some(listener) = &control.listener {
            self.turned(&mut self.state.lock(), table.entrance());
            // First, because only this can fail: then nothing has changed.
            listener.turn(table.entrance()).await?;
        }
        for listener in &control.further {
            listener.turn(table.entrance()).await?;
        }
        let (acknowledgement, mut acknowledged) = mpsc::channel::<Infallible>(1);
        let table = Arc::new(table);
        let live: Vec<Arc<Live>> = {
            let mut state = self.state.lock();
            state.table = Arc::clone(&table);
            state.live.values().cloned().collect()
        };
        for connection in live {
            connection.post(|mail| {
                mail.table = Some(Arc::clone(&table));
                mail.acknowledgements.push(acknowledgement.clone());
            });
        }
        drop(acknowledgement);
        // Who changes something else meanwhile need not wait for this proxy's connections.
        drop(control);
        // `None` as soon as the last connection has dropped its sender.
        let _ = tokio::time::timeout(ACKNOWLEDGEMENT_WAIT, acknowledged.recv()).await;
        self.retire(&before, &table);
        Ok(result)
    }

    /// Keeps what removed toxics counted.
    fn retire(&self, before: &ToxicTable, after: &ToxicTable) {
        let mut state = self.state.lock();
        for toxic in before.iter() {
            if after.iter().all(|other| other.identity.id != toxic.identity.id) {
                let touched = toxic.identity.touched();
                *state.totals.touched.entry(toxic.identity.name.clone()).or_default() += touched;
            }
        }
    }

    // === Connections ===

    /// Takes in an accepted client, or resets it and says why.
    pub(in crate::proxy) fn admit(
        self: &Arc<Self>,
        stream: TcpStream,
        client: SocketAddr,
        came_to: SocketAddr,
    ) -> Result<(), Refused> {
        let (live, found_open) = {
            let mut state = self.state.lock();
            let connection = state.next_connection;
            state.next_connection += 1;
            state.totals.opened += 1;
            let refused = if descriptors::is_reserved(&stream) {
                Some(Refused::NoDescriptor)
            } else {
                (state.live.len() >= CONNECTIONS_MAX).then_some(Refused::Full)
            };
            if let Some(refused) = refused {
                *state.totals.closed.entry((Closer::Proxy, CloseManner::Reset)).or_default() += 1;
                state.refused();
                reset_on_close(&stream);
                return Err(refused);
            }
            let place = Place { seed: self.seed.fork("conn").index(connection), connection };
            let (shared, all_held) = (Arc::clone(&self.shared), Arc::clone(&self.all_held));
            let live = Arc::new(Live::new(place, (client, came_to), shared, all_held));
            let open = state.live.len().saturating_sub(state.leaving) as u64;
            let leaves = state.table.turn_away(&place, open).is_some();
            live.set_leaving(leaves);
            state.leaving += usize::from(leaves);
            state.live.insert(connection, Arc::clone(&live));
            (live, leaves.then_some(open))
        };
        let task = serve(Membership::new(Arc::clone(self), live), stream, found_open);
        // Its sockets stay where it begins: nothing crosses a thread while bytes flow.
        match self.lanes.iter().min_by_key(|lane| lane.tasks()) {
            Some(lane) => self.scope.spawn_on(lane, "connection", task),
            None => self.scope.spawn("connection", task),
        }
        Ok(())
    }

    /// A connection that was to be sent away goes on.
    pub(in crate::proxy) fn stays(&self, live: &Live) {
        self.state.lock().goes(live);
    }

    /// Says something to the clients of all open connections, or of one, that they did not ask for.
    pub(in crate::proxy) fn say(
        &self,
        connection: Option<u64>,
        bytes: &Bytes,
    ) -> Result<Said, ProxyError> {
        let live: Vec<Arc<Live>> = {
            let state = self.state.lock();
            match connection {
                None => state.live.values().cloned().collect(),
                Some(id) => {
                    vec![state.live.get(&id).cloned().ok_or(ProxyError::ConnectionNotFound)?]
                }
            }
        };
        let connections = live.iter().filter(|live| live.say(bytes)).count();
        Ok(Said { connections, refused: live.len() - connections })
    }

    pub(in crate::proxy) fn connection_ended(&self, live: &Live, ended: Ended) {
        if let Some(why) = live.opaque() {
            tracing::debug!(
                proxy = %self.name,
                conn = live.id(),
                reason = why,
                "the connection was not understood and only passed on"
            );
        }
        let mut state = self.state.lock();
        state.live.remove(&live.id());
        state.goes(live);
        live.ended(ended.by == Closer::Client);
        live.add_to(&mut state.totals);
        let flight = live.flight();
        if let Some(given_up) = flight.given_up() {
            keep(&mut state.given_up, GIVEN_UP_MAX, (live.id(), given_up));
        }
        keep(&mut state.closed, CLOSED_MAX, (live.id(), flight));
        // What it was still waiting for will not come.
        state.totals.outstanding = 0;
        *state.totals.closed.entry((ended.by, ended.how)).or_default() += 1;
        if ended.by == Closer::Refused {
            state.refused();
        }
    }

    pub(in crate::proxy) fn connections(&self) -> Vec<ConnectionView> {
        let live: Vec<Arc<Live>> = self.state.lock().live.values().cloned().collect();
        live.iter().map(|connection| connection.view()).collect()
    }

    /// The last messages of the connection that last carried `key`, open or just closed.
    pub(in crate::proxy) fn trace(
        &self,
        key: &[u8],
        seconds: &dyn Fn(Instant) -> f64,
    ) -> Option<WireTrace> {
        let state = self.state.lock();
        let open = state.live.values().filter_map(|live| Some((live.last_of(key)?, live.id())));
        let closed = state.closed.iter();
        let closed = closed.filter_map(|(id, flight)| Some((flight.last_of(key)?, *id)));
        let (_, id) = open.chain(closed).max()?;
        let flight = match state.live.get(&id) {
            Some(live) => live.flight(),
            None => state.closed.iter().find(|(closed, _)| *closed == id)?.1.clone(),
        };
        Some(flight.trace(id, key, seconds))
    }

    /// The messages of the connection that carried the first write of `key` at `since` or later, open or
    /// closed.
    pub(in crate::proxy) fn trace_of_write(
        &self,
        key: &[u8],
        since: Instant,
        seconds: &dyn Fn(Instant) -> f64,
    ) -> Option<WireTrace> {
        let state = self.state.lock();
        let open = state.live.values().map(|live| (live.id(), live.flight()));
        let closed = state.given_up.iter().chain(&state.closed).cloned();
        let candidates = open.chain(closed);
        let carried =
            candidates.filter_map(|(id, flight)| Some((flight.write_of(key, since)?, id, flight)));
        let (_, id, flight) = carried.min_by_key(|(at, id, _)| (*at, *id))?;
        Some(flight.trace(id, key, seconds))
    }
}

impl State {
    /// A connection is no longer being sent away, if it was.
    fn goes(&mut self, live: &Live) {
        self.leaving -= usize::from(live.set_leaving(false));
    }

    /// A client was turned away before a server was reached.
    fn refused(&mut self) {
        *self.totals.refused.get_or_insert_default() += 1;
    }
}

/// Keeps one more of the last `most`.
fn keep<T>(kept: &mut VecDeque<T>, most: usize, one: T) {
    if kept.len() >= most {
        kept.pop_front();
    }
    kept.push_back(one);
}
