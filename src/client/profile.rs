//! Sets of client settings under a name.

use std::time::Duration;

use super::config::{BreakerConfig, ClientConfig, HealingConfig};

/// Client settings under a name.
#[derive(Clone, Copy, Debug)]
pub struct Profile {
    /// The name.
    pub name: &'static str,
    /// What it is for, in one line.
    pub summary: &'static str,
    /// The settings.
    pub config: fn() -> ClientConfig,
}

/// The profiles.
pub static PROFILES: &[Profile] = &[
    Profile {
        name: "default",
        summary: "Shed a failing node within a second and be back within 300 ms of its return.",
        config: ClientConfig::default,
    },
    Profile {
        name: "classic",
        summary: "The timings of many client libraries: 30 s window, 5 s open, healing after 10 s.",
        config: classic,
    },
    Profile {
        name: "no-healing",
        summary: "A node once given up is never tried again: proves that a recovery check can fail.",
        config: no_healing,
    },
    Profile {
        name: "no-breaker",
        summary: "Every call goes to its node, whatever became of the last: what a breaker saves.",
        config: no_breaker,
    },
];

impl Profile {
    /// The profile called `name`.
    #[must_use]
    pub fn find(name: &str) -> Option<&'static Self> {
        PROFILES.iter().find(|profile| profile.name == name)
    }
}

fn classic() -> ClientConfig {
    ClientConfig {
        pool_size: 10,
        lifetime: Some(Duration::from_secs(300)),
        idle: Some(Duration::from_secs(60)),
        health_check: Some(Duration::from_secs(10)),
        breaker: BreakerConfig {
            window: Duration::from_secs(30),
            open: Duration::from_secs(5),
            open_jitter: 0.0,
            ..BreakerConfig::default()
        },
        healing: HealingConfig {
            failures: 10,
            failures_span: Duration::ZERO,
            on_open: false,
            delay_floor: Duration::from_secs(10),
            delay_min: Duration::from_secs(20),
            delay_max: Duration::from_secs(20),
            ..HealingConfig::default()
        },
        ..ClientConfig::default()
    }
}

fn no_healing() -> ClientConfig {
    let default = ClientConfig::default();
    ClientConfig { healing: HealingConfig { enabled: false, ..default.healing }, ..default }
}

fn no_breaker() -> ClientConfig {
    let default = ClientConfig::default();
    ClientConfig { breaker: BreakerConfig { enabled: false, ..default.breaker }, ..default }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::server::Server;

    /// Catches a profile that a client refuses, and a name that is taken twice.
    #[test]
    fn every_profile_can_be_used() {
        let servers = [Server::new("127.0.0.1:11211").unwrap()];
        for profile in PROFILES {
            (profile.config)().check(&servers).unwrap();
            assert!(std::ptr::eq(Profile::find(profile.name).unwrap(), profile));
        }
        assert_eq!((Profile::find("default").unwrap().config)(), ClientConfig::default());
    }
}
