//! DeviceClass: a sort of devices, by expression.

use super::requests;
use crate::{Kind, Strategy, rules::Errors};
use podium_types::FieldError;
use serde_json::Value;

/// resource.k8s.io/v1 DeviceClass.
pub static KIND: Kind = Kind {
    group: "resource.k8s.io",
    kind: "DeviceClass",
    list_kind: "DeviceClassList",
    plural: "deviceclasses",
    singular: "deviceclass",
    namespaced: false,
    resource: "deviceclasses.resource.k8s.io",
    schema: "io.k8s.api.resource.v1.DeviceClass",
    generation: true,
    strategy: &Class,
    ..Kind::PLAIN
};

struct Class;

impl Strategy for Class {
    fn validate(&self, object: &Value) -> Vec<FieldError> {
        let mut errors = Errors::new();
        requests::selectors(&mut errors, &object["spec"]["selectors"], "spec.selectors");
        errors
    }
}
