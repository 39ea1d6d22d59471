//! The end of a run: everything is taken down, upstream first, and the facts are gathered.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::control::Control;
use super::desk::{Broken, Desk, End};
use super::facts;
use super::stage::Stage;
use crate::base::scope::Closed;
use crate::event::{FaultRecord, Phase, SERVICE, SubjectFacts};
use crate::fleet::{Host, Seat};
use crate::load;
use crate::record::{HarnessTotals, Inputs, Partial, Recorder};
use crate::subject::Subject;

/// How long the tasks of a run may take to end.
pub(super) const CLOSE_GRACE: Duration = Duration::from_secs(5);

impl Stage {
    fn facts_of_subject(&self) -> SubjectFacts {
        let mut facts = self.subject.facts();
        if let Some(command) = &mut facts.command {
            command.rounds = self.rounds.load(Ordering::Relaxed);
        }
        facts
    }

    /// Takes everything down, upstream first, and gathers the facts.
    pub(super) async fn tear_down(
        mut self,
        desk: &mut Desk<'_>,
        end: End,
        records: &[FaultRecord],
        left_out: Option<String>,
    ) -> (Inputs, Recorder) {
        let ended = self.clock.now();
        let planted: Vec<String> = self.planted().collect();
        let noise = self.noise.lock().measured();
        self.begin(Phase::Drain);
        // A drain may be long: whoever looks on knows before it that every fault is healed.
        desk.deliver_waiting();
        desk.observer.note("draining");
        // The API's end is not judged: a client that holds a request open is no task that leaks.
        let control = self.control.take();
        let closed = async {
            if let Some(control) = &control {
                control.close().await;
            }
        };
        let (totals, ()) = tokio::join!(self.subject.drain(), closed);
        if let Some(origin) = totals.as_ref().and_then(|totals| totals.origin) {
            desk.observer.note(&origin.to_string());
        }
        let end = match (end, self.subject.trouble()) {
            // Since the last look at it, or while the load was drained.
            (End::Complete, Some(trouble)) => End::Broken(Broken::Subject(trouble)),
            (end, _) => end,
        };
        let (dialled, snapshots) = (self.dialled(), self.subject.snapshot().unwrap_or_default());
        let last = self.recorder.intervals(self.clock.now(), &self.live());
        desk.add_intervals(last);
        let subject = self.facts_of_subject();
        let watched = self.wire.into_inner().finish(&self.lab);
        self.board.stop(watched.taps);
        let preloaded = self.preloaded.into_inner();
        let dials = self.dials.into_inner().finish(&dialled);
        desk.keep_output(self.subject.output());
        self.subject.close().await;
        let nodes = self.lab.info().len();
        let kept = Self::kept(self.keeping, self.fleet.as_ref(), nodes, records).await;
        let settled = totals.as_ref().map(|totals| load::settle(&totals.gone, &kept));
        let settled = settled.unwrap_or_default();
        let nodes = facts::nodes(self.lab.info(), &snapshots, &settled);
        let backends = self.lab.info().iter().map(facts::backend).collect();
        let data = totals.as_ref().map(|totals| facts::data(totals, &settled));
        let makes_its_own = format!("the {} makes its calls itself", subject.kind);
        let data = match data {
            None if subject.command.is_some() => facts::unseen_data(&makes_its_own),
            Some(_) if subject.kind == SERVICE => facts::unseen_data(&makes_its_own),
            Some(_) if matches!(end, End::Short) => facts::unseen_data(
                "not every key could be stored before the run, so nothing was read",
            ),
            data => data.unwrap_or_default(),
        };
        let roams = facts::roams(&self.lab, records);
        let lab_closed = self.lab.close().await;
        let scope_closed = self.scope.close(CLOSE_GRACE).await;
        let closed = if lab_closed == Closed::Clean { scope_closed } else { lab_closed };
        let partial = match &end {
            End::Complete => None,
            End::Interrupted => Some(Partial::Interrupted),
            End::Short => Some(Partial::NotPreloaded),
            End::Broken(Broken::Harness(_)) => Some(Partial::Error),
            End::Broken(Broken::Subject(_)) => Some(Partial::Driver),
        };
        let mut limits = desk.limits();
        // First, because not every format shows all of them.
        let meddling = control.as_ref().and_then(Control::meddling);
        limits.splice(0..0, meddling.into_iter().chain(planted));
        let missing = self.fleet.as_ref().and_then(Seat::host).map(Host::missing);
        limits.splice(0..0, missing.into_iter().flatten());
        limits.splice(0..0, watched.totals.as_ref().and_then(facts::foreign));
        // Of a command, and of a run that was none, one line says all.
        let is_told = left_out.is_none() && !matches!(end, End::Short);
        let unseen = is_told.then(|| facts::data_limits(&data, &settled));
        let roams = totals.as_ref().and(roams);
        limits.extend(totals.as_ref().and_then(facts::waited_turns));
        limits.splice(0..0, unseen.into_iter().flatten().chain(roams).chain(left_out));
        if let End::Broken(Broken::Harness(what) | Broken::Subject(what)) = end {
            limits.insert(0, what);
        }
        let inputs = Inputs {
            ended,
            partial,
            load: totals.as_ref().map(|totals| totals.facts(&preloaded)).unwrap_or_default(),
            data,
            wire: watched.counts,
            wire_totals: watched.totals,
            wire_nodes: watched.nodes,
            dials,
            nodes,
            backends,
            subject: Some(subject),
            harness: HarnessTotals {
                calibration: self.calibration.into_inner(),
                limits,
                tasks: closed,
                ..noise
            },
            faults: records.to_vec(),
        };
        (inputs, self.recorder)
    }
}
