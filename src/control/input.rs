//! Bodies into what they ask for: proxies, lists of proxies, toxics and changes to them.
//!
//! As lenient as Toxiproxy where its clients depend on it; what is accepted only for that reason
//! is remembered as a warning. `toxics` inside a proxy is ours, and read strictly.

use axum::http::StatusCode;
use strum::VariantNames as _;

use super::attributes::{self, Attributes, Member};
use super::json::{Decoder, Place, Value, first_value, key_is};
use super::reply::Refusal;
use crate::base::family::{self, Kind};
use crate::proxy::fault::{Fault, TOXICS};
use crate::proxy::{
    Dial, PROXIES_MAX, Protocol, ProxyError, Stream, TOXICS_MAX, ToxicConfig, ToxicUpdate,
    ToxicView,
};

/// The Go type of one entry of a list of proxies, for its error texts.
const ENTRY_TYPE: &str = r#"struct { toxiproxy.Proxy; Enabled *bool "json:\"enabled\"" }"#;

/// The Go type of a change to a toxic, for its error texts.
const CHANGE_TYPE: &str = concat!(
    r#"struct { Attributes interface {} "json:\"attributes\""; "#,
    r#"Toxicity float32 "json:\"toxicity\"" }"#
);

/// A proxy as a body describes it; absent fields are `None`.
#[derive(Debug, Default)]
pub(super) struct ProxyInput {
    pub(super) name: Option<String>,
    pub(super) listen: Option<String>,
    pub(super) upstream: Option<String>,
    pub(super) enabled: Option<bool>,
    /// Ours: when and how the server is connected to.
    pub(super) dial: Option<Dial>,
    /// Ours: what its connections speak.
    pub(super) protocol: Option<Protocol>,
    pub(super) toxics: Vec<ToxicInput>,
}

/// What a proxy is told to speak whose connections tell it themselves.
const AUTO: &str = "auto";

/// A toxic as a body describes it, complete but for the name's uniqueness and the attributes.
#[derive(Debug)]
pub(super) struct ToxicHead<'a> {
    pub(super) name: String,
    pub(super) kind: &'static Kind<Fault>,
    pub(super) stream: Stream,
    pub(super) toxicity: f32,
    /// In the order in which they count: later values win.
    attributes: Vec<(Member, Value<'a>)>,
}

/// A toxic as a body describes it.
#[derive(Clone, Debug)]
pub(super) struct ToxicInput {
    pub(super) name: String,
    pub(super) kind: &'static Kind<Fault>,
    pub(super) stream: Stream,
    pub(super) toxicity: f32,
    pub(super) attributes: Attributes,
}

impl ToxicInput {
    pub(super) fn config(&self) -> ToxicConfig {
        ToxicConfig {
            name: Some(self.name.clone()),
            kind: self.kind.name.to_owned(),
            stream: self.stream,
            toxicity: self.toxicity,
            attributes: self.attributes.given.clone(),
        }
    }
}

/// Reads the body of a create or an update.
pub(super) fn proxy(body: &[u8]) -> Result<ProxyInput, Refusal> {
    let value = Value::proven(first_value(body).map_err(|error| Refusal::bad_body(&error))?);
    let mut decoder = Decoder::default();
    let (input, toxics) = read_proxy(&mut decoder, value, "Proxy", "toxiproxy.Proxy");
    decoder.finish().map_err(|error| Refusal::bad_body(&error))?;
    with_toxics(input, toxics)
}

/// Reads the body of a populate, or a configuration file.
pub(super) fn proxies(body: &[u8]) -> Result<Vec<ProxyInput>, Refusal> {
    let value = Value::proven(first_value(body).map_err(|error| Refusal::bad_body(&error))?);
    let mut decoder = Decoder::default();
    let mut entries = Vec::new();
    for entry in decoder.elements(value, Place::Root, &format!("[]{ENTRY_TYPE}")) {
        if entries.len() >= PROXIES_MAX {
            return Err(ProxyError::TooManyProxies.into());
        }
        entries.push(read_proxy(&mut decoder, entry, "", ENTRY_TYPE));
    }
    decoder.finish().map_err(|error| Refusal::bad_body(&error))?;
    for ((entry, _), number) in entries.iter().zip(1..) {
        for (field, value) in [("name", &entry.name), ("upstream", &entry.upstream)] {
            if value.as_ref().is_none_or(String::is_empty) {
                return Err(Refusal::missing(&format!("{field} at proxy {number}")));
            }
        }
    }
    entries.into_iter().map(|(entry, toxics)| with_toxics(entry, toxics)).collect()
}

