//! One attempt at a request: a connection that is fit for it, and the exchange on it.

use std::sync::atomic::Ordering;

use tokio::time::{Instant, timeout};

use super::call::Trace;
use super::command::{Answer, Asked, Check, Command, Effect, Ping};
use super::missed::Missed;
use super::node::Node;
use super::pool::{Lease, Want};
use super::standing::{Manner, Standing};
use super::trouble::{Fate, Trouble};
use crate::event::{CloseCause, ErrorClass};

impl Node {
    /// One attempt: a connection and an exchange on it.
    pub(super) async fn attempt<C: Command>(
        &self,
        command: &C,
        want: Want,
        trace: &mut Trace,
    ) -> Result<C::Reply, Missed> {
        trace.attempts += 1;
        let asked = Instant::now();
        let lease = self.fit_lease(command, want, trace).await;
        let sent = Instant::now();
        trace.connection_wait += sent.saturating_duration_since(asked);
        let mut lease = lease?;
        trace.sent.get_or_insert(sent);
        trace.connection = lease.id();
        let reused = lease.idle_for().is_some();
        match self.exchange(command, &mut lease, trace).await {
            Ok(reply) => {
                lease.keep();
                Ok(reply)
            }
            Err(trouble) => {
                match trouble.close {
                    Some(cause) => lease.close(cause),
                    None => {
                        trace.served_by = Some(self.index);
                        lease.keep();
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
        trace: &mut Trace,
    ) -> Result<Lease<'_>, Missed> {
        let mut lease = self.lease(want).await?;
        if command.manner(lease.standing()) == Manner::Checked {
            let check = Check { key: &self.check_key };
            if let Err(trouble) = self.exchange(&check, &mut lease, trace).await {
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

    async fn lease(&self, want: Want) -> Result<Lease<'_>, Missed> {
        let unconnected =
            |class| Missed::Unconnected { class, local: class == ErrorClass::NoConnection };
        self.pool.lease(want).await.map_err(unconnected)
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
        self.lease(Want::Fresh).await
    }

    /// Writes and reads within the deadline, and notes what the answer proves. When the deadline
    /// passes, or the caller drops this, the lease must not be kept.
    async fn exchange<C: Command>(
        &self,
        command: &C,
        lease: &mut Lease<'_>,
        trace: &mut Trace,
    ) -> Result<C::Reply, Trouble> {
        let lines = command.lines();
        trace.requests += lines;
        self.requests.fetch_add(u64::from(lines), Ordering::Relaxed);
        if C::PING {
            self.pings.fetch_add(u64::from(lines), Ordering::Relaxed);
        }
        let standing = lease.standing();
        let named = command.manner(standing) == Manner::Named;
        let asked = Asked { named, tokens: &self.tokens };
        let limit = self.around.config.operation_timeout;
        match timeout(limit, command.run(lease.link(), asked)).await {
            Ok(Ok(Answer { reply, standing })) => {
                if let Some(standing) = standing {
                    lease.set_standing(standing);
                }
                Ok(reply)
            }
            Ok(Err(trouble)) => {
                lease.set_standing(standing.refused());
                Err(trouble)
            }
            Err(_) => Err(Trouble::timeout()),
        }
    }
}

/// After a check that was answered by an error line.
const NEVER_PROVEN: Standing = Standing::Refused { checked: true };
