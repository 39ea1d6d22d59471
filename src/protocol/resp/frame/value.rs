//! One whole reply, read and said.

use std::io::Write as _;

use bytes::Bytes;

use super::command::write_number;
use super::number::decimal;
use super::scan::DEPTH_MAX;
use super::version::Version;

/// A reply, or a part of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A word, as `OK`.
    Simple(Bytes),
    /// An error on one line.
    Error(Bytes),
    /// An error of any bytes.
    BulkError(Bytes),
    /// A number.
    Integer(i64),
    /// Bytes.
    Bulk(Bytes),
    /// Text that names its form.
    Verbatim([u8; 3], Bytes),
    /// Nothing.
    Null,
    /// Nothing, where an array was to be.
    NullArray,
    /// True or false.
    Boolean(bool),
    /// A number with a fraction, as it is written.
    Double(Bytes),
    /// A number of any size, as it is written.
    BigNumber(Bytes),
    /// Values in their order.
    Array(Vec<Self>),
    /// Values in no order.
    Set(Vec<Self>),
    /// Something that answers nothing.
    Push(Vec<Self>),
    /// Values by their keys.
    Map(Vec<(Self, Self)>),
}

impl Value {
    /// The value that `bytes` begin with, and how long it is, attributes before it included. `None`: it is
    /// not whole, or none.
    #[must_use]
    pub fn read(bytes: &Bytes) -> Option<(Self, usize)> {
        let mut reader = Reader { bytes, at: 0 };
        let value = reader.value(0)?;
        Some((value, reader.at))
    }

    /// Says it as a server does that answers in this version.
    pub fn write(&self, version: Version, out: &mut Vec<u8>) {
        let old = version == Version::Resp2;
        match self {
            Self::Simple(text) => line(out, b'+', text),
            Self::Error(text) => line(out, b'-', text),
            Self::BulkError(text) if old => line(out, b'-', text),
            Self::BulkError(text) => data(out, b'!', text),
            // Writing into memory cannot fail.
            Self::Integer(number) => drop(write!(out, ":{number}\r\n")),
            Self::Bulk(bytes) => data(out, b'$', bytes),
            Self::Verbatim(_, text) if old => data(out, b'$', text),
            Self::Verbatim(form, text) => data(out, b'=', &[&form[..], b":", text].concat()),
            Self::Null if old => out.extend_from_slice(b"$-1\r\n"),
            Self::NullArray if old => out.extend_from_slice(b"*-1\r\n"),
            Self::Null | Self::NullArray => out.extend_from_slice(b"_\r\n"),
            Self::Boolean(is) if old => line(out, b':', if *is { b"1" } else { b"0" }),
            Self::Boolean(is) => line(out, b'#', if *is { b"t" } else { b"f" }),
            Self::Double(text) | Self::BigNumber(text) if old => data(out, b'$', text),
            Self::Double(text) => line(out, b',', text),
            Self::BigNumber(text) => line(out, b'(', text),
            Self::Array(values) => nested(out, b'*', values, version),
            Self::Set(values) => nested(out, if old { b'*' } else { b'~' }, values, version),
            Self::Push(values) => nested(out, if old { b'*' } else { b'>' }, values, version),
            Self::Map(pairs) => {
                let (sort, count) = if old { (b'*', 2 * pairs.len()) } else { (b'%', pairs.len()) };
                write_number(out, sort, count);
                for (key, value) in pairs {
                    key.write(version, out);
                    value.write(version, out);
                }
            }
        }
    }
}

fn line(out: &mut Vec<u8>, sort: u8, text: &[u8]) {
    out.push(sort);
    out.extend_from_slice(text);
    out.extend_from_slice(b"\r\n");
}

fn data(out: &mut Vec<u8>, sort: u8, bytes: &[u8]) {
    write_number(out, sort, bytes.len());
    out.extend_from_slice(bytes);
    out.extend_from_slice(b"\r\n");
}

fn nested(out: &mut Vec<u8>, sort: u8, values: &[Value], version: Version) {
    write_number(out, sort, values.len());
    for value in values {
        value.write(version, out);
    }
}

struct Reader<'a> {
    bytes: &'a Bytes,
    at: usize,
}

