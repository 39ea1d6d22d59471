//! The live view on a terminal: it listens to what the lines are made of, draws it some times a second on a
//! thread of its own, and does what keys ask for.
//!
//! Nothing of a run waits for it. Who tells it something folds it into the view and goes on; a terminal that
//! does not read gets no frames; and whatever ends the program but `kill -9`, the terminal is given back first.

mod frames;
mod hand;
mod settings;
mod terminal;

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Signal, getpgrp, getpid, getsid, kill_process};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use self::frames::Frames;
pub(super) use self::settings::{interval, outline};
use self::terminal::{Terminal, give_back_at_panic};
use super::outlet::Outlet;
use crate::base::scope::Scope;
use crate::report::Line;
use crate::view::{Act, Look, Outline, Roster, View, draw, keys};

/// How often it is drawn.
const TICK: Duration = Duration::from_millis(200);
/// And after a key at the earliest.
const TICK_LEAST: Duration = Duration::from_millis(50);

/// A session that is watched. Dropped, it gives the terminal back.
#[derive(Debug)]
pub(super) struct Watch {
    shared: Arc<Shared>,
    scope: Scope,
}

#[derive(Debug)]
struct Shared {
    view: Mutex<View>,
    terminal: Arc<Mutex<Terminal>>,
    /// What keys of the run that goes on need.
    run: Mutex<Run>,
    look: Look,
    clock: Instant,
    /// Wakes the thread.
    wake: OwnedFd,
    /// What else writes to the terminal.
    outlets: [Outlet; 2],
    scope: Scope,
}

#[derive(Debug, Default)]
struct Run {
    /// Ends this run and no other.
    end: CancellationToken,
    /// Where its control API is.
    api: Option<String>,
}

/// Whether there is a terminal that can show a view, and nobody says that lines are wanted.
pub(super) fn is_fit() -> bool {
    settings::is_wanted() && Terminal::of(std::io::stdout()).is_some()
}

impl Watch {
    /// A watched session on the terminal of stdout; `None`: it has none that the view can have, and lines it is.
    /// It waits until `outlets` have been read: what they say belongs on the screen of before.
    pub(super) fn start(roster: Roster, outlets: [Outlet; 2]) -> Option<Self> {
        let terminal = Terminal::of(std::io::stdout())?;
        let handle = terminal.handle().ok()?;
        let (woken, wake) = UnixStream::pair().ok()?;
        [&woken, &wake].into_iter().try_for_each(|end| end.set_nonblocking(true)).ok()?;
        let (woken, wake) = (OwnedFd::from(woken), OwnedFd::from(wake));
        let scope = Scope::current("view");
        let shared = Arc::new(Shared {
            view: Mutex::new(View::new(roster)),
            terminal: Arc::new(Mutex::new(terminal)),
            run: Mutex::default(),
            look: settings::look(),
            clock: Instant::now(),
            wake,
            outlets,
            scope: scope.clone(),
        });
        let of_thread = Arc::clone(&shared);
        scope.thread("view", move || of_thread.show(&woken, &handle)).ok()?;
        heed_stops(&shared)?;
        give_back_at_panic(Arc::downgrade(&shared.terminal));
        Some(Self { shared, scope })
    }

    /// A run begins; `end` ends it and no other.
    pub(super) fn begin(&self, outline: Outline, end: CancellationToken) {
        *self.shared.run.lock() = Run { end, api: None };
        self.shared.view.lock().begin(outline, self.shared.now());
    }

    /// The view takes the terminal; whether it has it.
    pub(super) fn open(&self, api: Option<String>) -> bool {
        self.shared.run.lock().api = api;
        self.shared.terminal.lock().want();
        self.shared.wake();
        self.is_open()
    }

    /// Whether what happens is shown by the view. After a panic, or when its terminal was closed, it is not.
    pub(super) fn is_open(&self) -> bool {
        self.shared.terminal.lock().is_wanted()
    }

    pub(super) fn fold(&self, line: &Line) {
        self.shared.view.lock().fold(line, self.shared.now());
    }

    pub(super) fn note(&self, text: &str) {
        self.shared.view.lock().note(text);
    }

    pub(super) fn warn(&self, text: &str) {
        self.shared.view.lock().warn(text);
    }

    /// The run is over: the terminal is given back until the next one.
    pub(super) fn close(&self) {
        self.shared.terminal.lock().give_back();
        self.shared.view.lock().end();
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.shared.terminal.lock().give_back();
        self.scope.cancel();
        self.shared.wake();
    }
}

impl Shared {
    fn now(&self) -> Duration {
        self.clock.elapsed()
    }

    fn wake(&self) {
        // A full pipe wakes as well.
        let _ = rustix::io::write(&self.wake, b".");
    }

