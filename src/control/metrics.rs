//! `/metrics`: Prometheus text made from snapshots when it is asked for, so that figures are live
//! while connections are open and nothing is counted twice.

use std::fmt::{Display, Write};

use axum::http::StatusCode;

use super::process;
use super::reply::ApiReply;
use crate::metrics::{Board, Exposition};
use crate::proxy::{LatencyView, ProxySet, ProxyView, TapSnapshot};

const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8; escaping=underscores";

/// Which figures are shown.
#[derive(Clone, Debug)]
pub(super) struct Metrics {
    pub(super) proxies: bool,
    pub(super) runtime: bool,
    /// The figures of a run.
    pub(super) board: Option<Board>,
}

impl Metrics {
    /// Whether there is anything to show.
    pub(super) const fn is_on(&self) -> bool {
        self.proxies || self.runtime
    }

    pub(super) async fn reply(&self, set: &ProxySet) -> ApiReply {
        let mut page = Page::default();
        if self.runtime {
            for (name, kind, help, value) in process::figures() {
                page.family(name, kind, help);
                page.sample(name, &[], value);
            }
        }
        let errors = "promhttp_metric_handler_errors_total";
        page.family(errors, "counter", "Total number of errors while this page was made.");
        page.sample(errors, &[("cause", "encoding")], 0);
        page.sample(errors, &[("cause", "gathering")], 0);
        if self.proxies {
            let taps: Vec<(ProxyView, TapSnapshot)> = set
                .list()
                .into_iter()
                // A proxy deleted in between has no figures.
                .filter_map(|view| set.tap(&view.name).ok().map(|tap| (view, tap)))
                .collect();
            bytes(&mut page, &taps);
            counts(&mut page, &taps);
            closes(&mut page, &taps);
            latencies(&mut page, &taps);
        }
        if let Some(board) = &self.board {
            page.0.push_str(&of_run(board.clone()).await);
        }
        ApiReply::typed(StatusCode::OK, CONTENT_TYPE, page.0)
    }
}

/// The figures of a run, made on a thread that has nothing else to do: it takes longer than an operation.
async fn of_run(board: Board) -> String {
    let made = tokio::task::spawn_blocking(move || Exposition::Text.encode(board.page()));
    String::from_utf8(made.await.unwrap_or_default()).unwrap_or_default()
}

