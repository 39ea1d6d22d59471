//! How the values of options are read. Every message shows what to write instead, and that is taken.

use std::collections::BTreeSet;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::ops::RangeInclusive;
use std::time::Duration;

use clap::builder::{PossibleValuesParser, TypedValueParser};

use crate::base::time::DurationText;
use crate::base::units::Rate;
use crate::plan::{
    DURATION_MAX, DURATION_MIN, METRICS_INTERVAL_MIN, RateWish, SEED_MAX, read_address,
};
use crate::protocol::memcached::program::PORT;

/// The shortest time that is waited for anything.
const TIME_MIN: Duration = Duration::from_millis(1);

/// One of some words, each with what it means; help and errors show them.
pub(super) fn word<T: Clone + Send + Sync + 'static>(
    words: &'static [(&'static str, T)],
) -> impl TypedValueParser<Value = T> {
    let meaning = |text: String| words.iter().find(|(word, _)| *word == text);
    PossibleValuesParser::new(words.iter().map(|(word, _)| *word)).try_map(move |text| {
        meaning(text).map(|(_, meaning)| meaning.clone()).ok_or("no such word")
    })
}

/// The longest time that a program waits for a scraper: one that has not come by then will not.
const LINGER_MAX: Duration = Duration::from_secs(3_600);

/// A time above zero.
pub(super) fn time(text: &str) -> Result<Duration, String> {
    within(text, TIME_MIN..=DURATION_MAX)
}

/// How long a run is.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    within(text, DURATION_MIN..=DURATION_MAX)
}

/// The time between two live figures.
pub(super) fn metrics_interval(text: &str) -> Result<Duration, String> {
    within(text, METRICS_INTERVAL_MIN..=DURATION_MAX)
}

/// How long figures are kept for a scraper.
pub(super) fn linger(text: &str) -> Result<Duration, String> {
    within(text, TIME_MIN..=LINGER_MAX)
}

fn within(text: &str, range: RangeInclusive<Duration>) -> Result<Duration, String> {
    let read = |text: &str| text.parse::<DurationText>().map(|time| time.0);
    let is_taken = |text: &String| read(text).is_ok_and(|time| range.contains(&time));
    let (least, most) = (DurationText(*range.start()), DurationText(*range.end()));
    let trimmed = text.trim();
    match read(trimmed) {
        Ok(time) if range.contains(&time) => return Ok(time),
        Ok(time) if time.is_zero() => {
            return Err(format!("\"{trimmed}\" is not above zero; write \"{least}\" or more"));
        }
        Ok(time) if time < *range.start() => {
            return Err(format!("\"{trimmed}\" is too short; write \"{least}\" or more"));
        }
        Ok(_) => return Err(format!("\"{trimmed}\" is too long; write \"{most}\" or less")),
        Err(_) => {}
    }
    let above_zero = trimmed.trim_start_matches('-');
    if above_zero.parse::<f64>().is_err() {
        let example = Some(above_zero.to_owned()).filter(is_taken);
        let example = example.unwrap_or_else(|| "10s".to_owned());
        return Err(format!(
            "\"{trimmed}\" is no duration; write a number and a unit, such as \"{example}\""
        ));
    }
    let units = ["s", "ms", "m"].map(|unit| format!("{above_zero}{unit}"));
    let taken: Vec<String> =
        units.into_iter().filter(is_taken).map(|text| format!("\"{text}\"")).collect();
    let instead = match taken.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
        None => format!("\"{least}\" or more"),
    };
    Err(format!("\"{trimmed}\" has no unit; write {instead}"))
}

/// A whole number in a range.
pub(super) fn count(
    range: RangeInclusive<u32>,
) -> impl Fn(&str) -> Result<u32, String> + Clone + Send + Sync + 'static {
    move |text| {
        let (least, most) = (*range.start(), *range.end());
        let number = text.parse::<i128>().ok();
        let count = number.and_then(|number| u32::try_from(number).ok());
        count.filter(|count| range.contains(count)).ok_or_else(|| {
            let nearest = match number {
                Some(number) if number > i128::from(most) => most,
                _ => least,
            };
            format!("\"{text}\" is no whole number from {least} to {most}; write \"{nearest}\"")
        })
    }
}

