//! Files that people write: scenarios, workloads, client profiles and objectives.

use std::fs;
use std::path::PathBuf;

use harness::base::seed::Seed;
use harness::plan::{FileText, Library, Options, Plan, PlanError, check, plan_of};

/// The bytes are a file of any kind. A mistake is told with its place, and a plan is what it prints.
pub fn run(bytes: &[u8]) {
    let folder = folder();
    fs::write(folder.join("hostile.toml"), bytes).expect("a file can be written");
    let library = Library::new(&folder);
    if let Err(error) = check(&library, "hostile.toml") {
        assert!(!error.to_string().is_empty());
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(plan) = read(&library, text) {
        let printed = plan.to_toml();
        match read(&library, &printed) {
            Ok(again) => assert_eq!((again.hash(), again.to_toml()), (plan.hash(), printed)),
            Err(error) => panic!("a plan that does not read back: {error}\n{printed}"),
        }
    }
}

fn read(library: &Library, text: &str) -> Result<Plan, PlanError> {
    let source = FileText::new("hostile.toml", text);
    plan_of(library, &source, "hostile", &Options::default(), Seed::new(7))
}

/// A folder of this thread's own.
fn folder() -> PathBuf {
    thread_local! {
        static FOLDER: tempfile::TempDir = tempfile::tempdir().expect("a folder can be made");
    }
    FOLDER.with(|folder| folder.path().to_owned())
}
