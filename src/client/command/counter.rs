//! Counters, and delete.

use async_memcached::{Error, MetaValue, Status};

use super::exchange::{Answer, Asked, Command, Effect, check_name};
use super::read::one;
use crate::client::resp::{Request, Said};
use crate::client::standing::{Manner, Standing, Unnamed};
use crate::client::transport::{CounterStep, Transport};
use crate::client::trouble::Trouble;

/// `ma`, always: the number that `incr` and `decr` answer names nothing, so another counter's would
/// pass as this one's.
#[derive(Debug)]
pub(in crate::client) struct Counter<'a> {
    pub(in crate::client) key: &'a [u8],
    pub(in crate::client) by: u64,
    pub(in crate::client) direction: CounterStep,
}

impl Command for Counter<'_> {
    type Reply = Option<u64>;

    const EFFECT: Effect = Effect::Once;

    fn manner(&self, standing: Standing) -> Manner {
        standing.always_named()
    }

    async fn run(
        &self,
        link: &mut Transport,
        asked: Asked<'_>,
    ) -> Result<Answer<Self::Reply>, Trouble> {
        let token = asked.token();
        let change = (self.direction, self.by);
        let value = link
            .meta_count(self.key, &token, change, &["k", "v"])
            .await
            .map_err(|error| Trouble::of(&error, false))?
            .ok_or_else(Trouble::surprise)?;
        check_name(&value, self.key, &token)?;
        match value.status {
            Some(Status::NotFound) => Ok(Answer::named(None)),
            Some(Status::Value) => number(&value)
                .map(|number| Answer::named(Some(number)))
                .ok_or_else(Trouble::surprise),
            _ => Err(Trouble::surprise()),
        }
    }

    fn resp(&self) -> Option<Request> {
        let name: &[u8] = match self.direction {
            CounterStep::Up => b"INCRBY",
            CounterStep::Down => b"DECRBY",
        };
        Some(Request::of(&[name, self.key, self.by.to_string().as_bytes()]))
    }

    /// One that is not there begins at zero: below it there was none.
    fn understood(&self, said: Said) -> Option<Self::Reply> {
        if let Said::Integer(number) = said { Some(u64::try_from(number).ok()) } else { None }
    }
}

fn number(value: &MetaValue) -> Option<u64> {
    std::str::from_utf8(value.data.as_deref()?).ok()?.parse().ok()
}

/// `delete`, or `md` when it must be named. Repeated after a lost reply it may find nothing although
/// the first removed the value.
#[derive(Debug)]
pub(in crate::client) struct Delete<'a> {
    pub(in crate::client) key: &'a [u8],
}

impl Command for Delete<'_> {
    type Reply = bool;

    const EFFECT: Effect = Effect::Repeatable;

    fn manner(&self, standing: Standing) -> Manner {
        standing.manner(|last| last == Unnamed::Deleted)
    }

    async fn run(&self, link: &mut Transport, asked: Asked<'_>) -> Result<Answer<bool>, Trouble> {
        if asked.named {
            return self.run_named(link, asked).await;
        }
        let reply = match link.delete(self.key).await {
            Ok(()) => true,
            Err(Error::Protocol(Status::NotFound)) => false,
            Err(error) => return Err(Trouble::of(&error, false)),
        };
        Ok(Answer::unnamed(reply, Unnamed::Deleted))
    }

    fn resp(&self) -> Option<Request> {
        Some(Request::of(&[b"DEL", self.key]))
    }

    fn understood(&self, said: Said) -> Option<bool> {
        one(&said)
    }
}

impl Delete<'_> {
    async fn run_named(
        &self,
        link: &mut Transport,
        asked: Asked<'_>,
    ) -> Result<Answer<bool>, Trouble> {
        let token = asked.token();
        let value = match link.meta_delete(self.key, &token, &["k"]).await {
            Ok(Some(value)) => value,
            Ok(None) | Err(Error::Protocol(Status::NotFound)) => return Err(Trouble::surprise()),
            Err(error) => return Err(Trouble::of(&error, false)),
        };
        check_name(&value, self.key, &token)?;
        match value.status {
            Some(Status::Deleted) => Ok(Answer::named(true)),
            Some(Status::NotFound) => Ok(Answer::named(false)),
            _ => Err(Trouble::surprise()),
        }
    }
}