fn read_proxy<'a>(
    decoder: &mut Decoder,
    value: Value<'a>,
    structure: &str,
    go_type: &str,
) -> (ProxyInput, Option<Value<'a>>) {
    let (mut input, mut toxics) = (ProxyInput::default(), None);
    for (key, value) in decoder.members(value, Place::Root, go_type) {
        let at = |field| Place::Field(structure, field);
        if key_is(&key, "name") {
            input.name = decoder.text(value, at("name")).or(input.name);
        } else if key_is(&key, "listen") {
            input.listen = decoder.text(value, at("listen")).or(input.listen);
        } else if key_is(&key, "upstream") {
            input.upstream = decoder.text(value, at("upstream")).or(input.upstream);
        } else if key_is(&key, "enabled") {
            input.enabled = decoder.flag(value, at("enabled")).or(input.enabled);
        } else if key_is(&key, "logger") {
            // Toxiproxy shows this field by accident, and clients send it back.
            drop(decoder.members(value, at("Logger"), "zerolog.Logger"));
        } else if key_is(&key, "dial") {
            let text = decoder.text(value, at("dial"));
            input.dial = text.and_then(|text| dial(decoder, &text)).or(input.dial);
        } else if key_is(&key, "protocol") {
            let text = decoder.text(value, at("protocol"));
            input.protocol = text.and_then(|text| protocol(decoder, &text)).or(input.protocol);
        } else if key_is(&key, "toxics") {
            toxics = Some(value);
        }
    }
    (input, toxics)
}

fn dial(decoder: &mut Decoder, text: &str) -> Option<Dial> {
    match text {
        "lazy" => Some(Dial::Lazy),
        "eager" => Some(Dial::Eager),
        other => {
            decoder.mistake(family::unknown("dial", other, &["lazy", "eager"]));
            None
        }
    }
}

/// `auto` is the same as nothing: it is found out.
fn protocol(decoder: &mut Decoder, text: &str) -> Option<Protocol> {
    let known = text.parse().ok();
    if known.is_none() && text != AUTO {
        let names: Vec<&str> =
            [AUTO].into_iter().chain(Protocol::VARIANTS.iter().copied()).collect();
        decoder.mistake(family::unknown("protocol", text, &names));
    }
    known
}

/// Reads `toxics` of a proxy, each as the body that would create it.
fn with_toxics(mut input: ProxyInput, toxics: Option<Value<'_>>) -> Result<ProxyInput, Refusal> {
    let Some(toxics) = toxics else { return Ok(input) };
    let mut decoder = Decoder::default();
    let place = Place::Field("Proxy", "toxics");
    for (value, number) in decoder.elements(toxics, place, "[]toxics.Toxic").zip(1..) {
        if number > TOXICS_MAX {
            return Err(ProxyError::TooManyToxics.into());
        }
        let toxic = ToxicHead::read(value).and_then(|head| {
            let is_taken = input.toxics.iter().any(|other: &ToxicInput| other.name == head.name);
            if is_taken { Err(toxic_exists()) } else { head.complete() }
        });
        input.toxics.push(toxic.map_err(|refusal| {
            Refusal::new(refusal.status, format!("toxic {number}: {}", refusal.message))
        })?);
    }
    decoder.finish().map_err(|error| Refusal::bad_body(&error))?;
    Ok(input)
}

/// What is to be said, and to whom.
#[derive(Debug, Default)]
pub(super) struct SayInput {
    /// The one connection that is meant; `None`: all.
    pub(super) connection: Option<u64>,
    pub(super) what: family::Settings,
}

