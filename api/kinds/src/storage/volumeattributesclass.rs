//! VolumeAttributesClass: qualities of a volume that can be changed later.

use super::{driver_name, frozen};
use crate::{Column, Context, Kind, Strategy, cells, json::text, rules::Errors};
use podium_types::FieldError;
use serde_json::{Value, json};

/// storage.k8s.io/v1 VolumeAttributesClass.
pub static KIND: Kind = Kind {
    group: "storage.k8s.io",
    kind: "VolumeAttributesClass",
    list_kind: "VolumeAttributesClassList",
    plural: "volumeattributesclasses",
    singular: "volumeattributesclass",
    short_names: &["vac"],
    namespaced: false,
    resource: "volumeattributesclasses.storage.k8s.io",
    schema: "io.k8s.api.storage.v1.VolumeAttributesClass",
    columns: &[Column::NAME, Column::text("DriverName"), Column::AGE],
    row: |object, now| vec![cells::name(object), json!(text(&object["driverName"])), cells::age(object, now)],
    strategy: &Class,
    ..Kind::PLAIN
};

struct Class;

impl Strategy for Class {
    fn validate(&self, object: &Value) -> Vec<FieldError> {
        let mut errors = Errors::new();
        driver_name(&mut errors, &object["driverName"], "driverName");
        crate::rules::required(
            &mut errors,
            &object["parameters"],
            "parameters",
            "must contain at least one key/value pair",
        );
        errors
    }
    fn validate_update(&self, object: &Value, old: &Value, _context: &Context<'_>) -> Vec<FieldError> {
        let mut errors = Errors::new();
        frozen(&mut errors, object, old, &["driverName", "parameters"]);
        errors
    }
}
