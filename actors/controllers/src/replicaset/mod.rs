//! Keeps as many pods of a template alive as a ReplicaSet asks for.
//!
//! Needs neither expectations nor slow start: a key is decided again only once the view
//! holds its last writes, and a refused write ends the plan.

mod rank;
mod status;

use crate::{Controller, Ids, Plan, View, owners, pods, resource, time, view::Item, write};
use k8s_openapi::api::{apps::v1::ReplicaSet, core::v1::Pod};
use podium_machinery::state::Event;
use podium_types::{Key, Timestamp};
use serde_json::{Value, json};
use std::sync::Arc;

/// How many pods one decision creates or deletes at most; the next decision goes on.
pub const BURST_LIMIT: usize = 500;

/// The controller of ReplicaSets.
pub struct ReplicaSetController;

impl Controller for ReplicaSetController {
    fn name(&self) -> &'static str {
        "replicaset"
    }
    fn watches(&self) -> &'static [&'static str] {
        &[resource::REPLICA_SETS, resource::PODS]
    }
    fn keys(&self, view: &View, resource: &str, event: &Event) -> Vec<Key> {
        match resource {
            resource::REPLICA_SETS => vec![event.object.key.clone()],
            resource::PODS => {
                let sets = view.replica_sets.of(&event.object.key.namespace);
                owners::keys_of_event(view, resource::REPLICA_SETS, event, sets, |set: &ReplicaSet| {
                    set.spec.as_ref().map(|spec| &spec.selector)
                })
            }
            _ => Vec::new(),
        }
    }
    fn all_keys(&self, view: &View) -> Vec<Key> {
        view.replica_sets.all().map(|set| set.key().clone()).collect()
    }
    fn decide(&self, view: &View, key: &Key, now: Timestamp, ids: &mut Ids) -> Plan {
        let Some(set) = view.replica_sets.get(key) else { return Plan::default() };
        let Some(spec) = &set.spec else { return Plan::default() };
        // Those it owns may have lost their labels; those that match may want an owner.
        let others = view.pods.of(&key.namespace).filter(|pod| owners::controller(pod.meta()).is_none());
        let candidates = view.pods_of(set.uid()).chain(others);
        let (owned, writes) = owners::claim(set, &spec.selector, resource::PODS, candidates);
        let mut plan = Plan { writes, ..Plan::default() };
        let active: Vec<&Arc<Item<Pod>>> = owned.iter().copied().filter(|pod| pods::active(pod)).collect();
        if !set.deleting() {
            scale(view, set, &active, now, ids, &mut plan);
        }
        let desired = status::of(set, &owned, &active, now);
        plan.wake_at = time::earliest(plan.wake_at, status::next_available(set, &active, now));
        plan.writes.extend(write::status(resource::REPLICA_SETS, set, set.status.as_ref(), &desired));
        plan
    }
}

/// Creates or deletes pods until there are `spec.replicas`.
fn scale(
    view: &View,
    set: &Item<ReplicaSet>,
    active: &[&Arc<Item<Pod>>],
    now: Timestamp,
    ids: &mut Ids,
    plan: &mut Plan,
) {
    let wanted = set.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1);
    let wanted = usize::try_from(wanted).unwrap_or(0);
    if active.len() < wanted {
        let count = (wanted - active.len()).min(BURST_LIMIT);
        let template = set.object.value()["spec"]["template"].take();
        for _ in 0..count {
            let pod = pod_of(set, template.clone(), &ids.suffix());
            let name = podium_types::meta::name(&pod).to_owned();
            plan.writes.push(write::create(resource::PODS, pod));
            plan.events.push(write::event(set, "Normal", "SuccessfulCreate", format!("Created pod: {name}")));
        }
        plan.note = format!("{} of {wanted} pods: creating {count}", active.len());
    } else if active.len() > wanted {
        let count = (active.len() - wanted).min(BURST_LIMIT);
        for pod in rank::first_to_go(view, set, active, now).into_iter().take(count) {
            plan.writes.push(write::delete(resource::PODS, pod));
            let message = format!("Deleted pod: {}", pod.key().name);
            plan.events.push(write::event(set, "Normal", "SuccessfulDelete", message));
        }
        plan.note = format!("{} of {wanted} pods: deleting {count}", active.len());
    }
    // More than a burst is missing: go on at once, even if no event of these pods wakes the key.
    if active.len().abs_diff(wanted) > BURST_LIMIT {
        plan.wake_at = Some(now);
    }
}

/// A pod from the template, owned by the set.
fn pod_of(set: &Item<ReplicaSet>, template: Value, suffix: &str) -> Value {
    let prefix = format!("{}-", set.key().name);
    let mut pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {}});
    for field in ["labels", "annotations", "finalizers"] {
        if !template["metadata"][field].is_null() {
            pod["metadata"][field] = template["metadata"][field].clone();
        }
    }
    pod["metadata"]["name"] = json!(write::generated(&prefix, suffix));
    pod["metadata"]["generateName"] = json!(prefix);
    pod["metadata"]["namespace"] = json!(set.key().namespace);
    pod["metadata"]["ownerReferences"] = json!([owners::reference(set)]);
    pod["spec"] = template["spec"].clone();
    pod
}
