//! Rules for `metadata` that hold for every kind.
//!
//! The words are those of apimachinery's `ValidateObjectMeta`. A kind's rule for names is
//! its strategy's.

use podium_kinds::{Kind, names};
use podium_types::{FieldError, meta};
use serde_json::{Value, json};

/// Bytes that the keys and values of all annotations may take together.
pub const MAX_ANNOTATIONS: usize = 256 * 1024;

/// Members of `metadata` that only the server sets.
pub const OWNED: &[&str] =
    &["uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "generation", "selfLink"];

/// Members of `metadata` that no update may change.
const IMMUTABLE: &[&str] =
    &["name", "namespace", "uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds"];

/// Checks the metadata of an object; `old` is the object before, for an update.
///
/// The server fills in what it owns before it asks, so that an absent field is a change.
pub fn validate(kind: &Kind, object: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Vec::new();
    match old {
        None => name(&mut errors, kind, object),
        Some(old) => changes(&mut errors, object, old),
    }
    labels(&mut errors, object);
    annotations(&mut errors, object);
    finalizers(&mut errors, object, old);
    owners(&mut errors, object);
    errors
}

fn name(errors: &mut Vec<FieldError>, kind: &Kind, object: &Value) {
    let name = meta::name(object);
    let base = meta::string(object, "generateName");
    if name.is_empty() {
        errors.push(FieldError::required("metadata.name", "name or generateName is required"));
    } else if let Err(why) = path_segment(name).and_then(|()| kind.strategy.validate_name(name)) {
        errors.push(FieldError::invalid("metadata.name", &json!(name), &why));
    }
    // A name is made of it by adding letters and digits; `x` stands for them.
    if !base.is_empty()
        && let Err(why) = kind.strategy.validate_name(&format!("{base}x"))
    {
        errors.push(FieldError::invalid("metadata.generateName", &json!(base), &why));
    }
    let namespace = meta::namespace(object);
    if !kind.namespaced {
        if !namespace.is_empty() {
            errors.push(FieldError::forbidden("metadata.namespace", "not allowed on this type"));
        }
    } else if namespace.is_empty() {
        errors.push(FieldError::required("metadata.namespace", ""));
    } else if let Err(why) = names::dns_label(namespace) {
        errors.push(FieldError::invalid("metadata.namespace", &json!(namespace), &why));
    }
}

/// A name must stand in a URL path, whatever a kind allows.
fn path_segment(name: &str) -> names::Checked {
    if matches!(name, "." | "..") {
        return Err(format!("may not be '{name}'"));
    }
    match name.chars().find(|c| matches!(c, '/' | '%')) {
        Some(c) => Err(format!("may not contain '{c}'")),
        None => Ok(()),
    }
}

fn changes(errors: &mut Vec<FieldError>, object: &Value, old: &Value) {
    for field in IMMUTABLE {
        let (new, before) = (&object["metadata"][*field], &old["metadata"][*field]);
        if new != before {
            errors.push(FieldError::invalid(format!("metadata.{field}"), new, "field is immutable"));
        }
    }
    let (new, before) = (&object["metadata"]["generation"], &old["metadata"]["generation"]);
    if new.as_i64() < before.as_i64() {
        errors.push(FieldError::invalid("metadata.generation", new, "must not be decremented"));
    }
}

fn labels(errors: &mut Vec<FieldError>, object: &Value) {
    for (key, value) in meta::pairs(object, "labels") {
        if let Err(why) = names::qualified_name(key) {
            errors.push(FieldError::invalid("metadata.labels", &json!(key), &why));
        }
        if let Err(why) = names::label_value(value) {
            errors.push(FieldError::invalid("metadata.labels", &json!(value), &why));
        }
    }
}

fn annotations(errors: &mut Vec<FieldError>, object: &Value) {
    let mut size = 0usize;
    for (key, value) in meta::pairs(object, "annotations") {
        size = size.saturating_add(key.len()).saturating_add(value.len());
        // Annotation keys alone may have capitals in their prefix.
        if let Err(why) = names::qualified_name(&key.to_lowercase()) {
            errors.push(FieldError::invalid("metadata.annotations", &json!(key), &why));
        }
    }
    if size > MAX_ANNOTATIONS {
        errors.push(FieldError::too_long("metadata.annotations", MAX_ANNOTATIONS));
    }
}

fn finalizers(errors: &mut Vec<FieldError>, object: &Value, old: Option<&Value>) {
    for (i, name) in meta::finalizers(object).enumerate() {
        if let Err(why) = names::qualified_name(name) {
            errors.push(FieldError::invalid(format!("metadata.finalizers[{i}]"), &json!(name), &why));
        }
    }
    let Some(old) = old.filter(|o| meta::is_deleting(o)) else { return };
    let added: Vec<&str> = meta::finalizers(object).filter(|f| !meta::finalizers(old).any(|o| o == *f)).collect();
    if !added.is_empty() {
        let why =
            format!("no new finalizers can be added if the object is being deleted, found new finalizers {added:?}");
        errors.push(FieldError::forbidden("metadata.finalizers", &why));
    }
}

fn owners(errors: &mut Vec<FieldError>, object: &Value) {
    let references = object["metadata"]["ownerReferences"].as_array().map_or(&[][..], Vec::as_slice);
    let mut controller: Option<&str> = None;
    for (i, reference) in references.iter().enumerate() {
        let text = |field: &str| reference[field].as_str().unwrap_or_default();
        let path = format!("metadata.ownerReferences[{i}]");
        for (field, why) in [
            ("apiVersion", "version must not be empty"),
            ("kind", "must not be empty"),
            ("name", "must not be empty"),
            ("uid", "must not be empty"),
        ] {
            if text(field).is_empty() {
                errors.push(FieldError::invalid(format!("{path}.{field}"), &json!(""), why));
            }
        }
        if text("apiVersion") == "v1" && text("kind") == "Event" {
            errors.push(FieldError::invalid(path, reference, "Event is disallowed from being an owner"));
        }
        if reference["controller"] == true {
            if let Some(first) = controller {
                let why = format!(
                    "Only one reference can have Controller set to true. Found \"true\" in references for {first} and {}",
                    text("name")
                );
                errors.push(FieldError::invalid("metadata.ownerReferences", &json!(references), &why));
            }
            controller = Some(reference["name"].as_str().unwrap_or_default());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(kind: &str, object: &Value, old: Option<&Value>) -> Vec<String> {
        let kind = podium_kinds::by_kind("v1", kind).expect("a kind");
        validate(kind, object, old).into_iter().map(|e| e.field).collect()
    }

    #[test]
    fn metadata_of_a_new_object() {
        let good = json!({"metadata": {"name": "a", "namespace": "b", "generateName": "a-",
            "labels": {"app.kubernetes.io/name": "v1.2"}, "annotations": {"Example.COM/a": "any text\n"},
            "finalizers": ["example.com/x"], "ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": "p",
            "uid": "u", "controller": true}]}});
        assert_eq!(fields("ConfigMap", &good, None), [""; 0]);
        let table = [
            ("name", json!("A b"), "metadata.name"),
            ("name", json!("a/b"), "metadata.name"),
            ("name", json!(""), "metadata.name"),
            ("namespace", json!("a.b"), "metadata.namespace"),
            ("namespace", json!(""), "metadata.namespace"),
            ("generateName", json!("_"), "metadata.generateName"),
            ("labels", json!({"a b": ""}), "metadata.labels"),
            ("labels", json!({"a": "-"}), "metadata.labels"),
            ("annotations", json!({"/a": ""}), "metadata.annotations"),
            ("annotations", json!({"a": "x".repeat(MAX_ANNOTATIONS)}), "metadata.annotations"),
            ("finalizers", json!(["a b"]), "metadata.finalizers[0]"),
            (
                "ownerReferences",
                json!([{"apiVersion": "v1", "kind": "Pod", "name": "p"}]),
                "metadata.ownerReferences[0].uid",
            ),
        ];
        for (field, value, expected) in table {
            let mut bad = good.clone();
            bad["metadata"][field] = value;
            assert_eq!(fields("ConfigMap", &bad, None), [expected], "{field}");
        }
        assert_eq!(fields("Node", &good, None), ["metadata.namespace"]);
    }

    #[test]
    fn what_an_update_may_not_change() {
        let old = json!({"metadata": {"name": "a", "namespace": "b", "uid": "u", "generation": 2,
            "deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": ["a/b"]}});
        assert_eq!(fields("ConfigMap", &old, Some(&old)), [""; 0]);
        let mut new = old.clone();
        new["metadata"]["uid"] = json!("other");
        new["metadata"]["generation"] = json!(1);
        new["metadata"]["finalizers"] = json!(["a/b", "c/d"]);
        assert_eq!(
            fields("ConfigMap", &new, Some(&old)),
            ["metadata.uid", "metadata.generation", "metadata.finalizers"]
        );
    }
}
