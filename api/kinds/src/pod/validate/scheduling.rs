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
        let path = format!("{path}.schedulingGates[{i}].name");
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
    match operator {
        "" | "Equal" => rules::form(errors, names::label_value(value), &child(path, "operator"), value),
        "Exists" if !value.is_empty() => {
            let why = "value must be empty when `operator` is 'Exists'";
            errors.push(FieldError::invalid(child(path, "operator"), toleration, why));
        }
        _ => rules::one_of(errors, &toleration["operator"], &child(path, "operator"), &["Equal", "Exists"]),
    }
    rules::one_of(errors, &toleration["effect"], &child(path, "effect"), EFFECTS);
    if !toleration["tolerationSeconds"].is_null() && effect != "NoExecute" {
        let why = "effect must be 'NoExecute' when `tolerationSeconds` is set";
        errors.push(FieldError::invalid(child(path, "effect"), &json!(effect), why));
    }
}

fn spread(errors: &mut Errors, constraints: &Value, path: &str) {
    let mut seen = BTreeSet::new();
    for (i, constraint) in items(constraints).iter().enumerate() {
        let path = format!("{path}[{i}]");
        let (key, action) = (&constraint["topologyKey"], &constraint["whenUnsatisfiable"]);
        if int(&constraint["maxSkew"]) <= 0 {
            errors.push(FieldError::invalid(
                child(&path, "maxSkew"),
                &constraint["maxSkew"],
                "must be greater than zero",
            ));
        }
        if is_unset(key) {
            errors.push(FieldError::required(child(&path, "topologyKey"), "can not be empty"));
        } else {
            rules::form(errors, names::qualified_name(text(key)), &child(&path, "topologyKey"), text(key));
        }
        let actions = &["DoNotSchedule", "ScheduleAnyway"];
        if !action.as_str().is_some_and(|a| actions.contains(&a)) {
            errors.push(FieldError::not_supported(child(&path, "whenUnsatisfiable"), action, actions));
        }
        let pair = format!("{{{}, {}}}", text(key), text(action));
        rules::unique(errors, &mut seen, &pair, &format!("{path}.{{topologyKey, whenUnsatisfiable}}"));
        rules::at_least(errors, &constraint["minDomains"], &child(&path, "minDomains"), 1);
        rules::label_selector(errors, &constraint["labelSelector"], &child(&path, "labelSelector"));
    }
}

fn node_affinity(errors: &mut Errors, affinity: &Value, path: &str) {
    let required = &affinity[REQUIRED];
    if !required.is_null() {
        let path = format!("{path}.{REQUIRED}.nodeSelectorTerms");
        let terms = items(&required["nodeSelectorTerms"]);
        if terms.is_empty() {
            errors.push(FieldError::required(&path, "must have at least one node selector term"));
        }
        for (i, term) in terms.iter().enumerate() {
            node_term(errors, term, &format!("{path}[{i}]"));
        }
    }
    for (i, preferred) in items(&affinity[PREFERRED]).iter().enumerate() {
        let path = format!("{path}.{PREFERRED}[{i}]");
        weight(errors, preferred, &path);
        node_term(errors, &preferred["preference"], &child(&path, "preference"));
    }
}

fn node_term(errors: &mut Errors, term: &Value, path: &str) {
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
                errors.push(FieldError::invalid(child(&path, "operator"), &rule["operator"], why));
            }
        }
        rules::form(errors, names::qualified_name(key), &child(&path, "key"), key);
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
    let key = text(&term["topologyKey"]);
    if key.is_empty() {
        errors.push(FieldError::required(child(path, "topologyKey"), "can not be empty"));
    } else {
        rules::form(errors, names::qualified_name(key), &child(path, "topologyKey"), key);
    }
    for field in ["labelSelector", "namespaceSelector"] {
        rules::label_selector(errors, &term[field], &child(path, field));
    }
    for (i, namespace) in items(&term["namespaces"]).iter().map(text).enumerate() {
        rules::form(errors, names::dns_label(namespace), &format!("{path}.namespaces[{i}]"), namespace);
    }
}

fn weight(errors: &mut Errors, preferred: &Value, path: &str) {
    if !(1..=100).contains(&int(&preferred["weight"])) {
        errors.push(FieldError::invalid(child(path, "weight"), &preferred["weight"], "must be in the range 1-100"));
    }
}
