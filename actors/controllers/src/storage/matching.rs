//! Which volume suits which claim.

use crate::{View, quantity, selector, view::Item};
use k8s_openapi::api::core::v1::{Node, PersistentVolume, PersistentVolumeClaim};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use podium_machinery::selectors::node::term_matches;
use podium_types::Key;
use std::{collections::BTreeMap, sync::Arc};

/// The older way to name a class.
const CLASS_ANNOTATION: &str = "volume.beta.kubernetes.io/storage-class";

/// The class that a claim asks for; `None` where it leaves the choice to the cluster.
pub fn class(claim: &PersistentVolumeClaim) -> Option<&str> {
    let old = claim.metadata.annotations.as_ref().and_then(|all| all.get(CLASS_ANNOTATION));
    old.or_else(|| claim.spec.as_ref()?.storage_class_name.as_ref()).map(String::as_str)
}

fn class_of(volume: &PersistentVolume) -> &str {
    let old = volume.metadata.annotations.as_ref().and_then(|all| all.get(CLASS_ANNOTATION));
    old.or_else(|| volume.spec.as_ref()?.storage_class_name.as_ref()).map_or("", String::as_str)
}

fn storage(list: Option<&BTreeMap<String, Quantity>>) -> i64 {
    list.and_then(|list| list.get("storage")).map_or(0, |amount| quantity::whole(&amount.0))
}

/// How much a volume holds, in bytes.
pub fn capacity(volume: &PersistentVolume) -> i64 {
    storage(volume.spec.as_ref().and_then(|spec| spec.capacity.as_ref()))
}

/// Whether a volume is reserved for that claim, or bound to it.
pub fn is_for(volume: &PersistentVolume, claim: &Item<PersistentVolumeClaim>) -> bool {
    let reference = volume.spec.as_ref().and_then(|spec| spec.claim_ref.as_ref());
    reference.is_some_and(|by| {
        by.name.as_deref() == Some(&claim.key().name)
            && by.namespace.as_deref() == Some(&claim.key().namespace)
            && by.uid.as_deref().is_none_or(|uid| uid.is_empty() || uid == claim.uid())
    })
}

/// Why a volume cannot serve a claim, in Kubernetes' words.
pub fn mismatch(volume: &PersistentVolume, claim: &PersistentVolumeClaim) -> Option<&'static str> {
    let (offer, wish) = (volume.spec.as_ref()?, claim.spec.as_ref()?);
    if capacity(volume) < storage(wish.resources.as_ref().and_then(|resources| resources.requests.as_ref())) {
        return Some("requested PV is too small");
    }
    if class_of(volume) != class(claim).unwrap_or_default() {
        return Some("storageClassName does not match");
    }
    if offer.volume_mode.as_deref().unwrap_or("Filesystem") != wish.volume_mode.as_deref().unwrap_or("Filesystem") {
        return Some("incompatible volumeMode");
    }
    let modes = offer.access_modes.as_deref().unwrap_or_default();
    if !wish.access_modes.iter().flatten().all(|mode| modes.contains(mode)) {
        return Some("incompatible accessMode");
    }
    None
}

/// Whether a claim could have a volume: free or reserved for it, big enough, and as asked for.
pub fn suits(volume: &PersistentVolume, key: &Key, claim: &PersistentVolumeClaim) -> bool {
    let (Some(offer), Some(wish)) = (&volume.spec, &claim.spec) else { return false };
    let taken = offer.claim_ref.as_ref().is_some_and(|by| {
        by.name.as_deref() != Some(key.name.as_str()) || by.namespace.as_deref() != Some(key.namespace.as_str())
    });
    let phase = volume.status.as_ref().and_then(|status| status.phase.as_deref());
    let labels = volume.metadata.labels.clone().unwrap_or_default();
    let attributes = |name: &Option<String>| name.clone().filter(|name| !name.is_empty());
    !taken
        && !matches!(phase, Some("Released" | "Failed" | "Bound"))
        && volume.metadata.deletion_timestamp.is_none()
        && mismatch(volume, claim).is_none()
        && attributes(&offer.volume_attributes_class_name) == attributes(&wish.volume_attributes_class_name)
        && wish.selector.as_ref().is_none_or(|wanted| selector::matches(wanted, &labels))
}

/// Whether a volume can be had on a node.
pub fn reaches(volume: &PersistentVolume, node: &Item<Node>) -> bool {
    let required = volume.spec.as_ref().and_then(|spec| spec.node_affinity.as_ref()?.required.as_ref());
    required.is_none_or(|wanted| {
        wanted.node_selector_terms.iter().any(|term| term_matches(term, &node.object.labels, &node.key().name))
    })
}

/// The volume that a claim gets: one that is reserved for it, else the smallest that suits.
pub fn best<'a>(
    view: &'a View,
    claim: &Item<PersistentVolumeClaim>,
    node: Option<&Item<Node>>,
) -> Option<&'a Arc<Item<PersistentVolume>>> {
    let reserved = view.volumes.all().find(|volume| is_for(volume, claim) && !volume.deleting());
    reserved.or_else(|| {
        let free = |volume: &&Arc<Item<PersistentVolume>>| {
            volume.spec.as_ref().is_some_and(|spec| spec.claim_ref.is_none())
                && suits(volume, claim.key(), claim)
                && node.is_none_or(|node| reaches(volume, node))
        };
        view.volumes.all().filter(free).min_by_key(|volume| (capacity(volume), volume.key().clone()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_volume_suits_a_claim_that_it_is_free_big_and_like_enough_for() {
        let key = Key::new("default", "data");
        let claim: PersistentVolumeClaim = serde_json::from_value(json!({"spec": {"storageClassName": "fast",
            "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}}))
        .unwrap();
        for (change, expected, why) in [
            (json!({}), true, None),
            (json!({"capacity": {"storage": "1Mi"}}), false, Some("requested PV is too small")),
            (json!({"storageClassName": "slow"}), false, Some("storageClassName does not match")),
            (json!({"accessModes": ["ReadOnlyMany"]}), false, Some("incompatible accessMode")),
            (json!({"volumeMode": "Block"}), false, Some("incompatible volumeMode")),
            (json!({"volumeAttributesClassName": "gold"}), false, None),
            (json!({"claimRef": {"namespace": "default", "name": "data"}}), true, None),
            (json!({"claimRef": {"namespace": "default", "name": "other"}}), false, None),
        ] {
            let mut spec =
                json!({"storageClassName": "fast", "accessModes": ["ReadWriteOnce"], "capacity": {"storage": "2Gi"}});
            for (name, value) in change.as_object().unwrap() {
                spec[name] = value.clone();
            }
            let volume: PersistentVolume = serde_json::from_value(json!({"spec": spec})).unwrap();
            assert_eq!((suits(&volume, &key, &claim), mismatch(&volume, &claim)), (expected, why), "{change}");
        }
    }
}
