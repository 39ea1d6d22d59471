//! The recorded traces that plans have: each is read, and in memory, once.

use std::path::PathBuf;
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;

use crate::load::{Recording, RecordingError, TraceFormat};

/// A piece of a file, as a plan wants it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Wanted {
    pub(super) path: PathBuf,
    pub(super) format: Option<TraceFormat>,
    pub(super) length: Duration,
}

/// A piece that plans have, as long as any has it.
type Kept = (Wanted, TraceFormat, Weak<Recording>);

/// The pieces that plans have. One that several ask for is read, and in memory, once.
#[derive(Clone, Debug, Default)]
pub(super) struct Traces(Arc<Mutex<Vec<Kept>>>);

impl Traces {
    /// The piece: one that another plan has, or what `read` makes of the file.
    ///
    /// # Errors
    /// Those of `read`.
    pub(super) fn get(
        &self,
        wanted: Wanted,
        read: impl FnOnce() -> Result<(TraceFormat, Recording), RecordingError>,
    ) -> Result<(TraceFormat, Arc<Recording>), RecordingError> {
        let mut all = self.0.lock();
        all.retain(|(_, _, recording)| recording.strong_count() > 0);
        let known = all.iter().find(|(known, ..)| *known == wanted);
        if let Some((format, Some(recording))) = known.map(|(_, it, kept)| (*it, kept.upgrade())) {
            return Ok((format, recording));
        }
        let (format, recording) = read()?;
        let recording = Arc::new(recording);
        all.push((wanted, format, Arc::downgrade(&recording)));
        Ok((format, recording))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::read_recording;

    /// Catches a trace that is read, and kept in memory, once for each scenario that replays it; and one that stays
    /// there when nobody has it any more.
    #[test]
    fn a_trace_of_several_plans_is_read_once() {
        let traces = Traces::default();
        let read =
            || read_recording(b"1,a,1,40,3,get,0\n".as_slice(), None, Duration::from_secs(60));
        let wanted = |seconds| Wanted {
            path: "requests.csv".into(),
            format: None,
            length: Duration::from_secs(seconds),
        };
        let (format, first) = traces.get(wanted(60), read).unwrap();
        let (same, second) = traces.get(wanted(60), || panic!("it was read")).unwrap();
        assert!(format == same && Arc::ptr_eq(&first, &second));
        let (_, longer) = traces.get(wanted(90), read).unwrap();
        assert!(!Arc::ptr_eq(&first, &longer), "another piece of it");
        drop((first, second));
        assert!(traces.get(wanted(90), || panic!("it was read")).is_ok());
        assert_eq!(traces.0.lock().len(), 1, "what nobody has is gone");
    }
}
