//! Which stored runs of a session go when there are too many: a soak leaves a folder for each of its runs,
//! and a month has 80,000 of them.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::time::Duration;

use crate::base::time::Offset;

/// How many runs stay, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// So many at most.
    pub runs: usize,
    /// None that is older.
    pub age: Option<Duration>,
}

/// The stored runs of a session, the oldest first.
#[derive(Debug)]
pub struct Retained {
    limits: Retention,
    runs: VecDeque<Run>,
}

#[derive(Debug)]
struct Run {
    folder: PathBuf,
    at: Offset,
    passed: bool,
}

impl Retained {
    /// None yet.
    #[must_use]
    pub const fn new(limits: Retention) -> Self {
        Self { limits, runs: VecDeque::new() }
    }

    /// A run was stored `at` this moment of the session; what has to go for it. What is too old goes first,
    /// then the oldest that passed, since nobody looks at these again, then the oldest.
    #[must_use]
    pub fn add(&mut self, folder: PathBuf, at: Offset, passed: bool) -> Vec<PathBuf> {
        self.runs.push_back(Run { folder, at, passed });
        let mut gone = Vec::new();
        if let Some(age) = self.limits.age {
            let old = self.runs.iter().take_while(|run| at.since(run.at) > age).count();
            gone.extend(self.runs.drain(..old));
        }
        while self.runs.len() > self.limits.runs.max(1) {
            let before = self.runs.len() - 1;
            let passed = self.runs.iter().take(before).position(|run| run.passed);
            gone.extend(self.runs.remove(passed.unwrap_or(0)));
        }
        gone.into_iter().map(|run| run.folder).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Catches a soak that keeps everything, one that drops the failure among a month of passes, and one
    /// that drops what it has just stored.
    #[test]
    fn failures_stay_longest() {
        let mut retained = Retained::new(Retention { runs: 3, age: None });
        let mut add = |name: &str, passed| {
            let gone = retained.add(name.into(), Offset::default(), passed);
            gone.iter().map(|folder| folder.display().to_string()).collect::<String>()
        };
        let added = [("a", true), ("b", false), ("c", true), ("d", true), ("e", true)];
        assert_eq!(added.map(|(name, passed)| add(name, passed)), ["", "", "", "a", "c"]);
        let added = [("f", false), ("g", false), ("h", false)];
        assert_eq!(added.map(|(name, passed)| add(name, passed)), ["d", "e", "b"]);
        assert_eq!([add("i", true), add("j", true)], ["f", "i"]);
    }

    /// Catches a run that stays for ever although it failed, and one that goes a second too early.
    #[test]
    fn what_is_too_old_goes() {
        let age = Some(Duration::from_secs(10));
        let mut retained = Retained::new(Retention { runs: 9, age });
        let secs = |secs| Offset::from_duration(Duration::from_secs(secs));
        for (second, expected) in [(0, 0), (10, 0), (11, 1), (22, 2)] {
            let gone = retained.add(second.to_string().into(), secs(second), false);
            assert_eq!(gone.len(), expected, "{second}");
        }
    }
}
