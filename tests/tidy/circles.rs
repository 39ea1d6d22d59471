//! Modules of one folder that name each other in a circle: whoever reads one has to read all. Those that
//! there are, are named here with the reason; a new one fails.

use std::collections::{BTreeMap, BTreeSet};

use super::{Source, check, module_of, named_in, sources};

/// A folder below `src`, the modules in it that form a circle, and why they do.
type Circle = (&'static str, &'static [&'static str], &'static str);

const CIRCLES: &[Circle] = &[
    ("base", &["lane", "scope"], "a scope spawns on a lane, and a lane's thread is a scope's"),
    ("client", &["transport", "wire"], "a transport is made by its wire, which hands it back"),
    (
        "client",
        &["attempt", "heal", "multi", "node"],
        "attempts and the healer act on a node, which owns its healer and what it is asked",
    ),
    (
        "load",
        &["cache", "split"],
        "a cache may be one for each group, and what a group has is a cache",
    ),
    (
        "load",
        &["generator", "preload", "work"],
        "workers and the preload share what the generator keeps of a run",
    ),
    ("plan", &["files", "source"], "an error of a file quotes it, and a file is read with errors"),
    (
        "protocol/memcached/frame",
        &["meta", "request", "text"],
        "a request is text or meta, and their framing is a request's",
    ),
    (
        "protocol/memcached/frame",
        &["owners", "pipeline"],
        "the owners of a reply are its pipeline's",
    ),
    (
        "protocol/memcached/frame",
        &["observe", "replies", "requests"],
        "the two directions of one observer",
    ),
    ("protocol/memcached/server", &["entry", "store"], "an entry is linked to others of its store"),
    (
        "protocol/memcached/server",
        &[
            "admin",
            "classic",
            "flags",
            "meta",
            "meta_count",
            "retrieval",
            "session",
            "stats",
            "storage",
        ],
        "a session hands each command to its file, which answers into the session",
    ),
    (
        "proxy",
        &["instance", "path"],
        "a proxy owns its listener and connections, which ask it for their toxics",
    ),
    ("proxy/path", &["connection", "link"], "a connection runs its link, which obeys its mail"),
    (
        "record",
        &["packed", "piece", "series"],
        "a series is made of pieces, packed when they are old",
    ),
    (
        "record",
        &["recorder", "shard", "summary"],
        "shards record for the recorder, whose end is the summary",
    ),
];

/// What is compiled for tests only.
const TESTS: &[&str] = &["client/simulation/", "proxy/path/link/simulation/"];

/// The modules that a file names; words of any path, to be cut to a module.
fn named(source: &Source, own: &[String]) -> Vec<Vec<String>> {
    source.lines().flat_map(|(_, line)| named_in(line, own)).collect()
}

type Graph = BTreeMap<String, BTreeSet<String>>;

/// For each folder, which of its modules names which.
fn graphs(all: &[Source]) -> BTreeMap<String, Graph> {
    let modules: BTreeSet<Vec<String>> = all.iter().map(|file| module_of(&file.name)).collect();
    let mut graphs: BTreeMap<String, Graph> = BTreeMap::new();
    let ships = |source: &&Source| !source.is_in(TESTS) && !source.name.ends_with("tests.rs");
    for source in all.iter().filter(ships) {
        let own = module_of(&source.name);
        for named in named(source, &own) {
            let shared = own.iter().zip(&named).take_while(|(one, other)| one == other).count();
            let is_module = named.len() > shared && modules.contains(&named[..=shared]);
            if is_module && own.len() > shared {
                let graph = graphs.entry(own[..shared].join("/")).or_default();
                graph.entry(own[shared].clone()).or_default().insert(named[shared].clone());
            }
        }
    }
    graphs
}

/// Everything that `from` leads to.
fn reach(graph: &Graph, from: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut next = vec![from.to_owned()];
    while let Some(module) = next.pop() {
        for named in graph.get(&module).into_iter().flatten() {
            if found.insert(named.clone()) {
                next.push(named.clone());
            }
        }
    }
    found
}

/// The circles of a folder, each sorted.
fn circles(graph: &Graph) -> BTreeSet<Vec<String>> {
    let reach: BTreeMap<&String, _> = graph.keys().map(|from| (from, reach(graph, from))).collect();
    let back = |from: &String| {
        let leads_back = |to: &&String| reach.get(to).is_some_and(|reach| reach.contains(from));
        reach[from].iter().filter(leads_back).cloned().collect::<Vec<_>>()
    };
    graph.keys().map(back).filter(|circle| circle.len() > 1).collect()
}

/// Catches a circle that nobody has argued for, and an argument for one that is gone.
#[test]
fn circles_are_few_and_argued() {
    let mut problems = String::new();
    let mut left: Vec<&Circle> = CIRCLES.iter().collect();
    for (folder, graph) in graphs(&sources()) {
        for circle in circles(&graph) {
            let known = |known: &&Circle| known.0 == folder && known.1 == circle;
            match left.iter().position(known) {
                Some(place) => drop(left.remove(place)),
                None => problems += &format!("src/{folder}: {} form a circle\n", circle.join(", ")),
            }
        }
    }
    for (folder, modules, _) in left {
        problems +=
            &format!("src/{folder}: {modules:?} form no circle any more: take the row out\n");
    }
    check(&problems);
}

/// Catches a search that sees no circle, or one where there is none.
#[test]
fn a_planted_circle_is_seen() {
    let graph = |edges: &[(&str, &str)]| {
        let mut graph = Graph::new();
        for (from, to) in edges {
            graph.entry((*from).to_owned()).or_default().insert((*to).to_owned());
        }
        circles(&graph)
    };
    assert!(graph(&[("a", "b"), ("b", "c"), ("a", "c")]).is_empty());
    let found = graph(&[("a", "b"), ("b", "c"), ("c", "a"), ("d", "a")]);
    assert_eq!(found.into_iter().collect::<Vec<_>>(), [["a", "b", "c"]]);
}
