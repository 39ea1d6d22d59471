//! The descriptors of this process: as many as there may be, and a few that are kept back.
//!
//! Whoever runs out of descriptors can no longer be asked what is wrong. So the data path leaves
//! the last ones to the control plane: the kernel always gives the lowest number that is free, so a
//! number that is high says that everything below it is in use.

use std::os::fd::{AsFd, AsRawFd};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// What the data path leaves to the control plane: its listener's connections, files, timers. A
/// quarter where that is less.
const RESERVED: u64 = 64;

/// What a control plane is given at least.
const CONTROL_LEAST: usize = 4;

/// Takes as many descriptors as the system allows, as servers do: the low default is for programs
/// that use `select`.
pub fn raise_limit() {
    let limit = getrlimit(Resource::Nofile);
    // Where this is refused, what there is has to do.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
}

/// Whether the data path should give `descriptor` back, because only those are left that the
/// control plane needs.
pub fn is_reserved(descriptor: impl AsFd) -> bool {
    let number = u64::try_from(descriptor.as_fd().as_raw_fd()).unwrap_or(0);
    getrlimit(Resource::Nofile).current.is_some_and(|limit| number >= open_to_data(limit))
}

/// How many descriptors there may be but for those that are kept back.
pub fn for_data() -> u64 {
    getrlimit(Resource::Nofile).current.map_or(u64::MAX, open_to_data)
}

/// How many descriptors the connections of a control plane may have together: an eighth of all, so
/// that who sits there and says nothing costs the data path little.
pub fn control_share() -> usize {
    let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    usize::try_from(limit / 8).unwrap_or(usize::MAX).max(CONTROL_LEAST)
}

/// The first number that is not for the data path.
const fn open_to_data(limit: u64) -> u64 {
    let quarter = limit / 4;
    limit - if quarter < RESERVED { quarter } else { RESERVED }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Catches a reserve that leaves the data path nothing, or the control plane nothing.
    #[test]
    fn both_sides_have_a_share_of_any_limit() {
        let shares = [64, 256, 1_024, 1_048_576].map(open_to_data);
        assert_eq!(shares, [48, 192, 960, 1_048_512]);
    }
}
