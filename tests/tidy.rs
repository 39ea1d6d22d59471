//! House rules that a reader can rely on, because this test fails when they are broken.
//!
//! Dependency directions between modules, tables that list every file beside them, and calls that
//! stand in one named place only. Each failure names file, line and what to do instead.

#[path = "tidy/circles.rs"]
mod circles;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// What any protocol is made of.
const EXCHANGE: &str = "protocol/exchange";
/// The bytes of memcached, without I/O.
const FRAME: &str = "protocol/memcached/frame";
/// What a fault says in memcached.
const SPEECH: &str = "protocol/memcached/speech";
/// What every embedded node is made of.
const NODE: &str = "protocol/node";
/// The embedded memcached.
const SERVER: &str = "protocol/memcached/server";
/// The bytes of RESP, without I/O.
const RESP_FRAME: &str = "protocol/resp/frame";
/// What a fault says in RESP.
const RESP_SPEECH: &str = "protocol/resp/speech";
/// The embedded Redis.
const RESP_SERVER: &str = "protocol/resp/server";
/// A question to a node.
const PROBE: &str = "protocol/probe";

/// What leaves, and when.
const OUTBOX: &str = "proxy/fault/outbox";
/// What faults are told, as Toxiproxy takes it.
const SETTING: &str = "proxy/fault/setting";
/// Which fault of a proxy it is.
const IDENTITY: &str = "proxy/fault/identity";
/// What happens to bytes.
const TOXIC: &str = "proxy/fault/toxic";
/// What happens to requests and replies.
const MESSAGE: &str = "proxy/fault/message";

/// Module -> the modules it may name. `base` and (but for the protocol's bytes and `base`) `event` are
/// open to all. A room of a module has a row of its own where it has walls.
const MAY_NAME: &[(&str, &[&str])] = &[
    ("base", &[]),
    ("event", &[]),
    ("secure", &[]),
    (EXCHANGE, &[]),
    (FRAME, &[EXCHANGE]),
    (RESP_FRAME, &[]),
    (RESP_SPEECH, &[EXCHANGE, "protocol", RESP_FRAME]),
    (SPEECH, &[EXCHANGE, FRAME]),
    (NODE, &["secure"]),
    (SERVER, &["protocol", FRAME, NODE, "secure"]),
    (RESP_SERVER, &[RESP_FRAME, NODE]),
    (PROBE, &["protocol"]),
    ("protocol", &[EXCHANGE, FRAME, SPEECH, PROBE, RESP_FRAME, RESP_SPEECH, "secure"]),
    ("proxy", &["proxy/path", "proxy/fault", IDENTITY, MESSAGE, "proxy/tap", "protocol"]),
    ("proxy/path", &["proxy", "proxy/fault", OUTBOX, IDENTITY, MESSAGE, "proxy/tap", "protocol"]),
    ("proxy/fault", &["proxy", OUTBOX, IDENTITY, TOXIC, MESSAGE]),
    (OUTBOX, &[]),
    (SETTING, &[]),
    (IDENTITY, &["proxy"]),
    (TOXIC, &[OUTBOX, SETTING]),
    (MESSAGE, &["proxy", OUTBOX, SETTING, IDENTITY, "protocol", EXCHANGE]),
    ("proxy/tap", &["proxy", MESSAGE, "protocol", EXCHANGE]),
    ("control", &["proxy", "proxy/fault", "metrics"]),
    ("client", &["protocol", FRAME, RESP_FRAME]),
    ("http", &[]),
    ("driver", &["client", "http", "protocol", FRAME, "secure"]),
    ("check", &["driver", "lab", "proxy", "protocol"]),
    ("load", &["client", "driver", "http", FRAME]),
    (
        "lab",
        &[
            "proxy",
            "proxy/fault",
            "control",
            "protocol",
            PROBE,
            NODE,
            SERVER,
            RESP_SERVER,
            "secure",
        ],
    ),
    ("record", &[]),
    ("fleet", &["http", "load", "record"]),
    ("subject", &["client", "driver", "http", "load", "record", "secure"]),
    ("judge", &["record"]),
    ("report", &["record", "judge"]),
    ("metrics", &["proxy", "record", "report"]),
    (
        "plan",
        &["lab", "load", "client", "driver", "http", "judge", "proxy/fault", "protocol", "secure"],
    ),
    (
        "run",
        &[
            "plan", "lab", "subject", "load", "fleet", "client", "http", "record", "judge",
            "report", "metrics", "proxy", "control", "protocol", PROBE, SERVER, "secure",
        ],
    ),
    ("testing", &["lab", "load", "plan", "proxy"]),
    ("view", &["record", "judge", "report"]),
    (
        "cli",
        &[
            "run",
            "fleet",
            "view",
            "check",
            "driver",
            "plan",
            "proxy",
            "proxy/fault",
            "control",
            "metrics",
            "report",
            "record",
            "judge",
            "lab",
            "client",
            "load",
            "protocol",
            "secure",
            FRAME,
            NODE,
            SERVER,
            RESP_SERVER,
        ],
    ),
];

