//! One attempt at a request: a connection that is fit for it, and the exchange on it.

use std::pin::pin;
use std::sync::atomic::Ordering;

use tokio::time::Instant;

use super::call::Trace;
use super::command::{Answer, Asked, Check, Command, Effect, Ping};
use super::conn::Link;
use super::missed::Missed;
use super::node::Node;
use super::pool::{Lease, Want};
use super::resp;
use super::standing::{Manner, Standing};
use super::trouble::{Fate, Trouble};
use crate::event::{CloseCause, ErrorClass};
use crate::protocol::Protocol;

/// A reply, and whether it came after its deadline all the same: timers round up.
#[derive(Debug)]
pub(super) struct Reached<R> {
    pub(super) reply: R,
    pub(super) late: bool,
    /// When it was there.
    pub(super) at: Instant,
}

impl Node {
    /// One attempt, asked for at `asked`: a connection and an exchange on it, with the checks around
    /// it, within one deadline.
    pub(super) async fn attempt<C: Command>(
        &self,
        command: &C,
        want: Want,
        asked: Instant,
        trace: &mut Trace,
    ) -> Result<Reached<C::Reply>, Missed> {
        trace.attempts += 1;
        let requests = trace.requests;
        let lease = self.fit_lease(command, want, asked, trace).await;
        let sent = match &lease {
            // Nothing was sent between the lending and now.
            Ok(lease) if trace.requests == requests => lease.since(),
            _ => Instant::now(),
        };
        trace.connection_wait += sent.saturating_duration_since(asked);
        let mut lease = lease?;
        trace.sent.get_or_insert(sent);
        trace.connection = lease.id();
        let reused = lease.idle_for().is_some();
        match self.exchange(command, &mut lease, trace).await {
            Ok(reply) => {
                let at = Instant::now();
                let late = at >= self.deadline(&lease);
                lease.keep(at);
                Ok(Reached { reply, late, at })
            }
            Err(trouble) => {
                let trouble = self.look_behind::<C>(trouble, &mut lease, trace).await;
                match trouble.close {
                    Some(cause) => lease.close(cause),
                    None => {
                        trace.served_by = Some(self.index);
                        lease.keep(Instant::now());
                    }
                }
                Err(Missed::Failed { trouble, reused })
            }
        }
    }

