//! The settings of a client: plain data that a plan stores, prints and compares.

use std::time::Duration;

use super::broken::Broken;
use super::selector::{KeyHash, SELECTORS};
use super::server::{AddressError, Server};
use crate::base::family::{Chosen, SettingError, Settings};
use crate::protocol::Protocol;

/// The most nodes that a client takes: a node's index has 16 bits.
const SERVERS_MAX: usize = 1024;

/// The most connections that a pool may hold.
const POOL_SIZE_MAX: usize = 4096;

/// The shortest and the longest times that make sense: shorter, and a healer or a check would spin;
/// longer, and adding it to the present could overflow.
const TIME_MIN: Duration = Duration::from_millis(1);
const TIME_MAX: Duration = Duration::from_secs(365 * 24 * 3600);

/// The longest key prefix: a key needs room beside it.
const KEY_PREFIX_BYTES_MAX: usize = 140;

/// The settings of a client. [`ClientConfig::default`] is the profile `default`.
#[derive(Clone, Debug, PartialEq)]
pub struct ClientConfig {
    /// How long a connection may take to come about.
    pub connect_timeout: Duration,
    /// How long an operation may take once it has its connection.
    pub operation_timeout: Duration,
    /// The most connections to one node.
    pub pool_size: usize,
    /// How long a call waits for a free connection before it fails with `no_connection`.
    pub pool_wait: Duration,
    /// How long a connection may live; a tenth of it is spread, so that connections opened together
    /// do not end together.
    pub lifetime: Option<Duration>,
    /// How long a connection may wait for work before it is closed.
    pub idle: Option<Duration>,
    /// A connection idle for longer than this is pinged before it carries a write that must not be
    /// repeated, since such a write cannot be retried when the connection turns out to be stale.
    pub probe_idle: Option<Duration>,
    /// Whether a read or a repeatable write is sent once more, on a fresh connection, when a pooled
    /// connection turns out to have been closed by the peer.
    pub retry_stale: bool,
    /// When calls to a node are rejected.
    pub breaker: BreakerConfig,
    /// How a node that was given up comes back.
    pub healing: HealingConfig,
    /// Which node owns a key: a kind of [`SELECTORS`].
    pub selector: Chosen,
    /// How the selector hashes keys, where it leaves the choice.
    pub hash: KeyHash,
    /// Whether the keys of a node that was given up go to the others (`true`), or fail at once.
    pub failover: bool,
    /// Put before every key on the wire. It does not take part in placement.
    pub key_prefix: String,
    /// How often every node is pinged in the background, so that one without traffic is watched.
    pub health_check: Option<Duration>,
    /// What is broken on purpose, so that a run can show that it notices. Never set by a profile.
    pub broken: Option<Broken>,
    /// What the nodes speak.
    pub protocol: Protocol,
}

/// When calls to a node are rejected.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BreakerConfig {
    /// Whether there is one. `false`: nothing is counted, no call is ever rejected and no node given
    /// up, so that it shows what the breaker is for, and what it costs.
    pub enabled: bool,
    /// The time over which calls are counted.
    pub window: Duration,
    /// The fewest calls within the window that can trip it.
    pub min_requests: u32,
    /// The share of failures within the window that trips it.
    pub failure_ratio: f64,
    /// How long it stays open, when the healer does not end that earlier.
    pub open: Duration,
    /// How far that time is spread either way, as a share of it.
    pub open_jitter: f64,
    /// How many calls pass while it is half-open, and how many of them must succeed to close it.
    pub probes: u32,
}

/// How a node that was given up comes back.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HealingConfig {
    /// Whether it ever comes back. `false` exists to prove that a recovery check can fail.
    pub enabled: bool,
    /// This many failures in a row give the node up.
    pub failures: u32,
    /// Timeouts in a row must also last this long together: one stall fails everything that is under
    /// way at once, and a busy client has many times `failures` of that. A refusal needs no such
    /// proof.
    pub failures_span: Duration,
    /// Whether an open breaker gives the node up at once. `false`: the breaker tries again by
    /// itself after its open time, and only `failures` in a row give the node up.
    pub on_open: bool,
    /// The shortest wait before an attempt to reach it.
    pub delay_floor: Duration,
    /// The longest wait before the first attempt; it doubles with every attempt.
    pub delay_min: Duration,
    /// The longest wait before any attempt.
    pub delay_max: Duration,
}