/// Code for tests only, and what it may name besides.
const TESTS_MAY_NAME: &[(&str, &str)] = &[
    ("client/simulation/", SERVER),
    ("client/simulation/", NODE),
    ("proxy/fault/message/exchange/tests.rs", FRAME),
    ("proxy/fault/message/exchange/tests.rs", "proxy/fault"),
];

/// Text that may stand in these places only, and what to do elsewhere.
struct Ban {
    text: &'static [&'static str],
    allowed: &'static [&'static str],
    instead: &'static str,
}

const BANS: &[Ban] = &[
    Ban {
        text: &["TcpListener", "TcpStream", "TcpSocket", "UnixStream", "UnixListener", "UdpSocket"],
        allowed: &[
            "proxy/",
            "control/",
            "client/conn",
            "http/link.rs",
            "protocol/memcached/server/serve",
            "protocol/node/serve.rs",
            "protocol/probe.rs",
            "protocol/resp/server/serve.rs",
            "lab/backend/process.rs",
            "lab/names/server.rs",
            "lab/saslauthd.rs",
            "metrics/server.rs",
            "fleet/",
            "cli/",
        ],
        instead: "sockets live in the listeners, the connection and the probe",
    },
    Ban {
        text: &["tokio::spawn(", "thread::spawn(", "thread::Builder", "Handle::spawn"],
        allowed: &["base/scope.rs"],
        instead: "let a Scope own the task",
    },
    Ban {
        text: &[
            "println!(",
            "eprintln!(",
            "print!(",
            "eprint!(",
            "env::args",
            "env::var",
            "process::exit",
        ],
        allowed: &["cli/", "main.rs", "proxy/path/link/simulation/laws.rs"],
        instead: "only the command line talks to the outside; return a value",
    },
    Ban {
        text: &["stdout().lock()", "io::stderr()"],
        allowed: &["cli/outlet.rs", "cli/output.rs", "cli/route.rs"],
        instead: "what people see passes base::terminal: output::result, show, complain or remark",
    },
    Ban {
        text: &["SystemTime"],
        allowed: &["base/time.rs"],
        instead: "the wall clock is read once a run: base::time::Wall",
    },
    Ban {
        text: &["super::super"],
        allowed: &[],
        instead: "write the path from `crate::`, so that this test can see the edge",
    },
];

