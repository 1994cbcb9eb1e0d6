//! `PartialObjectMetadata`: objects for clients that want metadata alone.

use serde_json::{Value, json};

/// The object reduced to its metadata.
pub fn metadata(object: &Value) -> Value {
    json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": object["metadata"]})
}

/// A list of such objects; `metadata` is the list's.
pub fn list<'a>(objects: impl Iterator<Item = &'a Value>, list_metadata: Value) -> Value {
    let items: Vec<Value> = objects.map(metadata).collect();
    json!({"kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1", "metadata": list_metadata,
        "items": items})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_metadata_remains() {
        let object = json!({"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "a"}, "spec": {"x": 1}});
        let made = list([object].iter(), json!({"resourceVersion": "3"}));
        assert_eq!(made["items"][0]["metadata"], json!({"name": "a"}));
        assert_eq!((made["items"][0].get("spec"), &made["metadata"]["resourceVersion"]), (None, &json!("3")));
    }
}
