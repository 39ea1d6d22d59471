//! A driver while it is checked: calls with their numbers, and every line held against what was asked.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::time::Instant;

use crate::base::group::Ended;
use crate::driver::speech::{self, Answer, Members, Ready, Request, Said};
use crate::driver::{Heard, Talk};
use crate::event::ErrorClass;

/// How long an answer may take where nothing is broken: far longer than any client needs, a virtual
/// machine that compiles on its first call included.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// What a driver did that it must not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Trouble {
    pub(super) came: String,
    /// The line that shows it.
    pub(super) line: Option<String>,
    /// It says that its client gave the call up: on a busy machine no fault of the driver.
    pub(super) timed_out: bool,
}

impl Trouble {
    pub(super) fn new(came: impl Into<String>) -> Self {
        Self { came: came.into(), line: None, timed_out: false }
    }

    fn with(came: impl Into<String>, line: String) -> Self {
        Self { came: came.into(), line: Some(line), timed_out: false }
    }

    /// An answer that is not what was wanted.
    pub(super) fn answered(came: impl Into<String>, told: &Told) -> Self {
        let timed_out =
            matches!(&told.answer, Answer::Error(failed) if failed.class == ErrorClass::Timeout);
        Self { timed_out, ..Self::with(came, told.line.clone()) }
    }
}

/// What can be asked one call after the other.
pub(super) trait Asked {
    /// What it says of itself.
    fn ready(&self) -> &Ready;

    /// One call.
    ///
    /// # Errors
    /// When it is not answered in time, or something else happens.
    fn call(&mut self, request: &Request<'_>)
    -> impl Future<Output = Result<Told, Trouble>> + Send;
}

/// An answer and its line.
#[derive(Clone, Debug)]
pub(super) struct Told {
    pub(super) answer: Answer,
    pub(super) line: String,
}

/// What came in the time that there was.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    pub(super) answers: BTreeMap<u64, Told>,
    pub(super) pongs: BTreeSet<u64>,
    /// It could not read a line.
    pub(super) complaint: Option<String>,
}

pub(super) struct Session {
    talk: Talk,
    pub(super) ready: Ready,
    /// The last number that was used, for calls and pings.
    last: u64,
    /// Calls that are not answered.
    owed: BTreeMap<u64, &'static str>,
    pings: BTreeSet<u64>,
    /// The last list of nodes that it was told, and the last that its client has taken.
    lists: (u64, u64),
    closing: bool,
    over: bool,
}

impl Asked for Session {
    fn ready(&self) -> &Ready {
        &self.ready
    }

    async fn call(&mut self, request: &Request<'_>) -> Result<Told, Trouble> {
        let id = self.ask(request).await;
        let mut all = self.gather(&[id], &[], PATIENCE).await?;
        if let Some(complaint) = all.complaint {
            return Err(Trouble::new(format!("it could not read the request: {complaint}")));
        }
        all.answers.remove(&id).ok_or_else(|| {
            Trouble::new(format!("no answer to `{}` in {} s", request.name(), PATIENCE.as_secs()))
        })
    }
}

impl Session {
    pub(super) const fn new(talk: Talk, ready: Ready) -> Self {
        Self {
            talk,
            ready,
            last: 0,
            owed: BTreeMap::new(),
            pings: BTreeSet::new(),
            lists: (0, 0),
            closing: false,
            over: false,
        }
    }

    /// Whether it still runs and owes nothing: what it owes might be taken for the next answer.
    pub(super) fn can_be_asked(&self) -> bool {
        !self.over && self.owed.is_empty() && self.pings.is_empty()
    }

    /// Hands over a call; its number.
    pub(super) async fn ask(&mut self, request: &Request<'_>) -> u64 {
        self.last += 1;
        self.owed.insert(self.last, request.name());
        self.talk.say(request.line(self.last)).await;
        self.last
    }

    /// Hands over a ping; its number.
    pub(super) async fn ping(&mut self) -> u64 {
        self.last += 1;
        self.pings.insert(self.last);
        self.talk.say(speech::control("ping", self.last)).await;
        self.last
    }

    /// Tells that nobody waits for a call.
    pub(super) async fn cancel(&self, id: u64) {
        self.talk.say(speech::control("cancel", id)).await;
    }

    /// Hands over what is no line of the protocol.
    pub(super) async fn babble(&self) {
        self.talk.say(b"this is no JSON\n".to_vec()).await;
    }

    /// Tells another list of nodes; whether its client has taken it in time.
    ///
    /// # Errors
    /// What it did that it must not.
    pub(super) async fn relist(&mut self, servers: &[&str]) -> Result<bool, Trouble> {
        self.lists.0 += 1;
        let members = self.lists.0;
        self.talk.say(speech::line(&Members { members, servers })).await;
        let (until, mut all) = (Instant::now() + PATIENCE, Gathered::default());
        while self.lists.1 != members {
            match self.talk.hear(until).await {
                Heard::Said { said, line } => self.take(said, line, &mut all)?,
                Heard::Nonsense(nonsense) => {
                    return Err(Trouble::with(nonsense.what, nonsense.line));
                }
                Heard::Nothing => return Ok(false),
                Heard::Over => return Err(self.gone().await),
            }
            if let Some(complaint) = all.complaint {
                return Err(Trouble::new(format!("it could not read the list: {complaint}")));
            }
        }
        Ok(true)
    }

