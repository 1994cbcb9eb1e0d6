//! Removes pods that nobody else will: bound to nodes that are gone or out of service, deleted
//! before they were bound, or ended long ago in great number.

use crate::{Controller, Ids, Plan, PlannedWrite, View, nodelifecycle::ready, pods, resource, time, view::Item, write};
use k8s_openapi::api::core::v1::{Node, Pod};
use podium_machinery::state::Event;
use podium_types::{Key, Timestamp};
use serde_json::json;

/// Ended pods beyond this number are removed, the oldest first.
pub const TERMINATED_LIMIT: usize = 12_500;
/// Seconds that a pod may be bound to a node that is not (yet) there.
pub const QUARANTINE_SECONDS: i64 = 40;
/// How many pods one decision removes at most; the events of these wake it again.
pub const BURST_LIMIT: usize = 500;

/// The taint by which people say that a node is off for good (KEP-2268).
const OUT_OF_SERVICE: &str = "node.kubernetes.io/out-of-service";

/// The pod garbage collector; one key.
pub struct PodGcController;

impl Controller for PodGcController {
    fn name(&self) -> &'static str {
        "podgc"
    }
    fn watches(&self) -> &'static [&'static str] {
        &[resource::PODS, resource::NODES]
    }
    fn keys(&self, view: &View, resource: &str, event: &Event) -> Vec<Key> {
        let key = &event.object.key;
        let concerns = match resource {
            resource::NODES => {
                let gone = view.nodes.get(key).is_none_or(|node| out_of_service(node));
                gone && view.pods_by_node.count(&key.name) > 0
            }
            _ => view.pods.get(key).is_some_and(|pod| match pods::node(pod) {
                None => pod.deleting(),
                Some(node) => {
                    view.nodes.get(&Key::new("", node)).is_none_or(|node| pod.deleting() && out_of_service(node))
                        || (pods::terminal(pod) && view.pods.len() > TERMINATED_LIMIT)
                }
            }),
        };
        if concerns { self.all_keys(view) } else { Vec::new() }
    }
    fn all_keys(&self, _view: &View) -> Vec<Key> {
        vec![Key::new("", "pods")]
    }
    fn decide(&self, view: &View, _key: &Key, now: Timestamp, _ids: &mut Ids) -> Plan {
        let mut plan = Plan::default();
        for node in view.pods_by_node.keys() {
            if let Some(node) = view.nodes.get(&Key::new("", node.as_str())) {
                if out_of_service(node) {
                    let left = view.pods_on(&node.key().name).filter(|pod| pod.deleting());
                    left.for_each(|pod| give_up(pod, "node is out of service", now, &mut plan));
                }
                continue;
            }
            for pod in view.pods_on(node) {
                let due = bound_since(pod).and_then(|since| time::after(since, QUARANTINE_SECONDS));
                match due {
                    Some(due) if due > now => plan.wake_at = time::earliest(plan.wake_at, Some(due)),
                    _ => give_up(pod, "node no longer exists", now, &mut plan),
                }
            }
        }
        let unbound = view.deleting().filter(|(resource, _)| *resource == resource::PODS);
        for pod in unbound.filter_map(|(_, key)| view.pods.get(key)).filter(|pod| pods::node(pod).is_none()) {
            if plan.writes.len() < BURST_LIMIT {
                plan.writes.push(force(pod));
            }
        }
        if view.pods.len() > TERMINATED_LIMIT {
            let mut ended: Vec<_> = view.pods.all().filter(|pod| pods::terminal(pod) && !pod.deleting()).collect();
            ended.sort_by_key(|pod| (pod.meta().creation_timestamp.as_ref().map(|time| time.0), pod.key().clone()));
            let excess = ended.len().saturating_sub(TERMINATED_LIMIT).min(BURST_LIMIT);
            plan.writes.extend(ended.into_iter().take(excess).map(|pod| force(pod)));
        }
        plan
    }
}

/// When the pod was bound, or made.
fn bound_since(pod: &Item<Pod>) -> Option<Timestamp> {
    let bound = pods::condition(pod, "PodScheduled").filter(|condition| condition.status == "True");
    let bound = bound.and_then(|condition| condition.last_transition_time.as_ref());
    bound.or(pod.meta().creation_timestamp.as_ref()).map(|time| time.0)
}

/// Whether people have said that a node which does not answer is off for good.
fn out_of_service(node: &Node) -> bool {
    let taints = node.spec.as_ref().and_then(|spec| spec.taints.as_deref()).unwrap_or_default();
    !ready(node) && taints.iter().any(|taint| taint.key == OUT_OF_SERVICE)
}

/// No agent will ever report the end of this pod: say that it failed, then remove it.
fn give_up(pod: &Item<Pod>, why: &str, now: Timestamp, plan: &mut Plan) {
    if plan.writes.len() >= BURST_LIMIT {
        return;
    }
    if !pods::terminal(pod) {
        let message = format!("PodGC: {why}");
        let conditions = pods::disrupted(pod, "DeletionByPodGC", &message, now);
        let status = json!({"status": {"phase": "Failed", "conditions": conditions}});
        plan.writes.push(write::patch(resource::PODS, "status", pod, status));
    }
    plan.writes.push(force(pod));
}

fn force(pod: &Item<Pod>) -> PlannedWrite {
    let mut write = write::delete(resource::PODS, pod);
    if let PlannedWrite::Delete { grace, .. } = &mut write {
        *grace = Some(0);
    }
    write
}
