//! Proxies and toxics for people on a terminal, and for scripts everywhere else.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde_json::Value;

use crate::base::terminal::Text;

const RED: &str = "\x1b[31m";
const GREEN: &str = "\x1b[32m";
const YELLOW: &str = "\x1b[33m";
const BLUE: &str = "\x1b[34m";
const PURPLE: &str = "\x1b[35m";
const PLAIN: &str = "\x1b[0m";

/// A column of the list ends at a multiple of this.
const TAB: usize = 8;

/// Whether a terminal is there to show colours, headings and hints, and what the program is called.
#[derive(Clone, Copy)]
pub(super) struct Paint {
    pub(super) on: bool,
    pub(super) program: &'static str,
}

impl Paint {
    const fn of(self, colour: &'static str) -> &'static str {
        if self.on { colour } else { "" }
    }

    fn hint(self, page: &mut Text, before: &str, words: &str) {
        if self.on {
            let hint = format!("Hint: {before} with `{} {words}`\n", self.program);
            page.own("\n").own(PLAIN).add(&hint);
        }
    }

    /// A column of a table `tabs` wide; elsewhere than on a terminal, a field and its separator.
    fn column(self, page: &mut Text, colour: &'static str, text: &str, tabs: usize) {
        let tabs = if self.on { tabs.saturating_sub(text.len() / TAB + 1) } else { 0 };
        page.own(self.of(colour)).add(text).own(self.of(PLAIN));
        page.own("\t").add(&"\t".repeat(tabs));
    }
}

/// A text member of a JSON object.
pub(super) fn text<'a>(object: &'a Value, key: &str) -> &'a str {
    object.get(key).and_then(Value::as_str).unwrap_or_default()
}

pub(super) fn is_enabled(proxy: &Value) -> bool {
    proxy.get("enabled").and_then(Value::as_bool).unwrap_or_default()
}

const fn state(enabled: bool) -> (&'static str, &'static str) {
    if enabled { (GREEN, "enabled") } else { (RED, "disabled") }
}

