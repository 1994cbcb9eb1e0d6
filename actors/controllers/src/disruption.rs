//! Says how many pods of a PodDisruptionBudget may be taken away.
//!
//! Evictions read `status.disruptionsAllowed` and note in `status.disruptedPods` which pods they
//! are about to take; a note that nothing came of expires.

use crate::{Controller, Ids, Plan, View, owners, pods, resource, selector, share::scaled, time, view::Item, write};
use k8s_openapi::{
    api::{
        core::v1::Pod,
        policy::v1::{PodDisruptionBudget, PodDisruptionBudgetSpec, PodDisruptionBudgetStatus},
    },
    apimachinery::pkg::{
        apis::meta::v1::{Condition, OwnerReference},
        util::intstr::IntOrString,
    },
};
use podium_machinery::state::Event;
use podium_types::{Key, Timestamp};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// Seconds after which a pod that an eviction was to take, and that is still there, counts again.
pub const NOTE_SECONDS: i64 = 120;
const ALLOWED: &str = "DisruptionAllowed";

/// The controller of PodDisruptionBudgets.
pub struct DisruptionController;

impl Controller for DisruptionController {
    fn name(&self) -> &'static str {
        "disruption"
    }
    fn watches(&self) -> &'static [&'static str] {
        &[
            resource::BUDGETS,
            resource::PODS,
            resource::REPLICATION_CONTROLLERS,
            resource::REPLICA_SETS,
            resource::DEPLOYMENTS,
            resource::STATEFUL_SETS,
        ]
    }
    fn keys(&self, view: &View, resource: &str, event: &Event) -> Vec<Key> {
        let key = &event.object.key;
        match resource {
            resource::BUDGETS => vec![key.clone()],
            resource::PODS => {
                let states = [view.pods.get(key), view.replaced(event)];
                if let [Some(now), Some(before)] = states
                    && pods::standing(now) == pods::standing(before)
                {
                    return Vec::new();
                }
                let about = states.into_iter().flatten().flat_map(|pod| {
                    let budgets = view.budgets_about(&key.namespace, &pod.object.labels);
                    budgets.filter(move |budget| covers(budget, pod)).map(|budget| budget.key())
                });
                about.collect::<BTreeSet<&Key>>().into_iter().cloned().collect()
            }
            // Their sizes are what shares are taken of; only their own writers change them.
            _ if event.previous.is_none() => Vec::new(),
            _ => view.budgets.of(&key.namespace).map(|budget| budget.key().clone()).collect(),
        }
    }
    fn all_keys(&self, view: &View) -> Vec<Key> {
        view.budgets.all().map(|budget| budget.key().clone()).collect()
    }
    fn decide(&self, view: &View, key: &Key, now: Timestamp, _ids: &mut Ids) -> Plan {
        let Some(budget) = view.budgets.get(key) else { return Plan::default() };
        let Some(spec) = &budget.spec else { return Plan::default() };
        let labels = spec.selector.as_ref().and_then(|selector| selector.match_labels.clone()).unwrap_or_default();
        let covered: Vec<_> = view.pods_labelled(&key.namespace, &labels).filter(|pod| covers(budget, pod)).collect();
        let (disrupted, wake_at) = disrupted(budget, &covered, now);
        let healthy =
            |pod: &&&Arc<Item<Pod>>| !pod.deleting() && pods::ready(pod) && !disrupted.contains_key(&pod.key().name);
        let healthy = number(covered.iter().filter(healthy).count());
        let target = target(view, spec, &covered);
        let (expected, desired) = target.clone().unwrap_or((number(covered.len()), healthy));
        let allowed = if expected <= 0 { 0 } else { (healthy - desired).max(0) };
        let mut status = PodDisruptionBudgetStatus {
            current_healthy: Some(healthy),
            desired_healthy: Some(desired),
            expected_pods: Some(expected),
            disruptions_allowed: Some(if target.is_ok() { allowed } else { 0 }),
            disrupted_pods: Some(disrupted).filter(|map| !map.is_empty()),
            observed_generation: budget.meta().generation,
            conditions: budget.status.as_ref().and_then(|status| status.conditions.clone()),
        };
        tell(&mut status, target.err(), now);
        let writes = write::status(resource::BUDGETS, budget, budget.status.as_ref(), &status).into_iter().collect();
        Plan { writes, wake_at, ..Plan::default() }
    }
}

fn number(count: usize) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

/// Whether a budget is about a pod; an empty selector means every pod of the namespace.
fn covers(budget: &PodDisruptionBudget, pod: &Item<Pod>) -> bool {
    let selector = budget.spec.as_ref().and_then(|spec| spec.selector.as_ref());
    selector.is_some_and(|selector| *selector == Default::default() || selector::matches(selector, &pod.object.labels))
}

