//! The checks that are more than a row of operations: calls at once, silence, refusal, what no line of
//! the protocol is.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::cases::PREFIX;
use super::session::{Asked, PATIENCE, Session, Told, Trouble};
use super::stage::{BROKEN, Fault, Stage};
use super::step::{Step, shown};
use crate::driver::DriverConfig;
use crate::driver::speech::{Answer, Ready, Request, VERBS, Value};
use crate::event::ErrorClass;

/// Keys that are stored for the stories: enough for each node to have some under any placement.
const KEYS: usize = 60;

/// Calls at once, where the driver takes as many.
const AT_ONCE_MAX: u32 = 100;

/// Calls to healthy nodes while another says nothing.
const BESIDE_MAX: u32 = 4;

/// How long a value of a second may stay: servers count whole seconds, and round.
const EXPIRY_MAX: Duration = Duration::from_secs(5);

/// How often it is looked whether it is gone.
pub(super) const LOOK: Duration = Duration::from_millis(50);

/// What a story came to, when it did not fail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Ok,
    Differs(String),
    Skipped(String),
}

impl Verdict {
    pub(super) fn skipped(why: &str) -> Self {
        Self::Skipped(why.to_owned())
    }
}

pub(super) type Came = Result<Verdict, Trouble>;

type Telling<'a> = Pin<Box<dyn Future<Output = Came> + Send + 'a>>;

/// A story's name, what is expected, and the story.
type Plain =
    (&'static str, &'static str, for<'a> fn(&'a mut Session, &'a Homes, u32) -> Telling<'a>);

type Silent = (
    &'static str,
    &'static str,
    for<'a> fn(&'a mut Session, &'a Homes, &'a DriverConfig) -> Telling<'a>,
);

/// Stories with healthy nodes.
pub(super) const PLAIN: [Plain; 4] = [
    ("an unknown operation", "an error of the call, of class `unsupported`", |session, _, _| {
        Box::pin(unknown_operation(session))
    }),
    (
        "a line that is no JSON",
        "a line with `error` and without `id`, and the driver to go on",
        |session, _, _| Box::pin(no_json(session)),
    ),
    (
        "calls at once",
        "each call to be answered once, with its own key's value",
        |session, homes, concurrency| Box::pin(at_once(session, homes, concurrency)),
    ),
    ("ping during calls", "a `pong` for each `ping`", |session, homes, concurrency| {
        Box::pin(pings(session, homes, concurrency))
    }),
];

/// Stories with a node that answers nothing.
pub(super) const SILENT: [Silent; 2] = [
    (
        "a silent node",
        "calls to other nodes and `ping` to be answered meanwhile",
        |session, homes, config| Box::pin(silence(session, homes, config)),
    ),
    (
        "cancel",
        "the call to end, as `cancelled` or by itself, and others to be right after it",
        |session, homes, _| Box::pin(cancelled(session, homes)),
    ),
];

/// Keys that are stored, by where they are; each key's value is the key itself.
pub(super) struct Homes {
    pub(super) all: Vec<String>,
    /// On the node that will be broken.
    broken: Vec<String>,
    others: Vec<String>,
}

impl Homes {
    fn get(key: &str) -> Request<'_> {
        Request::new("get", key.as_bytes())
    }
}

/// What it says of itself.
pub(super) fn ready(ready: &Ready) -> Came {
    let unknown = ready.operations.iter().find(|op| !VERBS.contains(&op.as_str()));
    if let Some(op) = unknown {
        return Err(Trouble::new(format!("`{op}` is no operation of the protocol")));
    }
    for needed in ["get", "set"] {
        if !ready.operations.iter().any(|op| op == needed) {
            return Err(Trouble::new(format!("it lists no `{needed}`; no run is possible")));
        }
    }
    let telling = ready.cannot_tell.iter().find(|op| !["delete", "touch"].contains(&op.as_str()));
    if let Some(op) = telling {
        return Err(Trouble::new(format!("`cannot_tell` is for `delete` and `touch`, not `{op}`")));
    }
    if ready.client.is_empty() || ready.version.is_empty() {
        return Err(Trouble::new("its client or its version is empty"));
    }
    if ready.runtime.is_empty() {
        return Ok(Verdict::Differs("it does not say what runs it".to_owned()));
    }
    Ok(Verdict::Ok)
}

