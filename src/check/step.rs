//! One operation of a check and the answers that it may have. Nothing here asks anybody.

use std::collections::BTreeMap;

use crate::driver::speech::{Answer, Request, Value};

/// What an answer is held against.
#[derive(Clone, Debug, PartialEq)]
enum Like {
    This(Answer),
    AnyError,
}

/// What the rest of a check does after an answer that is worth knowing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    GoesOn,
    /// The steps behind it have no meaning any more.
    Ends,
}

/// What an answer was.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Judged {
    /// As expected.
    Fine,
    /// Allowed, and nothing behind it can be asked.
    FineAndOver,
    /// Allowed and worth knowing, in these words.
    Differs(&'static str),
    /// The same, and nothing behind it can be asked.
    DiffersAndOver(&'static str),
    /// None that the operation may have.
    Wrong,
}

/// One operation and what it may come to.
#[derive(Clone, Debug)]
pub(super) struct Step {
    op: &'static str,
    key: Vec<u8>,
    keys: Vec<String>,
    value: Option<Vec<u8>>,
    ttl_s: Option<i64>,
    flags: Option<u32>,
    by: Option<u64>,
    token: bool,
    expected: Answer,
    others: Vec<(Like, Option<&'static str>, Then)>,
}

impl Step {
    pub(super) fn new(op: &'static str, key: impl Into<Vec<u8>>, expected: Answer) -> Self {
        Self {
            op,
            key: key.into(),
            keys: Vec::new(),
            value: None,
            ttl_s: None,
            flags: None,
            by: None,
            token: false,
            expected,
            others: Vec::new(),
        }
    }

    /// A write of a value without an expiry.
    pub(super) fn write(
        op: &'static str,
        key: impl Into<Vec<u8>>,
        value: impl Into<Vec<u8>>,
        expected: Answer,
    ) -> Self {
        Self { value: Some(value.into()), ttl_s: Some(0), ..Self::new(op, key, expected) }
    }

    /// A read that finds these bytes.
    pub(super) fn read(
        op: &'static str,
        key: impl Into<Vec<u8>>,
        value: impl Into<Vec<u8>>,
    ) -> Self {
        let value = Value { bytes: value.into(), ..Value::default() };
        Self::new(op, key, Answer::Hit(value))
    }

    /// A read of several keys.
    pub(super) fn many(
        keys: Vec<String>,
        found: impl IntoIterator<Item = (String, Vec<u8>)>,
    ) -> Self {
        let value = |bytes| Value { bytes, ..Value::default() };
        let hits = found.into_iter().map(|(key, bytes)| (key, Ok(Some(value(bytes)))));
        Self { keys, ..Self::new("get_many", "", Answer::Hits(hits.collect())) }
    }

    pub(super) fn ttl_s(self, ttl_s: i64) -> Self {
        Self { ttl_s: Some(ttl_s), ..self }
    }

    pub(super) fn by(self, by: u64) -> Self {
        Self { by: Some(by), ..self }
    }

    /// With the unique number that the driver told last.
    pub(super) fn token(self) -> Self {
        Self { token: true, ..self }
    }

    /// Writes these flags, or finds them.
    pub(super) fn flags(mut self, flags: u32) -> Self {
        match &mut self.expected {
            Answer::Hit(value) => value.flags = Some(flags),
            _ => self.flags = Some(flags),
        }
        self
    }

    /// This answer is as good.
    pub(super) fn or(self, answer: Answer) -> Self {
        self.other(Like::This(answer), None, Then::GoesOn)
    }

    /// This answer is allowed and worth knowing.
    pub(super) fn differs(self, answer: Answer, why: &'static str) -> Self {
        self.other(Like::This(answer), Some(why), Then::GoesOn)
    }

    /// The same, and it ends the check.
    pub(super) fn ends(self, answer: Answer, why: &'static str) -> Self {
        self.other(Like::This(answer), Some(why), Then::Ends)
    }

    /// An error is allowed, and worth knowing when `why` says so; it ends the check.
    pub(super) fn or_error(self, why: Option<&'static str>) -> Self {
        self.other(Like::AnyError, why, Then::Ends)
    }

    fn other(mut self, like: Like, why: Option<&'static str>, then: Then) -> Self {
        self.others.push((like, why, then));
        self
    }

    pub(super) const fn op(&self) -> &'static str {
        self.op
    }

    /// Whether it can be asked again without a change.
    pub(super) fn only_reads(&self) -> bool {
        ["get", "gets", "get_many"].contains(&self.op)
    }

    /// What is sent; `told` is the unique number that the driver told last.
    pub(super) fn request(&self, told: Option<u64>) -> Request<'_> {
        let mut request = match self.op {
            "get_many" => Request::many(self.keys.iter().map(String::as_str).collect()),
            op => Request::new(op, &self.key),
        };
        if let Some(value) = &self.value {
            request = request.value(value);
        }
        if let Some(ttl_s) = self.ttl_s {
            request = request.ttl_s(ttl_s);
        }
        if let Some(by) = self.by {
            request = request.by(by);
        }
        if let Some(unique) = told.filter(|_| self.token) {
            request = request.cas(unique);
        }
        request.flags(self.flags)
    }

    pub(super) fn judge(&self, answer: &Answer) -> Judged {
        let looks_at_flags = matches!(&self.expected, Answer::Hit(value) if value.flags.is_some());
        let came = bare(answer, looks_at_flags);
        if came == self.expected {
            return Judged::Fine;
        }
        let other = self.others.iter().find(|(like, ..)| match like {
            Like::This(answer) => *answer == came,
            Like::AnyError => matches!(came, Answer::Error(_)),
        });
        match other {
            None => Judged::Wrong,
            Some((_, None, Then::GoesOn)) => Judged::Fine,
            Some((_, None, Then::Ends)) => Judged::FineAndOver,
            Some((_, Some(why), Then::GoesOn)) => Judged::Differs(why),
            Some((_, Some(why), Then::Ends)) => Judged::DiffersAndOver(why),
        }
    }

    /// Whether the operation can come to what is expected at all.
    #[cfg(test)]
    pub(super) fn can_come(&self) -> bool {
        match &self.expected {
            Answer::Hit(_) if self.op == "gets" => true,
            expected => expected.fits(self.op),
        }
    }

    /// The operation and what it should come to, for people.
    pub(super) fn wanted(&self) -> String {
        let mut text = format!("`{}` to come to {}", self.op, shown(&self.expected));
        for (like, ..) in self.others.iter().filter(|(_, why, _)| why.is_none()) {
            match like {
                Like::This(answer) => text.push_str(&format!(" or {}", shown(answer))),
                Like::AnyError => text.push_str(" or an error"),
            }
        }
        text
    }

    /// An answer for people, beside the one that was expected.
    pub(super) fn came(&self, answer: &Answer) -> String {
        match (&self.expected, answer) {
            (Answer::Hit(wanted), Answer::Hit(value)) => differing(wanted, value),
            (Answer::Hits(wanted), Answer::Hits(came)) => {
                let Answer::Hits(came) = bare(&Answer::Hits(came.clone()), false) else {
                    unreachable!("it stays what it is")
                };
                let keys = wanted.keys().chain(came.keys());
                let mut bad = keys.filter(|key| wanted.get(*key) != came.get(*key));
                bad.next().map_or_else(
                    || shown(answer),
                    |key| {
                        let entry = match came.get(key) {
                            None | Some(Ok(None)) => "nothing".to_owned(),
                            Some(Ok(Some(value))) => format!("{} bytes", value.bytes.len()),
                            Some(Err(failed)) => {
                                format!("error {} ({})", failed.class.name(), failed.message)
                            }
                        };
                        let wanted = if wanted.contains_key(key) { "a value" } else { "nothing" };
                        format!("{entry} for {key}, where there is {wanted}")
                    },
                )
            }
            _ => shown(answer),
        }
    }
}

