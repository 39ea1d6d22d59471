//! A terminal that is borrowed: its modes, its other screen, and how it is given back.
//!
//! Ctrl-C, Ctrl-Z and a terminal that is closed stay what they are, because the modes that make signals of them
//! are left on. What is written goes through a description of its own that never blocks: a terminal that
//! stops reading gets no more frames, and nobody waits for it.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::panic;
use std::sync::Weak;
use std::time::Duration;

use parking_lot::Mutex;
use ratatui::crossterm::cursor::{Hide, Show};
use ratatui::crossterm::queue;
use ratatui::crossterm::style::ResetColor;
use ratatui::crossterm::terminal::{EnterAlternateScreen, LeaveAlternateScreen};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags, open};
use rustix::io::Errno;
use rustix::process::getpgrp;
use rustix::termios::{
    InputModes, LocalModes, OptionalActions, QueueSelector, SpecialCodeIndex, Termios, tcflush,
    tcgetattr, tcgetpgrp, tcgetwinsize, tcsetattr, ttyname,
};

/// How long a terminal is given to take what gives it back; one that does not read then is left as it is.
const LEAVE_MAX: Duration = Duration::from_secs(1);
/// Turns in which it may take a part of that.
const LEAVE_TURNS: u32 = 100;
/// How long a panic waits for the terminal, which another thread may be writing to.
const PANIC_WAIT: Duration = Duration::from_millis(500);
/// The largest terminal that is drawn on; the rest of a larger one stays empty.
const COLUMNS_MAX: u16 = 1000;
const ROWS_MAX: u16 = 500;
/// Bytes that are read at once: keys are few.
const KEYS_MAX: usize = 256;

/// A terminal, and whether it is in our hands.
#[derive(Debug)]
pub(super) struct Terminal {
    tty: OwnedFd,
    /// Its modes before.
    modes: Termios,
    /// Whether the view wants it.
    wanted: bool,
    /// Whether the view has it.
    entered: bool,
    /// Somebody else may have used it since it was entered.
    again: bool,
    /// Between Ctrl-Z and `fg`.
    stopped: bool,
    /// How often it was entered: what stood there before is gone each time.
    entries: u64,
    /// What it has not taken yet.
    unsent: Vec<u8>,
}

impl Terminal {
    /// The terminal of `stdout`; `None`: there is none that the view can have. It must be the one that this
    /// program runs in the foreground of, and know its size.
    pub(super) fn of(stdout: impl AsFd) -> Option<Self> {
        let terminal = Self::on(stdout)?;
        (terminal.is_ours() && terminal.size().is_some()).then_some(terminal)
    }

    /// The terminal of `stdout`, whoever has it.
    fn on(stdout: impl AsFd) -> Option<Self> {
        let name = ttyname(&stdout, Vec::new()).ok()?;
        let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let tty = open(name.as_c_str(), flags, Mode::empty()).ok()?;
        let modes = tcgetattr(&tty).ok()?;
        let (wanted, entered, again, stopped) = (false, false, false, false);
        Some(Self { tty, modes, wanted, entered, again, stopped, entries: 0, unsent: Vec::new() })
    }

    /// Whether this program is in its foreground.
    fn is_ours(&self) -> bool {
        tcgetpgrp(&self.tty).is_ok_and(|group| group == getpgrp())
    }

    /// Whether another program is: who touches it then is stopped.
    fn is_of_others(&self) -> bool {
        tcgetpgrp(&self.tty).is_ok_and(|group| group != getpgrp())
    }

    /// Columns and rows.
    pub(super) fn size(&self) -> Option<(u16, u16)> {
        let size = tcgetwinsize(&self.tty).ok()?;
        let is_known = size.ws_col > 0 && size.ws_row > 0;
        is_known.then_some((size.ws_col.min(COLUMNS_MAX), size.ws_row.min(ROWS_MAX)))
    }

    pub(super) const fn is_wanted(&self) -> bool {
        self.wanted
    }

    /// How often it was entered, where it is in our hands.
    pub(super) fn entry(&self) -> Option<u64> {
        (self.entered && !self.again).then_some(self.entries)
    }

    /// The view wants it from now on.
    pub(super) const fn want(&mut self) {
        self.wanted = true;
    }

    /// Takes it where it is wanted and can be had: after Ctrl-Z and `bg` it is somebody else's.
    pub(super) fn enter(&mut self) {
        if !self.wanted || self.stopped || self.entered && !self.again || self.is_of_others() {
            return;
        }
        let mut modes = self.modes.clone();
        modes.local_modes.remove(LocalModes::ICANON | LocalModes::ECHO);
        modes.input_modes.remove(InputModes::IXON);
        modes.special_codes[SpecialCodeIndex::VMIN] = 1;
        modes.special_codes[SpecialCodeIndex::VTIME] = 0;
        // Nothing is given back after a SIGQUIT.
        modes.special_codes[SpecialCodeIndex::VQUIT] = 0;
        if tcsetattr(&self.tty, OptionalActions::Now, &modes).is_err() {
            self.wanted = false;
            return;
        }
        // Keys that were pressed before it was ours are not meant for the view.
        let _ = tcflush(&self.tty, QueueSelector::IFlush);
        (self.entered, self.again) = (true, false);
        self.entries += 1;
        self.unsent.clear();
        // Writing into a Vec cannot fail.
        let _ = queue!(self.unsent, EnterAlternateScreen, Hide);
        self.flush();
    }

