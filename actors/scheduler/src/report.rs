//! What a pod and those around it are told about a decision.

use crate::batch::Failure;
use k8s_openapi::api::core::v1::{Pod, PodCondition};
use podium_controllers::{Plan, PlannedWrite, View, pods, resource, time, view::Item, write};
use podium_types::{Key, Timestamp};
use serde_json::{Value, json};
use std::sync::Arc;

/// The condition that says whether a pod has a node.
pub const SCHEDULED: &str = "PodScheduled";
/// Its reason where no node will do.
pub const UNSCHEDULABLE: &str = "Unschedulable";
/// Its reason where gates keep the pod.
pub const GATED: &str = "SchedulingGated";
/// Its message then.
pub const GATED_MESSAGE: &str = "Scheduling is blocked due to non-empty scheduling gates";

/// Gives a pod its node: the very one that was looked at, not another that came by its name since.
pub fn bind(view: &View, pod: &Item<Pod>, node: &str, plan: &mut Plan) {
    let uid = view.nodes.get(&Key::new("", node)).map(|node| node.uid());
    plan.writes.push(PlannedWrite::Patch {
        resource: resource::PODS,
        subresource: "binding",
        key: pod.key().clone(),
        uid: pod.uid().to_owned(),
        revision: None,
        patch: json!({"target": {"kind": "Node", "name": node, "uid": uid}}),
    });
    let message = format!("Successfully assigned {} to {node}", pod.key());
    plan.events.push(write::event(pod, "Normal", "Scheduled", message));
}

/// Says on a pod why gates keep it, unless it says so already.
pub fn gate(pod: &Item<Pod>, now: Timestamp, plan: &mut Plan) {
    if let Some(conditions) = told(pod, GATED, GATED_MESSAGE, now) {
        plan.writes.push(status(pod, json!({"conditions": conditions})));
    }
}

/// Says on a pod why it waits, unless it says so already, and makes the room that was found.
pub fn fail(pod: &Item<Pod>, failure: &Failure<'_>, profile: &str, now: Timestamp, plan: &mut Plan) {
    let mut change = serde_json::Map::new();
    let before = crate::ask::nominated(pod).unwrap_or_default();
    if let Some(node) = failure.nominated.as_ref().filter(|node| *node != before) {
        let name = if node.is_empty() { Value::Null } else { json!(node) };
        change.insert("nominatedNodeName".to_owned(), name);
    }
    if let Some(conditions) = told(pod, UNSCHEDULABLE, &failure.why, now) {
        change.insert("conditions".to_owned(), json!(conditions));
        plan.events.push(write::event(pod, "Warning", "FailedScheduling", failure.why.clone()));
    }
    if !change.is_empty() {
        plan.writes.push(status(pod, Value::Object(change)));
    }
    for other in &failure.displaced {
        plan.writes.push(status(other, json!({"nominatedNodeName": null})));
    }
    for victim in failure.victims.iter().filter(|victim| !victim.deleting()) {
        evict(pod, victim, failure.nominated.as_deref().unwrap_or_default(), profile, now, plan);
    }
}

fn evict(pod: &Item<Pod>, victim: &Arc<Item<Pod>>, node: &str, profile: &str, now: Timestamp, plan: &mut Plan) {
    let message = format!("{profile}: preempting to accommodate a higher priority pod");
    let conditions = pods::disrupted(victim, "PreemptionByScheduler", &message, now);
    plan.writes.push(status(victim, json!({"conditions": conditions})));
    plan.writes.push(write::delete(resource::PODS, victim));
    let message = format!("Preempted by pod {} on node {node}", pod.uid());
    plan.events.push(write::event(victim.as_ref(), "Normal", "Preempted", message));
}

/// The node that the volumes of these claims are to be made for.
pub fn select(view: &View, claims: &[Key], node: &str, plan: &mut Plan) {
    let Some(kind) = resource::lookup("persistentvolumeclaims") else { return };
    for claim in claims.iter().filter_map(|key| view.header(kind, key)) {
        plan.writes.push(PlannedWrite::Patch {
            resource: kind,
            subresource: "",
            key: claim.key().clone(),
            uid: claim.object.uid.clone(),
            revision: Some(claim.object.revision),
            patch: json!({"metadata": {"annotations": {podium_controllers::storage::SELECTED_NODE: node}}}),
        });
    }
}

fn status(pod: &Item<Pod>, change: Value) -> PlannedWrite {
    write::patch(resource::PODS, "status", pod, json!({"status": change}))
}

/// The conditions of a pod that has no node for that reason; `None` where they say so already.
fn told(pod: &Item<Pod>, reason: &str, message: &str, now: Timestamp) -> Option<Vec<PodCondition>> {
    let generation = pod.meta().generation;
    let old = pods::condition(pod, SCHEDULED).filter(|old| old.status == "False");
    let same = |old: &&PodCondition| {
        old.reason.as_deref() == Some(reason)
            && old.message.as_deref() == Some(message)
            && old.observed_generation == generation
    };
    if old.filter(same).is_some() {
        return None;
    }
    let since = old.and_then(|old| old.last_transition_time.clone());
    let condition = PodCondition {
        type_: SCHEDULED.to_owned(),
        status: "False".to_owned(),
        reason: Some(reason.to_owned()),
        message: Some(message.to_owned()),
        last_transition_time: since.or_else(|| Some(time::stamp(now))),
        observed_generation: generation,
        ..PodCondition::default()
    };
    let mut conditions = pod.status.as_ref().and_then(|status| status.conditions.clone()).unwrap_or_default();
    conditions.retain(|condition| condition.type_ != SCHEDULED);
    conditions.push(condition);
    Some(conditions)
}
