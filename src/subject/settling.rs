//! When the traffic of somebody else is under way.

use std::time::Duration;

use tokio::time::Instant;

/// How long every proxy that gets requests at all must have had some.
const STEADY_FOR: Duration = Duration::from_secs(1);

/// Watches counts of requests until they rise steadily.
#[derive(Debug, Default)]
pub(crate) struct Settling {
    proxies: Vec<Traffic>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Traffic {
    requests: u64,
    /// When the first and the last of them were seen.
    seen: Option<(Instant, Instant)>,
}

impl Settling {
    /// Each proxy has had so many requests until `now`. Whether every one that got any got the first a
    /// second ago or earlier, and the last within this second.
    pub(crate) fn is_settled(&mut self, now: Instant, requests: &[u64]) -> bool {
        self.proxies.resize(requests.len(), Traffic::default());
        for (known, &requests) in self.proxies.iter_mut().zip(requests) {
            if requests > known.requests {
                *known = Traffic { requests, seen: Some((known.seen.map_or(now, |s| s.0), now)) };
            }
        }
        let mut used = self.proxies.iter().filter_map(|traffic| traffic.seen).peekable();
        used.peek().is_some()
            && used.all(|(first, last)| now - first >= STEADY_FOR && now - last < STEADY_FOR)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Catches a phase that begins with the first request, one that waits for a proxy which nobody
    /// uses, and one that begins while a proxy has gone quiet or has just begun.
    #[test]
    fn a_second_of_traffic_everywhere_is_waited_for() {
        let start = Instant::now();
        let at = |tenths: u64| start + Duration::from_millis(tenths * 100);
        type Requests = fn(u64) -> [u64; 3];
        let cases: [(&str, Requests, Option<u64>); 4] = [
            ("two of three", |t| [t * 5, t * 3, 0], Some(11)),
            ("nobody", |_| [0, 0, 0], None),
            ("one begins late", |t| [t, t.saturating_sub(8), 0], Some(19)),
            ("a single burst", |_| [100, 0, 0], None),
        ];
        for (name, requests, expected) in cases {
            let mut settling = Settling::default();
            let settled = (0..60).find(|&t| settling.is_settled(at(t), &requests(t)));
            assert_eq!(settled, expected, "{name}");
        }
    }
}
