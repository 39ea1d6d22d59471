//! Figures about this process under the names that every Prometheus client library uses. They come
//! from `/proc`; where there is none, there are no figures.

use std::fs;

/// The kernel counts processor time in this unit on every Linux that is in use.
const TICKS_PER_SECOND: f64 = 100.0;

/// Name, type, help and value of each figure that the system gives.
pub(super) fn figures() -> Vec<(&'static str, &'static str, &'static str, f64)> {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let (stat, status) = (read("/proc/self/stat"), read("/proc/self/status"));
    let (limits, system) = (read("/proc/self/limits"), read("/proc/stat"));
    #[expect(clippy::cast_precision_loss, reason = "descriptors are far fewer than 2^52")]
    let open = fs::read_dir("/proc/self/fd").ok().map(|all| all.count() as f64);
    let figures = [
        (
            "process_cpu_seconds_total",
            "counter",
            "Total user and system CPU time spent in seconds.",
            ticks(&stat, 13).zip(ticks(&stat, 14)).map(|(user, kernel)| user + kernel),
        ),
        ("process_max_fds", "gauge", "Maximum number of open file descriptors.", max_fds(&limits)),
        ("process_open_fds", "gauge", "Number of open file descriptors.", open),
        (
            "process_resident_memory_bytes",
            "gauge",
            "Resident memory size in bytes.",
            kibibytes(&status, "VmRSS:"),
        ),
        (
            "process_start_time_seconds",
            "gauge",
            "Start time of the process since unix epoch in seconds.",
            boot_time(&system).zip(ticks(&stat, 21)).map(|(boot, start)| boot + start),
        ),
        (
            "process_virtual_memory_bytes",
            "gauge",
            "Virtual memory size in bytes.",
            kibibytes(&status, "VmSize:"),
        ),
    ];
    figures
        .into_iter()
        .filter_map(|(name, kind, help, value)| Some((name, kind, help, value?)))
        .collect()
}

/// A time in seconds at `place` of `/proc/self/stat`, counted from zero.
fn ticks(stat: &str, place: usize) -> Option<f64> {
    // The second field is the program's name in brackets, which may hold spaces.
    let (_, rest) = stat.rsplit_once(") ")?;
    let ticks: f64 = rest.split_whitespace().nth(place - 2)?.parse().ok()?;
    Some(ticks / TICKS_PER_SECOND)
}

fn kibibytes(status: &str, name: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    let count: f64 = line.split_whitespace().next()?.parse().ok()?;
    Some(count * 1024.0)
}

fn max_fds(limits: &str) -> Option<f64> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

fn boot_time(system: &str) -> Option<f64> {
    system.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Catches a field counted from the wrong end when the program's name holds spaces.
    #[test]
    fn fields_are_found_behind_any_name() {
        let stat = "7 (a ) b) S 1 2 3 4 5 6 7 8 9 10 150 50 0 0 20 0 1 0 4200 0 0";
        assert_eq!(ticks(stat, 13), Some(1.5));
        assert_eq!(ticks(stat, 14), Some(0.5));
        assert_eq!(ticks(stat, 21), Some(42.0));
        assert_eq!(ticks("", 13), None);
        assert_eq!(kibibytes("VmRSS:\t  12 kB\n", "VmRSS:"), Some(12_288.0));
        assert_eq!(max_fds("Max open files            1024  4096 files"), Some(1024.0));
    }
}
