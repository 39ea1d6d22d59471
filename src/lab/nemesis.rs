//! Walks the timeline, owns every active fault, and heals all of them on the way out.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep_until, timeout};

use super::Lab;
use super::error::{LabError, failed};
use super::injector::ActiveToxic;
use super::timeline::{After, Fact, FaultSpec, Step, Timeline};
use super::together;
use crate::base::name::NodeIndex;
use crate::base::time::RunClock;
use crate::control::Told;
use crate::event::FaultRecord;
use crate::event::{EventKind, Events, ProcessChange};
use crate::lab::fault::{FAULTS, NodeAction};
use crate::proxy::SoughtRequests;
use crate::proxy::fault::{Entrance, TOXICS};

/// A fault of the plan, nothing done yet; who does it, where that may be the kernel.
pub fn planned(fault: &FaultSpec, by_kernel: Option<bool>) -> FaultRecord {
    FaultRecord {
        name: fault.name.clone(),
        kind: fault.fault.kind.clone(),
        nodes: fault.nodes.clone(),
        parameters: parameters(fault, by_kernel),
        applied: None,
        healed: None,
        operations_touched: None,
    }
}

/// How often it is looked whether something has happened that a fault waits for.
const LOOK: Duration = Duration::from_millis(10);

/// How long a node may take to do what a fault is: one that stands still does nothing. A busy machine takes a second or
/// two to end or to start a process.
const ACT_MAX: Duration = Duration::from_secs(10);

/// Who knows whether something has happened that faults wait for.
pub struct Witness<'lab> {
    /// How long the fault phase is: what has not happened by then never does.
    pub phase: Duration,
    /// What was said to have happened.
    pub told: Option<&'lab Told>,
    /// Whether the breaker of a node is open.
    pub is_open: Box<dyn Fn(NodeIndex) -> bool + 'lab>,
}

impl fmt::Debug for Witness<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Witness").field("phase", &self.phase).finish_non_exhaustive()
    }
}

/// The scheduler of one run's faults.
#[derive(Debug)]
pub struct Nemesis<'lab> {
    lab: &'lab Lab,
    faults: &'lab [FaultSpec],
    records: Vec<FaultRecord>,
    active: BTreeMap<usize, Active>,
    clock: RunClock,
    events: Events,
    /// None: every fault begins at its time.
    witness: Option<Witness<'lab>>,
}

/// A fault that must be healed, perhaps by a second attempt where the first was cut short.
#[derive(Clone, Debug)]
#[must_use = "an active fault that is dropped stays active"]
enum Active {
    Network(Vec<ActiveToxic>),
    Node(NodeAction),
}

impl<'lab> Nemesis<'lab> {
    /// A nemesis for `faults`, nothing applied yet.
    /// That the lab can do them was asked before it was started: [`LabConfig::can`](super::LabConfig::can).
    pub fn new(lab: &'lab Lab, faults: &'lab [FaultSpec], clock: RunClock, events: Events) -> Self {
        let records =
            faults.iter().map(|fault| planned(fault, lab.injector().is_kernels(fault))).collect();
        Self { lab, faults, records, active: BTreeMap::new(), clock, events, witness: None }
    }

    /// The same, with faults that wait for something.
    #[must_use]
    pub fn watching(self, witness: Witness<'lab>) -> Self {
        Self { witness: Some(witness), ..self }
    }

    /// Applies and heals every fault at its time after `start`, or after what it waits for; ends with the
    /// phase where that never comes. When it is cancelled (dropped) in the middle,
    /// [`Nemesis::heal_all`] takes back what is active.
    ///
    /// # Errors
    /// When a fault cannot be applied or healed.
    pub async fn run(&mut self, start: Instant) -> Result<(), LabError> {
        let mut timeline = Timeline::new(self.faults);
        let sought = self.seek()?;
        // What was said before the phase is over.
        let _ = self.witness.iter().filter_map(|it| it.told).map(Told::take).count();
        loop {
            if let Some(step) = timeline.take(start.elapsed()) {
                match step {
                    Step::Apply(index) => self.apply(index).await?,
                    Step::Heal(index) => {
                        self.heal(index).await?;
                        timeline.tell(start.elapsed(), Fact::Healed(index));
                    }
                }
                continue;
            }
            let waits = self.witness.as_ref().filter(|_| timeline.waits() || self.counts());
            let Some(wake) = wake(timeline.next(), waits, start.elapsed()) else { return Ok(()) };
            sleep_until(start + wake).await;
            if let Some(witness) = waits {
                self.look(witness, &sought, start.elapsed(), &mut timeline);
            }
        }
    }

