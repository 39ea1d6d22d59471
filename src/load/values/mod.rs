//! How long a value is: distributions of sizes, one file each.
//!
//! A value is never shorter than its header ([`crate::load::payload::HEADER_BYTES`]): a smaller
//! wish is raised to it, because a value without its header could not be checked.

mod fixed;
mod log_normal;
mod range;
mod two_sizes;

use std::fmt;

use crate::base::family::{Family, SettingError, Settings};
use crate::base::seed::Stream;

/// The distributions, in the order in which people should read them.
pub static VALUES: Family<dyn ValueSpec> = Family {
    noun: "value size",
    kinds: &[fixed::KIND, range::KIND, log_normal::KIND, two_sizes::KIND],
};

/// The longest value that a workload may ask for. Each worker keeps one buffer of this size at
/// most; memcached itself refuses more than 1 MiB by default.
pub const VALUE_BYTES_MAX: u64 = 16 << 20;

/// A distribution of sizes, checked.
pub trait ValueSpec: fmt::Debug + Send + Sync {
    /// The size of the next value in bytes: at most [`VALUE_BYTES_MAX`].
    fn draw_bytes(&self, stream: &mut Stream) -> u64;
}

/// Reads a size and checks it against the bound.
fn size(settings: &Settings, name: &str) -> Result<u64, SettingError> {
    let size = settings.count(name)?;
    if size > VALUE_BYTES_MAX {
        return Err(SettingError::at(name, format!("`{name}` must be at most \"16MiB\"")));
    }
    Ok(size)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::family::Value;
    use crate::base::seed::Seed;

    pub(super) fn sizes(kind: &str, settings: &[(&str, Value)], draws: usize) -> Vec<u64> {
        let mut given = Settings::default();
        for (name, value) in settings {
            given.insert(*name, value.clone());
        }
        let spec = VALUES.find(kind).unwrap().make(&given).unwrap();
        let mut stream = Seed::new(11).stream();
        (0..draws).map(|_| spec.draw_bytes(&mut stream)).collect()
    }

    /// Catches a size that would exhaust memory.
    #[test]
    fn a_huge_value_is_refused() {
        let mut given = Settings::default();
        given.insert("size", Value::Integer(1 << 40));
        let error = VALUES.find("fixed").unwrap().make(&given).unwrap_err();
        assert!(error.to_string().contains("16MiB"), "{error}");
    }
}
