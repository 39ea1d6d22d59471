//! A name for every request that matched a route.

use std::sync::atomic::{AtomicU32, Ordering};

use crate::base::seed::Seed;

/// Names requests: 20 characters of base 32, unique within the server and very likely beyond.
#[derive(Debug)]
pub(super) struct RequestIds {
    server: u64,
    next: AtomicU32,
}

impl RequestIds {
    pub(super) fn new(seed: Seed) -> Self {
        Self { server: seed.fork("request-ids").value(), next: AtomicU32::new(0) }
    }

    pub(super) fn next(&self) -> String {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        // 96 bits, and four more that are zero.
        let bits = (u128::from(self.server) << 32 | u128::from(number)) << 4;
        (0..20).rev().map(|place| DIGITS[(bits >> (place * 5)) as usize & 31] as char).collect()
    }
}

const DIGITS: &[u8; 32] = b"0123456789abcdefghijklmnopqrstuv";

#[cfg(test)]
mod tests {
    use super::*;

    /// Catches a name that repeats or that is not of the form that clients test for.
    #[test]
    fn names_are_unique_and_of_the_right_form() {
        let ids = RequestIds::new(Seed::new(1));
        let names: std::collections::BTreeSet<String> = (0..1000).map(|_| ids.next()).collect();
        assert_eq!(names.len(), 1000);
        for name in names {
            assert_eq!(name.len(), 20);
            assert!(name.bytes().all(|byte| DIGITS.contains(&byte)), "{name}");
        }
    }
}