    /// Tells the timeline what has happened.
    fn look(
        &self,
        witness: &Witness<'_>,
        sought: &[(usize, Arc<SoughtRequests>)],
        now: Duration,
        timeline: &mut Timeline<'_>,
    ) {
        for (index, requests) in sought {
            timeline.tell(now, Fact::Requests(*index, requests.passed()));
        }
        for (index, active) in self.counting() {
            if let Active::Network(toxics) = active
                && let Some(touched) = self.lab.injector().touched(toxics)
            {
                timeline.tell(now, Fact::Touched(index, touched));
            }
        }
        for name in witness.told.map(Told::take).unwrap_or_default() {
            timeline.tell(now, Fact::Event(&name));
            self.events.emit(EventKind::EventTold { name });
        }
        let asks = |fault: &&FaultSpec| fault.after == Some(After::BreakerOpen);
        for node in self.faults.iter().filter(asks).flat_map(|fault| &fault.nodes) {
            if (witness.is_open)(*node) {
                timeline.tell(now, Fact::Open(*node));
            }
        }
    }

    /// Counts the requests that faults wait for, from now on.
    fn seek(&self) -> Result<Vec<(usize, Arc<SoughtRequests>)>, LabError> {
        let waiting = self.faults.iter().enumerate().filter_map(|(index, fault)| {
            let Some(After::Requests(awaited)) = self.lab.on_the_wire(fault).after else {
                return None;
            };
            let names: Vec<String> = fault.nodes.iter().map(ToString::to_string).collect();
            let names = names.iter().map(String::as_str);
            let sought = self.lab.proxies().seek(names, &awaited.command, &awaited.key);
            Some(sought.map(|sought| (index, sought)).map_err(|what| failed(fault, what)))
        });
        waiting.collect()
    }

    /// Active faults that end when they have touched enough.
    fn counting(&self) -> impl Iterator<Item = (usize, &Active)> {
        let active = self.active.iter().map(|(index, active)| (*index, active));
        active.filter(|(index, _)| self.faults[*index].until_touched.is_some())
    }

    fn counts(&self) -> bool {
        self.counting().next().is_some()
    }

    /// Takes back every fault that is active, whatever fails on the way; returns the first failure.
    ///
    /// # Errors
    /// When a fault could not be healed.
    pub async fn heal_all(&mut self) -> Result<(), LabError> {
        let indices: Vec<usize> = self.active.keys().copied().collect();
        let mut result = Ok(());
        for index in indices {
            let healed = self.heal(index).await;
            if result.is_ok() {
                result = healed;
            }
        }
        result
    }

    /// What became of every fault.
    #[must_use]
    pub fn records(&self) -> &[FaultRecord] {
        &self.records
    }

    async fn apply(&mut self, index: usize) -> Result<(), LabError> {
        let fault = &self.faults[index];
        // When a fault begins that waits for something was not known before: it is left out, and said never to have begun.
        if together::excluding(self.faults, self.active.keys().copied(), index).is_some() {
            return Ok(());
        }
        // Noted before it is done: what is cut short or fails half-way is healed like a success.
        if FAULTS.find(&fault.fault.kind).is_some() {
            let action = node_action(fault)?;
            self.active.insert(index, Active::Node(action));
            if let Some(touched) = self.begin(fault, action).await? {
                *self.records[index].operations_touched.get_or_insert(0) += touched;
            }
        } else {
            let (injector, on_the_wire) = (self.lab.injector(), self.lab.on_the_wire(fault));
            self.active.insert(index, Active::Network(injector.toxics(fault)));
            injector.apply(&on_the_wire).await.map_err(|what| failed(fault, what))?;
        }
        self.records[index].applied.get_or_insert_with(|| self.clock.now());
        self.events.emit(EventKind::FaultApplied {
            fault: fault.name.clone(),
            kind: fault.fault.kind.clone(),
            nodes: fault.nodes.clone(),
        });
        Ok(())
    }