/// Reads the body of a `say`, strictly: no client of Toxiproxy's knows it.
pub(super) fn say(body: &[u8]) -> Result<SayInput, Refusal> {
    const MEMBERS: [&str; 4] = ["text", "base64", "hex", "connection"];
    let value = Value::proven(first_value(body).map_err(|error| Refusal::bad_body(&error))?);
    let (mut decoder, mut input) = (Decoder::default(), SayInput::default());
    for (key, value) in decoder.members(value, Place::Root, "Say") {
        let Some(member) = MEMBERS.into_iter().find(|member| key_is(&key, member)) else {
            decoder.mistake(family::unknown("member", &key, &MEMBERS));
            continue;
        };
        let place = Place::Field("Say", member);
        if member == "connection" {
            let number = decoder.integer(value, place, "uint64");
            input.connection = number.and_then(|number| u64::try_from(number).ok());
            if number.is_some() && input.connection.is_none() {
                decoder.mistake("`connection` is a number from /connections".to_owned());
            }
        } else if let Some(text) = decoder.text(value, place) {
            input.what.insert(member, family::Value::Text(text));
        }
    }
    if input.what.iter().next().is_none() {
        decoder.mistake("say what: give `text`, `base64` or `hex`".to_owned());
    }
    decoder.finish().map_err(|error| Refusal::bad_body(&error))?;
    Ok(input)
}

pub(super) fn toxic_exists() -> Refusal {
    Refusal::new(StatusCode::CONFLICT, "toxic already exists")
}

/// The first value of a body that creates a toxic.
pub(super) fn toxic(body: &[u8]) -> Result<ToxicHead<'_>, Refusal> {
    let value = first_value(body).map_err(|error| Refusal::bad_body(&error))?;
    ToxicHead::read(Value::proven(value))
}

impl<'a> ToxicHead<'a> {
    /// Everything but the attributes, whose fields depend on the type.
    fn read(value: Value<'a>) -> Result<Self, Refusal> {
        let mut decoder = Decoder::default();
        let (mut name, mut kind, mut stream) = (String::new(), String::new(), None);
        let (mut toxicity, mut attributes) = (1.0, Vec::new());
        for (key, value) in decoder.members(value, Place::Root, "toxics.ToxicWrapper") {
            let at = |field| Place::Field("ToxicWrapper", field);
            if key_is(&key, "name") {
                name = decoder.text(value, at("name")).unwrap_or(name);
            } else if key_is(&key, "type") {
                kind = decoder.text(value, at("type")).unwrap_or(kind);
            } else if key_is(&key, "stream") {
                stream = decoder.text(value, at("stream")).or(stream);
            } else if key_is(&key, "toxicity") {
                toxicity = decoder.float32(value, at("toxicity")).unwrap_or(toxicity);
            } else if key_is(&key, "attributes") {
                drop(decoder.members(value, at("attributes"), "toxics.NoopToxic"));
                attributes.push((Member::Attributes, value));
            } else if key_is(&key, "settings") {
                attributes.push((Member::Settings, value));
            }
        }
        decoder.finish().map_err(|error| Refusal::bad_body(&error))?;
        let given = stream.as_deref().unwrap_or("downstream");
        let stream: Stream = given.parse().map_err(|error: ProxyError| {
            Refusal::new(StatusCode::BAD_REQUEST, error.to_string())
        })?;
        if name.is_empty() {
            name = format!("{kind}_{given}");
        }
        let kind = TOXICS
            .find(&kind)
            .ok_or_else(|| Refusal::new(StatusCode::BAD_REQUEST, "invalid toxic type"))?;
        Ok(Self { name, kind, stream, toxicity, attributes })
    }

    /// Reads the attributes too.
    pub(super) fn complete(self) -> Result<ToxicInput, Refusal> {
        let mut decoder = Decoder::default();
        let mut attributes = Attributes::default();
        for (source, value) in self.attributes {
            attributes.read(&mut decoder, value, self.kind, source);
        }
        decoder.finish().map_err(|error| Refusal::bad_body(&error))?;
        attributes.settle(self.kind.name);
        attributes.warn_of_toxicity(self.toxicity);
        attributes::check(self.kind, &attributes.given)?;
        let Self { name, kind, stream, toxicity, .. } = self;
        Ok(ToxicInput { name, kind, stream, toxicity, attributes })
    }
}

