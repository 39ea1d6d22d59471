//! The page of a run in a real browser: what it shows is what the report says, it asks for nothing, and
//! it can be used without a mouse, on a telephone, and in the dark.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod tab;

use std::path::{Path, PathBuf};

use chromiumoxide::cdp::browser_protocol::emulation::MediaFeature;
use harness::event::{Outcome, Phase};
use harness::report::{Format, Stored};

use self::tab::Tab;

/// Widths of a telephone and of a wide screen, in pixels.
const WIDTHS: [u32; 2] = [400, 1600];

/// Pieces at which the figures are compared: enough to pass from one phase into another.
const MOMENTS: usize = 60;

fn golden() -> Stored {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/report/1-with-series");
    Stored::read(&folder).unwrap()
}

/// The page of a stored run in a folder of its own.
fn page_of(run: &Stored) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report.html");
    std::fs::write(&path, (Format::find("html").unwrap().render)(run)).unwrap();
    (folder, path)
}

/// A figure as the page writes it (`12.3ms`, `1998/s`, `-`), as a number.
fn number(text: &str) -> Option<f64> {
    if text == "-" {
        return None;
    }
    let units = [("us", 1.0), ("ms", 1e3), ("/s", 1.0), ("%", 0.01), ("s", 1e6), ("", 1.0)];
    let (figure, factor) =
        units.iter().find_map(|(unit, factor)| Some((text.strip_suffix(unit)?, factor))).unwrap();
    Some(figure.parse::<f64>().unwrap_or_else(|_| panic!("no figure: {text}")) * factor)
}

/// Whether both are the same within what three digits can show.
fn agree(shown: Option<f64>, told: Option<f64>) -> bool {
    match (shown, told) {
        (None, None) => true,
        (Some(shown), Some(told)) => (shown - told).abs() <= 0.51_f64.max(told.abs() * 0.006),
        _ => false,
    }
}

/// Catches a chart that disagrees with report.json at any moment, and charts that need a mouse.
#[tokio::test(flavor = "multi_thread")]
#[cfg_attr(not(real_chromium), ignore = "needs chromium on PATH")]
async fn the_charts_say_what_the_report_says() {
    let run = golden();
    let (_folder, path) = page_of(&run);
    let tab = Tab::open(&path, 1600).await;
    let pieces = &run.report.pieces;
    let skipped = pieces.len().saturating_sub(MOMENTS) / 10 * 10;
    for _ in 0..skipped / 10 {
        tab.press("ArrowRight", true).await;
    }
    let mut phases = Vec::new();
    for piece in pieces.iter().skip(skipped.max(1) - 1).take(MOMENTS) {
        if skipped == 0 || piece.at_s > pieces[skipped - 1].at_s {
            tab.press("ArrowRight", false).await;
        }
        phases.push(piece.phase);
        let figures = tab.figures().await;
        let figure = |name: &str| number(figures.get(name).map_or("-", String::as_str));
        let place: usize = figures["piece"].parse().unwrap();
        assert!((pieces[place].at_s - piece.at_s).abs() < 1e-9, "at {}", piece.at_s);
        let times = piece.response_time_us.unwrap();
        for (key, us) in
            [("p50", times.p50), ("p95", times.p95), ("p99", times.p99), ("max", times.max)]
        {
            let shown = figure(&format!("times.{key}"));
            assert!(agree(shown, us.map(|us| us as f64)), "{key} at {}: {shown:?}", piece.at_s);
        }
        let shed = piece.count(Outcome::Shed) as f64 / piece.length_s;
        let shown = figure("throughput.shed").unwrap_or_default();
        assert!(agree(Some(shown), Some(shed)), "shed at {}: {shown}", piece.at_s);
        let mut all = 0.0;
        for key in ["good", "shed", "failed", "lost", "wrong"] {
            all += figure(&format!("throughput.{key}")).unwrap_or_default();
        }
        let told = piece.outcomes.values().sum::<u64>() as f64 / piece.length_s;
        assert!((all - told).abs() < 3.0, "{all} for {told} at {}", piece.at_s);
    }
    phases.dedup();
    assert!(phases.len() > 1 && phases.contains(&Phase::Recovery), "{phases:?}");
    tab.close_quiet(&path).await;
}

/// Catches drawings that are not drawn to the same axis, and a zoom that nobody gets out of.
#[tokio::test(flavor = "multi_thread")]
#[cfg_attr(not(real_chromium), ignore = "needs chromium on PATH")]
async fn one_can_look_closer_and_back() {
    const VIEWS: &str = "[...new Set([...document.querySelectorAll('#charts svg')].map(it => it.getAttribute('viewBox')))]";
    let run = golden();
    let (_folder, path) = page_of(&run);
    let tab = Tab::open(&path, 1600).await;
    let whole: Vec<String> = tab.value(VIEWS).await;
    assert_eq!(whole.len(), 1, "one axis");
    tab.press("+", false).await;
    let closer: Vec<String> = tab.value(VIEWS).await;
    assert!(closer.len() == 1 && closer != whole, "{closer:?}");
    tab.press("0", false).await;
    assert_eq!(tab.value::<Vec<String>>(VIEWS).await, whole);
    let (left, top, width): (f64, f64, f64) = tab
        .value(
            "(() => { const plot = document.querySelector('[data-row=throughput] .plot');
               plot.scrollIntoView({ block: 'center' });
               const box = plot.getBoundingClientRect();
               return [box.left, box.top + box.height / 2, box.width]; })()",
        )
        .await;
    tab.drag((left + width * 0.25, top), (left + width * 0.5, top)).await;
    let dragged: Vec<String> = tab.value(VIEWS).await;
    let view: Vec<f64> = dragged[0].split(' ').map(|part| part.parse().unwrap()).collect();
    let whole_ms = run.report.duration_s * 1000.0;
    assert!(dragged.len() == 1 && (view[0] / whole_ms - 0.25).abs() < 0.01, "{dragged:?}");
    assert!((view[2] / whole_ms - 0.25).abs() < 0.01, "{dragged:?} of {whole_ms}");
    let cursors: u32 = tab.value("document.querySelectorAll('.cursor:not([hidden])').length").await;
    let plots: u32 = tab.value("document.querySelectorAll('#charts .plot').length").await;
    assert_eq!(cursors, plots, "one cursor over all");
    tab.press("Escape", false).await;
    assert_eq!(tab.value::<Vec<String>>(VIEWS).await, whole);
    tab.close_quiet(&path).await;
}

/// Catches a page that has to be scrolled sideways, words that cannot be read on what is behind them,
/// and a dark page that is light.
#[tokio::test(flavor = "multi_thread")]
#[cfg_attr(not(real_chromium), ignore = "needs chromium on PATH")]
async fn it_can_be_read_on_any_screen() {
    let (_folder, path) = page_of(&golden());
    for width in WIDTHS {
        let tab = Tab::open(&path, width).await;
        let mut papers = Vec::new();
        for scheme in ["light", "dark"] {
            let feature = MediaFeature::new("prefers-color-scheme", scheme);
            tab.page.emulate_media_features(vec![feature]).await.unwrap();
            let wide: u32 = tab.value("document.documentElement.scrollWidth").await;
            assert!(wide <= width, "{wide} of {width} pixels");
            papers
                .push(tab.value::<String>("getComputedStyle(document.body).backgroundColor").await);
            let faint: Vec<String> = tab.value(tab::FAINT).await;
            assert!(faint.is_empty(), "{scheme} at {width}: {faint:#?}");
        }
        assert_ne!(papers[0], papers[1]);
        tab.close_quiet(&path).await;
    }
}