    /// Gives it back; does nothing where it is not in our hands.
    pub(super) fn leave(&mut self) {
        if !self.entered {
            return;
        }
        let _ = queue!(self.unsent, ResetColor, Show, LeaveAlternateScreen);
        self.flush();
        let wait = Timespec { tv_sec: LEAVE_MAX.as_secs().cast_signed(), tv_nsec: 0 };
        for _ in 0..LEAVE_TURNS {
            if self.unsent.is_empty() {
                break;
            }
            let ready = poll(&mut [PollFd::new(&self.tty, PollFlags::OUT)], Some(&wait));
            if !matches!(ready, Ok(1..) | Err(Errno::INTR)) {
                break;
            }
            self.flush();
        }
        if !self.is_of_others() {
            // It is gone when this fails.
            let _ = tcsetattr(&self.tty, OptionalActions::Now, &self.modes);
        }
        (self.entered, self.again) = (false, false);
        self.unsent.clear();
    }

    /// Gives it back for good.
    pub(super) fn give_back(&mut self) {
        self.wanted = false;
        self.leave();
    }

    /// Somebody else may have used it meanwhile: it is entered again.
    pub(super) const fn forget(&mut self) {
        self.again = self.entered;
        self.stopped = false;
    }

    /// Gives it back until [`forget`](Self::forget): the program is about to be stopped, thread by thread.
    pub(super) fn stop(&mut self) {
        self.leave();
        self.stopped = true;
    }

    /// Whether it has taken everything: otherwise a frame is left out.
    pub(super) fn is_idle(&mut self) -> bool {
        self.flush();
        self.unsent.is_empty()
    }

    /// Shows a frame.
    pub(super) fn send(&mut self, frame: &[u8]) {
        if self.entered {
            self.unsent.extend_from_slice(frame);
            self.flush();
        }
    }

    /// Hands over as much as it takes now.
    fn flush(&mut self) {
        while !self.unsent.is_empty() {
            match rustix::io::write(&self.tty, &self.unsent) {
                Ok(sent) => drop(self.unsent.drain(..sent)),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return,
                Err(_) => {
                    // It was closed.
                    (self.wanted, self.entered) = (false, false);
                    self.unsent.clear();
                }
            }
        }
    }

    /// The keys that were pressed since.
    pub(super) fn pressed(&mut self) -> Vec<u8> {
        let mut bytes = vec![0; KEYS_MAX];
        let read = match rustix::io::read(&self.tty, bytes.as_mut_slice()) {
            Ok(read @ 1..) => read,
            Err(Errno::AGAIN | Errno::INTR) => 0,
            // It was closed.
            Ok(_) | Err(_) => {
                (self.wanted, self.entered) = (false, false);
                0
            }
        };
        bytes.truncate(read);
        bytes
    }

    /// Another handle of it, to wait for keys.
    pub(super) fn handle(&self) -> io::Result<OwnedFd> {
        self.tty.try_clone()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.leave();
    }
}

/// Whoever panics, the terminal is given back before a word of it is printed, and lines follow.
pub(super) fn give_back_at_panic(terminal: Weak<Mutex<Terminal>>) {
    let before = panic::take_hook();
    panic::set_hook(Box::new(move |what| {
        let terminal = terminal.upgrade();
        if let Some(mut terminal) = terminal.as_ref().and_then(|it| it.try_lock_for(PANIC_WAIT)) {
            terminal.give_back();
        }
        before(what);
    }));
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

    use super::*;

    /// A terminal in our hands, and its other end.
    fn terminal() -> (OwnedFd, Terminal) {
        let other = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&other).unwrap();
        unlockpt(&other).unwrap();
        let name = ptsname(&other, Vec::new()).unwrap();
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let tty = open(name.as_c_str(), flags, Mode::empty()).unwrap();
        let mut terminal = Terminal::on(&tty).unwrap();
        terminal.want();
        terminal.enter();
        (other, terminal)
    }

    fn shown(other: &OwnedFd) -> String {
        let mut bytes = [0; 4096];
        let read = rustix::io::read(other, &mut bytes[..]).unwrap();
        String::from_utf8_lossy(&bytes[..read]).into_owned()
    }

    fn echoes(terminal: &Terminal) -> bool {
        let modes = tcgetattr(&terminal.tty).unwrap().local_modes;
        assert!(modes.contains(LocalModes::ISIG), "Ctrl-C stays what it is");
        modes.contains(LocalModes::ICANON | LocalModes::ECHO)
    }

    /// Catches a terminal that is left to itself by a panic, and a view that goes on after one.
    #[test]
    fn a_panic_gives_the_terminal_back() {
        let (other, terminal) = terminal();
        assert!(shown(&other).contains("\u{1b}[?1049h"));
        assert!(!echoes(&terminal));
        let terminal = Arc::new(Mutex::new(terminal));
        give_back_at_panic(Arc::downgrade(&terminal));
        let panicked = panic::catch_unwind(|| panic!("planted by a test"));
        assert!(panicked.is_err());
        let told = shown(&other);
        assert!(told.contains("\u{1b}[?25h") && told.contains("\u{1b}[?1049l"), "{told:?}");
        assert!(echoes(&terminal.lock()) && !terminal.lock().is_wanted());
    }

    /// Catches a run that waits for a terminal which does not read, and one whose terminal was closed.
    #[test]
    fn nobody_waits_for_a_terminal() {
        let (other, mut terminal) = terminal();
        assert!(terminal.is_idle());
        while terminal.is_idle() {
            terminal.send(&[b'x'; 4096]);
        }
        assert!(terminal.is_wanted(), "frames are left out until it reads again");
        drop(other);
        terminal.send(b"x");
        assert!(!terminal.is_wanted() && terminal.entry().is_none(), "lines follow");
        assert_eq!(terminal.pressed(), b"");
    }
}
