//! `/metrics`: Prometheus text made from snapshots when it is asked for, so that figures are live
//! while connections are open and nothing is counted twice.

use std::fmt::{Display, Write};

use axum::http::StatusCode;

use super::process;
use super::reply::Reply;
use crate::proxy::{ProxySet, ProxyView, TapSnapshot};

const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8; escaping=underscores";

/// Which figures are shown.
#[derive(Clone, Copy, Debug)]
pub(super) struct Metrics {
    pub(super) proxies: bool,
    pub(super) runtime: bool,
}

impl Metrics {
    /// Whether there is anything to show.
    pub(super) const fn is_on(self) -> bool {
        self.proxies || self.runtime
    }

    pub(super) fn reply(self, set: &ProxySet) -> Reply {
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
        }
        Reply::typed(StatusCode::OK, CONTENT_TYPE, page.0)
    }
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
    type Pick = fn(&TapSnapshot) -> u64;
    let totals: [(&str, &str, &str, Pick); 4] = [
        ("harness_proxy_connections_total", "counter", "Connections accepted.", |tap| tap.opened),
        ("harness_proxy_connections_open", "gauge", "Connections open now.", |tap| tap.open),
        ("harness_proxy_requests_outstanding", "gauge", "Requests that wait for a reply.", |tap| {
            tap.outstanding
        }),
        (
            "harness_proxy_dirty_reuse_total",
            "counter",
            "Requests on a connection whose earlier reply was never delivered.",
            |tap| tap.dirty_reuse,
        ),
    ];
    for (name, kind, help, pick) in totals {
        page.family(name, kind, help);
        for (view, tap) in taps {
            page.sample(name, &[("proxy", &view.name)], pick(tap));
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