/// Stores a value that goes by itself; the key.
pub(super) async fn begin_expiry(session: &mut Option<impl Asked>) -> Result<String, Trouble> {
    let key = format!("{PREFIX}expires");
    let Some(session) = session else { return Ok(key) };
    let step = Step::write("set", key.as_str(), *b"value", Answer::Stored).ttl_s(1);
    let told = session.call(&step.request(None)).await?;
    if told.answer == Answer::Stored { Ok(key) } else { Err(unexpected(&told)) }
}

/// Waits until it has gone.
pub(super) async fn end_expiry(
    session: Option<&mut impl Asked>,
    key: Result<String, Trouble>,
) -> Came {
    let key = key?;
    let Some(session) = session else { return Ok(Verdict::skipped("the driver has ended")) };
    let until = Instant::now() + EXPIRY_MAX;
    loop {
        let told = session.call(&Homes::get(&key)).await?;
        match &told.answer {
            Answer::Miss => return Ok(Verdict::Ok),
            Answer::Hit(value) if value.bytes == b"value" => {}
            _ => return Err(unexpected(&told)),
        }
        if Instant::now() >= until {
            let came = format!("still a hit more than {} s later", EXPIRY_MAX.as_secs());
            return Err(Trouble::answered(came, &told));
        }
        sleep(LOOK).await;
    }
}

/// Stores the keys of the stories, and looks where they are.
pub(super) async fn homes(session: Option<&mut Session>, stage: &Stage) -> Result<Homes, Trouble> {
    let Some(session) = session else { return Err(Trouble::new("the driver has ended")) };
    let all: Vec<String> = (0..KEYS).map(|number| format!("{PREFIX}home:{number}")).collect();
    for key in &all {
        let step = Step::write("set", key.as_str(), key.as_str(), Answer::Stored);
        let told = session.call(&step.request(None)).await?;
        if told.answer != Answer::Stored {
            return Err(unexpected(&told));
        }
    }
    // A client that writes without waiting for replies says `stored` before the node has executed it.
    let until = Instant::now() + PATIENCE;
    for key in &all {
        loop {
            let told = session.call(&Homes::get(key)).await?;
            match &told.answer {
                Answer::Hit(value) if value.bytes == key.as_bytes() => break,
                _ if Instant::now() >= until => return Err(unexpected(&told)),
                _ => sleep(LOOK).await,
            }
        }
    }
    let on_broken = |key: &&String| stage.home(key) == Some(BROKEN);
    let broken = all.iter().filter(on_broken).cloned().collect();
    let others = all.iter().filter(|key| !on_broken(key)).cloned().collect();
    Ok(Homes { all, broken, others })
}

/// Whether every node has some of the keys.
pub(super) fn spread(homes: &Result<Homes, Trouble>, stage: &Stage) -> Came {
    let homes = homes.as_ref().map_err(Clone::clone)?;
    let nodes = stage.asked(homes.all.iter());
    if nodes.len() == stage.count() {
        return Ok(Verdict::Ok);
    }
    if nodes.is_empty() {
        return Err(Trouble::new("`stored`, and no node was asked"));
    }
    let names: Vec<String> = nodes.iter().map(ToString::to_string).collect();
    let keys = homes.all.len();
    Ok(Verdict::Differs(format!("of {keys} keys all went to {}", names.join(" and "))))
}

async fn unknown_operation(session: &mut Session) -> Came {
    let key = format!("{PREFIX}unknown");
    let told = session.call(&Request::new("frobnicate", key.as_bytes())).await?;
    match told.answer {
        Answer::Error(_) => Ok(Verdict::Ok),
        _ => Err(unexpected(&told)),
    }
}

