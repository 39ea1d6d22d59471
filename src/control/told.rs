//! What clients of the API say has happened, until whoever waits for it has looked.

use std::sync::Arc;

use parking_lot::Mutex;

/// How many names wait to be looked at; more are refused until somebody has looked.
const NAMES_MAX: usize = 64;

/// Names of things that happened. Clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Told(Arc<Mutex<Vec<String>>>);

impl Told {
    /// This has happened; whether there is room for it.
    pub fn say(&self, name: &str) -> bool {
        let mut names = self.0.lock();
        let has_room = names.len() < NAMES_MAX;
        if has_room {
            names.push(name.to_owned());
        }
        has_room
    }

    /// What was said since it was asked for last.
    #[must_use]
    pub fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Catches a name that is told twice, and names without a bound.
    #[test]
    fn each_name_is_told_once() {
        let told = Told::default();
        assert!(told.say("a") && told.clone().say("b"));
        assert_eq!(told.take(), ["a", "b"]);
        assert!(told.take().is_empty());
        assert_eq!((0..1000).filter(|_| told.say("x")).count(), NAMES_MAX);
    }
}
