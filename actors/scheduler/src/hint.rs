//! Which events could help a pod that waits.
//!
//! A pod that fits nowhere says why in its condition, so that what it waits for can be read
//! off the view: no state is kept, and an event that helps no one wakes no one.

use crate::report::{GATED, SCHEDULED};
use k8s_openapi::api::core::v1::Pod;
use podium_controllers::{View, pods, resource, view::Item};
use podium_machinery::state::Event;
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
        resource::NODES => view.moves.nodes == event.revision,
        resource::NAMESPACES => view.moves.namespaces == event.revision && any(view, names, COMPANY),
        _ => any(view, names, STORAGE),
    }
}

fn pod(view: &View, names: &[&str], event: &Event) -> bool {
    if let Some(pod) = view.pods.get(&event.object.key).filter(|pod| pods::node(pod).is_none() && !pods::terminal(pod))
    {
        return fresh(pod) || changed(event, "/metadata/labels");
    }
    (view.moves.room == event.revision && any(view, names, ROOM))
        || (view.moves.company == event.revision && any(view, names, COMPANY))
}

/// The newest revision at which something changed that this pod waits for.
pub fn moved(view: &View, pod: &Pod) -> u64 {
    let moves = &view.moves;
    let Some(reasons) = reasons(pod) else { return moves.newest() };
    let says = |words: &[&str]| words.iter().any(|word| reasons.contains(word));
    let mut newest = moves.nodes;
    for (words, revision) in
        [(ROOM, moves.room), (COMPANY, moves.company.max(moves.namespaces)), (STORAGE, moves.storage)]
    {
        if says(words) {
            newest = newest.max(revision);
        }
    }
    newest
}

/// Whether the scheduler has not yet said anything about the pod as it now is.
pub fn fresh(pod: &Item<Pod>) -> bool {
    let told = pods::condition(pod, SCHEDULED).filter(|condition| condition.status == "False");
    told.is_none_or(|told| told.observed_generation != pod.meta().generation || told.reason.as_deref() == Some(GATED))
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
        let reasons = reasons(pod);
        if asked > ASKED_LIMIT || reasons.is_none_or(|reasons| words.iter().any(|word| reasons.contains(word))) {
            return true;
        }
    }
    false
}

/// What the pod says about why it waits.
fn reasons(pod: &Pod) -> Option<&str> {
    let message = pods::condition(pod, SCHEDULED)?.message.as_deref()?;
    // What follows is about evictions, and says the same in other words.
    message.split(" preemption: ").next()
}
