//! Children end with the harness, however it ends.

use std::os::fd::OwnedFd;

use harness::report::Line;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::retry_on_intr;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open};

use super::Place;

/// How long a killed process may take to be gone before the test fails rather than hangs.
const PATIENCE: Timespec = Timespec { tv_sec: 20, tv_nsec: 0 };

/// Catches a memcached that outlives a harness which had no chance to end it.
#[test]
#[cfg(target_os = "linux")]
#[cfg_attr(not(real_memcached), ignore = "needs memcached on PATH")]
fn a_killed_harness_leaves_no_child() {
    let place = Place::new();
    let mut running =
        place.start("-scenario baseline-steady -duration 5m -nodes memcached -rate 50/s -out o");
    running.until(|line| matches!(line, Line::Start(_)));
    let children = handles_of(children_of(running.pid()));
    assert_eq!(children.len(), 3, "one for each node");
    running.signal(Signal::KILL);
    assert_gone(&children);
}

/// A handle for each, which stays with its process, whoever gets its number later.
pub(super) fn handles_of(processes: Vec<Pid>) -> Vec<OwnedFd> {
    processes.into_iter().map(|pid| pidfd_open(pid, PidfdFlags::empty()).unwrap()).collect()
}

/// Waits until all of them have ended.
pub(super) fn assert_gone(children: &[OwnedFd]) {
    for child in children {
        let mut ended = [PollFd::new(child, PollFlags::IN)];
        // A test beside this one that ends a child of its own interrupts us with SIGCHLD.
        let gone = retry_on_intr(|| poll(&mut ended, Some(&PATIENCE)));
        assert_eq!(gone, Ok(1), "a child outlives the harness");
    }
}

/// The children of `parent`, and theirs.
pub(super) fn descendants_of(parent: Pid) -> Vec<Pid> {
    let children = children_of(parent);
    let below = children.iter().flat_map(|child| descendants_of(*child)).collect::<Vec<_>>();
    children.into_iter().chain(below).collect()
}

/// The processes whose parent is `parent`.
fn children_of(parent: Pid) -> Vec<Pid> {
    let pids = std::fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok());
    // A process may end while we look.
    let parent_of = |pid: &i32| {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        status.lines().find_map(|line| line.strip_prefix("PPid:"))?.trim().parse().ok()
    };
    pids.filter(|pid| parent_of(pid) == Some(parent.as_raw_nonzero().get()))
        .filter_map(Pid::from_raw)
        .collect()
}