/// Files that decide and never act: no clock, no sleep, no socket, no ambient randomness.
const PURE: &[&str] = &[
    "protocol/exchange.rs",
    "protocol/memcached/frame/",
    "protocol/memcached/speech/",
    "protocol/first.rs",
    "protocol/observe.rs",
    "protocol/request.rs",
    "protocol/speech.rs",
    "protocol/resp/frame/",
    "protocol/resp/keys.rs",
    "protocol/resp/observe.rs",
    "protocol/resp/speech/",
    "protocol/resp/status.rs",
    "proxy/fault/",
    "fleet/clock.rs",
    "fleet/roll.rs",
    "client/breaker",
    "client/backoff",
    "client/missed.rs",
    "client/availability.rs",
    "client/selector/",
    "client/standing.rs",
    "client/trouble.rs",
    "load/arrival/",
    "load/keys/",
    "load/oracle/classify.rs",
    "load/origin.rs",
    "load/values/",
    "protocol/memcached/server/store",
    "protocol/node/table.rs",
    "protocol/resp/server/command/",
    "protocol/resp/server/session.rs",
    "protocol/resp/server/store.rs",
    "protocol/memcached/server/lie/",
    "judge/",
    "metrics/ending.rs",
    "metrics/exposition.rs",
    "metrics/history.rs",
    "metrics/page.rs",
    "metrics/spread.rs",
    "lab/names/answer.rs",
    "lab/members",
    "lab/names/table.rs",
    "lab/timeline.rs",
    "plan/chaos",
    "plan/shrink",
    "plan/shrink",
    "report/format/",
    "view/",
];
/// Files in their midst that hand over the time of a caller, or exist for tests only.
const DRIVERS: &[&str] = &[
    "client/breaker/permit.rs",
    "proxy/fault/toxic/testing.rs",
    "proxy/fault/message/exchange/tests.rs",
    "protocol/memcached/server/lie/tests.rs",
];
const IMPURE_CALLS: &[&str] =
    &["Instant::now", "sleep(", "sleep_until(", ".await", "rand::rng", "thread_rng", "tokio::net"];

/// Folders in which every file is a row of a table, the file that has it, and what begins a row and
/// ends it.
const TABLES: &[(&str, &str, (&str, &str))] = &[
    ("proxy/fault/toxic", "proxy/fault/kind.rs", ("bytes!(", ")")),
    ("client/selector", "client/selector/mod.rs", ("", "::KIND")),
    ("load/arrival", "load/arrival/mod.rs", ("", "::KIND")),
    ("load/keys", "load/keys/mod.rs", ("", "::KIND")),
    ("load/values", "load/values/mod.rs", ("", "::KIND")),
    ("lab/fault", "lab/fault/mod.rs", ("", "::KIND")),
    ("protocol/memcached/server/lie", "protocol/memcached/server/lie/mod.rs", ("", "::KIND")),
];

/// The longest file, without its tests: one noun fits in less.
const FILE_LINES_MAX: usize = 400;
/// Files that are longer, up to this, and why.
const LONGER: &[(&str, usize, &str)] = &[
    ("base/family.rs", 500, "the one reader of all settings: units, defaults and their errors"),
    ("load/oracle/mod.rs", 485, "the oracle's face to the workers"),
    (
        "protocol/memcached/frame/observe.rs",
        510,
        "what an observer shows, with the law of each word",
    ),
    ("protocol/memcached/frame/pipeline.rs", 550, "which reply is whose: one state machine"),
    ("proxy/fault/message/down.rs", 520, "replies held, changed and let go: one state machine"),
    ("proxy/fault/message/exchange.rs", 685, "both directions of one exchange meet here"),
    ("proxy/instance.rs", 585, "a proxy's one owner, from its creation to its deletion"),
    ("proxy/path/link/pipe.rs", 440, "one direction, from what is read to what is written"),
    ("proxy/tap/meter.rs", 490, "everything that is counted of a connection"),
    ("report/sources.rs", 420, "one row a number of the report"),
    ("report/model.rs", 520, "the report: one type, field by field as the schema has it"),
];

