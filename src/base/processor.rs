//! Which processors this process may use, and a thread's place on one of them.

/// Processors that are looked at one by one; a larger machine is not watched in every corner.
#[cfg(target_os = "linux")]
const PROCESSORS_MAX: usize = 64;

/// The processors that this thread may run on, by their numbers; empty where nobody says.
#[must_use]
pub fn allowed() -> Vec<usize> {
    #[cfg(target_os = "linux")]
    if let Ok(set) = rustix::thread::sched_getaffinity(None) {
        let numbers = 0..rustix::thread::CpuSet::MAX_CPU;
        return numbers.filter(|number| set.is_set(*number)).take(PROCESSORS_MAX).collect();
    }
    Vec::new()
}

/// Ties this thread to one processor. `false`: it was refused, as a sandbox may, or there is no
/// such call here; the thread then runs wherever the system puts it.
pub fn pin_this_thread(processor: usize) -> bool {
    #[cfg(target_os = "linux")]
    if processor < rustix::thread::CpuSet::MAX_CPU {
        let mut set = rustix::thread::CpuSet::new();
        set.set(processor);
        return rustix::thread::sched_setaffinity(None, &set).is_ok();
    }
    let _ = processor;
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::scope::Scope;

    /// Catches a thread that claims its processor and runs elsewhere, and a pin that leaks to others.
    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn a_pinned_thread_has_one_processor() {
        let before = allowed();
        assert!(!before.is_empty());
        let last = before[before.len() - 1];
        let (tell, told) = tokio::sync::oneshot::channel();
        let pin = move || drop(tell.send(pin_this_thread(last).then(allowed)));
        Scope::current("test").thread("pinned", pin).unwrap();
        assert!(told.await.unwrap().is_none_or(|allowed| allowed == [last]));
        assert_eq!(allowed(), before);
        assert!(!pin_this_thread(usize::MAX));
    }
}
