//! ConfigMap: configuration data that pods consume.

use crate::{Column, Kind, Strategy};
use podium_types::Timestamp;
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
    verbs: &["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"],
    subresources: &[],
    columns: &[
        Column { name: "Name", kind: "string", format: "name", priority: 0 },
        Column { name: "Data", kind: "integer", format: "", priority: 0 },
        Column { name: "Age", kind: "string", format: "", priority: 0 },
    ],
    row,
    selectable: &[],
    select: None,
    generation: false,
    graceful: None,
    sealed: false,
    live: false,
    strategy: &ConfigMap,
};

struct ConfigMap;
impl Strategy for ConfigMap {}

fn row(object: &Value, _now: Timestamp) -> Vec<Value> {
    let count = |field: &str| object[field].as_object().map_or(0, serde_json::Map::len);
    vec![json!(podium_types::meta::name(object)), json!(count("data") + count("binaryData")), json!("")]
}
