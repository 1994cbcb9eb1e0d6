//! The scheduler as a controller: one key, the queue of pods that wait for a node.
//!
//! A pod that fits nowhere is looked at again whenever a node changes or a pod ends; as a
//! decision depends on the view alone, nothing else can help it.

use crate::batch::{Placement, schedule_batch};
use k8s_openapi::api::core::v1::{Pod, PodCondition};
use podium_controllers::{Controller, Ids, Plan, PlannedWrite, View, pods, resource, time, view::Item, write};
use podium_machinery::state::{Change, Event};
use podium_types::{Key, Timestamp};
use serde_json::json;
use std::{cmp::Reverse, sync::Arc};

/// How many pods one decision places at most; the next one goes on.
pub const BATCH_LIMIT: usize = 1000;
/// Seconds after which pods that fit nowhere are looked at again in any case.
pub const RETRY_SECONDS: i64 = 300;

/// Binds pods that name `default-scheduler`.
pub struct Scheduler;

/// The one key: pods are placed together, so that each sees where the others went.
pub fn queue() -> Key {
    Key::new("", "queue")
}

impl Controller for Scheduler {
    fn name(&self) -> &'static str {
        "scheduler"
    }
    fn watches(&self) -> &'static [&'static str] {
        &[resource::PODS, resource::NODES]
    }
    fn keys(&self, view: &View, resource: &str, event: &Event) -> Vec<Key> {
        if view.pending.count(pods::DEFAULT_SCHEDULER) == 0 || (resource == resource::PODS && !matters(view, event)) {
            return Vec::new();
        }
        vec![queue()]
    }
    fn all_keys(&self, _view: &View) -> Vec<Key> {
        vec![queue()]
    }
    fn decide(&self, view: &View, _key: &Key, now: Timestamp, ids: &mut Ids) -> Plan {
        let mut waiting: Vec<&Arc<Item<Pod>>> = view
            .pending
            .get(pods::DEFAULT_SCHEDULER)
            .filter_map(|key| view.pods.get(key))
            .filter(|pod| !gated(pod))
            .collect();
        waiting.sort_by_key(|pod| {
            let created = pod.meta().creation_timestamp.as_ref().map(|time| time.0);
            (Reverse(pod.spec.as_ref().and_then(|spec| spec.priority).unwrap_or(0)), created)
        });
        let mut plan = Plan::default();
        let (mut bound, mut failed) = (0, 0);
        for (pod, placement) in waiting.iter().zip(schedule_batch(view, &waiting, ids)) {
            match placement {
                Placement::Node(_) if bound == BATCH_LIMIT => plan.wake_at = Some(now),
                Placement::Node(node) => {
                    bound += 1;
                    bind(pod, &node, &mut plan);
                }
                Placement::Failure(why) => {
                    failed += 1;
                    report(pod, why, now, &mut plan);
                }
            }
        }
        if failed > 0 && plan.wake_at.is_none() {
            plan.wake_at = time::after(now, RETRY_SECONDS);
        }
        if bound + failed > 0 {
            plan.note = format!("{} pods waiting: {bound} bound, {failed} fit nowhere", waiting.len());
        }
        plan
    }
}

/// Whether an event about a pod could change a placement: it waits, or it has left its node.
fn matters(view: &View, event: &Event) -> bool {
    if event.change == Change::Deleted {
        return true;
    }
    let pod = view.pods.get(&event.object.key);
    pod.is_some_and(|pod| pods::node(pod).is_none() || pods::terminal(pod))
}

fn gated(pod: &Pod) -> bool {
    pod.spec.as_ref().and_then(|spec| spec.scheduling_gates.as_ref()).is_some_and(|gates| !gates.is_empty())
}

fn bind(pod: &Item<Pod>, node: &str, plan: &mut Plan) {
    plan.writes.push(PlannedWrite::Patch {
        resource: resource::PODS,
        subresource: "binding",
        key: pod.key().clone(),
        uid: pod.uid().to_owned(),
        revision: None,
        patch: json!({"target": {"kind": "Node", "name": node}}),
    });
    let message = format!("Successfully assigned {} to {node}", pod.key());
    plan.events.push(write::event(pod, "Normal", "Scheduled", message));
}

/// Says on the pod why it waits, unless it says so already.
fn report(pod: &Item<Pod>, why: String, now: Timestamp, plan: &mut Plan) {
    const TYPE: &str = "PodScheduled";
    const REASON: &str = "Unschedulable";
    let old = pods::condition(pod, TYPE);
    let same = |old: &PodCondition| {
        old.status == "False" && old.reason.as_deref() == Some(REASON) && old.message.as_ref() == Some(&why)
    };
    if old.is_some_and(same) {
        return;
    }
    let since = old.filter(|old| old.status == "False").and_then(|old| old.last_transition_time.clone());
    let condition = PodCondition {
        type_: TYPE.to_owned(),
        status: "False".to_owned(),
        reason: Some(REASON.to_owned()),
        message: Some(why.clone()),
        last_transition_time: since.or_else(|| Some(time::stamp(now))),
        observed_generation: pod.meta().generation,
        ..PodCondition::default()
    };
    let mut conditions = pod.status.as_ref().and_then(|status| status.conditions.clone()).unwrap_or_default();
    conditions.retain(|condition| condition.type_ != TYPE);
    conditions.push(condition);
    plan.writes.push(write::patch(resource::PODS, "status", pod, json!({"status": {"conditions": conditions}})));
    plan.events.push(write::event(pod, "Warning", "FailedScheduling", why));
}
