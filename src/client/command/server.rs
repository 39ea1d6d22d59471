//! Requests to a node as a whole.

use super::exchange::{Answer, Asked, Command, Effect};
use crate::client::resp::{Request, Said};
use crate::client::standing::{Manner, Standing, Unnamed};
use crate::client::transport::Transport;
use crate::client::trouble::Trouble;

/// `version` on behalf of a caller.
#[derive(Debug)]
pub(in crate::client) struct Version;

/// `version` on the client's own behalf: does the node answer?
#[derive(Debug)]
pub(in crate::client) struct Ping;

/// `stats`.
#[derive(Debug)]
pub(in crate::client) struct Stats;

/// `flush_all`.
#[derive(Debug)]
pub(in crate::client) struct FlushAll;

impl Command for Version {
    type Reply = String;

    const EFFECT: Effect = Effect::Read;

    fn manner(&self, standing: Standing) -> Manner {
        standing.never_named(|_| false)
    }

    async fn run(&self, link: &mut Transport, _: Asked<'_>) -> Result<Answer<String>, Trouble> {
        version(link).await.map(unproving)
    }

    fn resp(&self) -> Option<Request> {
        Some(Request::of(&[b"INFO", b"server"]))
    }

    fn understood(&self, said: Said) -> Option<String> {
        let version = info(said)?.into_iter().find(|(name, _)| name == "redis_version")?;
        Some(version.1)
    }
}

impl Command for Ping {
    type Reply = ();

    const EFFECT: Effect = Effect::Read;
    const PING: bool = true;

    fn manner(&self, standing: Standing) -> Manner {
        standing.never_named(|_| false)
    }

    async fn run(&self, link: &mut Transport, _: Asked<'_>) -> Result<Answer<()>, Trouble> {
        version(link).await.map(|_| unproving(()))
    }

    fn resp(&self) -> Option<Request> {
        Some(Request::of(&[b"PING"]))
    }

    fn understood(&self, said: Said) -> Option<()> {
        (said == Said::Simple(b"PONG".as_slice().into())).then_some(())
    }
}

/// The crate reads this answer past what it has buffered, so an answer that is left over stays.
const fn unproving<R>(reply: R) -> Answer<R> {
    Answer { reply, standing: None }
}

/// The crate cuts eight bytes off any line; only what then looks like a version is one.
async fn version(link: &mut Transport) -> Result<String, Trouble> {
    let line = link.version().await.map_err(|error| Trouble::of(&error, false))?;
    let version = line.trim_end();
    if version.starts_with(|first: char| first.is_ascii_digit()) && version.contains('.') {
        Ok(version.to_owned())
    } else {
        Err(Trouble::surprise())
    }
}

impl Command for Stats {
    type Reply = Vec<(String, String)>;

    const EFFECT: Effect = Effect::Read;

    fn manner(&self, standing: Standing) -> Manner {
        standing.never_named(|last| matches!(last, Unnamed::Miss | Unnamed::Stats))
    }

    async fn run(
        &self,
        link: &mut Transport,
        _: Asked<'_>,
    ) -> Result<Answer<Self::Reply>, Trouble> {
        let mut counters = link.stats().await.map_err(|error| Trouble::of(&error, false))?;
        counters.sort_unstable();
        Ok(Answer::unnamed(counters, Unnamed::Stats))
    }

    fn resp(&self) -> Option<Request> {
        Some(Request::of(&[b"INFO"]))
    }

    fn understood(&self, said: Said) -> Option<Self::Reply> {
        let mut counters = info(said)?;
        counters.sort_unstable();
        Some(counters)
    }
}

impl Command for FlushAll {
    type Reply = ();

    const EFFECT: Effect = Effect::Repeatable;

    fn manner(&self, standing: Standing) -> Manner {
        standing.never_named(|last| last == Unnamed::Flushed)
    }

    async fn run(&self, link: &mut Transport, _: Asked<'_>) -> Result<Answer<()>, Trouble> {
        link.flush_all().await.map_err(|error| Trouble::of(&error, false))?;
        Ok(Answer::unnamed((), Unnamed::Flushed))
    }

    fn resp(&self) -> Option<Request> {
        Some(Request::of(&[b"FLUSHALL"]))
    }

    fn understood(&self, said: Said) -> Option<()> {
        is_ok(&said).then_some(())
    }
}

/// Whether it was done.
pub(super) fn is_ok(said: &Said) -> bool {
    *said == Said::Simple(b"OK".as_slice().into())
}

/// The lines of `INFO` that tell something.
fn info(said: Said) -> Option<Vec<(String, String)>> {
    let (Said::Bulk(text) | Said::Verbatim(_, text)) = said else { return None };
    let text = String::from_utf8_lossy(&text);
    let told = text.lines().filter_map(|line| line.split_once(':'));
    Some(told.map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
}
