//! A page that needs nothing else.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::escape::printable;

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// Nothing is fetched, whatever a page holds: a browser is told so.
const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:";

/// What a page does.
pub(super) enum Script {
    /// Nothing.
    None,
    /// The charts answer to the pointer and to keys, from this JSON.
    Charts(String),
}

/// A page with this body, which does nothing.
pub(in crate::report) fn page(title: &str, body: &Markup) -> String {
    page_with(title, &html! { main { (body) } }, &Script::None)
}

/// A page with this body.
pub(super) fn page_with(title: &str, body: &Markup, script: &Script) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                link rel="icon" href="data:,";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                (body)
                @if let Script::Charts(json) = script {
                    script id="run" type="application/json" { (PreEscaped(inline(json))) }
                    script { (PreEscaped(SCRIPT)) }
                }
            }
        }
    };
    printable(page.into_string())
}

/// JSON that cannot end the element that it stands in.
fn inline(json: &str) -> String {
    json.replace('<', "\\u003c")
}
