//! Making the writes of a plan.

use crate::{
    EventRecord, PlannedWrite,
    view::{Header, Item, Typed},
};
use podium_types::Key;
use serde::Serialize;
use serde_json::{Map, Value};

/// The longest name that a server-made suffix of five may follow, as generateName has it.
pub const GENERATED_PREFIX_LIMIT: usize = 58;

/// The merge patch (RFC 7386) that turns `current` into `desired`; `None` where they are equal.
pub fn difference(current: &Value, desired: &Value) -> Option<Value> {
    if current == desired {
        return None;
    }
    let (Value::Object(old), Value::Object(new)) = (current, desired) else { return Some(desired.clone()) };
    let mut patch = Map::new();
    for (name, value) in new {
        match old.get(name) {
            Some(before) => {
                if let Some(inner) = difference(before, value) {
                    patch.insert(name.clone(), inner);
                }
            }
            None if value.is_null() => {}
            None => {
                patch.insert(name.clone(), value.clone());
            }
        }
    }
    for name in old.keys().filter(|name| !new.contains_key(*name)) {
        patch.insert(name.clone(), Value::Null);
    }
    (!patch.is_empty()).then_some(Value::Object(patch))
}

/// A create; name and namespace are read from the object.
pub fn create(resource: &'static str, object: Value) -> PlannedWrite {
    let namespace = podium_types::meta::namespace(&object).to_owned();
    PlannedWrite::Create { resource, namespace, object }
}

/// A patch of an object as it was seen.
pub fn patch<T: Typed>(
    resource: &'static str,
    subresource: &'static str,
    item: &Item<T>,
    patch: Value,
) -> PlannedWrite {
    PlannedWrite::Patch {
        resource,
        subresource,
        key: item.key().clone(),
        uid: item.uid().to_owned(),
        revision: Some(item.object.revision),
        patch,
    }
}

/// The same, for an object of any kind.
pub fn patch_header(header: &Header, patch: Value) -> PlannedWrite {
    PlannedWrite::Patch {
        resource: header.resource,
        subresource: "",
        key: header.key().clone(),
        uid: header.object.uid.clone(),
        revision: Some(header.object.revision),
        patch,
    }
}

/// A patch of `status` where `desired` differs from `current`, the typed status as seen.
pub fn status<T: Typed, S: Serialize>(
    resource: &'static str,
    item: &Item<T>,
    current: Option<&S>,
    desired: &S,
) -> Option<PlannedWrite> {
    let current = current.and_then(|status| serde_json::to_value(status).ok()).unwrap_or_else(|| Map::new().into());
    let change = difference(&current, &serde_json::to_value(desired).ok()?)?;
    Some(patch(resource, "status", item, serde_json::json!({"status": change})))
}

/// A delete in the background of an object as it was seen; only its uid must still hold.
pub fn delete<T: Typed>(resource: &'static str, item: &Item<T>) -> PlannedWrite {
    delete_key(resource, item.key(), item.uid())
}

/// The same, for an object of any kind.
pub fn delete_header(header: &Header) -> PlannedWrite {
    delete_key(header.resource, header.key(), &header.object.uid)
}

fn delete_key(resource: &'static str, key: &Key, uid: &str) -> PlannedWrite {
    PlannedWrite::Delete {
        resource,
        key: key.clone(),
        uid: uid.to_owned(),
        revision: None,
        propagation: "Background",
        grace: None,
    }
}

/// A Kubernetes Event about an object.
pub fn event<T: Typed + k8s_openapi::Resource>(
    item: &Item<T>,
    event_type: &'static str,
    reason: &'static str,
    message: String,
) -> EventRecord {
    EventRecord {
        api_version: T::API_VERSION.to_owned(),
        kind: T::KIND,
        key: item.key().clone(),
        uid: item.uid().to_owned(),
        event_type,
        reason,
        message,
    }
}

/// A name as generateName makes it: the prefix, cut where it is too long, and a suffix.
pub fn generated(prefix: &str, suffix: &str) -> String {
    let mut end = prefix.len().min(GENERATED_PREFIX_LIMIT);
    while !prefix.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}{suffix}", &prefix[..end])
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_difference_is_the_least_merge_patch() {
        for (current, desired, expected) in [
            (json!({"a": 1}), json!({"a": 1}), None),
            (json!({"a": 1}), json!({"a": 2}), Some(json!({"a": 2}))),
            (json!({"a": 1, "b": 1}), json!({"b": 1}), Some(json!({"a": null}))),
            (json!({"a": {"x": 1, "y": 2}}), json!({"a": {"x": 1, "y": 3}}), Some(json!({"a": {"y": 3}}))),
            (json!({"a": [1]}), json!({"a": [1, 2]}), Some(json!({"a": [1, 2]}))),
            (json!({}), json!({"a": null}), None),
        ] {
            assert_eq!(difference(&current, &desired), expected);
        }
    }
}