/// What is compared: numbers that nobody can know beforehand are not.
fn bare(answer: &Answer, looks_at_flags: bool) -> Answer {
    let plain = |value: &Value| Value {
        bytes: value.bytes.clone(),
        flags: value.flags.filter(|_| looks_at_flags),
        cas: None,
    };
    match answer {
        Answer::Hit(value) => Answer::Hit(plain(value)),
        Answer::Hits(entries) => {
            let found = entries.iter().filter_map(|(key, entry)| match entry {
                Ok(value) => Some((key.clone(), Ok(Some(plain(value.as_ref()?))))),
                Err(failed) => Some((key.clone(), Err(failed.clone()))),
            });
            Answer::Hits(found.collect::<BTreeMap<_, _>>())
        }
        other => other.clone(),
    }
}

fn differing(wanted: &Value, value: &Value) -> String {
    let (length, bytes) = (value.bytes.len(), &value.bytes);
    if *bytes == wanted.bytes {
        let flags = value.flags.map_or_else(|| "no flags".into(), |flags| format!("flags {flags}"));
        return format!("the value with {flags}");
    }
    let same = bytes.iter().zip(&wanted.bytes).take_while(|(one, other)| one == other).count();
    format!("a hit of {length} bytes, other ones from byte {same} on")
}

