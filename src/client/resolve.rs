//! Which address the name of a node stands for, asked each time that it is dialled.
//!
//! The addresses of one name are owners of the same keys, so that a client does not go from one to the other as
//! answers come: it stays with the one that it has while the name has it, unless that takes no connections for long.
//! And a name service that fails takes no node away that was found before: without an answer the last address
//! is as good as it was.

use std::fmt;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::{Instant, timeout};

/// How long an address may take no connection before another one of the name is dialled: one that is late, of a
/// machine that is busy, must not send a client to where its keys have other values.
const PATIENCE: Duration = Duration::from_secs(1);

/// What comes of a question.
pub type Looking = Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>>;

/// Who is asked what a name stands for, in the place of the system.
#[derive(Clone)]
pub struct Resolver(Arc<dyn Fn(&str) -> Looking + Send + Sync>);

impl Resolver {
    /// Asks this.
    pub fn new(resolve: impl Fn(&str) -> Looking + Send + Sync + 'static) -> Self {
        Self(Arc::new(resolve))
    }

    /// The addresses of a name.
    pub(super) fn ask(&self, name: &str) -> Looking {
        (self.0)(name)
    }
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resolver").finish_non_exhaustive()
    }
}

/// The address that a node was dialled at last.
#[derive(Debug, Default)]
pub(super) struct Known(Mutex<Option<Last>>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Last {
    address: Ipv4Addr,
    /// Since when every dial has failed.
    fails_since: Option<Instant>,
}

impl Known {
    /// The address to dial: of those that `asking` finds, or the last one. A name that is not resolved in half of
    /// `limit` stands for its last address, so that there is time left for the connection.
    pub(super) async fn address(
        &self,
        limit: Duration,
        asking: impl Future<Output = io::Result<Vec<IpAddr>>>,
    ) -> io::Result<Ipv4Addr> {
        let last = *self.0.lock();
        let wait = if last.is_some() { limit / 2 } else { limit };
        let found = timeout(wait, asking).await.unwrap_or_else(|_| Err(ErrorKind::TimedOut.into()));
        let address = match found {
            Ok(found) => {
                choose(last, &found, Instant::now()).ok_or_else(|| ErrorKind::NotFound.into())
            }
            Err(error) => Err(error),
        };
        let address = address.or_else(|error| last.map(|last| last.address).ok_or(error))?;
        let mut known = self.0.lock();
        // Other dials may have learned meanwhile how this address does.
        if known.is_none_or(|known| known.address != address) {
            *known = Some(Last { address, fails_since: None });
        }
        drop(known);
        Ok(address)
    }

    /// What came of the dial of this address. That of one which another dial has left since says nothing about the
    /// one that it went to.
    pub(super) fn note(&self, address: Ipv4Addr, failed: bool) {
        if let Some(last) = self.0.lock().as_mut().filter(|last| last.address == address) {
            let since = last.fails_since.unwrap_or_else(Instant::now);
            last.fails_since = failed.then_some(since);
        }
    }
}

/// The address that is dialled, of those that a name has: IPv4, as the crate dials no other.
fn choose(last: Option<Last>, found: &[IpAddr], now: Instant) -> Option<Ipv4Addr> {
    let v4 = |address: &IpAddr| match address {
        IpAddr::V4(address) => Some(*address),
        IpAddr::V6(_) => None,
    };
    let mut found = found.iter().filter_map(v4);
    let first = found.clone().next();
    let Some(Last { address, fails_since }) = last else { return first };
    let is_left = fails_since.is_some_and(|since| now.duration_since(since) >= PATIENCE);
    found.find(|it| (*it == address) != is_left).or(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_millis(100);
    const ONE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 1);
    const TWO: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

    async fn found(known: &Known, addresses: &[Ipv4Addr]) -> Ipv4Addr {
        let addresses = addresses.iter().copied().map(IpAddr::V4).collect();
        known.address(LIMIT, async { Ok(addresses) }).await.unwrap()
    }

    /// Catches a client that wanders between two owners of its keys, be it for one connection that failed, that
    /// stays with one which is dead or has lost the name, or that does not try it again.
    #[tokio::test(start_paused = true)]
    async fn it_stays_with_the_address_that_it_has() {
        let known = Known::default();
        assert_eq!(found(&known, &[ONE, TWO]).await, ONE);
        known.note(ONE, false);
        assert_eq!(found(&known, &[TWO, ONE]).await, ONE);
        for (failed, expected) in [(true, ONE), (false, ONE), (true, ONE), (true, TWO)] {
            known.note(ONE, failed);
            tokio::time::advance(PATIENCE / 2).await;
            assert_eq!(found(&known, &[ONE, TWO]).await, expected);
        }
        known.note(TWO, true);
        tokio::time::advance(PATIENCE).await;
        assert_eq!(found(&known, &[TWO, ONE]).await, ONE, "both are dead: in turns");
        known.note(ONE, true);
        tokio::time::advance(PATIENCE).await;
        assert_eq!(found(&known, &[ONE]).await, ONE, "there is no other");
        known.note(ONE, false);
        assert_eq!(found(&known, &[TWO]).await, TWO, "it has moved");
    }

    /// Catches a dial that is late and speaks of the address before: a client would leave one that it has just
    /// gone to, or stay with one that is dead.
    #[tokio::test(start_paused = true)]
    async fn a_late_dial_speaks_of_its_own_address() {
        let known = Known::default();
        assert_eq!(found(&known, &[ONE]).await, ONE);
        assert_eq!(found(&known, &[TWO]).await, TWO, "the name has moved");
        known.note(ONE, true);
        tokio::time::advance(PATIENCE).await;
        assert_eq!(found(&known, &[ONE, TWO]).await, TWO, "what failed was the old one");
        known.note(TWO, true);
        known.note(ONE, false);
        tokio::time::advance(PATIENCE).await;
        assert_eq!(found(&known, &[ONE, TWO]).await, ONE, "and what went well, too");
    }

    /// Catches a name service that takes nodes away which were found before, and an address that is made up.
    #[tokio::test(start_paused = true)]
    async fn without_an_answer_the_last_address_is_dialled() {
        let known = Known::default();
        let failing = async { Err(ErrorKind::Other.into()) };
        let error = known.address(LIMIT, failing).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Other);
        let error = known.address(LIMIT, std::future::pending()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        assert_eq!(found(&known, &[ONE]).await, ONE);
        for failed in [false, true] {
            known.note(ONE, failed);
            let failing = async { Err(ErrorKind::Other.into()) };
            assert_eq!(known.address(LIMIT, failing).await.unwrap(), ONE);
            assert_eq!(known.address(LIMIT, async { Ok(Vec::new()) }).await.unwrap(), ONE);
            let within = timeout(LIMIT, known.address(LIMIT, std::future::pending())).await;
            assert_eq!(within.expect("there is time to connect").unwrap(), ONE);
        }
    }
}
