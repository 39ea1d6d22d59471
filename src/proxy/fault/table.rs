//! The toxics of one proxy: an immutable table that every connection reads and that each change
//! replaces.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rand::RngExt;
use tokio::time::Instant;

use crate::base::family::Settings;
use crate::base::seed::{Seed, Stream as Draws};
use crate::proxy::config::{
    Direction, FaultCounts, Stream, TOXICS_MAX, ToxicConfig, ToxicUpdate, ToxicView,
};
use crate::proxy::error::ProxyError;
use crate::proxy::fault::message::RuleSpec;
use crate::proxy::fault::toxic::{Age, Entrance, TOXICS, Toxic, ToxicSpec};

/// One toxic of a proxy.
#[derive(Debug)]
pub(in crate::proxy) struct ActiveToxic {
    /// Tells it from every other toxic that this proxy ever had.
    pub(in crate::proxy) id: u64,
    /// Counts its updates.
    pub(in crate::proxy) generation: u64,
    pub(in crate::proxy) name: String,
    kind: &'static str,
    stream: Stream,
    toxicity: f32,
    attributes: Settings,
    /// One for each direction, so that what connections share is not shared by both.
    specs: [Box<dyn ToxicSpec>; 2],
    /// The first connection that was opened after it was added.
    since_connection: u64,
    /// Operations and connections that it touched; survives updates.
    pub(in crate::proxy) touched: Arc<AtomicU64>,
    /// What a message fault meant and passed on; survives updates.
    pub(in crate::proxy) passed: Arc<Passed>,
}

/// What a message fault meant and passed on.
#[derive(Debug, Default)]
pub(in crate::proxy) struct Passed {
    /// Nobody could be certain of its place.
    pub(in crate::proxy) uncertain: AtomicU64,
    /// It had nothing that could be done to it.
    pub(in crate::proxy) could_not_fire: AtomicU64,
}

impl ActiveToxic {
    fn new(config: ToxicConfig, id: u64, since_connection: u64) -> Result<Self, ProxyError> {
        let kind = TOXICS
            .find(&config.kind)
            .ok_or_else(|| ProxyError::InvalidToxicType { hint: TOXICS.unknown(&config.kind) })?;
        let attributes = kind.complete(&config.attributes)?;
        Ok(Self {
            id,
            generation: 0,
            name: config.name.unwrap_or_else(|| format!("{}_{}", kind.name, config.stream)),
            kind: kind.name,
            stream: config.stream,
            toxicity: config.toxicity,
            specs: [kind.make(&attributes)?, kind.make(&attributes)?],
            attributes,
            since_connection,
            touched: Arc::default(),
            passed: Arc::default(),
        })
    }

    fn updated(&self, update: &ToxicUpdate) -> Result<Self, ProxyError> {
        let mut attributes = self.attributes.clone();
        for (name, value) in update.attributes.iter() {
            attributes.insert(name, value.clone());
        }
        let config = ToxicConfig {
            name: Some(self.name.clone()),
            kind: self.kind.to_owned(),
            stream: self.stream,
            toxicity: update.toxicity.unwrap_or(self.toxicity),
            attributes,
        };
        let fresh = Self::new(config, self.id, self.since_connection)?;
        Ok(Self {
            generation: self.generation + 1,
            touched: Arc::clone(&self.touched),
            passed: Arc::clone(&self.passed),
            ..fresh
        })
    }

    pub(in crate::proxy) fn view(&self) -> ToxicView {
        ToxicView {
            name: self.name.clone(),
            kind: self.kind.to_owned(),
            stream: self.stream,
            toxicity: self.toxicity,
            attributes: self.attributes.clone(),
            counts: self.rule().map(|_| self.counts()),
        }
    }

    fn counts(&self) -> FaultCounts {
        let Passed { uncertain, could_not_fire } = &*self.passed;
        let [fired, passed_as_uncertain, could_not_fire] =
            [&*self.touched, uncertain, could_not_fire].map(|count| count.load(Ordering::Relaxed));
        FaultCounts { fired, passed_as_uncertain, could_not_fire }
    }

    /// Whether it runs on this direction of this connection. The draw depends on nothing but the
    /// seed, the connection and the toxic's name, so a neighbour or an update never changes it.
    pub(in crate::proxy) fn runs_on(&self, direction: Direction, place: &Place) -> bool {
        let spec = self.spec(direction);
        spec.rule().is_none()
            && self.stream.covers(direction)
            && spec.affects(self.age(place))
            && self.is_drawn(direction, place)
    }

    fn spec(&self, direction: Direction) -> &dyn ToxicSpec {
        let [up, down] = &self.specs;
        match direction {
            Direction::Up => &**up,
            Direction::Down => &**down,
        }
    }

    /// The message fault that it is, if it is one: the same whatever the direction.
    fn rule(&self) -> Option<&Arc<RuleSpec>> {
        self.spec(Direction::Down).rule()
    }

    fn is_drawn(&self, direction: Direction, place: &Place) -> bool {
        place.seed(self, direction).fork("toxicity").stream().random::<f32>() < self.toxicity
    }

    /// The draws of what acts on this connection as a whole: a message fault, a slow connect.
    pub(in crate::proxy) fn whole_draws(&self, place: &Place) -> Draws {
        place.seed(self, Direction::Down).index(self.generation).stream()
    }

    /// Whether messages of this direction are meant.
    pub(in crate::proxy) const fn covers(&self, direction: Direction) -> bool {
        self.stream.covers(direction)
    }

    /// How long it lets this connection wait before the server is connected to.
    fn connect_delay(&self, place: &Place) -> Duration {
        if self.age(place) == Age::Established || !self.is_drawn(Direction::Down, place) {
            return Duration::ZERO;
        }
        self.spec(Direction::Down).connect_delay(&mut self.whole_draws(place))
    }

