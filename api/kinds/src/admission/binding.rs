//! What bindings of both sorts of admission policies have in common.

use super::matching;
use crate::{
    cells,
    json::{is_unset, text},
    names,
    rules::{self, Errors},
};
use podium_types::{FieldError, Timestamp};
use serde_json::{Value, json};

const RULES: &[&str] = &["excludeResourceRules", "resourceRules"];

/// A binding narrows its policy down; what it does not say is everything.
pub(super) fn defaults(object: &mut Value) {
    if let Some(resources) = object.get_mut("spec").and_then(|s| s.get_mut("matchResources")) {
        matching::defaults(resources, RULES);
    }
}

/// Rules for policy, parameters and resources.
pub(super) fn validate(errors: &mut Errors, spec: &Value) {
    rules::required_form(errors, names::dns_subdomain, &spec["policyName"], "spec.policyName");
    let parameters = &spec["paramRef"];
    if !parameters.is_null() {
        let (name, selector) = (&parameters["name"], &parameters["selector"]);
        if is_unset(name) == selector.is_null() {
            let why = "one of name or selector must be specified";
            errors.push(FieldError::required("spec.paramRef.name", why));
        }
        rules::label_selector(errors, selector, "spec.paramRef.selector");
        let actions = &["Allow", "Deny"];
        let path = "spec.paramRef.parameterNotFoundAction";
        rules::required_one_of(errors, &parameters["parameterNotFoundAction"], path, actions);
    }
    if !spec["matchResources"].is_null() {
        matching::validate(errors, &spec["matchResources"], "spec.matchResources", RULES);
    }
}

/// Name, policy, parameters, age.
pub(super) fn row(object: &Value, now: Timestamp) -> Vec<Value> {
    let spec = &object["spec"];
    let parameters = &spec["paramRef"];
    let shown = match (is_unset(parameters), text(&parameters["namespace"]), text(&parameters["name"])) {
        (true, _, _) => "<unset>".to_owned(),
        (_, namespace, "") => format!("{namespace}/*").trim_start_matches('/').to_owned(),
        (_, "", name) => name.to_owned(),
        (_, namespace, name) => format!("{namespace}/{name}"),
    };
    vec![cells::name(object), json!(text(&spec["policyName"])), json!(shown), cells::age(object, now)]
}
