//! What a Redis or a Valkey says of itself, as far as it tells what became of the data it was to keep.

use crate::protocol::statistics::Statistics;

/// Commands that empty it.
const FLUSHES: [&str; 2] = ["cmdstat_flushall", "cmdstat_flushdb"];

/// What `INFO` says behind this name.
fn told<'a>(text: &'a str, wanted: &str) -> Option<&'a str> {
    text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        (name == wanted).then_some(value.trim_end())
    })
}

/// Reads `INFO all`; `None` when a line that matters is missing.
pub(super) fn parse(text: &str) -> Option<Statistics> {
    let number = |wanted: &str| told(text, wanted)?.parse().ok();
    // Told only once it was called.
    let calls = |command: &&str| {
        let calls = told(text, command)?.strip_prefix("calls=")?;
        calls.split(',').next()?.parse::<u64>().ok()
    };
    Some(Statistics {
        pid: number("process_id")?,
        uptime_s: number("uptime_in_seconds")?,
        flushes: FLUSHES.iter().filter_map(calls).sum(),
        dropped: number("evicted_keys")?,
    })
}

/// The version that `INFO server` tells, of a Valkey its own.
pub(super) fn version_of(text: &str) -> Option<String> {
    let valkey = told(text, "valkey_version").map(|version| format!("Valkey {version}"));
    valkey.or_else(|| told(text, "redis_version").map(str::to_owned))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Catches a counter that is read from a longer name or not at all, a server that was never emptied and
    /// says nothing, and a Valkey that is called after the Redis that it stands in for.
    #[test]
    fn only_what_was_said_counts() {
        let text = "# Server\r\nredis_version:7.0.15\r\nprocess_id:7\r\nuptime_in_seconds:90\r\n\r\n# Stats\r\n\
                    total_evicted_keys:9\r\nevicted_keys:3\r\n";
        let expected = Statistics { pid: 7, uptime_s: 90, flushes: 0, dropped: 3 };
        assert_eq!(parse(text), Some(expected));
        let flushed = format!(
            "{text}cmdstat_flushall:calls=2,usec=9\r\ncmdstat_flushdb:calls=1\r\nvalkey_version:8.1.1\r\n"
        );
        assert_eq!(parse(&flushed).unwrap().flushes, 3);
        assert_eq!(parse(&text.replace("\nevicted_keys", "\nother")), None);
        assert_eq!(version_of(text).unwrap(), "7.0.15");
        assert_eq!(version_of(&flushed).unwrap(), "Valkey 8.1.1");
    }
}
