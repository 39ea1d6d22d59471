//! A workload: when operations start, on which keys, with which values, and which operations.

use std::time::Duration;

use super::error::{FileError, PlanError};
use super::source::{TomlTable, TomlValue};
use super::text::TomlText;
use super::{http, life, trace};
use crate::base::family::{Chosen, Settings, Value};
use crate::base::units::Ratio;
use crate::event::Operation;
use crate::load::arrival::ARRIVALS;
use crate::load::keys::KEYS;
use crate::load::values::VALUES;
use crate::load::{Cancel, MULTI_GET_KEYS_MAX, Mix, OriginSpec, RateWish, WEIGHT_MAX, Workload};

const TABLE_KEYS: [&str; 11] = [
    "name", "summary", "arrival", "keys", "values", "mix", "options", "origin", "cancel", "http",
    "trace",
];
/// What a workload has that asks a service: values and operations are the service's own.
const SERVICE_KEYS: [&str; 5] = ["name", "summary", "arrival", "keys", "http"];
/// What a workload has that replays a trace, which says the rest.
const TRACE_KEYS: [&str; 6] = ["name", "summary", "trace", "options", "origin", "cancel"];
const OPTION_KEYS: [&str; 5] =
    ["multi_get_keys", "ttl", "border_keys", "read_back", "fill_after_miss"];
const CANCEL_KEYS: [&str; 2] = ["after", "share"];
const ORIGIN_KEYS: [&str; 3] = ["latency", "capacity", "queue"];

/// The longest queue of an origin: each load that waits holds a worker.
const ORIGIN_QUEUE_MAX: u64 = 10_000;

/// Reads a workload's table; `name` is what it is called unless it says so itself. Of a trace is read what
/// a run of this length needs.
pub(super) fn read(
    table: &TomlTable<'_>,
    name: &str,
    length: Duration,
) -> Result<Workload, FileError> {
    if let Some(node) = table.get("http") {
        return read_service(table, &node, name);
    }
    if let Some(node) = table.get("trace") {
        return read_replay(table, &node, name, length);
    }
    table.only("key", &TABLE_KEYS)?;
    let name = table.get("name").map_or(Ok(name), |node| node.name())?;
    let summary = table.need("summary", "what the workload is, in one line")?.text()?;
    let arrival = table.need("arrival", "such as `constant = { rate = \"2000/s\" }`")?;
    let keys = table.need("keys", "such as `uniform = { count = 10000 }`")?;
    let values = table.need("values", "such as `fixed = { size = \"100B\" }`")?;
    let mut workload = Workload {
        name: name.to_owned(),
        summary: summary.to_owned(),
        arrival: arrival.chosen(&ARRIVALS)?,
        keys: keys.chosen(&KEYS)?,
        values: values.chosen(&VALUES)?,
        mix: read_mix(table)?,
        multi_get_keys: 8,
        ttl: Vec::new(),
        border_keys: None,
        read_back: None,
        fill_after_miss: true,
        origin: table.optional("origin", read_origin)?,
        cancel: table.optional("cancel", read_cancel)?,
        http: None,
        replay: None,
    };
    if let Some(node) = table.get("options") {
        let options = node.table()?;
        options.only("option", &OPTION_KEYS)?;
        read_options(&options, &mut workload)?;
    }
    Ok(workload)
}

/// A workload that replays a trace. What was stored after a miss is in the trace, so that nothing is
/// stored beside it unless the file says so.
fn read_replay(
    table: &TomlTable<'_>,
    node: &TomlValue<'_>,
    name: &str,
    length: Duration,
) -> Result<Workload, FileError> {
    table.only("key beside `trace`", &TRACE_KEYS)?;
    let summary = table.need("summary", "what the workload is, in one line")?.text()?;
    let replay = trace::read(node, length)?;
    let operations = replay.recording.facts().operations.iter();
    let mut workload = Workload {
        name: table.get("name").map_or(Ok(name), |node| node.name())?.to_owned(),
        summary: summary.to_owned(),
        mix: operations.map(|(operation, _)| (*operation, 1)).collect(),
        fill_after_miss: false,
        origin: table.optional("origin", read_origin)?,
        cancel: table.optional("cancel", read_cancel)?,
        replay: Some(replay),
        ..Workload::default()
    };
    if let Some(node) = table.get("options") {
        let options = node.table()?;
        options.only("option beside `trace`", &["fill_after_miss"])?;
        read_options(&options, &mut workload)?;
    }
    Ok(workload)
}

/// A workload that asks a service. Keys fill in its requests; ten thousand, each as often as any other,
/// where the file says nothing.
fn read_service(
    table: &TomlTable<'_>,
    node: &TomlValue<'_>,
    name: &str,
) -> Result<Workload, FileError> {
    table.only("key beside `http`", &SERVICE_KEYS)?;
    let usual = Workload::default();
    let mut uniform = Chosen { kind: "uniform".to_owned(), settings: Settings::default() };
    uniform.settings.insert("count", Value::Integer(10_000));
    let summary = table.need("summary", "what the workload is, in one line")?.text()?;
    let arrival = table.need("arrival", "such as `constant = { rate = \"100/s\" }`")?;
    Ok(Workload {
        name: table.get("name").map_or(Ok(name), |node| node.name())?.to_owned(),
        summary: summary.to_owned(),
        arrival: arrival.chosen(&ARRIVALS)?,
        keys: table.optional("keys", |node| node.chosen(&KEYS))?.unwrap_or(uniform),
        // Each operation is one of the requests: a key is drawn for it as for a read.
        mix: vec![(Operation::Get, 1)],
        http: Some(http::read(node)?),
        ..usual
    })
}