/// The notes of evictions that still hold, and when the next one expires.
fn disrupted(
    budget: &PodDisruptionBudget,
    covered: &[&Arc<Item<Pod>>],
    now: Timestamp,
) -> (BTreeMap<String, k8s_openapi::apimachinery::pkg::apis::meta::v1::Time>, Option<Timestamp>) {
    let noted = budget.status.as_ref().and_then(|status| status.disrupted_pods.clone()).unwrap_or_default();
    let there: BTreeMap<&str, bool> = covered.iter().map(|pod| (pod.key().name.as_str(), pod.deleting())).collect();
    let mut wake_at = None;
    let holds = noted.into_iter().filter(|(name, since)| {
        let until = time::after(since.0, NOTE_SECONDS).filter(|until| *until > now);
        let holds = until.is_some() && there.get(name.as_str()) == Some(&false);
        wake_at = time::earliest(wake_at, until.filter(|_| holds));
        holds
    });
    (holds.collect(), wake_at)
}

/// How many pods there should be, and how many of them must stay; the reason where that cannot be told.
fn target(view: &View, spec: &PodDisruptionBudgetSpec, covered: &[&Arc<Item<Pod>>]) -> Result<(i32, i32), String> {
    if let Some(most) = &spec.max_unavailable {
        let expected = scale(view, covered)?;
        return Ok((expected, (expected - scaled(most, expected, true)).max(0)));
    }
    match &spec.min_available {
        Some(IntOrString::Int(least)) => Ok((number(covered.len()), *least)),
        Some(share) => scale(view, covered).map(|expected| (expected, scaled(share, expected, true))),
        None => Ok((number(covered.len()), 0)),
    }
}

/// The sum of the sizes of all controllers of the pods.
fn scale(view: &View, covered: &[&Arc<Item<Pod>>]) -> Result<i32, String> {
    let mut sizes: BTreeMap<&str, i32> = BTreeMap::new();
    for pod in covered {
        let Some(owner) = owners::controller(pod.meta()) else { continue };
        if sizes.contains_key(owner.uid.as_str()) {
            continue;
        }
        let (uid, size) = size(view, &pod.key().namespace, owner)
            .ok_or_else(|| format!("found no scale of {} {:?}", owner.kind, owner.name))?;
        sizes.insert(owner.uid.as_str(), 0);
        sizes.insert(uid, size);
    }
    Ok(sizes.values().fold(0, |sum, size| sum.saturating_add(*size)))
}

/// The uid and size of what a pod's controller belongs to: a ReplicaSet may be a Deployment's.
fn size<'a>(view: &'a View, namespace: &str, owner: &'a OwnerReference) -> Option<(&'a str, i32)> {
    let key = Key::new(namespace, owner.name.as_str());
    let own = |size: Option<Option<i32>>| size.map(|size| (owner.uid.as_str(), size.unwrap_or(1)));
    match owner.kind.as_str() {
        "ReplicaSet" => {
            let set = view.replica_sets.get(&key)?;
            match owners::controller(set.meta()).filter(|parent| parent.kind == "Deployment") {
                Some(parent) => {
                    let deployment = view.deployments.get(&Key::new(namespace, parent.name.as_str()))?;
                    Some((parent.uid.as_str(), deployment.spec.as_ref()?.replicas.unwrap_or(1)))
                }
                None => own(set.spec.as_ref().map(|spec| spec.replicas)),
            }
        }
        "StatefulSet" => own(view.stateful_sets.get(&key)?.spec.as_ref().map(|spec| spec.replicas)),
        "ReplicationController" => own(view.replication_controllers.get(&key)?.spec.as_ref().map(|spec| spec.replicas)),
        _ => None,
    }
}

/// Sets the condition that says whether anything may be disrupted.
fn tell(status: &mut PodDisruptionBudgetStatus, failed: Option<String>, now: Timestamp) {
    let (state, reason, message) = match failed {
        Some(why) => ("False", "SyncFailed", why),
        None if status.disruptions_allowed > Some(0) => ("True", "SufficientPods", String::new()),
        None => ("False", "InsufficientPods", String::new()),
    };
    let mut list = status.conditions.take().unwrap_or_default();
    let old = list.iter().find(|condition| condition.type_ == ALLOWED && condition.status == state);
    let since = old.map_or_else(|| time::stamp(now), |condition| condition.last_transition_time.clone());
    list.retain(|condition| condition.type_ != ALLOWED);
    list.push(Condition {
        type_: ALLOWED.to_owned(),
        status: state.to_owned(),
        reason: reason.to_owned(),
        message,
        last_transition_time: since,
        observed_generation: status.observed_generation,
    });
    status.conditions = Some(list);
}
