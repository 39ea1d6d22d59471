//! What a run runs on, in a line: whoever compares two runs must know.

/// System, processors that this process may use, and memory, as far as they can be known.
pub(super) fn machine() -> String {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let memory = memory().map(|gib| format!(", {gib:.1} GiB")).unwrap_or_default();
    format!("{} {}, {processors} processors{memory}", system(), std::env::consts::ARCH)
}

#[cfg(unix)]
fn system() -> String {
    let name = rustix::system::uname();
    format!("{} {}", name.sysname().to_string_lossy(), name.release().to_string_lossy())
}

#[cfg(not(unix))]
fn system() -> String {
    std::env::consts::OS.to_owned()
}

#[cfg(target_os = "linux")]
#[expect(clippy::cast_precision_loss, reason = "memory is far below 2^53 bytes")]
fn memory() -> Option<f64> {
    let info = rustix::system::sysinfo();
    Some(info.totalram as f64 * f64::from(info.mem_unit) / f64::from(1 << 30))
}

#[cfg(not(target_os = "linux"))]
const fn memory() -> Option<f64> {
    None
}