/// Refuses a client beside a service.
pub(super) fn check_client(workload: &Workload, is_named: bool) -> Result<(), PlanError> {
    if workload.http.is_none() || !is_named {
        return Ok(());
    }
    Err(PlanError::Option(format!(
        "the workload {} asks a service, whose client is its own; leave -client out, or -workload",
        workload.name
    )))
}

/// Whether so many workers can do it. What it needs of them is the load's own knowledge.
pub(super) fn check_parts(
    workload: &Workload,
    rate: Option<RateWish>,
    workers: u32,
) -> Result<(), PlanError> {
    let parts = workload.parts(rate, workers).map(drop);
    parts.map_err(|error| PlanError::Option(format!("the workload {}: {error}", workload.name)))
}

fn read_mix(table: &TomlTable<'_>) -> Result<Vec<(Operation, u32)>, FileError> {
    let mix = table.need("mix", "operations and their weights, such as `get = 90`")?;
    let weights = mix.table()?;
    weights.only("operation", Operation::NAMES)?;
    let mut read = Vec::new();
    // In the order of the operations, so that the same mix is always the same plan.
    for &operation in Operation::ALL {
        if let Some(node) = weights.get(operation.name()) {
            let weight = node.count(1..=u64::from(WEIGHT_MAX))?;
            read.push((operation, u32::try_from(weight).unwrap_or(WEIGHT_MAX)));
        }
    }
    Mix::new(&read).map_err(|error| mix.error_at_key(error.to_string()))?;
    Ok(read)
}

fn read_options(options: &TomlTable<'_>, workload: &mut Workload) -> Result<(), FileError> {
    if let Some(node) = options.get("multi_get_keys") {
        workload.multi_get_keys =
            u32::try_from(node.count(1..=MULTI_GET_KEYS_MAX.into())?).unwrap_or(u32::MAX);
    }
    if let Some(node) = options.get("ttl") {
        workload.ttl = life::read(&node)?;
    }
    if let Some(node) = options.get("border_keys") {
        let share = node.parsed::<Ratio>("a ratio such as \"20%\"")?.value();
        workload.border_keys = Some(share).filter(|share| *share > 0.0);
    }
    if let Some(node) = options.get("read_back") {
        let share = node.parsed::<Ratio>("a ratio such as \"20%\"")?.value();
        workload.read_back = Some(share).filter(|share| *share > 0.0);
    }
    if let Some(node) = options.get("fill_after_miss") {
        workload.fill_after_miss = node.flag()?;
    }
    Ok(())
}

fn read_origin(node: &TomlValue<'_>) -> Result<OriginSpec, FileError> {
    let table = node.table()?;
    table.only("setting of origin", &ORIGIN_KEYS)?;
    let need = |key| table.need(key, "an origin has a latency, a capacity and a queue");
    let queue = need("queue")?.count(0..=ORIGIN_QUEUE_MAX)?;
    Ok(OriginSpec {
        latency: need("latency")?.duration()?,
        capacity: need("capacity")?.parsed("a rate such as \"200/s\"")?,
        queue: u32::try_from(queue).unwrap_or(u32::MAX),
    })
}

fn read_cancel(node: &TomlValue<'_>) -> Result<Cancel, FileError> {
    let table = node.table()?;
    table.only("setting of cancel", &CANCEL_KEYS)?;
    let need = |key| table.need(key, "such as `cancel = { after = \"100ms\", share = \"5%\" }`");
    let share = need("share")?.parsed::<Ratio>("a ratio such as \"5%\"")?.value();
    Ok(Cancel { after: need("after")?.duration()?, share })
}

/// Prints a workload as the table at `[path]`.
pub(super) fn print(text: &mut TomlText, path: &str, workload: &Workload) {
    text.table(path);
    text.string("name", &workload.name);
    text.string("summary", &workload.summary);
    if let Some(replay) = &workload.replay {
        trace::print(text, path, replay);
        text.table(&format!("{path}.options"));
        text.value("fill_after_miss", &workload.fill_after_miss.to_string());
        print_caller(text, path, workload);
        return;
    }
    text.table(&format!("{path}.arrival"));
    text.chosen(&workload.arrival, &ARRIVALS);
    text.table(&format!("{path}.keys"));
    text.chosen(&workload.keys, &KEYS);
    if let Some(spec) = &workload.http {
        http::print(text, &format!("{path}.http"), spec);
        return;
    }
    text.table(&format!("{path}.values"));
    text.chosen(&workload.values, &VALUES);
    text.table(&format!("{path}.mix"));
    for (operation, weight) in &workload.mix {
        text.value(operation.name(), &weight.to_string());
    }
    text.table(&format!("{path}.options"));
    text.value("multi_get_keys", &workload.multi_get_keys.to_string());
    text.value("ttl", &life::text(&workload.ttl));
    if let Some(share) = workload.border_keys {
        text.string("border_keys", &Ratio::new(share).unwrap_or_default().to_string());
    }
    if let Some(share) = workload.read_back {
        text.string("read_back", &Ratio::new(share).unwrap_or_default().to_string());
    }
    text.value("fill_after_miss", &workload.fill_after_miss.to_string());
    print_caller(text, path, workload);
}

/// Prints what whoever asks does besides: where it gets values from, and which calls it abandons.
fn print_caller(text: &mut TomlText, path: &str, workload: &Workload) {
    if let Some(origin) = &workload.origin {
        text.table(&format!("{path}.origin"));
        text.duration("latency", origin.latency);
        text.string("capacity", &origin.capacity.to_string());
        text.value("queue", &origin.queue.to_string());
    }
    if let Some(cancel) = &workload.cancel {
        text.table(&format!("{path}.cancel"));
        text.duration("after", cancel.after);
        text.string("share", &Ratio::new(cancel.share).unwrap_or_default().to_string());
    }
}
