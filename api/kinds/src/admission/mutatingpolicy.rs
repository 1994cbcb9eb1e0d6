//! MutatingAdmissionPolicy: expressions that change what is written.

use super::validatingpolicy;
use crate::{
    Column, Kind, Strategy, cells,
    json::{items, text},
    rules::{self, Errors, child},
};
use podium_types::{FieldError, Timestamp};
use serde_json::{Value, json};

/// admissionregistration.k8s.io/v1 MutatingAdmissionPolicy.
pub static KIND: Kind = Kind {
    group: "admissionregistration.k8s.io",
    kind: "MutatingAdmissionPolicy",
    list_kind: "MutatingAdmissionPolicyList",
    plural: "mutatingadmissionpolicies",
    singular: "mutatingadmissionpolicy",
    categories: &["api-extensions"],
    namespaced: false,
    resource: "mutatingadmissionpolicies.admissionregistration.k8s.io",
    schema: "io.k8s.api.admissionregistration.v1.MutatingAdmissionPolicy",
    columns: &[Column::NAME, Column::integer("Mutations"), Column::text("ParamKind"), Column::AGE],
    row,
    generation: true,
    strategy: &Policy,
    ..Kind::PLAIN
};

struct Policy;

impl Strategy for Policy {
    fn default(&self, object: &mut Value) {
        validatingpolicy::defaults(object);
    }
    fn validate(&self, object: &Value) -> Vec<FieldError> {
        let mut errors = Errors::new();
        let spec = &object["spec"];
        validatingpolicy::common(&mut errors, spec);
        let policies = &["IfNeeded", "Never"];
        rules::required_one_of(&mut errors, &spec["reinvocationPolicy"], "spec.reinvocationPolicy", policies);
        let why = "mutations must contain at least one item";
        rules::required(&mut errors, &spec["mutations"], "spec.mutations", why);
        for (i, mutation) in items(&spec["mutations"]).iter().enumerate() {
            let path = format!("spec.mutations[{i}]");
            let kinds = &["ApplyConfiguration", "JSONPatch"];
            rules::required_one_of(&mut errors, &mutation["patchType"], &child(&path, "patchType"), kinds);
            let field = match text(&mutation["patchType"]) {
                "ApplyConfiguration" => "applyConfiguration",
                "JSONPatch" => "jsonPatch",
                _ => continue,
            };
            let why = "expression is not specified";
            rules::required(&mut errors, &mutation[field]["expression"], &format!("{path}.{field}.expression"), why);
        }
        errors
    }
}

fn row(object: &Value, now: Timestamp) -> Vec<Value> {
    let count = items(&object["spec"]["mutations"]).len();
    vec![cells::name(object), json!(count), validatingpolicy::parameters(object), cells::age(object, now)]
}
