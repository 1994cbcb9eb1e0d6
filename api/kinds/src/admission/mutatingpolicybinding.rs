//! MutatingAdmissionPolicyBinding: where a mutating policy holds.

use super::binding;
use crate::{Column, Kind, Strategy, rules::Errors};
use podium_types::FieldError;
use serde_json::Value;

/// admissionregistration.k8s.io/v1 MutatingAdmissionPolicyBinding.
pub static KIND: Kind = Kind {
    group: "admissionregistration.k8s.io",
    kind: "MutatingAdmissionPolicyBinding",
    list_kind: "MutatingAdmissionPolicyBindingList",
    plural: "mutatingadmissionpolicybindings",
    singular: "mutatingadmissionpolicybinding",
    categories: &["api-extensions"],
    namespaced: false,
    resource: "mutatingadmissionpolicybindings.admissionregistration.k8s.io",
    schema: "io.k8s.api.admissionregistration.v1.MutatingAdmissionPolicyBinding",
    columns: &[Column::NAME, Column::text("PolicyName"), Column::text("ParamRef"), Column::AGE],
    row: binding::row,
    generation: true,
    strategy: &Binding,
    ..Kind::PLAIN
};

struct Binding;

impl Strategy for Binding {
    fn default(&self, object: &mut Value) {
        binding::defaults(object);
    }
    fn validate(&self, object: &Value) -> Vec<FieldError> {
        let mut errors = Errors::new();
        binding::validate(&mut errors, &object["spec"]);
        errors
    }
}
