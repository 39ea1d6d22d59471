//! What is written of the metrics: the table, the rules, the dashboards.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use harness::base::scope::Scope;
use harness::base::seed::Seed;
use harness::control::{self, ApiOptions};
use harness::event::Events;
use harness::metrics::FAMILIES;
use harness::proxy::ProxySet;
use serde::Deserialize;
use serde_json::Value;

/// A file of the package.
pub(super) fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

pub(super) fn text(name: &str) -> String {
    std::fs::read_to_string(path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

pub(super) const DASHBOARDS: [&str; 3] =
    ["metrics/grafana/run.json", "metrics/grafana/soak.json", "metrics/grafana/proxies.json"];

/// Catches a metric that nobody can look up, one that is described and not there, and one that is described
/// as something else.
#[test]
fn every_metric_is_in_the_table() {
    let text = text("docs/metrics.md");
    let rows = text.lines().filter_map(|line| {
        let mut cells = line.strip_prefix("| `harness_")?.split('|').map(str::trim);
        let name = format!("harness_{}", cells.next()?.trim_end_matches('`'));
        let (kind, labels) = (cells.next()?.to_owned(), cells.next()?.to_owned());
        assert!(cells.next().is_some_and(|what| !what.is_empty()), "{name} says nothing");
        Some((name, (kind, labels)))
    });
    let described: BTreeMap<String, (String, String)> = rows.collect();
    let row = |family: &&harness::metrics::Family| {
        (family.name.to_owned(), (family.kind.name().to_owned(), family.labels.join(", ")))
    };
    let served: BTreeMap<String, (String, String)> = FAMILIES.iter().map(row).collect();
    assert_eq!(described, served);
}

/// Names of metrics in a text, and of what rules record.
fn names(text: &str) -> BTreeSet<String> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    let words = text.split(|c| !is_part(c));
    let begins = ["harness_", "harness:", "toxiproxy_"];
    words.filter(|word| begins.iter().any(|it| word.starts_with(it))).map(str::to_owned).collect()
}

/// What can be asked for: the metrics of a run, those of a control API, and what the rules record.
async fn known() -> BTreeSet<String> {
    let scope = Scope::current("test");
    let set = ProxySet::new(Seed::new(1), Events::ignore(), &scope);
    let options = ApiOptions { proxy_metrics: true, ..ApiOptions::default() };
    let listener = control::bind("127.0.0.1", 0).await.unwrap();
    let address = control::serve(listener, set, options, &scope).unwrap().to_string();
    let asked = tokio::task::spawn_blocking(move || super::get(&address, "/metrics", "*/*").2);
    let page = String::from_utf8(asked.await.unwrap()).unwrap();
    let of_api = page.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next());
    let rules = text("metrics/alerts.yml");
    let recorded = rules.lines().filter_map(|line| line.trim().strip_prefix("- record: "));
    let of_runs = FAMILIES.iter().map(|family| family.name);
    let all = of_runs.chain(of_api).chain(recorded);
    let all = all.flat_map(|name| {
        // Histograms and summaries have these besides.
        ["", "_bucket", "_count", "_sum"].map(|ending| format!("{name}{ending}"))
    });
    let all = all.collect();
    scope.cancel();
    all
}

/// Catches a rule, a panel or a variable that asks for what nobody serves, and shows nothing for ever.
#[tokio::test]
async fn rules_and_dashboards_ask_for_what_there_is() {
    let known = known().await;
    let mut asked = names(&text("metrics/alerts.yml"));
    for file in DASHBOARDS {
        let board: Dashboard = read(file);
        for query in queries(&board) {
            let named = names(&query);
            assert!(!named.is_empty(), "{file}: {query}");
            asked.extend(named);
        }
    }
    let unknown: Vec<&String> = asked.difference(&known).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}

