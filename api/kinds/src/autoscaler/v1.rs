//! autoscaling/v1: CPU alone; what it has no field for travels in annotations.

use super::{KIND, metrics};
use crate::{
    Face, Kind,
    json::{at, is_unset, items, remove, set, take},
};
use podium_types::meta;
use serde_json::{Value, json};

/// Fields of v2 that v1 lacks, and the annotations that carry them.
const CARRIED: &[(&str, &str, &str)] = &[
    ("spec", "metrics", "autoscaling.alpha.kubernetes.io/metrics"),
    ("spec", "behavior", "autoscaling.alpha.kubernetes.io/behavior"),
    ("status", "conditions", "autoscaling.alpha.kubernetes.io/conditions"),
    ("status", "currentMetrics", "autoscaling.alpha.kubernetes.io/current-metrics"),
];

/// autoscaling/v1 HorizontalPodAutoscaler.
static V1: Kind = Kind {
    versions: &["v1"],
    schema: "io.k8s.api.autoscaling.v1.HorizontalPodAutoscaler",
    row: |object, now| (KIND.row)(&FACE.store(object.clone()), now),
    ..KIND
};

/// One metric has a field, the others an annotation.
pub static FACE: Face = Face { shown: &V1, stored: &KIND, to_stored, from_stored };

fn is_cpu(metric: &Value) -> bool {
    at(metric, "resource.name") == "cpu" && metric["type"] == "Resource"
}

/// Whether v1 has a field for the metric.
fn is_cpu_share(metric: &Value) -> bool {
    is_cpu(metric) && !at(metric, "resource.target.averageUtilization").is_null()
}

fn from_stored(object: &mut Value) {
    let metrics = items(at(object, "spec.metrics")).to_vec();
    let cpu = metrics.iter().find(|m| is_cpu_share(m)).map(|m| at(m, "resource.target.averageUtilization").clone());
    let current = items(at(object, "status.currentMetrics")).to_vec();
    let share = current.iter().find(|m| is_cpu(m)).map(|m| at(m, "resource.current.averageUtilization").clone());
    for (part, field, annotation) in CARRIED {
        let value = take(object, part, field);
        let plain = match *field {
            "metrics" => items(&value).iter().all(is_cpu_share) && items(&value).len() < 2,
            "currentMetrics" => items(&value).iter().all(is_cpu) && items(&value).len() < 2,
            _ => is_unset(&value),
        };
        if !plain {
            set(annotations(object), annotation, value.to_string());
        }
    }
    for (part, field, value) in [
        ("spec", "targetCPUUtilizationPercentage", cpu),
        ("status", "currentCPUUtilizationPercentage", share.filter(|s| !s.is_null())),
    ] {
        if let (Some(part), Some(value)) = (object.get_mut(part), value) {
            set(part, field, value);
        }
    }
}

fn to_stored(object: &mut Value) {
    let [cpu, share] = [("spec", "targetCPUUtilizationPercentage"), ("status", "currentCPUUtilizationPercentage")]
        .map(|(part, field)| take(object, part, field).as_i64());
    for (part, field, annotation) in CARRIED {
        let carried: Option<Value> =
            at(object, "metadata.annotations")[*annotation].as_str().and_then(|t| serde_json::from_str(t).ok());
        if let Some(map) = object.get_mut("metadata").and_then(|m| m.get_mut("annotations")) {
            remove(map, annotation);
        }
        if let (Some(value), Some(part)) = (carried, object.get_mut(*part)) {
            set(part, field, value);
        }
    }
    drop_if_empty(object);
    if let (Some(percent), Some(spec)) = (cpu, object.get_mut("spec")) {
        // The field decides over what was carried along.
        let mut list = items(&spec["metrics"]).to_vec();
        match list.iter_mut().find(|m| is_cpu_share(m)) {
            Some(metric) => *metric = metrics::cpu(percent),
            None => list.insert(0, metrics::cpu(percent)),
        }
        set(spec, "metrics", list);
    }
    if let (Some(percent), Some(status)) = (share, object.get_mut("status").filter(|s| is_unset(&s["currentMetrics"])))
    {
        let current = json!({"name": "cpu", "current": {"averageUtilization": percent}});
        set(status, "currentMetrics", json!([{"type": "Resource", "resource": current}]));
    }
}

fn annotations(object: &mut Value) -> &mut Value {
    let metadata = meta::metadata_mut(object);
    let annotations = metadata.entry("annotations").or_insert_with(|| json!({}));
    if !annotations.is_object() {
        *annotations = json!({});
    }
    annotations
}

fn drop_if_empty(object: &mut Value) {
    if let Some(metadata) = object.get_mut("metadata").filter(|m| is_unset(&m["annotations"])) {
        remove(metadata, "annotations");
    }
}
