//! Questions about a pod that several controllers ask.

use crate::view::Item;
use k8s_openapi::api::core::v1::{Pod, PodCondition};
use podium_types::Timestamp;
use std::collections::BTreeMap;

/// Name of the scheduler of a pod that names none.
pub const DEFAULT_SCHEDULER: &str = "default-scheduler";

/// The node that the pod is bound to.
pub fn node(pod: &Pod) -> Option<&str> {
    pod.spec.as_ref()?.node_name.as_deref().filter(|name| !name.is_empty())
}

/// The scheduler that is to place the pod.
pub fn scheduler(pod: &Pod) -> &str {
    let name = pod.spec.as_ref().and_then(|spec| spec.scheduler_name.as_deref());
    name.filter(|name| !name.is_empty()).unwrap_or(DEFAULT_SCHEDULER)
}

/// Whether the pod says which pods it wants, or does not want, near it.
pub fn neighbourly(pod: &Pod) -> bool {
    let affinity = pod.spec.as_ref().and_then(|spec| spec.affinity.as_ref());
    affinity.is_some_and(|affinity| affinity.pod_affinity.is_some() || affinity.pod_anti_affinity.is_some())
}

/// The name of the claim that is made for an ephemeral volume of a pod.
pub fn ephemeral_claim(pod: &str, volume: &str) -> String {
    format!("{pod}-{volume}")
}

/// Names of the claims that the pod uses.
pub fn claims(pod: &Pod) -> impl Iterator<Item = String> {
    let name = pod.metadata.name.as_deref().unwrap_or_default();
    let volumes = pod.spec.as_ref().and_then(|spec| spec.volumes.as_deref()).unwrap_or_default();
    volumes.iter().filter_map(move |volume| {
        let claim = volume.persistent_volume_claim.as_ref().map(|claim| claim.claim_name.clone());
        claim.or_else(|| volume.ephemeral.as_ref().map(|_| ephemeral_claim(name, &volume.name)))
    })
}

/// `status.phase`, or `""`.
pub fn phase(pod: &Pod) -> &str {
    pod.status.as_ref().and_then(|status| status.phase.as_deref()).unwrap_or_default()
}

/// Whether the pod has ended for good.
pub fn terminal(pod: &Pod) -> bool {
    matches!(phase(pod), "Succeeded" | "Failed")
}

/// Whether the pod counts as a replica: neither ended nor being deleted.
pub fn active(pod: &Pod) -> bool {
    !terminal(pod) && pod.metadata.deletion_timestamp.is_none()
}

/// What of a pod makes a difference to the controller that owns it.
#[derive(PartialEq)]
pub struct Standing<'a> {
    ended: Option<&'a str>,
    deleting: bool,
    ready_since: Option<Option<Timestamp>>,
    restarts: i32,
    owner: Option<&'a str>,
    labels: &'a BTreeMap<String, String>,
    finalizers: Option<&'a Vec<String>>,
}

/// See [`Standing`].
pub fn standing(pod: &Item<Pod>) -> Standing<'_> {
    Standing {
        ended: Some(phase(pod)).filter(|_| terminal(pod)),
        deleting: pod.metadata.deletion_timestamp.is_some(),
        ready_since: ready(pod).then(|| ready_since(pod)),
        restarts: restarts(pod),
        owner: crate::owners::controller(&pod.metadata).map(|owner| owner.uid.as_str()),
        labels: &pod.object.labels,
        finalizers: pod.metadata.finalizers.as_ref(),
    }
}

/// How often the pod's containers were started again, all together.
pub fn restarts(pod: &Pod) -> i32 {
    let status = pod.status.as_ref();
    let lists = status.into_iter().flat_map(|s| [&s.init_container_statuses, &s.container_statuses]);
    lists.flatten().flatten().map(|container| container.restart_count).sum()
}

/// The condition of that type.
pub fn condition<'a>(pod: &'a Pod, kind: &str) -> Option<&'a PodCondition> {
    pod.status.as_ref()?.conditions.as_ref()?.iter().find(|condition| condition.type_ == kind)
}

/// Whether the pod's condition `Ready` is true.
pub fn ready(pod: &Pod) -> bool {
    condition(pod, "Ready").is_some_and(|condition| condition.status == "True")
}

/// Since when the pod has been ready.
pub fn ready_since(pod: &Pod) -> Option<Timestamp> {
    let condition = condition(pod, "Ready").filter(|condition| condition.status == "True")?;
    condition.last_transition_time.as_ref().map(|time| time.0)
}

/// When a ready pod becomes available, given `minReadySeconds`; `None` where it is not ready.
pub fn available_at(pod: &Pod, min_ready_seconds: i32) -> Option<Timestamp> {
    if !ready(pod) {
        return None;
    }
    if min_ready_seconds <= 0 {
        return Some(Timestamp::MIN);
    }
    crate::time::after(ready_since(pod)?, i64::from(min_ready_seconds))
}

/// The pod's conditions with `DisruptionTarget` (KEP-3329) set: why it is about to be removed.
pub fn disrupted(pod: &Pod, reason: &str, message: &str, now: Timestamp) -> Vec<PodCondition> {
    let condition = PodCondition {
        type_: "DisruptionTarget".to_owned(),
        status: "True".to_owned(),
        reason: Some(reason.to_owned()),
        message: Some(message.to_owned()),
        last_transition_time: Some(crate::time::stamp(now)),
        observed_generation: pod.metadata.generation,
        ..PodCondition::default()
    };
    let mut list = pod.status.as_ref().and_then(|status| status.conditions.clone()).unwrap_or_default();
    list.retain(|old| old.type_ != condition.type_);
    list.push(condition);
    list
}