/// An answer for people.
pub(super) fn shown(answer: &Answer) -> String {
    match answer {
        Answer::Hit(value) => {
            let flags = value.flags.map(|flags| format!(" and flags {flags}")).unwrap_or_default();
            format!("a hit of {} bytes{flags}", value.bytes.len())
        }
        Answer::Hits(entries) => {
            let found = entries.values().filter(|entry| matches!(entry, Ok(Some(_)))).count();
            format!("hits of {found} keys")
        }
        Answer::Counted(value) => format!("`counted` {value}"),
        Answer::Error(failed) => format!("error {} ({})", failed.class.name(), failed.message),
        other => format!("`{}`", other.name()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::speech::Failed;
    use crate::event::ErrorClass;

    fn error() -> Answer {
        Answer::Error(Failed { class: ErrorClass::Other, message: "no".into() })
    }

    /// Catches an answer that passes although it is not the value, and one that fails although the
    /// protocol allows it.
    #[test]
    fn answers_are_held_against_what_is_allowed() {
        let read = Step::read("get", "k", "abc");
        let hit =
            |bytes: &[u8], flags, cas| Answer::Hit(Value { bytes: bytes.to_vec(), flags, cas });
        assert_eq!(read.judge(&hit(b"abc", Some(1), Some(2))), Judged::Fine);
        assert_eq!(read.judge(&hit(b"abd", None, None)), Judged::Wrong);
        assert_eq!(read.judge(&Answer::Miss), Judged::Wrong);
        assert_eq!(
            read.came(&hit(b"abd", None, None)),
            "a hit of 3 bytes, other ones from byte 2 on"
        );
        let flagged = Step::read("get", "k", "abc").flags(5);
        assert_eq!(flagged.judge(&hit(b"abc", Some(5), None)), Judged::Fine);
        assert_eq!(flagged.judge(&hit(b"abc", None, None)), Judged::Wrong);
        let replace = Step::write("replace", "k", "x", Answer::NotStored)
            .differs(Answer::Stored, "says so")
            .or_error(None);
        assert_eq!(replace.judge(&Answer::Stored), Judged::Differs("says so"));
        assert_eq!(replace.judge(&error()), Judged::FineAndOver);
        assert_eq!(replace.wanted(), "`replace` to come to `not_stored` or an error");
    }

    /// Catches a key that was not found and counts as one that was lost, and the reverse.
    #[test]
    fn what_is_not_there_may_be_left_out() {
        let keys = ["a", "b"].map(str::to_owned).to_vec();
        let step = Step::many(keys, [("a".to_owned(), b"1".to_vec())]);
        let value = Value { bytes: b"1".to_vec(), ..Value::default() };
        let mut hits = BTreeMap::from([("a".to_owned(), Ok(Some(value)))]);
        assert_eq!(step.judge(&Answer::Hits(hits.clone())), Judged::Fine);
        hits.insert("b".to_owned(), Ok(None));
        assert_eq!(step.judge(&Answer::Hits(hits.clone())), Judged::Fine);
        hits.insert("a".to_owned(), Ok(None));
        let lost = Answer::Hits(hits);
        assert_eq!(step.judge(&lost), Judged::Wrong);
        assert_eq!(step.came(&lost), "nothing for a, where there is a value");
    }
}