pub(super) fn read(file: &str) -> Dashboard {
    serde_json::from_str(&text(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// What the panels and variables of a dashboard ask.
pub(super) fn queries(board: &Dashboard) -> Vec<String> {
    let panels = board.panels.iter().flat_map(|panel| &panel.targets);
    let variables = board.templating.list.iter();
    let variables = variables.filter_map(|it| Some(it.query.get("query")?.as_str()?.to_owned()));
    panels.map(|target| target.expr.clone()).chain(variables).collect()
}

/// A dashboard, as Grafana's documentation of its JSON model has it: what is not here would be a mistake.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Dashboard {
    uid: String,
    title: String,
    description: String,
    tags: Vec<String>,
    schema_version: u32,
    #[serde(rename = "version")]
    _version: u32,
    #[serde(rename = "editable")]
    _editable: bool,
    graph_tooltip: u8,
    #[serde(rename = "refresh")]
    _refresh: String,
    #[serde(rename = "time")]
    _time: Range,
    #[serde(rename = "timezone")]
    _timezone: String,
    #[serde(rename = "annotations")]
    _annotations: Lists,
    #[serde(rename = "links")]
    _links: Vec<Value>,
    templating: Templating,
    pub(super) panels: Vec<Panel>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Range {
    #[serde(rename = "from")]
    _from: String,
    #[serde(rename = "to")]
    _to: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Lists {
    #[serde(rename = "list")]
    _list: Vec<Value>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Templating {
    list: Vec<Variable>,
}

#[derive(Debug, Deserialize)]
struct Variable {
    name: String,
    #[serde(rename = "type")]
    kind: String,
    query: Value,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Panel {
    id: u32,
    #[serde(rename = "type")]
    kind: String,
    pub(super) title: String,
    #[serde(default, rename = "description")]
    _description: String,
    grid_pos: Place,
    #[serde(default)]
    datasource: Option<Value>,
    #[serde(default)]
    field_config: Option<Fields>,
    #[serde(default)]
    pub(super) targets: Vec<Target>,
    #[serde(default, rename = "options")]
    _options: Value,
    #[serde(default, rename = "transformations")]
    _transformations: Vec<Value>,
    #[serde(default, rename = "collapsed")]
    _collapsed: bool,
    #[serde(default, rename = "panels")]
    _panels: Vec<Value>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields {
    #[serde(rename = "defaults")]
    _defaults: Value,
    #[serde(rename = "overrides")]
    _overrides: Vec<Value>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Place {
    x: u32,
    y: u32,
    w: u32,
    h: u32,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Target {
    ref_id: String,
    datasource: Value,
    pub(super) expr: String,
    #[serde(rename = "legendFormat")]
    _legend_format: String,
    #[serde(default)]
    instant: bool,
    range: bool,
    #[serde(default, rename = "format")]
    _format: Option<String>,
}

/// Kinds of panels that every Grafana has.
const KINDS: [&str; 6] = ["row", "stat", "timeseries", "state-timeline", "table", "bargauge"];

/// Catches a dashboard that Grafana does not take or draws wrongly: fields that it has not, panels that share a
/// number or a place, a query without a source.
#[test]
fn dashboards_are_what_grafana_reads() {
    let mut uids = BTreeSet::new();
    for file in DASHBOARDS {
        let board = read(file);
        assert!(uids.insert(board.uid.clone()) && board.uid.len() <= 40, "{file}");
        assert!(
            !board.title.is_empty() && !board.description.is_empty() && board.graph_tooltip <= 2
        );
        assert!(board.schema_version >= 39 && !board.tags.is_empty(), "{file}");
        let variables: BTreeSet<&str> =
            board.templating.list.iter().map(|it| it.name.as_str()).collect();
        assert_eq!(board.templating.list[0].kind, "datasource", "{file}");
        let mut ids = BTreeSet::new();
        for panel in &board.panels {
            let (title, place) = (&panel.title, panel.grid_pos);
            assert!(ids.insert(panel.id) && !title.is_empty(), "{file}: {title}");
            assert!(KINDS.contains(&panel.kind.as_str()), "{file}: {title}");
            assert!(place.w > 0 && place.h > 0 && place.x + place.w <= 24, "{file}: {title}");
            let is_row = panel.kind == "row";
            assert_eq!(panel.targets.is_empty(), is_row, "{file}: {title}");
            assert_eq!(panel.field_config.is_none(), is_row, "{file}: {title}");
            let source = panel.targets.iter().map(|target| &target.datasource);
            let uid = source.chain(&panel.datasource).map(|it| it["uid"].as_str());
            assert!(uid.into_iter().all(|uid| uid == Some("${datasource}")), "{file}: {title}");
            let letters: BTreeSet<&str> =
                panel.targets.iter().map(|target| target.ref_id.as_str()).collect();
            assert_eq!(letters.len(), panel.targets.len(), "{file}: {title}");
            for target in &panel.targets {
                assert_ne!(target.instant, target.range, "{file}: {title}");
                let used = target.expr.split('$').skip(1).map(|rest| {
                    rest.split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default()
                });
                assert!(used.into_iter().all(|name| variables.contains(name)), "{file}: {title}");
            }
        }
        let places: Vec<Place> = board.panels.iter().map(|panel| panel.grid_pos).collect();
        for (index, one) in places.iter().enumerate() {
            for other in &places[index + 1..] {
                let apart = one.x + one.w <= other.x
                    || other.x + other.w <= one.x
                    || one.y + one.h <= other.y
                    || other.y + other.h <= one.y;
                assert!(apart, "{file}: {one:?} and {other:?}");
            }
        }
    }
}
