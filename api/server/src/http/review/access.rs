//! May they: the SubjectAccessReview family, and the rules that one has oneself.

use super::super::app::App;
use crate::{auth::authorize::Attributes, user::User};
use podium_types::{ApiError, FieldError};
use serde_json::{Value, json};
use std::collections::BTreeMap;

const GROUP: &str = super::AUTHORIZATION;

/// The status of an access review of `kind`; `namespace` is that of the request's path.
pub(super) fn review(app: &App, asker: &User, kind: &str, namespace: &str, spec: &Value) -> Result<Value, ApiError> {
    let errors = check(kind, namespace, spec);
    if !errors.is_empty() {
        return Err(ApiError::invalid(kind, GROUP, "", &errors));
    }
    let user = if kind == "SelfSubjectAccessReview" { asker.clone() } else { subject(spec) };
    let resource = &spec["resourceAttributes"];
    let text = |value: &'_ Value, field: &str| value[field].as_str().unwrap_or_default().to_owned();
    if resource.is_null() {
        let path = &spec["nonResourceAttributes"];
        let why = app.api.decide_path(&user, &text(path, "verb"), &text(path, "path"));
        return Ok(verdict(why.is_some(), why.map(|w| w.describe()).unwrap_or_default()));
    }
    let [verb, group, plural, subresource, at, name] =
        ["verb", "group", "resource", "subresource", "namespace", "name"].map(|field| text(resource, field));
    let wish = Attributes {
        verb: &verb,
        group: &group,
        resource: &plural,
        subresource: &subresource,
        namespace: &at,
        name: &name,
        node: selected(resource, "spec.nodeName"),
    };
    Ok(match app.api.decide(&user, &wish) {
        Ok(why) => verdict(true, why.describe()),
        Err(reason) => verdict(false, reason),
    })
}

fn verdict(allowed: bool, reason: String) -> Value {
    let mut status = json!({ "allowed": allowed });
    if !reason.is_empty() {
        status["reason"] = json!(reason);
    }
    status
}

/// The one value that the review's field selector demands of `field` (KEP-4601).
fn selected<'a>(attributes: &'a Value, field: &str) -> &'a str {
    let selector = &attributes["fieldSelector"];
    let terms = selector["requirements"].as_array().into_iter().flatten();
    let mut exact = terms.filter(|t| t["key"] == field && t["operator"] == "In").filter_map(|t| {
        let [value] = t["values"].as_array()?.as_slice() else { return None };
        value.as_str()
    });
    exact.next().unwrap_or_default()
}

fn check(kind: &str, namespace: &str, spec: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let (resource, path) = (&spec["resourceAttributes"], &spec["nonResourceAttributes"]);
    let empty = |field: &str| spec[field].as_str().is_none_or(str::is_empty);
    if kind != "SelfSubjectAccessReview" && empty("user") && spec["groups"].as_array().is_none_or(Vec::is_empty) {
        let why = "at least one of user or group must be specified";
        errors.push(FieldError::invalid("spec.user", &json!(""), why));
    }
    if kind == "LocalSubjectAccessReview" {
        if !path.is_null() {
            errors.push(FieldError::invalid("spec.nonResourceAttributes", path, "disallowed on this kind of request"));
        }
        if !resource.is_null() && resource["namespace"] != namespace {
            let at = &resource["namespace"];
            errors.push(FieldError::invalid("spec.resourceAttributes.namespace", at, "must match metadata.namespace"));
        }
    }
    if !resource.is_null() && !path.is_null() {
        let why = "cannot be specified in combination with resourceAttributes";
        errors.push(FieldError::invalid("spec.nonResourceAttributes", path, why));
    } else if resource.is_null() && path.is_null() {
        let why = "exactly one of nonResourceAttributes or resourceAttributes must be specified";
        errors.push(FieldError::invalid("spec.resourceAttributes", resource, why));
    }
    errors
}

fn subject(spec: &Value) -> User {
    let list = |value: &Value| -> Vec<String> {
        value.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let text = |field: &str| spec[field].as_str().unwrap_or_default().to_owned();
    let extra: BTreeMap<String, Vec<String>> =
        spec["extra"].as_object().into_iter().flatten().map(|(key, values)| (key.clone(), list(values))).collect();
    User { name: text("user"), uid: text("uid"), groups: list(&spec["groups"]), extra }
}

/// The status of a SelfSubjectRulesReview.
pub(super) fn rules(app: &App, user: &User, spec: &Value) -> Result<Value, ApiError> {
    let namespace = spec["namespace"].as_str().unwrap_or_default();
    if namespace.is_empty() {
        return Err(ApiError::bad_request("no namespace on request"));
    }
    let (paths, resources): (Vec<_>, Vec<_>) =
        app.api.rules_of(user, namespace).into_iter().partition(|rule| !rule.urls.is_empty());
    let values = |rules: Vec<podium_machinery::rbac::Rule>| -> Vec<Value> { rules.iter().map(|r| r.value()).collect() };
    Ok(json!({"resourceRules": values(resources), "nonResourceRules": values(paths), "incomplete": false}))
}