struct Source {
    /// Path below `src/`, with forward slashes.
    name: String,
    text: String,
    /// The text before the file's tests.
    code: String,
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    collect(&root, &mut files);
    files.sort();
    let read = |path: PathBuf| {
        let text = std::fs::read_to_string(&path).expect("a source file is readable text");
        let code = text.split("\n#[cfg(test)]\nmod tests {").next().unwrap_or_default().to_owned();
        let name =
            path.strip_prefix(&root).expect("below src").to_string_lossy().replace('\\', "/");
        Source { name, text, code }
    };
    files.into_iter().map(read).collect()
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("src is readable") {
        let path = entry.expect("src is readable").path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

impl Source {
    /// The row of the map that the file belongs to, or its first folder.
    fn module(&self) -> &str {
        let path = self.name.strip_suffix(".rs").unwrap_or(&self.name);
        row_of(path).unwrap_or_else(|| path.split('/').next().unwrap_or_default())
    }

    /// Lines of code, without comments and tests, with their numbers.
    fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        let is_code = |line: &&str| !line.trim_start().starts_with("//");
        self.code
            .lines()
            .enumerate()
            .filter(move |(_, line)| is_code(line))
            .map(|(index, line)| (index + 1, line))
    }

    fn is_in(&self, places: &[&str]) -> bool {
        places.iter().any(|place| self.name.starts_with(place))
    }
}

fn check(problems: &str) {
    assert!(problems.is_empty(), "house rules are broken:\n{problems}");
}

/// The longest row of the map that `path` is in.
fn row_of(path: &str) -> Option<&'static str> {
    let rows = MAY_NAME.iter().map(|(row, _)| *row);
    let holds = |row: &&str| {
        path.strip_prefix(*row).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    rows.filter(holds).max_by_key(|row| row.len())
}

/// The path of the module that a file is.
fn module_of(name: &str) -> Vec<String> {
    let path = name.trim_end_matches(".rs");
    let path = path.strip_suffix("/mod").unwrap_or(path);
    path.split('/').map(str::to_owned).collect()
}

/// The paths that a line in module `own` names with `crate::`, including `crate::{a, b}`, or `super::`.
fn named_in(line: &str, own: &[String]) -> Vec<Vec<String>> {
    // Who may see it is no dependency.
    let line = line.replace("pub(in crate::", "");
    let mut named = Vec::new();
    for (root, base) in [("crate::", &[][..]), ("super::", &own[..own.len() - 1])] {
        for part in line.split(root).skip(1) {
            let part = part.trim_start_matches('{');
            let end = part.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == ':'));
            let words = part[..end.unwrap_or(part.len())].split("::").map(str::to_owned);
            named.push(base.iter().cloned().chain(words).collect());
        }
    }
    named
}

/// The rows of the map that a line in module `own` names.
fn named_rows(line: &str, own: &[String]) -> Vec<&'static str> {
    named_in(line, own).iter().filter_map(|path| row_of(&path.join("/"))).collect()
}

/// Catches an edge that turns the map in ARCHITECTURE.md into a lie.
#[test]
fn modules_name_only_what_they_may() {
    let mut problems = String::new();
    for source in sources() {
        let module = source.module();
        if matches!(module, "lib" | "main") {
            continue;
        }
        let Some((_, allowed)) = MAY_NAME.iter().find(|(name, _)| *name == module) else {
            let _ = writeln!(problems, "src/{}: module `{module}` is not on the map", source.name);
            continue;
        };
        let own = module_of(&source.name);
        for (number, line) in source.lines() {
            for named in named_rows(line, &own) {
                let open =
                    named == "base" || (named == "event" && module != FRAME && module != "base");
                let tested = TESTS_MAY_NAME
                    .iter()
                    .any(|(place, other)| source.is_in(&[place]) && *other == named);
                if named != module && !open && !tested && !allowed.contains(&named) {
                    let _ = writeln!(
                        problems,
                        "src/{}:{number}: `{module}` must not name `{named}`",
                        source.name
                    );
                }
            }
        }
    }
    check(&problems);
}

/// Catches a permission that nobody needs: the map says what is named, and not what once was.
#[test]
fn the_map_allows_nothing_that_is_not_named() {
    let mut problems = String::new();
    let all = sources();
    for (module, allowed) in MAY_NAME {
        let named = |source: &Source, other: &str| {
            let own = module_of(&source.name);
            source.lines().any(|(_, line)| named_rows(line, &own).contains(&other))
        };
        let files = all.iter().filter(|source| source.module() == *module);
        for other in *allowed {
            if !files.clone().any(|source| named(source, other)) {
                let _ = writeln!(problems, "`{module}` names `{other}` nowhere: take it out");
            }
        }
    }
    check(&problems);
}

/// Catches an exception of the map that ships: what it covers must be compiled for tests only.
#[test]
fn what_may_name_more_is_for_tests_only() {
    let all = sources();
    for (place, _) in TESTS_MAY_NAME {
        let module = place.trim_end_matches('/').trim_end_matches(".rs");
        let (parent, module) = module.rsplit_once('/').expect("a submodule");
        let names = [format!("{parent}/mod.rs"), format!("{parent}.rs")];
        let parent = all.iter().find(|source| names.contains(&source.name));
        let parent = parent.expect("a module has a file");
        assert!(parent.text.contains(&format!("\n#[cfg(test)]\nmod {module};\n")), "{place}");
    }
}

