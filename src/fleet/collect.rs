//! Where runs are collected beside their own folder: a folder that all machines see, or an HTTP server that takes
//! files.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use hyper::Request;
use hyper::body::Bytes;
use tokio::time::sleep;

use super::parcel;
use crate::http::{Address, Caller};

/// How long one file may take, how often it is tried, and the pause between.
const SEND_MAX: Duration = Duration::from_secs(30);
const ATTEMPTS: u32 = 3;
const PAUSE: Duration = Duration::from_secs(1);

/// Where runs are collected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Collection {
    /// Each is a folder of this one.
    Folder(PathBuf),
    /// Each file is put below this address.
    Web(Address),
}

impl FromStr for Collection {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.contains("://") {
            return text.parse().map(Self::Web);
        }
        match text {
            "" => Err("an empty name is no folder; write \"runs/all\"".to_owned()),
            folder => Ok(Self::Folder(folder.into())),
        }
    }
}

impl Collection {
    /// Adds the run in `folder` as `name`.
    ///
    /// # Errors
    /// Why it is not there. It is still in its own folder.
    pub async fn add(&self, folder: &Path, name: &str) -> Result<(), String> {
        let added = match self {
            Self::Folder(all) => copy(folder, &all.join(name)),
            Self::Web(address) => put(folder, address, name).await,
        };
        added.map_err(|why| format!("{why}; the run is kept in {}", folder.display()))
    }
}

/// Copies a run into `to`, which is complete or not there.
fn copy(folder: &Path, to: &Path) -> Result<(), String> {
    let parcels = parcel::of(folder)?;
    let part = parcel::beside(to);
    let copy = || -> io::Result<()> {
        if to.exists() {
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, "another run is there"));
        }
        fs::create_dir_all(&part)?;
        for parcel in &parcels {
            fs::copy(&parcel.path, part.join(&parcel.name))?;
        }
        fs::rename(&part, to)
    };
    copy().map_err(|error| {
        // The error that matters is the first.
        let _ = fs::remove_dir_all(&part);
        format!("cannot collect the run in {}: {error}", to.display())
    })
}

/// Puts each file at `address/name/file`. The facts, by which a run is complete, are last.
async fn put(folder: &Path, address: &Address, name: &str) -> Result<(), String> {
    let caller = Caller::new(address.clone(), SEND_MAX, 1);
    for parcel in parcel::of(folder)? {
        let body = tokio::fs::read(&parcel.path).await;
        let body =
            body.map_err(|error| format!("cannot read {}: {error}", parcel.path.display()))?;
        let (body, place) = (Bytes::from(body), format!("/{name}/{}", parcel.name));
        let mut attempt = 1;
        while let Err(why) = put_one(&caller, &address.target(&place), body.clone()).await {
            if attempt == ATTEMPTS {
                return Err(format!("cannot put {address}{place}: {why} ({ATTEMPTS} attempts)"));
            }
            attempt += 1;
            sleep(PAUSE).await;
        }
    }
    Ok(())
}

async fn put_one(caller: &Caller, target: &str, body: Bytes) -> Result<(), String> {
    let request = Request::put(target).body(body).map_err(|error| error.to_string())?;
    match caller.ask(request).await.result {
        Ok(answer) if (200..300).contains(&answer.status) => Ok(()),
        Ok(answer) => Err(format!("status {}", answer.status)),
        Err(trouble) => Err(trouble.message),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Catches a run that is seen before it is whole, one that takes the place of another, and what is left
    /// beside one that could not be stored.
    #[test]
    fn a_run_is_copied_whole_or_not_at_all() {
        let root = tempfile::tempdir().unwrap();
        let run = root.path().join("run");
        fs::create_dir_all(&run).unwrap();
        fs::write(run.join("facts.ndjson"), "{}").unwrap();
        let to = root.path().join("all/r1-3");
        copy(&run, &to).unwrap();
        assert_eq!(fs::read_to_string(to.join("facts.ndjson")).unwrap(), "{}");
        let again = copy(&run, &to).unwrap_err();
        assert!(again.ends_with("another run is there"), "{again}");
        let blocked = root.path().join("file");
        fs::write(&blocked, "").unwrap();
        assert!(copy(&run, &blocked.join("x")).is_err());
        let left = fs::read_dir(root.path().join("all")).unwrap().count();
        assert_eq!(left, 1, "nothing is left beside it");
    }

    /// Catches a word that is taken for a folder although an address is meant.
    #[test]
    fn a_word_is_a_folder_or_an_address() {
        assert_eq!("all".parse(), Ok(Collection::Folder("all".into())));
        assert!(matches!("http://h:1/x".parse(), Ok(Collection::Web(_))));
        assert!("ftp://h/x".parse::<Collection>().is_err() && "".parse::<Collection>().is_err());
    }
}
