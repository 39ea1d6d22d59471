//! Where a service is: `http://host:port/prefix`.

use std::fmt;
use std::str::FromStr;

use hyper::Uri;

/// The port where an address names none.
const DEFAULT_PORT: u16 = 80;

/// Where a service is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// As it was written, without a slash at its end.
    text: String,
    host: String,
    port: u16,
    /// What the path of every request begins with; empty, or a slash and more.
    prefix: String,
}

impl Address {
    /// The host, as it is connected to.
    #[must_use]
    pub fn host(&self) -> &str {
        self.host.trim_start_matches('[').trim_end_matches(']')
    }

    /// The port.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// What stands in the header `Host`.
    #[must_use]
    pub fn authority(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// The target of a request for `path` below the address.
    #[must_use]
    pub fn target(&self, path: &str) -> String {
        let whole = format!("{}{path}", self.prefix);
        if whole.is_empty() { "/".to_owned() } else { whole }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no address; write \"http://127.0.0.1:8000\"");
        if text.starts_with("https://") {
            return Err(
                "https is not spoken here: name the port on which the service speaks plain \
                        http, such as \"http://127.0.0.1:8000\""
                    .to_owned(),
            );
        }
        if !text.starts_with("http://") {
            return Err(wrong());
        }
        let uri: Uri = text.parse().map_err(|_| wrong())?;
        let host = uri.host().filter(|host| !host.is_empty()).ok_or_else(wrong)?;
        let authority = uri.authority().map_or("", |authority| authority.as_str());
        if uri.query().is_some() || authority.contains('@') {
            return Err(format!(
                "`{text}` has more than host, port and path; write \"http://127.0.0.1:8000/api\""
            ));
        }
        // `host:` and a port beyond 65535 have none that can be read.
        let port = match uri.port_u16() {
            Some(0) => return Err(wrong()),
            Some(port) => port,
            None if authority == host => DEFAULT_PORT,
            None => return Err(wrong()),
        };
        Ok(Self {
            text: text.trim_end_matches('/').to_owned(),
            host: host.to_owned(),
            port,
            prefix: uri.path().trim_end_matches('/').to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Catches an address that people write and we refuse or misread, and one that is taken although
    /// nobody can be reached there.
    #[test]
    fn addresses_are_read_or_refused() {
        for (text, host, port, target) in [
            ("http://127.0.0.1:8000", "127.0.0.1", 8000, "/k"),
            ("http://localhost/", "localhost", 80, "/k"),
            ("http://[::1]:8000/cache/", "::1", 8000, "/cache/k"),
        ] {
            let address: Address = text.parse().unwrap();
            assert_eq!((address.host(), address.port()), (host, port), "{text}");
            assert_eq!(address.target("/k"), target);
        }
        for (text, why) in [
            ("https://localhost:8000", "https is not spoken here"),
            ("localhost:8000", "is no address"),
            ("http://", "is no address"),
            ("http://h:99999", "is no address"),
            ("http://h:0", "is no address"),
            ("http://a b", "is no address"),
            ("http://h/?q=1", "more than host, port and path"),
            ("http://me:secret@h/", "more than host, port and path"),
        ] {
            let refused = text.parse::<Address>().unwrap_err();
            assert!(refused.contains(why), "{text}: {refused}");
        }
    }
}
