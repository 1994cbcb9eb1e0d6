//! Owner references: who controls what, adoption and release.
//!
//! The rules are those of `ControllerRefManager`: an object has at most one controller;
//! one without may be adopted by a controller whose selector matches; one whose labels
//! no longer match is released.

use crate::{
    PlannedWrite, pods,
    selector::{self, Labels},
    view::{Header, Item, Typed, View},
    write,
};
use k8s_openapi::Resource;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta, OwnerReference};
use podium_machinery::state::{Event, Object};
use podium_types::Key;
use serde_json::{Value, json};
use std::{collections::BTreeSet, sync::Arc};

/// The owner that controls an object.
pub fn controller(meta: &ObjectMeta) -> Option<&OwnerReference> {
    meta.owner_references.as_ref()?.iter().find(|owner| owner.controller == Some(true))
}

/// The reference that makes `owner` the controller of an object.
pub fn reference<T: Typed + Resource>(owner: &Item<T>) -> Value {
    json!({"apiVersion": T::API_VERSION, "kind": T::KIND, "name": owner.key().name, "uid": owner.uid(),
        "controller": true, "blockOwnerDeletion": true})
}

/// What of `candidates` belongs to `owner`, and the writes that make it so.
pub fn claim<'a, O: Typed + Resource, T: Typed + 'a>(
    owner: &Item<O>,
    selector: &LabelSelector,
    resource: &'static str,
    candidates: impl Iterator<Item = &'a Arc<Item<T>>>,
) -> (Vec<&'a Arc<Item<T>>>, Vec<PlannedWrite>) {
    let (mut owned, mut writes) = (Vec::new(), Vec::new());
    for item in candidates {
        let matching = selector::matches(selector, &item.object.labels);
        match controller(item.meta()) {
            Some(controller) if controller.uid != owner.uid() => {}
            Some(_) if matching => owned.push(item),
            Some(_) if owner.deleting() => {}
            Some(_) => writes.push(set_owners(resource, item, |list| {
                list.retain(|entry| entry["uid"] != owner.uid());
            })),
            None if matching && !owner.deleting() && !item.deleting() => {
                writes.push(set_owners(resource, item, |list| list.push(reference(owner))));
                owned.push(item);
            }
            None => {}
        }
    }
    (owned, writes)
}

fn set_owners<T: Typed>(resource: &'static str, item: &Item<T>, change: impl Fn(&mut Vec<Value>)) -> PlannedWrite {
    let references = item.meta().owner_references.iter().flatten();
    let mut list: Vec<Value> = references.filter_map(|owner| serde_json::to_value(owner).ok()).collect();
    change(&mut list);
    write::patch(resource, "", item, json!({"metadata": {"ownerReferences": list}}))
}

/// Keys of the objects of kind `owner_resource` that an event about a possible dependent
/// concerns: its controller before and after, or, without one, whoever might adopt it.
pub fn keys_of_event<'a, O: Typed + 'a>(
    view: &View,
    owner_resource: &'static str,
    event: &Event,
    owners: impl Iterator<Item = &'a Arc<Item<O>>>,
    selects: impl Fn(&O, &Labels) -> bool,
) -> Vec<Key> {
    let mut keys = BTreeSet::new();
    let mut orphan = false;
    for object in [Some(&event.object), event.previous.as_ref()].into_iter().flatten() {
        match controller_uid(object) {
            Some(uid) => {
                let owner = view.by_uid(&uid).filter(|owner| owner.resource == owner_resource);
                keys.extend(owner.map(|owner| owner.key().clone()));
            }
            None => orphan = true,
        }
    }
    if orphan {
        let matching = owners.filter(|owner| selects(owner, &event.object.labels));
        keys.extend(matching.map(|owner| owner.key().clone()));
    }
    keys.into_iter().collect()
}

/// The same for an event about a pod that the view has just folded, without reading the
/// pod's two states again. None where the change makes no difference to an owner.
pub fn keys_of_pod<'a, O: Typed + 'a>(
    view: &View,
    owner_resource: &'static str,
    event: &Event,
    owners: impl Iterator<Item = &'a Arc<Item<O>>>,
    selects: impl Fn(&O, &Labels) -> bool,
) -> Vec<Key> {
    let now = view.pods.get(&event.object.key);
    let before = view.replaced(event);
    if event.previous.is_some() && before.is_none() {
        return keys_of_event(view, owner_resource, event, owners, selects);
    }
    if let (Some(now), Some(before)) = (now, before)
        && pods::standing(now) == pods::standing(before)
    {
        return Vec::new();
    }
    let mut keys = BTreeSet::new();
    let mut orphan = false;
    for pod in [now, before].into_iter().flatten() {
        match controller(pod.meta()) {
            Some(owner) => {
                let owner = view.by_uid(&owner.uid).filter(|owner| owner.resource == owner_resource);
                keys.extend(owner.map(|owner| owner.key().clone()));
            }
            None => orphan = true,
        }
    }
    if orphan {
        let matching = owners.filter(|owner| selects(owner, &event.object.labels));
        keys.extend(matching.map(|owner| owner.key().clone()));
    }
    keys.into_iter().collect()
}

/// The uid of the controller of an object that the view may not hold any more.
fn controller_uid(object: &Arc<Object>) -> Option<String> {
    let header = Header::parse("", object)?;
    header.controller().map(|owner| owner.uid.clone())
}
