//! Rules for where a pod may run: selectors, affinity, tolerations, spreading.

use crate::{
    json::{at, int, is_unset, items, text},
    names,
    rules::{self, Errors, child},
};
use podium_types::FieldError;
use serde_json::{Value, json};
use std::collections::BTreeSet;

const EFFECTS: &[&str] = &["NoSchedule", "PreferNoSchedule", "NoExecute"];
const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";
const PREFERRED: &str = "preferredDuringSchedulingIgnoredDuringExecution";

pub(super) fn validate(errors: &mut Errors, spec: &Value, path: &str) {
    rules::labels(errors, &spec["nodeSelector"], &child(path, "nodeSelector"));
    for (i, toleration) in items(&spec["tolerations"]).iter().enumerate() {
        tolerates(errors, toleration, &format!("{path}.tolerations[{i}]"));
    }
    let mut seen = BTreeSet::new();
    for (i, gate) in items(&spec["schedulingGates"]).iter().enumerate() {
        let path = format!("{path}.schedulingGates[{i}]");
        let name = text(&gate["name"]);
        rules::form(errors, names::qualified_name(name), &path, name);
        rules::unique(errors, &mut seen, name, &path);
    }
    spread(errors, &spec["topologySpreadConstraints"], &child(path, "topologySpreadConstraints"));
    node_affinity(errors, at(spec, "affinity.nodeAffinity"), &child(path, "affinity.nodeAffinity"));
    for kind in ["podAffinity", "podAntiAffinity"] {
        pod_affinity(errors, &spec["affinity"][kind], &format!("{path}.affinity.{kind}"));
    }
}

fn tolerates(errors: &mut Errors, toleration: &Value, path: &str) {
    let [key, operator, value, effect] = ["key", "operator", "value", "effect"].map(|f| text(&toleration[f]));
    if !key.is_empty() {
        rules::form(errors, names::qualified_name(key), &child(path, "key"), key);
    } else if operator != "Exists" {
        let why = "operator must be Exists when `key` is empty, which means \"match all values and all keys\"";
        errors.push(FieldError::invalid(child(path, "operator"), &json!(operator), why));
    }
    if !toleration["tolerationSeconds"].is_null() && effect != "NoExecute" {
        let why = "effect must be 'NoExecute' when `tolerationSeconds` is set";
        errors.push(FieldError::invalid(child(path, "effect"), &json!(effect), why));
    }
    match operator {
        "" | "Equal" => rules::form(errors, names::label_value(value), &child(path, "operator"), value),
        "Exists" if !value.is_empty() => {
            let why = "value must be empty when `operator` is 'Exists'";
            errors.push(FieldError::invalid(child(path, "operator"), &json!(value), why));
        }
        _ => rules::one_of(errors, &toleration["operator"], &child(path, "operator"), &["Equal", "Exists"]),
    }
    rules::one_of(errors, &toleration["effect"], &child(path, "effect"), EFFECTS);
}

fn spread(errors: &mut Errors, constraints: &Value, path: &str) {
    const POSITIVE: &str = "must be greater than zero";
    let all = items(constraints);
    for (i, constraint) in all.iter().enumerate() {
        let path = format!("{path}[{i}]");
        let [skew, key, action, domains, selector] =
            ["maxSkew", "topologyKey", "whenUnsatisfiable", "minDomains", "labelSelector"].map(|f| &constraint[f]);
        if int(skew) <= 0 {
            errors.push(FieldError::invalid(child(&path, "maxSkew"), &json!(int(skew)), POSITIVE));
        }
        rules::required(errors, key, &child(&path, "topologyKey"), "can not be empty");
        let actions = &["DoNotSchedule", "ScheduleAnyway"];
        if !action.as_str().is_some_and(|a| actions.contains(&a)) {
            errors.push(FieldError::not_supported(child(&path, "whenUnsatisfiable"), &json!(text(action)), actions));
        }
        if all.iter().skip(i + 1).any(|o| &o["topologyKey"] == key && &o["whenUnsatisfiable"] == action) {
            let pair = format!("{{{}, {}}}", text(key), text(action));
            let path = format!("{path}.{{topologyKey, whenUnsatisfiable}}");
            errors.push(FieldError::duplicate(path, &json!(pair)));
        }
        if domains.as_i64().is_some_and(|d| d <= 0) {
            errors.push(FieldError::invalid(child(&path, "minDomains"), domains, POSITIVE));
        }
        if !domains.is_null() && action != "DoNotSchedule" {
            let why = format!("can only use minDomains if whenUnsatisfiable=DoNotSchedule, not {}", text(action));
            errors.push(FieldError::invalid(child(&path, "minDomains"), domains, &why));
        }
        for field in ["nodeAffinityPolicy", "nodeTaintsPolicy"] {
            rules::one_of(errors, &constraint[field], &child(&path, field), &["Honor", "Ignore"]);
        }
        let keys = child(&path, "matchLabelKeys");
        label_keys(errors, &constraint["matchLabelKeys"], &keys, selector);
        for (j, key) in items(&constraint["matchLabelKeys"]).iter().enumerate().filter(|(_, k)| selects(selector, k)) {
            let why = "exists in both matchLabelKeys and labelSelector";
            errors.push(FieldError::invalid(format!("{keys}[{j}]"), key, why));
        }
        rules::label_selector(errors, selector, &child(&path, "labelSelector"));
    }
}

/// Keys of labels whose values come from the pod itself; they refine a selector.
fn label_keys(errors: &mut Errors, keys: &Value, path: &str, selector: &Value) {
    if !is_unset(keys) && selector.is_null() {
        errors.push(FieldError::forbidden(path, "must not be specified when labelSelector is not set"));
    }
    for (i, key) in items(keys).iter().map(text).enumerate() {
        rules::form(errors, names::qualified_name(key), &format!("{path}[{i}]"), key);
    }
}

