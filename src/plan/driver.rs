//! A driver in a client file: the table `[driver]`.

use std::path::Path;
use std::time::Duration;

use super::access;
use super::error::FileError;
use super::source::{TomlTable, TomlValue};
use super::text::{TomlText, string};
use crate::base::misspelt::unknown;
use crate::driver::DriverConfig;
use crate::event::Operation;
use crate::http::Address;
use crate::load::WORKERS_MAX;
use crate::protocol::Protocol;
use crate::secure::access::Access;

/// The longest time that an operation may be given.
const TIMEOUT_MAX: Duration = Duration::from_secs(60);

const WEB_KEYS: [&str; 5] = ["url", "protocol", "concurrency", "timeout", "without"];
const KEYS: [&str; 12] = [
    "command",
    "folder",
    "install",
    "protocol",
    "concurrency",
    "timeout",
    "pipelines",
    "without",
    "settings",
    Access::KEYS[0],
    Access::KEYS[1],
    Access::KEYS[2],
];

/// Reads the table. `folder` is that of the file, where the command is started unless the file says
/// otherwise.
pub(super) fn read(table: &TomlTable<'_>, folder: &Path) -> Result<DriverConfig, FileError> {
    if let Some(url) = table.get("url") {
        table.only("key of a driver with a url", &WEB_KEYS)?;
        let url: Address = url.text()?.parse().map_err(|what: String| url.error(what))?;
        let mut config = DriverConfig::of(Vec::new(), folder.to_owned());
        config.url = Some(url);
        read_bounds(table, &mut config)?;
        return Ok(config);
    }
    table.only("key of a driver", &KEYS)?;
    let command = table.need(
        "command",
        "write command = [\"python3\", \"driver.py\"], or url = \"http://127.0.0.1:8000/cache\"",
    )?;
    let words = words(&command)?;
    if words.first().is_none_or(String::is_empty) {
        return Err(command.error("a command has a program and its arguments, each a text"));
    }
    let mut config = DriverConfig::of(words, folder.to_owned());
    if let Some(node) = table.get("folder") {
        config.folder = folder.join(node.text()?);
    }
    if let Some(node) = table.get("install") {
        config.install = self::words(&node)?;
    }
    read_bounds(table, &mut config)?;
    config.access = access::read(table)?;
    config.pipelines = table.optional("pipelines", TomlValue::flag)?;
    if let Some(node) = table.get("settings") {
        config.settings = node.table()?.json()?;
    }
    Ok(config)
}

/// What it speaks, what it may have under way, and how long, and what it is not asked for.
fn read_bounds(table: &TomlTable<'_>, config: &mut DriverConfig) -> Result<(), FileError> {
    if let Some(node) = table.get("protocol") {
        config.protocol = node.word("protocol", &Protocol::WORDS)?;
    }
    if let Some(node) = table.get("concurrency") {
        let concurrency = node.count(1..=u64::from(WORKERS_MAX))?;
        config.concurrency = u32::try_from(concurrency).unwrap_or(WORKERS_MAX);
    }
    if let Some(node) = table.get("timeout") {
        config.timeout = node.duration()?;
        if config.timeout.is_zero() || config.timeout > TIMEOUT_MAX {
            return Err(node.error("`timeout` must lie between 1ms and 60s"));
        }
    }
    if let Some(node) = table.get("without") {
        config.without = node.list()?.iter().map(operation).collect::<Result<_, _>>()?;
    }
    Ok(())
}

fn operation(word: &TomlValue<'_>) -> Result<Operation, FileError> {
    let name = word.text()?;
    if [Operation::Get, Operation::Set].iter().any(|needed| needed.name() == name) {
        let why = format!("no run can do without `{name}`: leave out others");
        return Err(word.error(why));
    }
    let found = Operation::ALL.iter().find(|operation| operation.name() == name);
    found.copied().ok_or_else(|| word.error(unknown("operation", name, Operation::NAMES)))
}

fn words(node: &TomlValue<'_>) -> Result<Vec<String>, FileError> {
    node.list()?.iter().map(|word| word.text().map(str::to_owned)).collect()
}

/// Prints the table at `[path]`.
pub(super) fn print(text: &mut TomlText, path: &str, config: &DriverConfig) {
    let list = |words: &[String]| {
        let words: Vec<String> = words.iter().map(|word| string(word)).collect();
        format!("[{}]", words.join(", "))
    };
    text.table(path);
    text.value("concurrency", &config.concurrency.to_string());
    text.duration("timeout", config.timeout);
    if config.protocol != Protocol::Memcached {
        text.string("protocol", config.protocol.name());
    }
    if !config.without.is_empty() {
        let names: Vec<String> =
            config.without.iter().map(|operation| operation.name().to_owned()).collect();
        text.value("without", &list(&names));
    }
    if let Some(url) = &config.url {
        text.string("url", &url.to_string());
        return;
    }
    text.value("command", &list(&config.command));
    text.string("folder", &config.folder.display().to_string());
    text.value("install", &list(&config.install));
    if let Some(pipelines) = config.pipelines {
        text.value("pipelines", &pipelines.to_string());
    }
    config.access.asked().for_each(|key| text.value(key, "true"));
    text.value("settings", &inline(&config.settings.clone().into()));
}

/// A JSON value as TOML has it, in one line. TOML has no null: what is null is left out.
fn inline(value: &serde_json::Value) -> String {
    use serde_json::Value;
    match value {
        Value::Object(entries) => {
            let entries = entries.iter().filter(|(_, value)| !value.is_null());
            let pairs: Vec<String> = entries
                .map(|(key, value)| format!("{} = {}", string(key), inline(value)))
                .collect();
            format!("{{ {} }}", pairs.join(", "))
        }
        Value::Array(elements) => {
            let elements: Vec<String> = elements.iter().map(inline).collect();
            format!("[{}]", elements.join(", "))
        }
        Value::String(text) => string(text),
        Value::Null => string(""),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
    }
}
