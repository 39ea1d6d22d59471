//! Which resource a request's path means.
//!
//! Names are matched after percent-decoding, so an encoded slash splits a segment; a path that is
//! not in its shortest form is answered with its shortest form; a trailing slash is another path.

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
    Reset,
    Version,
    Metrics,
    /// Ours: what happens, as it happens.
    Events,
}

/// Finds what `path` means, as it stood in the request line.
pub(super) fn find(path: &str) -> Found {
    let Some(decoded) = decode(path) else {
        return Found::Malformed;
    };
    let shortest = shorten(&decoded);
    if shortest != decoded {
        return Found::Moved(encode(&shortest));
    }
    // Names are text, so bytes that are no UTF-8 match none; what replaces them only shows.
    let text = String::from_utf8_lossy(&decoded);
    let segments: Vec<&str> = text.split('/').skip(1).collect();
    if segments.iter().any(|segment| segment.is_empty()) {
        return Found::Nothing;
    }
    let resource = match *segments {
        ["proxies"] => Resource::Proxies,
        ["populate"] => Resource::Populate,
        ["reset"] => Resource::Reset,
        ["version"] => Resource::Version,
        ["metrics"] => Resource::Metrics,
        ["events"] => Resource::Events,
        ["proxies", proxy] => Resource::Proxy(proxy.to_owned()),
        ["proxies", proxy, "toxics"] => Resource::Toxics(proxy.to_owned()),
        ["proxies", proxy, "connections"] => Resource::Connections(proxy.to_owned()),
        ["proxies", proxy, "toxics", toxic] => Resource::Toxic(proxy.to_owned(), toxic.to_owned()),
        _ => return Found::Nothing,
    };
    Found::Resource(resource)
}

fn decode(path: &str) -> Option<Vec<u8>> {
    let mut decoded = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
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

/// Without empty segments, `.` and `..`; a trailing slash stays.
fn shorten(path: &[u8]) -> Vec<u8> {
    let mut kept: Vec<&[u8]> = Vec::new();
    for segment in path.split(|byte| *byte == b'/') {
        match segment {
            b"" | b"." => {}
            b".." => {
                kept.pop();
            }
            name => kept.push(name),
        }
    }
    let mut shortest = vec![b'/'];
    shortest.extend(kept.join(&b'/'));
    if path.ends_with(b"/") && !kept.is_empty() {
        shortest.push(b'/');
    }
    shortest
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
        use Resource::{Connections, Proxies, Proxy, Toxic, Toxics, Version};
        for (path, resource) in [
            ("/proxies", Proxies),
            ("/version", Version),
            ("/proxies/a%20b", Proxy(name("a b"))),
            ("/proxies/%70", Proxy(name("p"))),
            ("/proxies/Ünï", Proxy(name("Ünï"))),
            ("/proxies/p/toxics", Toxics(name("p"))),
            ("/proxies/p/connections", Connections(name("p"))),
            ("/proxies/toxics/toxics/toxics", Toxic(name("toxics"), name("toxics"))),
        ] {
            assert_eq!(find(path), Found::Resource(resource), "{path}");
        }
        for path in ["/", "/proxy", "/proxies/", "/proxies/a%2Fb", "/Proxies", "/proxies/p/toxic"] {
            assert_eq!(find(path), Found::Nothing, "{path}");
        }
        for path in ["/proxies/%", "/proxies/%2", "/proxies/%zz", "/proxies/%+1"] {
            assert_eq!(find(path), Found::Malformed, "{path}");
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
            ("/proxies/a%2F%2Fb", "/proxies/a/b"),
            ("", "/"),
            ("*", "/%2A"),
        ] {
            assert_eq!(find(path), Found::Moved(name(location)), "{path}");
            assert!(!matches!(find(location), Found::Moved(_)), "{location}");
        }
    }
}
