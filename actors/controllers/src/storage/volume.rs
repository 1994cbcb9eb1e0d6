//! What becomes of a volume: free, bound, and what is done with it after its claim.

use super::{BOUND_BY_CONTROLLER, PROVISIONED_BY};
use crate::{Plan, PlannedWrite, View, resource, time, view::Item, write};
use k8s_openapi::api::core::v1::PersistentVolume;
use podium_types::{Key, Timestamp};
use serde_json::json;

/// A write of the phase, where it is another one.
pub(super) fn phase(
    volume: &Item<PersistentVolume>,
    phase: &str,
    message: Option<&str>,
    now: Timestamp,
) -> Option<PlannedWrite> {
    let status = volume.status.as_ref();
    let same = status.and_then(|status| status.phase.as_deref()) == Some(phase)
        && status.and_then(|status| status.message.as_deref()) == message;
    let patch = json!({"status": {"phase": phase, "message": message, "lastPhaseTransitionTime": time::stamp(now)}});
    (!same).then(|| {
        let mut write = write::patch(resource::VOLUMES, "status", volume, patch);
        write.any_revision();
        write
    })
}

fn only(write: Option<PlannedWrite>) -> Plan {
    Plan { writes: write.into_iter().collect(), ..Plan::default() }
}

fn annotated(volume: &Item<PersistentVolume>, name: &str) -> bool {
    volume.meta().annotations.as_ref().is_some_and(|all| all.contains_key(name))
}

pub(super) fn decide(view: &View, volume: &Item<PersistentVolume>, now: Timestamp) -> Plan {
    let reference = volume.spec.as_ref().and_then(|spec| spec.claim_ref.clone());
    let uid = reference.as_ref().and_then(|by| by.uid.clone()).unwrap_or_default();
    let Some(by) = reference.filter(|_| !uid.is_empty()) else {
        // Free, or kept for a claim that has not come.
        return only(phase(volume, "Available", None, now));
    };
    let key = Key::new(by.namespace.unwrap_or_default(), by.name.unwrap_or_default());
    let Some(claim) = view.claims.get(&key).filter(|claim| claim.uid() == uid) else { return reclaim(volume, now) };
    match claim.spec.as_ref().and_then(|spec| spec.volume_name.as_deref()).unwrap_or_default() {
        // Half way: the claim's own decision completes it.
        "" => Plan::default(),
        name if name == volume.key().name => only(phase(volume, "Bound", None, now)),
        _ => unbind(volume, now),
    }
}

/// The claim has another volume: this one is free again.
fn unbind(volume: &Item<PersistentVolume>, now: Timestamp) -> Plan {
    let patch = match annotated(volume, BOUND_BY_CONTROLLER) {
        true => json!({"spec": {"claimRef": null}, "metadata": {"annotations": {BOUND_BY_CONTROLLER: null}}}),
        // Somebody reserved it for a claim of that name: it stays reserved.
        false => json!({"spec": {"claimRef": {"uid": null}}}),
    };
    let writes = [write::patch(resource::VOLUMES, "", volume, patch)];
    Plan { writes: writes.into_iter().chain(phase(volume, "Available", None, now)).collect(), ..Plan::default() }
}

/// Its claim is gone.
fn reclaim(volume: &Item<PersistentVolume>, now: Timestamp) -> Plan {
    let policy = volume.spec.as_ref().and_then(|spec| spec.persistent_volume_reclaim_policy.as_deref());
    // Who made a volume removes it.
    let foreign = annotated(volume, PROVISIONED_BY);
    let (reason, why) = match policy {
        Some("Delete") if !foreign => {
            let why = format!(
                "error getting deleter volume plugin for volume {:?}: no deletable volume plugin matched",
                volume.key().name
            );
            ("VolumeFailedDelete", why)
        }
        Some("Recycle") => ("VolumeFailedRecycle", "no recyclable volume plugin matched".to_owned()),
        _ => return only(phase(volume, "Released", None, now)),
    };
    let write = phase(volume, "Failed", Some(&why), now);
    let events = write.iter().map(|_| write::event(volume, "Warning", reason, why.clone())).collect();
    Plan { writes: write.into_iter().collect(), events, ..Plan::default() }
}