    /// Waits until all of these calls and pings have come, it complained, or the time is over.
    ///
    /// # Errors
    /// What it did that it must not.
    pub(super) async fn gather(
        &mut self,
        ids: &[u64],
        pings: &[u64],
        within: Duration,
    ) -> Result<Gathered, Trouble> {
        let until = Instant::now() + within;
        let mut all = Gathered::default();
        let missing = |all: &Gathered| {
            ids.iter().any(|id| !all.answers.contains_key(id))
                || pings.iter().any(|ping| !all.pongs.contains(ping))
        };
        while missing(&all) && all.complaint.is_none() {
            match self.talk.hear(until).await {
                Heard::Said { said, line } => self.take(said, line, &mut all)?,
                Heard::Nonsense(nonsense) => {
                    return Err(Trouble::with(nonsense.what, nonsense.line));
                }
                Heard::Nothing => break,
                Heard::Over => return Err(self.gone().await),
            }
        }
        Ok(all)
    }

    /// Waits for its complaint about a line.
    ///
    /// # Errors
    /// What it did instead.
    pub(super) async fn complaint(&mut self) -> Result<Option<String>, Trouble> {
        // A ping that was never sent: nothing but a complaint ends the wait.
        Ok(self.gather(&[], &[0], PATIENCE).await?.complaint)
    }

    fn take(&mut self, said: Said, line: String, all: &mut Gathered) -> Result<(), Trouble> {
        match said {
            Said::Answer(id, answer) => match self.owed.remove(&id) {
                Some(op) if answer.fits(op) => {
                    all.answers.insert(id, Told { answer, line });
                }
                Some(op) => {
                    let came = format!("a `{op}` cannot come to `{}`", answer.name());
                    return Err(Trouble::with(came, line));
                }
                None => {
                    let how = if id <= self.last { "a second time" } else { "unasked" };
                    return Err(Trouble::with(format!("operation {id} is answered {how}"), line));
                }
            },
            Said::Pong(number) if self.pings.remove(&number) => {
                all.pongs.insert(number);
            }
            Said::Listed(number) if number == self.lists.0 && number > self.lists.1 => {
                self.lists.1 = number;
            }
            Said::Listed(_) => return Err(Trouble::with("nobody told it this list", line)),
            Said::Pong(_) => return Err(Trouble::with("nobody sent this ping", line)),
            Said::Complaint(message) => all.complaint = Some(message),
            Said::Bye if self.closing => {}
            Said::Bye => return Err(Trouble::with("it says `bye` and was not told to", line)),
            Said::Ready(_) => return Err(Trouble::with("it was ready already", line)),
        }
        Ok(())
    }

    async fn gone(&mut self) -> Trouble {
        self.over = true;
        let how = self.talk.ended(PATIENCE).await;
        let how = how.map_or_else(|| "it closed its output".to_owned(), |how| how.to_string());
        let words = self.talk.last_words();
        let words = if words.is_empty() { words } else { format!("; its last words: {words}") };
        Trouble::new(format!("the driver ended ({how}){words}"))
    }

    /// Asks it to end, or only ends its input; waits until it has.
    ///
    /// # Errors
    /// When it does not end in this time, or with another exit code than 0.
    pub(super) async fn end(mut self, says_bye: bool) -> Result<(), Trouble> {
        let until = Instant::now() + PATIENCE;
        let still_runs = || format!("it still ran {} s later", PATIENCE.as_secs());
        self.closing = true;
        if says_bye {
            self.talk.say(speech::control("bye", 1)).await;
        } else {
            self.talk.hang_up();
        }
        let (mut said_bye, mut ignored) = (false, Gathered::default());
        loop {
            match self.talk.hear(until).await {
                Heard::Said { said: Said::Bye, .. } => said_bye = true,
                Heard::Said { said, line } => self.take(said, line, &mut ignored)?,
                Heard::Nonsense(nonsense) => {
                    return Err(Trouble::with(nonsense.what, nonsense.line));
                }
                Heard::Nothing => return Err(Trouble::new(still_runs())),
                Heard::Over => break,
            }
        }
        match self.talk.ended(until.saturating_duration_since(Instant::now())).await {
            Some(Ended::Code(0)) if says_bye && !said_bye => {
                Err(Trouble::new("it ended without its `bye`"))
            }
            Some(Ended::Code(0)) => Ok(()),
            Some(how) => Err(Trouble::new(format!("it ended with {how}"))),
            None => Err(Trouble::new(still_runs())),
        }
    }
}