/// What is wrong with the settings of a client.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// No server at all, or too many.
    #[error("a client needs 1 to {SERVERS_MAX} servers; there are {count}")]
    Servers {
        /// How many there were.
        count: usize,
    },
    /// An address that cannot be dialled.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// The same address twice.
    #[error("\"{address}\" is listed twice; each server must have its own address")]
    Twice {
        /// The address.
        address: String,
    },
    /// A weight that gives a server no keys.
    #[error("the weight of \"{address}\" is 0; write at least 1, or leave the server out")]
    Weight {
        /// The address.
        address: String,
    },
    /// A setting out of its range.
    #[error("`{setting}` {what}")]
    Setting {
        /// The setting.
        setting: &'static str,
        /// What it must be.
        what: String,
    },
    /// An unknown selector, or one that refuses its settings.
    #[error("selector: {0}")]
    Selector(#[from] SettingError),
}

impl Default for ClientConfig {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_millis(100),
            operation_timeout: Duration::from_millis(100),
            pool_size: 64,
            pool_wait: Duration::from_millis(100),
            lifetime: Some(Duration::from_secs(300)),
            idle: Some(Duration::from_secs(60)),
            probe_idle: Some(Duration::from_secs(1)),
            retry_stale: true,
            breaker: BreakerConfig::default(),
            healing: HealingConfig::default(),
            selector: Chosen { kind: "ketama".to_owned(), settings: Settings::default() },
            hash: KeyHash::Md5,
            failover: false,
            key_prefix: String::new(),
            health_check: None,
            broken: None,
            protocol: Protocol::Memcached,
        }
    }
}

impl Default for BreakerConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            window: Duration::from_secs(1),
            min_requests: 5,
            failure_ratio: 0.6,
            open: Duration::from_secs(1),
            open_jitter: 0.2,
            probes: 3,
        }
    }
}

impl Default for HealingConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            failures: 10,
            failures_span: Duration::from_millis(300),
            on_open: true,
            delay_floor: Duration::from_millis(5),
            delay_min: Duration::from_millis(25),
            delay_max: Duration::from_millis(200),
        }
    }
}

impl ClientConfig {
    /// Checks the settings and the servers together.
    ///
    /// # Errors
    /// For the first setting or server that cannot be used.
    pub fn check(&self, servers: &[Server]) -> Result<(), ConfigError> {
        check_servers(servers)?;
        SELECTORS.make(&self.selector)?;
        self.check_times()?;
        self.check_limits()
    }

    fn check_times(&self) -> Result<(), ConfigError> {
        for (setting, time, at_least) in [
            ("connect_timeout", Some(self.connect_timeout), TIME_MIN),
            ("operation_timeout", Some(self.operation_timeout), TIME_MIN),
            ("pool_wait", Some(self.pool_wait), Duration::ZERO),
            ("lifetime", self.lifetime, TIME_MIN),
            ("idle", self.idle, TIME_MIN),
            ("probe_idle", self.probe_idle, Duration::ZERO),
            ("health_check", self.health_check, TIME_MIN),
            ("breaker.window", Some(self.breaker.window), TIME_MIN),
            ("breaker.open", Some(self.breaker.open), Duration::ZERO),
            ("healing.failures_span", Some(self.healing.failures_span), Duration::ZERO),
            ("healing.delay_max", Some(self.healing.delay_max), TIME_MIN),
        ] {
            let fits = time.is_none_or(|time| time >= at_least && time <= TIME_MAX);
            let least = humantime::format_duration(at_least);
            require(fits, setting, || format!("must lie between {least} and a year"))?;
        }
        Ok(())
    }

