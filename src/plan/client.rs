//! The client's settings: a profile by name, or a table that says how it differs from one.
//!
//! One list of fields serves reading, printing and the errors about both.

use std::path::Path;
use std::time::Duration;

use super::driver;
use super::error::{FileError, PlanError};
use super::files::{Library, is_path, stem};
use super::source::{TomlTable, TomlValue};
use super::text::{TomlText, duration};
use crate::base::family::unknown;
use crate::base::units::Ratio;
use crate::client::selector::{KeyHash, SELECTORS};
use crate::client::{Broken, ClientConfig, ConfigError, PROFILES, Profile, Server};
use crate::driver::DriverConfig;

/// What a file writes for a time that never comes.
const NEVER: &str = "never";

/// The largest count that a field may hold; the client sets narrower bounds.
const COUNT_MAX: u64 = 1_000_000;

/// Where a field of the settings lies, by what it holds.
enum Slot<'a> {
    Time(&'a mut Duration),
    Limit(&'a mut Option<Duration>),
    Size(&'a mut usize),
    Count(&'a mut u32),
    Share(&'a mut f64),
    Flag(&'a mut bool),
    TomlText(&'a mut String),
    Hash(&'a mut KeyHash),
}

/// A field of the settings.
struct Field {
    /// The table below the client's that it stands in; empty for the client's own.
    group: &'static str,
    name: &'static str,
    slot: fn(&mut ClientConfig) -> Slot<'_>,
}

const fn field(
    group: &'static str,
    name: &'static str,
    slot: fn(&mut ClientConfig) -> Slot<'_>,
) -> Field {
    Field { group, name, slot }
}

const GROUPS: [&str; 3] = ["", "breaker", "healing"];

static FIELDS: &[Field] = &[
    field("", "connect_timeout", |c| Slot::Time(&mut c.connect_timeout)),
    field("", "operation_timeout", |c| Slot::Time(&mut c.operation_timeout)),
    field("", "pool_size", |c| Slot::Size(&mut c.pool_size)),
    field("", "pool_wait", |c| Slot::Time(&mut c.pool_wait)),
    field("", "lifetime", |c| Slot::Limit(&mut c.lifetime)),
    field("", "idle", |c| Slot::Limit(&mut c.idle)),
    field("", "probe_idle", |c| Slot::Limit(&mut c.probe_idle)),
    field("", "retry_stale", |c| Slot::Flag(&mut c.retry_stale)),
    field("", "hash", |c| Slot::Hash(&mut c.hash)),
    field("", "failover", |c| Slot::Flag(&mut c.failover)),
    field("", "key_prefix", |c| Slot::TomlText(&mut c.key_prefix)),
    field("", "health_check", |c| Slot::Limit(&mut c.health_check)),
    field("breaker", "enabled", |c| Slot::Flag(&mut c.breaker.enabled)),
    field("breaker", "window", |c| Slot::Time(&mut c.breaker.window)),
    field("breaker", "min_requests", |c| Slot::Count(&mut c.breaker.min_requests)),
    field("breaker", "failure_ratio", |c| Slot::Share(&mut c.breaker.failure_ratio)),
    field("breaker", "open", |c| Slot::Time(&mut c.breaker.open)),
    field("breaker", "open_jitter", |c| Slot::Share(&mut c.breaker.open_jitter)),
    field("breaker", "probes", |c| Slot::Count(&mut c.breaker.probes)),
    field("healing", "enabled", |c| Slot::Flag(&mut c.healing.enabled)),
    field("healing", "failures", |c| Slot::Count(&mut c.healing.failures)),
    field("healing", "failures_span", |c| Slot::Time(&mut c.healing.failures_span)),
    field("healing", "on_open", |c| Slot::Flag(&mut c.healing.on_open)),
    field("healing", "delay_floor", |c| Slot::Time(&mut c.healing.delay_floor)),
    field("healing", "delay_min", |c| Slot::Time(&mut c.healing.delay_min)),
    field("healing", "delay_max", |c| Slot::Time(&mut c.healing.delay_max)),
];

/// The settings of the profile called `name`.
///
/// # Errors
/// The nearest names, when there is no such profile.
pub(super) fn profile(name: &str) -> Result<ClientConfig, String> {
    let names: Vec<&str> = PROFILES.iter().map(|profile| profile.name).collect();
    Profile::find(name)
        .map(|profile| (profile.config)())
        .ok_or_else(|| unknown("client profile", name, &names))
}

/// A client as a file describes it.
#[derive(Clone, Debug)]
pub(super) struct Client {
    /// Its name, if it gives one.
    pub(super) name: Option<String>,
    /// Its settings, complete.
    pub(super) config: ClientConfig,
    /// What takes its place.
    pub(super) driver: Option<DriverConfig>,
}

/// The client that a word means, with its name: a profile, a folder of `clients/`, or a file.
///
/// # Errors
/// When there is none, or its file is wrong.
pub(super) fn named(library: &Library, word: &str) -> Result<(String, Client), PlanError> {
    if let Ok(config) = profile(word) {
        return Ok((word.to_owned(), Client { name: None, config, driver: None }));
    }
    let (name, path) = match library.client(word) {
        Some(path) => (word.replace('/', "-"), path),
        None if is_path(word) && !word.ends_with(".toml") => {
            return Err(PlanError::Option(format!(
                "`{word}` is no client file: those are TOML, with the command of the driver in [driver]; \
                 `harness check -driver -- COMMAND` takes the command itself"
            )));
        }
        None if is_path(word) => (stem(word), word.to_owned()),
        None => {
            let clients = library.clients();
            let profiles = PROFILES.iter().map(|profile| profile.name);
            let names: Vec<&str> = profiles.chain(clients.iter().map(String::as_str)).collect();
            return Err(PlanError::Option(unknown("client profile", word, &names)));
        }
    };
    let (source, folder) = (library.open(&path)?, library.folder(&path));
    let client = source.read(|table| read(table, &folder))?;
    Ok((client.name.clone().unwrap_or(name), client))
}

/// Reads a client's table; `folder` is where its file lies. One with a driver has no settings of ours.
pub(super) fn read(table: &TomlTable<'_>, folder: &Path) -> Result<Client, FileError> {
    let Some(node) = table.get("driver") else { return read_own(table) };
    table.only("key beside `driver`", &["name", "summary", "driver"])?;
    let driver = Some(driver::read(&node.table()?, folder)?);
    Ok(Client { name: name(table)?, config: ClientConfig::default(), driver })
}

fn name(table: &TomlTable<'_>) -> Result<Option<String>, FileError> {
    table.get("name").map(|node| node.name().map(str::to_owned)).transpose()
}

fn read_own(table: &TomlTable<'_>) -> Result<Client, FileError> {
    let names = FIELDS.iter().filter(|field| field.group.is_empty()).map(|field| field.name);
    let known: Vec<&str> = ["name", "summary", "base", "broken", "selector", "breaker", "healing"]
        .into_iter()
        .chain(["driver"])
        .chain(names)
        .collect();
    table.only("key", &known)?;
    let mut config = match table.get("base") {
        Some(node) => profile(node.text()?).map_err(|what| node.error(what))?,
        None => ClientConfig::default(),
    };
    for group in GROUPS {
        match table.get(group) {
            Some(node) => read_group(group, &node.table()?, &mut config)?,
            None if group.is_empty() => read_group(group, table, &mut config)?,
            None => {}
        }
    }
    if let Some(node) = table.get("broken") {
        config.broken = Some(node.one_of("broken client", Broken::ALL, Broken::name)?);
    }
    if let Some(node) = table.get("selector") {
        config.selector = node.chosen(&SELECTORS)?;
    }
    check(table, &config)?;
    Ok(Client { name: name(table)?, config, driver: None })
}

fn read_group(
    group: &str,
    table: &TomlTable<'_>,
    config: &mut ClientConfig,
) -> Result<(), FileError> {
    let fields = || FIELDS.iter().filter(|field| field.group == group);
    if !group.is_empty() {
        let names: Vec<&str> = fields().map(|field| field.name).collect();
        table.only(&format!("setting of {group}"), &names)?;
    }
    for field in fields() {
        if let Some(node) = table.get(field.name) {
            fill((field.slot)(config), &node)?;
        }
    }
    Ok(())
}

fn fill(slot: Slot<'_>, node: &TomlValue<'_>) -> Result<(), FileError> {
    match slot {
        Slot::Time(time) => *time = node.duration()?,
        Slot::Limit(limit) => {
            *limit = if node.as_text() == Some(NEVER) { None } else { Some(node.duration()?) };
        }
        Slot::Size(size) => {
            *size = usize::try_from(node.count(0..=COUNT_MAX)?).unwrap_or(usize::MAX);
        }
        Slot::Count(count) => {
            *count = u32::try_from(node.count(0..=COUNT_MAX)?).unwrap_or(u32::MAX);
        }
        Slot::Share(share) => *share = node.parsed::<Ratio>("a ratio such as \"60%\"")?.value(),
        Slot::Flag(flag) => *flag = node.flag()?,
        Slot::TomlText(text) => node.text()?.clone_into(text),
        Slot::Hash(hash) => *hash = node.one_of("key hash", KeyHash::ALL, KeyHash::name)?,
    }
    Ok(())
}

/// Asks the client itself, and points at the setting that it names.
fn check(table: &TomlTable<'_>, config: &ClientConfig) -> Result<(), FileError> {
    // Any server will do: only the settings are in question.
    let servers = [Server { address: "127.0.0.1:1".to_owned(), weight: 1 }];
    let Err(error) = config.check(&servers) else {
        return Ok(());
    };
    let node = match &error {
        ConfigError::Setting { setting, .. } => {
            let (group, name) = setting.split_once('.').unwrap_or((setting, ""));
            let outer = table.get(group);
            let inner = outer.as_ref().and_then(|node| node.table().ok()?.get(name));
            inner.or(outer)
        }
        ConfigError::Selector(_) => table.get("selector"),
        _ => None,
    };
    Err(node.map_or_else(|| table.error(error.to_string()), |node| node.error(error.to_string())))
}

/// Prints the settings as the table at `[path]`.
pub(super) fn print(text: &mut TomlText, path: &str, name: &str, config: &ClientConfig) {
    let mut config = config.clone();
    for group in GROUPS {
        if group.is_empty() {
            text.table(path);
            text.string("name", name);
            if let Some(broken) = config.broken {
                text.string("broken", broken.name());
            }
        } else {
            text.table(&format!("{path}.{group}"));
        }
        for field in FIELDS.iter().filter(|field| field.group == group) {
            text.value(field.name, &show((field.slot)(&mut config)));
        }
    }
    text.table(&format!("{path}.selector"));
    text.chosen(&config.selector, &SELECTORS);
}

fn show(slot: Slot<'_>) -> String {
    match slot {
        Slot::Time(time) => duration(*time),
        Slot::Limit(limit) => limit.map_or_else(|| format!("\"{NEVER}\""), duration),
        Slot::Size(size) => size.to_string(),
        Slot::Count(count) => count.to_string(),
        Slot::Share(share) => format!("\"{}\"", Ratio::new(*share).unwrap_or_default()),
        Slot::Flag(flag) => flag.to_string(),
        Slot::TomlText(text) => super::text::string(text),
        Slot::Hash(hash) => super::text::string(hash.name()),
    }
}
