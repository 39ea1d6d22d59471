//! Bodies of the control API: what creates, populates and changes proxies and toxics.

use harness::control::hostile::{BODY_KINDS, Read, read_body};

use super::memory::bounded;

/// The bytes are the body of each request that has one.
pub fn run(bytes: &[u8]) {
    for kind in 0..BODY_KINDS {
        match read_body(kind, bytes) {
            Read::Taken(warnings) => assert!(warnings.iter().all(|text| !text.is_empty())),
            Read::Refused { status, body } => {
                assert!((400..500).contains(&status), "{status}: a client's mistake is its own");
                let body: serde_json::Value =
                    serde_json::from_str(&body).expect("a refusal is JSON");
                assert!(body["error"].as_str().is_some_and(|text| !text.is_empty()));
                assert_eq!(body["status"], status);
            }
        }
    }
    bounded(bytes.len(), 256 * 1024, 256, || drop(read_body(0, bytes)));
}
