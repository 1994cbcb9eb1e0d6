//! What a claim lacks to have its volume.

use super::{BY_CONTROLLER, COMPLETED, is, marked, matching, reference, wanted};
use crate::{Plan, View, resource, view::Item, write};
use k8s_openapi::api::core::v1::{PersistentVolume, PersistentVolumeClaim};
use podium_types::Key;
use serde_json::{Value, json};

/// Where the scheduler writes on which node a claim's pod is to run.
const SELECTED_NODE: &str = "volume.kubernetes.io/selected-node";
/// Where provisioners read that they are asked; the older name, too.
const PROVISIONER: [&str; 2] =
    ["volume.kubernetes.io/storage-provisioner", "volume.beta.kubernetes.io/storage-provisioner"];
/// A class whose volumes are made by hand.
const NO_PROVISIONER: &str = "kubernetes.io/no-provisioner";

/// Binds a claim, or says why it has to wait, or that its volume is lost.
pub fn decide(view: &View, claim: &Item<PersistentVolumeClaim>) -> Plan {
    let mut plan = Plan::default();
    let completed = marked(claim.meta(), COMPLETED);
    let name = wanted(claim);
    if name.is_empty() {
        if completed {
            lose(
                claim,
                "ClaimLost",
                "Bound claim has lost reference to PersistentVolume. Data on the volume is lost!",
                &mut plan,
            );
        } else if !claim.deleting() {
            seek(view, claim, &mut plan);
        }
        return plan;
    }
    let Some(volume) = view.volumes.get(&Key::new("", name)) else {
        if completed {
            let message = "Bound claim has lost its PersistentVolume. Data on the volume is lost!";
            lose(claim, "ClaimLost", message, &mut plan);
        } else {
            pend(claim, &mut plan);
        }
        return plan;
    };
    match reference(volume) {
        Some(reference) if is(reference, claim) => bind(volume, claim, &mut plan),
        None => bind(volume, claim, &mut plan),
        Some(_) if completed => {
            let message = "Two claims are bound to the same volume, this one is bound incorrectly";
            lose(claim, "ClaimMisbound", message, &mut plan);
        }
        Some(_) => pend(claim, &mut plan),
    }
    plan
}

/// Looks for a volume; where there is none, asks for one.
fn seek(view: &View, claim: &Item<PersistentVolumeClaim>, plan: &mut Plan) {
    let class = claim.spec.as_ref().and_then(|spec| spec.storage_class_name.as_deref()).unwrap_or_default();
    let class_key = Key::new("", class);
    let found = view.header(resource::STORAGE_CLASSES, &class_key).map(|header| header.object.value());
    let field = |name: &str| found.as_ref().and_then(|class| class[name].as_str());
    let node = claim.meta().annotations.as_ref().and_then(|all| all.get(SELECTED_NODE)).map(String::as_str);
    let waits = field("volumeBindingMode") == Some("WaitForFirstConsumer") && node.is_none();
    let volume = if waits { matching::made_for(view, claim) } else { matching::best(view, claim, node) };
    if let Some(volume) = volume {
        return bind(volume, claim, plan);
    }
    let (kind, reason, message) = match field("provisioner") {
        _ if waits => {
            ("Normal", "WaitForFirstConsumer", "waiting for first consumer to be created before binding".to_owned())
        }
        Some(provisioner) if provisioner != NO_PROVISIONER => {
            ask(claim, provisioner, plan);
            let message = format!(
                "Waiting for a volume to be created either by the external provisioner '{provisioner}' or manually by \
                 the system administrator. If volume creation is delayed, please verify that the provisioner is \
                 running and correctly registered."
            );
            ("Normal", "ExternalProvisioning", message)
        }
        None if !class.is_empty() => {
            ("Warning", "ProvisioningFailed", format!("storageclass.storage.k8s.io {class:?} not found"))
        }
        _ => {
            let message = "no persistent volumes available for this claim and no storage class is set";
            ("Normal", "FailedBinding", message.to_owned())
        }
    };
    plan.note = message.clone();
    plan.events.push(write::event(claim, kind, reason, message));
    pend(claim, plan);
}

