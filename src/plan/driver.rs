//! A driver in a client file: the table `[driver]`.

use std::path::Path;
use std::time::Duration;

use super::error::FileError;
use super::source::{TomlTable, TomlValue};
use super::text::{TomlText, string};
use crate::driver::DriverConfig;
use crate::load::WORKERS_MAX;

/// The longest time that an operation may be given.
const TIMEOUT_MAX: Duration = Duration::from_secs(60);

const KEYS: [&str; 6] = ["command", "folder", "install", "concurrency", "timeout", "settings"];

/// Reads the table. `folder` is that of the file, where the command is started unless the file says
/// otherwise.
pub(super) fn read(table: &TomlTable<'_>, folder: &Path) -> Result<DriverConfig, FileError> {
    table.only("key of a driver", &KEYS)?;
    let command = table.need("command", "write command = [\"python3\", \"driver.py\"]")?;
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
    if let Some(node) = table.get("settings") {
        config.settings = node.table()?.json()?;
    }
    Ok(config)
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
    text.value("command", &list(&config.command));
    text.string("folder", &config.folder.display().to_string());
    text.value("install", &list(&config.install));
    text.value("concurrency", &config.concurrency.to_string());
    text.duration("timeout", config.timeout);
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
