//! Policy, autoscaling, RBAC, storage classes, priorities, leases.

use super::new_objects;
use serde_json::{Value, json};

#[test]
fn budgets_and_autoscalers() {
    new_objects(
        "poddisruptionbudgets.policy",
        &[
            (
                "/spec/maxUnavailable",
                json!(1),
                &["spec: Invalid value: …: minAvailable and maxUnavailable cannot be both set"],
            ),
            (
                "/spec/minAvailable",
                json!("half"),
                &[r#"spec.minAvailable: Invalid value: "half": a valid percent string must be …"#],
            ),
        ],
    );
    new_objects(
        "horizontalpodautoscalers.autoscaling",
        &[
            ("/spec/maxReplicas", json!(0), &["spec.maxReplicas: Invalid value: 0: must be greater than 0", "…"]),
            (
                "/spec/minReplicas",
                json!(0),
                &["spec.minReplicas: Invalid value: 0: must be greater than or equal to 1"],
            ),
            (
                "/spec/minReplicas",
                json!(4),
                &["spec.maxReplicas: Invalid value: 3: must be greater than or equal to `minReplicas`"],
            ),
            ("/spec/scaleTargetRef/name", Value::Null, &["spec.scaleTargetRef.name: Required value"]),
            (
                "/spec/metrics",
                json!([{"type": "Resource"}]),
                &["spec.metrics[0].resource: Required value: must populate information for the given metric source"],
            ),
            (
                "/spec/metrics",
                json!([{"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization"}}}]),
                &[
                    "spec.metrics[0].resource.target…: Required value: must set either a target raw value or a target utilization",
                ],
            ),
        ],
    );
}

#[test]
fn roles() {
    for resource in ["roles.rbac.authorization.k8s.io", "clusterroles.rbac.authorization.k8s.io"] {
        new_objects(
            resource,
            &[
                (
                    "/rules/0/verbs",
                    json!([]),
                    &["rules[0].verbs: Required value: verbs must contain at least one value"],
                ),
                (
                    "/rules/0/apiGroups",
                    json!([]),
                    &["rules[0].apiGroups: Required value: resource rules must supply at least one api group"],
                ),
                (
                    "/rules/0/resources",
                    json!([]),
                    &["rules[0].resources: Required value: resource rules must supply at least one resource"],
                ),
            ],
        );
    }
    new_objects(
        "rolebindings.rbac.authorization.k8s.io",
        &[
            ("/roleRef/name", Value::Null, &["roleRef.name: Required value"]),
            (
                "/roleRef/kind",
                json!("Rule"),
                &[r#"roleRef.kind: Unsupported value: "Rule": supported values: "Role", "ClusterRole""#],
            ),
            ("/subjects/0/name", json!(""), &["subjects[0].name: Required value"]),
        ],
    );
}

#[test]
fn classes_and_leases() {
    new_objects(
        "storageclasses.storage.k8s.io",
        &[
            ("/provisioner", Value::Null, &["provisioner: Required value"]),
            (
                "/reclaimPolicy",
                json!("Burn"),
                &[r#"reclaimPolicy: Unsupported value: "Burn": supported values: "Delete", "Retain""#],
            ),
            (
                "/volumeBindingMode",
                json!("Later"),
                &[
                    r#"volumeBindingMode: Unsupported value: "Later": supported values: "Immediate", "WaitForFirstConsumer""#,
                ],
            ),
            ("/parameters", json!({"": "x"}), &[r#"parameters: Invalid value: "": field can not be empty."#]),
        ],
    );
    new_objects(
        "priorityclasses.scheduling.k8s.io",
        &[(
            "/value",
            json!(1_000_000_001),
            &["value: Forbidden: maximum allowed value of a user defined priority is 1000000000"],
        )],
    );
    new_objects(
        "runtimeclasses.node.k8s.io",
        &[("/handler", json!("A"), &[r#"handler: Invalid value: "A": a lowercase RFC 1123 label must consist of …"#])],
    );
    new_objects(
        "leases.coordination.k8s.io",
        &[(
            "/spec/leaseDurationSeconds",
            json!(0),
            &["spec.leaseDurationSeconds: Invalid value: 0: must be greater than 0"],
        )],
    );
}
