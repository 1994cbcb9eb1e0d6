//! The writes that bind a claim and a volume to each other, and those that say that a claim lost its volume.
//!
//! The volume goes first: whoever has the volume's reference has the volume, so of two claims
//! that choose the same one at once, one is refused and chooses again.

use super::{BIND_COMPLETED, BOUND_BY_CONTROLLER, volume::phase};
use crate::{Plan, PlannedWrite, resource, view::Item, write};
use k8s_openapi::api::core::v1::{PersistentVolume, PersistentVolumeClaim, PersistentVolumeClaimStatus};
use podium_types::Timestamp;
use serde_json::{Map, Value, json};

/// What is still to be written until both sides say that they are bound.
pub(super) fn bind(claim: &Item<PersistentVolumeClaim>, volume: &Item<PersistentVolume>, now: Timestamp) -> Plan {
    let mut writes = Vec::new();
    writes.extend(reserve(claim, volume));
    writes.extend(phase(volume, "Bound", None, now));
    writes.extend(name(claim, volume));
    writes.extend(status(claim, volume));
    let note = format!("{} is bound to {}", claim.key(), volume.key().name);
    Plan { writes, note, ..Plan::default() }
}

fn has(annotations: Option<&std::collections::BTreeMap<String, String>>, name: &str) -> bool {
    annotations.is_some_and(|all| all.contains_key(name))
}

/// The volume's reference to the claim.
fn reserve(claim: &Item<PersistentVolumeClaim>, volume: &Item<PersistentVolume>) -> Option<PlannedWrite> {
    let reference = volume.spec.as_ref().and_then(|spec| spec.claim_ref.as_ref());
    if reference.is_some_and(|by| by.uid.as_deref() == Some(claim.uid())) {
        return None;
    }
    let mut patch = json!({"spec": {"claimRef": {"apiVersion": "v1", "kind": "PersistentVolumeClaim",
        "namespace": claim.key().namespace, "name": claim.key().name, "uid": claim.uid()}}});
    if reference.is_none() {
        patch["metadata"] = json!({"annotations": {BOUND_BY_CONTROLLER: "yes"}});
    }
    Some(write::patch(resource::VOLUMES, "", volume, patch))
}

/// The claim's reference to the volume.
fn name(claim: &Item<PersistentVolumeClaim>, volume: &Item<PersistentVolume>) -> Option<PlannedWrite> {
    let named = claim.spec.as_ref().and_then(|spec| spec.volume_name.as_deref()) == Some(volume.key().name.as_str());
    let annotations = claim.meta().annotations.as_ref();
    let mut patch = Map::new();
    let mut new = Map::new();
    if !named {
        patch.insert("spec".to_owned(), json!({"volumeName": volume.key().name}));
        new.insert(BOUND_BY_CONTROLLER.to_owned(), json!("yes"));
    }
    if !has(annotations, BIND_COMPLETED) {
        new.insert(BIND_COMPLETED.to_owned(), json!("yes"));
    }
    if !new.is_empty() {
        patch.insert("metadata".to_owned(), json!({"annotations": new}));
    }
    (!patch.is_empty()).then(|| write::patch(resource::CLAIMS, "", claim, Value::Object(patch)))
}

fn status(claim: &Item<PersistentVolumeClaim>, volume: &Item<PersistentVolume>) -> Option<PlannedWrite> {
    let current = claim.status.as_ref();
    let offer = volume.spec.as_ref();
    let bound = current.is_some_and(|status| status.phase.as_deref() == Some("Bound"));
    let desired = PersistentVolumeClaimStatus {
        phase: Some("Bound".to_owned()),
        access_modes: offer.and_then(|spec| spec.access_modes.clone()),
        // What a bound claim has may have grown since, which is not the binder's to say.
        capacity: match current.and_then(|status| status.capacity.clone()).filter(|_| bound) {
            Some(grown) => Some(grown),
            None => offer.and_then(|spec| spec.capacity.clone()),
        },
        current_volume_attributes_class_name: offer.and_then(|spec| spec.volume_attributes_class_name.clone()),
        ..current.cloned().unwrap_or_default()
    };
    let mut write = write::status(resource::CLAIMS, claim, current, &desired)?;
    write.any_revision();
    Some(write)
}

/// A claim whose volume is gone for good.
pub(super) fn lost(claim: &Item<PersistentVolumeClaim>, why: &str) -> Plan {
    if claim.status.as_ref().and_then(|status| status.phase.as_deref()) == Some("Lost") {
        return Plan::default();
    }
    let reason = if why.starts_with("Two") { "ClaimMisbound" } else { "ClaimLost" };
    Plan {
        writes: vec![write::patch(resource::CLAIMS, "status", claim, json!({"status": {"phase": "Lost"}}))],
        events: vec![write::event(claim, "Warning", reason, why.to_owned())],
        ..Plan::default()
    }
}
