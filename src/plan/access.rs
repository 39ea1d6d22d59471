//! TLS and passwords of nodes: what is asked for, and what does not go with it.

use super::error::{FileError, PlanError};
use super::model::{FaultPlan, Plan};
use super::source::{TomlTable, TomlValue};
use crate::lab::timeline::After;
use crate::lab::{UNREADABLE, refusal};
use crate::proxy::fault::is_message;
use crate::secure::access::Access;

/// Reads what nodes ask for, or what a driver can.
pub(super) fn read(table: &TomlTable<'_>) -> Result<Access, FileError> {
    Access::read(|key| Ok(table.optional(key, TomlValue::flag)?.unwrap_or_default()))
}

/// The plan, if it can be had with what its nodes ask of who connects; `table` is the scenario's.
pub(super) fn checked(plan: Plan, table: &TomlTable<'_>) -> Result<Plan, PlanError> {
    let access = plan.nodes.access;
    let Some(why) = (!access.is_open()).then(|| refused(&plan, access)).flatten() else {
        return Ok(plan);
    };
    let nodes = table.get("nodes");
    let written = nodes.as_ref().and_then(|nodes| nodes.table().ok());
    let key = written.and_then(|nodes| access.asked().find_map(|key| nodes.get(key)));
    Err(match key {
        Some(key) => key.error_at_key(why).into(),
        None => PlanError::Option(format!("{}: {why}", access.words())),
    })
}

fn refused(plan: &Plan, access: Access) -> Option<String> {
    if let Some(why) = refusal(&plan.nodes, plan.elsewhere.is_some(), plan.network) {
        return Some(why.to_owned());
    }
    if let Some(driver) = &plan.driver {
        let can = |key: &&str| driver.access.asked().any(|it| it == *key);
        if let Some(key) = access.asked().find(|key| !can(key)) {
            return Some(format!(
                "the file of the client {} does not say that its driver can: write `{key} = true` into its \
                 [driver] when it can, or name another client",
                plan.client_profile
            ));
        }
        if access.tls && plan.workload.border_keys.is_some() {
            let name = &plan.workload.name;
            return Some(format!(
                "{UNREADABLE}, so nobody sees which keys of the workload {name} a driver's client sends that \
                 memcached does not take; name another workload"
            ));
        }
        if access.tls && plan.nodes.count > 1 {
            return Some(format!(
                "{UNREADABLE}, so nobody sees at which node the client of a driver puts a key; write `count = 1` \
                 in [nodes]"
            ));
        }
    }
    let of_messages = plan.faults.iter().find(|it| is_message(&it.spec.fault.kind));
    let counts = |it: &&FaultPlan| {
        matches!(it.spec.after, Some(After::Requests(_))) || it.spec.until_touched.is_some()
    };
    let counting = plan.faults.iter().find(counts);
    match (access.tls, of_messages, counting) {
        (true, Some(fault), _) => Some(format!(
            "the fault `{}` ({}) is of single requests and replies, and {UNREADABLE}; leave one of the two out",
            fault.spec.name, fault.spec.fault.kind
        )),
        (true, None, Some(fault)) => Some(format!(
            "the fault `{}` counts requests, and {UNREADABLE}; give it `at` and `for`",
            fault.spec.name
        )),
        _ => None,
    }
}
