//! Whether a node still gives signs of life.

use super::{GRACE_SECONDS, LEASE_NAMESPACE};
use crate::{Plan, View, pods, resource, time, view::Item, write};
use k8s_openapi::api::core::v1::{Node, NodeCondition};
use podium_machinery::state::Event;
use podium_types::{Key, Timestamp};
use serde_json::json;

const WATCHED: &[&str] = &["Ready", "MemoryPressure", "DiskPressure", "PIDPressure"];

/// Status of a node's condition, or `""`.
pub fn condition<'a>(node: &'a Node, kind: &str) -> &'a str {
    let list = node.status.as_ref().and_then(|status| status.conditions.as_deref()).unwrap_or_default();
    list.iter().find(|condition| condition.type_ == kind).map_or("", |condition| &condition.status)
}

/// Since when the node is as ready as it is.
pub fn since(node: &Node) -> Option<Timestamp> {
    let list = node.status.as_ref()?.conditions.as_deref()?;
    let ready = list.iter().find(|condition| condition.type_ == "Ready")?;
    ready.last_transition_time.as_ref().map(|time| time.0)
}

/// Whether an event made a node ready, or not ready any more.
pub fn turned(view: &View, event: &Event) -> bool {
    let is = view.nodes.get(&event.object.key).is_some_and(|node| ready(node));
    let old = event.previous.as_ref().and_then(|old| serde_json::from_slice::<Node>(&old.json).ok());
    old.is_some_and(|node| ready(&node)) != is
}

/// Whether the node is ready.
pub fn ready(node: &Node) -> bool {
    condition(node, "Ready") == "True"
}

/// Turns the conditions of a silent node to Unknown and its pods not ready.
pub fn decide(view: &View, node: &Item<Node>, now: Timestamp, plan: &mut Plan) {
    let Some(deadline) = last_sign(view, node).and_then(|last| time::after(last, GRACE_SECONDS)) else { return };
    if deadline > now {
        plan.wake_at = Some(deadline);
        return;
    }
    let mut conditions = node.status.as_ref().and_then(|status| status.conditions.clone()).unwrap_or_default();
    let mut changed = false;
    for kind in WATCHED {
        let old = conditions.iter().position(|condition| condition.type_ == *kind);
        if old.is_some_and(|at| conditions[at].status == "Unknown") {
            continue;
        }
        changed = true;
        let (reason, message) = match old {
            Some(_) => ("NodeStatusUnknown", "Kubelet stopped posting node status."),
            None => ("NodeStatusNeverUpdated", "Kubelet never posted node status."),
        };
        let condition = NodeCondition {
            type_: (*kind).to_owned(),
            status: "Unknown".to_owned(),
            reason: Some(reason.to_owned()),
            message: Some(message.to_owned()),
            last_heartbeat_time: old.and_then(|at| conditions[at].last_heartbeat_time.clone()),
            last_transition_time: Some(time::stamp(now)),
        };
        match old {
            Some(at) => conditions[at] = condition,
            None => conditions.push(condition),
        }
    }
    if changed {
        let patch = json!({"status": {"conditions": conditions}});
        plan.writes.push(write::patch(resource::NODES, "status", node, patch));
        let message = format!("Node {} status is now: NodeNotReady", node.key().name);
        plan.events.push(write::event(node, "Normal", "NodeNotReady", message));
    }
    for pod in view.pods_on(&node.key().name).filter(|pod| pods::ready(pod)) {
        let mut list = pod.status.as_ref().and_then(|status| status.conditions.clone()).unwrap_or_default();
        for condition in list.iter_mut().filter(|condition| condition.type_ == "Ready") {
            condition.status = "False".to_owned();
            condition.last_transition_time = Some(time::stamp(now));
        }
        plan.writes.push(write::patch(resource::PODS, "status", pod, json!({"status": {"conditions": list}})));
        plan.events.push(write::event(pod, "Warning", "NodeNotReady", "Node is not ready".to_owned()));
    }
}

/// The latest of the Lease's renewal, the last heartbeat, the node's creation and the time from
/// which on anybody listened.
fn last_sign(view: &View, node: &Item<Node>) -> Option<Timestamp> {
    let lease = view.leases.get(&Key::new(LEASE_NAMESPACE, node.key().name.as_str()));
    let renewed = lease.and_then(|lease| lease.spec.as_ref()?.renew_time.as_ref()).map(|time| time.0);
    let conditions = node.status.as_ref().and_then(|status| status.conditions.as_deref()).unwrap_or_default();
    let beat = conditions.iter().filter_map(|condition| condition.last_heartbeat_time.as_ref()).map(|time| time.0);
    let created = node.meta().creation_timestamp.as_ref().map(|time| time.0);
    renewed.into_iter().chain(beat).chain(created).chain(view.since).max()
}