    /// A connection fit for the command: one that owes no answer that the command could take for
    /// its own, and for a write that must not be sent twice one that is not stale.
    async fn fit_lease<C: Command>(
        &self,
        command: &C,
        want: Want,
        asked: Instant,
        trace: &mut Trace,
    ) -> Result<Lease<'_>, Missed> {
        let mut lease = self.lease(want, asked).await?;
        if command.manner(lease.standing()) == Manner::Checked {
            if let Err(trouble) = self.check(&mut lease, trace).await {
                // An error line to the check as well: the request that names itself will tell.
                let goes_on =
                    trouble.close.is_none() && command.manner(NEVER_PROVEN) != Manner::Checked;
                if !goes_on {
                    return self.replace(lease, trouble).await;
                }
                lease.set_standing(NEVER_PROVEN);
            }
        } else if C::EFFECT == Effect::Once && self.may_be_stale(&lease) {
            // Nothing but using it shows whether the peer has closed it: the crate lends no socket
            // to look at.
            if let Err(trouble) = self.exchange(&Ping, &mut lease, trace).await {
                return self.replace(lease, trouble).await;
            }
        }
        Ok(lease)
    }

    /// Whose an error line was that answered a write: if the next line is the answer to a check, it
    /// was the only one, and the write was refused. Where a check was refused just before, the node
    /// refuses everything: it is not asked twice as much for that, and the doubt stays.
    async fn look_behind<C: Command>(
        &self,
        trouble: Trouble,
        lease: &mut Lease<'_>,
        trace: &mut Trace,
    ) -> Trouble {
        let is_doubtful = trouble.fate == Fate::Refused && C::EFFECT.is_write();
        if !is_doubtful || lease.standing() == NEVER_PROVEN {
            return trouble;
        }
        match self.check(lease, trace).await {
            Ok(()) => trouble.proven(),
            Err(check) => {
                lease.set_standing(NEVER_PROVEN);
                trouble.doubted(check)
            }
        }
    }

    async fn check(&self, lease: &mut Lease<'_>, trace: &mut Trace) -> Result<(), Trouble> {
        self.exchange(&Check { key: &self.check_key }, lease, trace).await
    }

    /// When everything on this lease must be done.
    fn deadline(&self, lease: &Lease<'_>) -> Instant {
        lease.since() + self.around.config.operation_timeout
    }

    async fn lease(&self, want: Want, asked: Instant) -> Result<Lease<'_>, Missed> {
        let unconnected =
            |class| Missed::Unconnected { class, local: class == ErrorClass::NoConnection };
        self.pool.lease(want, asked).await.map_err(unconnected)
    }

    fn may_be_stale(&self, lease: &Lease<'_>) -> bool {
        let limit = self.around.config.probe_idle;
        limit.is_some_and(|limit| lease.idle_for().is_some_and(|idle| idle >= limit))
    }

    /// A fresh connection for one that failed before the request went out. After a timeout there is
    /// none: the node had its time, and the caller waits for one deadline, not for two.
    async fn replace(&self, lease: Lease<'_>, trouble: Trouble) -> Result<Lease<'_>, Missed> {
        let reused = lease.idle_for().is_some();
        lease.close(trouble.close.unwrap_or(CloseCause::Protocol));
        if trouble.class == ErrorClass::Timeout {
            let trouble = Trouble { fate: Fate::NotApplied, ..trouble };
            return Err(Missed::Failed { trouble, reused });
        }
        self.lease(Want::Fresh, Instant::now()).await
    }

    /// Request lines that a command puts on the wire, and those of them that are pings: in RESP each request
    /// has one behind it.
    fn lines<C: Command>(&self, command: &C) -> (u32, u32) {
        match self.around.config.protocol {
            Protocol::Memcached => (command.lines(), if C::PING { command.lines() } else { 0 }),
            Protocol::Resp => (2, if C::PING { 2 } else { 1 }),
        }
    }

    /// Writes and reads within the deadline, and notes what the answer proves. When the deadline
    /// passes, or the caller drops this, the lease must not be kept.
    async fn exchange<C: Command>(
        &self,
        command: &C,
        lease: &mut Lease<'_>,
        trace: &mut Trace,
    ) -> Result<C::Reply, Trouble> {
        let (lines, pings) = self.lines(command);
        trace.requests += lines - if C::PING { 0 } else { pings };
        self.requests.fetch_add(u64::from(lines), Ordering::Relaxed);
        self.pings.fetch_add(u64::from(pings), Ordering::Relaxed);
        let standing = lease.standing();
        let named = command.manner(standing) == Manner::Named;
        let asked = Asked { named, tokens: &self.tokens };
        let at = self.deadline(lease);
        let (link, deadline) = lease.link();
        let answered = match link {
            Link::Memcached(transport) => {
                deadline.bound(at, pin!(command.run(transport, asked))).await
            }
            Link::Resp(link) => deadline.bound(at, pin!(in_resp(command, link, asked))).await,
        };
        if answered
            .as_ref()
            .is_some_and(|answer| answer.as_ref().err().is_none_or(Trouble::is_reply))
        {
            self.answered.fetch_add(u64::from(lines), Ordering::Release);
        }
        match answered {
            Some(Ok(Answer { reply, standing })) => {
                if let Some(standing) = standing {
                    lease.set_standing(standing);
                }
                Ok(reply)
            }
            Some(Err(trouble)) => {
                // One that was refused for certain leaves nothing behind.
                if trouble.fate != Fate::NotApplied {
                    lease.set_standing(standing.refused());
                }
                Err(trouble)
            }
            None => Err(Trouble::timeout()),
        }
    }
}

/// The same exchange with a server that speaks RESP.
async fn in_resp<C: Command>(
    command: &C,
    link: &mut resp::Link,
    asked: Asked<'_>,
) -> Result<Answer<C::Reply>, Trouble> {
    let request = command.resp().ok_or_else(Trouble::unknown)?;
    let said = link.ask(request, &asked.token()).await?;
    command.understood(said).map(Answer::named).ok_or_else(Trouble::surprise)
}

/// After a check that was answered by an error line.
const NEVER_PROVEN: Standing = Standing::Refused { checked: true };
