//! Files that name other files.

use harness::base::seed::Seed;
use harness::plan::{Folder, Library, Options, Plan, SUITES, check, plans};
use tempfile::TempDir;

const WORKLOAD: &str = "summary = \"x\"\narrival.constant = {}\nkeys.uniform = {}\nvalues.fixed = {}\n\
                        mix.get = 1\n";

/// A folder with a folder `team` in it that has one file of each kind.
fn team() -> (TempDir, Library) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(folder.path().join("team/shared")).unwrap();
    for (path, text) in [
        ("team/shared/load.toml", WORKLOAD),
        ("team/mine.toml", "operation_timeout = \"55ms\""),
        ("team/few.toml", "measure = \"wrong_data\"\nat_most = 0"),
    ] {
        std::fs::write(folder.path().join(path), text).unwrap();
    }
    let library = Library::new(folder.path());
    (folder, library)
}

/// The plan of `team/s.toml` with these lines, or the first line of what is wrong with it.
fn of(folder: &TempDir, library: &Library, lines: &str) -> Result<Plan, String> {
    let text = format!("summary = \"x\"\n{lines}\n[phases]\nsteady = \"2s\"\n");
    std::fs::write(folder.path().join("team/s.toml"), text).unwrap();
    plans(library, &["team/s.toml".into()], &Options::default(), Seed::new(1))
        .map(|mut plans| plans.remove(0))
        .map_err(|error| error.to_string().lines().next().unwrap_or_default().to_owned())
}

/// Catches a path that starts from the working directory, is taken for a name, or is wrong without
/// its place.
#[test]
fn a_scenario_names_files_from_where_it_lies() {
    let (folder, library) = team();
    let lines = "workload = \"./shared/load.toml\"\nclient = \"mine.toml\"\nobjectives = [\"../team/few.toml\"]";
    let plan = of(&folder, &library, lines).unwrap();
    assert_eq!((plan.workload.name.as_str(), plan.client_profile.as_str()), ("load", "mine"));
    assert_eq!(plan.client.operation_timeout.as_millis(), 55);
    assert_eq!(plan.objectives[0].name, "few");
    for (line, refused) in [
        (
            "workload = \"none.toml\"",
            "team/s.toml:2:12: cannot read team/none.toml: No such file or directory (os error 2)",
        ),
        (
            "client = \"shared/none.toml\"",
            "team/s.toml:2:10: cannot read team/shared/none.toml: No such file or directory (os error 2)",
        ),
        (
            "objectives = [\"./shared\"]",
            "team/s.toml:2:15: cannot read team/./shared: it is a folder; name a regular file",
        ),
        ("workload = \"mixd\"", "team/s.toml:2:12: unknown workload `mixd`; did you mean `mixed`?"),
    ] {
        assert_eq!(of(&folder, &library, line).unwrap_err(), refused);
    }
}

/// Catches a workload that `check` lets through and every run refuses.
#[test]
fn check_refuses_what_a_run_refuses() {
    let (folder, library) = team();
    for (from, to, why) in [
        ("uniform = {}", "uniform = { count = 5 }", "5 keys for 100 workers"),
        ("uniform = {}", "zipf = { skew = -1.0 }", "`skew` must lie between 0 and 10"),
    ] {
        std::fs::write(folder.path().join("w.toml"), WORKLOAD.replace(from, to)).unwrap();
        let refused = check(&library, "w.toml").unwrap_err().to_string();
        assert!(refused.contains(why), "{refused}");
    }
}

/// Catches a suite's file whose runs are not those that it names, or that says more than the command line.
#[test]
fn a_suite_is_a_file() {
    let (folder, library) = team();
    let text = "summary = \"x\"\n\
                [[run]]\nscenario = \"latency\"\nduration = \"40s\"\nclient = \"mine.toml\"\n\
                [[run]]\nscenario = \"latency\"\nname = \"fast\"\nrate = \"500/s\"\n\
                [[run]]\nname = \"whole\"\nsummary = \"y\"\nworkload = \"shared/load.toml\"\n\
                [run.phases]\nsteady = \"2s\"\n";
    std::fs::write(folder.path().join("team/s.toml"), text).unwrap();
    let of = |options: &Options| plans(&library, &["team/s.toml".into()], options, Seed::new(1));
    let all = of(&Options::default()).unwrap();
    let names: Vec<&str> = all.iter().map(|plan| plan.scenario.as_str()).collect();
    assert_eq!(names, ["latency", "fast", "whole"]);
    assert_eq!((all[0].phases.total().as_secs(), all[0].client_profile.as_str()), (40, "mine"));
    assert!(all[1].rate.is_some() && all[0].rate.is_none());
    assert_eq!(all[2].workload.name, "load");
    let short =
        Options { duration: Some(std::time::Duration::from_secs(30)), ..Options::default() };
    assert!(of(&short).unwrap().iter().all(|plan| plan.phases.total().as_secs() == 30));
    std::fs::write(folder.path().join("again.toml"), Plan::all_to_toml(&all)).unwrap();
    let again = plans(&library, &["again.toml".into()], &Options::default(), Seed::new(9)).unwrap();
    assert_eq!(again, all);
    assert_eq!(check(&library, "again.toml").unwrap().noun, "a suite");
    for (from, to, refused) in [
        (
            "scenario = \"latency\"\nd",
            "scenario = \"latncy\"\nd",
            "team/s.toml:3:12: unknown scenario",
        ),
        ("duration = \"40s\"", "duratoin = \"40s\"", "unknown key beside `scenario` `duratoin`"),
        ("name = \"whole\"", "", "`name` is missing"),
    ] {
        std::fs::write(folder.path().join("team/s.toml"), text.replace(from, to)).unwrap();
        let error = of(&Options::default()).unwrap_err().to_string();
        assert!(error.contains(refused), "{error}");
    }
}

/// Catches a suite's name that means a scenario, too.
#[test]
fn names_mean_one_thing() {
    let folder = tempfile::tempdir().unwrap();
    let library = Library::new(folder.path());
    let scenarios = library.names(Folder::Scenarios);
    for suite in library.names(Folder::Suites) {
        let is_free = !scenarios.contains(&suite) && !SUITES.iter().any(|one| one.name == suite);
        assert!(is_free && suite != "all", "{suite}");
    }
}

/// Catches a phase that is too short to judge and that nobody is told of.
#[test]
fn what_is_too_short_is_said() {
    let (folder, library) = team();
    let text = "summary = \"x\"\n[phases]\nsteady = \"1s\"\nfault = \"3s\"\nrecovery = \"9s\"\n\
                [[faults]]\non = \"all\"\nrefuse = {}\n";
    std::fs::write(folder.path().join("s.toml"), text).unwrap();
    let remarks = check(&library, "s.toml").unwrap().remarks;
    assert_eq!(
        remarks,
        ["s: `steady` is 1s long, which is too short to judge; write \"2s\" or more"]
    );
}
