//! What a file holds, as JSON, for whoever is handed it as it is.

use toml::de::DeValue;

use super::{TomlTable, TomlValue};
use crate::plan::error::FileError;

impl TomlTable<'_> {
    /// As JSON.
    pub(in crate::plan) fn json(
        &self,
    ) -> Result<serde_json::Map<String, serde_json::Value>, FileError> {
        self.iter().map(|node| Ok((node.key.to_owned(), node.json()?))).collect()
    }
}

impl TomlValue<'_> {
    /// As JSON, for whoever is handed it as it is. A number that has no form there is refused.
    pub(in crate::plan) fn json(&self) -> Result<serde_json::Value, FileError> {
        Ok(match self.value {
            DeValue::String(text) => serde_json::Value::from(text.as_ref()),
            DeValue::Boolean(flag) => serde_json::Value::from(*flag),
            DeValue::Datetime(time) => serde_json::Value::from(time.to_string()),
            DeValue::Integer(_) | DeValue::Float(_) => {
                let number = self.bare_number().unwrap_or_default();
                number.parse().map_err(|_| self.expected("a number that JSON can have"))?
            }
            DeValue::Array(_) => {
                self.list()?.iter().map(Self::json).collect::<Result<Vec<_>, _>>()?.into()
            }
            DeValue::Table(_) => self.table()?.json()?.into(),
        })
    }
}
