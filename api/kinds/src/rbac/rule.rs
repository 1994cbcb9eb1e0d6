//! Rules for the policy rules of roles.

use crate::{
    json::{is_unset, items},
    rules::{self, Errors, child},
};
use podium_types::FieldError;
use serde_json::Value;

/// Reports what is wrong with the rules at `path`.
pub(super) fn validate(errors: &mut Errors, list: &Value, namespaced: bool) {
    for (i, rule) in items(list).iter().enumerate() {
        one(errors, rule, namespaced, &format!("rules[{i}]"));
    }
}

fn one(errors: &mut Errors, rule: &Value, namespaced: bool, path: &str) {
    rules::required(errors, &rule["verbs"], &child(path, "verbs"), "verbs must contain at least one value");
    let urls = &rule["nonResourceURLs"];
    if !is_unset(urls) {
        let path = child(path, "nonResourceURLs");
        if namespaced {
            errors.push(FieldError::invalid(&path, urls, "namespaced rules cannot apply to non-resource URLs"));
        }
        if ["apiGroups", "resources", "resourceNames"].iter().any(|f| !is_unset(&rule[*f])) {
            let why = "rules cannot apply to both regular resources and non-resource URLs";
            errors.push(FieldError::invalid(&path, urls, why));
        }
        return;
    }
    for (field, what) in [("apiGroups", "api group"), ("resources", "resource")] {
        let why = format!("resource rules must supply at least one {what}");
        rules::required(errors, &rule[field], &child(path, field), &why);
    }
}
