//! CSIStorageCapacity: how much room a driver has for a class, where.

use crate::{
    Column, Context, Kind, Strategy, cells,
    json::{plain, text},
    names, resources,
    rules::{self, Errors},
};
use podium_types::{FieldError, Timestamp};
use serde_json::{Value, json};

/// storage.k8s.io/v1 CSIStorageCapacity.
pub static KIND: Kind = Kind {
    group: "storage.k8s.io",
    kind: "CSIStorageCapacity",
    list_kind: "CSIStorageCapacityList",
    plural: "csistoragecapacities",
    singular: "csistoragecapacity",
    resource: "csistoragecapacities.storage.k8s.io",
    schema: "io.k8s.api.storage.v1.CSIStorageCapacity",
    columns: &[Column::NAME, Column::text("StorageClassName"), Column::text("Capacity")],
    row,
    strategy: &Capacity,
    ..Kind::PLAIN
};

struct Capacity;

impl Strategy for Capacity {
    fn default(&self, object: &mut Value) {
        for field in ["capacity", "maximumVolumeSize"] {
            object.get_mut(field).into_iter().for_each(resources::canonical);
        }
    }
    fn validate(&self, object: &Value) -> Vec<FieldError> {
        let mut errors = Errors::new();
        let class = text(&object["storageClassName"]);
        rules::form(&mut errors, names::dns_subdomain(class), "storageClassName", class);
        for field in ["capacity", "maximumVolumeSize"] {
            if resources::quantity(&object[field]).is_some_and(|q| q.is_negative()) {
                errors.push(FieldError::invalid(field, &object[field], "must be greater than or equal to 0"));
            }
        }
        rules::label_selector(&mut errors, &object["nodeTopology"], "nodeTopology");
        errors
    }
    fn validate_update(&self, object: &Value, old: &Value, _context: &Context<'_>) -> Vec<FieldError> {
        let mut errors = Errors::new();
        rules::fixed(&mut errors, object, old, "", &["nodeTopology", "storageClassName"]);
        errors
    }
}

fn row(object: &Value, _now: Timestamp) -> Vec<Value> {
    vec![cells::name(object), json!(text(&object["storageClassName"])), json!(plain(&object["capacity"]))]
}
