//! What mutating and validating webhooks have in common.

use super::matching;
use crate::{
    cells,
    json::{int, is_unset, items, items_mut, set_default, set_default_number, text},
    names,
    rules::{self, Errors, child},
};
use podium_types::{FieldError, Timestamp};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Seconds that a webhook may take: usual, and at most.
const USUAL_SECONDS: i64 = 10;
const MAX_SECONDS: i64 = 30;
const HTTPS_PORT: i64 = 443;
/// A webhook's name says whose it is: three segments at least.
const LEAST_DOTS: usize = 2;

/// Defaults of every webhook of a configuration.
pub(super) fn defaults(object: &mut Value) {
    for webhook in items_mut(object, "webhooks").filter(|w| w.is_object()) {
        set_default(webhook, "failurePolicy", "Fail");
        set_default_number(webhook, "timeoutSeconds", USUAL_SECONDS);
        matching::defaults(webhook, &["rules"]);
        if let Some(service) = webhook.get_mut("clientConfig").and_then(|c| c.get_mut("service")) {
            set_default_number(service, "port", HTTPS_PORT);
        }
    }
}

/// Rules for every webhook of a configuration.
pub(super) fn validate(object: &Value) -> Errors {
    let mut errors = Errors::new();
    let mut seen = BTreeSet::new();
    for (i, webhook) in items(&object["webhooks"]).iter().enumerate() {
        let path = format!("webhooks[{i}]");
        let name = text(&webhook["name"]);
        rules::required_form(&mut errors, names::dns_subdomain, &webhook["name"], &child(&path, "name"));
        if !name.is_empty() && name.matches('.').count() < LEAST_DOTS {
            let why = "should be a domain with at least three segments separated by dots";
            errors.push(FieldError::invalid(child(&path, "name"), &webhook["name"], why));
        }
        rules::unique(&mut errors, &mut seen, name, &child(&path, "name"));
        one(&mut errors, webhook, &path);
    }
    errors
}

fn one(errors: &mut Errors, webhook: &Value, path: &str) {
    let why = "must specify one of v1, v1beta1";
    rules::required(errors, &webhook["admissionReviewVersions"], &child(path, "admissionReviewVersions"), why);
    let effects = &["None", "NoneOnDryRun"];
    if is_unset(&webhook["sideEffects"]) {
        errors.push(FieldError::required(child(path, "sideEffects"), "must specify one of None, NoneOnDryRun"));
    }
    rules::one_of(errors, &webhook["sideEffects"], &child(path, "sideEffects"), effects);
    rules::one_of(errors, &webhook["failurePolicy"], &child(path, "failurePolicy"), &["Fail", "Ignore"]);
    let policies = &["IfNeeded", "Never"];
    rules::one_of(errors, &webhook["reinvocationPolicy"], &child(path, "reinvocationPolicy"), policies);
    let seconds = &webhook["timeoutSeconds"];
    if seconds.as_i64().is_some_and(|s| !(1..=MAX_SECONDS).contains(&s)) {
        let why = format!("the timeout value must be between 1 and {MAX_SECONDS} seconds");
        errors.push(FieldError::invalid(child(path, "timeoutSeconds"), seconds, &why));
    }
    matching::validate(errors, webhook, path, &["rules"]);
    matching::conditions(errors, &webhook["matchConditions"], path);
    client(errors, &webhook["clientConfig"], &child(path, "clientConfig"));
}

/// Rules for how to reach a webhook.
fn client(errors: &mut Errors, client: &Value, path: &str) {
    let (url, service) = (text(&client["url"]), &client["service"]);
    if url.is_empty() == service.is_null() {
        errors.push(FieldError::required(path, "exactly one of url or service is required"));
        return;
    }
    if service.is_null() {
        let why = match url.strip_prefix("https://").map(|rest| rest.split('/').next().unwrap_or_default()) {
            None => "'https' is the only allowed URL scheme; desired format: https://host[/path]",
            Some("") => "host must be specified; desired format: https://host[/path]",
            Some(host) if host.contains('@') => "user information is not permitted in the URL",
            Some(_) if url.contains('?') => "query parameters are not permitted in the URL",
            Some(_) if url.contains('#') => "fragments are not permitted in the URL",
            Some(_) => return,
        };
        errors.push(FieldError::invalid(child(path, "url"), &client["url"], why));
        return;
    }
    let path = child(path, "service");
    rules::required(errors, &service["name"], &child(&path, "name"), "service name is required");
    rules::required(errors, &service["namespace"], &child(&path, "namespace"), "service namespace is required");
    if int(&service["port"]) != 0 {
        rules::port(errors, &service["port"], &child(&path, "port"));
    }
    let target = text(&service["path"]);
    if !target.is_empty() && !target.starts_with('/') {
        errors.push(FieldError::invalid(child(&path, "path"), &service["path"], "must start with a '/'"));
    }
}

/// Name, how many, age.
pub(super) fn row(object: &Value, now: Timestamp) -> Vec<Value> {
    vec![cells::name(object), json!(items(&object["webhooks"]).len()), cells::age(object, now)]
}
