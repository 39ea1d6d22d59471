//! Which resource a request's path means.
//!
//! Names are matched after percent-decoding, and an encoded slash is part of its name. Clients that do
//! not encode it mean the proxy all the same, when there is one of that name. A path that is not in its
//! shortest form is answered with its shortest form; a trailing slash is another path.

/// What a path stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Found {
    Resource(Resource),
    /// The same path in its shortest form, encoded.
    Moved(String),
    Nothing,
    /// A percent sign without two hexadecimal digits.
    Malformed,
}

/// What the API serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Resource {
    Proxies,
    Populate,
    Proxy(String),
    Toxics(String),
    Toxic(String, String),
    /// Ours: the proxy's counters while its connections are open.
    Connections(String),
    /// Ours: something is said to clients that did not ask for it.
    Say(String),
    Reset,
    Version,
    Metrics,
    /// Ours: what happens, as it happens.
    Events,
    /// Ours: a client says that this has happened.
    Event(String),
}

/// Finds what `path` means, as it stood in the request line; `is_proxy` tells the names of proxies.
pub(super) fn find(path: &str, is_proxy: impl Fn(&str) -> bool) -> Found {
    let Some(decoded) = path.split('/').map(decode).collect::<Option<Vec<_>>>() else {
        return Found::Malformed;
    };
    if let Some(shortest) = shorten(&decoded) {
        return Found::Moved(shortest);
    }
    // Names are text, so bytes that are no UTF-8 match none; what replaces them only shows.
    let segments: Vec<String> = decoded
        .iter()
        .skip(1)
        .map(|segment| String::from_utf8_lossy(segment).into_owned())
        .collect();
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    if segments.iter().any(|segment| segment.is_empty()) {
        return Found::Nothing;
    }
    let resource = match *segments {
        ["proxies"] => Some(Resource::Proxies),
        ["populate"] => Some(Resource::Populate),
        ["reset"] => Some(Resource::Reset),
        ["version"] => Some(Resource::Version),
        ["metrics"] => Some(Resource::Metrics),
        ["events"] => Some(Resource::Events),
        ["events", name] => Some(Resource::Event(name.to_owned())),
        ["proxies", proxy, ref rest @ ..] => {
            of_proxy(proxy, rest).or_else(|| of_split_name(&segments[1..], is_proxy))
        }
        _ => None,
    };
    resource.map_or(Found::Nothing, Found::Resource)
}

fn of_proxy(proxy: &str, rest: &[&str]) -> Option<Resource> {
    let proxy = proxy.to_owned();
    match *rest {
        [] => Some(Resource::Proxy(proxy)),
        ["toxics"] => Some(Resource::Toxics(proxy)),
        ["connections"] => Some(Resource::Connections(proxy)),
        ["say"] => Some(Resource::Say(proxy)),
        ["toxics", toxic] => Some(Resource::Toxic(proxy, toxic.to_owned())),
        _ => None,
    }
}

/// The same for names whose slashes were not encoded: of the longest proxy that there is.
fn of_split_name(segments: &[&str], is_proxy: impl Fn(&str) -> bool) -> Option<Resource> {
    (1..=segments.len()).rev().find_map(|length| {
        let (name, rest) = segments.split_at(length);
        let name = name.join("/");
        let rest = match rest {
            ["toxics", toxic @ ..] if toxic.len() > 1 => vec!["toxics".to_owned(), toxic.join("/")],
            rest => rest.iter().map(|segment| (*segment).to_owned()).collect(),
        };
        let rest: Vec<&str> = rest.iter().map(String::as_str).collect();
        of_proxy(&name, &rest).filter(|_| is_proxy(&name))
    })
}

fn decode(segment: &str) -> Option<Vec<u8>> {
    let mut decoded = Vec::with_capacity(segment.len());
    let mut rest = segment.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        if *byte == b'%' {
            let digits = after.get(..2).filter(|two| two.iter().all(u8::is_ascii_hexdigit))?;
            let digits = std::str::from_utf8(digits).ok()?;
            decoded.push(u8::from_str_radix(digits, 16).ok()?);
            rest = &after[2..];
        } else {
            decoded.push(*byte);
        }
    }
    Some(decoded)
}

