//! Frames for a terminal: what has changed since the last one, as bytes.

use ratatui::backend::{Backend as _, ClearType, CrosstermBackend};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

/// The last frame.
#[derive(Debug, Default)]
pub(super) struct Frames {
    last: Buffer,
}

impl Frames {
    /// What stood on the terminal is gone.
    pub(super) fn forget(&mut self) {
        self.last = Buffer::default();
    }

    /// The bytes that make a terminal of this size show what `draw` draws.
    pub(super) fn next(
        &mut self,
        (width, height): (u16, u16),
        draw: impl FnOnce(&mut Buffer),
    ) -> Vec<u8> {
        let area = Rect { x: 0, y: 0, width, height };
        let mut next = Buffer::empty(area);
        draw(&mut next);
        let mut bytes = Vec::new();
        let mut backend = CrosstermBackend::new(&mut bytes);
        // Writing into a Vec cannot fail.
        if self.last.area != area {
            self.last = Buffer::empty(area);
            let _ = backend.clear_region(ClearType::All);
        }
        let changed = self.last.diff(&next);
        if !changed.is_empty() {
            let _ = backend.draw(changed.into_iter());
        }
        self.last = next;
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ratatui::style::Style;

    /// Catches a terminal that is written in full each time, and one that keeps what stood there at another
    /// size.
    #[test]
    fn only_what_changed_is_sent() {
        let mut frames = Frames::default();
        let write = |text: &'static str| {
            move |buffer: &mut Buffer| buffer.set_string(0, 0, text, Style::new())
        };
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let first = text(frames.next((20, 2), write("rate 2000")));
        assert!(first.contains("\u{1b}[2J") && first.contains("rate"), "{first:?}");
        assert_eq!(frames.next((20, 2), write("rate 2000")), b"");
        let next = text(frames.next((20, 2), write("rate 2001")));
        assert!(next.contains('1') && !next.contains("rate"), "{next:?}");
        assert!(text(frames.next((30, 2), write("rate 2001"))).contains("\u{1b}[2J"));
        frames.forget();
        assert!(text(frames.next((30, 2), write("rate 2001"))).contains("\u{1b}[2J"));
    }
}