    fn check_limits(&self) -> Result<(), ConfigError> {
        let (breaker, healing) = (&self.breaker, &self.healing);
        let pool = (1..=POOL_SIZE_MAX).contains(&self.pool_size);
        require(pool, "pool_size", || "must lie between 1 and 4096")?;
        let ratio = breaker.failure_ratio > 0.0 && breaker.failure_ratio <= 1.0;
        require(ratio, "breaker.failure_ratio", || "must be above 0% and at most 100%")?;
        let jitter = (0.0..1.0).contains(&breaker.open_jitter);
        require(jitter, "breaker.open_jitter", || "must be at least 0% and below 100%")?;
        require(breaker.min_requests > 0, "breaker.min_requests", || "must be at least 1")?;
        require(breaker.probes > 0, "breaker.probes", || "must be at least 1")?;
        require(healing.failures > 0, "healing.failures", || "must be at least 1")?;
        let ordered =
            healing.delay_floor <= healing.delay_min && healing.delay_min <= healing.delay_max;
        require(ordered, "healing", || "delays must rise: delay_floor, delay_min, delay_max")?;
        let prefix = self.key_prefix.len() <= KEY_PREFIX_BYTES_MAX
            && self.key_prefix.bytes().all(|byte| (0x21..=0x7e).contains(&byte));
        require(prefix, "key_prefix", || "must be at most 128 bytes of 0x21 to 0x7e")
    }
}

fn check_servers(servers: &[Server]) -> Result<(), ConfigError> {
    if servers.is_empty() || servers.len() > SERVERS_MAX {
        return Err(ConfigError::Servers { count: servers.len() });
    }
    for (position, server) in servers.iter().enumerate() {
        server.endpoint()?;
        let address = || server.address.clone();
        if server.weight == 0 {
            return Err(ConfigError::Weight { address: address() });
        }
        if servers[..position].iter().any(|earlier| earlier.address == server.address) {
            return Err(ConfigError::Twice { address: address() });
        }
    }
    Ok(())
}

fn require<S: Into<String>>(
    holds: bool,
    setting: &'static str,
    what: impl FnOnce() -> S,
) -> Result<(), ConfigError> {
    if holds { Ok(()) } else { Err(ConfigError::Setting { setting, what: what().into() }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn servers(addresses: &[&str]) -> Vec<Server> {
        addresses.iter().map(|address| Server { address: (*address).into(), weight: 1 }).collect()
    }

    /// Catches a client that would start with servers it cannot use.
    #[test]
    fn servers_are_checked_first() {
        let check = |servers: &[Server]| ClientConfig::default().check(servers).unwrap_err();
        assert_eq!(check(&[]), ConfigError::Servers { count: 0 });
        assert!(matches!(check(&servers(&["localhost"])), ConfigError::Address(_)));
        assert!(matches!(check(&servers(&["a:1", "b:1", "a:1"])), ConfigError::Twice { .. }));
        let weightless = [Server { address: "a:1".into(), weight: 0 }];
        assert!(matches!(check(&weightless), ConfigError::Weight { .. }));
    }

    /// Catches a setting that would divide by zero, never trip or never send.
    #[test]
    fn senseless_settings_are_refused_by_name() {
        type Change = fn(&mut ClientConfig);
        let changes: [(&str, Change); 10] = [
            ("pool_size", |c| c.pool_size = 0),
            ("operation_timeout", |c| c.operation_timeout = Duration::ZERO),
            ("lifetime", |c| c.lifetime = Some(Duration::MAX)),
            ("breaker.open", |c| c.breaker.open = Duration::MAX),
            ("breaker.window", |c| c.breaker.window = Duration::ZERO),
            ("breaker.failure_ratio", |c| c.breaker.failure_ratio = f64::NAN),
            ("breaker.open_jitter", |c| c.breaker.open_jitter = 1.0),
            ("breaker.probes", |c| c.breaker.probes = 0),
            ("healing", |c| c.healing.delay_floor = Duration::from_secs(1)),
            ("key_prefix", |c| c.key_prefix = "a b".into()),
        ];
        for (name, change) in changes {
            let mut config = ClientConfig::default();
            change(&mut config);
            match config.check(&servers(&["a:1"])) {
                Err(ConfigError::Setting { setting, .. }) => assert_eq!(setting, name),
                other => panic!("{name}: {other:?}"),
            }
        }
        let mut config = ClientConfig::default();
        config.selector.kind = "ketema".into();
        let error = config.check(&servers(&["a:1"])).unwrap_err().to_string();
        assert!(error.contains("ketama"), "{error}");
    }
}
