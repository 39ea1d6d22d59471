//! Request lines and headers of the control API: the path, the host and the origin.

use harness::control::hostile::{Found, find_path, is_refused};

/// The proxies that there are.
const PROXIES: [&str; 4] = ["a", "a/b", "a/b/toxics/c", "\u{fc}"];

/// The first line is the path, the second the host, the third the origin.
pub fn run(bytes: &[u8]) {
    let mut lines = bytes.split(|byte| *byte == b'\n');
    let mut next = || lines.next().unwrap_or_default();
    if let Ok(path) = std::str::from_utf8(next()) {
        on_path(path);
    }
    let (host, origin) = (next(), next());
    let refused = is_refused("127.0.0.1:8474", host, origin);
    assert_eq!(refused, is_refused("127.0.0.1:8474", host, origin));
    if !refused {
        let host = String::from_utf8_lossy(host).to_ascii_lowercase();
        let name = host.trim_end_matches(|c: char| c.is_ascii_digit() || matches!(c, ':' | '.'));
        assert!(!name.ends_with(".example"), "a stranger's name: {host}");
    }
    let _ = is_refused("[::]:8474", host, origin);
}

fn on_path(path: &str) {
    match find_path(path, &PROXIES) {
        Found::Moved(to) => {
            assert!(to.starts_with('/') && !to.starts_with("//"), "{to} leads elsewhere");
            assert!(to.bytes().all(|byte| byte.is_ascii_graphic()), "{to:?} is no header");
            assert!(!matches!(find_path(&to, &PROXIES), Found::Moved(_)), "{to} moves again");
        }
        Found::Resource { proxy, toxic } => {
            assert!(toxic.is_none() || proxy.is_some());
            assert!(proxy.into_iter().chain(toxic).all(|name| !name.is_empty()));
        }
        Found::Nothing | Found::Malformed => {}
    }
}
