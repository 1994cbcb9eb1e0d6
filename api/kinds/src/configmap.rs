//! ConfigMap: configuration data that pods consume.

use crate::{
    Column, Context, Kind, Strategy, cells,
    json::{self, count},
    kind::ALL_VERBS,
    rules,
};
use podium_types::{FieldError, Timestamp};
use serde_json::{Value, json};

/// core/v1 ConfigMap.
pub static KIND: Kind = Kind {
    group: "",
    versions: &["v1"],
    kind: "ConfigMap",
    list_kind: "ConfigMapList",
    plural: "configmaps",
    singular: "configmap",
    short_names: &["cm"],
    categories: &[],
    namespaced: true,
    resource: "configmaps",
    schema: "io.k8s.api.core.v1.ConfigMap",
    verbs: ALL_VERBS,
    subresources: &[],
    columns: &[Column::NAME, Column::integer("Data"), Column::AGE],
    row,
    selectable: &[],
    select: None,
    generation: false,
    graceful: None,
    sealed: false,
    live: false,
    strategy: &ConfigMap,
};

fn row(object: &Value, now: Timestamp) -> Vec<Value> {
    let data = count(&object["data"]) + count(&object["binaryData"]);
    vec![cells::name(object), json!(data), cells::age(object, now)]
}

struct ConfigMap;

impl Strategy for ConfigMap {
    fn validate(&self, object: &Value) -> Vec<FieldError> {
        let mut errors = Vec::new();
        for field in ["data", "binaryData"] {
            rules::data_keys(&mut errors, &object[field], field);
        }
        for (key, _) in json::members(&object["data"]) {
            if !object["binaryData"][key].is_null() {
                let detail = "duplicate of key present in binaryData";
                errors.push(FieldError::invalid(format!("data[{key}]"), &json!(key), detail));
            }
        }
        rules::data_base64(&mut errors, &object["binaryData"], "binaryData");
        rules::data_size(&mut errors, &object["data"], &object["binaryData"], "");
        errors
    }

    fn validate_update(&self, object: &Value, old: &Value, _context: &Context<'_>) -> Vec<FieldError> {
        rules::sealed_data(object, old, &["data", "binaryData"])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(errors: &[FieldError]) -> Vec<String> {
        errors.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn keys_sizes_and_bytes() {
        let large = "x".repeat(1024 * 1024 + 1);
        let cases = [
            (json!({"data": {"a.b": "c"}, "binaryData": {"d": "eA=="}}), vec![]),
            (json!({"data": {"a": large}}), vec![": Too long: may not be more than 1048576 bytes"]),
            (
                json!({"data": {"a": ""}, "binaryData": {"a": ""}}),
                vec![r#"data[a]: Invalid value: "a": duplicate of key present in binaryData"#],
            ),
            (json!({"binaryData": {"a": "?"}}), vec![r#"binaryData[a]: Invalid value: "?": illegal base64 data"#]),
            (json!({"data": {"..": ""}}), vec![r#"data[..]: Invalid value: "..": must not be '..'"#]),
        ];
        for (object, expected) in cases {
            assert_eq!(messages(&ConfigMap.validate(&object)), expected);
        }
    }

    #[test]
    fn immutable_means_immutable() {
        let context = Context { now: Timestamp::UNIX_EPOCH, user: "", subresource: "" };
        let old = json!({"immutable": true, "data": {"a": "b"}});
        let change = |new: Value| messages(&ConfigMap.validate_update(&new, &old, &context));
        assert!(change(json!({"immutable": true, "data": {"a": "b"}, "metadata": {"labels": {"c": "d"}}})).is_empty());
        assert_eq!(
            change(json!({"data": {"a": "c"}})),
            [
                "immutable: Forbidden: field is immutable when `immutable` is set",
                "data: Forbidden: field is immutable when `immutable` is set",
            ]
        );
    }
}
