//! One tab of a browser of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use chromiumoxide::cdp::browser_protocol::emulation::SetDeviceMetricsOverrideParams;
use chromiumoxide::cdp::browser_protocol::input::{
    DispatchKeyEventParams, DispatchKeyEventType, DispatchMouseEventParams, DispatchMouseEventType,
    MouseButton,
};
use chromiumoxide::cdp::browser_protocol::log::EventEntryAdded;
use chromiumoxide::cdp::browser_protocol::network::EventRequestWillBeSent;
use chromiumoxide::cdp::js_protocol::runtime::{EventConsoleApiCalled, EventExceptionThrown};
use chromiumoxide::listeners::EventStream;
use chromiumoxide::{Browser, BrowserConfig, Page};
use futures_util::{FutureExt, Stream, StreamExt};
use harness::base::scope::Scope;
use serde::de::DeserializeOwned;

/// A browser starts within a second; a machine that is busy takes longer.
const PATIENCE: Duration = Duration::from_secs(120);

/// Words whose contrast with what is behind them is below 4.5, and below 3 where they are large.
pub(super) const FAINT: &str = r"(() => {
    const parse = text => (text.match(/[\d.]+/g) || []).map(Number);
    const light = ([r, g, b]) => [r, g, b].map(v => v / 255)
        .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
        .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
    const behind = node => {
        for (let at = node; at; at = at.parentElement) {
            const colour = parse(getComputedStyle(at).backgroundColor);
            if (colour.length === 3 || colour[3] === 1) return colour;
        }
        return [255, 255, 255];
    };
    const faint = [];
    for (const node of document.querySelectorAll('body *')) {
        const says = [...node.childNodes].some(it => it.nodeType === 3 && it.textContent.trim());
        const style = getComputedStyle(node);
        if (!says || node.closest('script, noscript, svg') || style.display === 'none') continue;
        const [one, other] = [light(parse(style.color)), light(behind(node))];
        const contrast = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
        const isLarge = parseFloat(style.fontSize) >= 24;
        if (contrast < (isLarge ? 3 : 4.5)) faint.push(`${contrast.toFixed(2)} ${node.textContent.slice(0, 40)}`);
    }
    return faint;
})()";

const FIGURES: &str = "Object.fromEntries([
    ['piece', document.getElementById('moment').dataset.piece],
    ...[...document.querySelectorAll('#charts output[data-key]')]
        .map(it => [it.closest('[data-row]').dataset.row + '.' + it.dataset.key, it.textContent]),
])";

/// A page that is open, and what it did.
pub(super) struct Tab {
    pub(super) page: Page,
    requests: EventStream<EventRequestWillBeSent>,
    console: EventStream<EventConsoleApiCalled>,
    thrown: EventStream<EventExceptionThrown>,
    log: EventStream<EventEntryAdded>,
    /// Ends with the tab; the profile goes after it.
    browser: Browser,
    /// Hands over what the browser says.
    _scope: Scope,
    _profile: tempfile::TempDir,
}

impl Tab {
    /// Opens a file in a window so many pixels wide.
    pub(super) async fn open(path: &Path, width: u32) -> Self {
        let profile = tempfile::tempdir().unwrap();
        let config = BrowserConfig::builder()
            .no_sandbox()
            .user_data_dir(profile.path())
            .launch_timeout(PATIENCE)
            .request_timeout(PATIENCE)
            .build()
            .unwrap();
        let (browser, mut handler) = Browser::launch(config).await.unwrap();
        let scope = Scope::current("browser");
        scope.spawn("events", async move { while handler.next().await.is_some() {} });
        let page = browser.new_page("about:blank").await.unwrap();
        let size = SetDeviceMetricsOverrideParams::new(i64::from(width), 2000, 1.0, false);
        page.execute(size).await.unwrap();
        let tab = Self {
            requests: page.event_listener().await.unwrap(),
            console: page.event_listener().await.unwrap(),
            thrown: page.event_listener().await.unwrap(),
            log: page.event_listener().await.unwrap(),
            page,
            browser,
            _scope: scope,
            _profile: profile,
        };
        tab.page.goto(format!("file://{}", path.display())).await.unwrap();
        tab.page.evaluate("document.getElementById('charts').focus()").await.unwrap();
        tab
    }

    /// What an expression comes to in the page.
    pub(super) async fn value<T: DeserializeOwned>(&self, expression: &str) -> T {
        self.page.evaluate(expression).await.unwrap().into_value().unwrap()
    }

    /// What stands beside each colour of each row (`times.p99`), and which piece it is (`piece`).
    pub(super) async fn figures(&self) -> BTreeMap<String, String> {
        self.value(FIGURES).await
    }

    /// Presses a key where the focus is.
    pub(super) async fn press(&self, key: &str, shift: bool) {
        for kind in [DispatchKeyEventType::KeyDown, DispatchKeyEventType::KeyUp] {
            let press = DispatchKeyEventParams::builder()
                .r#type(kind)
                .key(key)
                .modifiers(if shift { 8 } else { 0 })
                .build()
                .unwrap();
            self.page.execute(press).await.unwrap();
        }
    }

    /// Moves the pointer from one place to another with its button down.
    pub(super) async fn drag(&self, from: (f64, f64), to: (f64, f64)) {
        use DispatchMouseEventType::{MouseMoved, MousePressed, MouseReleased};
        for (kind, (x, y)) in
            [(MouseMoved, from), (MousePressed, from), (MouseMoved, to), (MouseReleased, to)]
        {
            let event = DispatchMouseEventParams::builder()
                .r#type(kind)
                .x(x)
                .y(y)
                .button(MouseButton::Left)
                .click_count(1)
                .build()
                .unwrap();
            self.page.execute(event).await.unwrap();
        }
    }

    /// Fails when the page complained, or asked for anything but itself.
    pub(super) async fn close_quiet(mut self, path: &Path) {
        // What came before this answer has arrived.
        let _: bool = self.value("true").await;
        let own = format!("file://{}", path.display());
        let asked: BTreeSet<String> =
            arrived(&mut self.requests).into_iter().map(|it| it.request.url.clone()).collect();
        let others: Vec<_> =
            asked.iter().filter(|url| **url != own && !url.starts_with("data:")).collect();
        assert!(others.is_empty(), "asked for {others:?}");
        assert!(asked.contains(&own), "the browser tells what is asked for");
        let said: Vec<String> = arrived(&mut self.console)
            .iter()
            .map(|it| format!("{it:?}"))
            .chain(arrived(&mut self.thrown).iter().map(|it| format!("{it:?}")))
            .chain(arrived(&mut self.log).iter().map(|it| format!("{it:?}")))
            .collect();
        assert!(said.is_empty(), "{said:#?}");
        self.browser.close().await.unwrap();
        self.browser.wait().await.unwrap();
    }
}

/// All that has arrived by now.
fn arrived<T>(stream: &mut (impl Stream<Item = T> + Unpin)) -> Vec<T> {
    let mut all = Vec::new();
    while let Some(Some(event)) = stream.next().now_or_never() {
        all.push(event);
    }
    all
}