/// Catches a test of the map that sees nothing: a planted edge must be seen.
#[test]
fn a_planted_edge_is_seen() {
    let own = module_of("proxy/tap/meter.rs");
    let named_rows = |line| named_rows(line, &own);
    assert_eq!(named_rows("use crate::lab::Lab;"), ["lab"]);
    assert_eq!(named_rows("let x = crate::plan::a() + crate::cli::b();"), ["plan", "cli"]);
    assert_eq!(named_rows("use crate::{record::Shard};"), ["record"]);
    assert_eq!(named_rows("use crate::proxy::ProxySet;"), ["proxy"]);
    assert_eq!(named_rows("use crate::proxy::tap::view::Closer;"), ["proxy/tap"]);
    assert_eq!(named_rows("use super::view::Closer;"), ["proxy/tap"]);
    assert!(named_rows("use tokio::net;").is_empty());
}

/// Catches a call outside the one place that is meant to make it.
#[test]
fn calls_stand_where_they_belong() {
    let mut problems = String::new();
    for source in sources() {
        for ban in BANS {
            if source.is_in(ban.allowed) {
                continue;
            }
            for (number, line) in source.lines() {
                for text in ban.text.iter().filter(|text| line.contains(**text)) {
                    let place = format!("src/{}:{number}", source.name);
                    let _ = writeln!(problems, "{place}: `{text}`: {}", ban.instead);
                }
            }
        }
    }
    check(&problems);
}

/// Catches a decision that waits, reads a clock or draws by itself.
#[test]
fn what_decides_does_not_act() {
    let mut problems = String::new();
    let pure = |source: &&Source| source.is_in(PURE) && !source.is_in(DRIVERS);
    for source in sources().iter().filter(pure) {
        for (number, line) in source.lines() {
            for call in IMPURE_CALLS.iter().filter(|call| line.contains(**call)) {
                let place = format!("src/{}:{number}", source.name);
                let _ =
                    writeln!(problems, "{place}: `{call}` in pure code: take it as an argument");
            }
        }
    }
    check(&problems);
}

/// Catches a kind that exists as a file and is missing from its table.
#[test]
fn tables_list_every_file_beside_them() {
    let mut problems = String::new();
    let all = sources();
    for (folder, table, (begins, ends)) in TABLES {
        let prefix = format!("{folder}/");
        let Some(table) = all.iter().find(|source| source.name == *table) else {
            let _ = writeln!(problems, "src/{table}: there is no such table");
            continue;
        };
        for source in all.iter().filter(|source| source.code.contains("const KIND:")) {
            let kind = source.name.strip_prefix(&prefix).filter(|file| !file.contains('/'));
            let row = kind.map(|kind| format!("{begins}{}{ends}", kind.trim_end_matches(".rs")));
            if let Some(row) = row.filter(|row| !table.code.contains(row)) {
                let _ = writeln!(problems, "src/{}: add `{row}` to the table", source.name);
            }
        }
    }
    check(&problems);
}

/// Catches a file nobody can place, and one that has grown a second noun.
#[test]
fn files_begin_with_their_purpose_and_stay_short() {
    let mut problems = String::new();
    for source in sources() {
        if !source.text.starts_with("//!") {
            let _ =
                writeln!(problems, "src/{}:1: say first what this file owns (`//!`)", source.name);
        }
        let is_for_tests = source.name.ends_with("tests.rs");
        let longer = LONGER.iter().find(|(name, ..)| *name == source.name);
        let most = longer.map_or(FILE_LINES_MAX, |(_, most, _)| *most);
        let lines = source.code.lines().count();
        if lines > most && !is_for_tests {
            let _ = writeln!(problems, "src/{}: {lines} lines want a second noun", source.name);
        }
        if longer.is_some() && lines <= FILE_LINES_MAX {
            let _ = writeln!(problems, "src/{}: short enough: take its row out", source.name);
        }
    }
    check(&problems);
}
