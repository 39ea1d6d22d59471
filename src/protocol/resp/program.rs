//! What Redis and Valkey are called and told outside their protocol.

use std::net::Ipv4Addr;

/// The port that they listen on when nobody says another.
pub const PORT: u16 = 6379;

/// The word for a Redis, and its program.
pub const REDIS: (&str, &str) = ("redis", "redis-server");
/// The word for a Valkey, and its program.
pub const VALKEY: (&str, &str) = ("valkey", "valkey-server");

/// The variable of an environment that names the servers to their clients, with commas between them.
pub const SERVERS_VARIABLE: &str = "REDIS_NODES";

/// The variable that names the first of them, as most clients take it.
pub const URL_VARIABLE: &str = "REDIS_URL";

/// The words behind the program's name that make it listen on this port of this machine alone, keep nothing on
/// the disk, hold so much and take so many connections. As a cache does, it drops what was used least recently.
#[must_use]
pub fn arguments(port: u16, memory_mib: u32, connections: u32) -> Vec<String> {
    let host = Ipv4Addr::LOCALHOST.to_string();
    let (port, memory, connections) =
        (port.to_string(), format!("{memory_mib}mb"), connections.to_string());
    let pairs = [
        ("--bind", host.as_str()),
        ("--port", &port),
        ("--maxmemory", &memory),
        ("--maxmemory-policy", "allkeys-lru"),
        ("--maxclients", &connections),
        ("--save", ""),
        ("--appendonly", "no"),
        ("--daemonize", "no"),
    ];
    pairs.into_iter().flat_map(|(name, value)| [name.to_owned(), value.to_owned()]).collect()
}