/// A server that already runs, with the name that it was given by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Server {
    word: String,
    addresses: Vec<SocketAddr>,
}

impl Server {
    /// Where it is reached: at the first of its addresses.
    pub(super) fn address(&self) -> SocketAddr {
        self.addresses[0]
    }

    /// Which addresses a name stands for.
    pub(super) fn told(&self) -> Option<String> {
        let (first, others) = self.addresses.split_first()?;
        if self.word == first.to_string() {
            return None;
        }
        let others: Vec<String> = others.iter().map(SocketAddr::to_string).collect();
        let others = match others.as_slice() {
            [] => String::new(),
            others => format!(", and not {}, which it is, too", others.join(", ")),
        };
        Some(format!("{} is taken as {first}{others}", self.word))
    }
}

/// A server by address or name, which is looked up now: a run goes to one address from start to end.
pub(super) fn server(text: &str) -> Result<Server, String> {
    let is_numeric = text.parse::<SocketAddr>().is_ok();
    let (host, written) = text.rsplit_once(':').unwrap_or((text, ""));
    let port = written.parse::<u16>().ok().filter(|port| *port > 0);
    let is_host = |host: &str| {
        !host.is_empty() && host.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
    };
    if is_numeric || port.is_none() || !is_host(host) {
        let read = read_address(text).map(|address| vec![address]);
        return match read {
            Ok(addresses) => Ok(Server { word: text.to_owned(), addresses }),
            Err(_) if is_host(host) && host.parse::<std::net::IpAddr>().is_err() => {
                let what = if written.is_empty() {
                    "has no port"
                } else {
                    "has a port that is none of 1 to 65535"
                };
                Err(format!("\"{text}\" {what}; write \"{host}:{PORT}\""))
            }
            Err(error) => Err(error),
        };
    }
    let mut addresses: Vec<SocketAddr> = match text.to_socket_addrs() {
        Ok(addresses) => addresses.collect(),
        Err(error) => return Err(format!("nobody knows the host of \"{text}\": {error}")),
    };
    let mut seen = BTreeSet::new();
    addresses.retain(|address| seen.insert(*address));
    if addresses.is_empty() {
        return Err(format!("the host of \"{text}\" has no address"));
    }
    Ok(Server { word: text.to_owned(), addresses })
}

/// `2000/s`, or `max` for a closed loop.
pub(super) fn rate(text: &str) -> Result<RateWish, String> {
    if text == "max" {
        return Ok(RateWish::Max);
    }
    text.parse::<Rate>().map(RateWish::PerSecond).map_err(|error| format!("{error} or \"max\""))
}

