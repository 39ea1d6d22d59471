//! Goes through every check in turn and starts the driver again where one has left it useless.

use std::path::Path;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::cases::{self, Case};
use super::lists;
use super::session::{Asked, Session, Told, Trouble};
use super::stage::{Fault, Stage};
use super::step::{Judged, Step};
use super::stories::{self, Came, Homes, Verdict};
use super::{CheckError, Finding, Outcome, Summary};
use crate::base::scope::Scope;
use crate::driver::speech::Answer;
use crate::driver::{DriverConfig, StartError, Talk};
use crate::lab::{Backend, Programs};

/// How often a driver that ended or fell silent is started again. Later checks are skipped.
const RESTARTS_MAX: u32 = 3;

/// How many checks may go without an answer because the client gave a call to healthy nodes up: a machine
/// stands still for a second now and then, a client that always times out is of no use.
const TIMEOUTS_MAX: u32 = 2;

/// How many checks went without an answer.
#[derive(Debug, Default)]
pub(super) struct Patience(u32);

impl Patience {
    /// What came, or, where it is only that the client gave up, that this check found nothing out.
    pub(super) fn excuse(&mut self, came: Came) -> Came {
        match came {
            Err(Trouble { timed_out: true, came, .. }) if self.0 < TIMEOUTS_MAX => {
                self.0 += 1;
                let why = format!("it gave a call to healthy nodes up ({came}): a busy machine?");
                Ok(Verdict::Skipped(why))
            }
            came => came,
        }
    }
}

/// How long a read may take to see the write before it.
const SETTLED_MAX: Duration = Duration::from_secs(1);

/// A check under way: who is told, and how to start the driver.
struct Runner<'a> {
    config: &'a DriverConfig,
    harness: &'a Path,
    scope: &'a Scope,
    stage: &'a Stage,
    told: &'a mut (dyn FnMut(&Finding) + Send),
    summary: Summary,
    restarts: u32,
    patience: Patience,
}

/// Checks a driver from its first line to its last.
pub(super) async fn check_process(
    config: &DriverConfig,
    backend: Backend,
    programs: &Programs,
    told: &mut (dyn FnMut(&Finding) + Send),
) -> Result<Summary, CheckError> {
    let scope = Scope::current("check");
    let stage = Stage::start(config, backend, programs, &scope).await?;
    let summary = Summary { nodes: stage.nodes(), ..Summary::default() };
    let (stage_of, scope_of) = (&stage, &scope);
    let mut runner = Runner {
        config,
        harness: &programs.harness,
        scope: scope_of,
        stage: stage_of,
        told,
        summary,
        restarts: 0,
        patience: Patience::default(),
    };
    let done = runner.everything().await;
    let summary = runner.summary;
    stage.close(&scope).await;
    done.map(|()| summary).map_err(CheckError::from)
}

impl Runner<'_> {
    async fn everything(&mut self) -> Result<(), StartError> {
        let mut session = Some(self.start().await?);
        self.greet(session.as_ref());
        let expiring = stories::begin_expiry(&mut session).await;
        for case in cases::all_of(self.config.protocol) {
            self.renew(&mut session).await;
            let (expected, came) = play(&case, session.as_mut()).await;
            self.record(case.name, &expected, came);
        }
        self.renew(&mut session).await;
        let homes = stories::homes(session.as_mut(), self.stage).await;
        self.record(
            "keys on all nodes",
            "the keys to be spread over all nodes",
            stories::spread(&homes, self.stage),
        );
        for (name, expected, story) in stories::PLAIN {
            self.renew(&mut session).await;
            let came = match (&mut session, &homes) {
                (Some(session), Ok(homes)) => story(session, homes, self.config.concurrency).await,
                _ => Ok(Verdict::skipped(UNASKED)),
            };
            self.record(name, expected, came);
        }
        self.renew(&mut session).await;
        let came = match &mut session {
            Some(session) => lists::followed(session, self.stage).await,
            None => Ok(Verdict::skipped(UNASKED)),
        };
        self.record("another list of nodes", lists::EXPECTED, came);
        self.renew(&mut session).await;
        let came = stories::end_expiry(session.as_mut(), expiring).await;
        self.record("ttl", "a value of 1 s to be gone soon after", came);
        self.end(session.take(), true).await;
        if let Ok(homes) = &homes {
            self.broken(homes).await;
        }
        Ok(())
    }

    /// What a driver does about a node that is broken, each time a new process.
    async fn broken(&mut self, homes: &Homes) {
        let mut session = self.start().await.ok();
        let muted = self.stage.break_one(Fault::Mute).await;
        for (name, expected, story) in stories::SILENT {
            let came = match (&mut session, &muted) {
                (Some(session), Ok(())) => story(session, homes, self.config).await,
                _ => Ok(Verdict::skipped(UNASKED)),
            };
            self.record(name, expected, came);
        }
        self.end(session.take(), false).await;
        // It is there, or nothing was muted.
        let _ = self.stage.heal(Fault::Mute).await;
        let mut session = self.start().await.ok();
        let came = match &mut session {
            Some(session) => stories::refused(session, homes, self.stage).await,
            None => Ok(Verdict::skipped(UNASKED)),
        };
        let expected = "a call to a node that is down to be answered, as an error of a class that \
                        fits";
        self.record("a node that is down", expected, came);
    }

    async fn start(&self) -> Result<Session, StartError> {
        let servers = self.stage.servers();
        let (talk, ready) = Talk::start(self.config, &servers, self.harness, self.scope).await?;
        Ok(Session::new(talk, ready))
    }

    /// A new process where the last check left none that can be asked.
    async fn renew(&mut self, session: &mut Option<Session>) {
        if session.as_ref().is_some_and(Session::can_be_asked) {
            return;
        }
        *session = None;
        if self.restarts < RESTARTS_MAX {
            self.restarts += 1;
            *session = self.start().await.ok();
        }
    }

    fn greet(&mut self, session: Option<&Session>) {
        let Some(session) = session else { return };
        let ready = &session.ready;
        self.summary.client.clone_from(&ready.client);
        self.summary.version.clone_from(&ready.version);
        self.summary.runtime.clone_from(&ready.runtime);
        let expected = "a client, its version and runtime, and operations of the protocol";
        self.record("ready", expected, stories::ready(ready));
    }

    async fn end(&mut self, session: Option<Session>, says_bye: bool) {
        let (name, expected) = if says_bye {
            ("bye", "`bye`, and exit code 0")
        } else {
            ("the end of its input", "the driver to end with exit code 0, whatever is under way")
        };
        let came = match session {
            Some(session) => session.end(says_bye).await.map(|()| Verdict::Ok),
            None => Ok(Verdict::skipped(UNASKED)),
        };
        self.record(name, expected, came);
    }

    fn record(&mut self, name: &'static str, expected: &str, came: Came) {
        let came = self.patience.excuse(came);
        self.tell(finding(name, expected, came));
    }

    fn tell(&mut self, finding: Finding) {
        self.summary.count(finding.outcome);
        (self.told)(&finding);
    }
}

