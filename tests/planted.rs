//! What ARCHITECTURE.md says of adding things, followed to the letter: each thing is planted into a copy
//! of the crate, all are built at once, and each is listed.
//!
//! It builds the crate again, so it runs where it is asked for: `HARNESS_REQUIRE=planted cargo test`.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::path::{Path, PathBuf};
use std::process::Command;

/// One thing that is added.
struct Plant {
    /// Its row in the table of ARCHITECTURE.md, up to the second column.
    told: &'static str,
    /// A new file and what is in it; none where what is added stands among others.
    file: Option<(&'static str, &'static str)>,
    /// In which file, behind which line, what is put.
    rows: &'static [(&'static str, &'static str, &'static str)],
    /// The line that `harness list` then has, without its indentation.
    listed: &'static str,
}

const PLANTS: &[Plant] = &[
    Plant {
        told: "| measure | a `Measure` in its noun's file in `src/judge/measure/` |",
        file: Some(("src/judge/measure/planted.rs", include_str!("planted/measure.rs.txt"))),
        rows: &[
            ("src/judge/measure/mod.rs", "pub(crate) mod load;", "pub(crate) mod planted;"),
            ("src/judge/measure/mod.rs", "answers::ERROR_RATIO,", "planted::PLANTED,"),
        ],
        listed: "planted_measure a measure that was planted",
    },
    Plant {
        told: "| toxic | `src/proxy/fault/toxic/x.rs` |",
        file: Some(("src/proxy/fault/toxic/planted.rs", include_str!("planted/toxic.rs.txt"))),
        rows: &[
            (
                "src/proxy/fault/toxic/mod.rs",
                "pub(super) mod packet_loss;",
                "pub(super) mod planted;",
            ),
            ("src/proxy/fault/kind.rs", "bytes!(corrupt),", "bytes!(planted),"),
        ],
        listed: "planted_toxic pass on a byte at a time",
    },
    Plant {
        told: "| message fault | a constant in `src/proxy/fault/message/kinds.rs` |",
        file: None,
        rows: &[
            (
                "src/proxy/fault/message/kinds.rs",
                "const STORES: &str = \"set,add,replace,append,prepend,cas,ms\";",
                include_str!("planted/message.rs.txt"),
            ),
            ("src/proxy/fault/kind.rs", "message!(CONNECTION_DROP),", "message!(PLANTED),"),
        ],
        listed: "memcached_planted answer every read with a miss",
    },
];

/// What of the crate a copy needs, and the copy does not build anything else of.
const NEEDED: [&str; 8] =
    ["Cargo.toml", "Cargo.lock", "build.rs", "src", "scenarios", "suites", "workloads", "metrics"];

/// The name of the copy's program: that of the crate stays what it is.
const PROGRAM: &str = "planted";

/// What the copy's manifest has besides: it belongs to no workspace, and nobody debugs it.
const APPENDED: &str = "
[workspace]

[profile.dev.package.harness]
debug = false
";

/// Catches instructions for adding something that leave a step out.
#[test]
#[cfg_attr(not(slow_planted), ignore = "builds the crate again; HARNESS_REQUIRE=planted runs it")]
fn what_is_planted_as_the_text_says_is_listed() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let told = std::fs::read_to_string(root.join("ARCHITECTURE.md")).unwrap();
    let copy = copy_of(root);
    for plant in PLANTS {
        assert!(told.contains(plant.told), "ARCHITECTURE.md has no row {}", plant.told);
        plant.put_into(&copy);
    }
    let listed = built(&copy);
    let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    let listed: Vec<String> = listed.lines().map(words).collect();
    for plant in PLANTS {
        assert!(listed.iter().any(|line| line == plant.listed), "{}: {listed:#?}", plant.told);
    }
}

impl Plant {
    fn put_into(&self, copy: &Path) {
        if let Some((name, text)) = self.file {
            std::fs::write(copy.join(name), text).unwrap();
        }
        for (name, before, row) in self.rows {
            let text = std::fs::read_to_string(copy.join(name)).unwrap();
            let mut lines: Vec<&str> = text.lines().collect();
            let place = lines.iter().position(|line| line.trim() == *before);
            let place = place.unwrap_or_else(|| panic!("{name} has no line `{before}`"));
            lines.insert(place + 1, row);
            std::fs::write(copy.join(name), lines.join("\n") + "\n").unwrap();
        }
    }
}

/// A copy of the crate, always in the same place, so that what is built of it takes the place of what
/// was.
fn copy_of(root: &Path) -> PathBuf {
    let copy = Path::new(env!("CARGO_TARGET_TMPDIR")).join("planted");
    let _ = std::fs::remove_dir_all(&copy);
    std::fs::create_dir_all(copy.join("tests")).unwrap();
    for name in NEEDED {
        copy_all(&root.join(name), &copy.join(name));
    }
    let manifest = std::fs::read_to_string(copy.join("Cargo.toml")).unwrap();
    // Neither benches nor tests are copied; a program of the crate's name would take its place.
    let sections = manifest.split("\n\n").filter(|section| {
        !section.trim_start().starts_with("[[bench]]")
            && !section.trim_start().starts_with("[[test]]")
    });
    let manifest = sections.collect::<Vec<_>>().join("\n\n");
    let [package, lib, bin] = ["default-run = \"harness\"", "[lib]", "[[bin]]\nname = \"harness\""];
    assert!([package, lib, bin].iter().all(|part| manifest.contains(part)), "{manifest}");
    let manifest = manifest
        .replace(package, &format!("default-run = \"{PROGRAM}\""))
        .replace(bin, &format!("[[bin]]\nname = \"{PROGRAM}\""));
    std::fs::write(copy.join("Cargo.toml"), manifest + APPENDED).unwrap();
    // With a test beside the program its dependencies have the features that tests have given them.
    std::fs::write(copy.join("tests/nothing.rs"), "//! Nothing.\n").unwrap();
    copy
}

fn copy_all(from: &Path, to: &Path) {
    if from.is_file() {
        std::fs::copy(from, to).unwrap();
        return;
    }
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        copy_all(&entry.path(), &to.join(entry.file_name()));
    }
}

/// Builds the copy with the dependencies that are built already, and asks it for everything that it
/// lists.
fn built(copy: &Path) -> String {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    let build = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--locked", "--offline", "--bin", PROGRAM, "--test", "nothing"])
        .arg("--target-dir")
        .arg(target)
        .current_dir(copy)
        .output()
        .unwrap();
    assert!(build.status.success(), "{}", String::from_utf8_lossy(&build.stderr));
    let list = Command::new(target.join("debug").join(PROGRAM)).arg("list").output().unwrap();
    assert!(list.status.success(), "{}", String::from_utf8_lossy(&list.stderr));
    String::from_utf8(list.stdout).unwrap()
}