impl Reader<'_> {
    fn value(&mut self, depth: usize) -> Option<Value> {
        if depth > DEPTH_MAX {
            return None;
        }
        let (sort, text) = self.line()?;
        Some(match sort {
            b'+' => Value::Simple(text),
            b'-' => Value::Error(text),
            b':' => Value::Integer(decimal(&text)?),
            b'_' => Value::Null,
            b'#' => Value::Boolean(text == "t"),
            b',' => Value::Double(text),
            b'(' => Value::BigNumber(text),
            b'$' if text == "-1" => Value::Null,
            b'*' if text == "-1" => Value::NullArray,
            b'$' => Value::Bulk(self.data(&text)?),
            b'!' => Value::BulkError(self.data(&text)?),
            b'=' => {
                let mut text = self.data(&text)?;
                let form = text.get(..4).filter(|form| form[3] == b':')?;
                let form = form[..3].try_into().ok()?;
                Value::Verbatim(form, text.split_off(4))
            }
            b'*' => Value::Array(self.values(&text, 1, depth)?),
            b'~' => Value::Set(self.values(&text, 1, depth)?),
            b'>' => Value::Push(self.values(&text, 1, depth)?),
            b'%' => {
                let mut values = self.values(&text, 2, depth)?.into_iter();
                let pair = || Some((values.next()?, values.next()?));
                Value::Map(std::iter::from_fn(pair).collect())
            }
            b'|' => {
                self.values(&text, 2, depth)?;
                self.value(depth + 1)?
            }
            _ => return None,
        })
    }

    fn line(&mut self) -> Option<(u8, Bytes)> {
        let rest = &self.bytes[self.at..];
        let end = memchr::memchr(b'\n', rest)?;
        let line = rest[..end].strip_suffix(b"\r")?;
        let (sort, text) = line.split_first()?;
        let text = self.bytes.slice_ref(text);
        self.at += end + 1;
        Some((*sort, text))
    }

    /// A string of this length, or one in parts.
    fn data(&mut self, length: &[u8]) -> Option<Bytes> {
        if length != b"?" {
            return self.part(length);
        }
        let mut whole = Vec::new();
        loop {
            let (sort, length) = self.line()?;
            match &length[..] {
                _ if sort != b';' => return None,
                b"0" => return Some(whole.into()),
                length => whole.extend_from_slice(&self.part(length)?),
            }
        }
    }

    fn part(&mut self, length: &[u8]) -> Option<Bytes> {
        let end = self.at.checked_add(usize::try_from(decimal(length)?).ok()?)?;
        let behind = end.checked_add(2)?;
        if self.bytes.get(end..behind)? != b"\r\n" {
            return None;
        }
        let data = self.bytes.slice(self.at..end);
        self.at = behind;
        Some(data)
    }

    /// So many times `each`, or as many as come before a line with a dot.
    fn values(&mut self, count: &[u8], each: u64, depth: usize) -> Option<Vec<Value>> {
        let mut values = Vec::new();
        if count == b"?" {
            while !self.bytes[self.at..].starts_with(b".\r\n") {
                values.push(self.value(depth + 1)?);
            }
            self.at += 3;
            return Some(values);
        }
        let count = u64::try_from(decimal(count)?).ok()?.checked_mul(each)?;
        for _ in 0..count {
            values.push(self.value(depth + 1)?);
        }
        Some(values)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text() -> impl Strategy<Value = Bytes> {
        "[a-z ]{0,8}".prop_map(Bytes::from)
    }

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            text().prop_map(Value::Simple),
            text().prop_map(Value::Error),
            text().prop_map(Value::BulkError),
            any::<i64>().prop_map(Value::Integer),
            proptest::collection::vec(any::<u8>(), 0..20)
                .prop_map(|bytes| Value::Bulk(bytes.into())),
            text().prop_map(|text| Value::Verbatim(*b"txt", text)),
            Just(Value::Null),
            any::<bool>().prop_map(Value::Boolean),
            Just(Value::Double(Bytes::from_static(b"1.5"))),
            Just(Value::BigNumber(Bytes::from_static(b"12345678901234567890123"))),
        ];
        leaf.prop_recursive(4, 24, 4, |inner| {
            let values = proptest::collection::vec(inner.clone(), 0..4);
            prop_oneof![
                values.clone().prop_map(Value::Array),
                values.clone().prop_map(Value::Set),
                values.prop_map(Value::Push),
                proptest::collection::vec((inner.clone(), inner), 0..3).prop_map(Value::Map),
            ]
        })
    }

    proptest! {
        /// Catches a value that is not read as it was said, one whose beginning is taken for the whole, and
        /// an end that is another than the scanner's.
        #[test]
        fn what_is_said_is_read(value in value()) {
            let mut said = Vec::new();
            value.write(Version::Resp3, &mut said);
            let said = Bytes::from(said);
            let whole = Some((value.clone(), said.len()));
            prop_assert_eq!(Value::read(&said), whole);
            prop_assert_eq!(Value::read(&said.slice(..said.len() - 1)), None);
            let mut old = Vec::new();
            value.write(Version::Resp2, &mut old);
            let (read, length) = Value::read(&old.clone().into()).unwrap();
            prop_assert_eq!(length, old.len());
            let mut again = Vec::new();
            read.write(Version::Resp2, &mut again);
            prop_assert_eq!(again, old);
        }

        /// Catches a panic, or an allocation by a length that was only claimed.
        #[test]
        fn any_bytes_are_read(bytes in "[*$%~>|=;+:.,0-9?\r\n-]{0,60}") {
            let _ = Value::read(&Bytes::from(bytes.replace('\n', "\r\n")));
        }
    }

    /// Catches a type that is not read, and a value that is said in a version that has no such type.
    #[test]
    fn every_type_is_read_and_said_in_both_versions() {
        let read = |text: &'static str| Value::read(&Bytes::from_static(text.as_bytes()));
        let attributed = "|1\r\n+ttl\r\n:5\r\n$?\r\n;2\r\nab\r\n;1\r\nc\r\n;0\r\n";
        let value = Value::Bulk(Bytes::from_static(b"abc"));
        assert_eq!(read(attributed), Some((value, attributed.len())));
        let (value, _) = read("*?\r\n_\r\n*-1\r\n#t\r\n.\r\n").unwrap();
        assert_eq!(value, Value::Array(vec![Value::Null, Value::NullArray, Value::Boolean(true)]));
        let said = |version| {
            let mut out = Vec::new();
            value.write(version, &mut out);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(said(Version::Resp2), "*3\r\n$-1\r\n*-1\r\n:1\r\n");
        assert_eq!(said(Version::Resp3), "*3\r\n_\r\n_\r\n#t\r\n");
        for none in ["$5\r\nabc\r\n", "$3\r\nabcd\r\n", "*9999999999999\r\n", "=3\r\nabc\r\n", "x"]
        {
            assert_eq!(read(none), None, "{none}");
        }
        assert_eq!(Value::read(&"*1\r\n".repeat(100_000).into()), None, "too deep");
    }
}
