//! What a memcached says of itself, as far as it tells what became of the data it was to keep.

use crate::protocol::statistics::Statistics;

/// Items that a node dropped to make room, by the counters of its statistics. Moving a page from one
/// size of items to another drops some as well.
const DROPPED: [&str; 3] =
    ["evictions", "slab_reassign_evictions_nomem", "slab_reassign_busy_deletes"];

/// Reads the lines of `stats`; `None` when one that matters is missing.
#[must_use]
pub fn parse(text: &str) -> Option<Statistics> {
    let number = |wanted: &str| {
        text.lines().find_map(|line| {
            let (name, value) = line.strip_prefix("STAT ")?.split_once(' ')?;
            if name == wanted { value.trim_end().parse().ok() } else { None }
        })
    };
    // Whatever calls itself memcached knows its evictions; the others came with later versions.
    number(DROPPED[0])?;
    Some(Statistics {
        pid: number("pid")?,
        uptime_s: number("uptime")?,
        flushes: number("cmd_flush")?,
        dropped: DROPPED.iter().filter_map(|name| number(name)).sum(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Catches a counter that is read from a longer name or not at all, and a server without the
    /// counters that is taken for one that dropped nothing.
    #[test]
    fn only_what_was_said_counts() {
        let text = "STAT pid 7\r\nSTAT uptime 90\r\nSTAT cmd_flush 2\r\nSTAT evictions 30\r\n\
                    STAT slab_reassign_evictions_nomem 4\r\nSTAT evictions_more 900\r\nEND\r\n";
        assert_eq!(parse(text), Some(Statistics { pid: 7, uptime_s: 90, flushes: 2, dropped: 34 }));
        assert_eq!(parse(&text.replace("STAT evictions ", "STAT other ")), None);
        assert_eq!(parse("ERROR\r\n"), None);
    }
}
