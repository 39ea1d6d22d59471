//! What the keys of a run are called on the wire, for faults that name some: there they begin with the number of the
//! run, which no file knows.

use std::sync::OnceLock;

use super::Lab;
use super::timeline::{After, Awaited, FaultSpec};
use crate::base::family::Value;

/// The setting of faults that names keys.
const KEY: &str = "key";

/// What they begin with; empty: nobody said so, and keys are called what a file calls them.
#[derive(Debug, Default)]
pub(super) struct OwnKeys(OnceLock<String>);

impl OwnKeys {
    /// The glob that means on the wire what `glob` means in a file. One that begins with a `*` means any beginning.
    fn on_the_wire(&self, glob: &str) -> String {
        let beginning = self.0.get().filter(|_| !glob.starts_with(Awaited::ANY));
        let mut whole = String::new();
        for sign in beginning.into_iter().flat_map(|beginning| beginning.chars()) {
            if matches!(sign, '*' | '?' | '\\') {
                whole.push('\\');
            }
            whole.push(sign);
        }
        whole + glob
    }

    /// The fault with the names that its keys have on the wire.
    fn of(&self, fault: &FaultSpec) -> FaultSpec {
        let mut fault = fault.clone();
        if let Ok(glob) = fault.fault.settings.text(KEY).map(str::to_owned) {
            fault.fault.settings.insert(KEY, Value::Text(self.on_the_wire(&glob)));
        }
        if let Some(After::Requests(awaited)) = &mut fault.after {
            awaited.key = self.on_the_wire(&awaited.key);
        }
        fault
    }
}

impl Lab {
    /// The keys of the run's own client begin so: what others send is counted apart, and faults mean these keys.
    pub fn know_own_keys(&self, beginning: &str) {
        self.proxies.know_own(beginning.as_bytes());
        // Said once, before anything is broken.
        let _ = self.own_keys.0.set(beginning.to_owned());
    }

    /// The fault with the names that its keys have on the wire.
    pub(super) fn on_the_wire(&self, fault: &FaultSpec) -> FaultSpec {
        self.own_keys.of(fault)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::glob::Glob;

    /// Catches a key that a file calls as the report does and that is never found on the wire, one whose beginning
    /// is taken for a pattern, and a glob for any beginning that no longer is one.
    #[test]
    fn keys_are_called_what_the_report_calls_them() {
        let keys = OwnKeys::default();
        assert_eq!(keys.on_the_wire("k:7"), "k:7");
        keys.0.set("a*b:1f00d4c2:".to_owned()).unwrap();
        let means = |glob: &str, key: &str| {
            Glob::new(keys.on_the_wire(glob).as_bytes()).matches(key.as_bytes())
        };
        assert!(means("k:7", "a*b:1f00d4c2:k:7") && means("k:?", "a*b:1f00d4c2:k:7"));
        assert!(!means("k:7", "k:7") && !means("k:7", "axxb:1f00d4c2:k:7"));
        assert!(means("*:k:7", "a*b:1f00d4c2:k:7") && means("*", "anything"));
    }
}
