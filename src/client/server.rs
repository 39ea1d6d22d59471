//! The address of a node, checked before anything is dialled.

use std::net::{Ipv4Addr, Ipv6Addr};

/// The port that memcached listens on by default.
pub(super) const DEFAULT_PORT: u16 = 11211;

/// A node's address and its share of the keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// `host:port`.
    pub address: String,
    /// Its share relative to the others', at least 1.
    pub weight: u32,
}

/// Why a text is no address of a node.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{address}\" is no server address: {cause}; write host:port, such as 127.0.0.1:11211")]
pub struct AddressError {
    address: String,
    cause: &'static str,
}

impl Server {
    /// A server with weight 1.
    ///
    /// # Errors
    /// When `address` is not `host:port` with a port from 1 to 65535.
    pub fn new(address: impl Into<String>) -> Result<Self, AddressError> {
        let server = Self { address: address.into(), weight: 1 };
        server.endpoint()?;
        Ok(server)
    }

    /// The host and the port.
    ///
    /// # Errors
    /// When the address is not `host:port` with a port from 1 to 65535.
    pub fn endpoint(&self) -> Result<(&str, u16), AddressError> {
        let error = |cause| AddressError { address: self.address.clone(), cause };
        let (host, port) =
            self.address.rsplit_once(':').ok_or_else(|| error("there is no port"))?;
        if !port.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(error("the port is not a number"));
        }
        let port = match port.parse::<u16>() {
            Ok(0) | Err(_) => return Err(error("the port is not within 1 to 65535")),
            Ok(port) => port,
        };
        let literal = host.trim_start_matches('[').trim_end_matches(']');
        if literal.parse::<Ipv6Addr>().is_ok() {
            return Err(error("IPv6 is not supported"));
        }
        let named = !host.is_empty()
            && host.len() <= 253
            && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
        if !named {
            return Err(error("the host is neither a name nor an IPv4 address"));
        }
        // Digits and dots only, yet no address: a typing error that DNS would answer slowly.
        let numeric = host.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
        if numeric && host.parse::<Ipv4Addr>().is_err() {
            return Err(error("the host is no IPv4 address"));
        }
        Ok((host, port))
    }

    /// The name under which it stands on the ring: the host alone on port 11211, as libmemcached
    /// and twemproxy have it.
    #[must_use]
    pub fn label(&self) -> &str {
        match self.endpoint() {
            Ok((host, DEFAULT_PORT)) => host,
            _ => &self.address,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Catches an address that would only fail when it is dialled, or be dialled wrongly.
    #[test]
    fn only_host_and_port() {
        for address in ["127.0.0.1:11211", "cache-a.example:1", "localhost:65535", "my_host:22"] {
            assert!(Server::new(address).is_ok(), "{address}");
        }
        for (address, cause) in [
            ("localhost", "there is no port"),
            ("localhost:", "the port is not within 1 to 65535"),
            ("localhost:0", "the port is not within 1 to 65535"),
            ("localhost:65536", "the port is not within 1 to 65535"),
            ("localhost:+80", "the port is not a number"),
            ("localhost:http", "the port is not a number"),
            (":11211", "the host is neither a name nor an IPv4 address"),
            ("a b:11211", "the host is neither a name nor an IPv4 address"),
            ("tcp://a:11211", "the host is neither a name nor an IPv4 address"),
            ("127.0.0.1.5:11211", "the host is no IPv4 address"),
            ("300.1.1.1:11211", "the host is no IPv4 address"),
            ("[::1]:11211", "IPv6 is not supported"),
            ("::1:11211", "IPv6 is not supported"),
        ] {
            assert_eq!(Server::new(address).unwrap_err().cause, cause, "{address}");
        }
    }

    /// Catches a ring label that differs from libmemcached's: other keys would move.
    #[test]
    fn the_default_port_is_not_part_of_the_label() {
        assert_eq!(Server::new("cache-a:11211").unwrap().label(), "cache-a");
        assert_eq!(Server::new("cache-a:11212").unwrap().label(), "cache-a:11212");
    }
}
