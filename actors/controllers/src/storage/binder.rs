//! Finds a volume for every claim, and follows what becomes of both.
//!
//! One controller for the two kinds, because each decision about one reads the other. A key
//! with a namespace is a claim's, one without is a volume's.

use super::{
    BIND_COMPLETED, DEFAULT_CLASS, NO_PROVISIONER, PROVISIONERS, SELECTED_NODE,
    binding::{bind, lost},
    matching, volume,
};
use crate::{Controller, Ids, Plan, View, resource, view::Item, write};
use k8s_openapi::api::{core::v1::PersistentVolumeClaim, storage::v1::StorageClass};
use podium_machinery::state::Event;
use podium_types::{Key, Timestamp};
use serde_json::json;

/// The controller of claims and volumes.
pub struct BinderController;

impl Controller for BinderController {
    fn name(&self) -> &'static str {
        "persistentvolume"
    }
    fn watches(&self) -> &'static [&'static str] {
        &[resource::CLAIMS, resource::VOLUMES, resource::STORAGE_CLASSES]
    }
    fn keys(&self, view: &View, resource: &str, event: &Event) -> Vec<Key> {
        let key = event.object.key.clone();
        match resource {
            resource::CLAIMS => {
                let claim = Item::<PersistentVolumeClaim>::parse(&event.object);
                let volume = claim.as_deref().and_then(volume_name).map(|name| Key::new("", name));
                [key].into_iter().chain(volume).collect()
            }
            resource::VOLUMES => {
                let reference = view.volumes.get(&key).and_then(|volume| volume.spec.as_ref()?.claim_ref.clone());
                let mut keys = vec![key];
                match reference {
                    Some(by) => {
                        keys.push(Key::new(by.namespace.unwrap_or_default(), by.name.unwrap_or_default()));
                    }
                    None => keys.extend(unbound(view)),
                }
                // A volume that is gone leaves its claim behind.
                keys.extend(event.previous.as_ref().and_then(bound_claim));
                keys
            }
            _ => unbound(view).collect(),
        }
    }
    fn all_keys(&self, view: &View) -> Vec<Key> {
        let claims = view.claims.all().map(|claim| claim.key().clone());
        claims.chain(view.volumes.all().map(|volume| volume.key().clone())).collect()
    }
    fn decide(&self, view: &View, key: &Key, now: Timestamp, _ids: &mut Ids) -> Plan {
        match (view.claims.get(key), view.volumes.get(key)) {
            (Some(claim), _) if !key.namespace.is_empty() => decide(view, claim, now),
            (_, Some(found)) if key.namespace.is_empty() => volume::decide(view, found, now),
            _ => Plan::default(),
        }
    }
}

fn volume_name(claim: &PersistentVolumeClaim) -> Option<&str> {
    claim.spec.as_ref()?.volume_name.as_deref().filter(|name| !name.is_empty())
}

fn unbound(view: &View) -> impl Iterator<Item = Key> {
    view.claims.all().filter(|claim| volume_name(claim).is_none()).map(|claim| claim.key().clone())
}

fn bound_claim(old: &std::sync::Arc<podium_machinery::state::Object>) -> Option<Key> {
    let by = Item::<k8s_openapi::api::core::v1::PersistentVolume>::parse(old)?.spec.as_ref()?.claim_ref.clone()?;
    Some(Key::new(by.namespace?, by.name?))
}

fn annotated(claim: &Item<PersistentVolumeClaim>, name: &str) -> bool {
    claim.meta().annotations.as_ref().is_some_and(|all| all.contains_key(name))
}

fn decide(view: &View, claim: &Item<PersistentVolumeClaim>, now: Timestamp) -> Plan {
    let completed = annotated(claim, BIND_COMPLETED);
    let Some(name) = volume_name(claim) else {
        return match completed {
            true => lost(claim, "Bound claim has lost reference to PersistentVolume. Data on the volume is lost!"),
            false if claim.deleting() => Plan::default(),
            false => find(view, claim, now),
        };
    };
    let Some(volume) = view.volumes.get(&Key::new("", name)) else {
        return match completed {
            true => lost(claim, "Bound claim has lost its PersistentVolume. Data on the volume is lost!"),
            false => Plan { note: format!("volume {name:?} is not there yet"), ..Plan::default() },
        };
    };
    let reference = volume.spec.as_ref().and_then(|spec| spec.claim_ref.as_ref());
    if matching::is_for(volume, claim) {
        return bind(claim, volume, now);
    }
    if reference.is_some() {
        return match completed {
            true => lost(claim, "Two claims are bound to the same volume, this one is bound incorrectly"),
            false => {
                let why = format!("volume {name:?} already bound to a different claim.");
                told(claim, "Warning", "FailedBinding", why)
            }
        };
    }
    match matching::mismatch(volume, claim).filter(|_| !completed) {
        Some(why) => {
            told(claim, "Warning", "VolumeMismatch", format!("Cannot bind to requested volume {name:?}: {why}"))
        }
        None => bind(claim, volume, now),
    }
}

