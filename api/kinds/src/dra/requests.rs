//! What a claim asks for: devices by class and by expression.

use crate::{
    json::{is_unset, items, items_mut, set_default, set_default_number, text},
    names,
    rules::{self, Errors, child},
};
use podium_types::FieldError;
use serde_json::Value;
use std::collections::BTreeSet;

/// Limits of the group.
const MAX_REQUESTS: usize = 32;
const MAX_CONSTRAINTS: usize = 32;
const MAX_SELECTORS: usize = 32;

/// One device exactly, where nothing else is said; for the spec of a claim.
pub(super) fn defaults(spec: &mut Value) {
    for request in items_mut(spec, "devices.requests") {
        request.get_mut("exactly").into_iter().for_each(exactly);
        items_mut(request, "firstAvailable").for_each(exactly);
    }
}

fn exactly(request: &mut Value) {
    set_default(request, "allocationMode", "ExactCount");
    if request["allocationMode"] == "ExactCount" {
        set_default_number(request, "count", 1);
    }
    items_mut(request, "tolerations").for_each(|toleration| set_default(toleration, "operator", "Equal"));
}

/// Rules for the spec of a claim at `path`.
pub(super) fn validate(errors: &mut Errors, spec: &Value, path: &str) {
    let (devices, path) = (&spec["devices"], child(path, "devices"));
    let requests = items(&devices["requests"]);
    rules::too_many(errors, requests.len(), MAX_REQUESTS, &child(&path, "requests"));
    let mut seen = BTreeSet::new();
    for (i, request) in requests.iter().enumerate() {
        let path = format!("{path}.requests[{i}]");
        rules::required_form(errors, names::dns_label, &request["name"], &child(&path, "name"));
        rules::unique(errors, &mut seen, text(&request["name"]), &child(&path, "name"));
        match (request["exactly"].is_null(), is_unset(&request["firstAvailable"])) {
            (true, true) => {
                errors.push(FieldError::required(&path, "exactly one of `exactly` or `firstAvailable` is required"))
            }
            (false, false) => {
                let why = "exactly one of `exactly` or `firstAvailable` is required, but multiple fields are set";
                errors.push(FieldError::invalid(&path, request, why));
            }
            (false, true) => one(errors, &request["exactly"], &child(&path, "exactly")),
            (true, false) => {
                for (j, sub) in items(&request["firstAvailable"]).iter().enumerate() {
                    let path = format!("{path}.firstAvailable[{j}]");
                    rules::required_form(errors, names::dns_label, &sub["name"], &child(&path, "name"));
                    one(errors, sub, &path);
                }
            }
        }
    }
    let constraints = items(&devices["constraints"]);
    rules::too_many(errors, constraints.len(), MAX_CONSTRAINTS, &child(&path, "constraints"));
    for (i, constraint) in constraints.iter().enumerate() {
        for (j, name) in items(&constraint["requests"]).iter().enumerate() {
            let main = text(name).split('/').next().unwrap_or_default();
            if !seen.contains(main) {
                let why = "must be the name of a request in the claim";
                errors.push(FieldError::invalid(format!("{path}.constraints[{i}].requests[{j}]"), name, why));
            }
        }
    }
}

fn one(errors: &mut Errors, request: &Value, path: &str) {
    rules::required_form(errors, names::dns_subdomain, &request["deviceClassName"], &child(path, "deviceClassName"));
    selectors(errors, &request["selectors"], &child(path, "selectors"));
    let modes = &["All", "ExactCount"];
    rules::one_of(errors, &request["allocationMode"], &child(path, "allocationMode"), modes);
    let count = &request["count"];
    match text(&request["allocationMode"]) {
        "All" if count.as_i64().is_some_and(|n| n != 0) => {
            let why = "must not be specified when allocationMode is 'All'";
            errors.push(FieldError::invalid(child(path, "count"), count, why));
        }
        "ExactCount" if count.as_i64().is_some_and(|n| n < 1) => {
            errors.push(FieldError::invalid(child(path, "count"), count, "must be greater than zero"));
        }
        _ => {}
    }
}

/// Rules for selectors by expression.
pub(super) fn selectors(errors: &mut Errors, list: &Value, path: &str) {
    rules::too_many(errors, items(list).len(), MAX_SELECTORS, path);
    for (i, selector) in items(list).iter().enumerate() {
        let path = format!("{path}[{i}].cel");
        if selector["cel"].is_null() {
            errors.push(FieldError::required(&path, ""));
        } else {
            rules::required(errors, &selector["cel"]["expression"], &child(&path, "expression"), "");
        }
    }
}
