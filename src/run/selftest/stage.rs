//! The short runs of a self-test: what is asked of the nodes, and what is broken meanwhile.

use std::fmt::Write;

use crate::lab::LieSpec;

/// How much a run asks for, and how often its nodes lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Operations a second.
    pub per_second: u32,
    /// How long the steady phase of a run without a fault is.
    pub steady_s: u32,
    /// A lie is told in one of this many occasions, unless its row says otherwise.
    pub every: u32,
}

impl Size {
    /// As long as it takes to meet a lie that is told once in 200 times some ten times.
    pub const FULL: Self = Self { per_second: 1000, steady_s: 8, every: 200 };
    /// For a machine with no time: fewer operations and more lies.
    pub const QUICK: Self = Self { per_second: 300, steady_s: 4, every: 20 };
}

/// A kind of run. Keys are few, so that what is lied about is asked for again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RunKind {
    /// Reads, writes and deletes of values.
    Values,
    /// The same, with an `add` and a `replace` now and then.
    Adds,
    /// Values that live for 3 s and are rarely written.
    Expiry,
    /// Increments and decrements.
    Counters,
    /// The same, many at once and then few: each node has several connections in use.
    Crowds,
    /// Compare-and-swap on few registers.
    Swaps,
    /// Appends and prepends.
    Logs,
    /// Many keys at a time.
    Pages,
    /// One node refuses connections for a while.
    Refusing,
    /// One node hangs for a while.
    Hanging,
    /// One node answers after the client's patience for a while.
    Late,
}

/// The least that values with a time to live are watched: some are stored, expire, and are asked for again,
/// wherever in the node's second they began.
const EXPIRY_LEAST_S: u32 = 6;

/// What a run without a fault is judged by: nothing that depends on how fast the machine is.
const STEADY: &str = r#""no-wrong-data", "no-corrupt-data", "no-stale-data", "no-false-misses",
"no-lost-writes", "no-double-increments", "no-contradictions", "no-foreign-data", "no-dirty-reuse",
"no-errors""#;

/// What one with a fault is judged by, beside that.
const FAULTY: &str = r#""no-wrong-data", "no-corrupt-data", "no-false-misses", "no-contradictions",
"no-foreign-data", "no-dirty-reuse", "connects-bounded",
"rejects-fast", "breaker-opens-quickly", "keys-stay-home", "no-connection-storm", "recovers""#;

impl RunKind {
    /// The scenario's file, for nodes and a client that are written as these lines.
    pub(super) fn text(self, size: Size, nodes: &str, client: &str) -> String {
        let Size { per_second, steady_s, .. } = size;
        let (mix, keys, options) = self.workload();
        let arrival = match self {
            // As many in all, some of them at once: nine at the least, which is three a node.
            Self::Crowds => format!(
                "burst = {{ base = \"{}/s\", burst = \"{}/s\", every = \"100ms\", length = \"2ms\" }}",
                per_second * 7 / 10,
                per_second * 15
            ),
            _ => format!("constant = {{ rate = \"{per_second}/s\" }}"),
        };
        let mut text = format!("summary = \"a self-test\"\nconcurrency = {}\n", self.workers());
        let objectives = if self.fault().is_some() { FAULTY } else { STEADY };
        // Writing to a String cannot fail.
        let _ = write!(
            text,
            "objectives = [{objectives}]\n\
             [addresses]\nproxies = \"127.0.0.1:0\"\napi = \"127.0.0.1:0\"\n\
             [nodes]\n{nodes}\n[client]\n{client}\n\
             [workload]\nname = \"selftest\"\nsummary = \"few keys\"\n\
             [workload.arrival]\n{arrival}\n\
             [workload.keys]\nuniform = {{ count = {keys} }}\n\
             [workload.values]\nrange = {{ min = \"64B\", max = \"256B\" }}\n\
             [workload.mix]\n{mix}\n\
             [workload.options]\nmulti_get_keys = 8\n{options}\n\
             [phases]\nwarmup = \"1500ms\"\n"
        );
        let _ = match self.fault() {
            None if self == Self::Expiry => {
                writeln!(text, "steady = \"{}s\"", steady_s.max(EXPIRY_LEAST_S))
            }
            None => writeln!(text, "steady = \"{steady_s}s\""),
            Some(fault) => writeln!(
                text,
                "steady = \"3s\"\nfault = \"4s\"\nrecovery = \"6s\"\n\
                 [[faults]]\nname = \"planted\"\non = [\"n1\"]\n{fault}"
            ),
        };
        text
    }

    /// Mix, number of keys, and how values live and come back.
    const fn workload(self) -> (&'static str, u32, &'static str) {
        const KEPT: &str = "ttl = \"0s\"\nfill_after_miss = true";
        match self {
            Self::Values => ("get = 50\nset = 30\ndelete = 20", 200, KEPT),
            Self::Adds => ("get = 50\nset = 20\nadd = 20\nreplace = 10", 200, KEPT),
            Self::Expiry => ("get = 90\nset = 10", 200, "ttl = \"3s\"\nfill_after_miss = false"),
            Self::Counters | Self::Crowds => ("incr = 60\ndecr = 40", 100, KEPT),
            Self::Swaps => ("cas = 100", 20, KEPT),
            Self::Logs => ("append = 70\nprepend = 30", 60, KEPT),
            Self::Pages => ("multi_get = 60\nset = 40", 200, KEPT),
            Self::Refusing | Self::Hanging | Self::Late => ("get = 80\nset = 20", 200, KEPT),
        }
    }

    const fn workers(self) -> u32 {
        20
    }

    const fn fault(self) -> Option<&'static str> {
        match self {
            Self::Refusing => Some("refuse = {}"),
            Self::Hanging => Some("for = \"2s\"\npause = {}"),
            Self::Late => {
                Some("stream = \"downstream\"\nlatency = { latency = \"90ms\", jitter = \"40ms\" }")
            }
            _ => None,
        }
    }
}

/// The lines of a scenario for nodes of our own that tell these lies.
pub(super) fn own_nodes(lies: &[LieSpec]) -> String {
    let lies: Vec<String> = lies.iter().map(|lie| format!("\"{lie}\"")).collect();
    let lies =
        if lies.is_empty() { String::new() } else { format!("lies = [{}]", lies.join(", ")) };
    format!("backend = \"embedded\"\n{lies}")
}
