//! The status of a pod: what this host reports, merged with what the API has, as one patch.
//!
//! The status is a level. Nothing is queued: whatever happened meanwhile, the patch is the difference
//! of what is so now and what the API has.

use probelet_kube_wire::time::Timestamp;
use serde_json::{Map, Value, json};

use crate::fields::{list, text};
use crate::pod::BoundPod;

/// Conditions that the node decides. Those of other writers are never changed.
const OWN: [&str; 6] = [
    "AllContainersRestarting",
    "ContainersReady",
    "Initialized",
    "PodReadyToStartContainers",
    "PodScheduled",
    "Ready",
];
/// Fields of the status that are posted whole.
const WHOLE: [&str; 10] = [
    "containerStatuses",
    "hostIP",
    "hostIPs",
    "initContainerStatuses",
    "message",
    "observedGeneration",
    "phase",
    "podIP",
    "podIPs",
    "reason",
];
/// Lists of these fields are merged by the address, so they need an order to be replaced.
const MERGED: [&str; 2] = ["hostIPs", "podIPs"];
/// Bytes of the termination messages of a pod, as in the kubelet.
const MESSAGES: usize = 12 * 1024;

const UNKNOWN: &str = "ContainerStatusUnknown";
const NOT_LOCATED: &str = "The container could not be located when the pod was terminated";

/// The status that the API is to have. `own` is the status that this host reports of the pod.
/// `is_over` says that nothing of the pod runs or will run.
pub fn wanted(own: &Value, api: BoundPod<'_>, is_over: bool, now: Timestamp) -> Value {
    let mut status = own.clone();
    let before = api.object().pointer("/status").unwrap_or(&Value::Null);
    if is_over {
        end_containers(&mut status, now);
    }
    for field in ["containerStatuses", "initContainerStatuses"] {
        keep_ends(&mut status, before, api, field);
    }
    cut_messages(&mut status);
    let Some(fields) = status.as_object_mut() else { return status };
    if let Some(statuses) = fields.get_mut("containerStatuses").and_then(Value::as_array_mut) {
        statuses.sort_by(|one, other| text(one, "/name").cmp(text(other, "/name")));
    }
    let started = text(before, "/startTime");
    if !started.is_empty() {
        fields.insert("startTime".to_owned(), json!(started));
    }
    // The class follows from the spec, and the API has it.
    fields.remove("qosClass");
    if api.generation() > 0 {
        fields.insert("observedGeneration".to_owned(), json!(api.generation()));
    } else {
        fields.remove("observedGeneration");
    }
    if is_over {
        let phase = over_phase(fields);
        fields.insert("phase".to_owned(), json!(phase));
    }
    if api.is_terminal() {
        // No phase follows a terminal one.
        for field in ["phase", "reason", "message"] {
            match before.get(field) {
                Some(value) => fields.insert(field.to_owned(), value.clone()),
                None => fields.remove(field),
            };
        }
    }
    let is_terminal = matches!(text(&status, "/phase"), "Succeeded" | "Failed");
    own_conditions(&mut status, before, is_terminal, api, now);
    status
}

/// The status of a pod of which nothing is here: what waits for its start. `waiting` is the reason and
/// the message of its containers.
pub fn pending(api: BoundPod<'_>, waiting: (&str, &str), now: Timestamp) -> Value {
    let (reason, message) = waiting;
    let of = |field: &str| -> Vec<Value> {
        let containers = list(api.object(), &format!("/spec/{field}")).iter();
        let waiting = |container: &Value| {
            json!({
                "name": text(container, "/name"),
                "image": text(container, "/image"),
                "imageID": "",
                "ready": false,
                "started": false,
                "restartCount": 0,
                "state": {"waiting": {"reason": reason, "message": message}},
                "lastState": {},
            })
        };
        containers.map(waiting).collect()
    };
    let (init, regular) = (of("initContainers"), of("containers"));
    let names = |all: &[Value]| {
        let names: Vec<_> = all.iter().map(|one| text(one, "/name")).collect();
        names.join(" ")
    };
    let condition = |kind: &str, is_true: bool, reason: &str, message: String| {
        json!({"type": kind, "status": if is_true { "True" } else { "False" },
            "reason": reason, "message": message})
    };
    let unready = || format!("containers with unready status: [{}]", names(&regular));
    let initialized = match init.is_empty() {
        true => condition("Initialized", true, "", String::new()),
        false => {
            let text = format!("containers with incomplete status: [{}]", names(&init));
            condition("Initialized", false, "ContainersNotInitialized", text)
        }
    };
    json!({
        "phase": "Pending",
        "startTime": now.to_seconds_text(),
        "conditions": [
            condition("PodReadyToStartContainers", false, "", String::new()),
            initialized,
            condition("Ready", false, "ContainersNotReady", unready()),
            condition("ContainersReady", false, "ContainersNotReady", unready()),
            condition("PodScheduled", true, "", String::new()),
        ],
        "initContainerStatuses": init,
        "containerStatuses": regular,
    })
}

