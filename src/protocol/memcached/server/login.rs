//! A conversation in which the node does not know yet who asks. No I/O.
//!
//! As memcached 1.6.18 with `-Y`: lines are answered and otherwise ignored until a `set`, whose key and
//! numbers are of no matter, carries a user name and its password. Not even `quit` and `version` are
//! understood before.

use bytes::{Buf, BytesMut};

use crate::protocol::node::serve::Step;
use crate::secure::account::Account;

/// A line that is longer than this, and has not ended yet, closes the connection.
const LINE_BYTES_MAX: usize = 2048;
/// The largest value that can be a user name and a password. memcached has no bound of its own here; its
/// file has lines of 256 bytes.
const VALUE_BYTES_MAX: usize = 64 * 1024;
/// Words that a line is cut into: what follows the last is one word.
const WORDS_MAX: usize = 24;

const UNAUTHENTICATED: &[u8] = b"CLIENT_ERROR unauthenticated\r\n";
const NO_BLOCK: &[u8] = b"CLIENT_ERROR bad command line termination\r\n";
const NO_TOKEN: &[u8] = b"CLIENT_ERROR bad authentication token format\r\n";
const FAILURE: &[u8] = b"CLIENT_ERROR authentication failure\r\n";
const WELCOME: &[u8] = b"STORED\r\n";

/// The state of such a conversation.
#[derive(Debug, Default)]
pub(super) struct Login {
    /// Bytes of the value that is waited for, without its line break.
    value: Option<usize>,
}

impl Login {
    /// Answers what is complete in `input`. `None`: who asks is known from here on.
    pub(super) fn run(
        &mut self,
        input: &mut BytesMut,
        out: &mut Vec<u8>,
        account: &Account,
    ) -> Option<Step> {
        loop {
            let step = match self.value {
                None => self.line(input, out),
                Some(bytes) => {
                    if input.len() < bytes + 2 {
                        return Some(Step::Input);
                    }
                    self.value = None;
                    let value = input.split_to(bytes + 2);
                    if judge(&value, bytes, out, account) {
                        return None;
                    }
                    continue;
                }
            };
            if step.is_some() {
                return step;
            }
        }
    }

    fn line(&mut self, input: &mut BytesMut, out: &mut Vec<u8>) -> Option<Step> {
        let Some(end) = memchr::memchr(b'\n', input) else {
            let is_junk = input.len() > LINE_BYTES_MAX;
            return Some(if is_junk { Step::Close } else { Step::Input });
        };
        match value_bytes(&words(&input[..end])) {
            Some(bytes) if bytes > VALUE_BYTES_MAX => return Some(Step::Close),
            Some(bytes) => self.value = Some(bytes),
            None => out.extend_from_slice(UNAUTHENTICATED),
        }
        input.advance(end + 1);
        None
    }
}

/// The bytes that a line announces, if it begins a login.
fn value_bytes(words: &[&[u8]]) -> Option<usize> {
    let [b"set", _, _, _, bytes, ..] = words else { return None };
    let text = std::str::from_utf8(bytes).ok()?;
    text.trim_end_matches('\r').parse().ok()
}

/// Whether the value is a good user name with its password; says what it is.
fn judge(value: &[u8], bytes: usize, out: &mut Vec<u8>, account: &Account) -> bool {
    let answer = if !value.ends_with(b"\r\n") {
        NO_BLOCK
    } else {
        match words(&value[..bytes])[..] {
            [user, password, ..] => {
                let is_right =
                    user == account.user.as_bytes() && password == account.password.as_bytes();
                if is_right { WELCOME } else { FAILURE }
            }
            _ => NO_TOKEN,
        }
    };
    out.extend_from_slice(answer);
    answer == WELCOME
}

/// What stands between blanks.
fn words(line: &[u8]) -> Vec<&[u8]> {
    line.split(|byte| *byte == b' ').filter(|word| !word.is_empty()).take(WORDS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is said to these bytes, in pieces of `piece`, and what is left for the conversation that follows.
    fn said(bytes: &[u8], piece: usize) -> (String, String, bool) {
        let account = Account { user: "user".to_owned(), password: "right".to_owned() };
        let (mut login, mut input, mut out) = (Login::default(), BytesMut::new(), Vec::new());
        let mut is_in = false;
        for piece in bytes.chunks(piece) {
            input.extend_from_slice(piece);
            is_in = is_in || login.run(&mut input, &mut out, &account).is_none();
        }
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (text(&out), text(&input), is_in)
    }

    /// Catches an answer that depends on segments, somebody who is let in by half a password, and a request
    /// behind the login that is swallowed with it.
    #[test]
    fn only_the_password_opens() {
        for piece in [1, 3, 1000] {
            let (out, rest, is_in) = said(b"version\r\nset k 0 0 10\r\nuser wrong\r\n", piece);
            let refused = "CLIENT_ERROR unauthenticated\r\nCLIENT_ERROR authentication failure\r\n";
            assert_eq!((out.as_str(), rest.as_str(), is_in), (refused, "", false));
            let (out, rest, is_in) = said(b"set k 0 0 10\r\nuser right\r\nget k\r\n", piece);
            assert_eq!((out.as_str(), rest.as_str(), is_in), ("STORED\r\n", "get k\r\n", true));
        }
        for value in ["user righ", "user rightx", "use right", "user", "user\tright"] {
            let request = format!("set k 0 0 {}\r\n{value}\r\n", value.len());
            assert!(!said(request.as_bytes(), 1000).2, "{value:?}");
        }
    }
}
