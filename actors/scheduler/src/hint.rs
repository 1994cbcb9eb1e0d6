//! Which events could help a pod that waits.
//!
//! A pod that fits nowhere says why in its condition, so that what it waits for can be read
//! off the view: no state is kept, and an event that helps no one wakes no one.

use crate::report::{GATED, SCHEDULED};
use k8s_openapi::api::core::v1::{Node, Pod};
use podium_controllers::{View, pods, resource, view::Item};
use podium_machinery::state::{Change, Event};
use serde_json::Value;

/// How many waiting pods are asked at most; beyond that the event is taken to help.
const ASKED_LIMIT: usize = 64;

/// Words of the reasons that a pod which goes away can take back.
const ROOM: &[&str] = &[
    "Insufficient ",
    "Too many pods",
    "free ports",
    "anti-affinity rules",
    "topology spread",
    "volume count",
    "ReadWriteOncePod",
];
/// Words of the reasons that a pod which has come, or has new labels, can take back.
const COMPANY: &[&str] = &["affinity rules", "topology spread"];
/// Words of the reasons that claims and volumes can take back.
const STORAGE: &[&str] = &["olume"];

/// Whether an event could let a pod of these schedulers be placed.
pub fn helps(view: &View, names: &[&str], resource: &str, event: &Event) -> bool {
    if names.iter().all(|name| view.pending.count(name) == 0) {
        return false;
    }
    match resource {
        resource::PODS => pod(view, names, event),
        resource::NODES => node(event),
        resource::NAMESPACES => changed(event, "/metadata/labels") && any(view, names, COMPANY),
        _ => any(view, names, STORAGE),
    }
}

fn pod(view: &View, names: &[&str], event: &Event) -> bool {
    let new = view.pods.get(&event.object.key);
    match new {
        Some(pod) if event.change != Change::Deleted && pods::node(pod).is_none() && !pods::terminal(pod) => {
            fresh(pod) || changed(event, "/metadata/labels")
        }
        Some(pod) if event.change != Change::Deleted && !pods::terminal(pod) => {
            let came = event.previous.as_ref().is_none_or(|old| old.value()["spec"]["nodeName"].is_null());
            let smaller = changed(event, "/spec/containers");
            ((came || changed(event, "/metadata/labels")) && any(view, names, COMPANY))
                || (smaller && any(view, names, ROOM))
                || (pod.deleting() && changed(event, "/metadata/deletionTimestamp") && any(view, names, COMPANY))
        }
        _ => any(view, names, ROOM),
    }
}

/// Whether the scheduler has not yet said anything about the pod as it now is.
pub fn fresh(pod: &Item<Pod>) -> bool {
    let told = pods::condition(pod, SCHEDULED).filter(|condition| condition.status == "False");
    told.is_none_or(|told| told.observed_generation != pod.meta().generation || told.reason.as_deref() == Some(GATED))
}

/// A node that is new, or offers, is called or repels something else than before.
fn node(event: &Event) -> bool {
    let Some(old) = &event.previous else { return true };
    let read = |json: &[u8]| serde_json::from_slice::<Node>(json).ok();
    let (Some(old), Some(new)) = (read(&old.json), read(&event.object.json)) else { return true };
    let facts = |node: &Node| {
        let allocatable = node.status.as_ref().and_then(|status| status.allocatable.clone());
        let spec = node.spec.as_ref();
        let taints = spec.and_then(|spec| spec.taints.clone());
        (node.metadata.labels.clone(), allocatable, taints, spec.and_then(|spec| spec.unschedulable).unwrap_or(false))
    };
    event.change == Change::Deleted || facts(&old) != facts(&new)
}

fn changed(event: &Event, pointer: &str) -> bool {
    let Some(old) = &event.previous else { return true };
    let at = |value: Value| value.pointer(pointer).cloned();
    at(old.value()) != at(event.object.value())
}

/// Whether one of the pods that wait says one of these words, or has not been looked at yet.
fn any(view: &View, names: &[&str], words: &[&str]) -> bool {
    let keys = names.iter().flat_map(|name| view.pending.get(name));
    let mut asked = 0;
    for pod in keys.filter_map(|key| view.pods.get(key)) {
        asked += 1;
        let message = pods::condition(pod, SCHEDULED).and_then(|condition| condition.message.as_deref());
        // What follows is about evictions, and says the same in other words.
        let reasons = message.map(|message| message.split(" preemption: ").next().unwrap_or(message));
        if asked > ASKED_LIMIT || reasons.is_none_or(|reasons| words.iter().any(|word| reasons.contains(word))) {
            return true;
        }
    }
    false
}
