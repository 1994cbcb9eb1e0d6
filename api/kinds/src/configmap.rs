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
