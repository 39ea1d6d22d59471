//! Tells the tests which real parts this machine has.
//!
//! A test against the real thing is `#[cfg_attr(not(real_memcached), ignore = "needs ...")]`: it
//! runs where the part is installed and is listed as ignored, with the reason, where it is not.
//! `HARNESS_REQUIRE=memcached,...` (set by CI) runs it in any case, so that a missing part fails.

use std::path::Path;

/// The cfg name, and the program whose presence on PATH switches it on.
const PARTS: [(&str, &str); 5] = [
    ("real_memcached", "memcached"),
    ("real_memccapable", "memccapable"),
    ("real_haproxy", "haproxy"),
    ("real_python_clients", "harness-python-clients"),
    ("real_node_clients", "harness-node-clients"),
];

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=PATH");
    println!("cargo::rerun-if-env-changed=HARNESS_REQUIRE");
    let required = std::env::var("HARNESS_REQUIRE").unwrap_or_default();
    let path = std::env::var_os("PATH").unwrap_or_default();
    for (cfg, program) in PARTS {
        println!("cargo::rustc-check-cfg=cfg({cfg})");
        let asked = required.split(',').any(|part| cfg.strip_prefix("real_") == Some(part.trim()));
        let found = std::env::split_paths(&path).any(|folder| is_program(&folder.join(program)));
        if asked || found {
            println!("cargo::rustc-cfg={cfg}");
        }
    }
}

fn is_program(path: &Path) -> bool {
    path.is_file()
}
