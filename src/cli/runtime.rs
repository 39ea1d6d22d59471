//! The threads of a command, once the system allows what they need. Whoever starts with too little ends
//! somewhere in the middle, in words that do not name the cause.

use rustix::process::{Resource, getrlimit};
use tokio::runtime::{Builder, Runtime};

use crate::base::descriptors;

/// Descriptors that a command with nothing open needs: its output, its threads' own, a few to work with.
const DESCRIPTORS_LEAST: u64 = 32;

/// The least address space in bytes: threads reserve tens of megabytes each that they hardly ever use,
/// and where a reservation fails the process is ended by its allocator.
const ADDRESS_SPACE_LEAST: u64 = 1 << 30;

/// Threads for what goes on at once, when there are `descriptors` for it.
///
/// # Errors
/// The limit that is too low, and how to raise it.
pub(super) fn threads(descriptors: u64) -> Result<Runtime, String> {
    allowed(descriptors)?;
    let limit = getrlimit(Resource::As).current;
    if let Some(limit) = limit.filter(|limit| *limit < ADDRESS_SPACE_LEAST) {
        let (limit, least) = (limit >> 10, ADDRESS_SPACE_LEAST >> 10);
        return Err(format!(
            "the address space is limited to {limit} KiB and {least} KiB are needed; raise it with \
             `ulimit -v {least}` or `ulimit -v unlimited`"
        ));
    }
    built(&mut Builder::new_multi_thread())
}

/// The thread that is there already, for one thing after the other.
///
/// # Errors
/// As [`threads`].
pub(super) fn thread() -> Result<Runtime, String> {
    allowed(0)?;
    built(&mut Builder::new_current_thread())
}

fn allowed(descriptors: u64) -> Result<(), String> {
    let (limit, least) = (descriptors::for_data(), descriptors.max(DESCRIPTORS_LEAST));
    if limit < least {
        // What is kept back comes on top.
        let all = least + least / 2;
        return Err(format!(
            "too few descriptors: {limit} may be used and {least} are needed; raise the limit with \
             `ulimit -n {all}`"
        ));
    }
    Ok(())
}

fn built(builder: &mut Builder) -> Result<Runtime, String> {
    builder.enable_all().build().map_err(|error| {
        format!("cannot start threads: {error}; the limits are those of `ulimit -a`")
    })
}