/// Why a check was not made that the driver could have passed.
const UNASKED: &str = "the driver could not be asked any more";

pub(super) fn finding(name: &'static str, expected: &str, came: Came) -> Finding {
    let plain =
        Finding { name, outcome: Outcome::Ok, note: None, expected: None, came: None, line: None };
    match came {
        Ok(Verdict::Ok) => plain,
        Ok(Verdict::Differs(note)) => {
            Finding { outcome: Outcome::Differs, note: Some(note), ..plain }
        }
        Ok(Verdict::Skipped(note)) => {
            Finding { outcome: Outcome::Skipped, note: Some(note), ..plain }
        }
        Err(Trouble { came, line, .. }) => {
            let expected = Some(expected.to_owned());
            Finding { outcome: Outcome::Failed, expected, came: Some(came), line, ..plain }
        }
    }
}

/// What a step came to. A client that writes without waiting for replies says `stored` before the node has
/// executed it, and may read on another connection: what a read should have come to may come a little
/// later, which is worth knowing.
async fn settled(
    step: &Step,
    token: Option<u64>,
    session: &mut impl Asked,
) -> Result<(Told, Option<String>), Trouble> {
    let until = Instant::now() + SETTLED_MAX;
    let mut early = None;
    loop {
        let told = session.call(&step.request(token)).await?;
        let is_wrong = matches!(step.judge(&told.answer), Judged::Wrong);
        if !is_wrong || !step.only_reads() || Instant::now() >= until {
            let note = early.filter(|_| !is_wrong);
            return Ok((told, note.map(|came| format!("at first a read came to {came}"))));
        }
        early.get_or_insert_with(|| step.came(&told.answer));
        sleep(stories::LOOK).await;
    }
}

/// Plays the steps of a case against the driver: what was expected of the last one, and what came.
pub(super) async fn play(case: &Case, session: Option<&mut impl Asked>) -> (String, Came) {
    let skipped = |why: String| (String::new(), Ok(Verdict::Skipped(why)));
    let Some(session) = session else { return skipped(UNASKED.to_owned()) };
    if let Some(op) = case.lacks(&session.ready().operations) {
        return skipped(format!("it does not list `{op}`"));
    }
    if case.needs_flags && !session.ready().flags {
        return skipped("it says that it has no flags".to_owned());
    }
    let (mut token, mut notes) = (None, Vec::new());
    for step in &case.steps {
        let told = match settled(step, token, session).await {
            Ok((told, note)) => {
                notes.extend(note);
                told
            }
            Err(trouble) => return (step.wanted(), Err(trouble)),
        };
        if let Answer::Hit(value) = &told.answer {
            token = value.cas.or(token);
        }
        match step.judge(&told.answer) {
            Judged::Fine => {}
            Judged::FineAndOver => break,
            // It says so itself.
            Judged::Differs(_) if session.ready().cannot_tell.iter().any(|op| op == step.op()) => {}
            Judged::Differs(why) => notes.push(why.to_owned()),
            Judged::DiffersAndOver(why) => {
                notes.push(why.to_owned());
                break;
            }
            Judged::Wrong => {
                return (step.wanted(), Err(Trouble::answered(step.came(&told.answer), &told)));
            }
        }
    }
    let verdict = if notes.is_empty() { Verdict::Ok } else { Verdict::Differs(notes.join("; ")) };
    (String::new(), Ok(verdict))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::speech::Failed;
    use crate::event::ErrorClass;

    fn error(class: ErrorClass) -> Came {
        let answer = Answer::Error(Failed { class, message: "late".to_owned() });
        Err(Trouble::answered("error", &Told { answer, line: "{}".to_owned() }))
    }

    /// Catches a machine that stood still and is called a fault of the driver, a client that never
    /// answers and passes for it, and any other error that is excused.
    #[test]
    fn a_client_may_give_up_now_and_then() {
        let mut patience = Patience::default();
        assert!(patience.excuse(error(ErrorClass::Protocol)).is_err());
        for _ in 0..TIMEOUTS_MAX {
            assert!(matches!(patience.excuse(error(ErrorClass::Timeout)), Ok(Verdict::Skipped(_))));
        }
        assert!(patience.excuse(error(ErrorClass::Timeout)).is_err());
        assert_eq!(patience.excuse(Ok(Verdict::Ok)), Ok(Verdict::Ok));
    }
}