async fn no_json(session: &mut Session) -> Came {
    session.babble().await;
    if session.complaint().await?.is_none() {
        return Err(Trouble::new(format!("nothing in {} s", PATIENCE.as_secs())));
    }
    let ping = session.ping().await;
    let pongs = session.gather(&[], &[ping], PATIENCE).await?.pongs;
    if pongs.contains(&ping) { Ok(Verdict::Ok) } else { Err(no_pong()) }
}

async fn at_once(session: &mut Session, homes: &Homes, concurrency: u32) -> Came {
    let mut ids = Vec::new();
    for number in 0..concurrency.min(AT_ONCE_MAX) as usize {
        let key = &homes.all[number % homes.all.len()];
        ids.push((session.ask(&Homes::get(key)).await, key));
    }
    right(session, &ids).await?;
    Ok(Verdict::Ok)
}

async fn pings(session: &mut Session, homes: &Homes, concurrency: u32) -> Came {
    let (mut ids, mut pings) = (Vec::new(), Vec::new());
    for number in 0..concurrency.min(BESIDE_MAX) as usize {
        let key = &homes.all[number % homes.all.len()];
        ids.push(session.ask(&Homes::get(key)).await);
        pings.push(session.ping().await);
    }
    let all = session.gather(&ids, &pings, PATIENCE).await?;
    if pings.iter().all(|ping| all.pongs.contains(ping)) { Ok(Verdict::Ok) } else { Err(no_pong()) }
}

async fn silence(session: &mut Session, homes: &Homes, config: &DriverConfig) -> Came {
    if config.concurrency < 2 {
        return Ok(Verdict::skipped("it has one call under way at most"));
    }
    let Some(silent) = homes.broken.first() else { return Ok(nothing_there()) };
    let hung = session.ask(&Homes::get(silent)).await;
    let mut ids = Vec::new();
    for key in homes.others.iter().take(BESIDE_MAX.min(config.concurrency - 1) as usize) {
        ids.push((session.ask(&Homes::get(key)).await, key));
    }
    let ping = session.ping().await;
    let mut early = right_with(session, &ids, &[ping]).await?;
    // As long as a run waits before it counts an operation as hung.
    let patience = config.timeout * 3;
    let late = match early.remove(&hung) {
        Some(told) => Some(told),
        None => session.gather(&[hung], &[], patience).await?.answers.remove(&hung),
    };
    match late {
        None => {
            let waited = patience.as_secs_f64();
            Ok(Verdict::Differs(format!("the call to it has not ended in {waited} s")))
        }
        Some(Told { answer: Answer::Hit(value), .. }) if value.bytes == silent.as_bytes() => {
            Ok(Verdict::Differs("finds the value elsewhere".to_owned()))
        }
        Some(told) => failed_call(&told, "tells a miss, not an error"),
    }
}

async fn cancelled(session: &mut Session, homes: &Homes) -> Came {
    if !session.ready.cancel {
        return Ok(Verdict::skipped("it says that it cannot"));
    }
    let Some(silent) = homes.broken.last() else { return Ok(nothing_there()) };
    let id = session.ask(&Homes::get(silent)).await;
    session.cancel(id).await;
    let Some(told) = session.gather(&[id], &[], PATIENCE).await?.answers.remove(&id) else {
        return Err(Trouble::new(format!("no answer in {} s", PATIENCE.as_secs())));
    };
    if matches!(&told.answer, Answer::Hit(value) if value.bytes != silent.as_bytes()) {
        return Err(unexpected(&told));
    }
    let key = homes.others.first().unwrap_or(silent);
    let after = session.ask(&Homes::get(key)).await;
    right(session, &[(after, key)]).await?;
    Ok(Verdict::Ok)
}

