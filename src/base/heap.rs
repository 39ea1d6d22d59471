//! The heap, and giving memory back to the system.

/// Gives the system back what the heap keeps although nothing is in it. Takes milliseconds; for a thread
/// that nobody waits for.
///
/// GNU's heap gives memory back only from its end, so that one small thing that stays keeps all before
/// it: after two thousand clients that did not read, a process stayed at 150-280 MiB of 430-690 for good,
/// and at 20 with this. Other systems' heaps need no telling.
pub fn give_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    #[expect(
        unsafe_code,
        reason = "no safe crate has it; mimalloc instead kept up to 300 MiB as well"
    )]
    // SAFETY: `malloc_trim(3)` takes no pointer, may be called by any thread at any time (MT-Safe), and
    // touches only memory in which nothing is.
    unsafe {
        libc::malloc_trim(0);
    }
}
