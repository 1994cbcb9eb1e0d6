//! Evicts pods from nodes with NoExecute taints, once their tolerations run out.

use super::taints;
use crate::{Plan, View, pods, resource, time, view::Item, write};
use k8s_openapi::api::core::v1::{Node, Pod};
use podium_machinery::selectors::taints::tolerates;
use podium_types::Timestamp;
use serde_json::json;

/// When a pod must leave.
enum Stay {
    Forever,
    Until(Timestamp),
    Over,
}

/// Plans the evictions that are due, and to look again when the next one is.
pub fn decide(view: &View, node: &Item<Node>, now: Timestamp, plan: &mut Plan) {
    if taints::evicting(node).next().is_none() {
        return;
    }
    for pod in view.pods_on(&node.key().name).filter(|pod| pods::active(pod)) {
        match stay(pod, node) {
            Stay::Forever => {}
            Stay::Until(end) if end > now => plan.wake_at = time::earliest(plan.wake_at, Some(end)),
            Stay::Until(_) | Stay::Over => evict(pod, now, plan),
        }
    }
}

/// The shortest of the tolerations that keep the pod here, counted from the first taint.
fn stay(pod: &Pod, node: &Node) -> Stay {
    let tolerations = pod.spec.as_ref().and_then(|spec| spec.tolerations.as_deref()).unwrap_or_default();
    let mut end: Option<Timestamp> = None;
    for taint in taints::evicting(node) {
        let matching: Vec<_> = tolerations.iter().filter(|toleration| tolerates(toleration, taint)).collect();
        if matching.is_empty() {
            return Stay::Over;
        }
        let seconds = matching.iter().filter_map(|toleration| toleration.toleration_seconds).min();
        let Some(seconds) = seconds else { continue };
        match taint.time_added.as_ref().and_then(|since| time::after(since.0, seconds.max(0))) {
            Some(at) => end = time::earliest(end, Some(at)),
            None if seconds <= 0 => return Stay::Over,
            None => {}
        }
    }
    end.map_or(Stay::Forever, Stay::Until)
}

fn evict(pod: &Item<Pod>, now: Timestamp, plan: &mut Plan) {
    let message = "Taint manager: deleting due to NoExecute taint";
    let conditions = pods::disrupted(pod, "DeletionByTaintManager", message, now);
    plan.writes.push(write::patch(resource::PODS, "status", pod, json!({"status": {"conditions": conditions}})));
    plan.writes.push(write::delete(resource::PODS, pod));
    let message = format!("Marking for deletion Pod {}", pod.key());
    plan.events.push(write::event(pod, "Normal", "TaintManagerEviction", message));
}
