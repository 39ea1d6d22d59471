//! The toxics of one proxy: an immutable table that every connection reads and that each change
//! replaces.

use std::sync::Arc;
use std::time::Duration;

use rand::RngExt;
use tokio::time::Instant;

use crate::base::family::Settings;
use crate::proxy::config::{Direction, TOXICS_MAX, ToxicConfig, ToxicUpdate, ToxicView};
use crate::proxy::error::ProxyError;
use crate::proxy::fault::identity::{Identity, Place};
use crate::proxy::fault::kind::{Fault, TOXICS};
use crate::proxy::fault::message::{Active, RuleSpec};
use crate::proxy::fault::toxic::{Age, Entrance, Farewell, Toxic};

/// One toxic of a proxy.
#[derive(Debug)]
pub(in crate::proxy) struct ActiveToxic {
    pub(in crate::proxy) identity: Arc<Identity>,
    kind: &'static str,
    toxicity: f32,
    attributes: Settings,
    /// One for each direction, so that what connections share is not shared by both.
    faults: [Fault; 2],
    /// The first connection that was opened after it was added.
    since_connection: u64,
}

impl ActiveToxic {
    fn new(config: ToxicConfig, id: u64, since_connection: u64) -> Result<Self, ProxyError> {
        let kind = TOXICS
            .find(&config.kind)
            .ok_or_else(|| ProxyError::InvalidToxicType { hint: TOXICS.unknown(&config.kind) })?;
        let attributes = kind.complete(&config.attributes)?;
        let name = config.name.unwrap_or_else(|| format!("{}_{}", kind.name, config.stream));
        Ok(Self {
            identity: Arc::new(Identity::new(id, name, config.stream)),
            kind: kind.name,
            toxicity: config.toxicity,
            faults: [*kind.make(&attributes)?, *kind.make(&attributes)?],
            attributes,
            since_connection,
        })
    }

    fn updated(&self, update: &ToxicUpdate) -> Result<Self, ProxyError> {
        let mut attributes = self.attributes.clone();
        for (name, value) in update.attributes.iter() {
            attributes.insert(name, value.clone());
        }
        let config = ToxicConfig {
            name: None,
            kind: self.kind.to_owned(),
            stream: self.identity.stream,
            toxicity: update.toxicity.unwrap_or(self.toxicity),
            attributes,
        };
        let fresh = Self::new(config, self.identity.id, self.since_connection)?;
        Ok(Self { identity: Arc::new(self.identity.updated()), ..fresh })
    }

    pub(in crate::proxy) fn view(&self) -> ToxicView {
        ToxicView {
            name: self.identity.name.clone(),
            kind: self.kind.to_owned(),
            stream: self.identity.stream,
            toxicity: self.toxicity,
            attributes: self.attributes.clone(),
            counts: self.rule().map(|_| self.identity.counts()),
        }
    }

    fn fault(&self, direction: Direction) -> &Fault {
        let [up, down] = &self.faults;
        match direction {
            Direction::Up => up,
            Direction::Down => down,
        }
    }

    /// The message fault that it is, if it is one: the same whatever the direction.
    fn rule(&self) -> Option<&Arc<RuleSpec>> {
        self.fault(Direction::Down).rule()
    }

    /// Whether it acts there. The draw depends on nothing but the seed, the connection and the toxic's
    /// name, so a neighbour or an update never changes it.
    fn is_drawn(&self, direction: Direction, place: &Place) -> bool {
        let draws = self.identity.seed(direction, place).fork("toxicity");
        draws.stream().random::<f32>() < self.toxicity
    }

    /// How long it lets this connection wait before the server is connected to.
    fn connect_delay(&self, place: &Place) -> Duration {
        match self.fault(Direction::Down).toxic() {
            Some(toxic) if self.age(place) == Age::New && self.is_drawn(Direction::Down, place) => {
                toxic.connect_delay(&mut self.identity.whole_draws(place))
            }
            _ => Duration::ZERO,
        }
    }

    /// How this connection is sent away, when it finds so many others open.
    fn turn_away(&self, place: &Place, open: u64) -> Option<Farewell> {
        let farewell = self.fault(Direction::Down).toxic()?.turn_away(open)?;
        (self.age(place) == Age::New && self.is_drawn(Direction::Down, place)).then_some(farewell)
    }

    fn age(&self, place: &Place) -> Age {
        if place.connection < self.since_connection { Age::Established } else { Age::New }
    }

    /// A fresh state, or one that goes on from what an earlier generation carried; none where it does
    /// not act on the bytes of this direction of this connection.
    pub(super) fn start(
        &self,
        now: Instant,
        direction: Direction,
        place: &Place,
        carried: Option<u64>,
    ) -> Option<Box<dyn Toxic>> {
        let toxic = self.fault(direction).toxic()?;
        let whole = toxic.needs_both_directions();
        let drawn = if whole { Direction::Down } else { direction };
        let runs = (whole || self.identity.stream.covers(direction))
            && toxic.affects(self.age(place))
            && self.is_drawn(drawn, place);
        let draws = || self.identity.draws(direction, place);
        runs.then(|| match carried {
            Some(carried) => toxic.resume(now, draws(), carried),
            None => toxic.start(now, draws()),
        })
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
        if self.find(&toxic.identity.name).is_ok() {
            return Err(ProxyError::ToxicExists);
        }
        let view = toxic.view();
        let mut table = Self { created: self.created + 1, toxics: self.toxics.clone() };
        let place =
            table.toxics.partition_point(|other| other.identity.stream <= toxic.identity.stream);
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
        self.toxics
            .iter()
            .position(|toxic| toxic.identity.name == name)
            .ok_or(ProxyError::ToxicNotFound)
    }

    pub(in crate::proxy) fn iter(&self) -> impl DoubleEndedIterator<Item = &Arc<ActiveToxic>> {
        self.toxics.iter()
    }

    /// The message faults that act on this connection.
    pub(in crate::proxy) fn rules(&self, place: &Place) -> Vec<Active<'_>> {
        let rules = self.toxics.iter().filter_map(|toxic| {
            let rule = toxic.rule()?;
            let acts = rule.affects(toxic.age(place)) && toxic.is_drawn(Direction::Down, place);
            acts.then_some((&toxic.identity, rule))
        });
        rules.collect()
    }

    /// The toxics that let this connection wait before the server is connected to, and how long each.
    pub(in crate::proxy) fn connect_delays(
        &self,
        place: &Place,
    ) -> impl Iterator<Item = (&Arc<ActiveToxic>, Duration)> {
        let delays = self.toxics.iter().map(|toxic| (toxic, toxic.connect_delay(place)));
        delays.filter(|(_, delay)| !delay.is_zero())
    }

    /// The first toxic that sends this connection away, when it finds so many others open, and how.
    pub(in crate::proxy) fn turn_away(
        &self,
        place: &Place,
        open: u64,
    ) -> Option<(&Arc<Identity>, Farewell)> {
        let mut toxics = self.toxics.iter();
        toxics.find_map(|toxic| Some((&toxic.identity, toxic.turn_away(place, open)?)))
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
            .map(|toxic| toxic.fault(Direction::Down).entrance())
            .max()
            .unwrap_or_default()
    }
}
