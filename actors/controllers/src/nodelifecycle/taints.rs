//! The taints that follow from a node's conditions.

use super::{
    health::condition,
    zones::{self, Leave},
};
use crate::{Plan, View, resource, time, view::Item, write};
use k8s_openapi::api::core::v1::{Node, Taint};
use podium_types::Timestamp;
use serde_json::json;

const NOT_READY: &str = "node.kubernetes.io/not-ready";
const UNREACHABLE: &str = "node.kubernetes.io/unreachable";
const CORDONED: &str = "node.kubernetes.io/unschedulable";
const PRESSURES: &[(&str, &str)] = &[
    ("MemoryPressure", "node.kubernetes.io/memory-pressure"),
    ("DiskPressure", "node.kubernetes.io/disk-pressure"),
    ("PIDPressure", "node.kubernetes.io/pid-pressure"),
    ("NetworkUnavailable", "node.kubernetes.io/network-unavailable"),
];

/// The taints of a node that evict.
pub fn evicting(node: &Node) -> impl Iterator<Item = &Taint> {
    let taints = node.spec.as_ref().and_then(|spec| spec.taints.as_deref()).unwrap_or_default();
    taints.iter().filter(|taint| taint.effect == "NoExecute")
}

/// The taint by which a node was given up, if it was.
pub fn given_up(node: &Node) -> Option<&Taint> {
    evicting(node).find(|taint| matches!(taint.key.as_str(), NOT_READY | UNREACHABLE))
}

/// Adds and removes the controller's own taints; others stay. Those that evict come one node
/// after the other.
pub fn decide(view: &View, node: &Item<Node>, now: Timestamp, plan: &mut Plan) {
    let mut wanted = wanted(node);
    if wanted.iter().any(|(_, effect)| *effect == "NoExecute") {
        let leave = zones::leave(view, node, now);
        if leave != Leave::Now {
            wanted.retain(|(_, effect)| *effect != "NoExecute");
        }
        if let Leave::At(at) = leave {
            plan.wake_at = time::earliest(plan.wake_at, Some(at));
        }
        plan.note = match leave {
            Leave::Now => "its pods may be sent away".to_owned(),
            Leave::At(at) => format!("its pods stay until {at}, as others of its zone go first"),
            Leave::Held => "its pods stay: most of its zone is silent".to_owned(),
            Leave::Blind => "its pods stay: no node answers".to_owned(),
        };
    }
    let present = node.spec.as_ref().and_then(|spec| spec.taints.clone()).unwrap_or_default();
    let same = |taint: &Taint, (key, effect): &(&str, &str)| taint.key == *key && taint.effect == *effect;
    let mut taints: Vec<Taint> = present.clone();
    taints.retain(|taint| !ours(taint) || wanted.iter().any(|want| same(taint, want)));
    for want in &wanted {
        if !taints.iter().any(|taint| same(taint, want)) {
            let (key, effect) = *want;
            taints.push(Taint {
                key: key.to_owned(),
                effect: effect.to_owned(),
                time_added: Some(time::stamp(now)),
                value: None,
            });
        }
    }
    // Toleration times count from here, also for taints that people set.
    for taint in taints.iter_mut().filter(|taint| taint.effect == "NoExecute" && taint.time_added.is_none()) {
        taint.time_added = Some(time::stamp(now));
    }
    if taints != present {
        plan.writes.push(write::patch(resource::NODES, "", node, json!({"spec": {"taints": taints}})));
    }
}

fn wanted(node: &Node) -> Vec<(&'static str, &'static str)> {
    let mut wanted = Vec::new();
    match condition(node, "Ready") {
        "True" => {}
        "Unknown" => wanted.extend([(UNREACHABLE, "NoSchedule"), (UNREACHABLE, "NoExecute")]),
        "False" => wanted.extend([(NOT_READY, "NoSchedule"), (NOT_READY, "NoExecute")]),
        _ => wanted.push((NOT_READY, "NoSchedule")),
    }
    for (kind, key) in PRESSURES {
        if condition(node, kind) == "True" {
            wanted.push((*key, "NoSchedule"));
        }
    }
    if node.spec.as_ref().and_then(|spec| spec.unschedulable) == Some(true) {
        wanted.push((CORDONED, "NoSchedule"));
    }
    wanted
}

fn ours(taint: &Taint) -> bool {
    let condition = matches!(taint.key.as_str(), NOT_READY | UNREACHABLE);
    let schedule = taint.key == CORDONED || PRESSURES.iter().any(|(_, key)| *key == taint.key);
    condition || (schedule && taint.effect == "NoSchedule")
}