    /// Returns how many operations it touched at once, where that was counted.
    async fn begin(&self, fault: &FaultSpec, action: NodeAction) -> Result<Option<u64>, LabError> {
        let mut touched = None;
        for &node in &fault.nodes {
            if action.loses_data() {
                // Said first, so that no read can miss before the oracle knows why.
                self.lab.losing(node).await;
                self.lab.data_lost(node);
            }
            let group = fault.group.as_deref();
            let begun = timeout(ACT_MAX, self.lab.begin(node, action, group)).await;
            let silent = || Err(format!("{node} did nothing for {} s", ACT_MAX.as_secs()));
            let counted = begun.unwrap_or_else(|_| silent()).map_err(|what| failed(fault, what))?;
            touched = touched.into_iter().chain(counted).reduce(u64::saturating_add);
            if action.loses_data() && action != NodeAction::Kill {
                // What was written between the word and the deed is lost as well.
                self.lab.data_lost(node);
            }
            let change = match action {
                NodeAction::Kill => ProcessChange::Killed,
                NodeAction::Pause => ProcessChange::Stopped,
                _ => continue,
            };
            self.events.emit(EventKind::Process { node, change });
        }
        Ok(touched)
    }

    async fn heal(&mut self, index: usize) -> Result<(), LabError> {
        // It stays listed until it is healed: who is cut short here (Ctrl-C) must heal it again.
        let Some(active) = self.active.get(&index).cloned() else { return Ok(()) };
        let fault = &self.faults[index];
        match active {
            Active::Network(toxics) => {
                let healed = self.lab.injector().heal(toxics).await;
                self.active.remove(&index);
                let (touched, problem) = match healed {
                    Ok(touched) => (touched, None),
                    Err(what) => (None, Some(what)),
                };
                // Who is kept out is seen by nobody in here, and in TLS nobody sees what an operation is.
                let is_known = |touched: &u64| match *touched {
                    0 => !keeps_out(fault),
                    _ => !self.lab.speaks_tls(),
                };
                if let Some(touched) = touched.filter(is_known) {
                    *self.records[index].operations_touched.get_or_insert(0) += touched;
                }
                if let Some(what) = problem {
                    return Err(failed(fault, what));
                }
            }
            Active::Node(action) => {
                let ended = self.end(fault, action).await;
                self.active.remove(&index);
                if let Some(touched) = ended? {
                    *self.records[index].operations_touched.get_or_insert(0) += touched;
                }
            }
        }
        self.records[index].healed = Some(self.clock.now());
        self.events.emit(EventKind::FaultHealed {
            fault: fault.name.clone(),
            kind: fault.fault.kind.clone(),
            nodes: fault.nodes.clone(),
        });
        Ok(())
    }

    /// Returns how many operations it touched, where that was counted.
    async fn end(&self, fault: &FaultSpec, action: NodeAction) -> Result<Option<u64>, LabError> {
        let mut touched = None;
        for &node in &fault.nodes {
            if action == NodeAction::Kill {
                // Writes that were acknowledged while the node was dying are lost with it.
                self.lab.losing(node).await;
                self.lab.data_lost(node);
            }
            let ended = self.lab.end(node, action, fault.group.as_deref()).await;
            let counted = ended.map_err(|what| failed(fault, what))?;
            touched = touched.into_iter().chain(counted).reduce(u64::saturating_add);
            let change = match action {
                NodeAction::Kill => ProcessChange::Started,
                NodeAction::Pause => ProcessChange::Continued,
                _ => continue,
            };
            self.events.emit(EventKind::Process { node, change });
        }
        Ok(touched)
    }
}

