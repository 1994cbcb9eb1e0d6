//! Gives claims their volumes, and takes volumes back.
//!
//! `binding` decides about claims, `reclaim` about volumes, `matching` which volume suits a
//! claim; `protection` keeps both while they are in use. Deliberately absent: making volumes,
//! which is left to provisioners; they find out from the claims' annotations.

mod binding;
mod matching;
mod protection;
mod reclaim;

pub use protection::{ClaimProtection, VolumeProtection};

use crate::{Controller, Ids, Plan, View, resource, view::Item};
use k8s_openapi::api::core::v1::{ObjectReference, PersistentVolume, PersistentVolumeClaim};
use podium_machinery::state::Event;
use podium_types::{Key, Timestamp};

/// Annotation of claims and volumes that this controller put together.
const BY_CONTROLLER: &str = "pv.kubernetes.io/bound-by-controller";
/// Annotation of claims that have their volume: they never get another.
const COMPLETED: &str = "pv.kubernetes.io/bind-completed";

/// The controller of PersistentVolumes and their claims. A key with a namespace is a claim, one
/// without a volume.
pub struct VolumeController;

impl Controller for VolumeController {
    fn name(&self) -> &'static str {
        "persistentvolume-binder"
    }
    fn watches(&self) -> &'static [&'static str] {
        &[resource::CLAIMS, resource::VOLUMES, resource::STORAGE_CLASSES]
    }
    fn keys(&self, view: &View, resource: &str, event: &Event) -> Vec<Key> {
        let key = &event.object.key;
        match resource {
            resource::CLAIMS => {
                let held = view.volumes.all().filter(|volume| names(reference(volume), key));
                std::iter::once(key.clone()).chain(held.map(|volume| volume.key().clone())).collect()
            }
            resource::VOLUMES => {
                let volume = view.volumes.get(key);
                let claims = view.claims.all().filter(|claim| {
                    let named = wanted(claim);
                    named == key.name || (named.is_empty() && volume.is_some())
                });
                std::iter::once(key.clone()).chain(claims.map(|claim| claim.key().clone())).collect()
            }
            _ => view.claims.all().filter(|claim| wanted(claim).is_empty()).map(|claim| claim.key().clone()).collect(),
        }
    }
    fn all_keys(&self, view: &View) -> Vec<Key> {
        let volumes = view.volumes.all().map(|volume| volume.key().clone());
        view.claims.all().map(|claim| claim.key().clone()).chain(volumes).collect()
    }
    fn decide(&self, view: &View, key: &Key, _now: Timestamp, _ids: &mut Ids) -> Plan {
        if let Some(claim) = view.claims.get(key) {
            return binding::decide(view, claim);
        }
        view.volumes.get(key).map(|volume| reclaim::decide(view, volume)).unwrap_or_default()
    }
}

/// The claim that a volume is, or is to be, bound to.
fn reference(volume: &PersistentVolume) -> Option<&ObjectReference> {
    volume.spec.as_ref()?.claim_ref.as_ref()
}

/// The volume that a claim is, or is to be, bound to; `""` where any will do.
fn wanted(claim: &PersistentVolumeClaim) -> &str {
    claim.spec.as_ref().and_then(|spec| spec.volume_name.as_deref()).unwrap_or_default()
}

/// Whether a volume names the claim of that key.
fn names(reference: Option<&ObjectReference>, key: &Key) -> bool {
    let own = |reference: &ObjectReference| (reference.namespace.clone(), reference.name.clone());
    reference.map(own) == Some((Some(key.namespace.clone()), Some(key.name.clone())))
}

/// Whether a volume names this very claim, or one of its name before there was any.
fn is(reference: &ObjectReference, claim: &Item<PersistentVolumeClaim>) -> bool {
    let uid = reference.uid.as_deref().unwrap_or_default();
    names(Some(reference), claim.key()) && (uid.is_empty() || uid == claim.uid())
}

/// Whether an object has an annotation.
fn marked(meta: &k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta, annotation: &str) -> bool {
    meta.annotations.as_ref().is_some_and(|all| all.contains_key(annotation))
}
