//! Keeps claims while pods use them, and volumes while claims do: a finalizer that goes last.

use crate::{
    Controller, Ids, Plan, View, pods, resource,
    view::{Item, Typed},
    write,
};
use k8s_openapi::api::core::v1::Pod;
use podium_machinery::state::{Change, Event};
use podium_types::{Key, Timestamp};
use serde_json::json;

/// The finalizer of claims.
const CLAIM: &str = "kubernetes.io/pvc-protection";
/// The finalizer of volumes.
const VOLUME: &str = "kubernetes.io/pv-protection";

/// Keeps claims; its keys are claims.
pub struct ClaimProtection;

impl Controller for ClaimProtection {
    fn name(&self) -> &'static str {
        "pvc-protection"
    }
    fn watches(&self) -> &'static [&'static str] {
        &[resource::CLAIMS, resource::PODS]
    }
    fn keys(&self, view: &View, resource: &str, event: &Event) -> Vec<Key> {
        let key = &event.object.key;
        if resource == resource::CLAIMS {
            return vec![key.clone()];
        }
        // Only pods that go let go of claims, and only those that go wait for it.
        let waiting = view.deleting().filter(|(kind, _)| event.change == Change::Deleted && *kind == resource::CLAIMS);
        waiting.map(|(_, claim)| claim.clone()).filter(|claim| claim.namespace == key.namespace).collect()
    }
    fn all_keys(&self, view: &View) -> Vec<Key> {
        view.claims.all().map(|claim| claim.key().clone()).collect()
    }
    fn decide(&self, view: &View, key: &Key, _now: Timestamp, _ids: &mut Ids) -> Plan {
        let Some(claim) = view.claims.get(key) else { return Plan::default() };
        let used = || view.pods.of(&key.namespace).any(|pod| uses(pod, &key.name));
        keep(resource::CLAIMS, claim, CLAIM, used)
    }
}

/// Keeps volumes; its keys are volumes.
pub struct VolumeProtection;

impl Controller for VolumeProtection {
    fn name(&self) -> &'static str {
        "pv-protection"
    }
    fn watches(&self) -> &'static [&'static str] {
        &[resource::VOLUMES]
    }
    fn keys(&self, _view: &View, _resource: &str, event: &Event) -> Vec<Key> {
        vec![event.object.key.clone()]
    }
    fn all_keys(&self, view: &View) -> Vec<Key> {
        view.volumes.all().map(|volume| volume.key().clone()).collect()
    }
    fn decide(&self, view: &View, key: &Key, _now: Timestamp, _ids: &mut Ids) -> Plan {
        let Some(volume) = view.volumes.get(key) else { return Plan::default() };
        let bound = || volume.status.as_ref().and_then(|status| status.phase.as_deref()) == Some("Bound");
        keep(resource::VOLUMES, volume, VOLUME, bound)
    }
}

/// Whether a pod on a node has a claim of its namespace mounted.
fn uses(pod: &Pod, claim: &str) -> bool {
    let volumes = pod.spec.as_ref().and_then(|spec| spec.volumes.as_deref()).unwrap_or_default();
    let own = |volume: &str| pod.metadata.name.as_ref().is_some_and(|name| format!("{name}-{volume}") == claim);
    pods::node(pod).is_some()
        && volumes.iter().any(|volume| {
            volume.persistent_volume_claim.as_ref().is_some_and(|source| source.claim_name == claim)
                || (volume.ephemeral.is_some() && own(&volume.name))
        })
}

/// Gives an object its finalizer, and takes it off once the object goes and nobody uses it.
fn keep<T: Typed>(resource: &'static str, item: &Item<T>, finalizer: &str, used: impl Fn() -> bool) -> Plan {
    let mut plan = Plan::default();
    let mut finalizers = item.meta().finalizers.clone().unwrap_or_default();
    let has = finalizers.iter().any(|name| name == finalizer);
    match (item.deleting(), has) {
        (false, false) => finalizers.push(finalizer.to_owned()),
        (true, true) if !used() => finalizers.retain(|name| name != finalizer),
        _ => return plan,
    }
    plan.writes.push(write::patch(resource, "", item, json!({"metadata": {"finalizers": finalizers}})));
    plan
}
