//! What one file of `tests/golden/toxiproxy` says; the README there has the format.

use std::collections::BTreeMap;

use super::{Answer, Request};

pub(super) struct Exchange {
    title: String,
    request: Request,
    status: u16,
    headers: Vec<(String, String)>,
    /// `None`: the body is not looked at, because it is not shown and not empty by its status.
    body: Option<String>,
}

/// The numbers bound so far.
pub(super) type Bound = BTreeMap<String, String>;

pub(super) fn read(text: &str) -> Vec<Exchange> {
    let blocks = text.split("== ").skip(1);
    blocks.map(exchange).collect()
}

fn exchange(block: &str) -> Exchange {
    let mut lines = block.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let title = lines.next().unwrap().to_owned();
    let line = lines.next().unwrap().to_owned();
    let (mut headers, mut body, mut status) = (Vec::new(), Vec::new(), 0);
    for line in lines.by_ref() {
        if let Some(text) = body_line(line, '>') {
            body.push(text);
        } else if let Ok(code) = line.parse() {
            status = code;
            break;
        } else {
            headers.push(line.to_owned());
        }
    }
    let request = Request { line, headers, body: body.join("\n") };
    let (mut expected, mut answer) = (Vec::new(), Vec::new());
    for line in lines {
        if let Some(text) = body_line(line, '<') {
            answer.push(text);
        } else {
            let (name, value) = line.split_once(": ").unwrap_or_else(|| panic!("{line}"));
            expected.push((name.to_owned(), value.to_owned()));
        }
    }
    let body = (!answer.is_empty() || status != 200).then(|| answer.join("\n"));
    Exchange { title, request, status, headers: expected, body }
}

fn body_line(line: &str, mark: char) -> Option<&str> {
    let rest = line.strip_prefix(mark)?;
    Some(rest.strip_prefix(' ').unwrap_or(rest))
}

impl Exchange {
    pub(super) fn request(&self, bound: &Bound) -> Request {
        let fill = |text: &str| {
            bound.iter().fold(text.to_owned(), |text, (name, number)| {
                text.replace(&format!("${name}"), number)
            })
        };
        Request {
            line: fill(&self.request.line),
            headers: self.request.headers.clone(),
            body: fill(&self.request.body),
        }
    }

    /// Compares and binds the numbers that the answer shows for the first time.
    pub(super) fn check(&self, answer: &Answer, bound: &mut Bound) -> Result<(), String> {
        let wrong = |what: String| Err(format!("{}: {what}\n{answer:?}", self.title));
        if answer.status != self.status {
            return wrong(format!("status {} instead of {}", answer.status, self.status));
        }
        for (name, expected) in &self.headers {
            let value = answer.headers.get(name).map(String::as_str);
            let fits = match expected.as_str() {
                "*" => value.is_some(),
                "-" => value.is_none(),
                text => value == Some(text),
            };
            if !fits {
                return wrong(format!("{name} is {value:?} instead of {expected}"));
            }
        }
        match &self.body {
            Some(body) if !matches(body, &answer.body, bound) => {
                wrong(format!("the body is not\n{body}"))
            }
            _ => Ok(()),
        }
    }
}

/// Whether `text` is `pattern` with a number for each `$word`.
fn matches(pattern: &str, text: &str, bound: &mut Bound) -> bool {
    let mut rest = text;
    let mut parts = pattern.split('$');
    let Some(after) = rest.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    rest = after;
    for part in parts {
        let split = part.find(|c: char| !c.is_ascii_lowercase()).unwrap_or(part.len());
        let (name, literal) = part.split_at(split);
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let (number, after) = rest.split_at(digits);
        let known = bound.entry(name.to_owned()).or_insert_with(|| number.to_owned());
        if number.is_empty() || known != number || !after.starts_with(literal) {
            return false;
        }
        rest = &after[literal.len()..];
    }
    rest.is_empty()
}
