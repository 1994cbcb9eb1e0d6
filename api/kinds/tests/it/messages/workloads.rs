//! Deployments, ReplicaSets, DaemonSets, StatefulSets, ReplicationControllers.

use super::new_objects;
use serde_json::{Value, json};

const MISMATCH: &str =
    r#"spec.template.metadata.labels: Invalid value: {"app":"b"}: `selector` does not match template `labels`"#;

#[test]
fn selectors_and_templates() {
    for (resource, word) in [
        ("deployments.apps", "deployment"),
        ("replicasets.apps", "deployment"),
        ("daemonsets.apps", "daemonset"),
        ("statefulsets.apps", "statefulset"),
    ] {
        let empty = format!("spec.selector: Invalid value: {{}}: empty selector is invalid for {word}");
        new_objects(
            resource,
            &[
                ("/spec/template/metadata/labels/app", json!("b"), &[MISMATCH]),
                (
                    "/spec/selector",
                    Value::Null,
                    &["spec.selector: Required value", "…does not match template `labels`"],
                ),
                ("/spec/selector", json!({}), &[&empty]),
                (
                    "/spec/template/spec/restartPolicy",
                    json!("Never"),
                    &[r#"spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always""#],
                ),
                (
                    "/spec/template/spec/activeDeadlineSeconds",
                    json!(9),
                    &[
                        "spec.template.spec.activeDeadlineSeconds: Forbidden: activeDeadlineSeconds in … is not Supported",
                    ],
                ),
                (
                    "/spec/template/spec/containers/0/image",
                    Value::Null,
                    &["spec.template.spec.containers[0].image: Required value"],
                ),
                (
                    "/spec/template/metadata/labels/b c",
                    json!("d"),
                    &[r#"spec.template.labels: Invalid value: "b c": name part must consist of …"#],
                ),
                ("/spec/template/spec/containers/0/image", json!(" padded "), &[]),
            ],
        );
    }
}

#[test]
fn of_each_kind() {
    let rolling = "/spec/strategy/rollingUpdate";
    new_objects(
        "deployments.apps",
        &[
            ("/spec/replicas", json!(-1), &["spec.replicas: Invalid value: -1: must be greater than or equal to 0"]),
            (
                "/spec/strategy",
                json!({"type": "Big"}),
                &[r#"spec.strategy.type: Unsupported value: "Big": supported values: "Recreate", "RollingUpdate""#],
            ),
            (
                "/spec/strategy",
                json!({"type": "Recreate", "rollingUpdate": {}}),
                &["spec.strategy.rollingUpdate: Forbidden: may not be specified when strategy `type` is 'Recreate'"],
            ),
            (
                rolling,
                json!({"maxSurge": 0, "maxUnavailable": 0}),
                &["spec.strategy.rollingUpdate.maxUnavailable: Invalid value: 0: may not be 0 when `maxSurge` is 0"],
            ),
            (
                rolling,
                json!({"maxUnavailable": "101%"}),
                &[
                    r#"spec.strategy.rollingUpdate.maxUnavailable: Invalid value: "101%": must not be greater than 100%"#,
                ],
            ),
            (
                "/spec/progressDeadlineSeconds",
                json!(0),
                &["spec.progressDeadlineSeconds: Invalid value: 0: must be greater than minReadySeconds"],
            ),
        ],
    );
    new_objects(
        "statefulsets.apps",
        &[
            (
                "/spec/podManagementPolicy",
                json!("Chaos"),
                &[r#"spec.podManagementPolicy: Invalid value: "Chaos": must be 'OrderedReady' or 'Parallel'"#],
            ),
            (
                "/spec/updateStrategy/rollingUpdate/partition",
                json!(-1),
                &["spec.updateStrategy.rollingUpdate.partition: Invalid value: -1: must be greater than or equal to 0"],
            ),
            (
                "/spec/persistentVolumeClaimRetentionPolicy",
                json!({"whenDeleted": "Burn"}),
                &[
                    r#"spec.persistentVolumeClaimRetentionPolicy.whenDeleted: Unsupported value: "Burn": supported values: "Delete", "Retain""#,
                ],
            ),
        ],
    );
    new_objects(
        "replicationcontrollers",
        &[
            ("/spec/selector", json!({"app": "b"}), &["…`selector` does not match template `labels`"]),
            ("/spec/template", Value::Null, &["spec.template: Required value"]),
        ],
    );
}

#[test]
fn claims_of_a_set_are_volumes_of_its_pods() {
    let mut set = super::bases::of("statefulsets.apps");
    set["spec"]["template"]["spec"]["containers"][0]["volumeMounts"] = json!([{"name": "data", "mountPath": "/d"}]);
    let kind = super::kind("statefulsets.apps");
    let said = |set: &Value| kind.strategy.validate(&super::made(kind, set.clone())).len();
    assert_eq!(said(&set), 1);
    set["spec"]["volumeClaimTemplates"] = json!([{"metadata": {"name": "data"}, "spec": {
        "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}}]);
    assert_eq!(said(&set), 0);
}
