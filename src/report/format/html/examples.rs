//! Whether the data was right, kind by kind, and the first violations with what passed on the wire
//! before them.

use maud::{Markup, html};

use super::{head, table};
use crate::event::{WireMessage, WireMessageKind, WireTrace};
use crate::report::model::{DataReport, Example, Report};
use crate::report::show;

/// Violations that are shown; `events.ndjson` has all.
const EXAMPLES_MAX: usize = 6;
/// Messages that are drawn of each, the last.
const MESSAGES_MAX: usize = 10;

/// Where the lanes of a sequence stand.
const CLIENT: f64 = 90.0;
const PROXY: f64 = 250.0;
const NODE: f64 = 410.0;
const WIDTH: f64 = 440.0;
/// How much room each message has.
const STEP: f64 = 26.0;
const TOP: f64 = 34.0;

pub(super) fn data(report: &Report) -> Markup {
    let telling: Vec<&Example> =
        report.data.examples.iter().filter(|example| example.kind.is_shown_at_once()).collect();
    html! {
        (kinds(&report.data))
        @if !telling.is_empty() {
            h3 { "The first of them" }
            div.examples { @for example in telling.iter().take(EXAMPLES_MAX) { (shown(example)) } }
            @if telling.len() > EXAMPLES_MAX || report.data.examples.len() >= EXAMPLES_MAX {
                p.note { "report.json has more, and events.ndjson all." }
            }
        }
    }
}

fn kinds(data: &DataReport) -> Markup {
    let reason = |name: &str| {
        let told =
            data.not_judged.iter().find(|it| it.measure == name || it.measure == measure(name));
        told.map_or("nobody looked", |it| it.reason.as_str())
    };
    table(
        "Kinds of data that was not right",
        &["kind", "found", "what it is"],
        &html! {
            @for (name, what, means, count) in head::kinds(data) {
                tr class=(if count > Some(0) { "failed" } else { "" }) {
                    th scope="row" { (what) }
                    @match count {
                        Some(count) => td.number { (count) },
                        None => td { "not looked at: " (reason(name)) },
                    }
                    td { (means) }
                }
            }
        },
    )
}

/// The measure of a kind, where it has another name.
fn measure(kind: &str) -> &str {
    match kind {
        "wrong" => "wrong_data",
        "corrupt" => "corrupt_data",
        "stale" => "stale_data",
        "foreign" => "foreign_data",
        other => other,
    }
}

fn shown(example: &Example) -> Markup {
    html! {
        article.example {
            h4 { (example.kind.words()) " from " (example.node) " at " (show::moment(Some(example.at_s))) ", " (example.phase) " phase" }
            p { (example.detail) }
            @match &example.wire {
                Some(wire) => (sequence(wire, &example.node.to_string())),
                None => p.unlooked { "What passed on the wire before was not looked at: no proxy of ours saw the key." },
            }
        }
    }
}

/// The last messages of a connection, from client over proxy to node and back, in their order.
#[expect(clippy::cast_precision_loss, reason = "a handful of messages")]
fn sequence(wire: &WireTrace, node: &str) -> Markup {
    let last = wire.last(MESSAGES_MAX);
    let height = TOP + STEP * last.messages.len() as f64 + 12.0;
    let view = format!("0 0 {WIDTH} {height}");
    let about =
        format!("The last {} messages of connection {}", last.messages.len(), wire.connection);
    let lanes = [(CLIENT, "client"), (PROXY, "proxy"), (NODE, node)];
    let mut left = None;
    let shapes: Vec<Markup> = last
        .messages
        .iter()
        .enumerate()
        .map(|(place, message)| {
            if message.kind == WireMessageKind::ClientLeft {
                left = Some(place);
            }
            arrow(message, TOP + STEP * (place as f64 + 0.6), left.is_some())
        })
        .collect();
    html! {
        figure.sequence {
            figcaption { (about) ", oldest first; in colour what is about the key. Time is in seconds since the start; distances are not to scale." }
            svg viewBox=(view) role="img" aria-label=(wire.last(MESSAGES_MAX)) {
                @for (x, name) in lanes {
                    text x=(x) y="14" text-anchor="middle" { (name) }
                    line.lane x1=(x) x2=(x) y1="20" y2=(height) {}
                }
                @for shape in &shapes { (shape) }
            }
        }
    }
}

/// One message: from left to right a request, from right to left a reply, which ends at the proxy when
/// nobody waits for it any more.
fn arrow(message: &WireMessage, y: f64, has_left: bool) -> Markup {
    let class = if message.of_key { "message of-key" } else { "message" };
    let (from, to) = match message.kind {
        WireMessageKind::Request => (CLIENT, NODE),
        WireMessageKind::ClientLeft => (CLIENT, PROXY),
        WireMessageKind::Reply | WireMessageKind::Unsolicited if has_left => (NODE, PROXY),
        WireMessageKind::Reply | WireMessageKind::Unsolicited => (NODE, CLIENT),
    };
    let head = if to > from { -7.0 } else { 7.0 };
    let point = format!("M{} {}L{to} {y}L{} {}", to + head, y - 4.0, to + head, y + 4.0);
    html! {
        g class=(class) {
            text.at x="0" y=(y + 4.0) { (format!("{:.4}", message.at_s)) }
            line x1=(from) x2=(to) y1=(y) y2=(y) {}
            path d=(point) {}
            text x=((from + to) / 2.0) y=(y - 4.0) text-anchor="middle" { (words(message, has_left)) }
        }
    }
}

fn words(message: &WireMessage, has_left: bool) -> String {
    let number = message.request.map(|it| format!(" #{it}")).unwrap_or_default();
    let command = message.command.as_deref().unwrap_or_default();
    let status = message.status.as_deref().unwrap_or("a reply");
    let late = if has_left { ", nobody waits" } else { "" };
    match message.kind {
        WireMessageKind::Request => format!("{command}{number}"),
        WireMessageKind::Reply => format!("{status}{number}{late}"),
        WireMessageKind::Unsolicited => format!("a line that answers nothing{late}"),
        WireMessageKind::ClientLeft => "the client left".to_owned(),
    }
}
