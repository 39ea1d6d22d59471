//! Settings as Toxiproxy takes them, and what a fault is told that would do nothing.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64_TEXT;
use bytes::Bytes;

use crate::base::family::{Setting, SettingError, Settings, Unit, Value};

/// The longest time that a setting can mean: a year.
pub(super) const TIME_MAX: Duration = Duration::from_secs(365 * 24 * 3600);

/// The longest line that a fault may say.
const LINE_BYTES_MAX: usize = 1024;

/// The most bytes that a fault may say at once.
pub(in crate::proxy) const SAID_BYTES_MAX: usize = 1 << 20;

/// How old a connection is, seen from a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Age {
    /// It was open when the fault was added.
    Established,
    /// It was opened while the fault was there.
    New,
}

/// Which connections a fault is about, by their age: [`age`] reads it.
pub(super) const fn connections(default: &'static str) -> Setting {
    Setting {
        name: "connections",
        unit: Unit::Choice(&["all", "established", "new"]),
        default: Some(default),
        summary: "which: all, established (open before) or new (opened while it is active)",
    }
}

/// Of which age a connection must be; `None`: of any.
pub(super) fn age(settings: &Settings) -> Result<Option<Age>, SettingError> {
    Ok(match settings.text("connections")? {
        "established" => Some(Age::Established),
        "new" => Some(Age::New),
        _ => None,
    })
}

/// What is said: [`said`] reads one of three settings.
pub(super) const TEXT: Setting = Setting {
    name: "text",
    unit: Unit::Text,
    default: Some("ERROR\r\n"),
    summary: "what is said, as it is: no line end is added",
};
pub(super) const BASE64: Setting = Setting {
    name: "base64",
    unit: Unit::Text,
    default: Some(""),
    summary: "the same for any bytes, as base64",
};
pub(super) const HEX: Setting = Setting {
    name: "hex",
    unit: Unit::Text,
    default: Some(""),
    summary: "the same for any bytes, as hexadecimal digits",
};

/// The bytes that a fault says: a text, or what base64 or hexadecimal digits stand for.
pub(in crate::proxy) fn said(settings: &Settings) -> Result<Bytes, SettingError> {
    let text_of = |setting: &Setting| match settings.get(setting.name) {
        Some(_) => settings.text(setting.name),
        None => Ok(setting.default.unwrap_or_default()),
    };
    let (text, base64, hex) = (text_of(&TEXT)?, text_of(&BASE64)?, text_of(&HEX)?);
    let given =
        [!TEXT.is_default(&Value::Text(text.to_owned())), !base64.is_empty(), !hex.is_empty()];
    if given.iter().filter(|given| **given).count() > 1 {
        let what = "give one of `text`, `base64` and `hex`, not two";
        return Err(SettingError { setting: None, what: what.to_owned() });
    }
    let (name, bytes) = match given {
        [_, true, _] => ("base64", BASE64_TEXT.decode(base64).ok()),
        [.., true] => ("hex", unhex(hex)),
        _ => ("text", Some(text.as_bytes().to_vec())),
    };
    let bytes = bytes.ok_or_else(|| {
        let example = if name == "hex" { "0d 0a" } else { "DQo=" };
        SettingError::at(name, format!("`{name}` does not decode; write for example \"{example}\""))
    })?;
    if bytes.is_empty() || bytes.len() > SAID_BYTES_MAX {
        let what = format!("`{name}` must stand for 1 to {SAID_BYTES_MAX} bytes");
        return Err(SettingError::at(name, what));
    }
    Ok(bytes.into())
}

/// Pairs of hexadecimal digits, with or without spaces between them.
fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits = text.chars().filter(|digit| !digit.is_whitespace());
    let digits: Vec<u8> =
        digits.map(|digit| digit.to_digit(16)?.try_into().ok()).collect::<Option<_>>()?;
    let pairs = digits.as_chunks::<2>();
    pairs.1.is_empty().then(|| pairs.0.iter().map(|[high, low]| high << 4 | low).collect())
}

/// A line that is said, without its end: one, printable, and not too long for a client to read.
pub(super) fn line(settings: &Settings, name: &str) -> Result<Box<[u8]>, SettingError> {
    let text = settings.text(name)?;
    let fits = !text.is_empty() && text.len() <= LINE_BYTES_MAX;
    if !fits || text.chars().any(char::is_control) {
        let what =
            format!("`{name}` must be one line of 1 to {LINE_BYTES_MAX} bytes; its end is added");
        return Err(SettingError::at(name, what));
    }
    Ok(text.as_bytes().into())
}

/// A time setting as Toxiproxy takes it: below zero is zero, absurdly long is very long.
pub(in crate::proxy) fn time(
    settings: &Settings,
    name: &str,
    unit: Unit,
) -> Result<Duration, SettingError> {
    let scale = if unit == Unit::Microseconds { 1e-6 } else { 1e-3 };
    let seconds = (settings.number(name)? * scale).max(0.0);
    Ok(Duration::try_from_secs_f64(seconds).unwrap_or(TIME_MAX).min(TIME_MAX))
}

/// What a delay of nothing is told.
pub(in crate::proxy) fn no_delay(setting: &str) -> SettingError {
    let what =
        format!("a delay of nothing changes nothing; write for example {setting} = \"100ms\"");
    SettingError::at(setting, what)
}

/// What a fault that never happens is told.
pub(in crate::proxy) fn never(setting: &str) -> SettingError {
    let what = format!("at 0% it never happens; write for example {setting} = \"5%\"");
    SettingError::at(setting, what)
}

/// A size setting as Toxiproxy takes it: below zero is zero.
pub(in crate::proxy) fn size(settings: &Settings, name: &str) -> Result<u64, SettingError> {
    let value = settings.number(name)?.max(0.0);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "not negative; a size beyond 2^64 saturates"
    )]
    Ok(value as u64)
}

/// A share setting as Toxiproxy takes it: clamped to 0..1.
pub(in crate::proxy) fn share(settings: &Settings, name: &str) -> Result<f64, SettingError> {
    Ok(settings.number(name)?.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(given: &[(&str, &str)]) -> Result<Vec<u8>, String> {
        let mut settings = Settings::default();
        for (name, text) in [("text", "ERROR\r\n"), ("base64", ""), ("hex", "")].iter().chain(given)
        {
            settings.insert(*name, Value::Text((*text).to_owned()));
        }
        said(&settings).map(|bytes| bytes.to_vec()).map_err(|error| error.what)
    }

    /// Catches bytes that are read as something else, and a mistake that is said to the client.
    #[test]
    fn any_bytes_can_be_said_in_one_of_three_ways() {
        assert_eq!(read(&[]).unwrap(), b"ERROR\r\n");
        assert_eq!(read(&[("text", "x")]).unwrap(), b"x");
        assert_eq!(read(&[("base64", "AP8=")]).unwrap(), [0, 255]);
        assert_eq!(read(&[("hex", "00 fF")]).unwrap(), [0, 255]);
        for (given, what) in [
            (&[("text", "x"), ("hex", "00")][..], "give one of"),
            (&[("text", "")], "`text` must stand for 1 to"),
            (&[("hex", "0")], "`hex` does not decode"),
            (&[("hex", "0g")], "`hex` does not decode"),
            (&[("base64", "???")], "`base64` does not decode"),
            (&[("text", &"x".repeat(SAID_BYTES_MAX + 1))], "`text` must stand for 1 to"),
        ] {
            let error = read(given).unwrap_err();
            assert!(error.starts_with(what), "{error}");
        }
    }
}