fn toxics(proxy: &Value) -> &[Value] {
    proxy.get("toxics").and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// Every proxy on a line, by name.
pub(super) fn list(proxies: &Value, paint: Paint) -> Text {
    let mut proxies: Vec<&Value> =
        proxies.as_object().map(|all| all.values().collect()).unwrap_or_default();
    proxies.sort_by_key(|proxy| text(proxy, "name"));
    let mut page = Text::default();
    if paint.on {
        for (colour, heading) in [
            (GREEN, "Name\t\t\t"),
            (BLUE, "Listen\t\t"),
            (YELLOW, "Upstream\t\t"),
            (PURPLE, "Enabled\t\t"),
            (RED, "Toxics\n"),
        ] {
            page.own(colour).own(heading);
        }
        page.own(PLAIN).own(PLAIN).add(&"=".repeat(86)).own("\n");
        if proxies.is_empty() {
            page.own(RED).own("no proxies\n").own(PLAIN);
            paint.hint(&mut page, "create a proxy", "create");
            return page;
        }
    }
    for proxy in proxies {
        let (colour, enabled) = state(is_enabled(proxy));
        let count = match toxics(proxy).len() {
            0 if paint.on => "None".to_owned(),
            count => count.to_string(),
        };
        paint.column(&mut page, colour, text(proxy, "name"), 3);
        paint.column(&mut page, BLUE, text(proxy, "listen"), 2);
        paint.column(&mut page, YELLOW, text(proxy, "upstream"), 3);
        paint.column(&mut page, PURPLE, enabled, 2);
        page.own(paint.of(RED)).add(&count).own(paint.of(PLAIN)).own("\n");
    }
    paint.hint(&mut page, "inspect toxics", "inspect <proxyName>");
    page
}

/// A proxy's toxics.
pub(super) fn inspect(proxy: &Value, paint: Paint) -> Text {
    let all = toxics(proxy);
    let mut page = Text::default();
    if !paint.on {
        all.iter().for_each(|each| toxic(&mut page, each, paint));
        return page;
    }
    for (colour, heading, key, end) in [
        (PURPLE, "Name: ", "name", "\t"),
        (BLUE, "Listen: ", "listen", "\t"),
        (YELLOW, "Upstream: ", "upstream", "\n"),
    ] {
        page.own(colour).own(heading).own(PLAIN).add(text(proxy, key)).own(end);
    }
    page.own(PLAIN).add(&"=".repeat(70)).own("\n");
    if all.is_empty() {
        page.own(RED).own("Proxy has no toxics enabled.\n").own(PLAIN);
    } else {
        let (up, down): (Vec<&Value>, Vec<&Value>) =
            all.iter().partition(|toxic| text(toxic, "stream") == "upstream");
        group(&mut page, "Upstream", &up, paint);
        page.own("\n");
        group(&mut page, "Downstream", &down, paint);
    }
    paint.hint(&mut page, "add a toxic", "toxic add");
    page
}

fn group(page: &mut Text, stream: &'static str, toxics: &[&Value], paint: Paint) {
    page.own(GREEN).own(stream).own(" toxics:\n").own(PLAIN);
    if toxics.is_empty() {
        page.own(RED).own("Proxy has no ").own(stream).own(" toxics enabled.\n").own(PLAIN);
    }
    toxics.iter().for_each(|each| toxic(page, each, paint));
}

fn toxic(page: &mut Text, toxic: &Value, paint: Paint) {
    let name = text(toxic, "name");
    page.own(paint.of(BLUE)).add(name).own(paint.of(":")).own(paint.of(PLAIN));
    let toxicity = toxic.get("toxicity").and_then(Value::as_f64).unwrap_or_default();
    let mut line = format!(
        "\ttype={}\tstream={}\ttoxicity={toxicity:.2}\tattributes=[",
        text(toxic, "type"),
        text(toxic, "stream")
    );
    // What attributes cannot say, `settings` beside them does.
    let members = |key| toxic.get(key).and_then(Value::as_object).into_iter().flatten();
    let settings: BTreeMap<&String, &Value> =
        members("attributes").chain(members("settings")).collect();
    for (key, value) in settings {
        // Writing to a String cannot fail.
        let _ = match (value.as_f64(), value.as_bool()) {
            (Some(number), _) => write!(line, "\t{key}={}", shortest(number)),
            (_, Some(flag)) => write!(line, "\t{key}={flag}"),
            _ => write!(line, "\t{key}={}", value.as_str().unwrap_or_default()),
        };
    }
    page.add(&line).own("\t]").add(&counts(toxic)).own("\n");
}

/// What a message fault came to; nothing for other toxics.
fn counts(toxic: &Value) -> String {
    let Some(counts) = toxic.get("counts") else { return String::new() };
    let count = |key: &str| counts.get(key).and_then(Value::as_u64).unwrap_or_default();
    format!(
        "\tfired={}\tpassed_as_uncertain={}\tcould_not_fire={}",
        count("fired"),
        count("passed_as_uncertain"),
        count("could_not_fire")
    )
}

/// A number as Go prints it: `100`, `1.5`, `1e+06`.
fn shortest(number: f64) -> String {
    let scientific = format!("{number:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    if number == 0.0 || (-4..6).contains(&exponent) {
        return number.to_string();
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.abs())
}

/// What a toggle came to.
pub(super) fn toggled(name: &str, enabled: bool, paint: Paint) -> Text {
    let (colour, state) = state(enabled);
    let (colour, plain) = (paint.of(colour), paint.of(PLAIN));
    let mut page = Text::default();
    page.own("Proxy ").own(colour).add(name).own(plain).own(" is now ");
    page.own(colour).own(state).own(plain).own("\n");
    page
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn proxies() -> Value {
        let toxic = json!({ "name": "l", "type": "latency", "stream": "downstream",
            "toxicity": 0.5, "attributes": { "latency": 100, "jitter": 0 } });
        json!({
            "b": { "name": "b", "listen": "127.0.0.1:1", "upstream": "u:2", "enabled": false,
                   "toxics": [] },
            "a": { "name": "a", "listen": "[::]:3", "upstream": "u:4", "enabled": true,
                   "toxics": [toxic] },
        })
    }

    /// Catches a line that scripts written for toxiproxy-cli do not split as before.
    #[test]
    fn scripts_get_fields_between_tabs() {
        let paint = Paint { on: false, program: "harness ctl" };
        let expected = "a\t[::]:3\tu:4\tenabled\t1\nb\t127.0.0.1:1\tu:2\tdisabled\t0\n";
        assert_eq!(list(&proxies(), paint).as_str(), expected);
        assert_eq!(list(&json!({}), paint).as_str(), "");
        let expected = "l\ttype=latency\tstream=downstream\ttoxicity=0.50\tattributes=[\tjitter=0\t\
                        latency=100\t]\n";
        assert_eq!(inspect(&proxies()["a"], paint).as_str(), expected);
        let fault = json!({ "toxics": [{ "name": "e", "type": "memcached_error", "stream": "downstream",
            "toxicity": 1, "attributes": {}, "counts": { "fired": 3, "passed_as_uncertain": 0,
            "could_not_fire": 1 } }] });
        let expected = "e\ttype=memcached_error\tstream=downstream\ttoxicity=1.00\tattributes=[\t]\t\
                        fired=3\tpassed_as_uncertain=0\tcould_not_fire=1\n";
        assert_eq!(inspect(&fault, paint).as_str(), expected);
        assert_eq!(toggled("a", false, paint).as_str(), "Proxy a is now disabled\n");
    }

    /// Catches a heading, a colour or a hint that is missing on a terminal.
    #[test]
    fn terminals_get_colours_headings_and_hints() {
        let paint = Paint { on: true, program: "toxiproxy-cli" };
        let page = list(&proxies(), paint).to_string();
        assert!(page.contains(&"=".repeat(86)) && page.contains("Hint: "), "{page}");
        assert!(page.contains("\x1b[32ma\x1b[0m\t\t\t\x1b[34m[::]:3\x1b[0m\t\t"), "{page}");
        assert!(page.contains("\x1b[31mNone\x1b[0m\n"), "{page}");
        let page = inspect(&proxies()["a"], paint).to_string();
        assert!(page.contains("Proxy has no Upstream toxics enabled.\n"), "{page}");
        assert!(page.contains("\x1b[34ml:\x1b[0m\ttype=latency"), "{page}");
        assert!(list(&json!({}), paint).as_str().contains("no proxies\n"));
        assert!(list(&json!({}), paint).as_str().contains("with `toxiproxy-cli create`"));
        let hostile =
            json!({ "n": { "name": "a\u{1b}[2Jb", "upstream": "\u{9b}2J", "toxics": [] } });
        let page = list(&hostile, paint).to_string();
        assert!(!page.contains("\u{1b}[2J") && !page.contains('\u{9b}'), "{page:?}");
    }

    /// Catches a number that is printed longer than by Go.
    #[test]
    fn numbers_are_printed_as_by_go() {
        for (number, text) in [
            (0.0, "0"),
            (100_000.0, "100000"),
            (100.0, "100"),
            (0.05, "0.05"),
            (-2.5, "-2.5"),
            (1e6, "1e+06"),
            (12_345_678.0, "1.2345678e+07"),
            (0.00001, "1e-05"),
        ] {
            assert_eq!(shortest(number), text);
        }
    }
}
