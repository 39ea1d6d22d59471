//! The folder of a run that somebody else wrote, or that a crash left behind.

use std::fs;
use std::path::PathBuf;

use harness::base::seed::Seed;
use harness::plan::{FileText, Library, Options, plan_of};
use harness::report::{FORMATS, REPORT, Stored};
use harness::run::rebuild;

/// What parts the files of an input: the report, the intervals and the events.
const BETWEEN: &[u8] = b"\n===\n";
const FILES: [&str; 3] = [REPORT, "intervals.ndjson", "events.ndjson"];
const PLAN: &str = "summary = \"x\"\nnodes = { backend = \"embedded\" }\n\
                    phases = { warmup = \"1s\", steady = \"3s\", fault = \"3s\", recovery = \"5s\" }\n\
                    [[faults]]\nname = \"f\"\non = [\"n1\"]\nlatency = { latency = \"100ms\" }\n";

/// Reads the folder as it is, and as one without a report; shows what it holds in every format.
pub fn run(bytes: &[u8]) {
    let folder = folder();
    let mut rest = bytes;
    for name in FILES {
        let end = rest.windows(BETWEEN.len()).position(|window| window == BETWEEN);
        let (file, after) = rest.split_at(end.unwrap_or(rest.len()));
        rest = after.strip_prefix(BETWEEN).unwrap_or_default();
        fs::write(folder.join(name), file).expect("a file can be written");
    }
    let (stored, rebuilt) = (Stored::read(&folder), rebuild(&folder));
    match stored {
        Ok(run) => show(&run),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    if let Ok(run) = rebuilt {
        show(&run);
    }
}

/// Every format, and the report that can be read again.
fn show(run: &Stored) {
    for format in FORMATS {
        let text = (format.render)(run);
        if format.name == "json" {
            let folder = folder();
            for (name, text) in FILES.into_iter().zip([text.as_str(), "", ""]) {
                fs::write(folder.join(name), text).expect("a file can be written");
            }
            match Stored::read(&folder) {
                Ok(again) => assert_eq!((format.render)(&again), text),
                Err(error) => panic!("a report that does not read back: {error}"),
            }
        }
    }
}

/// A folder of this thread's own, with a plan.
fn folder() -> PathBuf {
    thread_local! {
        static FOLDER: tempfile::TempDir = {
            let folder = tempfile::tempdir().expect("a folder can be made");
            let source = FileText::new("plan.toml", PLAN);
            let library = Library::new(folder.path());
            let plan = plan_of(&library, &source, "stored", &Options::default(), Seed::new(7));
            let plan = plan.unwrap_or_else(|error| panic!("{error}"));
            fs::write(folder.path().join("plan.toml"), plan.to_toml()).expect("it can be written");
            folder
        };
    }
    FOLDER.with(|folder| folder.path().to_owned())
}
