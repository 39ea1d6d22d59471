//! The lines that a node answers with, as memcached 1.6.18 words them.

use super::number;

/// The answer to what is no command, or has the wrong number of arguments.
pub(super) const ERROR: &str = "ERROR";
/// The answer to a line whose arguments cannot be read.
pub(super) const BAD_FORMAT: &str = "CLIENT_ERROR bad command line format";
/// The answer to a block that does not end where its line says.
pub(super) const BAD_CHUNK: &str = "CLIENT_ERROR bad data chunk";
/// The answer to an expiry time that is no number.
pub(super) const BAD_EXPIRY: &str = "CLIENT_ERROR invalid exptime argument";
/// The answer to an item above the limit.
pub(super) const TOO_LARGE: &str = "SERVER_ERROR object too large for cache";
/// The answer when no room can be made for an item.
pub(super) const NO_MEMORY: &str = "SERVER_ERROR out of memory storing object";
/// The answer to an increment of something else than a number.
pub(super) const NOT_NUMBER: &str = "CLIENT_ERROR cannot increment or decrement non-numeric value";
/// What a connection above the limit is told before it is closed.
pub(super) const TOO_MANY_CONNECTIONS: &str = "ERROR Too many open connections";
/// What ends a list.
pub(super) const END: &str = "END";

/// Appends a line.
pub(super) fn line(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(text.as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// Appends a line, unless the request wants none.
pub(super) fn line_unless(quiet: bool, out: &mut Vec<u8>, text: &str) {
    if !quiet {
        line(out, text);
    }
}

/// Appends a space, a letter and a number: a flag of a meta reply.
pub(super) fn flag(out: &mut Vec<u8>, name: u8, value: u64) {
    out.extend_from_slice(&[b' ', name]);
    number::write(out, value);
}
