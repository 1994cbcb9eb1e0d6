//! Keeps as many pods of a template alive as a ReplicaSet or a ReplicationController asks for.
//!
//! Needs no expectations: a key is decided again only once the view holds its last writes,
//! and a refused write ends the plan. What was refused is told in a condition and an event.

mod kind;
mod rank;
mod status;

pub use kind::Replicated;
pub use rank::first_to_go;
pub use status::FAILURE;

use crate::{
    Controller, Ids, Plan, Refusal, View, owners, pods, refusal, resource, selector, template, time, view::Item, write,
};
use k8s_openapi::api::{apps::v1::ReplicaSet, core::v1::Pod};
use podium_machinery::state::Event;
use podium_types::{Key, Timestamp};
use status::Failure;
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
        keys::<ReplicaSet>(view, resource, event)
    }
    fn all_keys(&self, view: &View) -> Vec<Key> {
        view.replica_sets.all().map(|set| set.key().clone()).collect()
    }
    fn decide(&self, view: &View, key: &Key, now: Timestamp, ids: &mut Ids) -> Plan {
        decide::<ReplicaSet>(view, key, now, ids)
    }
    fn refused(&self, view: &View, key: &Key, now: Timestamp, refusals: &[Refusal]) -> Plan {
        refused::<ReplicaSet>(view, key, now, refusals)
    }
}

/// The controller of ReplicationControllers, the elder brothers of ReplicaSets.
pub struct ReplicationController;

impl Controller for ReplicationController {
    fn name(&self) -> &'static str {
        "replicationcontroller"
    }
    fn watches(&self) -> &'static [&'static str] {
        &[resource::REPLICATION_CONTROLLERS, resource::PODS]
    }
    fn keys(&self, view: &View, resource: &str, event: &Event) -> Vec<Key> {
        keys::<k8s_openapi::api::core::v1::ReplicationController>(view, resource, event)
    }
    fn all_keys(&self, view: &View) -> Vec<Key> {
        view.replication_controllers.all().map(|set| set.key().clone()).collect()
    }
    fn decide(&self, view: &View, key: &Key, now: Timestamp, ids: &mut Ids) -> Plan {
        decide::<k8s_openapi::api::core::v1::ReplicationController>(view, key, now, ids)
    }
    fn refused(&self, view: &View, key: &Key, now: Timestamp, refusals: &[Refusal]) -> Plan {
        refused::<k8s_openapi::api::core::v1::ReplicationController>(view, key, now, refusals)
    }
}

fn keys<T: Replicated>(view: &View, resource: &str, event: &Event) -> Vec<Key> {
    if resource == T::RESOURCE {
        return vec![event.object.key.clone()];
    }
    let sets = T::shelf(view).of(&event.object.key.namespace);
    owners::keys_of_pod(view, T::RESOURCE, event, sets, |set: &T, labels| {
        set.selector().is_some_and(|selector| selector::matches(&selector, labels))
    })
}

fn decide<T: Replicated>(view: &View, key: &Key, now: Timestamp, ids: &mut Ids) -> Plan {
    let Some(set) = T::shelf(view).get(key) else { return Plan::default() };
    let Some(selector) = set.selector() else { return Plan::default() };
    // Those it owns may have lost their labels; those that match may want an owner.
    let candidates = view.claimable(&key.namespace, set.uid());
    let (owned, writes) = owners::claim(set, &selector, resource::PODS, candidates);
    let mut plan = Plan { writes, ..Plan::default() };
    let active: Vec<&Arc<Item<Pod>>> = owned.iter().copied().filter(|pod| pods::active(pod)).collect();
    if !set.deleting() {
        scale(view, set, &active, now, ids, &mut plan);
    }
    let counts = status::of::<T>(set, &owned, &active, now);
    plan.wake_at = time::earliest(plan.wake_at, status::next_available::<T>(set, &active, now));
    plan.writes.extend(write::status(T::RESOURCE, set, set.status(), &set.report(&counts)));
    plan
}

/// Tells of pods that the server would not make or delete: by a condition, which stays until
/// it does, and by an event each time.
fn refused<T: Replicated>(view: &View, key: &Key, now: Timestamp, refusals: &[Refusal]) -> Plan {
    let mut plan = Plan::default();
    let (Some(set), Some((refusal, reason))) = (T::shelf(view).get(key), refusal::news(refusals)) else { return plan };
    plan.events = refusal::event(set, refusals, Refusal::message);
    let owned: Vec<&Arc<Item<Pod>>> = view.pods_of(set.uid()).collect();
    let active: Vec<_> = owned.iter().copied().filter(|pod| pods::active(pod)).collect();
    let mut status = set.report(&status::of::<T>(set, &owned, &active, now));
    let failure = set.failure().unwrap_or_else(|| Failure {
        reason: reason.to_owned(),
        message: refusal.error.message.clone(),
        since: Some(time::stamp(now)),
    });
    T::fail(&mut status, &failure);
    plan.writes.extend(write::status(T::RESOURCE, set, set.status(), &status));
    plan.note = format!("{reason}: {}", refusal.error.message);
    plan
}

/// Creates or deletes pods until there are `spec.replicas`.
fn scale<T: Replicated>(
    view: &View,
    set: &Item<T>,
    active: &[&Arc<Item<Pod>>],
    now: Timestamp,
    ids: &mut Ids,
    plan: &mut Plan,
) {
    let wanted = usize::try_from(set.replicas()).unwrap_or(0);
    if active.len() < wanted {
        let count = (wanted - active.len()).min(BURST_LIMIT);
        let template = set.object.value()["spec"]["template"].take();
        let prefix = format!("{}-", set.key().name);
        for _ in 0..count {
            let pod = template::numbered(set, &template, &prefix, &ids.suffix());
            let name = podium_types::meta::name(&pod).to_owned();
            plan.writes.push(write::create(resource::PODS, pod));
            plan.events.push(write::event(set, "Normal", "SuccessfulCreate", format!("Created pod: {name}")));
        }
        plan.note = format!("{} of {wanted} pods: creating {count}", active.len());
    } else if active.len() > wanted {
        let count = (active.len() - wanted).min(BURST_LIMIT);
        for pod in first_to_go(view, set, active, now).into_iter().take(count) {
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
