//! The files of a member's run, as they travel: so many, so large, with names that lead nowhere else.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::record::facts::FACTS;

/// The most files of one run.
pub(super) const FILES_MAX: usize = 64;

/// The largest of them.
pub(super) const FILE_BYTES_MAX: u64 = 256 << 20;

/// The largest of all together.
pub(super) const ALL_BYTES_MAX: u64 = 1 << 30;

/// One file of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Parcel {
    pub(super) name: String,
    pub(super) path: PathBuf,
    pub(super) bytes: u64,
}

/// Whether a name stays where it is put, and is nothing that is hidden.
pub(super) fn is_name(name: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    !name.is_empty() && name.len() <= 128 && !name.starts_with('.') && name.chars().all(fits)
}

/// The files of the run in `folder`, in the order of their names: `facts.ndjson`, by which a run is complete,
/// is last.
///
/// # Errors
/// When it cannot be read, or is more than travels.
pub(super) fn of(folder: &Path) -> Result<Vec<Parcel>, String> {
    let read = || -> io::Result<Vec<Parcel>> {
        let mut parcels = Vec::new();
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let (name, known) = (entry.file_name().into_string(), entry.metadata()?);
            if let (Ok(name), true) = (name, known.is_file()) {
                parcels.push(Parcel { name, path: entry.path(), bytes: known.len() });
            }
        }
        Ok(parcels)
    };
    let mut parcels =
        read().map_err(|error| format!("cannot read {}: {error}", folder.display()))?;
    parcels.retain(|parcel| is_name(&parcel.name));
    parcels.sort_by_key(|parcel| (parcel.name == FACTS, parcel.name.clone()));
    let all: u64 = parcels.iter().map(|parcel| parcel.bytes).sum();
    let large = parcels.iter().find(|parcel| parcel.bytes > FILE_BYTES_MAX);
    if parcels.len() > FILES_MAX {
        Err(format!("{} has more than {FILES_MAX} files", folder.display()))
    } else if let Some(large) = large {
        Err(format!("{} is larger than {FILE_BYTES_MAX} bytes", large.path.display()))
    } else if all > ALL_BYTES_MAX {
        Err(format!("{} is larger than {ALL_BYTES_MAX} bytes", folder.display()))
    } else {
        Ok(parcels)
    }
}

/// Where a folder is made before it has its name: whoever looks for runs does not see it.
pub(super) fn beside(to: &Path) -> PathBuf {
    let name = to.file_name().unwrap_or_default().to_string_lossy();
    to.with_file_name(format!(".{name}.{}.part", std::process::id()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Catches a file that travels under a name which leads elsewhere, one that is no file of the run, and
    /// facts that are there before what they belong to.
    #[test]
    fn what_travels_are_the_files_of_a_run() {
        let run = tempfile::tempdir().unwrap();
        fs::create_dir_all(run.path().join("folder")).unwrap();
        for name in ["facts.ndjson", "plan.toml", "report.json", ".hidden"] {
            fs::write(run.path().join(name), name).unwrap();
        }
        let names = of(run.path()).unwrap().into_iter().map(|parcel| parcel.name);
        assert_eq!(names.collect::<Vec<_>>(), ["plan.toml", "report.json", "facts.ndjson"]);
        for name in ["", "..", "../x", "a/b", "a b", ".part"] {
            assert!(!is_name(name), "{name}");
        }
        for number in 0..=FILES_MAX {
            fs::write(run.path().join(format!("more-{number}")), "").unwrap();
        }
        assert!(of(run.path()).unwrap_err().contains("more than 64 files"));
    }
}
