//! ValidatingAdmissionPolicy: expressions that what is written must fulfil.

use super::matching;
use crate::{
    Column, Context, Kind, Strategy, Subresource, cells,
    json::{is_unset, items, set, set_default, text},
    rules::{self, Errors, child},
};
use podium_types::{FieldError, Timestamp};
use serde_json::{Value, json};

const REASONS: &[&str] = &["Forbidden", "Invalid", "RequestEntityTooLarge", "Unauthorized"];
/// The rules of `matchConstraints`.
const RULES: &[&str] = &["excludeResourceRules", "resourceRules"];

/// admissionregistration.k8s.io/v1 ValidatingAdmissionPolicy.
pub static KIND: Kind = Kind {
    group: "admissionregistration.k8s.io",
    kind: "ValidatingAdmissionPolicy",
    list_kind: "ValidatingAdmissionPolicyList",
    plural: "validatingadmissionpolicies",
    singular: "validatingadmissionpolicy",
    categories: &["api-extensions"],
    namespaced: false,
    resource: "validatingadmissionpolicies.admissionregistration.k8s.io",
    schema: "io.k8s.api.admissionregistration.v1.ValidatingAdmissionPolicy",
    subresources: &[Subresource::part("status", "ValidatingAdmissionPolicy")],
    columns: &[Column::NAME, Column::integer("Validations"), Column::text("ParamKind"), Column::AGE],
    row,
    generation: true,
    strategy: &Policy,
    ..Kind::PLAIN
};

struct Policy;

impl Strategy for Policy {
    fn default(&self, object: &mut Value) {
        defaults(object);
    }
    fn prepare_create(&self, object: &mut Value, _context: &Context<'_>) {
        set(object, "status", json!({}));
    }
    fn validate(&self, object: &Value) -> Vec<FieldError> {
        let mut errors = Errors::new();
        let spec = &object["spec"];
        common(&mut errors, spec);
        if is_unset(&spec["validations"]) && is_unset(&spec["auditAnnotations"]) {
            for field in ["validations", "auditAnnotations"] {
                let why = "validations or auditAnnotations must be non-empty";
                errors.push(FieldError::required(child("spec", field), why));
            }
        }
        for (i, validation) in items(&spec["validations"]).iter().enumerate() {
            let path = format!("spec.validations[{i}]");
            let why = "expression is not specified";
            rules::required(&mut errors, &validation["expression"], &child(&path, "expression"), why);
            rules::one_of(&mut errors, &validation["reason"], &child(&path, "reason"), REASONS);
        }
        for (i, annotation) in items(&spec["auditAnnotations"]).iter().enumerate() {
            for field in ["key", "valueExpression"] {
                let path = format!("spec.auditAnnotations[{i}].{field}");
                rules::required(&mut errors, &annotation[field], &path, &format!("{field} is not specified"));
            }
        }
        errors
    }
}

/// Defaults of a policy, validating or mutating.
pub(super) fn defaults(object: &mut Value) {
    let Some(spec) = object.get_mut("spec") else { return };
    set_default(spec, "failurePolicy", "Fail");
    if let Some(constraints) = spec.get_mut("matchConstraints") {
        matching::defaults(constraints, RULES);
    }
}

/// Rules for what both sorts of policies have.
pub(super) fn common(errors: &mut Errors, spec: &Value) {
    rules::one_of(errors, &spec["failurePolicy"], "spec.failurePolicy", &["Fail", "Ignore"]);
    let parameters = &spec["paramKind"];
    if !parameters.is_null() {
        for field in ["apiVersion", "kind"] {
            rules::required(errors, &parameters[field], &format!("spec.paramKind.{field}"), "");
        }
    }
    let constraints = &spec["matchConstraints"];
    if constraints.is_null() {
        errors.push(FieldError::required("spec.matchConstraints", ""));
    } else {
        matching::validate(errors, constraints, "spec.matchConstraints", RULES);
        rules::required(errors, &constraints["resourceRules"], "spec.matchConstraints.resourceRules", "");
    }
    matching::conditions(errors, &spec["matchConditions"], "spec");
    for (i, variable) in items(&spec["variables"]).iter().enumerate() {
        for field in ["name", "expression"] {
            let path = format!("spec.variables[{i}].{field}");
            rules::required(errors, &variable[field], &path, &format!("{field} is not specified"));
        }
    }
}

/// `apps/v1/Deployment`, or `<unset>`.
pub(super) fn parameters(object: &Value) -> Value {
    let kind = &object["spec"]["paramKind"];
    if is_unset(kind) {
        return json!("<unset>");
    }
    json!(format!("{}/{}", text(&kind["apiVersion"]), text(&kind["kind"])))
}

fn row(object: &Value, now: Timestamp) -> Vec<Value> {
    let count = items(&object["spec"]["validations"]).len();
    vec![cells::name(object), json!(count), parameters(object), cells::age(object, now)]
}
