//! How long each thread of this process waited for a processor although it could have run.
//!
//! Linux counts it per thread (`/proc/self/task/*/schedstat`, the second number, in nanoseconds). A
//! wait is counted when it ends, so what a look finds new belongs to the time just before it.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::time::Duration;

use tokio::time::Instant;

/// Where the threads are listed.
const THREADS: &str = "/proc/self/task";

/// How often the list of threads is read: new ones are seen this late.
const LIST_PERIOD: Duration = Duration::from_secs(1);

/// Threads that are watched; more, on a very large machine, are not.
const THREADS_MAX: usize = 256;

/// The waits of every thread, as far as they are known.
#[derive(Debug, Default)]
pub(super) struct Waits {
    threads: BTreeMap<u32, Thread>,
    listed: Option<Instant>,
}

#[derive(Debug)]
struct Thread {
    schedstat: File,
    waited_ns: u64,
}

impl Waits {
    /// The longest that any thread waited since the last look; `None` where nobody counts.
    pub(super) fn longest_new(&mut self, now: Instant) -> Option<Duration> {
        if self.listed.is_none_or(|listed| now.saturating_duration_since(listed) >= LIST_PERIOD) {
            self.listed = Some(now);
            self.list();
        }
        let mut longest = None;
        // A thread that has ended has no file any more.
        self.threads.retain(|_, thread| {
            let Some(waited_ns) = waited_ns(&thread.schedstat) else { return false };
            longest = longest.max(Some(waited_ns.saturating_sub(thread.waited_ns)));
            thread.waited_ns = waited_ns;
            true
        });
        longest.map(Duration::from_nanos)
    }

    fn list(&mut self) {
        let Ok(entries) = std::fs::read_dir(THREADS) else { return };
        let names = entries.filter_map(Result::ok).map(|entry| entry.file_name());
        for id in names.filter_map(|name| name.to_str()?.parse().ok()) {
            if self.threads.len() >= THREADS_MAX {
                return;
            }
            if self.threads.contains_key(&id) {
                continue;
            }
            let Ok(schedstat) = File::open(format!("{THREADS}/{id}/schedstat")) else { continue };
            // What it waited before it was first seen is nobody's news.
            let Some(waited_ns) = waited_ns(&schedstat) else { continue };
            self.threads.insert(id, Thread { schedstat, waited_ns });
        }
    }
}

fn waited_ns(schedstat: &File) -> Option<u64> {
    let mut text = [0_u8; 96];
    let length = schedstat.read_at(&mut text, 0).ok()?;
    parse(std::str::from_utf8(&text[..length]).ok()?)
}

/// The time on a processor, the time waiting for one, and how often it was given one.
fn parse(schedstat: &str) -> Option<u64> {
    schedstat.split_ascii_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Catches the wrong column, which would take work for waiting.
    #[test]
    fn the_second_number_is_the_wait() {
        assert_eq!(parse("8123456 134049 12\n"), Some(134_049));
        assert_eq!(parse(""), None);
    }

    /// Catches a history that is taken for news, and a look that never finds a thread.
    #[cfg(target_os = "linux")]
    #[test]
    fn only_what_is_new_counts() {
        let mut waits = Waits::default();
        let start = Instant::now();
        if waits.longest_new(start).is_none() {
            // A kernel that does not count: nothing is claimed.
            assert_eq!(waits.longest_new(start), None);
            return;
        }
        for thread in waits.threads.values_mut() {
            thread.waited_ns = u64::MAX;
        }
        assert_eq!(waits.longest_new(start), Some(Duration::ZERO), "nothing beyond what was known");
        waits.threads.values_mut().for_each(|thread| thread.waited_ns = 0);
        let all = waits.threads.values().map(|thread| waited_ns(&thread.schedstat));
        let most = all.flatten().max().map(Duration::from_nanos);
        assert!(waits.longest_new(start) >= most);
    }
}