/// When to look next: at the next step, and often while somebody waits, until the phase is over.
fn wake(next: Option<Duration>, waits: Option<&Witness<'_>>, now: Duration) -> Option<Duration> {
    let look = waits.filter(|witness| now < witness.phase);
    let look = look.map(|witness| (now + LOOK).min(witness.phase));
    next.into_iter().chain(look).min()
}

/// The settings in their text form, with the direction and share where there is a network, and who
/// does it where that may be the kernel.
fn parameters(fault: &FaultSpec, by_kernel: Option<bool>) -> BTreeMap<String, String> {
    let chosen = &fault.fault;
    let of_node = FAULTS.find(&chosen.kind);
    let toxic = TOXICS.find(&chosen.kind);
    let unit = |name: &str| match of_node {
        Some(kind) => kind.setting(name),
        None => toxic?.setting(name),
    };
    let mut parameters: BTreeMap<String, String> = chosen
        .settings
        .iter()
        .filter_map(|(name, value)| Some((name, unit(name)?.unit.format(value))))
        .map(|(name, text)| (name.to_owned(), text.trim_matches('"').to_owned()))
        .collect();
    if let Some(after) = &fault.after {
        parameters.insert("after".into(), after.to_string());
    }
    if let Some(touched) = fault.until_touched {
        parameters.insert("until".into(), format!("it has touched {touched} operations"));
    }
    if of_node.is_some() {
        return parameters;
    }
    if let Some(by_kernel) = by_kernel {
        parameters.insert("by".into(), if by_kernel { "kernel" } else { "proxy" }.into());
    }
    parameters.insert("stream".into(), fault.direction.name().into());
    if fault.toxicity < 1.0 {
        parameters.insert("toxicity".into(), format!("{}%", fault.toxicity * 100.0));
    }
    parameters
}

/// Whether it works on connections that are not open yet, which the kernel refuses or leaves waiting.
fn keeps_out(fault: &FaultSpec) -> bool {
    TOXICS.make(&fault.fault).is_ok_and(|toxic| toxic.entrance() != Entrance::Open)
}