/// What it tells when the node of a key is down. It has been connected to before.
pub(super) async fn refused(session: &mut Session, homes: &Homes, stage: &Stage) -> Came {
    let Some(key) = homes.broken.first() else { return Ok(nothing_there()) };
    let before = session.ask(&Homes::get(key)).await;
    right(session, &[(before, key)]).await?;
    if let Err(error) = stage.break_one(Fault::Refuse).await {
        return Ok(Verdict::Skipped(format!("the node could not be broken: {error}")));
    }
    let mut notes = Vec::new();
    let write = Step::write("set", key.as_str(), *b"value", Answer::Stored);
    let changes = ["delete", "incr"].map(|op| Request::new(op, key.as_bytes()).by(1));
    for request in [Homes::get(key), write.request(None)].into_iter().chain(changes) {
        if !session.ready.operations.iter().any(|op| op == request.name()) {
            continue;
        }
        let id = session.ask(&request).await;
        let ping = session.ping().await;
        let mut all = session.gather(&[id], &[ping], PATIENCE).await?;
        match all.answers.remove(&id) {
            None if all.pongs.contains(&ping) => {
                let waited = PATIENCE.as_secs();
                notes.push(format!("`{}` has not ended after {waited} s", request.name()));
            }
            None => return Err(no_pong()),
            Some(Told {
                answer: answer @ (Answer::Stored | Answer::Deleted | Answer::Counted(_)),
                ..
            }) => {
                notes.push(format!("`{}` is told as `{}`", request.name(), answer.name()));
            }
            Some(Told { answer: Answer::Hit(value), .. }) if value.bytes == key.as_bytes() => {
                notes.push("`get` finds the value elsewhere".to_owned());
            }
            Some(told) => {
                let hidden = format!("`{}` tells no error", request.name());
                if let Verdict::Differs(note) = failed_call(&told, &hidden)? {
                    notes.push(note);
                }
            }
        }
    }
    if notes.is_empty() { Ok(Verdict::Ok) } else { Ok(Verdict::Differs(notes.join("; "))) }
}

/// A call that cannot have come to anything good.
fn failed_call(told: &Told, hidden: &str) -> Came {
    match &told.answer {
        Answer::Error(failed) if failed.class == ErrorClass::Other => {
            Ok(Verdict::Differs(format!("class `other`: {}", failed.message)))
        }
        Answer::Error(_) => Ok(Verdict::Ok),
        Answer::Miss | Answer::NotStored | Answer::NotFound => {
            Ok(Verdict::Differs(hidden.to_owned()))
        }
        _ => Err(unexpected(told)),
    }
}

/// Waits for reads of stored keys, which must be hits of their own values.
async fn right(session: &mut Session, ids: &[(u64, &String)]) -> Result<(), Trouble> {
    right_with(session, ids, &[]).await.map(drop)
}

/// The same, with pings; returns what else was answered.
async fn right_with(
    session: &mut Session,
    ids: &[(u64, &String)],
    pings: &[u64],
) -> Result<BTreeMap<u64, Told>, Trouble> {
    let numbers: Vec<u64> = ids.iter().map(|(id, _)| *id).collect();
    let mut all = session.gather(&numbers, pings, PATIENCE).await?;
    let missing = numbers.iter().filter(|id| !all.answers.contains_key(id)).count();
    if missing > 0 {
        let (of, waited) = (ids.len(), PATIENCE.as_secs());
        return Err(Trouble::new(format!("{missing} of {of} calls not answered in {waited} s")));
    }
    if pings.iter().any(|ping| !all.pongs.contains(ping)) {
        return Err(no_pong());
    }
    for (id, key) in ids {
        let Some(told) = all.answers.remove(id) else { continue };
        let wanted = Value { bytes: key.as_bytes().to_vec(), ..Value::default() };
        if !matches!(&told.answer, Answer::Hit(value) if value.bytes == wanted.bytes) {
            let came = format!("{} for {key}", shown(&told.answer));
            return Err(Trouble::answered(came, &told));
        }
    }
    Ok(all.answers)
}

pub(super) fn unexpected(told: &Told) -> Trouble {
    Trouble::answered(shown(&told.answer), told)
}

fn no_pong() -> Trouble {
    Trouble::new(format!("no `pong` in {} s", PATIENCE.as_secs()))
}

fn nothing_there() -> Verdict {
    Verdict::Skipped(format!("none of {KEYS} keys is on {BROKEN}"))
}
