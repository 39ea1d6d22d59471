//! How a member finds member 0, and is let in or not.

use std::net::IpAddr;
use std::time::Duration;

use tokio::net::{TcpStream, lookup_host};
use tokio::time::{Instant, sleep, timeout};

use crate::base::scope::Scope;
use crate::base::share::Share;
use crate::fleet::machine;
use crate::fleet::post::{self, Inbox, Outbox, Outgoing};
use crate::fleet::words::{Hello, Said, Told, Welcome};

/// How long one attempt to reach member 0 may take, and the pause after it.
const CONNECT_MAX: Duration = Duration::from_secs(2);
const CONNECT_PAUSE: Duration = Duration::from_millis(200);

/// Who is to join what.
#[derive(Clone, Debug)]
pub struct Invitation {
    /// Where member 0 listens: `HOST:PORT`. A name is looked up again until somebody answers.
    pub address: String,
    /// Its part of the load.
    pub share: Share,
    /// What it is to be called; `None`: whatever member 0 says.
    pub run_id: Option<String>,
    /// What is to be run; `None`: whatever member 0 says.
    pub scenario: Option<String>,
    /// How long it is tried.
    pub patience: Duration,
}

/// Why somebody is no member.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JoinError {
    /// Member 0 said so.
    #[error("member 0 at {address} refuses this one: {why}")]
    Refused {
        /// Where it listens.
        address: String,
        /// Why.
        why: String,
    },
    /// Nobody was there in time.
    #[error(
        "member 0 at {address} was not there within {patience:?}: {why}; start it within that time, or wait \
         longer with -fleet-wait"
    )]
    Nobody {
        /// Where it was looked for.
        address: String,
        /// How long.
        patience: Duration,
        /// What came of the last attempt.
        why: String,
    },
    /// Its clock and ours do not fit.
    #[error("{0}")]
    Clock(String),
}

/// Member 0, which has let this one in.
pub(super) struct Met {
    pub(super) inbox: Inbox,
    pub(super) outbox: Outbox<Said>,
    pub(super) welcome: Welcome,
    /// Where it was reached.
    pub(super) host: IpAddr,
    /// What that was called.
    pub(super) address: String,
}

/// Tries until member 0 answers.
///
/// # Errors
/// When it does not come, or refuses.
pub(super) async fn meet(invitation: Invitation, scope: &Scope) -> Result<Met, JoinError> {
    let Invitation { address, share, run_id, scenario, patience } = invitation;
    let deadline = Instant::now() + patience;
    let hello = Hello {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        index: share.index(),
        of: share.of(),
        run_id,
        scenario,
        host: machine(),
    };
    let mut why = "nobody answered".to_owned();
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(JoinError::Nobody { address, patience, why });
        }
        match introduce(&address, &hello, left, scope).await {
            Ok(Ok(met)) => return Ok(met),
            Ok(Err(why)) => return Err(JoinError::Refused { address, why }),
            Err(trouble) => why = trouble,
        }
        sleep(CONNECT_PAUSE.min(deadline.saturating_duration_since(Instant::now()))).await;
    }
}

/// Says who it is, once. The inner error is member 0's own, for good.
async fn introduce(
    address: &str,
    hello: &Hello,
    patience: Duration,
    scope: &Scope,
) -> Result<Result<Met, String>, String> {
    let connect = async {
        let found = lookup_host(address).await?;
        let mut last = std::io::Error::other("the name has no address");
        for address in found {
            match TcpStream::connect(address).await {
                Ok(stream) => return Ok(stream),
                Err(error) => last = error,
            }
        }
        Err(last)
    };
    let connected = timeout(CONNECT_MAX.min(patience), connect).await;
    let stream = connected.map_err(|_| format!("no answer within {CONNECT_MAX:?}"))?;
    let stream = stream.map_err(|error| error.to_string())?;
    let host = stream.peer_addr().map_err(|error| error.to_string())?.ip();
    let (mut inbox, outbox) = post::open::<Said>(stream, "member 0", scope);
    let _ = outbox.try_send(Outgoing::Word(Said::Hello(hello.clone())));
    // Its lab comes up meanwhile.
    match inbox.within::<Told>(patience).await {
        Ok(Told::Welcome(welcome)) => {
            let address = address.to_owned();
            Ok(Ok(Met { inbox, outbox, welcome: *welcome, host, address }))
        }
        Ok(Told::Refused { why }) => Ok(Err(why)),
        Ok(_) => Err("what answers is no member 0".to_owned()),
        Err(why) => Err(format!("it {why}")),
    }
}