/// The path without empty segments, `.` and `..`, when it is another one; a trailing slash stays.
fn shorten(segments: &[Vec<u8>]) -> Option<String> {
    let mut kept: Vec<&[u8]> = Vec::new();
    for segment in segments {
        match segment.as_slice() {
            b"" | b"." => {}
            b".." => {
                kept.pop();
            }
            name => kept.push(name),
        }
    }
    let ends_open =
        segments.len() > 1 && segments.last().is_some_and(Vec::is_empty) && !kept.is_empty();
    let end: &[&[u8]] = if ends_open || kept.is_empty() { &[b""] } else { &[] };
    let whole = std::iter::once(&b""[..]).chain(kept.iter().copied()).chain(end.iter().copied());
    if whole.eq(segments.iter().map(Vec::as_slice)) {
        return None;
    }
    let mut shortest: String =
        kept.iter().map(|name| format!("/{}", encode(name).replace('/', "%2F"))).collect();
    if ends_open || shortest.is_empty() {
        shortest.push('/');
    }
    Some(shortest)
}

/// Percent-encodes what a path must not hold as it is.
pub(super) fn encode(path: &[u8]) -> String {
    path.iter().fold(String::with_capacity(path.len()), |mut text, byte| {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' => text.push(char::from(*byte)),
            b'-' | b'_' | b'.' | b'~' | b'$' | b'&' | b'+' | b',' | b'/' | b':' | b';' | b'='
            | b'@' => text.push(char::from(*byte)),
            other => text.push_str(&format!("%{other:02X}")),
        }
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> String {
        text.to_owned()
    }

    /// Catches a path that Toxiproxy serves and we do not, or the other way round.
    #[test]
    fn paths_are_matched_as_by_toxiproxy() {
        use Resource::{Connections, Proxies, Proxy, Say, Toxic, Toxics, Version};
        for (path, resource) in [
            ("/proxies", Proxies),
            ("/version", Version),
            ("/proxies/a%20b", Proxy(name("a b"))),
            ("/proxies/%70", Proxy(name("p"))),
            ("/proxies/Ünï", Proxy(name("Ünï"))),
            ("/proxies/a%2Fb", Proxy(name("a/b"))),
            ("/proxies/a%2F%2Fb/toxics/%2F", Toxic(name("a//b"), name("/"))),
            ("/proxies/p/toxics", Toxics(name("p"))),
            ("/proxies/p/connections", Connections(name("p"))),
            ("/proxies/p/say", Say(name("p"))),
            ("/proxies/toxics/toxics/toxics", Toxic(name("toxics"), name("toxics"))),
        ] {
            assert_eq!(find(path, |_| false), Found::Resource(resource), "{path}");
        }
        for path in ["/", "/proxy", "/proxies/", "/proxies/a/b", "/Proxies", "/proxies/p/toxic"] {
            assert_eq!(find(path, |_| false), Found::Nothing, "{path}");
        }
        for path in ["/proxies/%", "/proxies/%2", "/proxies/%zz", "/proxies/%+1"] {
            assert_eq!(find(path, |_| false), Found::Malformed, "{path}");
        }
    }

    /// Catches a redirect that loops, loses the name or misses a form that is not the shortest.
    #[test]
    fn longer_forms_move_to_the_shortest() {
        for (path, location) in [
            ("//proxies", "/proxies"),
            ("/proxies//", "/proxies/"),
            ("/proxies/../version", "/version"),
            ("/../..", "/"),
            ("/proxies/./a b%3F", "/proxies/a%20b%3F"),
            ("/proxies//a%2Fb", "/proxies/a%2Fb"),
            ("", "/"),
            ("*", "/%2A"),
        ] {
            assert_eq!(find(path, |_| false), Found::Moved(name(location)), "{path}");
            assert!(!matches!(find(location, |_| false), Found::Moved(_)), "{location}");
        }
    }
    /// Catches a proxy that a client creates and never reaches again, because it does not encode the
    /// slash in its name; and a slash that hides a proxy of a shorter name.
    #[test]
    fn slashes_that_are_not_encoded_mean_a_proxy_that_there_is() {
        use Resource::{Connections, Proxy, Toxic, Toxics};
        let is_proxy = |name: &str| ["a/b", "a/b/toxics/c", "a"].contains(&name);
        for (path, resource) in [
            ("/proxies/a/b", Some(Proxy(name("a/b")))),
            ("/proxies/a/b/toxics", Some(Toxics(name("a/b")))),
            ("/proxies/a/b/connections", Some(Connections(name("a/b")))),
            ("/proxies/a/b/toxics/x/y", Some(Toxic(name("a/b"), name("x/y")))),
            ("/proxies/a/b/toxics/c", Some(Proxy(name("a/b/toxics/c")))),
            ("/proxies/a/toxics/c", Some(Toxic(name("a"), name("c")))),
            ("/proxies/b/c", None),
        ] {
            let expected = resource.map_or(Found::Nothing, Found::Resource);
            assert_eq!(find(path, is_proxy), expected, "{path}");
        }
    }
}
