//! Claims that pods use, and volumes that claims have, may not go: a finalizer each holds them.

use crate::{Controller, Ids, Plan, View, pods, resource, view::Header, write};
use k8s_openapi::api::core::v1::{PersistentVolume, Pod};
use podium_machinery::state::Event;
use podium_types::{Key, Timestamp};
use serde_json::json;

const CLAIM: &str = "kubernetes.io/pvc-protection";
const VOLUME: &str = "kubernetes.io/pv-protection";

/// The controller of the claims' finalizer.
pub struct ClaimProtection;
/// The controller of the volumes' finalizer.
pub struct VolumeProtection;

/// Adds the finalizer to what lives, and takes it off what goes and is not in use.
fn guard(header: Option<&Header>, finalizer: &str, used: impl FnOnce() -> bool) -> Plan {
    let Some(header) = header else { return Plan::default() };
    let guarded = header.finalizers.iter().any(|own| own == finalizer);
    let mut finalizers = header.finalizers.clone();
    match header.deleting {
        false if !guarded => finalizers.push(finalizer.to_owned()),
        true if guarded && !used() => finalizers.retain(|own| own != finalizer),
        _ => return Plan::default(),
    }
    let write = write::patch_header(header, json!({"metadata": {"finalizers": finalizers}}));
    Plan { writes: vec![write], ..Plan::default() }
}

/// Whether a pod that has a node, and has not ended, uses a claim.
fn uses(pod: &Pod, claim: &str) -> bool {
    pods::node(pod).is_some() && !pods::terminal(pod) && pods::claims(pod).any(|name| name == claim)
}

impl Controller for ClaimProtection {
    fn name(&self) -> &'static str {
        "pvcprotection"
    }
    fn watches(&self) -> &'static [&'static str] {
        &[resource::CLAIMS, resource::PODS]
    }
    fn keys(&self, view: &View, resource: &str, event: &Event) -> Vec<Key> {
        let key = &event.object.key;
        if resource == resource::CLAIMS {
            return vec![key.clone()];
        }
        // Only a pod that ends sets a claim free.
        let now = view.pods.get(key).filter(|pod| !pods::terminal(pod));
        let Some(before) = view.replaced(event).filter(|_| now.is_none()) else { return Vec::new() };
        pods::claims(before).map(|name| Key::new(&key.namespace, name)).collect()
    }
    fn all_keys(&self, view: &View) -> Vec<Key> {
        view.claims.all().map(|claim| claim.key().clone()).collect()
    }
    fn decide(&self, view: &View, key: &Key, _now: Timestamp, _ids: &mut Ids) -> Plan {
        let header = view.header(resource::CLAIMS, key).map(AsRef::as_ref);
        guard(header, CLAIM, || view.pods.of(&key.namespace).any(|pod| uses(pod, &key.name)))
    }
}

fn bound(volume: &PersistentVolume) -> bool {
    volume.status.as_ref().and_then(|status| status.phase.as_deref()) == Some("Bound")
}

impl Controller for VolumeProtection {
    fn name(&self) -> &'static str {
        "pvprotection"
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
        let header = view.header(resource::VOLUMES, key).map(AsRef::as_ref);
        guard(header, VOLUME, || view.volumes.get(key).is_some_and(|volume| bound(volume)))
    }
}
