//! What becomes of a volume whose claim is gone, or was never there.

use super::{BY_CONTROLLER, binding::phase, marked, reference, wanted};
use crate::{Plan, View, resource, view::Item, write};
use k8s_openapi::api::core::v1::PersistentVolume;
use podium_types::Key;
use serde_json::json;

/// Annotation of volumes that a provisioner made: it deletes them, too.
const PROVISIONED_BY: &str = "pv.kubernetes.io/provisioned-by";

/// Brings the phase of a volume in line with its claim.
pub fn decide(view: &View, volume: &Item<PersistentVolume>) -> Plan {
    let mut plan = Plan::default();
    let Some(reference) = reference(volume) else {
        phase(volume, "Available", None, &mut plan);
        return plan;
    };
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let uid = text(&reference.uid);
    if uid.is_empty() {
        // It waits for the claim that it was made for.
        phase(volume, "Available", None, &mut plan);
        return plan;
    }
    let claim = view.claims.get(&Key::new(text(&reference.namespace), text(&reference.name)));
    match claim.filter(|claim| claim.uid() == uid) {
        None => release(volume, &mut plan),
        Some(claim) if wanted(claim) == volume.key().name => phase(volume, "Bound", None, &mut plan),
        // The claim is about to be told.
        Some(claim) if wanted(claim).is_empty() => {}
        Some(_) => unbind(volume, &mut plan),
    }
    plan
}

/// The claim took another volume.
fn unbind(volume: &Item<PersistentVolume>, plan: &mut Plan) {
    let patch = if marked(volume.meta(), BY_CONTROLLER) {
        json!({"metadata": {"annotations": {BY_CONTROLLER: null}}, "spec": {"claimRef": null}})
    } else {
        // People named the claim: only its uid is forgotten.
        json!({"spec": {"claimRef": {"uid": null, "resourceVersion": null}}})
    };
    plan.writes.push(write::patch(resource::VOLUMES, "", volume, patch));
    phase(volume, "Available", None, plan);
}

/// The claim is gone: the volume keeps its data until somebody looks after it.
fn release(volume: &Item<PersistentVolume>, plan: &mut Plan) {
    let spec = volume.spec.as_ref();
    let policy = spec.and_then(|spec| spec.persistent_volume_reclaim_policy.as_deref()).unwrap_or("Retain");
    let foreign = marked(volume.meta(), PROVISIONED_BY) || spec.is_some_and(|spec| spec.csi.is_some());
    let failed = volume.status.as_ref().and_then(|status| status.phase.as_deref()) == Some("Failed");
    if policy == "Retain" || foreign {
        return phase(volume, "Released", None, plan);
    }
    if failed {
        return;
    }
    let (reason, doing) =
        if policy == "Delete" { ("VolumeFailedDelete", "deletable") } else { ("VolumeFailedRecycle", "recyclable") };
    let message = format!("no {doing} volume plugin matched");
    phase(volume, "Failed", Some(&message), plan);
    plan.events.push(write::event(volume, "Warning", reason, message));
}