    /// Draws and takes keys until the session is over.
    fn show(self: &Arc<Self>, woken: &OwnedFd, tty: &OwnedFd) {
        let (mut frames, mut entry, mut drawn) = (Frames::default(), None, Duration::ZERO);
        while !self.scope.is_cancelled() {
            let (is_wanted, now_entry, pressed, size) = {
                let is_quiet = self.outlets.iter().all(Outlet::is_idle);
                let mut terminal = self.terminal.lock();
                if is_quiet {
                    terminal.enter();
                }
                let pressed = terminal.entry().map(|_| terminal.pressed()).unwrap_or_default();
                (terminal.is_wanted(), terminal.entry(), pressed, terminal.size())
            };
            for key in keys(&pressed) {
                let act = self.view.lock().press(key, self.now());
                act.into_iter().for_each(|act| self.act(act));
            }
            if now_entry != entry {
                frames.forget();
                entry = now_entry;
            }
            let due = if pressed.is_empty() { TICK } else { TICK_LEAST };
            let since = self.now().saturating_sub(drawn);
            if since >= due {
                if let Some(size) = size.filter(|_| entry.is_some()) {
                    self.frame(&mut frames, size, entry);
                }
                // Also where there was nothing to draw on: it is looked again, and not all the time.
                drawn = self.now();
            }
            let wait = if is_wanted {
                Some(due.saturating_sub(self.now().saturating_sub(drawn)))
            } else {
                None
            };
            pause(woken, entry.map(|_| tty), wait);
        }
    }

    /// Draws where the terminal has taken the last frame.
    fn frame(&self, frames: &mut Frames, size: (u16, u16), entry: Option<u64>) {
        if !self.terminal.lock().is_idle() {
            return;
        }
        let bytes = {
            let view = self.view.lock();
            frames.next(size, |buffer| draw(&view, self.now(), self.look, buffer))
        };
        let mut terminal = self.terminal.lock();
        if terminal.entry() == entry {
            terminal.send(&bytes);
        }
    }

    /// Does what a key asks for.
    fn act(self: &Arc<Self>, act: Act) {
        match act {
            // The one way out: drain, judge, report; a second one leaves at once.
            Act::Quit => drop(kill_process(getpid(), Signal::INT)),
            Act::Next => self.run.lock().end.cancel(),
            Act::Inject(touch) => self.by_hand("inject", move |shared, api| async move {
                let done = hand::inject(&api, touch).await;
                done.map(|()| shared.view.lock().injected(touch, shared.now()))
            }),
            Act::Heal(touches) => self.by_hand("heal", move |shared, api| async move {
                let mut first = Ok(());
                for touch in touches {
                    match hand::heal(&api, touch).await {
                        Ok(()) => shared.view.lock().healed(touch, shared.now()),
                        Err(error) => first = first.and(Err(error)),
                    }
                }
                first
            }),
        }
    }

    /// Asks the control API of the run in a task; what it refuses is told.
    fn by_hand<W>(self: &Arc<Self>, name: &str, work: impl FnOnce(Arc<Self>, String) -> W)
    where
        W: Future<Output = Result<(), crate::control::RemoteError>> + Send + 'static,
    {
        let Some(api) = self.run.lock().api.clone() else { return };
        let (shared, work) = (Arc::clone(self), work(Arc::clone(self), api));
        self.scope.spawn(name, async move {
            if let Err(error) = work.await {
                shared.view.lock().warn(&format!("by hand: {error}"));
            }
        });
    }
}

/// Waits for a key, for somebody who wakes, or so long.
fn pause(woken: &OwnedFd, tty: Option<&OwnedFd>, wait: Option<Duration>) {
    let wait = wait.and_then(|wait| Timespec::try_from(wait).ok());
    let woken_fd = PollFd::new(woken, PollFlags::IN);
    let mut both: Vec<PollFd<'_>> =
        std::iter::once(woken_fd).chain(tty.map(|tty| PollFd::new(tty, PollFlags::IN))).collect();
    // An error is an interrupt, or will be seen by whoever reads.
    let _ = poll(&mut both, wait.as_ref());
    let _ = rustix::io::read(woken, &mut [0; 64][..]);
}

/// Ctrl-Z gives the terminal back before it stops the program, and `fg` takes it again.
fn heed_stops(shared: &Arc<Shared>) -> Option<()> {
    let listen = |number: Signal| signal(SignalKind::from_raw(number.as_raw())).ok();
    let (mut stop, mut go_on) = (listen(Signal::TSTP)?, listen(Signal::CONT)?);
    let (of_task, cancelled) = (Arc::clone(shared), shared.scope.cancelled());
    shared.scope.spawn("stops", async move {
        let heed = async {
            loop {
                tokio::select! {
                    _ = stop.recv() => of_task.stop(),
                    _ = go_on.recv() => {
                        of_task.terminal.lock().forget();
                        of_task.wake();
                    }
                }
            }
        };
        tokio::select! {
            () = cancelled => {}
            () = heed => {}
        }
    });
    Some(())
}

impl Shared {
    fn stop(&self) {
        // Where no shell could let it go on, nothing is stopped, as the system itself has it.
        if getsid(None).is_ok_and(|session| session == getpgrp()) {
            return;
        }
        self.terminal.lock().stop();
        let _ = kill_process(getpid(), Signal::STOP);
    }
}
