//! Pods made from a template.

use crate::{owners, view::Item, view::Typed};
use k8s_openapi::Resource;
use serde_json::{Value, json};

/// What of the template's metadata a pod gets.
const COPIED: &[&str] = &["labels", "annotations", "finalizers"];

/// The pod of that name that a template describes, controlled by `owner`.
pub fn pod<T: Typed + Resource>(owner: &Item<T>, template: &Value, name: String) -> Value {
    let mut pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {}, "spec": template["spec"]});
    for field in COPIED.iter().filter(|field| !template["metadata"][**field].is_null()) {
        pod["metadata"][*field] = template["metadata"][*field].clone();
    }
    pod["metadata"]["name"] = json!(name);
    pod["metadata"]["namespace"] = json!(owner.key().namespace);
    pod["metadata"]["ownerReferences"] = json!([owners::reference(owner)]);
    pod
}

/// The same under a name that begins with `prefix`.
pub fn numbered<T: Typed + Resource>(owner: &Item<T>, template: &Value, prefix: &str, suffix: &str) -> Value {
    let mut pod = pod(owner, template, crate::write::generated(prefix, suffix));
    pod["metadata"]["generateName"] = json!(prefix);
    pod
}

/// Sets a label or an annotation.
pub fn mark(pod: &mut Value, field: &str, name: &str, value: impl Into<String>) {
    podium_types::meta::metadata_mut(pod);
    podium_types::meta::member_mut(&mut pod["metadata"], field).insert(name.to_owned(), json!(value.into()));
}
