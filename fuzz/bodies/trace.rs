//! A recorded trace, which may be anybody's.

use std::time::Duration;

use harness::load::{TraceFormat, read_recording};

/// What is read for: long, and short enough that a trace may go on.
const LENGTHS: [Duration; 2] = [Duration::from_secs(3), Duration::from_secs(3600)];

/// Reads the bytes in every format, and in whichever they seem to be.
pub fn run(bytes: &[u8]) {
    let formats = TraceFormat::ALL.iter().copied().map(Some).chain([None]);
    for format in formats {
        for length in LENGTHS {
            match read_recording(bytes, format, length) {
                Ok((known, recording)) => {
                    assert!(format.is_none_or(|format| format == known));
                    let facts = recording.facts();
                    let counted: u64 = facts.operations.iter().map(|(_, count)| count).sum();
                    assert_eq!(counted, recording.requests() as u64);
                    assert!((1..=recording.requests()).contains(&recording.keys()));
                    assert!(facts.peak >= 1 && !recording.length().is_zero());
                }
                Err(error) => assert!(!error.to_string().is_empty()),
            }
        }
    }
}
