//! Proxies and toxics for people on a terminal, and for scripts everywhere else.

use std::fmt::Write;

use serde_json::Value;

const RED: &str = "\x1b[31m";
const GREEN: &str = "\x1b[32m";
const YELLOW: &str = "\x1b[33m";
const BLUE: &str = "\x1b[34m";
const PURPLE: &str = "\x1b[35m";
const PLAIN: &str = "\x1b[0m";

/// A column of the list ends at a multiple of this.
const TAB: usize = 8;

/// Whether a terminal is there to show colours, headings and hints.
#[derive(Clone, Copy)]
pub(super) struct Paint {
    pub(super) on: bool,
}

impl Paint {
    const fn of(self, colour: &'static str) -> &'static str {
        if self.on { colour } else { "" }
    }

    fn hint(self, text: &str) -> String {
        if self.on { format!("\n{PLAIN}Hint: {text}\n") } else { String::new() }
    }

    /// A column of a table `tabs` wide; elsewhere than on a terminal, a field and its separator.
    fn column(self, colour: &'static str, text: &str, tabs: usize) -> String {
        let tabs = if self.on { tabs.saturating_sub(text.len() / TAB + 1) } else { 0 };
        format!("{}{text}{}\t{}", self.of(colour), self.of(PLAIN), "\t".repeat(tabs))
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
pub(super) fn list(proxies: &Value, paint: Paint) -> String {
    let mut proxies: Vec<&Value> =
        proxies.as_object().map(|all| all.values().collect()).unwrap_or_default();
    proxies.sort_by_key(|proxy| text(proxy, "name"));
    let mut page = String::new();
    if paint.on {
        page = format!(
            "{GREEN}Name\t\t\t{BLUE}Listen\t\t{YELLOW}Upstream\t\t{PURPLE}Enabled\t\t{RED}Toxics\n\
             {PLAIN}{PLAIN}{}\n",
            "=".repeat(86)
        );
        if proxies.is_empty() {
            let hint = paint.hint("create a proxy with `harness ctl create`");
            return format!("{page}{RED}no proxies\n{PLAIN}{hint}");
        }
    }
    for proxy in proxies {
        let (colour, enabled) = state(is_enabled(proxy));
        let count = match toxics(proxy).len() {
            0 if paint.on => "None".to_owned(),
            count => count.to_string(),
        };
        page += &paint.column(colour, text(proxy, "name"), 3);
        page += &paint.column(BLUE, text(proxy, "listen"), 2);
        page += &paint.column(YELLOW, text(proxy, "upstream"), 3);
        page += &paint.column(PURPLE, enabled, 2);
        page += &format!("{}{count}{}\n", paint.of(RED), paint.of(PLAIN));
    }
    page + &paint.hint("inspect toxics with `harness ctl inspect <proxyName>`")
}

/// A proxy's toxics.
pub(super) fn inspect(proxy: &Value, paint: Paint) -> String {
    let all = toxics(proxy);
    if !paint.on {
        return all.iter().map(|each| toxic(each, paint)).collect();
    }
    let [name, listen, upstream] = ["name", "listen", "upstream"].map(|key| text(proxy, key));
    let mut page = format!(
        "{PURPLE}Name: {PLAIN}{name}\t{BLUE}Listen: {PLAIN}{listen}\t{YELLOW}Upstream: \
         {PLAIN}{upstream}\n{PLAIN}{}\n",
        "=".repeat(70)
    );
    if all.is_empty() {
        page += &format!("{RED}Proxy has no toxics enabled.\n{PLAIN}");
    } else {
        let (up, down): (Vec<&Value>, Vec<&Value>) =
            all.iter().partition(|toxic| text(toxic, "stream") == "upstream");
        page += &group("Upstream", &up, paint);
        page += "\n";
        page += &group("Downstream", &down, paint);
    }
    page + &paint.hint("add a toxic with `harness ctl toxic add`")
}

fn group(stream: &str, toxics: &[&Value], paint: Paint) -> String {
    let heading = format!("{GREEN}{stream} toxics:\n{PLAIN}");
    if toxics.is_empty() {
        return format!("{heading}{RED}Proxy has no {stream} toxics enabled.\n{PLAIN}");
    }
    toxics.iter().fold(heading, |page, each| page + &toxic(each, paint))
}

fn toxic(toxic: &Value, paint: Paint) -> String {
    let name = text(toxic, "name");
    let name = if paint.on { format!("{BLUE}{name}:{PLAIN}") } else { name.to_owned() };
    let toxicity = toxic.get("toxicity").and_then(Value::as_f64).unwrap_or_default();
    let mut line = format!(
        "{name}\ttype={}\tstream={}\ttoxicity={toxicity:.2}\tattributes=[",
        text(toxic, "type"),
        text(toxic, "stream")
    );
    // Where attributes cannot say everything, `settings` beside them does.
    let settings = toxic.get("settings").or_else(|| toxic.get("attributes"));
    let settings = settings.and_then(Value::as_object).into_iter().flatten();
    let mut settings: Vec<(&String, &Value)> = settings.collect();
    settings.sort_by_key(|(key, _)| *key);
    for (key, value) in settings {
        // Writing to a String cannot fail.
        let _ = match value.as_f64() {
            Some(number) => write!(line, "\t{key}={}", shortest(number)),
            None => write!(line, "\t{key}={}", value.as_str().unwrap_or_default()),
        };
    }
    line + "\t]\n"
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
pub(super) fn toggled(name: &str, enabled: bool, paint: Paint) -> String {
    let (colour, state) = state(enabled);
    let (colour, plain) = (paint.of(colour), paint.of(PLAIN));
    format!("Proxy {colour}{name}{plain} is now {colour}{state}{plain}\n")
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
        let paint = Paint { on: false };
        let expected = "a\t[::]:3\tu:4\tenabled\t1\nb\t127.0.0.1:1\tu:2\tdisabled\t0\n";
        assert_eq!(list(&proxies(), paint), expected);
        assert_eq!(list(&json!({}), paint), "");
        let expected = "l\ttype=latency\tstream=downstream\ttoxicity=0.50\tattributes=[\tjitter=0\t\
                        latency=100\t]\n";
        assert_eq!(inspect(&proxies()["a"], paint), expected);
        assert_eq!(toggled("a", false, paint), "Proxy a is now disabled\n");
    }

    /// Catches a heading, a colour or a hint that is missing on a terminal.
    #[test]
    fn terminals_get_colours_headings_and_hints() {
        let paint = Paint { on: true };
        let page = list(&proxies(), paint);
        assert!(page.contains(&"=".repeat(86)) && page.contains("Hint: "), "{page}");
        assert!(page.contains("\x1b[32ma\x1b[0m\t\t\t\x1b[34m[::]:3\x1b[0m\t\t"), "{page}");
        assert!(page.contains("\x1b[31mNone\x1b[0m\n"), "{page}");
        let page = inspect(&proxies()["a"], paint);
        assert!(page.contains("Proxy has no Upstream toxics enabled.\n"), "{page}");
        assert!(page.contains("\x1b[34ml:\x1b[0m\ttype=latency"), "{page}");
        assert!(list(&json!({}), paint).contains("no proxies\n"));
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