/// Tells a provisioner that it is asked.
fn ask(claim: &Item<PersistentVolumeClaim>, provisioner: &str, plan: &mut Plan) {
    let told = claim.meta().annotations.as_ref().and_then(|all| all.get(PROVISIONER[0]));
    if told.is_none_or(|told| told != provisioner) {
        let annotations: Value = PROVISIONER.iter().map(|name| ((*name).to_owned(), json!(provisioner))).collect();
        let patch = json!({"metadata": {"annotations": annotations}});
        plan.writes.push(write::patch(resource::CLAIMS, "", claim, patch));
    }
}

/// Puts volume and claim together, step by step: the volume names the claim, then the claim
/// the volume. Whoever dies in between finds the next step missing.
fn bind(volume: &Item<PersistentVolume>, claim: &Item<PersistentVolumeClaim>, plan: &mut Plan) {
    let key = claim.key();
    let reference = reference(volume);
    if reference.and_then(|reference| reference.uid.as_deref()) != Some(claim.uid()) {
        let mut patch = json!({"spec": {"claimRef": {"apiVersion": "v1", "kind": "PersistentVolumeClaim",
            "namespace": key.namespace, "name": key.name, "uid": claim.uid(),
            "resourceVersion": claim.object.revision.to_string()}}});
        if reference.is_none() {
            patch["metadata"]["annotations"][BY_CONTROLLER] = json!("yes");
        }
        plan.writes.push(write::patch(resource::VOLUMES, "", volume, patch));
    }
    phase(volume, "Bound", None, plan);
    let mut patch = json!({});
    if wanted(claim) != volume.key().name {
        patch["spec"]["volumeName"] = json!(volume.key().name);
        patch["metadata"]["annotations"][BY_CONTROLLER] = json!("yes");
    }
    if !marked(claim.meta(), COMPLETED) {
        patch["metadata"]["annotations"][COMPLETED] = json!("yes");
        plan.note = format!("bound to {}", volume.key().name);
    }
    let changes = patch.as_object().is_some_and(|map| !map.is_empty());
    plan.writes.extend(changes.then(|| write::patch(resource::CLAIMS, "", claim, patch)));
    let offer = volume.spec.clone().unwrap_or_default();
    let mut status = claim.status.clone().unwrap_or_default();
    status.phase = Some("Bound".to_owned());
    (status.access_modes, status.capacity) = (offer.access_modes, offer.capacity);
    tell(claim, &status, plan);
}

/// Writes the phase of a volume; the plan may have written to it already.
pub fn phase(volume: &Item<PersistentVolume>, phase: &str, message: Option<&str>, plan: &mut Plan) {
    let status = volume.status.as_ref();
    if status.and_then(|status| status.phase.as_deref()) != Some(phase) {
        let patch = json!({"status": {"phase": phase, "message": message}});
        let mut write = write::patch(resource::VOLUMES, "status", volume, patch);
        write.any_revision();
        plan.writes.push(write);
    }
}

fn pend(claim: &Item<PersistentVolumeClaim>, plan: &mut Plan) {
    let mut status = claim.status.clone().unwrap_or_default();
    status.phase = Some("Pending".to_owned());
    tell(claim, &status, plan);
}

fn lose(claim: &Item<PersistentVolumeClaim>, reason: &'static str, message: &str, plan: &mut Plan) {
    let mut status = claim.status.clone().unwrap_or_default();
    if status.phase.as_deref() != Some("Lost") {
        status.phase = Some("Lost".to_owned());
        plan.events.push(write::event(claim, "Warning", reason, message.to_owned()));
        tell(claim, &status, plan);
    }
}

fn tell(
    claim: &Item<PersistentVolumeClaim>,
    status: &k8s_openapi::api::core::v1::PersistentVolumeClaimStatus,
    plan: &mut Plan,
) {
    if let Some(mut write) = write::status(resource::CLAIMS, claim, claim.status.as_ref(), status) {
        write.any_revision();
        plan.writes.push(write);
    }
}
