//! Deployments, ReplicaSets, DaemonSets, StatefulSets, ReplicationControllers.

use super::{CONTEXT, base, kind, new_objects};
use podium_kinds::Context;
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

/// Counts of a status are counts, and parts are no larger than the whole.
#[test]
fn statuses() {
    let below = "must be greater than or equal to 0";
    let all = "cannot be greater than status.replicas";
    for (resource, before, status, expected) in [
        ("deployments.apps", json!({}), json!({"replicas": 2, "updatedReplicas": 2, "readyReplicas": 1}), vec![]),
        (
            "deployments.apps",
            json!({"collisionCount": 2}),
            json!({"replicas": 1, "updatedReplicas": 2, "availableReplicas": 1, "unavailableReplicas": -1, "collisionCount": 1}),
            vec![
                format!("status.unavailableReplicas: Invalid value: -1: {below}"),
                format!("status.updatedReplicas: Invalid value: 2: {all}"),
                "status.availableReplicas: Invalid value: 1: cannot be greater than readyReplicas".to_owned(),
                "status.collisionCount: Invalid value: 1: cannot be decremented".to_owned(),
            ],
        ),
        (
            "replicasets.apps",
            json!({}),
            json!({"replicas": 1, "fullyLabeledReplicas": 2, "observedGeneration": -1}),
            vec![
                format!("status.observedGeneration: Invalid value: -1: {below}"),
                format!("status.fullyLabeledReplicas: Invalid value: 2: {all}"),
            ],
        ),
        (
            "replicationcontrollers",
            json!({}),
            json!({"replicas": 1, "readyReplicas": 2}),
            vec![format!("status.readyReplicas: Invalid value: 2: {all}")],
        ),
        (
            "statefulsets.apps",
            json!({}),
            json!({"replicas": 2, "readyReplicas": 1, "availableReplicas": 2}),
            vec!["status.availableReplicas: Invalid value: 2: cannot be greater than status.readyReplicas".to_owned()],
        ),
        (
            "daemonsets.apps",
            json!({}),
            json!({"numberReady": -1, "numberAvailable": 5}),
            vec![format!("status.numberReady: Invalid value: -1: {below}")],
        ),
    ] {
        let [mut old, mut new] = [base(resource), base(resource)];
        (old["status"], new["status"]) = (before, status);
        let context = Context { subresource: "status", ..CONTEXT };
        let found = kind(resource).strategy.validate_update(&new, &old, &context);
        assert_eq!(found.iter().map(ToString::to_string).collect::<Vec<_>>(), expected, "{resource}");
    }
}
