//! Autoscalers: what is set, refused and shown, in both versions.

use super::*;
use crate::testing::{defaulted, errors, shown};

fn autoscaler(spec: Value) -> Value {
    let mut object = json!({"metadata": {"name": "h"}, "spec": {"maxReplicas": 5,
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}}});
    for (name, value) in spec.as_object().unwrap() {
        object["spec"][name] = value.clone();
    }
    object
}

#[test]
fn messages() {
    let metric = |kind: &str, source: &str, value: Value| json!({"metrics": [{"type": kind, source: value}]});
    let cases: &[(Value, &[&str])] = &[
        (json!({}), &[]),
        (json!({"behavior": {"scaleDown": {"stabilizationWindowSeconds": 60}}}), &[]),
        (
            json!({"maxReplicas": 0}),
            &[
                "spec.maxReplicas: Invalid value: 0: must be greater than 0",
                "spec.maxReplicas: Invalid value: 0: must be greater than or equal to `minReplicas`",
            ],
        ),
        (json!({"minReplicas": -1}), &["spec.minReplicas: Invalid value: -1: must be greater than or equal to 1"]),
        (
            json!({"scaleTargetRef": {}}),
            &["spec.scaleTargetRef.kind: Required value", "spec.scaleTargetRef.name: Required value"],
        ),
        (
            metric("Resource", "resource", json!({"name": "cpu", "target": {"type": "Utilization"}})),
            &[
                "spec.metrics[0].resource.target: Required value: must set either a target raw value or a target utilization",
            ],
        ),
        (
            metric("Pods", "resource", json!({})),
            &[
                "spec.metrics[0].resource: Forbidden: must populate the given metric source only, type is Pods",
                "spec.metrics[0].pods: Required value: must populate information for the given metric source",
            ],
        ),
        (
            json!({"behavior": {"scaleUp": {"selectPolicy": "Fast", "stabilizationWindowSeconds": 3601,
                "policies": [{"type": "Pods", "value": 0, "periodSeconds": 15}]}}}),
            &[
                "spec.behavior.scaleUp.stabilizationWindowSeconds: Invalid value: 3601: must be less than or equal to 3600",
                r#"spec.behavior.scaleUp.selectPolicy: Unsupported value: "Fast": supported values: "Disabled", "Max", "Min""#,
                "spec.behavior.scaleUp.policies[0].value: Invalid value: 0: must be greater than zero",
            ],
        ),
    ];
    for (spec, expected) in cases {
        assert_eq!(errors(&KIND, &autoscaler(spec.clone())), *expected, "{spec}");
    }
}

#[test]
fn cells() {
    let mut object = defaulted(&KIND, &autoscaler(json!({})));
    assert_eq!(shown(&KIND, &object), ["h", "Deployment/web", "cpu: <unknown>/80%", "1", "5", "0", "<unknown>"]);
    object["status"] = json!({"currentReplicas": 2, "currentMetrics": [
        {"type": "Resource", "resource": {"name": "cpu", "current": {"averageUtilization": 35}}}]});
    assert_eq!(shown(&KIND, &object)[2], "cpu: 35%/80%");
}

#[test]
fn the_older_version_is_another_face_of_the_same_object() {
    let old = json!({"apiVersion": "autoscaling/v1", "metadata": {"name": "h"},
        "spec": {"maxReplicas": 5, "targetCPUUtilizationPercentage": 60}});
    let stored = V1.store(old.clone());
    assert_eq!(
        (&stored["apiVersion"], &stored["spec"]["metrics"]),
        (&json!("autoscaling/v2"), &json!([metrics::cpu(60)]))
    );
    assert_eq!(V1.show(stored.clone()), old);
    // What v1 has no field for comes back from it unharmed.
    let mut rich = stored;
    let memory = json!({"type": "Resource", "resource": {"name": "memory", "target": {"type": "AverageValue", "averageValue": "1Gi"}}});
    rich["spec"]["metrics"] = json!([memory, metrics::cpu(60)]);
    rich["spec"]["behavior"] = json!({"scaleDown": {"selectPolicy": "Disabled"}});
    rich["status"] = json!({"conditions": [{"type": "AbleToScale"}]});
    let shown = V1.show(rich.clone());
    assert_eq!(shown["spec"], json!({"maxReplicas": 5, "targetCPUUtilizationPercentage": 60}));
    assert_eq!(V1.store(shown), rich);
}
