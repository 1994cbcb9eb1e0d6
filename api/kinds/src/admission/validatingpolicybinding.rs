//! ValidatingAdmissionPolicyBinding: where a policy holds, and what comes of breaking it.

use super::binding;
use crate::{
    Column, Kind, Strategy,
    json::items,
    rules::{self, Errors},
};
use podium_types::FieldError;
use serde_json::Value;
use std::collections::BTreeSet;

/// admissionregistration.k8s.io/v1 ValidatingAdmissionPolicyBinding.
pub static KIND: Kind = Kind {
    group: "admissionregistration.k8s.io",
    kind: "ValidatingAdmissionPolicyBinding",
    list_kind: "ValidatingAdmissionPolicyBindingList",
    plural: "validatingadmissionpolicybindings",
    singular: "validatingadmissionpolicybinding",
    categories: &["api-extensions"],
    namespaced: false,
    resource: "validatingadmissionpolicybindings.admissionregistration.k8s.io",
    schema: "io.k8s.api.admissionregistration.v1.ValidatingAdmissionPolicyBinding",
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
        let (actions, path) = (&object["spec"]["validationActions"], "spec.validationActions");
        rules::required(&mut errors, actions, path, "at least one validation action is required");
        let mut seen = BTreeSet::new();
        for (i, action) in items(actions).iter().enumerate() {
            let path = format!("{path}[{i}]");
            rules::required_one_of(&mut errors, action, &path, &["Audit", "Deny", "Warn"]);
            rules::unique(&mut errors, &mut seen, crate::json::text(action), &path);
        }
        if ["Deny", "Warn"].iter().all(|a| seen.contains(*a)) {
            let why = "must not contain both Deny and Warn (repeating the same validation failure information in the \
                       API response and headers serves no purpose)";
            errors.push(FieldError::invalid(path, actions, why));
        }
        errors
    }
}