/// Reads the body of a change to `toxic`, with what was accepted only because Toxiproxy accepts it.
/// Name, type and stream cannot change.
pub(super) fn change(
    body: &[u8],
    toxic: &ToxicView,
) -> Result<(ToxicUpdate, Vec<String>), Refusal> {
    let value = Value::proven(first_value(body).map_err(|error| Refusal::bad_body(&error))?);
    let kind = TOXICS
        .find(&toxic.kind)
        .ok_or_else(|| Refusal::new(StatusCode::BAD_REQUEST, "invalid toxic type"))?;
    let mut decoder = Decoder::default();
    let (mut toxicity, mut attributes) = (None, Attributes::default());
    for (key, value) in decoder.members(value, Place::Root, CHANGE_TYPE) {
        if key_is(&key, "toxicity") {
            toxicity = decoder.float32(value, Place::Field("", "toxicity")).or(toxicity);
        } else if key_is(&key, "attributes") {
            attributes.read(&mut decoder, value, kind, Member::Attributes);
        } else if key_is(&key, "settings") {
            attributes.read(&mut decoder, value, kind, Member::Settings);
        }
    }
    decoder.finish().map_err(|error| Refusal::bad_body(&error))?;
    attributes.settle(kind.name);
    attributes.warn_of_toxicity(toxicity.unwrap_or(1.0));
    let given = attributes::written_back(kind.name, &attributes.given, &toxic.attributes);
    Ok((ToxicUpdate { toxicity, attributes: given }, attributes.warnings))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal<T: std::fmt::Debug>(result: Result<T, Refusal>) -> (u16, String) {
        let refusal = result.unwrap_err();
        (refusal.status.as_u16(), refusal.message)
    }

    /// Catches a field that is missed, and the defaults of absent and null fields.
    #[test]
    fn proxies_are_read_leniently() {
        let body = br#"{"NAME":"p","Upstream":"u:1","enabled":null,"x":[],"Logger":{}} rest"#;
        let input = proxy(body).unwrap();
        assert_eq!((input.name.as_deref(), input.upstream.as_deref()), (Some("p"), Some("u:1")));
        assert_eq!((input.listen, input.enabled), (None, None));
        let doubled = proxy(br#"{"name":"a","name":"b","name":null}"#).unwrap();
        assert_eq!(doubled.name.as_deref(), Some("b"));
        assert!(proxy(b"null").unwrap().name.is_none());
    }

    /// Catches an error text that differs from what a Go server answers.
    #[test]
    fn mistakes_are_named_as_by_go() {
        for (body, detail) in [
            ("", "EOF"),
            ("[]", "json: cannot unmarshal array into Go value of type toxiproxy.Proxy"),
            (
                r#"{"name":1,"enabled":"x"}"#,
                "json: cannot unmarshal number into Go struct field Proxy.name of type string",
            ),
        ] {
            let expected = (400, format!("bad request body: {detail}"));
            assert_eq!(refusal(proxy(body.as_bytes())), expected, "{body}");
        }
        let object = refusal(proxies(b"{}"));
        assert_eq!(
            object.1,
            "bad request body: json: cannot unmarshal object into Go value of type \
             []struct { toxiproxy.Proxy; Enabled *bool \"json:\\\"enabled\\\"\" }"
        );
        let entry = refusal(proxies(br#"[{"name":"a","upstream":"b"},{"name":"c"}]"#));
        assert_eq!(entry, (400, "missing required field: upstream at proxy 2".to_owned()));
    }

    /// Catches a check that is made before one that Toxiproxy makes earlier.
    #[test]
    fn toxics_are_checked_in_toxiproxys_order() {
        let invalid_stream = "stream was invalid, can be either upstream or downstream";
        for (body, message) in [
            (r#"{"stream":"","type":"x"}"#, invalid_stream),
            (r#"{"stream":"up","type":"x"}"#, invalid_stream),
            (r#"{"type":"Latency","attributes":{"latency":1.5}}"#, "invalid toxic type"),
            ("{}", "invalid toxic type"),
            (
                r#"{"stream":"up","toxicity":"1"}"#,
                "bad request body: json: cannot unmarshal string into Go struct field \
                 ToxicWrapper.toxicity of type float32",
            ),
            (
                r#"{"attributes":7}"#,
                "bad request body: json: cannot unmarshal number into Go struct field \
                 ToxicWrapper.attributes of type toxics.NoopToxic",
            ),
        ] {
            assert_eq!(refusal(toxic(body.as_bytes())), (400, message.to_owned()), "{body}");
        }
        let head = toxic(br#"{"type":"latency","stream":"UPstream"}"#).unwrap();
        assert_eq!((head.name.as_str(), head.stream), ("latency_UPstream", Stream::Upstream));
        let head = toxic(br#"{"type":"noop","stream":null,"toxicity":null}"#).unwrap();
        assert_eq!((head.name.as_str(), head.toxicity), ("noop_downstream", 1.0));
    }

    /// Catches toxics inside a proxy that are half read: each must be right, names unique.
    #[test]
    fn toxics_of_a_proxy_are_read_strictly() {
        let body = br#"{"name":"p","upstream":"u","toxics":[{"type":"latency",
            "attributes":{"latency":5}},{"type":"noop","stream":"upstream","name":"n"}]}"#;
        let names: Vec<String> =
            proxy(body).unwrap().toxics.into_iter().map(|toxic| toxic.name).collect();
        assert_eq!(names, ["latency_downstream", "n"]);
        for (toxics, message) in [
            (r#"[{"type":"x"}]"#, "toxic 1: invalid toxic type"),
            (r#"[{"type":"noop"},{"type":"noop"}]"#, "toxic 2: toxic already exists"),
            (r#"[],"dial":"lasy""#, "bad request body: unknown dial `lasy`; did you mean `lazy`?"),
            (
                "7",
                "bad request body: json: cannot unmarshal number into Go struct field \
                 Proxy.toxics of type []toxics.Toxic",
            ),
        ] {
            let body = format!(r#"{{"name":"p","upstream":"u","toxics":{toxics}}}"#);
            assert_eq!(refusal(proxy(body.as_bytes())).1, message);
        }
        assert!(proxy(br#"{"toxics":null}"#).unwrap().toxics.is_empty());
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(256))]

        /// Catches a body that panics: any members with any values, and any bytes.
        #[test]
        fn no_body_panics(
            inner in members(),
            outer in members(),
            cut in 0_usize..200,
            bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..20),
        ) {
            let inner = object(&inner, "null");
            let outer = object(&outer, &inner);
            let list = format!("[{outer},{inner}]");
            let cut = &list.as_bytes()[..cut.min(list.len())];
            for body in [&bytes[..], outer.as_bytes(), list.as_bytes(), cut] {
                let _ = proxy(body).map(|input| input.toxics.len());
                let _ = proxies(body).map(|all| all.len());
                let _ = toxic(body).and_then(ToxicHead::complete).map(|input| input.config());
                for kind in TOXICS.kinds {
                    let toxic = ToxicView {
                        name: String::new(),
                        kind: kind.name.to_owned(),
                        stream: Stream::Upstream,
                        toxicity: 1.0,
                        attributes: family::Settings::default(),
                        counts: None,
                    };
                    let _ = change(body, &toxic);
                }
            }
        }
    }

    const KEYS: [&str; 12] = [
        "name",
        "LISTEN",
        "upstream",
        "enabled",
        "toxics",
        "type",
        "stream",
        "toxicity",
        "attributes",
        "settings",
        "loss_rate",
        "latency",
    ];

    /// `@` stands for an object, whose members are the same with others.
    const VALUES: [&str; 14] = [
        "@",
        "[@]",
        "@",
        "null",
        "true",
        "-1",
        "1e999",
        "1e-400",
        "9223372036854775808",
        "0.5",
        r#""packet_loss""#,
        r#""both""#,
        r#""5%""#,
        r#""\ud800\u0000""#,
    ];

    fn members() -> impl proptest::strategy::Strategy<Value = Vec<(usize, usize)>> {
        proptest::collection::vec((0..KEYS.len(), 0..VALUES.len()), 0..8)
    }

    fn object(members: &[(usize, usize)], nested: &str) -> String {
        let members = members.iter().map(|(key, value)| {
            format!("\"{}\":{}", KEYS[*key], VALUES[*value].replace('@', nested))
        });
        format!("{{{}}}", crate::control::output::joined(members))
    }
}