    fn age(&self, place: &Place) -> Age {
        if place.connection < self.since_connection { Age::Established } else { Age::New }
    }

    /// A fresh state, or one that goes on from what an earlier generation carried.
    pub(in crate::proxy) fn start(
        &self,
        now: Instant,
        direction: Direction,
        place: &Place,
        carried: Option<u64>,
    ) -> Box<dyn Toxic> {
        let draws = place.seed(self, direction).index(self.generation).stream();
        match carried {
            Some(carried) => self.spec(direction).resume(now, draws, carried),
            None => self.spec(direction).start(now, draws),
        }
    }

    pub(in crate::proxy) fn touch(&self, operations: u32) {
        self.touched.fetch_add(operations.into(), Ordering::Relaxed);
    }
}

/// Which connection of which proxy: where its draws come from.
#[derive(Clone, Copy, Debug)]
pub(in crate::proxy) struct Place {
    /// The seed of the connection: `proxy[name]/conn[i]`.
    pub(in crate::proxy) seed: Seed,
    /// Counts the connections of the proxy.
    pub(in crate::proxy) connection: u64,
}

impl Place {
    fn seed(&self, toxic: &ActiveToxic, direction: Direction) -> Seed {
        let label = match direction {
            Direction::Up => "up",
            Direction::Down => "down",
        };
        self.seed.fork(&toxic.name).fork(label)
    }
}

/// The toxics of a proxy at one moment, in the order in which bytes pass them.
#[derive(Clone, Debug, Default)]
pub(in crate::proxy) struct ToxicTable {
    toxics: Vec<Arc<ActiveToxic>>,
    created: u64,
}

impl ToxicTable {
    /// The table of a new proxy.
    pub(in crate::proxy) fn of(configs: Vec<ToxicConfig>) -> Result<Self, ProxyError> {
        let mut table = Self::default();
        for config in configs {
            table = table.with(config, 0)?.0;
        }
        Ok(table)
    }

    pub(in crate::proxy) fn with(
        &self,
        config: ToxicConfig,
        since_connection: u64,
    ) -> Result<(Self, ToxicView), ProxyError> {
        if self.toxics.len() >= TOXICS_MAX {
            return Err(ProxyError::TooManyToxics);
        }
        let toxic = ActiveToxic::new(config, self.created, since_connection)?;
        if self.find(&toxic.name).is_ok() {
            return Err(ProxyError::ToxicExists);
        }
        let view = toxic.view();
        let mut table = Self { created: self.created + 1, toxics: self.toxics.clone() };
        let place = table.toxics.partition_point(|other| other.stream <= toxic.stream);
        table.toxics.insert(place, Arc::new(toxic));
        Ok((table, view))
    }

    pub(in crate::proxy) fn updated(
        &self,
        name: &str,
        update: &ToxicUpdate,
    ) -> Result<(Self, ToxicView), ProxyError> {
        let place = self.find(name)?;
        let toxic = self.toxics[place].updated(update)?;
        let view = toxic.view();
        let mut table = self.clone();
        table.toxics[place] = Arc::new(toxic);
        Ok((table, view))
    }

    pub(in crate::proxy) fn without(&self, name: &str) -> Result<Self, ProxyError> {
        let place = self.find(name)?;
        let mut table = self.clone();
        table.toxics.remove(place);
        Ok(table)
    }

    /// No toxics; what comes later is still told from what was.
    pub(in crate::proxy) const fn emptied(&self) -> Self {
        Self { toxics: Vec::new(), created: self.created }
    }

    fn find(&self, name: &str) -> Result<usize, ProxyError> {
        self.toxics.iter().position(|toxic| toxic.name == name).ok_or(ProxyError::ToxicNotFound)
    }

    pub(in crate::proxy) fn iter(&self) -> impl DoubleEndedIterator<Item = &Arc<ActiveToxic>> {
        self.toxics.iter()
    }

    /// The message faults that act on this connection.
    pub(in crate::proxy) fn rules(
        &self,
        place: &Place,
    ) -> Vec<(&Arc<ActiveToxic>, &Arc<RuleSpec>)> {
        self.toxics
            .iter()
            .filter_map(|toxic| Some((toxic, toxic.rule()?)))
            .filter(|(toxic, _)| toxic.is_drawn(Direction::Down, place))
            .collect()
    }

    /// The toxics that let this connection wait before the server is connected to, and how long each.
    pub(in crate::proxy) fn connect_delays(
        &self,
        place: &Place,
    ) -> impl Iterator<Item = (&Arc<ActiveToxic>, Duration)> {
        let delays = self.toxics.iter().map(|toxic| (toxic, toxic.connect_delay(place)));
        delays.filter(|(_, delay)| !delay.is_zero())
    }

    pub(in crate::proxy) fn is_empty(&self) -> bool {
        self.toxics.is_empty()
    }

    pub(in crate::proxy) fn views(&self) -> Vec<ToxicView> {
        self.toxics.iter().map(|toxic| toxic.view()).collect()
    }

    pub(in crate::proxy) fn view(&self, name: &str) -> Result<ToxicView, ProxyError> {
        Ok(self.toxics[self.find(name)?].view())
    }

    /// What happens to new connections. A toxic that spares some connections cannot be at the
    /// entrance: it meets those that were drawn once they are open.
    pub(in crate::proxy) fn entrance(&self) -> Entrance {
        self.toxics
            .iter()
            .filter(|toxic| toxic.toxicity >= 1.0)
            .map(|toxic| toxic.spec(Direction::Down).entrance())
            .max()
            .unwrap_or_default()
    }
}