/// Toxiproxy's two families, under its names.
fn bytes(page: &mut Page, taps: &[(ProxyView, TapSnapshot)]) {
    type Pick = fn(&TapSnapshot) -> [(&'static str, u64); 2];
    let received: Pick =
        |tap| [("upstream", tap.bytes_from_clients), ("downstream", tap.bytes_from_servers)];
    let sent: Pick =
        |tap| [("upstream", tap.bytes_to_servers), ("downstream", tap.bytes_to_clients)];
    for (name, pick) in [
        ("toxiproxy_proxy_received_bytes_total", received),
        ("toxiproxy_proxy_sent_bytes_total", sent),
    ] {
        page.family(name, "counter", "");
        for (view, tap) in taps {
            for (direction, count) in pick(tap) {
                let labels = [
                    ("direction", direction),
                    ("listener", &view.listen),
                    ("proxy", &view.name),
                    ("upstream", &view.upstream),
                ];
                page.sample(name, &labels, count);
            }
        }
    }
}

/// What the tap knows beyond bytes.
fn counts(page: &mut Page, taps: &[(ProxyView, TapSnapshot)]) {
    type Pick = fn(&TapSnapshot) -> Option<u64>;
    let totals: [(&str, &str, &str, Pick); 9] = [
        ("harness_proxy_connections_total", "counter", "Connections accepted.", |tap| {
            Some(tap.opened)
        }),
        ("harness_proxy_connections_open", "gauge", "Connections open now.", |tap| Some(tap.open)),
        (
            "harness_proxy_connections_refused_total",
            "counter",
            "Connections reset before a server was reached; absent once the entrance was shut.",
            |tap| tap.refused,
        ),
        ("harness_proxy_requests_outstanding", "gauge", "Requests that wait for a reply.", |tap| {
            Some(tap.outstanding)
        }),
        (
            "harness_proxy_overlaps_total",
            "counter",
            "Requests on a connection that still owed a reply; absent while none was judged.",
            |tap| tap.reuse.overlaps(),
        ),
        (
            "harness_proxy_overlaps_after_silence_total",
            "counter",
            "Those of them that came after their client must have given the earlier one up; absent \
             while that cannot be told.",
            |tap| tap.reuse.overlaps_after_silence().ok(),
        ),
        (
            "harness_proxy_foreign_requests_total",
            "counter",
            "Requests that are none of the run's own; absent where nobody said which are.",
            |tap| tap.foreign.as_ref().map(|foreign| foreign.requests),
        ),
        (
            "harness_proxy_skipped_uncertain_total",
            "counter",
            "Messages that a fault meant and whose place nobody could be certain of.",
            |tap| Some(tap.skipped_uncertain),
        ),
        (
            "harness_proxy_could_not_fire_total",
            "counter",
            "Messages that a fault meant and that had nothing it could be done to.",
            |tap| Some(tap.could_not_fire),
        ),
    ];
    for (name, kind, help, pick) in totals {
        page.family(name, kind, help);
        for (view, tap) in taps {
            if let Some(count) = pick(tap) {
                page.sample(name, &[("proxy", &view.name)], count);
            }
        }
    }
    type Group = fn(&TapSnapshot) -> Vec<(String, u64)>;
    let groups: [(&str, &str, &str, Group); 3] = [
        ("harness_proxy_requests_total", "command", "Requests by command.", |tap| {
            owned(&tap.requests_by_command)
        }),
        ("harness_proxy_replies_total", "status", "Replies by status.", |tap| {
            owned(&tap.replies_by_status)
        }),
        (
            "harness_toxic_touched_total",
            "toxic",
            "Requests, replies and connections that a toxic touched.",
            |tap| owned(&tap.touched),
        ),
    ];
    for (name, label, help, pick) in groups {
        page.family(name, "counter", help);
        for (view, tap) in taps {
            for (key, count) in pick(tap) {
                page.sample(name, &[("proxy", &view.name), (label, &key)], count);
            }
        }
    }
}

/// Who closed connections, and how.
fn closes(page: &mut Page, taps: &[(ProxyView, TapSnapshot)]) {
    let name = "harness_proxy_connections_closed_total";
    page.family(name, "counter", "Connections closed, by who sent the first FIN or reset.");
    for (view, tap) in taps {
        for ((by, how), count) in &tap.closed {
            let labels = [("proxy", view.name.as_str()), ("by", by.name()), ("how", how.name())];
            page.sample(name, &labels, count);
        }
    }
}

/// How long clients waited: a summary each, with its longest.
fn latencies(page: &mut Page, taps: &[(ProxyView, TapSnapshot)]) {
    type Pick = fn(&TapSnapshot) -> &LatencyView;
    let kinds: [(&str, &str, Pick); 3] = [
        (
            "harness_proxy_latency_seconds",
            "From a request to its reply, both at the client.",
            |tap| &tap.wire_latency,
        ),
        (
            "harness_proxy_answered_late_seconds",
            "How long clients waited that had left before the reply.",
            |tap| &tap.answered_late,
        ),
        (
            "harness_proxy_never_answered_seconds",
            "How long clients waited for what was never answered.",
            |tap| &tap.never_answered,
        ),
    ];
    for (name, help, pick) in kinds {
        page.family(name, "summary", help);
        for (view, tap) in taps {
            let (waited, proxy) = (pick(tap), ("proxy", view.name.as_str()));
            for (label, share) in [("0.5", 0.5), ("0.95", 0.95), ("0.99", 0.99), ("1", 1.0)] {
                if waited.count() > 0 {
                    let seconds = waited.quantile(share).as_secs_f64();
                    page.sample(name, &[proxy, ("quantile", label)], seconds);
                }
            }
            page.sample(&format!("{name}_sum"), &[proxy], waited.sum().as_secs_f64());
            page.sample(&format!("{name}_count"), &[proxy], waited.count());
        }
    }
}

fn owned<K: Display>(counts: &std::collections::BTreeMap<K, u64>) -> Vec<(String, u64)> {
    counts.iter().map(|(key, count)| (key.to_string(), *count)).collect()
}

/// A page in the text format. Writing to a `String` cannot fail.
#[derive(Debug, Default)]
struct Page(String);

impl Page {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        self.0.push_str(name);
        for ((label, text), place) in labels.iter().zip(0..) {
            let joint = if place == 0 { '{' } else { ',' };
            let text = text.replace('\\', r"\\").replace('"', "\\\"").replace('\n', r"\n");
            let _ = write!(self.0, "{joint}{label}=\"{text}\"");
        }
        let end = if labels.is_empty() { "" } else { "}" };
        let _ = writeln!(self.0, "{end} {value}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Catches a page that Prometheus refuses: labels unescaped, a family without its type.
    #[test]
    fn pages_are_prometheus_text() {
        let mut page = Page::default();
        page.family("a_total", "counter", "");
        page.sample("a_total", &[("b", "x\"\\\n"), ("c", "")], 3);
        page.sample("a_total", &[], 1.5);
        let expected = concat!(
            "# HELP a_total \n# TYPE a_total counter\n",
            "a_total{b=\"x\\\"\\\\\\n\",c=\"\"} 3\na_total 1.5\n"
        );
        assert_eq!(page.0, expected);
    }
}
