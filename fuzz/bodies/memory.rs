//! A bound on what is allocated: by what has come, never by what a peer says will come.

/// Runs `work` and checks that this thread never held more than `fixed` bytes and `each` for every
/// byte of `input`.
pub(super) fn bounded(input: usize, fixed: usize, each: usize, work: impl FnOnce()) {
    let held = allocation_counter::measure(work).bytes_max;
    let limit = (fixed + each * input) as u64;
    assert!(
        held <= limit,
        "{held} bytes were held for {input} bytes of input; {limit} are allowed"
    );
}
