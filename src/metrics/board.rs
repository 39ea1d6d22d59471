//! Where a process keeps what a scraper may ask for: the run that goes on or was the last, and all before.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use super::ending::{self, Asked};
use super::families::{ACTIVE, BUILD, PHASE, PLANNED, RUN, SEED, STARTED};
use super::figures;
use super::history::History;
use super::page::{Page, level};
use super::sources::{About, Sources};
use crate::event::Phase;
use crate::proxy::TapSnapshot;
use crate::report::Report;

/// A page is made at most so often; who asks sooner gets the last one. It takes some milliseconds of a
/// processor that the run could use.
const PAGE_AGE_MIN: Duration = Duration::from_millis(100);

/// Clones are the same board.
#[derive(Clone, Debug, Default)]
pub struct Board(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    run: Mutex<Option<Run>>,
    history: Mutex<History>,
    /// The last page, and when it was made.
    last: Mutex<Option<(Instant, Arc<Page>)>>,
    /// Runs whose report was shown here.
    ended: AtomicU64,
}

#[derive(Debug)]
struct Run {
    about: About,
    sources: Sources,
    /// What the proxies had seen when its first phase began.
    before: Vec<TapSnapshot>,
    /// What they had seen when it was over.
    after: Option<Vec<TapSnapshot>>,
    /// What it came to.
    ending: Option<Page>,
    is_active: bool,
}

impl Board {
    /// A run begins that is asked these objectives; the figures of the one before it go.
    pub fn begin<'a>(
        &self,
        about: About,
        sources: Sources,
        asked: impl IntoIterator<Item = &'a str>,
    ) {
        self.0.history.lock().begin(&about, asked.into_iter());
        let run =
            Run { about, sources, before: Vec::new(), after: None, ending: None, is_active: true };
        self.change(|place| *place = Some(run));
    }

    /// The first phase of the run begins: its proxies count from here.
    pub fn settle(&self, taps: Vec<TapSnapshot>) {
        self.of_run(|run| run.before = taps);
    }

    /// The proxies of the run have seen all that they will.
    pub fn stop(&self, taps: Vec<TapSnapshot>) {
        self.of_run(|run| run.after = Some(taps));
    }

    /// The run came to this report; its figures stay until the next one begins.
    pub fn end(&self, report: &Report, asked: &[Asked]) {
        self.0.history.lock().add(report);
        let page = ending::page(report, asked);
        self.of_run(|run| (run.ending, run.is_active) = (Some(page), false));
        // Last: whoever reads it finds the report on the next page.
        self.0.ended.fetch_add(1, Ordering::Release);
    }

    /// The run ended without a report.
    pub fn abandon(&self) {
        self.of_run(|run| run.is_active = false);
    }

    fn of_run(&self, change: impl FnOnce(&mut Run)) {
        self.change(|place| {
            if let Some(run) = place {
                change(run);
            }
        });
    }

    /// Changes something, and forgets the page that does not have it.
    fn change(&self, change: impl FnOnce(&mut Option<Run>)) {
        change(&mut self.0.run.lock());
        *self.0.last.lock() = None;
    }

    /// How many runs have ended whose report was shown here.
    pub(super) fn ended(&self) -> u64 {
        self.0.ended.load(Ordering::Acquire)
    }

    /// All that there is to say now. Takes some milliseconds, which is too long for a thread that has others
    /// to serve.
    #[must_use]
    pub fn page(&self) -> Arc<Page> {
        // Held while a page is made: nobody makes another beside it, and none survives a change.
        let mut last = self.0.last.lock();
        if let Some((_, page)) = last.as_ref().filter(|(at, _)| at.elapsed() < PAGE_AGE_MIN) {
            return Arc::clone(page);
        }
        let page = Arc::new(self.made());
        *last = Some((Instant::now(), Arc::clone(&page)));
        page
    }

    fn made(&self) -> Page {
        let mut page = Page::default();
        page.info(BUILD, &[env!("CARGO_PKG_VERSION")]);
        self.0.history.lock().show(&mut page);
        match &*self.0.run.lock() {
            Some(run) => run.show(&mut page),
            None => page.level(ACTIVE, &[], 0.0),
        }
        page
    }
}

impl Run {
    fn show(&self, page: &mut Page) {
        let About { scenario, subject, workload, client_profile, network, .. } = &self.about;
        let Sources { clock, recorder, seen, .. } = &self.sources;
        page.info(RUN, &[scenario, subject, workload, client_profile, network]);
        page.level(ACTIVE, &[], if self.is_active { 1.0 } else { 0.0 });
        page.level(STARTED, &[], level(clock.started_at().unix_seconds()));
        page.level(PLANNED, &[], self.about.planned.as_secs_f64());
        page.level(SEED, &[], level(self.about.seed));
        let now = recorder.phases().phase_at(clock.now());
        for phase in Phase::ALL {
            let is_now = self.is_active && *phase == now;
            page.level(PHASE, &[phase.name()], if is_now { 1.0 } else { 0.0 });
        }
        seen.show(page);
        figures::operations(page, &self.about, recorder);
        let taps = self.after.clone().unwrap_or_else(|| self.sources.taps());
        figures::wire(page, &self.before, &taps);
        match &self.ending {
            Some(ending) => page.extend(ending),
            None => figures::machine(page, &self.sources),
        }
    }
}
