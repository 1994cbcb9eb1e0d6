//! Namespace: a scope for names; its finalizers hold deletion until it is empty.

use crate::{
    Column, Context, Kind, Strategy, Subresource, cells,
    json::{at, carry, items, set, set_default, text},
    names, rules,
};
use podium_types::{FieldError, Timestamp, meta};
use serde_json::{Value, json};

/// The finalizer that the namespace controller takes away once the namespace is empty.
const FINALIZER: &str = "kubernetes";
/// The label by which selectors find a namespace by its name (KEP-2161).
const NAME_LABEL: &str = "kubernetes.io/metadata.name";

/// core/v1 Namespace.
pub static KIND: Kind = Kind {
    group: "",
    versions: &["v1"],
    kind: "Namespace",
    list_kind: "NamespaceList",
    plural: "namespaces",
    singular: "namespace",
    short_names: &["ns"],
    categories: &[],
    namespaced: false,
    resource: "namespaces",
    schema: "io.k8s.api.core.v1.Namespace",
    verbs: &["create", "delete", "get", "list", "patch", "update", "watch"],
    subresources: &[
        Subresource::action("finalize", "Namespace", &["update"]),
        Subresource::part("status", "Namespace"),
    ],
    columns: &[Column::NAME, Column::text("Status"), Column::AGE],
    row,
    selectable: &["status.phase"],
    select: None,
    generation: false,
    graceful: None,
    sealed: false,
    live: false,
    strategy: &Namespace,
};

struct Namespace;

impl Strategy for Namespace {
    fn default(&self, object: &mut Value) {
        let name = meta::name(object).to_owned();
        if !name.is_empty() {
            let labels = meta::metadata_mut(object).entry("labels").or_insert(Value::Null);
            if labels.is_null() {
                *labels = json!({});
            }
            set(labels, NAME_LABEL, name);
        }
        let status = meta::member_mut(object, "status");
        status.entry("phase").or_insert_with(|| json!("Active"));
    }

    fn prepare_create(&self, object: &mut Value, _context: &Context<'_>) {
        set(object, "status", json!({"phase": "Active"}));
        let mut finalizers = items(at(object, "spec.finalizers")).to_vec();
        if !finalizers.iter().any(|f| f == FINALIZER) {
            finalizers.push(json!(FINALIZER));
        }
        meta::member_mut(object, "spec").insert("finalizers".to_owned(), Value::Array(finalizers));
    }

    fn prepare_update(&self, object: &mut Value, old: &Value, context: &Context<'_>) {
        if context.subresource != "finalize" {
            carry(object, old, "spec");
        }
        if context.subresource != "status" {
            carry(object, old, "status");
        }
        set_default(object, "spec", json!({}));
    }

    fn validate(&self, object: &Value) -> Vec<FieldError> {
        let mut errors = Vec::new();
        for (i, finalizer) in items(at(object, "spec.finalizers")).iter().enumerate() {
            let name = text(finalizer);
            rules::form(&mut errors, names::qualified_name(name), &format!("spec.finalizers[{i}]"), name);
        }
        errors
    }

    fn validate_update(&self, object: &Value, _old: &Value, context: &Context<'_>) -> Vec<FieldError> {
        let phase = at(object, "status.phase");
        let mut errors = Vec::new();
        if context.subresource == "status" && !meta::is_deleting(object) && text(phase) == "Terminating" {
            let why = "may only be 'Active' if `deletionTimestamp` is empty";
            errors.push(FieldError::invalid("status.phase", phase, why));
        }
        errors
    }

    fn validate_name(&self, name: &str) -> Result<(), String> {
        names::dns_label(name)
    }
}

fn row(object: &Value, now: Timestamp) -> Vec<Value> {
    vec![cells::name(object), at(object, "status.phase").clone(), cells::age(object, now)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_namespace_is_active_and_held() {
        let mut namespace = json!({"metadata": {"name": "a", "labels": null}, "status": {"phase": "Terminating"}});
        let context = Context { now: Timestamp::UNIX_EPOCH, user: "", subresource: "" };
        Namespace.default(&mut namespace);
        Namespace.prepare_create(&mut namespace, &context);
        assert_eq!(
            namespace,
            json!({"metadata": {"name": "a", "labels": {NAME_LABEL: "a"}}, "spec": {"finalizers": [FINALIZER]},
                "status": {"phase": "Active"}})
        );
        let mut bare = json!({"metadata": {"name": "a"}});
        Namespace.prepare_update(&mut bare, &namespace, &context);
        assert_eq!(bare["spec"], namespace["spec"]);
        assert_eq!(bare["status"], namespace["status"]);
    }
}