fn node_action(fault: &FaultSpec) -> Result<NodeAction, LabError> {
    FAULTS.make(&fault.fault).map(|action| *action).map_err(|error| failed(fault, error.what))
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
    use tokio::net::TcpStream;

    use super::*;
    use crate::base::family::{Chosen, Settings};
    use crate::base::scope::Scope;
    use crate::base::seed::Seed;
    use crate::lab::LabConfig;
    use crate::lab::timeline::{Awaited, Direction};

    /// Polls once and drops, as Ctrl-C does in the middle.
    async fn cut_short(work: impl Future) {
        tokio::select! {
            biased;
            _ = work => {}
            () = std::future::ready(()) => {}
        }
    }

    fn fault(kind: &str) -> FaultSpec {
        FaultSpec {
            name: kind.into(),
            nodes: vec![NodeIndex(0)],
            at: Duration::ZERO,
            after: None,
            length: Duration::from_secs(1),
            until_touched: None,
            direction: Direction::Downstream,
            toxicity: 1.0,
            group: None,
            fault: Chosen { kind: kind.into(), settings: Settings::default() },
        }
    }

    /// Catches a fault that stays, or counts as never healed, because the applying or the healing of
    /// it was cut short.
    #[tokio::test]
    async fn what_was_cut_short_is_healed() {
        let scope = Scope::current("test");
        let lab = one_node(&scope).await;
        // Somebody has to acknowledge.
        let _client = TcpStream::connect(lab.info()[0].proxy_address).await.unwrap();
        for kind in ["refuse", "latency", "kill", "pause"] {
            let faults = [fault(kind)];
            let clock = RunClock::start();
            let mut nemesis = Nemesis::new(&lab, &faults, clock, Events::ignore());
            cut_short(nemesis.apply(0)).await;
            nemesis.heal_all().await.expect(kind);
            assert!(nemesis.records()[0].healed.is_some(), "{kind}");
            assert!(lab.proxies().get("n1").unwrap().toxics.is_empty(), "{kind}");

            nemesis.apply(0).await.unwrap();
            cut_short(nemesis.heal(0)).await;
            nemesis.heal_all().await.unwrap();
            assert!(nemesis.active.is_empty(), "{kind}");
            assert!(lab.proxies().get("n1").unwrap().toxics.is_empty(), "{kind}");
        }
        lab.close().await;
    }

    /// A lab of one embedded node.
    async fn one_node(scope: &Scope) -> Lab {
        let (seed, lost) = (Seed::new(7), Arc::new(|_: NodeIndex| {}));
        let config = LabConfig::embedded(1);
        Lab::start(&config, seed, Events::ignore(), lost, scope).await.unwrap()
    }

    /// Catches a fault that comes again and counts what it touched before a second time.
    #[tokio::test]
    async fn each_round_counts_what_it_touched() {
        let scope = Scope::current("test");
        let lab = one_node(&scope).await;
        let faults = [FaultSpec { fault: refusing(), ..fault("error") }];
        let mut nemesis = Nemesis::new(&lab, &faults, RunClock::start(), Events::ignore());
        let stream = TcpStream::connect(lab.info()[0].proxy_address).await.unwrap();
        let mut stream = BufReader::new(stream);
        for touched in 1..=3 {
            nemesis.apply(0).await.unwrap();
            stream.write_all(b"get k\r\n").await.unwrap();
            stream.read_line(&mut String::new()).await.unwrap();
            nemesis.heal(0).await.unwrap();
            assert_eq!(nemesis.records()[0].operations_touched, Some(touched));
        }
        drop(nemesis);
        lab.close().await;
    }

    /// A fault that answers every request with an error.
    fn refusing() -> Chosen {
        let kind = TOXICS.find("memcached_error").unwrap();
        Chosen { kind: kind.name.into(), settings: kind.complete(&Settings::default()).unwrap() }
    }

    /// Catches a fault that begins with requests for other keys, never begins or never ends, and a key that is not
    /// found on the wire because keys of a run have other names there.
    #[tokio::test]
    async fn a_fault_begins_with_a_request_and_ends_with_what_it_touched() {
        let scope = Scope::current("test");
        let lab = one_node(&scope).await;
        lab.know_own_keys("run:");
        let (command, key) = ("set".to_owned(), "k:7".to_owned());
        let faults = [FaultSpec {
            after: Some(After::Requests(Awaited { count: 2, command, key })),
            length: Duration::from_secs(60),
            until_touched: Some(3),
            fault: refusing(),
            ..fault("error")
        }];
        let nemesis = Nemesis::new(&lab, &faults, RunClock::start(), Events::ignore());
        let phase = Duration::from_secs(60);
        let is_open = Box::new(|_| false);
        let mut nemesis = nemesis.watching(Witness { phase, told: None, is_open });
        let address = lab.info()[0].proxy_address;
        let client = async {
            let mut stream = BufReader::new(TcpStream::connect(address).await.unwrap());
            let mut set = async |key: &str| {
                let request = format!("set {key} 0 0 1\r\nx\r\n");
                stream.write_all(request.as_bytes()).await.unwrap();
                let mut line = String::new();
                stream.read_line(&mut line).await.unwrap();
                line == "STORED\r\n"
            };
            for _ in 0..20 {
                assert!(set("run:k:8").await);
            }
            assert!(set("run:k:7").await);
            // Looked for every 10 ms, and nothing may have begun.
            sleep_until(Instant::now() + 5 * LOOK).await;
            assert!(set("run:k:8").await);
            while set("run:k:7").await {}
            let mut refused = 1;
            while !set("run:k:8").await {
                refused += 1;
            }
            refused
        };
        let (ran, refused) = tokio::join!(nemesis.run(Instant::now()), client);
        ran.unwrap();
        assert!(refused >= 3, "{refused}");
        assert_eq!(nemesis.records()[0].operations_touched, Some(refused));
        drop(nemesis);
        lab.close().await;
    }
}