/// The status of a pod that this node does not admit.
pub fn rejected(reason: &str, message: &str, now: Timestamp) -> Value {
    json!({
        "phase": "Failed",
        "reason": reason,
        "message": format!("Pod was rejected: {message}"),
        "startTime": now.to_seconds_text(),
    })
}

/// The patch that gives the API this status; `None` if it has it. The UID is a precondition: the pod of
/// another UID has another status.
pub fn patch(api: BoundPod<'_>, wanted: &Value) -> Option<Value> {
    let before = api.object().pointer("/status").unwrap_or(&Value::Null);
    let mut changed = Map::new();
    for field in WHOLE {
        let (old, new) = (plain(before.get(field)), plain(wanted.get(field)));
        if old == new {
            continue;
        }
        let mut value = wanted.get(field).cloned().unwrap_or(Value::Null);
        if let Some(items) = value.as_array_mut().filter(|_| MERGED.contains(&field)) {
            items.push(json!({"$patch": "replace"}));
        }
        changed.insert(field.to_owned(), value);
    }
    if text(before, "/startTime").is_empty()
        && let Some(started) = wanted.get("startTime")
    {
        changed.insert("startTime".to_owned(), started.clone());
    }
    let conditions = changed_conditions(before, wanted);
    if !conditions.is_empty() {
        changed.insert("conditions".to_owned(), json!(conditions));
    }
    (!changed.is_empty()).then(|| json!({"metadata": {"uid": api.uid()}, "status": changed}))
}

fn changed_conditions(before: &Value, wanted: &Value) -> Vec<Value> {
    let (old, new) = (list(before, "/conditions"), list(wanted, "/conditions"));
    let is_own = |condition: &&Value| OWN.contains(&text(condition, "/type"));
    let of = |all: &'_ [Value], kind: &str| {
        all.iter().find(|condition| text(condition, "/type") == kind).cloned()
    };
    let shape = |condition: Option<Value>| {
        let mut condition = condition.unwrap_or_default();
        if let Some(fields) = condition.as_object_mut() {
            // Servers before 1.33 drop the generation, and nothing follows from the times.
            for field in ["lastProbeTime", "lastTransitionTime", "observedGeneration"] {
                fields.remove(field);
            }
        }
        plain(Some(&condition))
    };
    let differs = |condition: &&Value| {
        shape(of(old, text(condition, "/type"))) != shape(Some(Value::clone(condition)))
    };
    let changed = new.iter().filter(is_own).filter(differs).cloned();
    let vanished = old.iter().filter(is_own).map(|condition| text(condition, "/type"));
    let vanished = vanished.filter(|kind| of(new, kind).is_none());
    let vanished = vanished.map(|kind| json!({"$patch": "delete", "type": kind}));
    changed.chain(vanished).collect()
}

/// A value without what Go writes for fields that are not set, so that both writers' objects compare.
fn plain(value: Option<&Value>) -> Value {
    match value {
        Some(Value::Object(fields)) => {
            let fields = fields.iter().map(|(key, value)| (key.clone(), plain(Some(value))));
            let fields: Map<_, _> = fields.filter(|(_, value)| !value.is_null()).collect();
            if fields.is_empty() { Value::Null } else { Value::Object(fields) }
        }
        Some(Value::Array(items)) if items.is_empty() => Value::Null,
        Some(Value::Array(items)) => items.iter().map(|item| plain(Some(item))).collect(),
        Some(Value::String(text)) if text.is_empty() => Value::Null,
        Some(other) => other.clone(),
        None => Value::Null,
    }
}

fn statuses_mut(status: &mut Value) -> impl Iterator<Item = &mut Value> {
    let fields = status.as_object_mut().into_iter().flatten();
    let lists = fields.filter(|(field, _)| {
        matches!(field.as_str(), "containerStatuses" | "initContainerStatuses")
    });
    lists.filter_map(|(_, list)| list.as_array_mut()).flatten()
}

/// Gives each container an end: one that never began, or whose end was not seen, is lost.
fn end_containers(status: &mut Value, now: Timestamp) {
    for container in statuses_mut(status) {
        if container.pointer("/state/terminated").is_some() {
            continue;
        }
        let last = container.pointer("/lastState/terminated").cloned();
        let ended = last.unwrap_or_else(|| {
            json!({
                "exitCode": 137, "reason": UNKNOWN, "message": NOT_LOCATED,
                "startedAt": null, "finishedAt": now.to_seconds_text(),
            })
        });
        let Some(fields) = container.as_object_mut() else { continue };
        fields.insert("state".to_owned(), json!({"terminated": ended}));
        fields.insert("lastState".to_owned(), json!({}));
        fields.insert("ready".to_owned(), json!(false));
        fields.insert("started".to_owned(), json!(false));
    }
}

