//! PEM (RFC 7468): DER in base64 between two lines, as programs read it from a file.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

/// Characters of base64 in a line.
const LINE_CHARS: usize = 64;

/// `der` as a file has it.
pub(super) fn text(label: &str, der: &[u8]) -> String {
    let encoded = BASE64.encode(der);
    let lines = encoded.as_bytes().chunks(LINE_CHARS);
    let body: String = lines.map(|line| format!("{}\n", String::from_utf8_lossy(line))).collect();
    format!("-----BEGIN {label}-----\n{body}-----END {label}-----\n")
}
