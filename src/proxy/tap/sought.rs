//! Requests that somebody waits for: counted as they pass, while somebody does.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;

use crate::protocol::observe::Request;
use crate::protocol::speech::Matcher;

/// How many such requests have passed. Nothing is counted any more when this is dropped.
#[derive(Debug)]
pub struct SoughtRequests {
    meant: Matcher,
    passed: AtomicU64,
}

impl SoughtRequests {
    /// Those of these commands for these keys, both globs.
    ///
    /// # Errors
    /// When there is no such command.
    pub fn new(command: &str, key: &str) -> Result<Self, String> {
        Ok(Self { meant: Matcher::new(command, key, None)?, passed: AtomicU64::new(0) })
    }

    /// So many, since it was begun to count them.
    #[must_use]
    pub fn passed(&self) -> u64 {
        self.passed.load(Ordering::Relaxed)
    }
}

/// All that is waited for at one proxy.
#[derive(Debug, Default)]
pub(in crate::proxy) struct Sought {
    /// Whether anything is: a look that costs a connection nothing.
    is_any: AtomicBool,
    requests: Mutex<Vec<Weak<SoughtRequests>>>,
}

impl Sought {
    /// Counts these from now on.
    pub(in crate::proxy) fn add(&self, requests: &Arc<SoughtRequests>) {
        let mut all = self.requests.lock();
        all.retain(|requests| requests.strong_count() > 0);
        all.push(Arc::downgrade(requests));
        self.is_any.store(true, Ordering::Relaxed);
    }

    /// A request passed.
    pub(super) fn passed(&self, request: &Request<'_>) {
        if !self.is_any.load(Ordering::Relaxed) {
            return;
        }
        let mut all = self.requests.lock();
        all.retain(|requests| {
            let Some(requests) = requests.upgrade() else { return false };
            if requests.meant.matches(request) {
                requests.passed.fetch_add(1, Ordering::Relaxed);
            }
            true
        });
        self.is_any.store(!all.is_empty(), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;
    use crate::protocol::{Conversation, Known};

    /// Catches other commands and keys that count, requests of a connection that was open before that do not, and a
    /// count that goes on when nobody waits any more.
    #[test]
    fn what_is_meant_is_counted_while_somebody_waits() {
        let sought = Sought::default();
        let mut conversation = Conversation::new(Known::V1_6_18, None);
        let mut pass = |bytes: &[u8]| {
            conversation.on_request(bytes, Instant::now(), &mut |event| {
                if let crate::protocol::observe::RequestEvent::Request(request) = event {
                    sought.passed(&request);
                }
            });
        };
        pass(b"set k:7 0 0 1\r\nx\r\n");
        let sets = Arc::new(SoughtRequests::new("set,ms", "k:7").unwrap());
        let all = Arc::new(SoughtRequests::new("*", "*").unwrap());
        sought.add(&sets);
        sought.add(&all);
        pass(
            b"set k:7 0 0 1\r\nx\r\nset k:8 0 0 1\r\nx\r\nget k:7\r\nms k:7 1\r\nx\r\nversion\r\n",
        );
        assert_eq!((sets.passed(), all.passed()), (2, 5));
        drop(sets);
        pass(b"set k:7 0 0 1\r\nx\r\n");
        assert_eq!(all.passed(), 6);
        assert_eq!(sought.requests.lock().len(), 1);
        drop(all);
        pass(b"version\r\n");
        assert!(!sought.is_any.load(Ordering::Relaxed));
    }
}