/// A seed that survives every JSON reader.
pub(super) fn seed(text: &str) -> Result<u64, String> {
    let number = text.parse::<i128>().ok();
    let seed = number.and_then(|number| u64::try_from(number).ok());
    seed.filter(|seed| *seed <= SEED_MAX).ok_or_else(|| {
        let nearest = number.map_or(1, |number| number.unsigned_abs().min(u128::from(SEED_MAX)));
        format!("a seed is a whole number from 0 to {SEED_MAX}; write \"{nearest}\"")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{read_control_address, read_listen};

    /// Catches a value that is guessed at, and a message that does not show the right spelling.
    #[test]
    fn values_are_strict() {
        assert_eq!(time("1m").unwrap(), Duration::from_secs(60));
        for (text, refused) in [
            ("30", r#""30" has no unit; write "30s", "30ms" or "30m""#),
            ("0", r#""0" has no unit; write "1ms" or more"#),
            ("0s", r#""0s" is not above zero; write "1ms" or more"#),
            ("-5s", r#""-5s" is no duration; write a number and a unit, such as "5s""#),
        ] {
            assert_eq!(time(text).unwrap_err(), refused);
        }
        assert_eq!(duration("5").unwrap_err(), r#""5" has no unit; write "5s" or "5m""#);
        assert_eq!(rate("max").unwrap(), RateWish::Max);
        assert_eq!(rate("2k/s").unwrap(), RateWish::PerSecond(Rate::per_second(2000.0).unwrap()));
        assert_eq!(
            rate("2000").unwrap_err(),
            r#""2000" is no rate; write "2000/s" (events a second, above zero) or "max""#
        );
        assert!(metrics_interval("100ms").is_ok() && metrics_interval("99ms").is_err());
        assert_eq!(seed("42").unwrap(), 42);
        assert!(seed("-1").is_err() && seed("9007199254740992").is_err());
        assert_eq!(count(1..=9)("5"), Ok(5));
        assert_eq!(
            count(1..=9)("0").unwrap_err(),
            r#""0" is no whole number from 1 to 9; write "1""#
        );
    }

    /// Catches a name of which only one address is told, and a correction that loses the host.
    #[test]
    fn servers_have_names() {
        let numeric = server("127.0.0.1:5").unwrap();
        assert_eq!((numeric.address().port(), numeric.told()), (5, None));
        let named = server("localhost:5").unwrap();
        assert!(named.address().ip().is_loopback());
        assert!(named.told().unwrap().starts_with("localhost:5 is taken as "));
        let addresses = ["10.0.0.1:5", "10.0.0.2:5"].map(|text| text.parse().unwrap()).to_vec();
        let two = Server { word: "cache:5".to_owned(), addresses };
        assert_eq!(
            two.told().unwrap(),
            "cache:5 is taken as 10.0.0.1:5, and not 10.0.0.2:5, which it is, too"
        );
        for (text, refused) in [
            ("cache", r#""cache" has no port; write "cache:11211""#),
            ("cache:0", r#""cache:0" has a port that is none of 1 to 65535; write "cache:11211""#),
            ("127.0.0.1", "write \"127.0.0.1:11211\""),
            ("a b:5", "is no numeric address"),
        ] {
            assert!(server(text).unwrap_err().contains(refused), "{text}");
        }
    }

    /// Whether a reader takes a text, or what it says.
    type Reader = fn(&str) -> Result<(), String>;

    const READERS: [(&str, Reader); 11] = [
        ("time", |text| time(text).map(drop)),
        ("duration", |text| duration(text).map(drop)),
        ("metrics interval", |text| metrics_interval(text).map(drop)),
        ("linger", |text| linger(text).map(drop)),
        ("rate", |text| rate(text).map(drop)),
        ("seed", |text| seed(text).map(drop)),
        ("concurrency", |text| count(1..=10_000)(text).map(drop)),
        ("weight", |text| count(1..=u32::MAX)(text).map(drop)),
        ("listen", |text| read_listen(text).map(drop)),
        ("server", |text| read_address(text).map(drop)),
        ("toxiproxy", |text| read_control_address(text).map(drop)),
    ];

    const GIVEN: [&str; 44] = [
        "",
        " ",
        "-",
        "0",
        "-0",
        "0s",
        "0/s",
        "-1",
        "-5s",
        "-5/s",
        "5",
        "5.5",
        "5x",
        "5 s",
        "5/s",
        "5/y",
        "1e9",
        "1e400",
        "1e-400/s",
        "NaN",
        "inf",
        "inf/s",
        "99999999999",
        "99999999999h",
        "18446744073709551616",
        "340282366920938463463374607431768211456",
        "2y",
        "1ns",
        "99ms",
        "10000001/s",
        "max",
        "MAX",
        "٣s",
        "ä",
        "ä/s",
        "\u{0}",
        "5\n",
        ":",
        ":0",
        ":21211",
        "127.0.0.1",
        "127.0.0.1:0",
        "::1",
        "cache:99999",
    ];

    /// Catches a correction that is refused in its turn, and a refusal without one.
    #[test]
    fn every_correction_is_taken() {
        for (name, read) in READERS {
            for given in GIVEN {
                let Err(refused) = read(given) else { continue };
                let (_, instead) = refused.rsplit_once("; write").expect(&refused);
                let corrections: Vec<&str> = instead.split('"').skip(1).step_by(2).collect();
                assert!(!corrections.is_empty(), "{name} {given:?}: {refused}");
                for correction in corrections {
                    assert_eq!(read(correction), Ok(()), "{name} {given:?}: {refused}");
                }
            }
        }
    }
}