fn told(claim: &Item<PersistentVolumeClaim>, event_type: &'static str, reason: &'static str, message: String) -> Plan {
    Plan { events: vec![write::event(claim, event_type, reason, message)], ..Plan::default() }
}

/// Chooses a volume for a claim that names none, or says what it waits for.
fn find(view: &View, claim: &Item<PersistentVolumeClaim>, now: Timestamp) -> Plan {
    let Some(name) = matching::class(claim) else { return without_class(view, claim, now) };
    let class = view.storage_classes.get(&Key::new("", name));
    let delayed = class.is_some_and(|class| class.volume_binding_mode.as_deref() == Some("WaitForFirstConsumer"));
    let selected = claim.meta().annotations.as_ref().and_then(|all| all.get(SELECTED_NODE));
    let node = selected.and_then(|name| view.nodes.get(&Key::new("", name)));
    let reserved = view.volumes.all().find(|volume| matching::is_for(volume, claim));
    if delayed && node.is_none() && reserved.is_none() {
        let why = "waiting for first consumer to be created before binding".to_owned();
        return told(claim, "Normal", "WaitForFirstConsumer", why);
    }
    let node = node.filter(|_| delayed).map(AsRef::as_ref);
    if let Some(volume) = matching::best(view, claim, node) {
        return bind(claim, volume, now);
    }
    match class {
        None if name.is_empty() => nothing(claim),
        None => {
            let why = format!("storageclass.storage.k8s.io {name:?} not found");
            told(claim, "Warning", "ProvisioningFailed", why)
        }
        // Another claim was faster: the scheduler looks for another node.
        Some(class) if class.provisioner == NO_PROVISIONER && delayed => {
            let patch = json!({"metadata": {"annotations": {SELECTED_NODE: null}}});
            Plan { writes: vec![write::patch(resource::CLAIMS, "", claim, patch)], ..Plan::default() }
        }
        Some(class) if class.provisioner == NO_PROVISIONER => {
            let why = format!("no volume plugin matched name: {NO_PROVISIONER}");
            told(claim, "Warning", "ProvisioningFailed", why)
        }
        Some(class) => provision(claim, class),
    }
}

fn nothing(claim: &Item<PersistentVolumeClaim>) -> Plan {
    let why = "no persistent volumes available for this claim and no storage class is set".to_owned();
    told(claim, "Normal", "FailedBinding", why)
}

/// A claim that leaves the class to the cluster gets the default one, now or once there is one.
fn without_class(view: &View, claim: &Item<PersistentVolumeClaim>, now: Timestamp) -> Plan {
    let newest = |class: &&std::sync::Arc<Item<StorageClass>>| {
        (class.meta().creation_timestamp.as_ref().map(|time| time.0), std::cmp::Reverse(class.key().name.clone()))
    };
    if let Some(class) = view.storage_classes.all().filter(|class| is_default(class)).max_by_key(newest) {
        let patch = json!({"spec": {"storageClassName": class.key().name}});
        return Plan { writes: vec![write::patch(resource::CLAIMS, "", claim, patch)], ..Plan::default() };
    }
    match matching::best(view, claim, None) {
        Some(volume) => bind(claim, volume, now),
        None => nothing(claim),
    }
}

fn is_default(class: &Item<StorageClass>) -> bool {
    let annotations = class.meta().annotations.as_ref();
    annotations.is_some_and(|all| DEFAULT_CLASS.iter().any(|name| all.get(*name).is_some_and(|value| value == "true")))
}

/// Tells whoever provisions for the class that a volume is wanted.
fn provision(claim: &Item<PersistentVolumeClaim>, class: &Item<StorageClass>) -> Plan {
    let who = &class.provisioner;
    let mut plan = told(
        claim,
        "Normal",
        "ExternalProvisioning",
        format!(
            "Waiting for a volume to be created either by the external provisioner '{who}' or manually by the system \
             administrator. If volume creation is delayed, please verify that the provisioner is running and \
             correctly registered."
        ),
    );
    if PROVISIONERS.iter().any(|name| !annotated(claim, name)) {
        let annotations: serde_json::Map<_, _> =
            PROVISIONERS.iter().map(|name| ((*name).to_owned(), json!(who))).collect();
        let patch = json!({"metadata": {"annotations": annotations}});
        plan.writes.push(write::patch(resource::CLAIMS, "", claim, patch));
    }
    plan
}
