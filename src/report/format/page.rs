//! A page that needs nothing else.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::escape::printable;

const STYLE: &str = include_str!("page.css");

/// A page with this body.
pub(in crate::report) fn page(title: &str, body: &Markup) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body { main { (body) } }
        }
    };
    printable(page.into_string())
}
