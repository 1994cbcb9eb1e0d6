//! Which requests a webhook or a policy is asked about.

use crate::{
    json::{items, items_mut, set_default, text},
    names,
    rules::{self, Errors, child},
};
use podium_types::FieldError;
use serde_json::{Value, json};
use std::collections::BTreeSet;

const OPERATIONS: &[&str] = &["*", "CONNECT", "CREATE", "DELETE", "UPDATE"];
const SCOPES: &[&str] = &["*", "Cluster", "Namespaced"];
/// Limit of the group.
const MAX_CONDITIONS: usize = 64;

/// Everything of the rules' resources, wherever it is.
pub(super) fn defaults(matching: &mut Value, lists: &[&str]) {
    set_default(matching, "matchPolicy", "Equivalent");
    for selector in ["namespaceSelector", "objectSelector"] {
        set_default(matching, selector, json!({}));
    }
    for list in lists {
        items_mut(matching, list).for_each(|rule| set_default(rule, "scope", "*"));
    }
}

/// Rules for selectors and match policy.
pub(super) fn validate(errors: &mut Errors, matching: &Value, path: &str, lists: &[&str]) {
    let policies = &["Equivalent", "Exact"];
    rules::one_of(errors, &matching["matchPolicy"], &child(path, "matchPolicy"), policies);
    for selector in ["namespaceSelector", "objectSelector"] {
        rules::label_selector(errors, &matching[selector], &child(path, selector));
    }
    for list in lists {
        for (i, rule) in items(&matching[*list]).iter().enumerate() {
            one(errors, rule, &format!("{path}.{list}[{i}]"));
        }
    }
}

fn one(errors: &mut Errors, rule: &Value, path: &str) {
    for field in ["operations", "apiGroups", "apiVersions", "resources"] {
        let path = child(path, field);
        rules::required(errors, &rule[field], &path, "");
        let list = items(&rule[field]);
        if list.len() > 1 && list.iter().any(|v| v == "*") && field != "resources" {
            let why = "if '*' is present, must not specify other values";
            errors.push(FieldError::invalid(&path, &rule[field], why));
        }
        for (i, value) in list.iter().enumerate() {
            let path = format!("{path}[{i}]");
            match field {
                "operations" => rules::one_of(errors, value, &path, OPERATIONS),
                "apiVersions" | "resources" => rules::required(errors, value, &path, ""),
                _ => {}
            }
        }
    }
    rules::one_of(errors, &rule["scope"], &child(path, "scope"), SCOPES);
}

/// Rules for `matchConditions`.
pub(super) fn conditions(errors: &mut Errors, conditions: &Value, path: &str) {
    let path = child(path, "matchConditions");
    rules::too_many(errors, items(conditions).len(), MAX_CONDITIONS, &path);
    let mut seen = BTreeSet::new();
    for (i, condition) in items(conditions).iter().enumerate() {
        let path = format!("{path}[{i}]");
        rules::required(errors, &condition["expression"], &child(&path, "expression"), "");
        rules::required_form(errors, names::qualified_name, &condition["name"], &child(&path, "name"));
        rules::unique(errors, &mut seen, text(&condition["name"]), &child(&path, "name"));
    }
}
