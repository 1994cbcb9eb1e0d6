//! Which volume suits a claim best.

use super::{is, reference};
use crate::{View, quantity, selector, view::Item};
use k8s_openapi::{
    api::core::v1::{PersistentVolume, PersistentVolumeClaim},
    apimachinery::pkg::api::resource::Quantity,
};
use podium_machinery::selectors::node::term_matches;
use podium_types::Key;
use std::{collections::BTreeMap, sync::Arc};

/// The volume that was made for the claim, or the smallest that is free and large and like
/// enough; `node`: where its pod is to run.
pub fn best<'a>(
    view: &'a View,
    claim: &Item<PersistentVolumeClaim>,
    node: Option<&str>,
) -> Option<&'a Arc<Item<PersistentVolume>>> {
    let fitting = view.volumes.all().filter(|volume| suits(volume, claim) && reaches(view, volume, node));
    fitting.min_by_key(|volume| {
        let size = volume.spec.as_ref().map_or(0, |spec| amount(spec.capacity.as_ref()));
        (reference(volume).is_none(), size, volume.key().clone())
    })
}

/// The volume that names the claim, wherever its pod will run.
pub fn made_for<'a>(view: &'a View, claim: &Item<PersistentVolumeClaim>) -> Option<&'a Arc<Item<PersistentVolume>>> {
    view.volumes.all().find(|volume| reference(volume).is_some() && suits(volume, claim))
}

fn suits(volume: &Item<PersistentVolume>, claim: &Item<PersistentVolumeClaim>) -> bool {
    let (Some(offer), Some(wish)) = (&volume.spec, &claim.spec) else { return false };
    let wanted = wish.resources.as_ref().and_then(|resources| resources.requests.as_ref());
    let modes = offer.access_modes.as_deref().unwrap_or_default();
    let class = |name: &Option<String>| name.clone().unwrap_or_default();
    let mode = |mode: &Option<String>| mode.clone().unwrap_or_else(|| "Filesystem".to_owned());
    reference(volume).is_none_or(|reference| is(reference, claim))
        && !volume.deleting()
        && class(&offer.storage_class_name) == class(&wish.storage_class_name)
        && mode(&offer.volume_mode) == mode(&wish.volume_mode)
        && amount(offer.capacity.as_ref()) >= amount(wanted)
        && wish.access_modes.iter().flatten().all(|mode| modes.contains(mode))
        && wish.selector.as_ref().is_none_or(|wish| selector::matches(wish, &volume.object.labels))
}

/// Whether a volume can be used on a node; without a node, all can.
fn reaches(view: &View, volume: &PersistentVolume, node: Option<&str>) -> bool {
    let Some(node) = node else { return true };
    let affinity = volume.spec.as_ref().and_then(|spec| spec.node_affinity.as_ref()?.required.as_ref());
    let labels = view.nodes.get(&Key::new("", node)).map(|node| &node.object.labels);
    affinity.is_none_or(|required| {
        labels.is_some_and(|labels| required.node_selector_terms.iter().any(|term| term_matches(term, labels, node)))
    })
}

fn amount(list: Option<&BTreeMap<String, Quantity>>) -> i64 {
    list.and_then(|list| list.get("storage")).map_or(0, |amount| quantity::whole(&amount.0))
}
