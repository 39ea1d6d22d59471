//! Proxies and toxics as JSON, members in Toxiproxy's order.

use std::fmt::Write;

use super::attributes;
use super::json::{Float32, Quoted};
use crate::proxy::{ProxyView, Said, ToxicView};

/// A proxy. `Logger` is an accident of Toxiproxy's that clients have met since its version 2.5. `protocol` is ours
/// and only there when it was given.
pub(super) fn proxy(view: &ProxyView) -> String {
    let protocol = view.protocol.map(|protocol| format!(r#","protocol":"{}""#, protocol.name()));
    format!(
        r#"{{"name":{},"listen":{},"upstream":{},"enabled":{},"Logger":{{}}{},"toxics":{}}}"#,
        Quoted(&view.name),
        Quoted(&view.listen),
        Quoted(&view.upstream),
        view.enabled,
        protocol.unwrap_or_default(),
        toxics(&view.toxics)
    )
}

/// Proxies by name, names in order.
pub(super) fn proxies(mut views: Vec<ProxyView>) -> String {
    views.sort_by(|a, b| a.name.cmp(&b.name));
    let members = views.iter().map(|view| format!("{}:{}", Quoted(&view.name), proxy(view)));
    format!("{{{}}}", joined(members))
}

/// The list that a populate answers; Go writes an empty one as `null`.
pub(super) fn proxy_list(views: &[ProxyView]) -> String {
    if views.is_empty() { "null".to_owned() } else { list(views.iter().map(proxy)) }
}

/// Toxics in their order.
pub(super) fn toxics(views: &[ToxicView]) -> String {
    list(views.iter().map(toxic))
}

/// A toxic. `settings` is ours and only there when `attributes` cannot say everything; so is `counts`,
/// which message faults have.
pub(super) fn toxic(view: &ToxicView) -> String {
    let (attributes, settings) = attributes::encode(&view.kind, &view.attributes);
    let settings = settings.map(|settings| format!(r#","settings":{settings}"#));
    let counts = view.counts.map(|counts| {
        format!(
            r#","counts":{{"fired":{},"passed_as_uncertain":{},"could_not_fire":{}}}"#,
            counts.fired, counts.passed_as_uncertain, counts.could_not_fire
        )
    });
    format!(
        r#"{{"attributes":{attributes},"name":{},"type":{},"stream":"{}","toxicity":{}{}{}}}"#,
        Quoted(&view.name),
        Quoted(&view.kind),
        view.stream,
        Float32(view.toxicity),
        settings.unwrap_or_default(),
        counts.unwrap_or_default()
    )
}

/// A toxic as the API shows it, and takes it as well.
#[must_use]
pub fn shown_toxic(view: &ToxicView) -> serde_json::Value {
    serde_json::from_str(&toxic(view)).unwrap_or_default()
}

/// What became of something that was said.
pub(super) fn said(said: Said) -> String {
    format!(r#"{{"connections":{},"refused":{}}}"#, said.connections, said.refused)
}

pub(super) fn list(items: impl Iterator<Item = String>) -> String {
    format!("[{}]", joined(items))
}

pub(super) fn joined(items: impl Iterator<Item = String>) -> String {
    items.fold(String::new(), |mut text, item| {
        let comma = if text.is_empty() { "" } else { "," };
        // Writing to a String cannot fail.
        let _ = write!(text, "{comma}{item}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::family::{Settings, Value};
    use crate::proxy::{FaultCounts, Protocol, Stream};

    fn view(name: &str, toxics: Vec<ToxicView>) -> ProxyView {
        ProxyView {
            name: name.to_owned(),
            listen: "127.0.0.1:1".to_owned(),
            upstream: "<u>:2".to_owned(),
            enabled: true,
            protocol: None,
            node: None,
            toxics,
        }
    }

    /// Catches a member that moved, a number in a longer form, and a name that is not escaped.
    #[test]
    fn objects_have_toxiproxys_shape() {
        let mut attributes = Settings::default();
        attributes.insert("jitter", Value::Integer(0));
        attributes.insert("latency", Value::Integer(100));
        let toxic = ToxicView {
            name: "slow".to_owned(),
            kind: "latency".to_owned(),
            stream: Stream::Upstream,
            toxicity: 1.0,
            attributes,
            counts: None,
        };
        let expected = concat!(
            r#"{"name":"p\u0026q","listen":"127.0.0.1:1","upstream":"\u003cu\u003e:2","#,
            r#""enabled":true,"Logger":{},"toxics":[{"attributes":{"latency":100,"jitter":0},"#,
            r#""name":"slow","type":"latency","stream":"upstream","toxicity":1}]}"#
        );
        assert_eq!(proxy(&view("p&q", vec![toxic.clone()])), expected);
        let told = ProxyView { protocol: Some(Protocol::Resp), ..view("p", Vec::new()) };
        assert!(proxy(&told).contains(r#""Logger":{},"protocol":"resp","toxics":[]"#));
        let counts = FaultCounts { fired: 3, passed_as_uncertain: 2, could_not_fire: 1 };
        let fault = super::toxic(&ToxicView { counts: Some(counts), ..toxic });
        let counts = r#","counts":{"fired":3,"passed_as_uncertain":2,"could_not_fire":1}}"#;
        assert!(fault.ends_with(counts), "{fault}");
    }

    /// Catches an order that depends on creation, and an empty list that is not `null`.
    #[test]
    fn collections_are_sorted_and_empty_ones_are_as_gos() {
        let text = proxies(vec![view("b", Vec::new()), view("B", Vec::new())]);
        assert!(text.starts_with(r#"{"B":{"name":"B""#) && text.contains(r#"},"b":{"#), "{text}");
        assert_eq!((proxies(Vec::new()), proxy_list(&[])), ("{}".to_owned(), "null".to_owned()));
    }
}
