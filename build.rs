//! Tells the tests which real parts this machine has.
//!
//! A test against the real thing is `#[cfg_attr(not(real_memcached), ignore = "needs ...")]`: it
//! runs where the part is installed and is listed as ignored, with the reason, where it is not.
//! `HARNESS_REQUIRE=memcached,...` (set by CI) runs it in any case, so that a missing part fails.
//!
//! Also writes the table of the files that the binary carries, so that a new scenario is one file.

use std::error::Error;
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// The cfg name, and the programs whose presence on PATH switches it on.
const PARTS: [(&str, &[&str]); 13] = [
    ("real_memcached", &["memcached"]),
    ("real_memccapable", &["memccapable"]),
    ("real_redis", &["redis-server"]),
    ("real_haproxy", &["haproxy"]),
    ("real_python_clients", &["harness-python-clients"]),
    ("real_node_clients", &["harness-node-clients"]),
    ("real_chromium", &["chromium"]),
    ("real_python3", &["python3"]),
    ("real_pytest", &["python3", "pytest"]),
    ("real_prometheus", &["prometheus", "promtool"]),
    // Only where they were asked for: no program tells that all of clients/ is installed.
    (CLIENTS, &[]),
    (NETNS, &["ip", "nft"]),
    (NAMES, &["unshare", "mount", "python3"]),
];

/// The published clients of `clients/`.
const CLIENTS: &str = "real_clients";

/// Network namespaces: their programs are of use to root only.
const NETNS: &str = "real_netns";

/// Names that resolve: port 53 and a mount namespace are root's.
const NAMES: &str = "real_names";

/// Tests that take long and need nothing: they run only where `HARNESS_REQUIRE` names them, without
/// `slow_`.
const SLOW: [&str; 1] = ["slow_planted"];

/// The name of a table in `plan/files.rs`, the folder whose files it holds, and how their names end.
const EMBEDDED: [(&str, &str, &str); 5] = [
    ("SCENARIOS", "scenarios", "toml"),
    ("WORKLOADS", "workloads", "toml"),
    ("TRACES", "workloads/traces", "csv"),
    ("OBJECTIVES", "metrics/objectives", "toml"),
    ("SUITE_FILES", "suites", "toml"),
];

fn main() -> Result<(), Box<dyn Error>> {
    tell_real_parts();
    embed_files()
}

fn tell_real_parts() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=PATH");
    println!("cargo::rerun-if-env-changed=HARNESS_REQUIRE");
    let required = std::env::var("HARNESS_REQUIRE").unwrap_or_default();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let asks = |name: &str| required.split(',').any(|part| part.trim() == name);
    for cfg in SLOW {
        println!("cargo::rustc-check-cfg=cfg({cfg})");
        if cfg.strip_prefix("slow_").is_some_and(asks) {
            println!("cargo::rustc-cfg={cfg}");
        }
    }
    for (cfg, programs) in PARTS {
        println!("cargo::rustc-check-cfg=cfg({cfg})");
        let asked = cfg.strip_prefix("real_").is_some_and(asks);
        let is_there = |program: &&str| {
            std::env::split_paths(&path).any(|folder| is_program(&folder.join(program)))
        };
        let is_roots = cfg == NETNS || cfg == NAMES;
        let found = programs.iter().all(is_there) && cfg != CLIENTS && (!is_roots || is_root());
        if asked || found {
            println!("cargo::rustc-cfg={cfg}");
        }
    }
}

/// Whether this process is root's, as far as Linux says so.
fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}

fn is_program(path: &Path) -> bool {
    path.is_file()
}

fn embed_files() -> Result<(), Box<dyn Error>> {
    let mut tables = String::new();
    for (table, folder, ending) in EMBEDDED {
        println!("cargo::rerun-if-changed={folder}");
        writeln!(tables, "static {table}: &[(&str, &str)] = &[")?;
        let root = std::env::var("CARGO_MANIFEST_DIR")?;
        for path in files(&Path::new(&root).join(folder), ending)? {
            let name =
                path.file_stem().and_then(|name| name.to_str()).ok_or("a name is no text")?;
            writeln!(tables, "    ({name:?}, include_str!({path:?})),")?;
        }
        writeln!(tables, "];")?;
    }
    std::fs::write(Path::new(&std::env::var("OUT_DIR")?).join("embedded.rs"), tables)?;
    Ok(())
}

fn files(folder: &Path, ending: &str) -> std::io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == ending) {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}
