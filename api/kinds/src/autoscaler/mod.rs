//! HorizontalPodAutoscaler: as many replicas as the load asks for.

mod behavior;
mod columns;
mod metrics;
mod v1;

use crate::{
    Column, Context, Kind, Strategy, Subresource,
    json::{is_unset, set, set_default},
    rules::{self, Errors},
};
use podium_types::FieldError;
use serde_json::{Value, json};

pub use v1::FACE as V1;

/// Share of the requested CPU that pods use, where nothing else is to be looked at.
const CPU_PERCENT: i64 = 80;

/// autoscaling/v2 HorizontalPodAutoscaler.
pub static KIND: Kind = Kind {
    group: "autoscaling",
    versions: &["v2"],
    kind: "HorizontalPodAutoscaler",
    list_kind: "HorizontalPodAutoscalerList",
    plural: "horizontalpodautoscalers",
    singular: "horizontalpodautoscaler",
    short_names: &["hpa"],
    categories: &["all"],
    resource: "horizontalpodautoscalers.autoscaling",
    schema: "io.k8s.api.autoscaling.v2.HorizontalPodAutoscaler",
    subresources: &[Subresource::part("status", "HorizontalPodAutoscaler")],
    columns: &[
        Column::NAME,
        Column::text("Reference"),
        Column::text("Targets"),
        Column::text("MinPods"),
        Column::text("MaxPods"),
        Column::integer("Replicas"),
        Column::AGE,
    ],
    row: columns::row,
    strategy: &Autoscaler,
    ..Kind::PLAIN
};

struct Autoscaler;

impl Strategy for Autoscaler {
    fn default(&self, object: &mut Value) {
        let Some(spec) = object.get_mut("spec").filter(|s| s.is_object()) else { return };
        set_default(spec, "minReplicas", 1);
        if is_unset(&spec["metrics"]) {
            set(spec, "metrics", json!([metrics::cpu(CPU_PERCENT)]));
        }
        if let Some(behavior) = spec.get_mut("behavior").filter(|b| b.is_object()) {
            behavior::defaults(behavior);
        }
    }

    fn prepare_create(&self, object: &mut Value, _context: &Context<'_>) {
        set(object, "status", json!({"currentMetrics": null, "desiredReplicas": 0}));
    }

    fn validate(&self, object: &Value) -> Vec<FieldError> {
        let mut errors = Errors::new();
        let spec = &object["spec"];
        let (least, most) = (&spec["minReplicas"], &spec["maxReplicas"]);
        if least.as_i64().is_some_and(|n| n < 1) {
            errors.push(FieldError::invalid("spec.minReplicas", least, "must be greater than or equal to 1"));
        }
        let number = most.as_i64().unwrap_or_default();
        if number < 1 {
            errors.push(FieldError::invalid("spec.maxReplicas", &json!(number), "must be greater than 0"));
        }
        if least.as_i64().is_some_and(|n| n > number) {
            let why = "must be greater than or equal to `minReplicas`";
            errors.push(FieldError::invalid("spec.maxReplicas", &json!(number), why));
        }
        metrics::reference(&mut errors, &spec["scaleTargetRef"], "spec.scaleTargetRef");
        metrics::validate(&mut errors, &spec["metrics"], "spec.metrics");
        if !spec["behavior"].is_null() {
            behavior::validate(&mut errors, &spec["behavior"], "spec.behavior");
        }
        errors
    }

    fn validate_update(&self, object: &Value, _old: &Value, context: &Context<'_>) -> Vec<FieldError> {
        let mut errors = Errors::new();
        if context.subresource == "status" {
            let numbers = ["currentReplicas", "desiredReplicas"];
            rules::not_negative(&mut errors, &object["status"], "status", &numbers);
        }
        errors
    }
}

#[cfg(test)]
mod tests;