/// Whether a selector speaks of that label.
fn selects(selector: &Value, key: &Value) -> bool {
    let expressions = items(&selector["matchExpressions"]);
    selector["matchLabels"].get(text(key)).is_some() || expressions.iter().any(|rule| &rule["key"] == key)
}

fn node_affinity(errors: &mut Errors, affinity: &Value, path: &str) {
    if !affinity[REQUIRED].is_null() {
        node_selector(errors, &affinity[REQUIRED], &child(path, REQUIRED));
    }
    for (i, preferred) in items(&affinity[PREFERRED]).iter().enumerate() {
        let path = format!("{path}.{PREFERRED}[{i}]");
        weight(errors, preferred, &path);
        // Values of any form were always taken here.
        node_term(errors, &preferred["preference"], &child(&path, "preference"), false);
    }
}

fn node_term(errors: &mut Errors, term: &Value, path: &str, exact: bool) {
    for (i, rule) in items(&term["matchExpressions"]).iter().enumerate() {
        let path = format!("{path}.matchExpressions[{i}]");
        let (values, key) = (items(&rule["values"]), text(&rule["key"]));
        match text(&rule["operator"]) {
            "In" | "NotIn" if values.is_empty() => {
                let why = "must be specified when `operator` is 'In' or 'NotIn'";
                errors.push(FieldError::required(child(&path, "values"), why));
            }
            "Exists" | "DoesNotExist" if !values.is_empty() => {
                let why = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'";
                errors.push(FieldError::forbidden(child(&path, "values"), why));
            }
            "Gt" | "Lt" if values.len() != 1 => {
                let why = "must be specified single value when `operator` is 'Lt' or 'Gt'";
                errors.push(FieldError::required(child(&path, "values"), why));
            }
            "In" | "NotIn" | "Exists" | "DoesNotExist" | "Gt" | "Lt" => {}
            _ => {
                let why = "not a valid selector operator";
                errors.push(FieldError::invalid(child(&path, "operator"), &text(&rule["operator"]).into(), why));
            }
        }
        rules::form(errors, names::qualified_name(key), &child(&path, "key"), key);
        for (j, value) in values.iter().map(text).enumerate().filter(|_| exact) {
            rules::form(errors, names::label_value(value), &format!("{path}.values[{j}]"), value);
        }
    }
    for (i, rule) in items(&term["matchFields"]).iter().enumerate() {
        let path = format!("{path}.matchFields[{i}]");
        if !matches!(text(&rule["operator"]), "In" | "NotIn") {
            let why = "not a valid selector operator";
            errors.push(FieldError::invalid(child(&path, "operator"), &text(&rule["operator"]).into(), why));
        } else if items(&rule["values"]).len() != 1 {
            let why = "must be only one value when `operator` is 'In' or 'NotIn' for node field selector";
            errors.push(FieldError::required(child(&path, "values"), why));
        }
        if rule["key"] != "metadata.name" {
            let why = "not a valid field selector key";
            errors.push(FieldError::invalid(child(&path, "key"), &text(&rule["key"]).into(), why));
        }
    }
}

/// Rules for terms that select nodes, at `path`.
pub(crate) fn node_selector(errors: &mut Errors, selector: &Value, path: &str) {
    let path = child(path, "nodeSelectorTerms");
    let terms = items(&selector["nodeSelectorTerms"]);
    if terms.is_empty() {
        errors.push(FieldError::required(&path, "must have at least one node selector term"));
    }
    for (i, term) in terms.iter().enumerate() {
        node_term(errors, term, &format!("{path}[{i}]"), true);
    }
}

fn pod_affinity(errors: &mut Errors, affinity: &Value, path: &str) {
    for (i, term) in items(&affinity[REQUIRED]).iter().enumerate() {
        pod_term(errors, term, &format!("{path}.{REQUIRED}[{i}]"));
    }
    for (i, preferred) in items(&affinity[PREFERRED]).iter().enumerate() {
        let path = format!("{path}.{PREFERRED}[{i}]");
        weight(errors, preferred, &path);
        pod_term(errors, &preferred["podAffinityTerm"], &child(&path, "podAffinityTerm"));
    }
}

fn pod_term(errors: &mut Errors, term: &Value, path: &str) {
    for field in ["labelSelector", "namespaceSelector"] {
        rules::label_selector(errors, &term[field], &child(path, field));
    }
    for namespace in items(&term["namespaces"]).iter().map(text) {
        rules::form(errors, names::dns_label(namespace), &child(path, "namespace"), namespace);
    }
    let (same, other) = (&term["matchLabelKeys"], &term["mismatchLabelKeys"]);
    for (keys, field) in [(same, "matchLabelKeys"), (other, "mismatchLabelKeys")] {
        label_keys(errors, keys, &child(path, field), &term["labelSelector"]);
    }
    for (i, key) in items(same).iter().enumerate().filter(|(_, key)| items(other).contains(key)) {
        let why = "exists in both matchLabelKeys and mismatchLabelKeys";
        errors.push(FieldError::invalid(format!("{path}.matchLabelKeys[{i}]"), key, why));
    }
    let key = text(&term["topologyKey"]);
    if key.is_empty() {
        errors.push(FieldError::required(child(path, "topologyKey"), "can not be empty"));
    }
    rules::form(errors, names::qualified_name(key), &child(path, "topologyKey"), key);
}

fn weight(errors: &mut Errors, preferred: &Value, path: &str) {
    let weight = int(&preferred["weight"]);
    if !(1..=100).contains(&weight) {
        errors.push(FieldError::invalid(child(path, "weight"), &weight.into(), "must be in the range 1-100"));
    }
}
