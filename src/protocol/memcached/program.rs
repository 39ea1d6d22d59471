//! What memcached is called and told outside its protocol.

use std::net::Ipv4Addr;

/// The port that it listens on when nobody says another.
pub const PORT: u16 = 11211;

/// The program.
pub const NAME: &str = "memcached";

/// The variable of an environment that names the servers to their clients, with commas between them.
pub const SERVERS_VARIABLE: &str = "MEMCACHED_SERVERS";

/// The variable that names the file with the certificate of the authority that the servers' own are signed by.
pub const AUTHORITY_VARIABLE: &str = "MEMCACHED_TLS_CA";

/// The variables that say who to be to the servers.
pub const USER_VARIABLE: &str = "MEMCACHED_USERNAME";
/// The other half.
pub const PASSWORD_VARIABLE: &str = "MEMCACHED_PASSWORD";

/// Threads of one that the harness starts: several share a machine.
const THREADS: u32 = 2;

/// What one is to be.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Its port on this machine.
    pub port: u16,
    /// Memory for items, in MiB.
    pub memory_mib: u32,
    /// How many connections it takes.
    pub connections: u32,
    /// Whether it runs as root, and stays it.
    pub stays_root: bool,
}

impl Settings {
    /// The words behind its name that make it so: without UDP, and on this machine alone.
    #[must_use]
    pub fn arguments(self) -> Vec<String> {
        let Self { port, memory_mib, connections, stays_root } = self;
        let mut words = vec!["-l".to_owned(), Ipv4Addr::LOCALHOST.to_string()];
        let numbers = [
            ("-U", 0),
            ("-t", THREADS),
            ("-p", port.into()),
            ("-m", memory_mib),
            ("-c", connections),
        ];
        words.extend(numbers.into_iter().flat_map(|(flag, n)| [flag.to_owned(), n.to_string()]));
        if stays_root {
            words.extend(["-u".to_owned(), "root".to_owned()]);
        }
        words
    }
}
