//! StorageClass: who makes volumes for claims, and how.

use super::frozen;
use crate::{
    Column, Context, Kind, Strategy, cells,
    json::{members, plain, set_default, text},
    names,
    rules::{self, Errors},
};
use podium_types::{FieldError, Timestamp};
use serde_json::{Value, json};

/// Annotations of the class that claims without a class get, new and old.
const IS_DEFAULT: [&str; 2] =
    ["storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class"];

/// storage.k8s.io/v1 StorageClass.
pub static KIND: Kind = Kind {
    group: "storage.k8s.io",
    kind: "StorageClass",
    list_kind: "StorageClassList",
    plural: "storageclasses",
    singular: "storageclass",
    short_names: &["sc"],
    namespaced: false,
    resource: "storageclasses.storage.k8s.io",
    schema: "io.k8s.api.storage.v1.StorageClass",
    columns: &[
        Column::NAME,
        Column::text("Provisioner"),
        Column::text("ReclaimPolicy"),
        Column::text("VolumeBindingMode"),
        Column::text("AllowVolumeExpansion"),
        Column::AGE,
    ],
    row,
    strategy: &Class,
    ..Kind::PLAIN
};

/// Most parameters, and the bytes that they may take together.
const MAX_PARAMETERS: usize = 512;
const MAX_PARAMETERS_SIZE: usize = 256 * 1024;

struct Class;

impl Strategy for Class {
    fn default(&self, object: &mut Value) {
        set_default(object, "reclaimPolicy", "Delete");
        set_default(object, "volumeBindingMode", "Immediate");
    }
    fn validate(&self, object: &Value) -> Vec<FieldError> {
        let mut errors = Errors::new();
        let provisioner = text(&object["provisioner"]);
        rules::required(&mut errors, &object["provisioner"], "provisioner", "");
        if !provisioner.is_empty() {
            let checked = names::qualified_name(&provisioner.to_lowercase());
            rules::form(&mut errors, checked, "provisioner", provisioner);
        }
        parameters(&mut errors, &object["parameters"]);
        rules::one_of(&mut errors, &object["reclaimPolicy"], "reclaimPolicy", &["Delete", "Retain"]);
        let modes = &["Immediate", "WaitForFirstConsumer"];
        rules::required_one_of(&mut errors, &object["volumeBindingMode"], "volumeBindingMode", modes);
        errors
    }
    fn validate_update(&self, object: &Value, old: &Value, _context: &Context<'_>) -> Vec<FieldError> {
        let mut errors = Errors::new();
        frozen(&mut errors, object, old, &["parameters", "provisioner", "reclaimPolicy"]);
        rules::fixed(&mut errors, object, old, "", &["volumeBindingMode"]);
        errors
    }
}

/// What a provisioner is told, within bounds.
fn parameters(errors: &mut Errors, parameters: &Value) {
    if members(parameters).count() > MAX_PARAMETERS {
        errors.push(FieldError::too_long("Provisioner Parameters Length", MAX_PARAMETERS));
        return;
    }
    if members(parameters).any(|(key, _)| key.is_empty()) {
        errors.push(FieldError::invalid("parameters", &json!(""), "field can not be empty."));
    }
    let size: usize = members(parameters).map(|(key, value)| key.len() + text(value).len()).sum();
    if size > MAX_PARAMETERS_SIZE {
        errors.push(FieldError::too_long("parameters", MAX_PARAMETERS_SIZE));
    }
}

fn row(object: &Value, now: Timestamp) -> Vec<Value> {
    let annotations = &object["metadata"]["annotations"];
    let suffix = if IS_DEFAULT.iter().any(|a| annotations[*a] == "true") { " (default)" } else { "" };
    vec![
        json!(format!("{}{suffix}", podium_types::meta::name(object))),
        json!(text(&object["provisioner"])),
        json!(text(&object["reclaimPolicy"])),
        json!(text(&object["volumeBindingMode"])),
        json!(plain(&object["allowVolumeExpansion"]) == "true"),
        cells::age(object, now),
    ]
}
