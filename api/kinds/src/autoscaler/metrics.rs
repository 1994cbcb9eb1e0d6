//! What an autoscaler looks at.

use crate::{
    json::{is_unset, items, text},
    resources,
    rules::{self, Errors, child},
};
use podium_types::FieldError;
use serde_json::{Value, json};

/// The types of metrics and the field that each has.
const SOURCES: &[(&str, &str)] = &[
    ("ContainerResource", "containerResource"),
    ("External", "external"),
    ("Object", "object"),
    ("Pods", "pods"),
    ("Resource", "resource"),
];

/// The metric of a share of the requested CPU.
pub(super) fn cpu(percent: i64) -> Value {
    let target = json!({"type": "Utilization", "averageUtilization": percent});
    json!({"type": "Resource", "resource": {"name": "cpu", "target": target}})
}

/// The field with the source of a metric.
pub(super) fn source(metric: &Value) -> Option<&'static str> {
    SOURCES.iter().find(|(kind, _)| *kind == text(&metric["type"])).map(|(_, field)| *field)
}

/// Rules for a reference to another object.
pub(super) fn reference(errors: &mut Errors, reference: &Value, path: &str) {
    for field in ["kind", "name"] {
        rules::required(errors, &reference[field], &child(path, field), "");
    }
}

/// Rules for the metrics at `path`.
pub(super) fn validate(errors: &mut Errors, metrics: &Value, path: &str) {
    for (i, metric) in items(metrics).iter().enumerate() {
        one(errors, metric, &format!("{path}[{i}]"));
    }
}

fn one(errors: &mut Errors, metric: &Value, path: &str) {
    let kind = text(&metric["type"]);
    if kind.is_empty() {
        errors.push(FieldError::required(child(path, "type"), "must specify a metric source type"));
        return;
    }
    let Some(own) = source(metric) else {
        let kinds: Vec<&str> = SOURCES.iter().map(|(kind, _)| *kind).collect();
        errors.push(FieldError::not_supported(child(path, "type"), &metric["type"], &kinds));
        return;
    };
    for (_, field) in SOURCES {
        if *field != own && !metric[*field].is_null() {
            let why = format!("must populate the given metric source only, type is {kind}");
            errors.push(FieldError::forbidden(child(path, field), &why));
        }
    }
    let (source, path) = (&metric[own], child(path, own));
    if source.is_null() {
        errors.push(FieldError::required(&path, "must populate information for the given metric source"));
        return;
    }
    if own.ends_with("esource") {
        rules::required(errors, &source["name"], &child(&path, "name"), "must specify a resource name");
        if own == "containerResource" {
            rules::required(errors, &source["container"], &child(&path, "container"), "must specify a container");
        }
    } else {
        let metric = &source["metric"];
        rules::required(errors, &metric["name"], &child(&path, "metric.name"), "must specify a metric name");
        rules::label_selector(errors, &metric["selector"], &child(&path, "metric.selector"));
    }
    if own == "object" {
        reference(errors, &source["describedObject"], &child(&path, "describedObject"));
    }
    target(errors, &source["target"], own, &child(&path, "target"));
}

fn target(errors: &mut Errors, target: &Value, source: &str, path: &str) {
    let kinds = &["AverageValue", "Utilization", "Value"];
    rules::required_one_of(errors, &target["type"], &child(path, "type"), kinds);
    for field in ["value", "averageValue"] {
        let positive = resources::quantity(&target[field]).is_none_or(|q| !q.is_zero() && !q.is_negative());
        if !is_unset(&target[field]) && !positive {
            errors.push(FieldError::invalid(child(path, field), &target[field], "must be positive"));
        }
    }
    rules::at_least(errors, &target["averageUtilization"], &child(path, "averageUtilization"), 1);
    let [value, average, utilization] = ["value", "averageValue", "averageUtilization"].map(|f| !is_unset(&target[f]));
    let (needed, why) = match source {
        "resource" | "containerResource" => {
            (average || utilization, "must set either a target raw value or a target utilization")
        }
        "pods" => (average, "must specify a positive target averageValue"),
        _ => (value || average, "must set either a target value for metric or a per-pod target"),
    };
    if !needed {
        let field = if source == "pods" { child(path, "averageValue") } else { path.to_owned() };
        errors.push(FieldError::required(field, why));
    }
    if source.ends_with("esource") && average && utilization {
        let why = "may not set both a target raw value and a target utilization";
        errors.push(FieldError::forbidden(child(path, "averageValue"), why));
    }
}