/// The phase of a pod whose containers have all ended.
fn over_phase(status: &Map<String, Value>) -> &'static str {
    // A pod that failed as a whole, such as by its deadline, says so.
    let has_failed = status.get("phase").and_then(Value::as_str) == Some("Failed");
    let regular = status.get("containerStatuses").and_then(Value::as_array);
    let regular = regular.map(Vec::as_slice).unwrap_or_default();
    let succeeded = |container: &Value| {
        container.pointer("/state/terminated/exitCode").and_then(Value::as_i64) == Some(0)
    };
    let all_succeeded = !regular.is_empty() && regular.iter().all(succeeded);
    if all_succeeded && !has_failed { "Succeeded" } else { "Failed" }
}

/// A container that ended for good stays ended: a status which contradicts that is not posted.
fn keep_ends(status: &mut Value, before: &Value, api: BoundPod<'_>, field: &str) {
    let policy = text(api.object(), "/spec/restartPolicy");
    let spec_list = if field == "containerStatuses" { "containers" } else { "initContainers" };
    let old = list(before, &format!("/{field}")).to_vec();
    let restarts = |name: &str, exit_code: i64| {
        let containers = list(api.object(), &format!("/spec/{spec_list}"));
        let spec = containers.iter().find(|one| text(one, "/name") == name);
        let own = spec.map(|spec| text(spec, "/restartPolicy")).filter(|own| !own.is_empty());
        let has_rules = spec.is_some_and(|it| !list(it, "/restartPolicyRules").is_empty());
        match own.unwrap_or(policy) {
            _ if has_rules => true,
            "Never" => false,
            "OnFailure" => exit_code != 0,
            _ => true,
        }
    };
    let Some(new) = status.get_mut(field).and_then(Value::as_array_mut) else { return };
    for container in new {
        let name = text(container, "/name").to_owned();
        let Some(old) = old.iter().find(|old| text(old, "/name") == name) else { continue };
        let Some(ended) = old.pointer("/state/terminated") else { continue };
        let exit_code = ended.get("exitCode").and_then(Value::as_i64).unwrap_or_default();
        // An end that was lost may be found after all.
        let was_lost = text(ended, "/reason") == UNKNOWN;
        let is_ended = container.pointer("/state/terminated").is_some();
        if !is_ended && !was_lost && !restarts(&name, exit_code) {
            *container = old.clone();
        }
    }
}

/// Cuts the termination messages so that those of all containers fit.
fn cut_messages(status: &mut Value) {
    let count = statuses_mut(status).count().max(1);
    let most = MESSAGES / count;
    for container in statuses_mut(status) {
        for state in ["/state/terminated/message", "/lastState/terminated/message"] {
            if let Some(Value::String(message)) = container.pointer_mut(state)
                && message.len() > most
            {
                let end = (0..=most).rev().find(|at| message.is_char_boundary(*at));
                message.truncate(end.unwrap_or_default());
            }
        }
    }
}

/// The node's conditions, each with the time of its last change as the API has it.
fn own_conditions(
    status: &mut Value,
    before: &Value,
    is_terminal: bool,
    api: BoundPod<'_>,
    now: Timestamp,
) {
    let succeeded = text(status, "/phase") == "Succeeded";
    let Some(conditions) = status.get_mut("conditions").and_then(Value::as_array_mut) else {
        return;
    };
    conditions.retain(|condition| OWN.contains(&text(condition, "/type")));
    for condition in conditions {
        let kind = text(condition, "/type").to_owned();
        let is_ready = matches!(kind.as_str(), "Ready" | "ContainersReady");
        let Some(fields) = condition.as_object_mut() else { continue };
        if is_terminal && is_ready {
            let reason = if succeeded { "PodCompleted" } else { "PodFailed" };
            fields.insert("status".to_owned(), json!("False"));
            fields.insert("reason".to_owned(), json!(reason));
            fields.remove("message");
        }
        if api.generation() > 0 {
            fields.insert("observedGeneration".to_owned(), json!(api.generation()));
        }
        let mut old = list(before, "/conditions").iter();
        let same =
            old.find(|old| text(old, "/type") == kind && old.get("status") == fields.get("status"));
        let since = same.map(|same| text(same, "/lastTransitionTime")).filter(|at| !at.is_empty());
        let own = fields.get("lastTransitionTime").and_then(Value::as_str).unwrap_or_default();
        let own = Timestamp::parse(own).unwrap_or(now).to_seconds_text();
        fields.insert("lastTransitionTime".to_owned(), json!(since.unwrap_or(&own)));
    }
}

#[cfg(test)]
mod tests;
